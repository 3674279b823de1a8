"""The policies of docs/permissions.md: each flow works under its own, and none of their lines is idle.

IAM is played in front of the clients, on actions and resources, with S3's answer for a missing object.
"""

from __future__ import annotations

import ast
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name

import sosw_airflow
from sosw_airflow.cli.upstream_stores import UpstreamStore
from sosw_airflow.doctor import left_files, orphans
from sosw_airflow.doctor.functions import check_functions
from sosw_airflow.doctor.labourers import check_assistant, check_labourer, orchestrated
from sosw_airflow.doctor.permissions import try_permissions
from sosw_airflow.doctor.tables import examine
from sosw_airflow.doctor.upstream import check_upstream
from sosw_airflow.exceptions import QueueFull, SoswError
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.orchestration.policy import HealthMetric, LabourerPolicy
from sosw_airflow.orchestration.readings import metric_value
from sosw_airflow.provision.assistant import ASSISTANT, assistant_policy, deploy_assistant
from sosw_airflow.provision.create import create_missing
from sosw_airflow.provision.destinations import check_destination, connect_labourer, labourer_policy
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.job_limits import JobLimits
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.lease_item import read_lease
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.stores.task_queue import open_tasks
from sosw_airflow.ui.cached_reads import CachedReads
from sosw_airflow.ui.reading import SoswReadings
from sosw_airflow.waiting.activity import read_activity
from sosw_airflow.waiting.causes import Causes
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
from sosw_airflow.waiting.results import ResultReader, read_results
from tests.conftest import BUCKET
from tests.integration.conftest import LABOURER, NOW, TODAY, Installation, MakeInstallation, request_for
from tests.integration.orchestration import test_turn as turns
from tests.integration.orchestration.conftest import Labourer, labourer  # noqa: F401 - a fixture
from tests.integration.scheduling.test_scheduler import REQUESTS
from tests.support.iam import ACTIONS, Call, Enforcement, Policy, enforced
from tests.support.lambda_functions import make_function
from tests.support.network_edge import Crash, answering, crash_at

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
ACCOUNT = "arn:aws:{}:us-west-2:123456789012"
ASSISTANTS_ARN = f"{ACCOUNT.format('lambda')}:function:{ASSISTANT}"
JOBS = f"{ACCOUNT.format('dynamodb')}:table/sosw_jobs"


