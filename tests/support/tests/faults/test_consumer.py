"""The consumer moves rows as sosw does; the census and the ledger notice what must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sosw_airflow.stores.tables import SOSW_NAMES
from tests.support.faults.census import Census, assert_exactly_once, census, task_ids
from tests.support.faults.consumer import INVOCATION_DELTA, Behaviour, Consumer
from tests.support.faults.ledger import Invocation, Ledger
from tests.support.faults.sample_rows import JOB_ID, LABOURER, TASKS, create_tables, key, puts, stored, task_row

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator

CLOSED, RETRY = SOSW_NAMES.closed_tasks_table, SOSW_NAMES.retry_tasks_table
NOW = 1_795_431_627


@pytest.fixture
def dynamodb(emulator: Emulator) -> Any:
    """Make a client of an emulator that has sosw's tables."""
    client = emulator.client("dynamodb")
    create_tables(client)
    return client


def _write(dynamodb: Any, number: int) -> None:
    for start in range(0, number, 50):
        dynamodb.transact_write_items(TransactItems=puts(*range(start, min(start + 50, number))))


def _consumer(dynamodb: Any, **behaviour: Any) -> Consumer:
    return Consumer(dynamodb, [LABOURER], seed=1, behaviour=Behaviour(**behaviour), clock=lambda: NOW)


def test_completed_tasks_are_archived(dynamodb: Any) -> None:
    """Tasks whose workers report end in the closed table with their status, once invoked each."""
    _write(dynamodb, 30)
    consumer = _consumer(dynamodb, expires=0.0)
    consumer.drain()
    assert_exactly_once(dynamodb, JOB_ID, 30, ledger=consumer.ledger)
    assert [entry.task_id for entry in consumer.ledger.invocations()] == task_ids(JOB_ID, 30)
    row = dynamodb.get_item(TableName=CLOSED, Key=key(7))["Item"]
    assert row["labourer_id_task_status"] == {"S": f"{LABOURER}_1"}
    assert row["completed_at"] == row["closed_at"] == {"N": str(NOW)}
    assert row["greenfield"] == {"N": str(NOW + INVOCATION_DELTA)}
    assert row["attempts"] == {"N": "1"}


def test_tasks_that_never_report_die_after_three_attempts(dynamodb: Any) -> None:
    """They are invoked once and retried twice, then archived as failed; that is no double invocation."""
    _write(dynamodb, 10)
    consumer = _consumer(dynamodb, expires=1.0)
    consumer.drain()
    assert_exactly_once(dynamodb, JOB_ID, 10, ledger=consumer.ledger)
    assert dict(consumer.ledger.first_invocations(JOB_ID)) == dict.fromkeys(task_ids(JOB_ID, 10), 1)
    assert dict(consumer.ledger.retries(JOB_ID)) == dict.fromkeys(task_ids(JOB_ID, 10), 2)
    row = dynamodb.get_item(TableName=CLOSED, Key=key(7))["Item"]
    assert row["labourer_id_task_status"] == {"S": f"{LABOURER}_0"}
    assert row["attempts"] == {"N": "3"}


def test_retried_rows_go_to_the_head_of_the_queue(dynamodb: Any) -> None:
    """Expired rows wait in the retry table, then come back below all queued ones."""
    dynamodb.put_item(TableName=TASKS, Item=task_row(0, greenfield=5000))
    consumer = _consumer(dynamodb, expires=1.0, retry_delay=60, invocations=1)
    consumer.step()
    assert (stored(dynamodb), stored(dynamodb, RETRY)) == (0, 1)
    dynamodb.put_item(TableName=TASKS, Item=task_row(1, greenfield=9000))
    consumer._clock = lambda: NOW + 61
    assert consumer._retry(LABOURER, NOW + 61) == 1
    row = dynamodb.get_item(TableName=TASKS, Key=key(0))["Item"]
    assert row["greenfield"] == {"N": "8999"}
    assert row["attempts"] == {"N": "1"}
    assert "desired_launch_time" not in row


@pytest.mark.parametrize("batch", [1, 50], ids=["one row", "fifty rows"])
def test_everything_at_once(dynamodb: Any, batch: int) -> None:
    """Completing, expiring, retrying and dying at once leave each task exactly once."""
    _write(dynamodb, 60)
    consumer = _consumer(dynamodb, expires=0.5, batch=batch)
    consumer.drain()
    result = assert_exactly_once(dynamodb, JOB_ID, 60, ledger=consumer.ledger)
    assert result.count(CLOSED) == 60
    assert sum(consumer.ledger.retries().values()) > 10


def test_batches_make_no_difference(dynamodb: Any, emulator: Emulator) -> None:
    """The same seed invokes the same tasks in the same attempts, whether rows go one by one or together."""
    ledgers = []
    for batch in (1, 50):
        _write(dynamodb, 20)
        consumer = _consumer(dynamodb, expires=0.4, batch=batch)
        consumer.drain()
        ledgers.append(sorted((entry.task_id, entry.attempt) for entry in consumer.ledger.invocations()))
        emulator.reset()
        create_tables(dynamodb)
    assert ledgers[0] == ledgers[1]


