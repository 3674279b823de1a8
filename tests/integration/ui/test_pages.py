"""The pages, over what is really in the tables."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace
from typing import Any

import pytest

from sosw_airflow.hooks.sosw import SoswHook, hide_what_airflow_hides
from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from sosw_airflow.links.pages import page_path
from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer
from sosw_airflow.orchestration.lease import Lease
from sosw_airflow.orchestration.turn_note import note_turn
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.ui.cached_reads import CachedReads
from sosw_airflow.ui.requests import parts_of
from sosw_airflow.ui.viewers import PushedJob
from tests.conftest import Aws
from tests.integration.conftest import request_for
from tests.integration.ui.conftest import Browser, Page, Somebody

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x1b[0m\x00",
    "\u202egnp.exe",
    "\ud83d",
    "x" * 100_000,
    "../../../etc/passwd",
    "~",
    "%00",
    "'; DROP TABLE sosw_tasks; --",
)


def close(aws: Aws, job_id: str, index: int, *, ok: bool, **attributes: str) -> None:
    """Close a task of a job, as an orchestrator does."""
    task_id = f"{job_id}{index:012x}"
    row = aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": task_id}}, ReturnValues="ALL_OLD")[
        "Attributes"
    ]
    now = row["created_at"]
    closed = {**row, "closed_at": now, "labourer_id_task_status": {"S": f"worker_{int(ok)}"}, "attempts": {"N": "1"}}
    texts = {name: {"S": text} for name, text in attributes.items()}
    aws.dynamodb.put_item(TableName="sosw_closed_tasks", Item={**closed, **texts})


# -- overview and labourer ---------------------------------------------------------------------------------------------


def test_the_first_page_is_that_of_the_only_connection(browser: Browser) -> None:
    """Nobody has to choose from one."""
    answer = browser.answer("/")
    assert (answer.status, answer.location) == (303, "/sosw/c/sosw_default")


def test_several_connections_are_a_choice(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a link."""
    monkeypatch.setattr("sosw_airflow.ui.reading.connections_of_type", lambda _: ["sosw_default", "sosw/eu"])
    page = browser.page("/")
    assert {"/sosw/c/sosw_default", "/sosw/c/sosw%252Feu"} <= set(page.links)


def test_no_connection(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how one is made."""
    monkeypatch.setattr("sosw_airflow.ui.reading.connections_of_type", lambda _: [])
    assert "no Connection of type sosw yet" in browser.page("/").text


def test_the_overview_has_each_labourer_with_its_queue(browser: Browser, schedule: Any) -> None:
    """What waits, and that nobody works on it."""
    schedule(request_for())
    page = browser.page("/c/sosw_default")
    assert "worker waiting : Airflow does not process this queue" in page.text
    assert "other idle" in page.text
    assert "/sosw/c/sosw_default/labourers/worker" in page.links


def test_a_labourer_that_was_paused_says_by_whom(browser: Browser, configured: Aws) -> None:
    """Since when and why, though no orchestrator has seen it yet."""
    pause_labourer(configured.dynamodb, "sosw_jobs", "worker", LabourerPause("alice", 1_795_431_000, "no <supplier>"))
    for path in ("/c/sosw_default", "/c/sosw_default/labourers/worker"):
        assert "paused by alice since 2026-11-23 10:50:00 UTC : no <supplier>" in browser.page(path).text


def test_a_labourer_that_pauses_says_why(browser: Browser, configured: Aws) -> None:
    """With its orchestrator, and without what Airflow masks."""
    lease = Lease(configured.dynamodb, "sosw_jobs", "worker", "host/1/abcd")
    lease.acquire()
    now = browser.site._readings.deployment("sosw_default").now()
    lease.last_turn = note_turn("", TurnReport("worker", limit=8, completed=3, paused="Lambda refuses"), now=now)
    lease._beaten_at = float("-inf")
    lease.acquire()
    text = browser.page("/c/sosw_default").text
    assert "paused : Lambda refuses" in text
    assert "0 of 8" in text
    assert "3 completed" in text
    assert "host/1/abcd" in text


def test_no_look_at_all_labourers_takes_more_than_20_units(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty labourers: the rest is read by the next refreshes, those that were seen longest ago first."""
    labourers = {f"labourer_{number:02}": {} for number in range(50)}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps(labourers))
    seen: set[str] = set()
    for _ in range(13):  # moto asks twice as much as DynamoDB
        sight = browser.site._readings.overview("sosw_default").value
        assert 0 < sight.units <= 26
        seen = {name for name, glance in sight.glances.items() if glance is not None}
    assert len(seen) == 50


