"""A page whose JSON text is ready reaches DynamoDB as botocore's own serialiser would have sent it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosw_airflow.jobs.pages import Page
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.page_text import MetaTable, PageText
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.ready_actions import ReadyActions
from sosw_airflow.stores.request_meter import RequestMeter
from tests.integration.stores.test_job_record import HEADER
from tests.support.unsent_requests import UnsentRequests

CODEC = LineCodec("worker")
META = MetaTable("sosw_tasks_meta", 'run "1"', "dag/\u2028task")


class Wire(UnsentRequests):
    """A client that sends transactions."""

    def send(self, actions: Any, **more: Any) -> dict[str, Any]:
        """The body of the request of this transaction."""
        self.client.transact_write_items(TransactItems=actions, ClientRequestToken="token", **more)
        body: dict[str, Any] = self.body()
        return body


@pytest.fixture(scope="module")
def ready() -> Wire:
    """A client that sends ready texts."""
    return Wire(ready=True)


@pytest.fixture(scope="module")
def plain() -> Wire:
    """A client as boto3 makes it."""
    return Wire(ready=False)


def page_text(meta: MetaTable | None = None, *, tasks_table: str = "sosw_tasks") -> PageText:
    """The texts of a job's pages. Its table of records is never asked."""
    return PageText(replace(HEADER, labourer_id="worker"), CODEC, tasks_table, JobRecords(None, "sosw_jobs"), meta)


TASKS = st.lists(
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.text(max_size=20), st.integers(), st.lists(st.text(max_size=3))), min_size=1
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(tasks=TASKS, with_meta=st.booleans(), first=st.integers(0, 10**6))
def test_the_body_is_botocores(ready: Wire, plain: Wire, tasks: list[Any], with_meta: bool, first: int) -> None:
    """Whatever is in the payloads, with a meta table or without."""
    lines = [CODEC.line(task, index) for index, task in enumerate(tasks)]
    actions = page_text(META if with_meta else None).actions(Page(7, first, 1, lines), 1_767_000_000.25)

    assert ready.send(actions) == plain.send(list(actions))


def test_without_it_botocore_serialises_the_same(plain: Wire) -> None:
    """With `[sosw] wire = botocore` the client takes the same argument."""
    actions = page_text().actions(Page(0, 0, 1, [CODEC.line({"word": "a"}, 0)]), 1.0)

    assert plain.send(actions)["TransactItems"] == list(actions)


def test_every_reader_of_the_arguments_sees_the_actions() -> None:
    """Instrumentation reads them as a list of dictionaries."""
    actions = page_text().actions(Page(0, 0, 1, [CODEC.line({"word": "a"}, 0)]), 1.0)

    assert [action["Put"]["TableName"] for action in actions] == ["sosw_jobs", "sosw_tasks"]
    assert len(actions) == 2
    assert actions[1]["Put"]["Item"]["payload"] == {"S": '{"word": "a"}'}
    assert actions[1:] == [actions[1]]
    assert repr(actions) == repr(list(actions))


def test_what_hooks_add_to_the_request_stays(ready: Wire) -> None:
    """A parameter that is not of the page reaches DynamoDB too."""
    actions = ReadyActions('[{"Put": {"TableName": "t", "Item": {"id": {"S": "1"}}}}]', ["t"])

    body = ready.send(actions, ReturnConsumedCapacity="TOTAL")

    assert body == {"TransactItems": list(actions), "ClientRequestToken": "token", "ReturnConsumedCapacity": "TOTAL"}


def test_a_hook_that_gives_arguments_is_heard() -> None:
    """A deployment's own, which returns them; and the one that counts the units of a job."""
    wire = Wire(ready=True)
    own = lambda params, **_: {**params, "ReturnItemCollectionMetrics": "SIZE"}  # noqa: E731
    wire.client.meta.events.register("provide-client-params.dynamodb", own)
    RequestMeter().attach(wire.client)
    actions = page_text().actions(Page(0, 0, 1, [CODEC.line({"word": "a"}, 0)]), 1.0)

    body = wire.send(actions)

    assert (body["TransactItems"], body["ReturnConsumedCapacity"]) == (list(actions), "TOTAL")
    assert body["ReturnItemCollectionMetrics"] == "SIZE"


def test_the_signature_is_of_the_body_that_is_sent(ready: Wire) -> None:
    """So DynamoDB accepts it: the same headers as those of an equal body that botocore has made."""
    actions = ReadyActions('[{"Put": {"TableName": "t", "Item": {"id": {"S": "1"}}}}]', ["t"])
    ready.send(actions)
    sent = ready.sent[-1]

    assert int(sent.headers["Content-Length"]) == len(sent.body)
    assert "Authorization" in sent.headers


def test_the_endpoint_follows_from_the_tables(ready: Wire, plain: Wire) -> None:
    """A table may be named by its ARN; botocore's choice of an endpoint sees it."""
    table = "arn:aws:dynamodb:us-west-2:123456789012:table/sosw_tasks"
    actions = page_text(tasks_table=table).actions(Page(0, 0, 1, [CODEC.line({"word": "a"}, 0)]), 1.0)
    ready.send(actions)
    plain.send(list(actions))

    assert ready.sent[-1].url == plain.sent[-1].url


def test_other_transactions_are_left_alone(ready: Wire) -> None:
    """Retries and moves of the same client are plain lists."""
    plain_actions = [{"Put": {"TableName": "t", "Item": {"id": {"S": "1"}}}}]

    assert ready.send(plain_actions)["TransactItems"] == plain_actions
