"""What an answer of AWS means, and what the user reads of it."""

from __future__ import annotations

from typing import Any

import botocore.exceptions as failures
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.exceptions import AccessDenied, AwsFault, MissingBucket, MissingCredentials, MissingTable
from sosw_airflow.stores.aws_errors import (
    Argument,
    Verdict,
    cancellation_codes,
    error_code,
    explain,
    explain_faults,
    judge,
    was_refused,
)

URL = "https://dynamodb.us-west-2.amazonaws.com"


def client_error(code: str, message: str = "said AWS", *, status: int = 400, **members: Any) -> ClientError:
    """An error as botocore makes it of an answer."""
    metadata = {"HTTPStatusCode": status, "RequestId": "1"}
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **members}
    return ClientError(answer, "TransactWriteItems")


def explained_as(error: ClientError | BotoCoreError, **how: Any) -> Exception:
    """The error in this provider's words."""
    return explain(error, **{"action": "dynamodb:Query", "resource": "sosw_tasks", "setting": "tasks_table", **how})


# -- judge -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400),  # DynamoDB, provisioned
        ("ThrottlingException", 400),  # DynamoDB, on demand or its key in KMS
        ("RequestLimitExceeded", 400),  # DynamoDB, the account's limit
        ("SlowDown", 503),  # S3
        ("Throttling", 400),  # STS
        ("TooManyRequestsException", 429),  # Lambda
    ],
)
def test_throttling(code: str, status: int) -> None:
    """AWS asks for patience; whatever the HTTP status is."""
    assert judge(client_error(code, status=status)) is Verdict.THROTTLED


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalServerError", 500),
        ("InternalError", 500),
        ("ServiceUnavailable", 503),
        ("RequestTimeout", 400),
        ("TransactionConflictException", 400),
        ("TransactionInProgressException", 400),
        ("NoSuchUpload", 404),
        ("502", 502),  # an answer without a body, for instance of a proxy
        ("", 504),
    ],
)
def test_faults_that_pass(code: str, status: int) -> None:
    """The outcome may be unknown; sending again settles it."""
    assert judge(client_error(code, status=status)) is Verdict.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        failures.EndpointConnectionError(endpoint_url=URL, error="refused"),
        failures.ConnectionClosedError(endpoint_url=URL),
        failures.ConnectTimeoutError(endpoint_url=URL),
        failures.ReadTimeoutError(endpoint_url=URL),
        failures.ProxyConnectionError(proxy_url=URL),
        failures.HTTPClientError(error="broken"),
        failures.ResponseStreamingError(error="broken"),
        failures.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_connection(error: BotoCoreError) -> None:
    """Before, while or after AWS has done what it was asked to do."""
    assert judge(error) is Verdict.TRANSIENT


def test_a_cancelled_transaction() -> None:
    """Its reasons decide."""
    assert judge(client_error("TransactionCanceledException")) is Verdict.CANCELLED


@pytest.mark.parametrize(
    "error",
    [
        client_error("ValidationException"),
        client_error("AccessDeniedException"),
        client_error("ResourceNotFoundException"),
        client_error("ConditionalCheckFailedException"),
        client_error("ItemCollectionSizeLimitExceededException"),
        client_error("NoSuchBucket", status=404),
        client_error("KMS.DisabledException"),
        failures.ParamValidationError(report="wrong"),
        failures.NoCredentialsError(),
        failures.NoRegionError(),
    ],
    ids=error_code,
)
def test_what_stays(error: Exception) -> None:
    """Sending the same again cannot help."""
    assert judge(error) is Verdict.PERMANENT


def test_any_other_exception_stays() -> None:
    """A bug is not repeated."""
    assert judge(ValueError("a bug")) is Verdict.PERMANENT


# -- codes -------------------------------------------------------------------------------------------------------------


def test_the_code_of_aws() -> None:
    """As AWS spells it."""
    assert error_code(client_error("SlowDown")) == "SlowDown"


def test_the_name_of_botocores_class() -> None:
    """Where the answer never came."""
    assert error_code(failures.NoRegionError()) == "NoRegionError"


def test_an_answer_without_a_code() -> None:
    """Some proxies and emulators answer so."""
    assert error_code(ClientError({}, "Query")) == ""  # type: ignore[typeddict-item]


def test_cancellation_codes() -> None:
    """One for each action, in the order of the actions."""
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}, {}]
    error = client_error("TransactionCanceledException", CancellationReasons=reasons)
    assert cancellation_codes(error) == ["None", "ConditionalCheckFailed", "None"]