def test_no_labourer(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says where to register one."""
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", "")
    assert "registers no labourer" in browser.page("/c/sosw_default").text


def test_a_labourers_page_has_the_jobs_of_its_queue(browser: Browser, schedule: Any) -> None:
    """From the head of the queue, with links, and the settings in force."""
    first, second = schedule(request_for()), schedule(request_for(run_id="another"))
    page = browser.page("/c/sosw_default/labourers/worker")
    assert page.text.index(first) < page.text.index(second)
    assert f"/sosw/c/sosw_default/dags/dag/jobs/{first}" in page.links
    assert "Invocations at once 10 the option max_simultaneous_invocations of [sosw]" in page.text


def test_each_setting_says_where_it_comes_from(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Variable, or a default."""
    monkeypatch.setenv(
        "AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"worker": {"max_attempts": 5, "expiry": 90, "memory": 512}})
    )
    text = browser.page("/c/sosw_default/labourers/worker").text
    assert "Attempts 5 max_attempts of the Variable sosw_labourers" in text
    assert "Lost after 90 s expiry of the Variable sosw_labourers" in text
    assert "A task, for its costs 512 MB memory of the Variable sosw_labourers" in text
    assert "Invocation event default" in text


def test_a_labourer_has_its_throughput_and_its_failures_by_cause(
    browser: Browser, configured: Aws, schedule: Any
) -> None:
    """Of an hour, a day and a week, from the index if no orchestrator of Airflow has counted them."""
    job_id = schedule(request_for())
    close(configured, job_id, 0, ok=True)
    close(configured, job_id, 1, ok=False, error_type="KeyError", error_message="'size'")
    put_closed(configured, "a" * 32, hours=5)
    put_closed(configured, "b" * 32, hours=50)
    page = browser.page("/c/sosw_default/labourers/worker")
    assert "hour 1 1 50.0 %" in page.text
    assert "24 hours 2 1 33.3 %" in page.text
    assert "7 days 3 1 25.0 %" in page.text
    assert "KeyError: <value> 1" in page.text


def put_closed(aws: Aws, task_id: str, *, hours: int) -> None:
    """A task that was completed so long ago."""
    item = {
        "task_id": {"S": task_id},
        "labourer_id": {"S": "worker"},
        "labourer_id_task_status": {"S": "worker_1"},
        "closed_at": {"N": str(int(time.time()) - 3600 * hours)},
    }
    aws.dynamodb.put_item(TableName="sosw_closed_tasks", Item=item)


def test_what_an_orchestrator_has_counted_is_exact(browser: Browser, configured: Aws) -> None:
    """However much it was: nothing of it is read."""
    lease = Lease(configured.dynamodb, "sosw_jobs", "worker", "host/1/abcd")
    lease.acquire()
    lease.last_turn = note_turn("", TurnReport("worker", completed=1_234_567, failed=7), now=time.time())
    lease.release()
    text = browser.page("/c/sosw_default/labourers/worker").text
    assert "7 days 1,234,567 7 0.0 %" in text
    assert "were read" not in text


def test_the_queue_is_a_bar_of_its_jobs(browser: Browser, schedule: Any) -> None:
    """One part a job, in the colour of its row."""
    schedule(request_for())
    html = browser.page("/c/sosw_default/labourers/worker").html
    assert '<rect class="fill-job0" x="0.0" y="0" width="1000.0" height="16"/>' in html
    assert 'class="key fill-job0"' in html


def test_a_labourer_whose_settings_are_faulty(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is shown, with the fault."""
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", '{"worker": {"max_attempts": "many"}}')
    page = browser.page("/c/sosw_default/labourers/worker")
    assert page.status == 200
    assert "max_attempts" in page.text


def test_a_labourer_that_does_not_exist(browser: Browser) -> None:
    """Neither registered nor with a task."""
    page = browser.page("/c/sosw_default/labourers/nobody")
    assert (page.status, "No labourer nobody is registered" in page.text) == (404, True)


# -- jobs --------------------------------------------------------------------------------------------------------------


def test_a_jobs_page_has_its_progress_and_its_failures(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Counts, shares, errors, origin."""
    job_id = schedule(request_for())
    close(configured, job_id, 0, ok=True)
    close(configured, job_id, 1, ok=False, error_type="ValueError", error_message="no such word")
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert "50.0 % of 4 tasks are closed" in page.text
    assert "Completed 1 Failed 1 Open 2" in page.text
    assert "ValueError: no such word" in page.text
    assert "/sosw/runs/dag/scheduled__2026-03-02" in page.links


def test_failures_are_grouped_by_their_cause(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Each with its number and with an example, which is a link to the task."""
    job_id = schedule(request_for())
    for index in range(3):
        close(configured, job_id, index, ok=False, error_type="ValueError", error_message=f"no word {index}")
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert "ValueError: no word <n> 3" in page.text
    assert f"/sosw/c/sosw_default/dags/dag/jobs/{job_id}?search={job_id}{0:012x}#tasks" in page.links


def test_the_tasks_of_a_job_are_listed_with_what_they_did(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Payload, result, error, attempts; in the job's order."""
    job_id = schedule(request_for())
    close(configured, job_id, 1, ok=True, result='{"price": 7}')
    close(configured, job_id, 2, ok=False, error_message="no such product")
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    listed = page.text.partition("Number State")[2]
    assert [listed.index(f"{job_id}{index:012x}") for index in range(4)] == sorted(
        listed.index(f"{job_id}{index:012x}") for index in range(4)
    )
    assert '"price": 7' in listed
    assert "no such product" in listed
    assert '"stores": [ "y" ]' in listed


@pytest.mark.parametrize(
    ("state", "expected"),
    [("", [0, 1, 2, 3]), ("completed", [1]), ("failed", [2]), ("open", [0, 3]), ("other", [0, 1, 2, 3])],
)
def test_tasks_are_chosen_by_their_state(
    browser: Browser, configured: Aws, schedule: Any, state: str, expected: list[int]
) -> None:
    """A state that is none chooses all."""
    job_id = schedule(request_for())
    close(configured, job_id, 1, ok=True)
    close(configured, job_id, 2, ok=False)
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}", state=state)
    assert [index for index in range(4) if f'id="task-{index}"' in page.html] == expected


def test_many_tasks_are_pages(browser: Browser, schedule: Any) -> None:
    """Of 25, with links to the pages beside; one beyond the end says so."""
    job_id = schedule(request_for({"sections": [f"s{number}" for number in range(60)], "isolate_sections": True}))
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    third = browser.page(path, page="3")
    assert 'id="task-50"' in third.html
    assert "Page 3 of 3" in third.text
    assert f"/sosw{path}?page=2#tasks" in third.links
    beyond = browser.page(path, page="9" * 30)
    assert "Page 1 of 3" in beyond.text
    assert "No task is on this page." in browser.page(path, page="9").text


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("2", "Task 2:"),
        ("9", "The job has no such task."),
        ("f" * 32, "This is a task of the job ffffffffffffffffffff."),
        ("word", "Search for the id of a task"),
    ],
)
def test_a_task_is_found_by_its_number_or_its_id(browser: Browser, schedule: Any, search: str, said: str) -> None:
    """Whatever else was typed has a field of its own."""
    job_id = schedule(request_for())
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    assert said in browser.page(path, search=search).text
    assert 'id="task-3" open' in browser.page(path, search=f"{job_id}{3:012x}").html


