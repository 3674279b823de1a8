"""The emulators start, answer, forget and stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.emulators import ministack_emulator as ministack_module
from tests.support.emulators.moto_emulator import moto_server
from tests.support.emulators.server_process import ServerProcess, ServerStartError, free_port

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator


def _create_table(emulator: Emulator, name: str) -> None:
    emulator.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "task_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "task_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_dynamodb_and_s3_answer(emulator: Emulator) -> None:
    """A running emulator serves DynamoDB and S3 on the loopback address."""
    _create_table(emulator, "a_table")
    s3 = emulator.client("s3")
    emulator.create_bucket("a-bucket")
    s3.put_object(Bucket="a-bucket", Key="a/key", Body=b"content")
    assert emulator.client("dynamodb").list_tables()["TableNames"] == ["a_table"]
    assert s3.get_object(Bucket="a-bucket", Key="a/key")["Body"].read() == b"content"
    assert emulator.endpoint_url.startswith("http://127.0.0.1:")


def test_reset_forgets_everything(emulator: Emulator) -> None:
    """After a reset there are neither tables nor buckets."""
    _create_table(emulator, "a_table")
    emulator.create_bucket("a-bucket")
    emulator.reset()
    assert emulator.client("dynamodb").list_tables()["TableNames"] == []
    assert emulator.client("s3").list_buckets()["Buckets"] == []


def test_another_process_reaches_it_by_environment(emulator: Emulator) -> None:
    """The environment variables of `environment()` are enough for boto3 in another process."""
    _create_table(emulator, "a_table")
    code = "import boto3; print(boto3.client('dynamodb').list_tables()['TableNames'])"
    environment = {**os.environ, **emulator.environment()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['a_table']"


def test_cancelled_transaction_leaves_other_writes(emulator: Emulator) -> None:
    """A transaction whose condition fails changes nothing, also not what was written before it."""
    _create_table(emulator, "a_table")
    dynamodb = emulator.client("dynamodb")
    dynamodb.put_item(TableName="a_table", Item={"task_id": {"S": "1"}, "n": {"N": "1"}})
    puts = [
        {
            "Put": {
                "TableName": "a_table",
                "Item": {"task_id": {"S": task_id}},
                "ConditionExpression": "attribute_not_exists(task_id)",
            }
        }
        for task_id in ("0", "1")
    ]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(TransactItems=puts)
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"]
    assert dynamodb.scan(TableName="a_table")["Items"] == [{"task_id": {"S": "1"}, "n": {"N": "1"}}]


def test_cancelled_update_is_undone(emulator: Emulator) -> None:
    """An update inside a cancelled transaction leaves the item as it was."""
    _create_table(emulator, "a_table")
    dynamodb = emulator.client("dynamodb")
    dynamodb.put_item(TableName="a_table", Item={"task_id": {"S": "1"}, "n": {"N": "1"}})
    update = {
        "Update": {
            "TableName": "a_table",
            "Key": {"task_id": {"S": "1"}},
            "UpdateExpression": "SET n = :two",
            "ExpressionAttributeValues": {":two": {"N": "2"}},
        }
    }
    check = {
        "ConditionCheck": {
            "TableName": "a_table",
            "Key": {"task_id": {"S": "2"}},
            "ConditionExpression": "attribute_exists(task_id)",
        }
    }
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=[update, check])
    assert dynamodb.get_item(TableName="a_table", Key={"task_id": {"S": "1"}})["Item"]["n"] == {"N": "1"}


def test_server_stops_at_the_end_of_the_block(tmp_path: Path) -> None:
    """The process is gone when the context manager is left, and its log remains."""
    with moto_server(tmp_path / "moto.log") as emulator:
        assert emulator.server.is_running()
    assert not emulator.server.is_running()
    assert emulator.log_path.exists()


def test_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    """A test run that is killed leaves no server process behind."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from tests.support.emulators.moto_emulator import moto_server\n"
        "with moto_server(Path(sys.argv[1])) as emulator:\n"
        "    print(emulator.server.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    repository = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "moto.log")],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A zombie that was not waited for has ended as well.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A server that ends at once is reported with the end of its log."""
    command = [sys.executable, "-c", "print('no such port'); raise SystemExit(3)"]
    with pytest.raises(ServerStartError, match=r"(?s)ended with code 3.*no such port"):
        ServerProcess(command, port=free_port(), ready_path="/", log_path=tmp_path / "log", env=os.environ)


def test_missing_ministack_names_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without ministack's interpreter the message says which command creates it."""
    monkeypatch.setenv(ministack_module.PYTHON_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ministack_module.MinistackMissingError, match="make ministack"):
        ministack_module.ministack_python()
