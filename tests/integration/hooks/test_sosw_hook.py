"""`SoswHook`: from the Connection and the Variables to settings, labourers, schemas and clients."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

import sosw_airflow
from sosw_airflow.exceptions import (
    AccessDenied,
    InvalidConfiguration,
    MissingCredentials,
    UnknownJobSchema,
    UnknownLabourer,
)
from sosw_airflow.hooks.orchestration import orchestrator_of
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs import JobSchema
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws
from tests.integration.hooks.conftest import FAULTY_EXTRAS, SetConnection, SetVariable

pytestmark = pytest.mark.usefixtures("only_the_environment")

BUCKET = {"queue_bucket": "b", "aws_conn_id": "", "region_name": "eu-central-1"}


def test_nothing_is_read_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook may be made where a DAG file is parsed."""
    for name in ("find_connection", "get_variable"):
        monkeypatch.setattr(f"sosw_airflow.hooks.sosw.{name}", lambda *_: pytest.fail("was read"))
    assert SoswHook("anything").sosw_conn_id == "anything"


def test_the_default_connection() -> None:
    """Its id."""
    assert SoswHook().sosw_conn_id == "sosw_default"


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings(set_connection: SetConnection) -> None:
    """The extras of the Connection."""
    set_connection("sosw_eu", extra={"queue_bucket": "b", "jobs_table": "j"})
    assert (SoswHook("sosw_eu").settings.queue_bucket, SoswHook("sosw_eu").settings.jobs_table) == ("b", "j")