def test_a_task_is_found_by_a_text_in_its_payload(browser: Browser, schedule: Any) -> None:
    """Whatever its case; in the attributes' names too. A secret that the page hides cannot be guessed by it."""
    sections = {"sections": ["Maßstab", "mazda", "Mazda 3"], "isolate_sections": True, "password": "tiger"}
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for(sections))}"
    page = browser.page(path, text=" MAZDA ")
    assert "2 of the tasks 0 to 2 have “MAZDA” in the payload. Searched 3 of 3 tasks." in page.text
    assert [index for index in range(3) if f'id="task-{index}"' in page.html] == [1, 2]
    assert "1 of the tasks 0 to 2 has" in browser.page(path, text="MASSSTAB").text
    assert "3 of the tasks" in browser.page(path, text='"sections": [').text
    nothing = browser.page(path, text="tiger")
    assert "None of the tasks 0 to 2 has “tiger” in the payload." in nothing.text
    assert f"/sosw{path}#tasks" in nothing.links
    assert "continue" not in nothing.text


def test_a_search_of_a_large_job_continues(browser: Browser, schedule: Any, configured: Aws) -> None:
    """A view reads 200 tasks, or fewer if it has found 25; the link says where the next one begins."""
    names = [f"s{number}" for number in range(260)] + ["needle"]
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for({'sections': names, 'isolate_sections': True}))}"
    first = browser.page(path, text="needle")
    assert "None of the tasks 0 to 199 has “needle” in the payload. Searched 200 of 261 tasks." in first.text
    assert f"/sosw{path}?text=needle&start=200#tasks" in first.links
    second = browser.page(path, text="needle", start="200")
    assert "1 of the tasks 200 to 260 has “needle”" in second.text
    assert 'id="task-260"' in second.html
    many = browser.page(path, text="s")
    assert "25 of the tasks 0 to 24 have “s” in the payload. Searched 25 of 261 tasks." in many.text
    assert f"/sosw{path}?text=s&start=25#tasks" in many.links
    beyond = browser.page(path, text="s", start="9" * 12)
    assert (beyond.status, "The job has no task 261." in beyond.text) == (200, True)