def test_cancellation_codes_of_the_message() -> None:
    """Where the answer has no list of reasons, the message has the codes."""
    message = (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, TransactionConflict]"
    )
    assert cancellation_codes(client_error("TransactionCanceledException", message)) == ["None", "TransactionConflict"]


def test_no_cancellation_codes() -> None:
    """Nothing is made up."""
    assert cancellation_codes(client_error("TransactionCanceledException", "no reasons")) == []


# -- explain -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized"),
        client_error("AccessDenied", status=403),
        client_error("403", "Forbidden", status=403),  # S3's HEAD has no body
        client_error("ExpiredTokenException"),
        client_error("UnrecognizedClientException"),
        client_error("InvalidAccessKeyId", status=403),
        client_error("RequestTimeTooSkewed", status=403),
    ],
    ids=error_code,
)
def test_no_access(error: ClientError | BotoCoreError) -> None:
    """The action and the resource are named, with AWS's own words; a retry may find them fixed."""
    explanation = explained_as(error)
    assert isinstance(explanation, AccessDenied)
    assert (
        f"AWS refuses dynamodb:Query on sosw_tasks. Fix: allow it to the identity of the AWS Connection "
        f"(docs/permissions.md has the policies). AWS says: {error}" == (str(explanation))
    )
    assert explanation.retryable


@pytest.mark.parametrize(
    "error",
    [
        failures.NoCredentialsError(),
        failures.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        failures.CredentialRetrievalError(provider="container-role", error_msg="timed out"),
        failures.MetadataRetrievalError(error_msg="timed out"),
        failures.ProfileNotFound(profile="sosw"),
    ],
    ids=error_code,
)
def test_no_credentials(error: BotoCoreError) -> None:
    """Nothing was refused, so no permission is named, but what to set; a role's endpoint may answer the next time."""
    explanation = explained_as(error)
    assert isinstance(explanation, MissingCredentials)
    assert "Fix: name an AWS Connection that has them in the extra aws_conn_id" in str(explanation)
    assert str(explanation).endswith(f"says: {error}")
    assert "dynamodb:Query" not in str(explanation)
    assert explanation.retryable


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("AssumeRole", "sts:AssumeRole"),
        ("AssumeRoleWithSAML", "sts:AssumeRoleWithSAML"),
        ("AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity"),
    ],
)
def test_a_role_that_may_not_be_assumed(operation: str, action: str) -> None:
    """botocore asks for the role within the caller's own request, which was never sent."""
    answer: Any = {"Error": {"Code": "AccessDenied", "Message": "denied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    explanation = explained_as(ClientError(answer, operation))
    assert isinstance(explanation, AccessDenied)
    assert str(explanation).startswith(f"AWS refuses {action} on the role of the AWS Connection. Fix: allow it to")
    assert "in the trust policy of the role" in str(explanation)
    assert "dynamodb" not in str(explanation)


def test_a_throttled_request_for_a_role() -> None:
    """It is named as well, and is worth a retry."""
    answer: Any = {"Error": {"Code": "Throttling", "Message": "slow"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    explanation = explained_as(ClientError(answer, "AssumeRole"))
    assert "sts:AssumeRole on the role of the AWS Connection failed" in str(explanation)
    assert isinstance(explanation, AwsFault)
    assert explanation.retryable


@pytest.mark.parametrize(
    ("action", "code", "may_be_missing"),
    [
        ("s3:GetObject", "403", True),
        ("s3:GetObject", "AccessDenied", True),
        ("s3:GetObject", "ExpiredToken", False),
        ("s3:PutObject", "AccessDenied", False),
        ("dynamodb:Query", "AccessDeniedException", False),
    ],
)
def test_an_object_that_may_be_missing(action: str, code: str, may_be_missing: bool) -> None:
    """Without s3:ListBucket S3 denies what does not exist: the message has both reasons, and the object's address."""
    explanation = explained_as(client_error(code, status=403), action=action, resource="b", bucket=True, key="k")
    assert isinstance(explanation, AccessDenied)
    assert explanation.may_be_missing is may_be_missing
    assert ("The object does not exist, or it may not be read" in str(explanation)) is may_be_missing
    assert f"{action} on s3://b/k." in str(explanation)


# -- was_refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (client_error("AccessDenied", status=403), True),
        (client_error("NoSuchKey", status=404), True),
        (client_error("PreconditionFailed", status=412), True),
        (client_error("SlowDown", status=503), True),
        (client_error("ServiceUnavailable", status=503), True),
        (client_error("SlowDown", status=500), True),  # within an answer that began with 200
        (client_error("InternalError", status=500), False),
        (client_error("502", status=502), False),
        (client_error("504", status=504), False),
        (failures.EndpointConnectionError(endpoint_url=URL, error="refused"), True),
        (failures.ConnectTimeoutError(endpoint_url=URL), True),
        (failures.ProxyConnectionError(proxy_url=URL), True),
        (failures.NoCredentialsError(), True),
        (failures.ParamValidationError(report="wrong"), True),
        (failures.ReadTimeoutError(endpoint_url=URL), False),
        (failures.ConnectionClosedError(endpoint_url=URL), False),
        (failures.HTTPClientError(error="broken"), False),
        (failures.ResponseStreamingError(error="broken"), False),
    ],
    ids=lambda value: error_code(value) if isinstance(value, Exception) else None,
)
def test_what_was_certainly_not_carried_out(error: ClientError | BotoCoreError, refused: bool) -> None:
    """Only that may be sent again where a second time would harm."""
    assert was_refused(error) is refused


# -- tables and buckets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        client_error("ResourceNotFoundException", "Requested resource not found"),
        client_error("ValidationException", "The table does not have the specified index: sosw_tasks_greenfield"),
    ],
    ids=["table", "index"],
)
def test_no_table(error: ClientError) -> None:
    """The table is named, and the setting that names it."""
    explanation = explained_as(error)
    assert isinstance(explanation, MissingTable)
    assert str(explanation).startswith("There is no DynamoDB table 'sosw_tasks'.")
    assert "correct 'tasks_table'" in str(explanation)