def test_settings_are_read_once(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secrets backend may be slow, and cost money."""
    set_connection("sosw_default", extra={"queue_bucket": "b"})
    hook = SoswHook()
    before = hook.settings
    monkeypatch.setattr("sosw_airflow.hooks.sosw.find_connection", lambda *_: pytest.fail("was read again"))
    assert hook.settings is before


def test_no_connection() -> None:
    """The command that creates it is told."""
    with pytest.raises(InvalidConfiguration, match="airflow connections add sosw_eu --conn-type sosw --conn-extra"):
        _ = SoswHook("sosw_eu").settings


def test_faults_of_the_extras(set_connection: SetConnection) -> None:
    """The Connection is named."""
    set_connection("sosw_eu", extra={"queue_bucket": 5})
    with pytest.raises(InvalidConfiguration, match="Connection sosw_eu, extra queue_bucket: must be text, not 5"):
        _ = SoswHook("sosw_eu").settings


@pytest.mark.parametrize("extra", ['{"queue_bucket": ', "queue_bucket=b", "[1]", '"b"', "5"])
def test_extras_that_are_no_json_object(set_connection: SetConnection, extra: str) -> None:
    """It is told, rather than that the bucket is missing; Airflow takes such extras for empty."""
    set_connection("sosw_eu", extra=extra)
    with pytest.raises(InvalidConfiguration, match=FAULTY_EXTRAS.format("sosw_eu")):
        _ = SoswHook("sosw_eu").settings


def test_a_connection_that_airflow_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3 says that it is not defined; the variable is named, what is in it is not."""
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_EU", '{"conn_type": "sosw", "password": "s3cr3t",')
    with pytest.raises(Exception) as refused:  # noqa: PT011 - in Airflow 2 it is Airflow's own
        _ = SoswHook("sosw_eu").settings
    assert "s3cr3t" not in str(refused.value)
    if isinstance(refused.value, InvalidConfiguration):
        assert "from the environment variable AIRFLOW_CONN_SOSW_EU: it must be a URI" in str(refused.value)


def test_no_extras(set_connection: SetConnection) -> None:
    """A Connection that was just created: the bucket is missing."""
    set_connection("sosw_eu")
    with pytest.raises(InvalidConfiguration, match="Connection sosw_eu, extra queue_bucket: is missing"):
        _ = SoswHook("sosw_eu").settings


# -- labourers and job schemas -----------------------------------------------------------------------------------------


def test_a_labourer_of_the_variable(set_variable: SetVariable) -> None:
    """With its settings as they are."""
    set_variable("sosw_labourers", {"worker": {"arn": "arn:w", "cooldown": 5}})
    labourer = SoswHook().labourer("worker")
    assert (labourer.labourer_id, labourer.arn, labourer.settings["cooldown"]) == ("worker", "arn:w", 5)


def test_a_labourer_of_a_connection(set_connection: SetConnection) -> None:
    """The Connection's id is the labourer's."""
    set_connection("elsewhere", conn_type="sosw_labourer", extra={"arn": "arn:e"})
    assert SoswHook().labourer("elsewhere").arn == "arn:e"


def test_the_variable_comes_first(set_variable: SetVariable, set_connection: SetConnection) -> None:
    """Where both have the labourer."""
    set_variable("sosw_labourers", {"worker": {"arn": "arn:variable"}})
    set_connection("worker", conn_type="sosw_labourer", extra={"arn": "arn:connection"})
    assert SoswHook().labourer("worker").arn == "arn:variable"


def test_a_connection_of_another_type_is_no_labourer(set_connection: SetConnection) -> None:
    """A database may have the same id."""
    set_connection("worker", conn_type="postgres", extra={})
    with pytest.raises(UnknownLabourer):
        SoswHook().labourer("worker")


def test_a_labourer_connection_with_faulty_extras(set_connection: SetConnection) -> None:
    """Is reported like that of the installation."""
    set_connection("worker", conn_type="sosw_labourer", extra="[1]")
    with pytest.raises(InvalidConfiguration, match=FAULTY_EXTRAS.format("worker")):
        SoswHook().labourer("worker")


def test_an_unknown_labourer(set_variable: SetVariable) -> None:
    """Those that are registered are listed."""
    set_variable("sosw_labourers", {"b": {}, "a": {}})
    with pytest.raises(UnknownLabourer, match="'worker' is not registered. Labourers in .* sosw_labourers: a, b"):
        SoswHook().labourer("worker")


def test_a_job_schema(set_variable: SetVariable) -> None:
    """By its name."""
    set_variable("sosw_job_schemas", {"shop": {"chunkable_attrs": ["section"]}})
    assert SoswHook().job_schema("shop") == JobSchema(("section",))


def test_an_unknown_job_schema() -> None:
    """Without the Variable there is none."""
    with pytest.raises(UnknownJobSchema):
        SoswHook().job_schema("default")


# -- clients -----------------------------------------------------------------------------------------------------------


def aws_connection(set_connection: SetConnection, **extra: Any) -> None:
    """A Connection to AWS with credentials of its own."""
    set_connection("my_aws", conn_type="aws", login="AKIAOFTHECONNECTION", password="s3cr3t", extra=extra)


def test_a_client_has_the_region(set_connection: SetConnection) -> None:
    """Of the sosw Connection."""
    set_connection("sosw_default", extra=BUCKET)
    assert SoswHook().client("dynamodb").meta.region_name == "eu-central-1"


def test_a_client_has_the_region_of_the_aws_connection(set_connection: SetConnection) -> None:
    """Where the sosw Connection has none."""
    aws_connection(set_connection, region_name="ap-southeast-2")
    set_connection("sosw_default", extra={"queue_bucket": "b", "aws_conn_id": "my_aws"})
    assert SoswHook().client("s3").meta.region_name == "ap-southeast-2"


def test_a_client_has_the_credentials_of_the_aws_connection(set_connection: SetConnection) -> None:
    """Not those of the environment."""
    aws_connection(set_connection)
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    credentials = SoswHook().client("dynamodb")._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("AKIAOFTHECONNECTION", "s3cr3t")


def test_a_client_has_the_credentials_of_the_environment(set_connection: SetConnection) -> None:
    """With an empty ``aws_conn_id``: boto3's own search."""
    set_connection("sosw_default", extra=BUCKET)
    assert SoswHook().client("dynamodb")._request_signer._credentials.access_key == "123456789012"


def test_a_client_has_the_endpoint(set_connection: SetConnection) -> None:
    """Of the sosw Connection, for every service: an emulator, or a private endpoint."""
    set_connection("sosw_default", extra={**BUCKET, "endpoint_url": "http://127.0.0.1:4566"})
    hook = SoswHook()
    assert {hook.client(service).meta.endpoint_url for service in ("dynamodb", "s3")} == {"http://127.0.0.1:4566"}


def test_a_client_has_the_endpoint_of_the_aws_connection(set_connection: SetConnection) -> None:
    """Where the sosw Connection has none: each service may have its own there."""
    aws_connection(set_connection, service_config={"dynamodb": {"endpoint_url": "http://127.0.0.1:1"}})
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    hook = SoswHook()
    assert hook.client("dynamodb").meta.endpoint_url == "http://127.0.0.1:1"
    assert hook.client("s3").meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"


def config_of(set_connection: SetConnection, *, attempts: int = 10, **config_kwargs: Any) -> Any:
    """The settings of a client whose AWS Connection has these."""
    aws_connection(set_connection, config_kwargs=config_kwargs)
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    return SoswHook().client("dynamodb", attempts=attempts).meta.config


def test_the_defaults_of_a_client(set_connection: SetConnection) -> None:
    """What holds for all that the AWS Connection does not set."""
    config = config_of(set_connection)
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5, 20, 16)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 10)