@cache
def policy(*headings: str) -> Policy:
    """What the policies under these headings allow together."""
    allowed = set()
    for heading in headings:
        found = re.search(rf"^## {heading}\n.*?^```json\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert found, heading
        allowed |= lines_of(json.loads(re.sub("my-(queue|result)-bucket", BUCKET, found[1])))
    return Policy(frozenset(allowed))


def lines_of(document: dict[str, Any]) -> set[Call]:
    """Each action of a policy with each of its resources."""
    allowed = set()
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        actions, resources = (
            [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
        )
        allowed |= {(action, resource) for action in actions for resource in resources}
    return allowed


# -- the flows ---------------------------------------------------------------------------------------------------------


def scheduling(use: Use) -> None:
    """A plan in parts, one that is broken off, a crash, a retry, a lost plan; a limit that is changed."""
    with use.policy() as installation:
        JobLimits(installation.deployment.dynamodb, "sosw_jobs").change("0" * 20, 3)
        with pytest.raises(Crash), crash_at(REQUESTS.index("PutItem"), *installation.clients, applied=True):
            installation.scheduler().schedule(request_for())
        for key in use.installation.aws.queue_files():
            use.installation.aws.s3.delete_object(Bucket=BUCKET, Key=key)
        installation.scheduler().schedule(request_for())
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 1)
            changed.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
            installation.scheduler().schedule(request_for(run_id="another"))
            early = JobScheduler(replace(installation.deployment, now=lambda: 87_000.0), concurrency=1)
            with pytest.raises(QueueFull):
                early.schedule(request_for(run_id="without room"))


def draining(use: Use) -> None:
    """A left file, small and large, whose claim is refused at first."""
    for name, size in (("a", 1 << 30), ("b", 1)):
        body = json.dumps({"labourer_id": LABOURER, "q": 1}).encode()
        use.installation.aws.s3.put_object(Bucket=BUCKET, Key=f"sosw/scheduler/{name}.txt", Body=body)
        with use.policy() as installation, pytest.MonkeyPatch.context() as changed:
            changed.setattr("sosw_airflow.stores.object_copy.MULTIPART_BYTES", size)
            file = LeftFile.of(installation.deployment, f"{name}.txt")
            assert file.labourer_id() == LABOURER
            identity = JobIdentity("dag", "run", "drain", -1, 0, LABOURER, queue_file=str(file))
            drain(installation.scheduler(), DrainRequest(identity, file, TODAY))


def delivering(use: Use) -> None:
    """In one request, in parts, once more after a crash, and withdrawn."""
    for run_id, size in (("one request", 1 << 30), ("parts", 1)):
        with use.policy(use.aws_lambda) as installation, pytest.MonkeyPatch.context() as changed:
            changed.setattr("sosw_airflow.stores.object_copy.MULTIPART_BYTES", size)
            request = request_for(run_id=run_id)
            with suppress(Crash), crash_at(6, *installation.clients, applied=True):
                deliver(installation.scheduler(), request, function="sosw_scheduler", aws_lambda=use.aws_lambda)
            deliver(installation.scheduler(), request, function="sosw_scheduler", aws_lambda=use.aws_lambda)
            cancel_job(installation.deployment, request.identity.job_id)


def waiting(use: Use) -> None:
    """A job with a failed task, a lost one, and its repair."""
    job_id = use.installation.scheduler().schedule(request_for()).header.job_id
    close(use.installation, f"{job_id}000000000000", failed=True)
    with use.policy() as installation:
        reader = ProgressReader(installation.deployment.dynamodb, installation.deployment.tables, job_id)
        assert reader.read().failed == 1
        open_tasks(installation.deployment.dynamodb, installation.deployment.tables, "worker", [f"{job_id}{'f' * 12}"])
        repair(installation.scheduler(), job_id, unfinished="leave")


def writing_results(use: Use) -> None:
    """The check before the first row; files in one request and in parts; an upload that is broken off."""
    job_id = use.installation.scheduler().schedule(request_for()).header.job_id
    close(use.installation, f"{job_id}000000000000", failed=True)
    header = JobRecords(use.installation.aws.dynamodb, "sosw_jobs").header(job_id)
    assert header is not None
    place, stop = ResultPlace(BUCKET, "results"), threading.Event()
    with use.policy() as installation:
        place.check(installation.deployment.s3, job_id)
        reader = ResultReader(installation.deployment.dynamodb, installation.deployment.tables, header)
        for part, stopped in ((1 << 30, False), (1, False), (1, True)):
            with pytest.MonkeyPatch.context() as changed, suppress(KeyError):
                changed.setattr("sosw_airflow.stores.queue_file.PART_BYTES", part)
                changed.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
                if stopped:
                    changed.setattr(Causes, "add", lambda self, result: stop.set())
                ResultFiles.write(reader, installation.deployment.s3, place, stop=stop, stopped=KeyError)


def cancelling(use: Use) -> None:
    """A job in the queue, and one of which a part was never written."""
    job_id = use.installation.scheduler().schedule(request_for()).header.job_id
    with pytest.raises(Crash), crash_at(REQUESTS.index("PutItem"), *use.installation.clients, applied=True):
        use.installation.scheduler().schedule(request_for(run_id="another"))
    with use.policy() as installation:
        cancel_job(installation.deployment, job_id)
        cancel_job(installation.deployment, request_for(run_id="another").identity.job_id)


def examining(use: Use) -> None:
    """All that the doctor checks; it reports what is refused and raises nothing."""
    use.installation.scheduler().schedule(request_for())
    with use.policy(use.aws_lambda) as installation:
        deployment = replace(installation.deployment, dynamodb_once=None)
        for findings in (
            examine(deployment),
            try_permissions(deployment),
            orphans.find_unfinished_jobs(deployment),
            orphans.check_queue(deployment, "worker"),
            left_files.find_queue_files(deployment),
            left_files.find_copies(deployment),
            left_files.find_uploads(deployment),
            check_functions(use.aws_lambda, {"worker": "worker"}),
        ):
            list(findings)
        read_activity(deployment.dynamodb, deployment.tables, "worker", "a" * 20, now=int(NOW))


def viewing(use: Use) -> None:
    """The page of a labourer, and that of a job with a failed task and a lost one."""
    job_id = use.installation.scheduler().schedule(request_for()).header.job_id
    close(use.installation, f"{job_id}000000000000", failed=True)
    with use.policy() as installation:
        deployment = replace(installation.deployment, s3=None, dynamodb_once=None, s3_once=None)
        readings = SoswReadings(CachedReads(fresh=0, patience=60))
        readings._connected["sosw_default"] = (float("inf"), SoswHook(), deployment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", '{"worker": {}}')
            for reading in (
                readings.overview("sosw_default"),
                readings.labourer("sosw_default", "worker"),
                readings.header("sosw_default", job_id),
                readings.job("sosw_default", job_id),
            ):
                assert (reading.value is None, reading.problem) == (False, "")
            sight = readings.job("sosw_default", job_id).value
            with pytest.MonkeyPatch.context() as elsewhere:
                elsewhere.setattr("sosw_airflow.links.console.log_of_tasks", lambda hook, labourer_id: lambda task: "")
                assert readings.tasks("sosw_default", sight, "", 1).value.found == 4
        open_tasks(deployment.dynamodb, deployment.tables, "worker", [f"{job_id}{'f' * 12}"])


def examining_labourers(use: Use) -> None:
    """A labourer without a destination, the assistant that is not there, a rule that starts sosw's Scavenger."""
    aws_lambda, events = boto3.client("lambda"), boto3.client("events")
    make_function("worker")
    arn = make_function("sosw_scavenger")
    events.put_rule(Name="every-minute", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="every-minute", Targets=[{"Id": "scavenger", "Arn": arn}])
    with use.policy(aws_lambda, events) as installation:
        dynamodb, tables = installation.deployment.dynamodb, TableNames()
        policy = LabourerPolicy.of("worker", {})
        assert not orchestrated(read_lease(dynamodb, tables.jobs_table, "worker"), {})
        for findings in (
            check_labourer(aws_lambda, dynamodb, tables, policy),
            check_assistant(aws_lambda, tables),
            check_upstream(aws_lambda, events, [policy]),
        ):
            list(findings)


def orchestrating(use: Use) -> None:
    """Turns with each transition: completed, failed, retried, late, of an unknown outcome; the health of a labourer."""
    clients = use.labourer.clients
    cloudwatch = boto3.client("cloudwatch")
    metric = HealthMetric("errors", {"Namespace": "n", "MetricName": "m"}, "Sum", "<", ((4, 1.0),))
    with use.policy(clients.dynamodb, clients.aws_lambda, cloudwatch):
        for flow in (
            turns.test_what_completes_is_closed_and_replaced_at_the_next_turn,
            turns.test_a_failure_is_retried_and_at_last_closed_as_failed,
            turns.test_a_late_completion_in_the_retry_table,
        ):
            empty(use)
            flow(use.labourer)
        empty(use)
        use.labourer.queue("z")
        with answering(clients.dynamodb, handler=_losing_the_claim()):
            use.labourer.orchestration().turn()
        metric_value(cloudwatch, metric, now=NOW)


def assisting(use: Use) -> None:
    """The assistant searches a completed task in both tables."""
    dynamodb = use.labourer.aws.dynamodb
    with use.policy(dynamodb):
        use.labourer.report({"task_id": "a" * 32, "labourer_id": LABOURER, "attempts": 1})


def setting_up(use: Use) -> None:
    """Tables and bucket, the assistant twice, a labourer's destination."""
    iam, deployment = boto3.client("iam"), use.installation.deployment
    for table in ("sosw_tasks", "sosw_closed_tasks", "sosw_retry_tasks", "sosw_jobs"):
        use.installation.aws.dynamodb.delete_table(TableName=table)
    use.installation.aws.s3.delete_bucket(Bucket=BUCKET)
    aws_lambda = boto3.client("lambda")
    with use.policy(iam, aws_lambda):
        create_missing(deployment)
        for _ in range(2):
            deploy_assistant(aws_lambda, iam, TableNames())
        boto3.client("lambda").delete_function(FunctionName=ASSISTANT)
        deploy_assistant(aws_lambda, iam, TableNames())  # its role exists
        boto3.client("lambda").update_function_configuration(FunctionName=ASSISTANT, Environment={"Variables": {}})
        deploy_assistant(aws_lambda, iam, TableNames())  # in the place of another program's


def connecting(use: Use) -> None:
    """A labourer's function without a destination."""
    iam, aws_lambda = boto3.client("iam"), boto3.client("lambda")
    make_function("worker")
    with use.policy(iam, aws_lambda):
        check_destination(aws_lambda, "worker")
        connect_labourer(aws_lambda, iam, "worker", ASSISTANTS_ARN)


def importing(use: Use) -> None:
    """Both stores of sosw's configuration."""
    clients = {name: boto3.client(name) for name in ("dynamodb", "ssm")}
    use.installation.aws.dynamodb.create_table(
        TableName="config",
        KeySchema=[{"AttributeName": "env", "KeyType": "HASH"}, {"AttributeName": "config_name", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("env", "config_name")],
        BillingMode="PAY_PER_REQUEST",
    )
    with use.policy(*clients.values()), pytest.MonkeyPatch.context() as changed:
        changed.setattr(boto3, "client", lambda service, **_: clients[service])
        for source in clients:
            with suppress(SoswError):  # nothing is in it
                UpstreamStore(source).read()


def _losing_the_claim() -> Callable[[str], None]:
    """The first update takes the lease, the second one claims the task: its answer does not come."""
    updates = 0

    def handler(name: str) -> None:
        nonlocal updates
        updates += name == "UpdateItem"
        if name == "UpdateItem" and updates == 2:
            raise turns.ReadTimeoutError(endpoint_url="https://dynamodb.us-west-2.amazonaws.com")

    return handler


def empty(use: Use) -> None:
    """Delete every row, behind the policy, and forget the events of the function."""
    use.labourer.function.events.clear()
    dynamodb = use.installation.aws.dynamodb
    for table in ("sosw_tasks", "sosw_closed_tasks", "sosw_retry_tasks", "sosw_jobs"):
        keys = [each["AttributeName"] for each in dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]]
        for row in use.installation.aws.rows(table):
            dynamodb.delete_item(TableName=table, Key={name: row[name] for name in keys})


def close(installation: Installation, task_id: str, *, failed: bool) -> None:
    """Close a task as sosw's Scavenger does."""
    (row,) = (each for each in installation.aws.rows() if each["task_id"]["S"] == task_id)
    status = {"S": f"{LABOURER}_{0 if failed else 1}"}
    closed = {**row, "labourer_id_task_status": status, "closed_at": {"N": str(int(NOW) + 60)}}
    installation.aws.dynamodb.put_item(TableName="sosw_closed_tasks", Item=closed)
    installation.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": row["task_id"]})


# -- the tests ---------------------------------------------------------------------------------------------------------

Flow = Callable[["Use"], None]

#: Heading of the page -> headings of the policies that it comes in addition to, and what is done under all of them.
FLOWS: dict[str, tuple[tuple[str, ...], tuple[Flow, ...]]] = {
    "Scheduling": ((), (scheduling, draining)),
    "Delivering": (("Scheduling",), (delivering,)),
    "Waiting and repairing": (("Scheduling",), (waiting,)),
    "Results": (("Scheduling", "Waiting and repairing"), (writing_results,)),
    "Cancelling": (("Scheduling",), (cancelling,)),
    "Orchestrating": ((), (orchestrating,)),
    "Assistant": ((), (assisting,)),
    "Examining": (("Scheduling", "Waiting and repairing", "Cancelling"), (examining,)),
    "Examining labourers": (("Orchestrating", "Waiting and repairing"), (examining_labourers,)),
    "Viewing pages": ((), (viewing,)),
    "Setting up": ((), (setting_up,)),
    "Connecting labourers": (("Setting up",), (connecting,)),
    "Importing": ((), (importing,)),
}

#: Lambda itself writes the log of a function, in the name of its role.
BY_LAMBDA = "logs:"

LINES = [
    (heading, line)
    for heading in FLOWS
    for line in sorted(policy(heading).allowed)
    if not line[0].startswith(BY_LAMBDA)
]


@dataclass
class Use:
    """A deployment, and the policy under which it is used."""

    installation: Installation
    labourer: Labourer
    aws_lambda: Any
    least: Policy
    enforcement: Enforcement

    def policy(self, *others: Any) -> Any:
        """The deployment under the policy; further clients are under it as well."""
        return _enforced(self, *others)


def _enforced(use: Use, *others: Any) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def entered() -> Iterator[Installation]:
        with enforced(use.least, *use.installation.clients, *others) as enforcement:
            try:
                yield use.installation
            finally:
                use.enforcement.calls |= enforcement.calls
                use.enforcement.refused |= enforcement.refused

    return entered()


MakeUse = Callable[[Policy], Use]


@pytest.fixture
def make_use(installation: Installation, labourer: Labourer) -> MakeUse:  # noqa: F811
    """Everything that a flow needs, under a policy. Lambda answers by itself."""
    aws_lambda = boto3.client("lambda")
    aws_lambda.meta.events.register_first("before-send.lambda", labourer.function.answer)
    return lambda least: Use(installation, labourer, aws_lambda, least, Enforcement())


@pytest.mark.parametrize("heading", FLOWS)
def test_nothing_is_refused(make_use: MakeUse, heading: str) -> None:
    """And each line is used."""
    before, flows = FLOWS[heading]
    use = make_use(policy(*before, heading))
    for flow in flows:
        flow(use)
    assert use.enforcement.refused == set()
    unused = policy(heading).unused(use.enforcement.calls)
    assert {action for action, _ in unused if not action.startswith(BY_LAMBDA)} == set()


@pytest.mark.parametrize(("heading", "line"), LINES, ids=[f"{heading}-{line[0]}" for heading, line in LINES])
def test_each_line_is_needed(make_use: MakeUse, heading: str, line: Call) -> None:
    """Without it a call is refused."""
    before, flows = FLOWS[heading]
    use = make_use(policy(*before, heading).without(line))
    for flow in flows:
        with suppress(Exception, pytest.fail.Exception):  # other tests say how it fails
            flow(use)
    assert line[0] in {action for action, _ in use.enforcement.refused}


def test_the_roles_of_functions() -> None:
    """They are deployed with the policies of the page."""
    assistants = assistant_policy(TableNames(), region="us-west-2", account="123456789012")
    labourers = labourer_policy(ASSISTANTS_ARN)
    assert lines_of(assistants) == policy("Assistant").allowed
    assert lines_of(labourers) == policy("Labourer").allowed


def test_the_table_of_histories(make_installation: MakeInstallation) -> None:
    """Takes what the page says in words."""
    installation = make_installation(tables=TableNames(meta_table="sosw_tasks_meta"))
    words = {(f"dynamodb:{action}", "*/sosw_tasks_meta") for action in ("PutItem", "DescribeTable")}
    least = Policy(policy("Scheduling").allowed | words)
    with enforced(least, *installation.clients) as enforcement:
        installation.scheduler().schedule(request_for())
    assert (enforcement.refused, least.unused(enforcement.calls) & words) == (set(), set())


def test_an_identity_that_only_waits(installation: Installation) -> None:
    """Or reads results: takes what the page says in words."""
    job_id = installation.scheduler().schedule(request_for()).header.job_id
    close(installation, f"{job_id}000000000000", failed=True)
    least = Policy(policy("Waiting and repairing").allowed | {("dynamodb:GetItem", JOBS)})
    dynamodb, tables = installation.deployment.dynamodb, installation.deployment.tables
    with enforced(least, *installation.clients) as enforcement:
        ProgressReader(dynamodb, tables, job_id).read()
        for state in (None, "failed", "queued"):
            assert next(read_results(dynamodb, tables, job_id, state=state))
    assert enforcement.refused == set()


def test_every_request_of_the_package_is_on_the_page() -> None:
    """Whatever operation of AWS the source names."""
    page = PAGE.read_text()
    assert {each for each in operations() if ACTIONS.get(each, each) not in page} == set()


#: Requests that need no permission of their own, or have that of their parts.
WITHOUT_ACTION = {"dynamodb:TransactWriteItems"}


def operations() -> Iterator[str]:
    """Each operation that the source calls by its name, with its service."""
    session = botocore.session.get_session()
    named = {
        xform_name(operation): f"{service}:{operation}"
        for service in ("cloudwatch", "events", "iam", "lambda", "s3", "ssm", "dynamodb")
        for operation in session.get_service_model(service).operation_names
    }
    for file in Path(sosw_airflow.__file__).parent.rglob("*.py"):
        if "testing" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                yield from {named[each] for each in _called(node) if each in named} - WITHOUT_ACTION


def _called(call: ast.Call) -> Iterator[str]:
    """Methods that are called with AWS's arguments, and those of a client that are handed to another function."""
    names = [keyword.arg for keyword in call.keywords]
    if isinstance(call.func, ast.Attribute) and any(name is None or name[0].isupper() for name in names):
        yield call.func.attr
    for argument in call.args:
        if isinstance(argument, ast.Attribute) and ast.unparse(argument.value).endswith(("dynamodb", "s3", "lambda")):
            yield argument.attr


def test_the_operations_are_found() -> None:
    """The search of the test before this one finds what it should."""
    assert {
        "s3:UploadPartCopy",
        "lambda:Invoke",
        "dynamodb:BatchWriteItem",
        "dynamodb:Scan",
        "iam:PutRolePolicy",
    } <= set(operations())
