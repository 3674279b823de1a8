"""What the pages change, over what is really in the tables. How a form is protected is tested on each server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.orchestration import job_changes
from sosw_airflow.orchestration.labourer_pause import LabourerPause
from sosw_airflow.scheduling.repair import last_of_chain
from sosw_airflow.scheduling.scheduler import ScheduleRequest
from sosw_airflow.stores.job_places import JobPlaces
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.lease_item import read_lease
from sosw_airflow.ui.action_runs import ActionRuns
from sosw_airflow.ui.cached_reads import CachedReads
from sosw_airflow.ui.reading import SoswReadings
from sosw_airflow.ui.requests import PageRequest, parts_of
from sosw_airflow.ui.site import Site
from tests.conftest import Aws
from tests.integration.conftest import request_for
from tests.integration.ui.conftest import Browser, Somebody
from tests.integration.ui.test_pages import close

Schedule = Callable[[ScheduleRequest], str]
WORKER = "/c/sosw_default/labourers/worker"


@pytest.fixture
def job(schedule: Schedule) -> str:
    """The id of a job."""
    return schedule(request_for())


def at(job_id: str) -> str:
    """The address of its page."""
    return f"/c/sosw_default/dags/dag/jobs/{job_id}"


def header(aws: Aws, job_id: str) -> Header:
    """The record of a job."""
    found = JobRecords(aws.dynamodb, "sosw_jobs").header(job_id)
    assert found is not None
    return found


# -- the question ------------------------------------------------------------------------------------------------------


def test_a_page_offers_what_its_viewer_may_do(browser: Browser, job: str) -> None:
    """As links, each to a question."""
    links = {f"/sosw{at(job)}/actions/{name}" for name in ("cancel", "limit", "front", "back")}
    assert links <= set(browser.page(at(job)).links)
    assert f"/sosw{WORKER}/actions/pause" in browser.page(WORKER).links
    browser.viewer = Somebody(changes=(), labourers=False)
    for path in (at(job), WORKER, "/c/sosw_default"):
        assert not [link for link in browser.page(path).links if "/actions/" in link]


def test_a_page_offers_what_would_change_something(browser: Browser, job: str, configured: Aws) -> None:
    """No repair of what has not failed; of a job that is over nothing else."""

    def offered() -> list[str]:
        links = browser.page(at(job)).links
        return [link.rpartition("/")[2] for link in links if "/actions/" in link]

    close(configured, job, 0, ok=True)
    assert offered() == ["cancel", "limit", "front", "back"]
    close(configured, job, 1, ok=False)
    assert offered() == ["repair", "cancel", "limit", "front", "back"]
    close(configured, job, 2, ok=True)
    close(configured, job, 3, ok=True)
    assert offered() == ["repair"]


@pytest.mark.parametrize("action", ["repair", "cancel", "limit", "front"])
def test_a_question_changes_nothing(browser: Browser, job: str, configured: Aws, action: str) -> None:
    """It has a form that works without a script, and a way back."""
    before = header(configured, job)
    page = browser.page(f"{at(job)}/actions/{action}")
    assert (page.status, page.html.count('method="post"')) == (200, 1)
    assert 'name="csrf_token"' in page.html
    assert f"/sosw{at(job)}" in page.links
    assert (header(configured, job), browser.viewer.recorded) == (before, [])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["{job}/actions/repair", f"{WORKER}/actions/pause", "/c/sosw_default/actions/doctor"])
def test_who_may_not_act_is_not_asked(browser: Browser, job: str, path: str, method: str) -> None:
    """Though the viewer may read all of it."""
    browser.viewer = Somebody(changes=("other",), labourers=False)
    request = PageRequest(method, parts_of(path.format(job=at(job))), browser.viewer, own_form=True)
    assert browser.site.answer(request).status == 403


def test_what_was_done_shows_at_once(configured: Aws, job: str) -> None:
    """On the page that is read every ten seconds, and in what is read once a minute."""
    for index in range(4):
        close(configured, job, index, ok=index != 2)
    browser = Browser(Site(lambda *_, **__: [], SoswReadings(CachedReads(fresh=600, patience=30))), [])
    assert "repair of the one before" not in browser.page(at(job)).text
    browser.send(f"{at(job)}/actions/repair")
    page, repair = browser.page(at(job)), last_of_chain(JobRecords(configured.dynamodb, "sosw_jobs"), job).job_id
    assert f"Repaired: 1 failed task came into the queue again as the job {repair}" in page.text
    assert "repair of the one before" in page.text
    assert f"/sosw{at(job)}" in browser.page(at(repair)).links
    assert "paused" not in browser.page(WORKER).text
    browser.send(f"{WORKER}/actions/pause")
    assert "paused by alice" in browser.page(WORKER).text


def test_a_form_of_another_site_changes_nothing(browser: Browser, job: str, configured: Aws) -> None:
    """Whoever has sent it unknowingly."""
    request = PageRequest("POST", parts_of(f"{at(job)}/actions/cancel"), browser.viewer)
    answer = browser.site.answer(request)
    assert (answer.status, header(configured, job).state) == (403, JobState.WRITTEN)
    assert browser.viewer.recorded == []


def test_a_job_is_changed_under_its_own_dag_alone(browser: Browser, job: str, configured: Aws) -> None:
    """Who may change another DAG cannot reach it by an address with that DAG in it."""
    browser.viewer = Somebody(changes=("other", "dag"))
    page = browser.send(f"/c/sosw_default/dags/other/jobs/{job}/actions/cancel")
    assert (page.status, header(configured, job).state) == (404, JobState.WRITTEN)


@pytest.mark.parametrize("path", ["{job}/actions/forward", "{job}/actions/pause", f"{WORKER}/actions/cancel"])
def test_an_unknown_action(browser: Browser, job: str, path: str) -> None:
    """There is no such page."""
    assert browser.send(path.format(job=at(job))).status == 404


# -- jobs --------------------------------------------------------------------------------------------------------------


def test_a_job_is_cancelled(browser: Browser, job: str, configured: Aws) -> None:
    """The audit log has who, what and which job; the next view has the new state."""
    browser.page(at(job))
    page = browser.send(f"{at(job)}/actions/cancel")
    assert "The job is cancelled: 4 tasks were removed from the queue" in page.text
    assert header(configured, job).state is JobState.CANCELLED
    ((event, details, changed),) = browser.viewer.recorded
    assert (event, details, changed.dag_id) == ("sosw.cancel", {"conn_id": "sosw_default", "job_id": job}, "dag")
    assert "cancelled" in browser.page(at(job)).text


def test_what_has_failed_is_repaired(browser: Browser, job: str, configured: Aws) -> None:
    """The answer leads to the page of the repair."""
    for index in range(4):
        close(configured, job, index, ok=index != 2)
    page = browser.send(f"{at(job)}/actions/repair")
    repaired = last_of_chain(JobRecords(configured.dynamodb, "sosw_jobs"), job)
    assert (repaired.repairs, repaired.tasks) == (job, 1)
    assert "has 1 failed task again" in page.text
    assert f"/sosw{at(repaired.job_id)}" in page.links


def test_a_repair_that_is_refused_says_why(browser: Browser, job: str, configured: Aws) -> None:
    """Tasks are open; a tick in the form repairs what has failed so far."""
    close(configured, job, 0, ok=False)
    refused = browser.send(f"{at(job)}/actions/repair")
    assert (refused.status, "is not over: 1 of 4 tasks are closed" in refused.text) == (409, True)
    assert "has 1 failed task again" in browser.send(f"{at(job)}/actions/repair", leave_unfinished="yes").text


def test_nothing_to_repair(browser: Browser, job: str, configured: Aws) -> None:
    """The page says it."""
    for index in range(4):
        close(configured, job, index, ok=True)
    assert "Nothing to repair" in browser.send(f"{at(job)}/actions/repair").text


def test_the_limit_of_a_job(browser: Browser, job: str, configured: Aws) -> None:
    """It is set, shown, and taken away by an empty field."""
    assert "max_running 3 (before: no limit)" in browser.send(f"{at(job)}/actions/limit", max_running=" 3 ").text
    assert header(configured, job).max_running == 3
    assert browser.viewer.recorded[0][1]["max_running"] == " 3 "
    assert "Invoked at once at most 3" in browser.page(at(job)).text
    assert "max_running 1,200 (" in browser.send(f"{at(job)}/actions/limit", max_running="1,200").text
    assert "max_running no limit (before: 1,200)" in browser.send(f"{at(job)}/actions/limit", max_running="").text


def test_two_viewers_set_different_limits(
    browser: Browser, job: str, configured: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While AWS is slow, the second one does not get the answer of the first."""
    other, slow, change = replace(browser, viewer=Somebody(name="bob")), threading.Event(), job_changes.change_job

    def change_slowly(*arguments: Any, **changed: Any) -> Any:
        if changed["max_running"] == 3:
            assert slow.wait(30)
        return change(*arguments, **changed)

    monkeypatch.setattr(job_changes, "change_job", change_slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(browser.send, f"{at(job)}/actions/limit", max_running="3")
        while not browser.viewer.recorded:
            time.sleep(0.01)
        second = other.send(f"{at(job)}/actions/limit", max_running="5")
        slow.set()
    assert "max_running 5 (before: no limit)" in second.text
    assert "max_running 3 (before: 5)" in first.result().text
    assert header(configured, job).max_running == 3


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "1,5", "1,0000", "many", "\uff11", "9" * 30, "<b>"])
def test_what_is_no_limit(browser: Browser, job: str, configured: Aws, wrong: str) -> None:
    """The form comes back with what was typed, and the rule."""
    page = browser.send(f"{at(job)}/actions/limit", max_running=wrong)
    assert (page.status, "must be a whole number" in page.text) == (400, True)
    assert ("<b>" in page.html, header(configured, job).max_running) == (False, 0)
    assert browser.viewer.recorded == []