def test_models_are_read_once_for_all_hooks(
    set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Megabytes of JSON; those of the user's own folder are found as well."""
    set_connection("sosw_default", extra=BUCKET)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    first, second = (hook._clients._session._session.get_component("data_loader") for hook in (SoswHook(), SoswHook()))
    assert first is second
    assert str(tmp_path) in first.search_paths


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_the_settings_of_the_aws_connection_come_first(set_connection: SetConnection, attempts: int) -> None:
    """Time-outs, connections, a proxy: for every client."""
    settings = {"connect_timeout": 33, "read_timeout": 44, "max_pool_connections": 55}
    proxies = {"https": "http://127.0.0.1:3128"}
    config = config_of(set_connection, attempts=attempts, proxies=proxies, **settings)
    assert {name: getattr(config, name) for name in settings} == settings
    assert config.proxies == proxies


@pytest.mark.parametrize("attempts", [2, 10])
def test_the_retries_of_the_aws_connection_come_first(set_connection: SetConnection, attempts: int) -> None:
    """For requests that may be sent again."""
    config = config_of(set_connection, attempts=attempts, retries={"mode": "adaptive", "total_max_attempts": 7})
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("adaptive", 7)


def test_a_request_that_must_not_be_sent_twice(set_connection: SetConnection, caplog: pytest.LogCaptureFixture) -> None:
    """Is not, whatever the AWS Connection says; the log says so."""
    with caplog.at_level("INFO"):
        config = config_of(set_connection, attempts=1, retries={"mode": "adaptive", "total_max_attempts": 7})
    assert config.retries["total_max_attempts"] == 1
    assert "of the AWS Connection do not apply to requests that must not be sent twice" in caplog.text


@pytest.mark.parametrize(("users", "expected"), [(44, 900), (1000, 1000)])
def test_an_answer_that_takes_long(
    set_connection: SetConnection, caplog: pytest.LogCaptureFixture, users: int, expected: int
) -> None:
    """It is not given up before it can have come, whatever the AWS Connection says; the log says so."""
    aws_connection(set_connection, config_kwargs={"read_timeout": users})
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    with caplog.at_level("INFO"):
        config = SoswHook().client("lambda", read_timeout=900).meta.config
    assert config.read_timeout == expected
    assert ("does not apply to requests whose answer takes up to 900 s" in caplog.text) is (users < expected)


@pytest.mark.parametrize("invocation", ["event", "request"])
def test_the_settings_of_an_orchestrators_clients(
    set_connection: SetConnection, set_variable: SetVariable, invocation: str
) -> None:
    """The user's, except where an answer takes long or a request must not be sent twice."""
    details = {"Name": "CPUUtilization", "Namespace": "AWS/RDS", "Statistics": ["Average"]}
    health = {"cpu": {"details": details, "feelings": {"3": 50}, "feeling_comparison_operator": ">"}}
    settings = {"max_simultaneous_invocations": 2, "invocation": invocation, "health_metrics": health}
    set_variable("sosw_labourers", {"pull": settings})
    users = {"connect_timeout": 33, "read_timeout": 44, "max_pool_connections": 55}
    aws_connection(set_connection, config_kwargs={**users, "retries": {"mode": "adaptive", "total_max_attempts": 7}})
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    clients = orchestrator_of(SoswHook(), ["pull"]).clients
    found = {
        name: (
            client.meta.config.connect_timeout,
            client.meta.config.read_timeout,
            client.meta.config.max_pool_connections,
            client.meta.config.retries["total_max_attempts"],
        )
        for name, client in vars(clients).items()
    }
    assert found == {
        "dynamodb": (33, 44, 55, 7),
        "dynamodb_once": (33, 44, 55, 1),
        "aws_lambda": (33, 44, 55, 7),
        "aws_lambda_once": (33, 910.0 if invocation == "request" else 44, 55, 1),
        "cloudwatch": (33, 44, 55, 7),
    }


#: Modules that make clients of their own, with the reason.
OWN_CLIENTS = {
    "hooks/aws_clients.py": "makes those of the Connection",
    "cli/upstream_stores.py": "reads sosw's configuration before a Connection exists",
    "orchestration/assistant.py": "is the code of a Lambda function",
    "testing/kit.py": "is for tests",
}


def test_every_client_is_made_in_one_place() -> None:
    """So that the settings of the AWS Connection hold for all of them."""
    package = Path(sosw_airflow.__file__).parent
    made = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(r"boto3\.(client|resource|Session)\(|_session\.client\(", file.read_text())
    }
    assert made == set(OWN_CLIENTS)


