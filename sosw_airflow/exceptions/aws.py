"""Errors of AWS, and of what a deployment lacks there."""

from __future__ import annotations

from collections.abc import Sequence

from sosw_airflow.exceptions.base import SoswError

__all__ = ["AccessDenied", "AwsFault", "MissingBucket", "MissingCredentials", "MissingTable"]


class AwsFault(SoswError):
    """A call to AWS failed in a way that a retry of the same call would not fix."""


class AccessDenied(AwsFault, retryable=True):  # policies and credentials change without the DAG
    """The credentials may not do this; ``may_be_missing``: or the object does not exist (S3 answers alike)."""

    def __init__(self, *, action: str, resource: str, detail: str, may_be_missing: bool = False) -> None:
        self.action, self.resource, self.may_be_missing = action, resource, may_be_missing
        missing = " The object does not exist, or it may not be read: without s3:ListBucket S3 gives the same answer."
        trust = " and in the trust policy of the role" if action.startswith("sts:") else ""
        fix = f"Fix: allow it to the identity of the AWS Connection{trust} (docs/permissions.md has the policies)."
        what = f"AWS refuses {action} on {resource}.{missing if may_be_missing else ''}"
        super().__init__(f"{what} {fix} AWS says: {detail}")


class MissingCredentials(AwsFault, retryable=True):  # the endpoint of a role may not answer for a moment
    """No AWS credentials were found, or their source gives none."""

    def __init__(self, *, detail: str, searched: Sequence[str] = (), connection: bool = True) -> None:
        self.detail, self.searched = detail, tuple(searched)
        places = f" Searched: {'; '.join(searched)}." if searched else ""
        # Without one, boto3's own search is the only one.
        name = "name an AWS Connection that has them in the extra aws_conn_id of the sosw Connection, or "
        where = " for workers and triggerer" if connection else ""
        super().__init__(
            f"There are no AWS credentials.{places} Fix: {name if connection else ''}set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role{where}. AWS's client says: {detail}"
        )


class MissingTable(AwsFault):
    """A DynamoDB table or index does not exist where the Connection says it is."""

    def __init__(self, name: str, *, setting: str, region: str | None = None) -> None:
        self.name = name
        super().__init__(
            f"There is no DynamoDB table {name!r}{f' in {region}' if region else ''}. Fix: create it with "
            f"`sosw-airflow init --apply`, or correct {setting!r} or region_name in the extras of the sosw Connection."
        )


class MissingBucket(AwsFault):
    """An S3 bucket does not exist: that of the queue files, or one that an argument names."""

    def __init__(self, name: str, *, setting: str = "queue_bucket", is_argument: bool = False) -> None:
        self.name, self.setting = name, str(setting)
        super().__init__(
            f"There is no S3 bucket {name!r}. Fix: create this bucket, or correct the argument {self.setting}."
            if is_argument
            else f"There is no S3 bucket {name!r}. Fix: create it with `sosw-airflow init --apply`, or correct "
            f"queue_bucket in the extras of the sosw Connection."
        )
