"""`sosw-airflow status`, `set`, `cancel` and `repair`: the commands about one job."""

from __future__ import annotations

import json
import re
import time
from datetime import date
from typing import Any

import pytest

from sosw_airflow.cli import main
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.orchestration.lease import Lease
from sosw_airflow.orchestration.turn_note import note_turn
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.scheduling.repair import last_of_chain
from sosw_airflow.stores.job_places import MOST_MOVED, JobPlaces
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.testing.kit import Sosw
from tests.integration.cli.conftest import words
from tests.support.network_edge import dynamodb_error
from tests.support.simulated_tables import passing_by_sleep

JOB = {"words": ["a", "b", "c", "d", "e"], "isolate_words": True}


@pytest.fixture
def job_id(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> str:
    """A job of five tasks. What Airflow 2 logs of it on the standard output is none of the commands'."""
    operator = SoswScheduleOperator(task_id="schedule", labourer="pull", job=JOB)
    job_id = str(sosw.run(operator, date(2026, 3, 2))["job_id"])
    capsys.readouterr()
    return job_id


def end(sosw: Sosw, *failing: str) -> None:
    """Let the workers be done with all that waits; tasks of these words fail."""
    sosw.fail("pull", only=lambda payload: payload["words"][0] in failing) if failing else None
    sosw.finish("pull")


def test_a_job_under_way(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it comes from and how far it is."""
    sosw.finish("pull", only=lambda payload: payload["words"] == ["a"])

    assert main(["status", job_id]) == 3
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"Job {job_id} for pull: written"
    assert lines[2:7] == [
        "tasks 5",
        "completed 1",
        "failed 0",
        "open 4 (queued, running or waiting for a retry)",
        "running 0",
    ]


def test_a_job_on_a_slow_table(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command waits for the table: another call would begin at the first closed task again."""
    sosw.finish("pull")
    throttled = iter([dynamodb_error("ProvisionedThroughputExceededException")] * 12)
    made = SoswHook.client

    def disturbed(self: SoswHook, service: str, **settings: Any) -> Any:
        client = made(self, service, **settings)
        client.meta.events.register_first("before-send.dynamodb.Query", lambda **_: next(throttled, None))
        return client

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SoswHook, "client", disturbed)
        passing_by_sleep(patch)
        assert main(["status", job_id]) == 0
    assert "completed 5" in " ".join(capsys.readouterr().out.split())
    assert next(throttled, None) is None


def test_what_the_open_tasks_do(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which run, for how long, at which attempt; the labourer's pace and the time left."""
    sosw.finish("pull", only=lambda payload: payload["words"] == ["a"])
    sosw.start("pull", only=lambda payload: payload["words"] == ["b"])

    assert main(["status", job_id]) == 3
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[6] == "running 1"
    assert re.fullmatch(rf"{job_id}000000000001 for \d s, attempt 1", lines[7])
    assert lines[8] == "pace 6.0 tasks/min of the labourer in the last 10 minutes: about 40 s left"


def test_what_the_open_tasks_do_in_json(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts; a job that is over has no such record."""
    sosw.start("pull", only=lambda payload: payload["words"] == ["b"])
    main(["status", job_id, "--output", "json"])
    (job,) = json.loads(capsys.readouterr().out)
    assert (job["activity"]["running"], job["activity"]["seconds_left"]) == (1, None)
    assert [task["task_id"] for task in job["activity"]["running_tasks"]] == [f"{job_id}000000000001"]
    end(sosw)
    main(["status", job_id, "--output", "json"])
    assert "activity" not in json.loads(capsys.readouterr().out)[0]


def test_a_job_with_failures_has_an_exit_code_of_its_own(
    sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the failed tasks are shown, with attempts and payload."""
    end(sosw, "b", "d")

    assert main(["status", job_id]) == 3
    text = capsys.readouterr().out
    assert f'{job_id}000000000001 (3 attempts): {{"isolate_words": true, "words": ["b"]}}' in text
    assert f"{job_id}000000000003 (3 attempts)" in text


def test_the_status_in_json(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts: the job and its repairs, each with its counts."""
    end(sosw, "b", "d")
    main(["repair", job_id, "--output", "json"])
    repair = json.loads(capsys.readouterr().out)
    sosw.finish("pull")

    assert main(["status", job_id, "--output", "json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    assert [(job["job_id"], job["tasks"], job["completed"], job["failed"], job["state"]) for job in jobs] == [
        (job_id, 5, 3, 2, "closed"),
        (repair["job_id"], 2, 2, 0, "closed"),
    ]


def test_repair_schedules_the_failed_tasks(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Named by any of the job's tasks, as a log has it."""
    end(sosw, "b", "d")

    assert main(["repair", f"{job_id}000000000004"]) == 0
    assert words(sosw) == ["b", "d"]
    assert f"The queue of pull has 2 failed tasks of the job {job_id} again" in capsys.readouterr().out


def test_repair_of_a_job_without_failures(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Says so."""
    end(sosw)

    assert main(["repair", job_id]) == 0
    assert (words(sosw), "Nothing to repair" in capsys.readouterr().out) == ([], True)


def test_repair_of_a_job_that_is_not_over(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is refused; the fix that the message names works."""
    sosw.fail("pull", only=lambda payload: payload["words"] == ["b"])

    assert main(["repair", job_id]) == 1
    assert "--leave-unfinished" in capsys.readouterr().err
    assert main(["repair", job_id, "--leave-unfinished", "--front"]) == 0
    assert words(sosw) == ["b", "a", "c", "d", "e"]


def test_cancel_removes_what_no_worker_has_got(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And counts what it cannot."""
    sosw.finish("pull", only=lambda payload: payload["words"] == ["a"])

    assert main(["cancel", job_id]) == 0
    assert words(sosw) == []
    assert "4 tasks were removed from the queue, 1 is with the workers or over" in capsys.readouterr().out


def test_cancel_in_json(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts."""
    assert main(["cancel", job_id, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"job_id": job_id, "removed": 5, "kept": 0, "never_written": 0}


@pytest.mark.parametrize("command", ["status", "cancel", "repair"])
def test_an_unknown_job(sosw: Sosw, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says where ids are found."""
    assert main([command, "0" * 20]) == 1
    assert "There is no job '00000000000000000000' in sosw_jobs" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "cancel", "repair"])
def test_what_is_no_id(sosw: Sosw, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused without a request."""
    assert main([command, "yesterday's"]) == 1
    assert "must be the id of a job" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "cancel", "repair"])
def test_a_connection_that_does_not_exist(sosw: Sosw, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The fix is in the message."""
    assert main([command, "0" * 20, "--conn-id", "nowhere"]) == 1
    assert "Connection nowhere" in capsys.readouterr().err


def test_a_limit_is_set_shown_and_removed(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the job's record; `status` has it from then on."""
    assert main(["set", job_id, "--max-running", "3"]) == 0
    assert f"The job {job_id} has max_running 3 (before: no limit)." in " ".join(capsys.readouterr().out.split())
    main(["status", job_id])
    assert "max running 3" in " ".join(capsys.readouterr().out.split())
    assert main(["set", job_id, "--max-running", "none", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"job_id": job_id, "max_running": None, "before": 3}
    main(["status", job_id, "--output", "json"])
    assert "max_running" not in json.loads(capsys.readouterr().out)[0]


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "", "1000000001"])
def test_what_is_no_limit(sosw: Sosw, job_id: str, wrong: str) -> None:
    """Wrong usage, without a request."""
    with pytest.raises(SystemExit) as ended:
        main(["set", job_id, f"--max-running={wrong}"])
    assert ended.value.code == 2


def test_the_highest_limit(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The record can still be read: a higher one would be a damaged record, for a retry as well."""
    assert main(["set", job_id, "--max-running", "1000000000"]) == 0
    main(["status", job_id])
    assert "max running 1,000,000,000" in " ".join(capsys.readouterr().out.split())


def test_a_limit_of_an_unknown_job(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """No header appears by it."""
    assert main(["set", "0" * 20, "--max-running", "3"]) == 1
    assert "There is no job '00000000000000000000' in sosw_jobs" in capsys.readouterr().err


def test_a_job_is_moved_shown_and_moved_back(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To the front and to its planned place. Without an orchestrator of Airflow it says that it has no effect yet."""
    assert main(["set", job_id, "--position", "front", "--max-running", "3"]) == 0
    printed = capsys.readouterr()
    assert "its place before all other jobs that are not moved (before: its planned place)" in " ".join(
        printed.out.split()
    )
    assert "no orchestrator of Airflow processes the queue of" in printed.err
    for show in ("status", "jobs"):
        main([show, *([job_id] if show == "status" else []), "--output", "json"])
        assert json.loads(capsys.readouterr().out)[0]["position"] == "front"
    main(["jobs"])
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0].split()[-1], lines[1].split()[-1]) == ("position", "front")
    lease = Lease(sosw.dynamodb, "sosw_jobs", "pull", "here")
    assert lease.acquire()
    lease.last_turn = note_turn("", TurnReport("pull"), now=time.time())
    lease.release()
    assert main(["set", job_id, "--position", "planned", "--output", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"job_id": job_id, "position": "planned", "position_before": "front"}
    assert printed.err == ""


def test_a_place_that_there_is_not(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And a change of nothing: wrong usage, without a request."""
    with pytest.raises(SystemExit) as ended:
        main(["set", job_id, "--position", "middle"])
    assert ended.value.code == 2
    capsys.readouterr()
    assert main(["set", job_id]) == 2
    assert "give --max-running, --position or both" in capsys.readouterr().err


def test_a_job_that_was_cancelled_is_not_moved(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no task in the queue."""
    main(["cancel", job_id])
    assert main(["set", job_id, "--position", "back"]) == 1
    assert "was cancelled" in capsys.readouterr().err


def test_more_moved_jobs_than_a_labourer_may_have(sosw: Sosw, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names one that can be given its planned place, and a repair only warns."""
    places = JobPlaces(sosw.dynamodb, "sosw_jobs")
    for number in range(MOST_MOVED):
        places.move("pull", f"{number:020x}", "back")
    assert main(["set", job_id, "--position", "front"]) == 1
    first = "0" * 20
    assert f"sosw-airflow set {first} --position planned" in capsys.readouterr().err
    places.move("pull", first, "planned")
    assert main(["set", job_id, "--position", "front"]) == 0
    assert places.read("pull").front == [job_id]


def test_a_repair_has_the_place_of_its_job(sosw: Sosw, job_id: str) -> None:
    """Though the orchestrator has forgotten that of the repaired job, which is over."""
    places = JobPlaces(sosw.dynamodb, "sosw_jobs")
    main(["set", job_id, "--position", "front"])
    places.move("pull", job_id, "planned")  # as `forget`
    end(sosw, "a")
    assert main(["repair", job_id]) == 0
    last = last_of_chain(JobRecords(sosw.dynamodb, "sosw_jobs"), job_id)
    assert (last.position, places.read("pull").front) == ("front", [last.job_id])


def test_a_repair_has_the_limit_of_its_job_unless_it_is_given_one(sosw: Sosw, job_id: str) -> None:
    """In the header of the repair."""
    records = JobRecords(sosw.dynamodb, "sosw_jobs")
    main(["set", job_id, "--max-running", "3"])
    end(sosw, "a")
    assert main(["repair", job_id]) == 0
    first = last_of_chain(records, job_id)
    assert (first.repairs, first.max_running) == (job_id, 3)
    end(sosw, "a")
    assert main(["repair", job_id, "--max-running", "2"]) == 0
    assert last_of_chain(records, job_id).max_running == 2