def test_retries_of_the_environment_come_first(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3's users set them everywhere."""
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
    config = config_of(set_connection)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("adaptive", 6)


@pytest.mark.parametrize("wanted", ["when_required", "when_supported"])
def test_checksums(set_connection: SetConnection, aws: Aws, wanted: str) -> None:
    """Some S3-compatible stores refuse the checksums that boto3 adds to every upload: a setting leaves them out."""
    if "request_checksum_calculation" not in Config.OPTION_DEFAULTS:
        pytest.skip("boto3 before 1.36 adds no checksums, and has no such setting")
    aws_connection(set_connection, config_kwargs={"request_checksum_calculation": wanted})
    set_connection("sosw_default", extra={**BUCKET, "region_name": aws.region, "aws_conn_id": "my_aws"})
    s3 = SoswHook().deployment().s3
    seen: list[str] = []
    s3.meta.events.register_first("before-send.s3", lambda request, **_: seen.extend(request.headers))
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"1")
    checksums = [name for name in map(str.lower, seen) if "checksum" in name or "trailer" in name]
    assert bool(checksums) is (wanted == "when_supported")


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"endpoint_url": "localhost:4566"}, "cannot be used: Invalid endpoint: localhost:4566"),
        ({"endpoint_url": "http://[::1"}, "cannot be used: Invalid"),
        ({"region_name": "us west"}, "has a region that cannot be used"),
        ({"config_kwargs": {"no_such_option": 1}}, "cannot be used: .*no_such_option"),
    ],
)
def test_an_aws_connection_that_cannot_be_used(
    set_connection: SetConnection, extra: dict[str, Any], problem: str
) -> None:
    """It is named, and the Test button says what is wrong with it."""
    aws_connection(set_connection, **extra)
    set_connection("sosw_default", extra={"queue_bucket": "b", "aws_conn_id": "my_aws"})
    with pytest.raises(InvalidConfiguration, match=f"Connection my_aws(, extra config_kwargs)?: {problem}"):
        SoswHook().client("dynamodb")
    success, message = SoswHook().test_connection()
    assert (success, "Connection my_aws" in message) == (False, True)


@pytest.mark.parametrize(
    "extra", [{"endpoint_url": "localhost:4566"}, {"endpoint_url": "http://[::1"}, {"region_name": "us west"}], ids=str
)
def test_the_test_button_refuses_a_malformed_extra(set_connection: SetConnection, extra: dict[str, str]) -> None:
    """With the reason."""
    set_connection("sosw_default", extra={**BUCKET, **extra})
    success, message = SoswHook().test_connection()
    assert (success, f"extra {next(iter(extra))}: must be" in message) == (False, True)


def test_the_test_button_names_an_extra_without_effect(aws: Aws, set_connection: SetConnection) -> None:
    """It is no fault, but most likely a mistake."""
    extra = {"queue_bucket": aws.bucket, "aws_conn_id": "", "region_name": aws.region, "kms": "k"}
    set_connection("sosw_default", extra=extra)
    success, message = SoswHook().test_connection()
    assert success
    assert message.endswith("extra kms: is not a setting and has no effect. The nearest setting is 'kms_key_id'.")


