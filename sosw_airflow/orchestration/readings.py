"""What a turn reads of one labourer: invoked rows, the head of the queue, retries that are due, function, health."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.orchestration.expiry import FunctionFacts
from sosw_airflow.orchestration.policy import HealthMetric
from sosw_airflow.orchestration.task_rows import TaskRow, row_of
from sosw_airflow.stores.aws_errors import error_code, explain_faults, member
from sosw_airflow.stores.tables import TableNames

__all__ = [
    "LabourerRows",
    "event_invoke_config",
    "existing_function",
    "facts_of",
    "function_configuration",
    "function_facts",
    "metric_value",
]

#: Seconds over which a health metric is read (upstream's ``MetricAggregationTimeSlice``).
_METRIC_SECONDS = 300


@dataclass(frozen=True)
class LabourerRows:
    """The rows of one labourer.

    :ivar dynamodb: a boto3 DynamoDB client.
    """

    dynamodb: Any
    tables: TableNames
    labourer_id: str

    def invoked(self, *, now: int) -> list[TaskRow]:
        """All invoked rows: at work, completed, failed, expired. As many as the limit allows and the last turn left."""
        return list(self._index("greenfield > :now", {":now": {"N": str(now)}}))

    def head(self, *, now: int, rows: int, start: int | None = None, end: int | None = None) -> list[TaskRow]:
        """The first rows of the queue, or the first from a place on.

        :param start: a greenfield, and ``end`` the last one that is read.
        """
        end = now if end is None else min(end, now)
        if rows <= 0 or (start is not None and start > end):
            return []
        values = {":now": {"N": str(end)}}
        if start is None:
            return list(self._index("greenfield <= :now", values, rows=rows))
        values[":start"] = {"N": str(start)}
        return list(self._index("greenfield BETWEEN :start AND :now", values, rows=rows))

    def may_retry(self, job_id: str) -> bool:
        """Whether tasks of the job wait for a retry, among the first 100 that wait: one request."""
        tables = self.tables
        index, table = tables.retry_tasks_index, tables.retry_tasks_table
        with explain_faults(action="dynamodb:Query", resource=f"{table}/index/{index}", setting="retry_tasks_table"):
            reply = self.dynamodb.query(
                TableName=table,
                IndexName=index,
                KeyConditionExpression="labourer_id = :labourer AND desired_launch_time >= :least",
                FilterExpression="begins_with(task_id, :job)",
                ExpressionAttributeValues={
                    ":labourer": {"S": self.labourer_id},
                    ":least": {"N": "0"},
                    ":job": {"S": job_id},
                },
                Limit=100,
            )
        return bool(member(reply, "Items", action="dynamodb:Query")) or "LastEvaluatedKey" in reply

    def any_left(self) -> bool:
        """Whether the labourer has a row at all, queued, invoked or waiting for a retry: two requests at most."""
        if next(self._index("greenfield > :least", {":least": {"N": "-1e100"}}, rows=1), None) is not None:
            return True
        values = {":least": {"N": "0"}}
        condition = "labourer_id = :labourer AND desired_launch_time >= :least"
        tables = self.tables
        waiting = self._query(
            tables.retry_tasks_table, tables.retry_tasks_index, condition, values, setting="retry_tasks_table", rows=1
        )
        return next(waiting, None) is not None

    def due_retries(self, *, now: int, rows: int) -> list[TaskRow]:
        """Rows of the retry table whose time has come, the longest wait first."""
        if rows <= 0:
            return []
        condition = "labourer_id = :labourer AND desired_launch_time <= :now"
        return list(
            self._query(
                self.tables.retry_tasks_table,
                self.tables.retry_tasks_index,
                condition,
                {":now": {"N": str(now)}},
                setting="retry_tasks_table",
                rows=rows,
            )
        )

    def _index(self, condition: str, values: dict[str, Any], *, rows: int | None = None) -> Iterator[TaskRow]:
        return self._query(
            self.tables.tasks_table,
            self.tables.index_greenfield,
            f"labourer_id = :labourer AND {condition}",
            values,
            setting="index_greenfield",
            rows=rows,
        )

    def _query(
        self, table: str, index: str, condition: str, values: dict[str, Any], *, setting: str, rows: int | None = None
    ) -> Iterator[TaskRow]:
        query: dict[str, Any] = {
            "TableName": table,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {":labourer": {"S": self.labourer_id}, **values},
        }
        left = rows
        while left is None or left > 0:
            if left is not None:
                query["Limit"] = left
            with explain_faults(action="dynamodb:Query", resource=f"{table}/index/{index}", setting=setting):
                reply = self.dynamodb.query(**query)
            items = member(reply, "Items", action="dynamodb:Query")
            yield from map(row_of, items)
            if "LastEvaluatedKey" not in reply:
                return
            query["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
            left = None if left is None else left - len(items)


def existing_function(aws_lambda: Any, function: str) -> dict[str, Any]:
    """The configuration of a Lambda function.

    :raises AwsFault: the function does not exist or cannot be read.
    """
    with explain_faults(action="lambda:GetFunctionConfiguration", resource=function):
        return dict(aws_lambda.get_function_configuration(FunctionName=function))


def function_configuration(aws_lambda: Any, function: str) -> dict[str, Any] | None:
    """The configuration of a Lambda function, None if it does not exist.

    :raises AwsFault: AWS refuses.
    """
    return _found("lambda:GetFunctionConfiguration", aws_lambda.get_function_configuration, function)


def event_invoke_config(aws_lambda: Any, function: str) -> dict[str, Any]:
    """How Lambda treats the function's asynchronous invocations; empty if that was never set: its defaults hold.

    :raises AwsFault: AWS refuses.
    """
    read = aws_lambda.get_function_event_invoke_config
    return _found("lambda:GetFunctionEventInvokeConfig", read, function) or {}


def _found(action: str, read: Callable[..., Any], function: str) -> dict[str, Any] | None:
    with explain_faults(action=action, resource=function):
        try:
            return dict(read(FunctionName=function))
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise


def function_facts(aws_lambda: Any, function: str) -> FunctionFacts:
    """What decides when a task counts as lost.

    :raises AwsFault: the function does not exist or cannot be read.
    """
    timeout = int(existing_function(aws_lambda, function)["Timeout"])
    try:
        reply = event_invoke_config(aws_lambda, function)
    except AccessDenied:
        return FunctionFacts(timeout)  # Lambda's defaults: the longest, so nothing is expired too soon
    return facts_of(timeout, reply)


def facts_of(timeout: int, config: Mapping[str, Any]) -> FunctionFacts:
    """The facts from a function's time-out, in seconds, and its event-invoke configuration."""
    return FunctionFacts(timeout, config.get("MaximumEventAgeInSeconds"), config.get("MaximumRetryAttempts"))


def metric_value(cloudwatch: Any, metric: HealthMetric, *, now: float) -> float | None:
    """The latest value of a health metric, None without data points."""
    from datetime import datetime, timezone

    end = datetime.fromtimestamp(now, tz=timezone.utc)
    start = datetime.fromtimestamp(now - _METRIC_SECONDS, tz=timezone.utc)
    with explain_faults(action="cloudwatch:GetMetricStatistics", resource=metric.name):
        reply = cloudwatch.get_metric_statistics(
            **metric.arguments, StartTime=start, EndTime=end, Period=_METRIC_SECONDS, Statistics=[metric.statistic]
        )
    points = sorted(reply.get("Datapoints", ()), key=lambda each: each["Timestamp"])
    return float(points[-1][metric.statistic]) if points else None