def test_a_search_ends_after_large_payloads(browser: Browser, schedule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view does not read 200 tasks of 400 kB."""
    monkeypatch.setattr("sosw_airflow.ui.payload_search._CHARACTERS", 500)
    names = [f"{number}{'x' * 40}" for number in range(80)]
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for({'sections': names, 'isolate_sections': True}))}"
    assert "Searched 50 of 80 tasks." in browser.page(path, text="needle").text


def test_hidden_payloads_are_not_searched(browser: Browser, schedule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no field for it, and an address is refused: its answers would give the payload away."""
    hide_what_airflow_hides()
    monkeypatch.setenv("AIRFLOW__SOSW__HIDE_PAYLOADS", "True")
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for())}"
    page = browser.page(path, text="section")
    assert "Payloads are hidden by [sosw] hide_payloads, so they are not searched." in page.text
    assert 'name="text"' not in page.html
    assert 'id="task-' not in page.html


def test_the_sources_of_a_job(browser: Browser, configured: Aws, schedule: Any) -> None:
    """What each was when it was read; a record of another program is not shown, and breaks nothing."""
    job_id = schedule(request_for())
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    assert "Sources" not in browser.page(path).text
    words = {"place": "words", "url": "s3://b/<i>.csv", "etag": "5d41", "values": 3, "skipped": 1, "sha256": "ab" * 32}
    for text in (json.dumps([words, {"more": 2}]), "[", '{"place": 1}', '[1, null, "x"]'):
        key = {"job_id": {"S": job_id}, "record": {"S": "header"}}
        configured.dynamodb.update_item(
            TableName="sosw_jobs",
            Key=key,
            UpdateExpression="SET sources = :sources",
            ExpressionAttributeValues={":sources": {"S": text}},
        )
        page = browser.page(path)
        assert page.status == 200
        shown = "words: 3 values of s3://b/<i>.csv (5d41), bad lines left out: 1, SHA-256 of the values" in page.text
        assert ("i" in page.tags, shown, "and 2 more" in page.text) == (False, "words" in text, "more" in text)