def test_a_job_is_moved(browser: Browser, job: str, configured: Aws) -> None:
    """To the front, to the back, to its planned place. The page shows where it is, and offers the other places."""
    page = browser.send(f"{at(job)}/actions/front")
    assert "its place before all other jobs that are not moved (before: its planned place)" in page.text
    assert "no orchestrator of Airflow processes the queue of worker at the moment" in page.text
    assert JobPlaces(configured.dynamodb, "sosw_jobs").read("worker").front == [job]
    ((event, details, changed),) = browser.viewer.recorded
    assert (event, details["job_id"], changed.dag_id) == ("sosw.front", job, "dag")
    shown = browser.page(at(job))
    assert "Moved within the queue to the front" in shown.text
    assert "(moved to the front)" in browser.page(WORKER).text
    offered = {link.rsplit("/", 1)[-1] for link in shown.links if "/actions/" in link}
    assert offered == {"cancel", "limit", "back", "planned"}
    assert "(before: its place before all" in browser.send(f"{at(job)}/actions/back").text
    assert "(before: its place behind all" in browser.send(f"{at(job)}/actions/planned").text
    assert "Moved within" not in browser.page(at(job)).text


def test_a_job_that_is_over_is_not_moved(browser: Browser, job: str, configured: Aws) -> None:
    """Nothing of it is in the queue. A cancelled one is refused with the reason."""
    assert "was cancelled" not in browser.send(f"{at(job)}/actions/cancel").text
    page = browser.send(f"{at(job)}/actions/front")
    assert (page.status, "was cancelled" in page.text) == (409, True)
    assert not [link for link in browser.page(at(job)).links if link.endswith(("front", "back", "planned"))]