def test_two_consumers_share_a_queue(dynamodb: Any) -> None:
    """Two at the same time, with one ledger, invoke no task twice: an invocation is conditional."""
    _write(dynamodb, 100)
    ledger = Ledger()
    behaviour = Behaviour(expires=0.0, invocations=20)
    consumers = [Consumer(dynamodb, [LABOURER], ledger=ledger, behaviour=behaviour, seed=seed) for seed in (1, 2)]
    with consumers[0], consumers[1]:
        while stored(dynamodb):
            pass
    assert_exactly_once(dynamodb, JOB_ID, 100, ledger=ledger)


def test_thread_works_while_rows_arrive(dynamodb: Any) -> None:
    """A consumer in a thread keeps up with a writer; paused, it leaves no row in two tables."""
    with Consumer(dynamodb, [LABOURER], seed=1, behaviour=Behaviour(expires=0.3)) as consumer:
        for start in range(0, 100, 10):
            dynamodb.transact_write_items(TransactItems=puts(*range(start, start + 10)))
            with consumer.paused():
                result = census(dynamodb, JOB_ID)
            assert result.problems(task_ids(JOB_ID, start + 10), consumer.ledger) == []
    consumer.drain()
    assert census(dynamodb, JOB_ID).count(CLOSED) == 100


def test_failure_in_the_thread_is_raised(dynamodb: Any, emulator: Emulator) -> None:
    """A consumer that fails in its thread says so when it is stopped."""
    emulator.reset()
    consumer = Consumer(dynamodb, [LABOURER])
    consumer.__enter__()
    assert consumer._thread is not None
    consumer._thread.join(10)
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        consumer.stop()


def test_drain_gives_up(dynamodb: Any) -> None:
    """A row that stays in the retry table is reported after the time-out."""
    _write(dynamodb, 1)
    with pytest.raises(TimeoutError):
        _consumer(dynamodb, expires=1.0, retry_delay=10**6).drain(timeout=0.2)


def test_late_report_leaves_a_ghost(dynamodb: Any) -> None:
    """A worker that reports a row which was moved away makes a row of nothing else; the census keeps it apart."""
    _write(dynamodb, 1)
    consumer = _consumer(dynamodb, expires=1.0, late=1.0, retry_delay=60)
    consumer.step()
    consumer.step()
    result = census(dynamodb, JOB_ID)
    assert result.ghosts == set(task_ids(JOB_ID, 1))
    assert result.places == {task_ids(JOB_ID, 1)[0]: [RETRY]}


def test_census_finds_every_fault(dynamodb: Any) -> None:
    """Missing, foreign and multiple rows are named, rows of other jobs are only counted."""
    ids = task_ids(JOB_ID, 4)
    for index in (0, 1, 9):
        dynamodb.put_item(TableName=TASKS, Item=task_row(index))
    dynamodb.put_item(TableName=CLOSED, Item=task_row(1))
    dynamodb.put_item(TableName=TASKS, Item=task_row(0, job_id="f" * 20))
    result = census(dynamodb, JOB_ID)
    assert result.missing(ids) == ids[2:]
    assert result.foreign(ids) == task_ids(JOB_ID, 10)[9:]
    assert result.multiple() == {ids[1]: [TASKS, CLOSED]}
    assert result.others == {TASKS: 1}
    assert [problem.split(", such as")[0] for problem in result.problems(ids)] == [
        "2 of 4 tasks missing",
        "1 of 4 tasks not of this job's plan",
        "1 of 4 tasks in several tables",
    ]


def test_row_written_again_after_its_archiving_is_noticed(dynamodb: Any) -> None:
    """The second row overwrites the first one in the closed table; only the ledger knows that it ran twice."""
    consumer = _consumer(dynamodb, expires=0.0)
    for _ in range(2):
        _write(dynamodb, 1)
        consumer.drain()
    result = census(dynamodb, JOB_ID)
    assert result.problems(task_ids(JOB_ID, 1)) == []
    assert result.problems(task_ids(JOB_ID, 1), consumer.ledger) == [
        f"1 of 1 tasks invoked twice, such as {task_ids(JOB_ID, 1)[0]} in attempts [0, 0]"
    ]


def test_ledger_tells_retries_from_doubles() -> None:
    """Attempts 0 and 1 are a retry, 0 and 0 a double."""
    ledger = Ledger()
    for task_id, attempt in (("a", 0), ("a", 1), ("b", 0), ("b", 0)):
        ledger.record(Invocation(LABOURER, task_id, attempt, ""))
    assert ledger.doubles() == {"b": [0, 0]}
    assert ledger.first_invocations("a") == {"a": 1}
    assert ledger.retries() == {"a": 1}


def test_empty_census_has_no_places() -> None:
    """A census without rows misses everything."""
    assert Census(JOB_ID, SOSW_NAMES).missing(["x"]) == ["x"]