def test_what_a_job_has_cost_so_far(
    browser: Browser, configured: Aws, schedule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its record and the tasks that are closed: what was not done yet costs nothing yet. It reads nothing more."""
    job_id = schedule(request_for())
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    before = browser.page(path)
    assert "Cost so far: about 0.000015 USD" in before.text
    assert "scheduling 16 2 1 0 0.0" in before.text
    assert "the labourer's function 0 0 0 0 0.0 0.00" in before.text
    assert "at AWS's list prices on demand in us-east-1 of 2025-07-21" in before.text
    assert "The time of the function is not in it: the labourer has no task_seconds" in before.text
    settings = {"worker": {"max_attempts": "2", "task_seconds": "3", "memory": "512", "invocation": "request"}}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps(settings))
    for index in range(3):
        close(configured, job_id, index, ok=index > 0)
    after = browser.page(path)
    assert "the labourer's function 0 0 0 4 6.0" in after.text  # two attempts of the one that has failed
    assert "A failed task counts with 2 attempts" in after.text
    assert "is not in it" not in after.text


def test_a_labourer_that_is_not_registered_any_more(
    browser: Browser, schedule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs still have costs, with what a labourer has by default; and those of one whose settings are faulty."""
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for())}"
    for labourers in ("{}", '{"worker": {"memory": "much"}}'):
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", labourers)
        assert "Cost so far" in browser.page(path).text