# -- labourers ---------------------------------------------------------------------------------------------------------


def test_a_labourer_is_paused_and_resumed(browser: Browser, configured: Aws) -> None:
    """Under the viewer's name, with the reason."""
    assert "The labourer is paused" in browser.send(f"{WORKER}/actions/pause", reason="the shop is closed").text
    found = LabourerPause.of_lease(read_lease(configured.dynamodb, "sosw_jobs", "worker"))
    assert found is not None
    assert (found.by, found.reason) == ("alice", "the shop is closed")
    assert "paused by alice" in browser.page(WORKER).text
    assert "The pause by alice has ended" in browser.send(f"{WORKER}/actions/resume").text
    assert [event for event, _, _ in browser.viewer.recorded] == ["sosw.pause", "sosw.resume"]


def test_a_labourer_that_is_not_registered_is_not_paused(browser: Browser, configured: Aws) -> None:
    """No item appears by a typo."""
    page = browser.send("/c/sosw_default/labourers/wroker/actions/pause")
    assert (page.status, "wroker" in page.text) == (409, True)
    assert not read_lease(configured.dynamodb, "sosw_jobs", "wroker")


def test_doctor(browser: Browser) -> None:
    """Of a labourer: what is broken comes first, with its fix."""
    page = browser.send(f"{WORKER}/actions/doctor")
    assert "broken labourer worker there is no Lambda function worker" in page.text
    assert "bucket" not in page.text


def test_doctor_of_a_deployment(browser: Browser) -> None:
    """All of it."""
    assert "right Connection sosw_default" in browser.send("/c/sosw_default/actions/doctor").text


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_recorded_is_not_done(
    browser: Browser, job: str, configured: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's database does not answer."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(browser.viewer, "record", fail)
    page = browser.send(f"{at(job)}/actions/cancel")
    assert (page.status, header(configured, job).state) == (500, JobState.WRITTEN)


def test_an_action_that_takes_long_runs_on() -> None:
    """The viewer does not wait for its end; a second one joins it instead of starting another."""
    runs, began, end = ActionRuns(patience=0.05), [], threading.Event()

    def act() -> str:
        began.append(1)
        end.wait(30)
        return "done"

    first, second = runs.run("cancel", act), runs.run("cancel", act)
    assert (first is second, first.over.is_set(), began) == (True, False, [1])
    end.set()
    assert first.over.wait(30)
    assert (first.result, runs.run("cancel", act).result) == ("done", "done")


def test_actions_at_once_are_bounded() -> None:
    """The ninth is refused, and nothing of it is done."""
    runs, end = ActionRuns(patience=0), threading.Event()
    for number in range(8):
        runs.run(number, lambda: end.wait(30))
    refused = runs.run("ninth", lambda: pytest.fail("it ran"))
    end.set()
    assert "Try again" in refused.problem


def test_an_error_of_ours_shows_its_kind_alone() -> None:
    """Its text may hold a secret."""

    def act() -> None:
        raise ZeroDivisionError("secret")

    assert (
        ActionRuns().run("any", act).problem
        == "The action has failed: ZeroDivisionError. Airflow's log has the details."
    )


def test_a_refusal_of_aws_is_shown() -> None:
    """With its fix."""

    def act() -> None:
        raise AwsFault("throttled. Fix: wait")

    assert ActionRuns().run("any", act).problem == "throttled. Fix: wait"