def test_an_extra_without_effect_is_logged(set_connection: SetConnection, caplog: pytest.LogCaptureFixture) -> None:
    """Once, when the settings are read."""
    set_connection("sosw_default", extra={**BUCKET, "kms": "s3cr3t"})
    hook = SoswHook()
    _ = hook.settings, hook.settings
    assert caplog.text.count("extra kms: is not a setting and has no effect") == 1
    assert "s3cr3t" not in caplog.text


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("aws_conn_id", "connection"),
    [
        ("", "no AWS Connection, since the extra aws_conn_id is empty"),
        ("aws_default", r"the AWS Connection 'aws_default' \(does not exist\)"),
        ("my_aws", r"the AWS Connection 'my_aws' \(has no keys\)"),
    ],
)
def test_no_credentials(
    set_connection: SetConnection,
    monkeypatch: pytest.MonkeyPatch,
    no_credentials: None,
    aws_conn_id: str,
    connection: str,
) -> None:
    """The message says where they were searched, and what to set; so does the Test button."""
    from airflow.exceptions import AirflowNotFoundException

    from sosw_airflow._compat import BaseHook

    set_connection("my_aws", conn_type="aws")
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": aws_conn_id})
    find = BaseHook.get_connection

    def get_connection(*arguments: Any) -> Any:
        if arguments[-1] == "aws_default":
            raise AirflowNotFoundException("aws_default")
        return find(arguments[-1])

    monkeypatch.setattr("airflow.providers.amazon.aws.hooks.base_aws.AwsGenericHook.get_connection", get_connection)
    with pytest.raises(MissingCredentials, match=f"Searched: {connection}; the environment .AWS_ACCESS_KEY_ID is not"):
        SoswHook().client("dynamodb")
    success, message = SoswHook().test_connection()
    assert (success, "There are no AWS credentials" in message) == (False, True)