def test_of_large_tasks_a_page_keeps_what_it_shows(
    browser: Browser, schedule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that answers: whole payloads of all that viewers have seen would fill its memory."""
    kept: list[Any] = []
    read = CachedReads.read

    def keep(*asked: Any, **how: Any) -> Any:
        kept.append(read(*asked, **how))
        return kept[-1]

    monkeypatch.setattr(CachedReads, "read", keep)
    names = [f"{number}{'x' * 300_000}" for number in range(3)]
    path = f"/c/sosw_default/dags/dag/jobs/{schedule(request_for({'sections': names, 'isolate_sections': True}))}"
    for query in ({}, {"search": "1"}, {"text": "x"}):
        kept.clear()
        assert "more characters" in browser.page(path, **query).text
        (tasks,) = [each.value.results for each in kept if hasattr(each.value, "results")]
        assert all(len(pickle.dumps(each)) < 21_000 for each in tasks)


def test_payloads_can_be_hidden(
    browser: Browser, configured: Aws, schedule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Airflow's configuration: payloads, and what workers returned."""
    hide_what_airflow_hides()
    monkeypatch.setenv("AIRFLOW__SOSW__HIDE_PAYLOADS", "True")
    job_id = schedule(request_for({"sections": ["confidential"], "isolate_sections": True}))
    close(configured, job_id, 0, ok=True, result='"confidential"')
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert "confidential" not in page.html
    assert "hidden by [sosw] hide_payloads" in page.text


def test_secrets_are_masked(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Those whose names say that they are secrets, wherever a task has them."""
    job_id = schedule(request_for({"sections": ["a"], "isolate_sections": True, "password": "tiger"}))
    close(configured, job_id, 0, ok=True, result='{"api_key": "lion"}')
    html = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}").html
    assert "***" in html
    assert "tiger" not in html
    assert "lion" not in html


def test_a_job_that_is_over_is_not_refreshed(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Nothing happens any more."""
    job_id = schedule(request_for())
    assert 'data-refresh="5"' in browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}").html
    for index in range(4):
        close(configured, job_id, index, ok=True)
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert 'data-refresh="0"' in page.html
    assert "closed 100.0 %" in page.text


def test_a_job_of_a_command(browser: Browser, schedule: Any) -> None:
    """Its DAG id is ``cli``: a viewer who may read certain DAGs only does not see it."""
    job_id = schedule(request_for(dag_id=COMMAND_DAG_ID, task_id="sosw-airflow schedule", run_id="one"))
    path = f"/c/sosw_default/dags/{COMMAND_DAG_ID}/jobs/{job_id}"
    assert browser.page(path).status == 403
    browser.viewer.dags = (COMMAND_DAG_ID,)
    page = browser.page(path)
    assert (page.status, "sosw-airflow schedule --id one" in page.text) == (200, True)


def test_a_job_of_another_dag_does_not_exist(browser: Browser, schedule: Any) -> None:
    """The answer is the same as for an id that no job has: a viewer learns nothing of it."""
    job_id = schedule(request_for(dag_id="secret"))
    foreign = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    unknown = browser.page(f"/c/sosw_default/dags/dag/jobs/{'0' * 20}")
    assert foreign.status == unknown.status == 404
    assert foreign.html.replace(job_id, "") == unknown.html.replace("0" * 20, "")


def test_the_jobs_of_a_dag_run(browser: Browser, schedule: Any) -> None:
    """Those that its Airflow tasks have announced; one that is not planned yet says so."""
    job_id = schedule(request_for())
    browser.pushed += [
        PushedJob("schedule", -1, job_id, "sosw_default"),
        PushedJob("mapped", 3, "f" * 20, "sosw_default"),
    ]
    page = browser.page("/runs/dag/scheduled__2026-03-02T00:00:00+00:00")
    assert f"/sosw/c/sosw_default/dags/dag/jobs/{job_id}" in page.links
    assert "mapped[3] not planned yet" in page.text


def test_an_announced_job_of_another_dag_is_not_shown(browser: Browser, schedule: Any) -> None:
    """An XCom can be written by whoever writes a DAG."""
    browser.pushed.append(PushedJob("schedule", -1, schedule(request_for(dag_id="secret")), "sosw_default"))
    text = browser.page("/runs/dag/run").text
    assert "worker" not in text
    assert "not planned yet" in text


@pytest.mark.parametrize("map_index", ["-1", "3", "{MAP_INDEX}", "x", "9" * 40])
def test_an_airflow_task_without_a_job(browser: Browser, map_index: str) -> None:
    """The tab says what it is, also for an index that Airflow leaves as a placeholder."""
    page = browser.page("/instances/dag/run/task/" + map_index)
    assert (page.status, "This Airflow task has no job of sosw" in page.text) == (200, True)


# -- who may see it, and what they ask ---------------------------------------------------------------------------------

PATHS = {
    "/": "queues",
    "/c/sosw_default": "queues",
    "/c/sosw_default/labourers/worker": "queues",
    "/c/sosw_default/dags/dag/jobs/JOB": "dag",
    "/runs/dag/run": "dag",
    "/instances/dag/run/task/-1": "dag",
    "/static/sosw.css": "signed in",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("allowed", [(), ("queues",), ("dag",), ("queues", "dag")])
def test_each_page_has_a_guard(browser: Browser, path: str, allowed: tuple[str, ...]) -> None:
    """Without the permission nothing is read, and the answer says which one is needed."""
    browser.viewer.queues = "queues" in allowed
    browser.viewer.dags = ("dag",) if "dag" in allowed else ()
    status = browser.answer(path.replace("JOB", "0" * 20)).status
    permitted = PATHS[path] == "signed in" or PATHS[path] in allowed
    assert (status != 403) == permitted


def test_airflows_own_sign_for_every_dag_is_no_dag(browser: Browser) -> None:
    """Also not for an administrator: a page is of one DAG."""
    browser.viewer.dags = ("~",)
    assert browser.answer("/runs/~/run").status == 403


#: Tags of which the pages consist, and no other.
TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "h1", "h2", "a", "p", "div"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "code", "span", "b", "time"),
    *("br", "svg", "rect", "line", "pre", "details", "summary", "form", "label", "input", "button"),
}