@pytest.mark.parametrize("code", ["NoSuchBucket", "404"])
def test_no_bucket(code: str) -> None:
    """By its own code, or by that of an answer without a body."""
    explanation = explained_as(client_error(code, status=404), resource="queue", bucket=True)
    assert isinstance(explanation, MissingBucket)
    assert "There is no S3 bucket 'queue'" in str(explanation)


def test_no_bucket_of_an_argument() -> None:
    """The remedy names it, not the Connection."""
    fault = explained_as(client_error("NoSuchBucket"), resource="b", bucket=True, setting=Argument("results"))
    assert str(fault) == "There is no S3 bucket 'b'. Fix: create this bucket, or correct the argument results."


def test_any_other_fault_of_the_bucket_of_an_argument() -> None:
    """The argument is named in the place of an extra."""
    fault = explained_as(client_error("PermanentRedirect"), resource="b", bucket=True, setting=Argument("results"))
    assert str(fault).endswith("(The argument 'results' names it.)")


def test_a_404_of_no_bucket() -> None:
    """An endpoint that is not DynamoDB is not reported as a missing bucket."""
    assert type(explained_as(client_error("404", "Not Found", status=404))) is AwsFault


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (client_error("InternalServerError", status=500), True),
        (client_error("ThrottlingException"), True),
        (failures.EndpointConnectionError(endpoint_url=URL, error="refused"), True),
        (client_error("ValidationException"), False),
        (failures.ParamValidationError(report="wrong"), False),
    ],
    ids=lambda value: error_code(value) if isinstance(value, Exception) else None,
)
def test_any_other_fault(error: ClientError | BotoCoreError, retryable: bool) -> None:
    """It has the action, the resource, the setting and AWS's words; retries are spent only if they may help."""
    explanation = explained_as(error)
    assert isinstance(explanation, AwsFault)
    assert f"dynamodb:Query on sosw_tasks failed: {error}." in str(explanation)
    assert "The extra 'tasks_table' of the sosw Connection names it." in str(explanation)
    assert explanation.retryable is retryable


def test_a_fault_of_what_no_setting_names() -> None:
    """For instance of an object that the DAG's author has named."""
    explanation = explained_as(client_error("InvalidObjectState"), resource="s3://b/k", setting="")
    assert str(explanation).endswith("said AWS.")


def test_explained_keeps_the_cause() -> None:
    """The traceback shows what botocore raised."""
    cause = client_error("ValidationException")
    with (
        pytest.raises(AwsFault) as refused,
        explain_faults(action="dynamodb:Query", resource="sosw_tasks", setting="tasks_table"),
    ):
        raise cause
    assert refused.value.__cause__ is cause


def test_explained_leaves_other_errors_alone() -> None:
    """Only what botocore raises is AWS's."""
    with pytest.raises(KeyError), explain_faults(action="dynamodb:Query", resource="t", setting="tasks_table"):
        raise KeyError("a bug")


def test_a_page_of_a_proxy() -> None:
    """boto3 takes whatever answers for the message of AWS; ours repeats its beginning, as a log can hold it."""
    fault = explain(client_error("502", "\ud800<html>" * 10_000), action="lambda:InvokeFunction", resource="worker")
    assert len(str(fault).encode()) < 5000
