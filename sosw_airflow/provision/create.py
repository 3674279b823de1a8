"""Creates what a deployment lacks: tables and the bucket. What exists is never altered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import MissingBucket, MissingTable
from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.tables import Throughput, create_missing_tables, table_definitions

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["create_missing", "missing_bucket", "missing_tables"]

#: As in the CloudFormation template: the plans are not public, and unfinished uploads are removed by S3.
_PRIVATE = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
_LIFECYCLE = {
    "Rules": [
        {
            "ID": "unfinished-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
}


def missing_tables(deployment: Deployment) -> list[str]:
    """The names of the tables that do not exist.

    :raises SoswError: AWS cannot be asked.
    """
    missing = []
    for definition in table_definitions(deployment.tables):
        try:
            with explain_faults(action="dynamodb:DescribeTable", resource=definition.name):
                deployment.dynamodb.describe_table(TableName=definition.name)
        except MissingTable:  # noqa: PERF203 - five requests
            missing.append(definition.name)
    return missing


def missing_bucket(deployment: Deployment) -> bool:
    """Whether there is no bucket of this name.

    :raises SoswError: AWS cannot be asked, or the bucket belongs to another account.
    """
    try:
        with explain_faults(
            action="s3:ListBucket", resource=deployment.queue_bucket, setting="queue_bucket", bucket=True
        ):
            deployment.s3.head_bucket(Bucket=deployment.queue_bucket)
    except MissingBucket:
        return True
    return False


def create_missing(deployment: Deployment, *, billing: Throughput | None = None) -> list[str]:
    """Create tables and bucket, wait until they can be used, and give the names of those created.

    :param billing: None for tables on demand.
    :raises SoswError: AWS refuses; what has been created stays.
    """
    with explain_faults(action="dynamodb:CreateTable", resource=deployment.tables.jobs_table):
        created = create_missing_tables(deployment.dynamodb, names=deployment.tables, billing=billing)
    if missing_bucket(deployment):
        _create_bucket(deployment.s3, deployment.queue_bucket)
        created.append(deployment.queue_bucket)
    return created


def _create_bucket(s3: Any, bucket: str) -> None:
    region = s3.meta.region_name
    # The oldest region is S3's default, and may not be named.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with explain_faults(action="s3:CreateBucket", resource=bucket, setting="queue_bucket"):
        try:
            s3.create_bucket(Bucket=bucket, **place)
        except ClientError as error:
            if error_code(error) != "BucketAlreadyOwnedByYou":  # made in this very moment
                raise
    with explain_faults(action="s3:PutBucketPublicAccessBlock", resource=bucket):
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_PRIVATE)
    with explain_faults(action="s3:PutLifecycleConfiguration", resource=bucket):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=_LIFECYCLE)