PATTERNS = (
    *("/{}", "/c/{}", "/c/sosw_default/labourers/{}", "/c/sosw_default/dags/dag/jobs/{}"),
    *("/runs/dag/{}", "/runs/{}/run", "/instances/dag/run/{}/{}", "/static/{}"),
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("path", PATTERNS)
def test_a_hostile_path(browser: Browser, path: str, text: str) -> None:
    """Is answered, and none of it becomes a tag, a script or an address."""
    browser.viewer.dags = ("dag", text, *parts_of(f"/{text}"))
    answer = browser.answer(path.replace("{}", text.replace("/", "%2F")), state=text, page=text)
    assert answer.status < 500
    page = Page(answer)
    assert set(page.tags) <= TAGS
    assert page.tags.count("script") <= 1
    assert not any(link.startswith("javascript") for link in page.links)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values(browser: Browser, configured: Aws, schedule: Any, text: str) -> None:
    """An error and a payload that a worker was given are text, whatever they are."""
    shown = text.encode("utf-8", "backslashreplace").decode()[:1000]
    job_id = schedule(request_for({"sections": [shown or "x"], "isolate_sections": True}))
    close(configured, job_id, 0, ok=False, error_type=shown, error_message=shown)
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert page.status == 200
    assert page.tags.count("script") == 1
    assert "img" not in page.tags


def test_a_method_that_no_page_has(browser: Browser) -> None:
    """Nothing is changed by a page."""
    assert [browser.answer("/c/sosw_default", method=each).status for each in ("POST", "PUT", "DELETE")] == [405] * 3


def test_the_headers_of_every_answer(browser: Browser) -> None:
    """Own scripts and styles only, no frame of others, nothing is stored."""
    for path in ("/c/sosw_default", "/nothing"):
        headers = browser.answer(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_no_page_has_a_style_or_a_script_in_it(browser: Browser, configured: Aws, schedule: Any) -> None:
    """The policy would refuse it."""
    job_id = schedule(request_for())
    for path in ("/c/sosw_default", "/c/sosw_default/labourers/worker", f"/c/sosw_default/dags/dag/jobs/{job_id}"):
        page = browser.page(path)
        assert "style" not in page.tags
        assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
        assert page.tags.count("script") == 1


def test_a_connection_that_does_not_exist(browser: Browser) -> None:
    """The page has the same words as a command, and the other Connections."""
    page = browser.page("/c/elsewhere")
    assert (page.status, "Connection elsewhere: does not exist" in page.text) == (200, True)
    assert "/sosw/c/sosw_default" in page.links


def test_a_connection_of_another_type(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as if it did not exist: a viewer of the pages learns nothing of other Connections."""
    monkeypatch.setenv("AIRFLOW_CONN_DATABASE", "postgres://user:tiger@database.internal/db?queue_bucket=b")
    other, missing = browser.page("/c/database"), browser.page("/c/elsewhere")
    assert other.text.replace("database", "elsewhere") == missing.text
    assert "tiger" not in other.html


def test_a_table_that_is_missing(browser: Browser, configured: Aws, schedule: Any) -> None:
    """What was read before stays, with the reason why there is nothing newer."""
    schedule(request_for())
    assert "worker" in browser.page("/c/sosw_default").text
    configured.dynamodb.delete_table(TableName="sosw_tasks")
    text = browser.page("/c/sosw_default").text
    assert "AWS or the Connection has a problem" in text
    assert "sosw_tasks" in text
    assert "What you see was read" in text


def test_addresses_survive_every_name() -> None:
    """Also one with a slash, or with what looks like a quoted one."""
    assert page_path("c", "a/b%2Fc d") == "/c/a%252Fb%25252Fc%2520d"


def test_an_error_of_ours_is_a_page(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text is in Airflow's log alone."""

    def broken(conn_id: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(browser.site._readings, "overview", broken)
    page = browser.page("/c/sosw_default")
    assert (page.status, "Airflow's log has the details" in page.text, "secret" in page.text) == (500, True, False)
    assert "secret" in caplog.text


# -- a job's times, causes and relatives -------------------------------------------------------------------------------


def test_a_job_shows_when_its_tasks_were_closed(browser: Browser, configured: Aws, schedule: Any) -> None:
    """As columns, with the first and the last time as text, and its own pace while it is open."""
    job_id = schedule(request_for())
    close(configured, job_id, 0, ok=True)
    close(configured, job_id, 1, ok=False)
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    assert 'aria-label="Closed over time: 1 completed, 1 failed"' in page.html
    assert "in steps of 1 s. In the last 10 minutes" in page.text


def test_failed_tasks_are_chosen_by_their_cause(browser: Browser, configured: Aws, schedule: Any) -> None:
    """From the number in the table of causes."""
    job_id = schedule(request_for())
    for index, error in enumerate(("no word 1", "no word 2", "too late")):
        close(configured, job_id, index, ok=False, error_type="ValueError", error_message=error)
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    (link,) = [each for each in browser.page(path).links if "cause=" in each and "#tasks" in each][:1]
    page = browser.page(path, cause=link.partition("cause=")[2].removesuffix("#tasks"))
    assert "Failed with: ValueError: no word <n>" in page.text
    tasks = page.html[page.html.index('id="tasks"') :]
    assert f"{job_id}000000000000" in tasks
    assert f"{job_id}000000000001" in tasks
    assert f"{job_id}000000000002" not in tasks


def test_the_causes_of_a_job_that_has_ended_are_complete(browser: Browser, configured: Aws, schedule: Any) -> None:
    """They are read once a minute, and its page is not refreshed any more."""
    job_id = schedule(request_for())
    path = f"/c/sosw_default/dags/dag/jobs/{job_id}"
    close(configured, job_id, 0, ok=False, error_type="ValueError", error_message="too late")
    assert "ValueError: too late 1 " in browser.page(path).text
    close(configured, job_id, 1, ok=False, error_type="ValueError", error_message="too late")
    assert "Causes are read once a minute: 1 more failed since." in browser.page(path).text
    for index in range(2, 4):
        close(configured, job_id, index, ok=False, error_type="ValueError", error_message="too late")
    page = browser.page(path)
    assert 'data-refresh="0"' in page.html
    assert "ValueError: too late 4 " in page.text


@pytest.mark.parametrize("cause", ["0" * 12, "x", "<b>", "0" * 13])
def test_a_cause_that_no_failure_has(browser: Browser, configured: Aws, schedule: Any, cause: str) -> None:
    """The page says so, or shows all tasks."""
    job_id = schedule(request_for())
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}", cause=cause)
    assert page.status == 200
    assert ("No failure has this cause" in page.text) == (cause == "0" * 12)


def test_a_job_has_its_generations_and_repairs(browser: Browser, configured: Aws, schedule: Any) -> None:
    """In their order, each with a link; the present one is marked."""
    first = schedule(request_for())
    for index in range(4):
        close(configured, first, index, ok=index != 1)
    repaired = repair(JobScheduler(SoswHook().deployment()), first).header.job_id
    request = request_for()
    later = schedule(replace(request, identity=replace(request.identity, generation=3)))
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{repaired}")
    assert f"{first} generation 0 written" in page.text
    assert f"{repaired} repair of the one before written" in page.text
    assert f"{later} generation 3 written" in page.text
    assert {f"/sosw/c/sosw_default/dags/dag/jobs/{each}" for each in (first, later)} <= set(page.links)


def test_a_repair_by_another_dag_shows_to_its_readers_alone(browser: Browser, configured: Aws, schedule: Any) -> None:
    """Its id, too, is that DAG's."""
    first = schedule(request_for())
    for index in range(4):
        close(configured, first, index, ok=index != 1)
    asked_by = replace(request_for().identity, dag_id="other")
    repaired = repair(JobScheduler(SoswHook().deployment()), first, asked_by=asked_by).header.job_id
    path = f"/c/sosw_default/dags/dag/jobs/{first}"
    assert repaired not in browser.page(path).html
    browser.viewer = Somebody(dags=("dag", "other"))
    assert repaired in browser.page(path).html


def test_a_job_leads_back_to_airflow(browser: Browser, schedule: Any) -> None:
    """To its DAG, its run and its Airflow task, out of the frame."""
    job_id = schedule(request_for())
    page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}")
    found = [each for each in page.links if each.startswith("/dags/dag")]
    assert len(found) == 3
    assert page.html.count('target="_top"') == 4  # with the one in the head of every page