def test_half_of_the_credentials(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    set_connection("sosw_default", extra=BUCKET)
    with pytest.raises(MissingCredentials, match="AWS_SECRET_ACCESS_KEY"):
        SoswHook().client("dynamodb")


def test_a_profile_that_does_not_exist(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named."""
    monkeypatch.setenv("AWS_PROFILE", "sosw")
    set_connection("sosw_default", extra=BUCKET)
    with pytest.raises(MissingCredentials, match=r"the profile 'sosw'.*profile \(sosw\) could not be found"):
        SoswHook().client("dynamodb")


def test_requests_without_a_signature(set_connection: SetConnection, no_credentials: None) -> None:
    """Some emulators take them; they need no credentials."""
    set_connection("my_aws", conn_type="aws", extra={"config_kwargs": {"signature_version": "unsigned"}})
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    assert SoswHook().client("s3").meta.region_name == "eu-central-1"


def test_a_role_that_may_not_be_assumed(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """sts:AssumeRole is what AWS refuses, not the first request to a table; so says the Test button."""
    import botocore.client
    from botocore.exceptions import ClientError

    def refuse(self: Any, name: str, arguments: Any) -> Any:
        assert name == "AssumeRole", f"{name} was sent"
        answer: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, name)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    aws_connection(set_connection, role_arn="arn:aws:iam::123456789012:role/sosw")
    set_connection("sosw_default", extra={**BUCKET, "aws_conn_id": "my_aws"})
    with pytest.raises(AccessDenied, match="AWS refuses sts:AssumeRole on the role of the AWS Connection"):
        SoswHook().client("dynamodb")
    success, message = SoswHook().test_connection()
    assert (success, "sts:AssumeRole" in message) == (False, True)


# -- encryption --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "headers"),
    [
        ({}, {}),
        ({"server_side_encryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        (
            {"server_side_encryption": "aws:kms", "kms_key_id": "key"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"},
        ),
    ],
    ids=["none", "AES256", "KMS"],
)
def test_every_object_asks_for_its_encryption(
    aws: Aws, set_connection: SetConnection, extra: dict[str, str], headers: dict[str, str]
) -> None:
    """A put, an upload in parts, a copy, by both clients: a bucket's policy may refuse what lacks the header."""
    place = {"queue_bucket": aws.bucket, "aws_conn_id": "", "region_name": aws.region}
    set_connection("sosw_default", extra={**place, **extra})
    deployment = SoswHook().deployment()
    asked: dict[str, dict[str, Any]] = {}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked[model.name] = {name: params[name] for name in ("ServerSideEncryption", "SSEKMSKeyId") if name in params}

    for s3 in (deployment.s3, deployment.s3_once):
        s3.meta.events.register("before-parameter-build.s3", note)
        s3.put_object(Bucket=aws.bucket, Key="k", Body=b"1")
        s3.copy_object(Bucket=aws.bucket, Key="l", CopySource={"Bucket": aws.bucket, "Key": "k"})
        s3.create_multipart_upload(Bucket=aws.bucket, Key="m")
        assert asked == {"PutObject": headers, "CopyObject": headers, "CreateMultipartUpload": headers}
        asked.clear()


def test_get_conn(set_connection: SetConnection) -> None:
    """The hook's client, as Airflow's hooks have one, is that of DynamoDB."""
    set_connection("sosw_default", extra=BUCKET)
    assert SoswHook().get_conn().meta.service_model.service_name == "dynamodb"


# -- the installation --------------------------------------------------------------------------------------------------


def test_deployment(set_connection: SetConnection) -> None:
    """All that the stores have to know, in their words."""
    extra = {**BUCKET, "tasks_table": "t", "meta_table": "m", "s3_prefix": "p", "max_rows_per_second": 7}
    set_connection("sosw_default", extra={**extra, "lambda_payload_limit": 1000})
    at = SoswHook().deployment()
    assert at.tables == TableNames(tasks_table="t", meta_table="m")
    assert (at.queue_bucket, at.s3_prefix, at.max_rows_per_second, at.lambda_payload_limit) == ("b", "p", 7, 1000)


def test_the_clients_of_a_deployment(set_connection: SetConnection) -> None:
    """The page writer decides about every answer itself, so its client never repeats a request; the others do."""
    set_connection("sosw_default", extra=BUCKET)
    at = SoswHook().deployment()
    clients = (at.dynamodb, at.dynamodb_once, at.s3, at.s3_once)
    assert [client.meta.config.retries["total_max_attempts"] for client in clients] == [10, 1, 10, 1]
    assert at.dynamodb_once.meta.config.max_pool_connections >= 8


def test_test_connection(aws: Aws, set_connection: SetConnection) -> None:
    """Everything is there."""
    set_connection("sosw_default", extra={"queue_bucket": aws.bucket, "aws_conn_id": "", "region_name": aws.region})
    success, message = SoswHook().test_connection()
    assert (success, "WRONG" in message, message.count("is right: key")) == (True, False, 4)


def test_test_connection_names_what_is_missing(aws: Aws, set_connection: SetConnection) -> None:
    """All of it at once."""
    extra = {"queue_bucket": "no-bucket", "aws_conn_id": "", "region_name": aws.region, "jobs_table": "no_table"}
    set_connection("sosw_default", extra=extra)
    success, message = SoswHook().test_connection()
    first, second = message.splitlines()[:2]
    assert (success, first[:16], second[:16]) == (False, "WRONG: no_table:", "WRONG: no-bucket")


def test_test_connection_of_a_form_of_airflow_2(aws: Aws, set_connection: SetConnection) -> None:
    """Its button sends each field twice, all of them as text."""
    fields = {"queue_bucket": aws.bucket, "region_name": aws.region, "max_rows_per_second": "500"}
    extra = {"aws_conn_id": "", **fields, **{f"extra__sosw__{name}": text for name, text in fields.items()}}
    set_connection("sosw_default", extra=extra)
    success, message = SoswHook().test_connection()
    assert (success, "WRONG" in message) == (True, False)


def test_test_connection_of_a_faulty_one(set_connection: SetConnection) -> None:
    """The faults are the message."""
    set_connection("sosw_default", extra={})
    success, message = SoswHook().test_connection()
    assert (success, "extra queue_bucket: is missing" in message) == (False, True)


def test_test_connection_without_a_region(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for by the name of its field."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    set_connection("sosw_default", extra={"queue_bucket": "b", "aws_conn_id": ""})
    success, message = SoswHook().test_connection()
    assert (success, "extra region_name: is missing" in message) == (False, True)


def test_no_secret_gets_out(
    aws: Aws, set_connection: SetConnection, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in a message nor in the log, whatever fails."""
    aws_connection(set_connection)
    extra = {"queue_bucket": "no-bucket", "aws_conn_id": "my_aws", "jobs_table": "no_table", "token": "t0k3n"}
    set_connection("sosw_default", extra={**extra, "region_name": aws.region})
    hook = SoswHook()
    with caplog.at_level(0):
        _, message = hook.test_connection()
    printed = capsys.readouterr()
    everything = f"{message} {caplog.text} {printed.out} {printed.err} {hook.settings!r}"
    assert [secret for secret in ("s3cr3t", "t0k3n") if secret in everything] == []


def test_the_form() -> None:
    """The fields that mean nothing here are hidden; the placeholder is a valid Connection."""
    form = SoswHook.get_ui_field_behaviour()
    assert set(form["hidden_fields"]) == {"host", "port", "login", "password", "schema"}
    assert json.loads(form["placeholders"]["extra"])["queue_bucket"]
