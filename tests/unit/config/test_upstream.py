"""sosw's configuration becomes ours, and nothing of it is dropped silently."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from sosw_airflow.config.registry import job_schema_from, labourers_from
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.config.upstream import from_upstream
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.jobs import JobSchema
from tests.unit.config.documented import SCHEDULER_CONFIG, TASK_CLIENT_CONFIG, TASKS_TABLE_CONFIG

LABOURERS = {"worker": {"arn": "arn:aws:lambda:us-west-2:000000000000:function:worker"}}


def scheduler(**settings: Any) -> dict[str, Any]:
    """A small configuration of the Scheduler that is in order, with changes."""
    return {"queue_bucket": "bucket", "task_config": {"labourers": deepcopy(LABOURERS)}, **settings}


def with_task_config(**settings: Any) -> dict[str, Any]:
    """The same with changes to its `task_config`."""
    return scheduler(task_config={"labourers": deepcopy(LABOURERS), **settings})


def with_table(**settings: Any) -> dict[str, Any]:
    """The same with a `dynamo_db_config`."""
    return with_task_config(dynamo_db_config=settings)


def faults(*arguments: Any, **keywords: Any) -> dict[str, str]:
    """Path and problem of every reason for the refusal."""
    with pytest.raises(InvalidConfiguration) as refused:
        from_upstream(*arguments, **keywords)
    return {fault.path: fault.problem for fault in refused.value.faults}


def test_the_documented_configuration_is_taken_over_whole() -> None:
    """SCHEDULER_CONFIG of sosw's documentation becomes a Connection and two Variables, with nothing left over."""
    imported = from_upstream(SCHEDULER_CONFIG)
    assert imported.connection_extra == {
        "aws_conn_id": "aws_default",
        "queue_bucket": "some-bucket",
        "closed_tasks_table": "sosw_closed_tasks",
        "retry_tasks_table": "sosw_retry_tasks",
        "tasks_table": "sosw_tasks",
        "index_greenfield": "sosw_tasks_greenfield",
    }
    assert imported.variables == {
        "sosw_labourers": {
            "some_function": {
                "arn": "arn:aws:lambda:us-west-2:0000000000:function:some_function",
                "max_simultaneous_invocations": 10,
            }
        },
        "sosw_job_schemas": {"default": {"chunkable_attrs": []}},
    }
    assert imported.not_understood == []


def test_what_comes_out_is_what_the_provider_reads() -> None:
    """The Connection's extras and the Variables pass the checks of a run."""
    imported = from_upstream(SCHEDULER_CONFIG)
    labourers = labourers_from(json.dumps(imported.variables["sosw_labourers"]))
    assert SoswSettings.of(imported.connection_extra, conn_id="c") == SoswSettings(queue_bucket="some-bucket")
    assert labourers["some_function"].arn == "arn:aws:lambda:us-west-2:0000000000:function:some_function"
    assert job_schema_from(json.dumps(imported.variables["sosw_job_schemas"]), "default") == JobSchema()


def test_its_parts_can_be_given_apart() -> None:
    """A `task_config` or `dynamo_db_config` that is missing inside is taken from what stands beside."""
    without_tasks = {key: value for key, value in SCHEDULER_CONFIG.items() if key != "task_config"}
    without_table = {key: value for key, value in TASK_CLIENT_CONFIG.items() if key != "dynamo_db_config"}
    apart = from_upstream(without_tasks, task_client=without_table, tasks_table=TASKS_TABLE_CONFIG)
    assert apart == from_upstream(SCHEDULER_CONFIG)


def test_a_part_beside_that_says_something_else_is_named() -> None:
    """TASK_CLIENT_CONFIG is not used where SCHEDULER_CONFIG has its own `task_config`, and that is said."""
    imported = from_upstream(scheduler(), task_client={"sosw_closed_tasks_table": "other"})
    assert "closed_tasks_table" not in imported.connection_extra
    assert imported.not_understood == [
        "TASK_CLIENT_CONFIG: scheduler.task_config says something else, and that was used"
    ]


@pytest.mark.parametrize(
    ("configuration", "setting", "expected"),
    [
        (scheduler(s3_prefix="/my/prefix/"), "s3_prefix", "my/prefix"),
        (with_task_config(sosw_closed_tasks_table="t"), "closed_tasks_table", "t"),
        (with_task_config(sosw_closed_tasks_labourer_status_index="t"), "closed_tasks_index", "t"),
        (with_task_config(sosw_retry_tasks_table="t"), "retry_tasks_table", "t"),
        (with_table(table_name="t"), "tasks_table", "t"),
        (with_table(index_greenfield="t"), "index_greenfield", "t"),
        (with_table(region_name="eu-west-1"), "region_name", "eu-west-1"),
        (scheduler(meta_handler_config={}), "meta_table", "sosw_tasks_meta"),
        (scheduler(meta_handler_config={"dynamo_db_config": {"table_name": "t"}}), "meta_table", "t"),
    ],
)
def test_settings_that_become_extras(configuration: dict[str, Any], setting: str, expected: str) -> None:
    """Each setting that says where something is becomes an extra of the Connection."""
    imported = from_upstream(configuration)
    assert (imported.connection_extra[setting], imported.not_understood) == (expected, [])


def test_no_meta_table_where_sosw_writes_no_audit_rows() -> None:
    """`write_meta_to_ddb` false means none."""
    assert (
        "meta_table" not in from_upstream(scheduler(meta_handler_config={"write_meta_to_ddb": False})).connection_extra
    )


def test_the_aws_connection_can_be_chosen() -> None:
    """`aws_conn_id` goes into the Connection."""
    assert from_upstream(scheduler(), aws_conn_id="other").connection_extra["aws_conn_id"] == "other"


@pytest.mark.parametrize(
    ("schemas", "expected"),
    [
        ({"job_schema": {"chunkable_attrs": [["topic", {}], ["word", {}]]}}, {"default": ["topic", "word"]}),
        ({"job_schema_variants": {"v": {"chunkable_attrs": ["a"]}}}, {"v": ["a"], "default": []}),
        ({}, {"default": []}),
        (
            {
                "job_schema": {"chunkable_attrs": [("a", {})]},
                "job_schema_variants": {"default": {"chunkable_attrs": []}, "v": {"chunkable_attrs": [("b", {})]}},
            },
            {"default": ["a"], "v": ["b"]},
        ),
    ],
    ids=["job_schema alone", "no default variant", "none", "job_schema beside sosw's empty default"],
)
def test_schemas(schemas: dict[str, Any], expected: dict[str, list[str]]) -> None:
    """`job_schema` is the default variant where no other takes its place (sosw itself fails on it)."""
    variants = from_upstream(scheduler(**schemas)).variables["sosw_job_schemas"]
    assert {name: schema["chunkable_attrs"] for name, schema in variants.items()} == expected


def test_a_job_schema_that_sosw_would_replace_is_named() -> None:
    """Beside a default variant of its own, sosw never uses `job_schema`."""
    imported = from_upstream(
        scheduler(job_schema={"chunkable_attrs": ["a"]}, job_schema_variants={"default": {"chunkable_attrs": ["b"]}})
    )
    assert imported.variables["sosw_job_schemas"] == {"default": {"chunkable_attrs": ["b"]}}
    assert imported.not_understood == [
        "scheduler.job_schema: sosw replaces it by job_schema_variants.default; it was not taken over"
    ]


def test_faults_of_schemas_have_their_place() -> None:
    """A schema that cannot be used refuses the whole, with variant and position."""
    variants = {"v": {"chunkable_attrs": ["stores", "a", "a"]}, "w": []}
    assert faults(scheduler(job_schema_variants=variants)).keys() == {
        "scheduler.job_schema_variants.v.chunkable_attrs[0]",
        "scheduler.job_schema_variants.v.chunkable_attrs[2]",
        "scheduler.job_schema_variants.w",
    }


def test_renamed_columns_are_refused() -> None:
    """`field_names` that rename cannot be honoured; those that repeat the name are fine."""
    found = faults(with_table(field_names={"task_id": "task_id", "greenfield": "gf", "payload": "p"}))
    assert found == {
        f"scheduler.task_config.dynamo_db_config.field_names.{column}": (
            f"renames the column to {name!r}; columns have sosw's own names here"
        )
        for column, name in {"greenfield": "gf", "payload": "p"}.items()
    }


def test_another_type_of_a_written_column_is_refused() -> None:
    """A `row_mapper` that makes numbers of texts cannot be followed."""
    assert faults(with_table(row_mapper={"attempts": "S", "task_id": "S"})).keys() == {
        "scheduler.task_config.dynamo_db_config.row_mapper.attempts"
    }


@pytest.mark.parametrize(
    "configuration",
    [{}, scheduler(queue_bucket=""), scheduler(queue_bucket=None), scheduler(queue_bucket=["b"])],
)
def test_a_queue_bucket_is_needed(configuration: dict[str, Any]) -> None:
    """Without a bucket there is nowhere to write the plan."""
    assert list(faults(configuration)) == ["scheduler.queue_bucket"]


def test_all_reasons_are_given_at_once() -> None:
    """One refusal names everything that is wrong."""
    found = faults(
        {
            "task_config": {"labourers": {"a": None, 1: {"arn": "bar"}}, "dynamo_db_config": "sosw_tasks"},
            "job_schema": {"chunkable_attrs": "section"},
        }
    )
    assert found.keys() == {
        "scheduler.queue_bucket",
        "scheduler.task_config.labourers.a",
        "scheduler.task_config.labourers.1",
        "scheduler.task_config.dynamo_db_config",
        "scheduler.job_schema.chunkable_attrs",
    }


def test_values_that_a_variable_cannot_keep_are_refused() -> None:
    """Variables are JSON: a set or NaN in a labourer's settings is named with its place."""
    labourers = {"worker": {"health_metrics": {"m": {"details": {"Statistics": {"Average"}, "Period": float("nan")}}}}}
    assert faults(with_task_config(labourers=labourers)).keys() == {
        "scheduler.task_config.labourers.worker.health_metrics.m.details.Statistics",
        "scheduler.task_config.labourers.worker.health_metrics.m.details.Period",
    }


def test_defaults_of_sosw_are_passed_over_without_a_word() -> None:
    """Everything in sosw's own DEFAULT_CONFIGs, written out, changes nothing and is not worth a line."""
    from sosw.managers.task import TaskManager  # type: ignore[import-untyped]
    from sosw.scheduler import Scheduler  # type: ignore[import-untyped]

    configuration = {**deepcopy(Scheduler.DEFAULT_CONFIG), "task_config": deepcopy(TaskManager.DEFAULT_CONFIG)}
    configuration["task_config"]["labourers"] = LABOURERS
    assert from_upstream(configuration).not_understood == []


@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        (scheduler(rows_to_process=10), "scheduler.rows_to_process"),
        (scheduler(custom_period_patterns=["my_[0-9]+_hours"]), "scheduler.custom_period_patterns"),
        (scheduler(dynamo_db_config={"table_name": "other"}), "scheduler.dynamo_db_config"),
        (scheduler(of_our_own=1), "scheduler.of_our_own"),
        (with_task_config(greenfield_invocation_delta=1), "scheduler.task_config.greenfield_invocation_delta"),
        (with_task_config(max_attempts_nobody=5), "scheduler.task_config.max_attempts_nobody"),
        (with_table(required_fields=["task_id", "mine"]), "scheduler.task_config.dynamo_db_config.required_fields"),
        (with_table(row_mapper={"mine": "M"}), "scheduler.task_config.dynamo_db_config.row_mapper.mine"),
        (with_table(dont_json_loads_results=True), "scheduler.task_config.dynamo_db_config.dont_json_loads_results"),
        (
            scheduler(meta_handler_config={"dynamo_db_config": {"row_mapper": {"x": "S"}}}),
            "scheduler.meta_handler_config.dynamo_db_config.row_mapper",
        ),
        (
            scheduler(job_schema={"chunkable_attrs": [["a", {"x": 1}]]}),
            "scheduler.job_schema.chunkable_attrs[0]",
        ),
        (scheduler(job_schema={"chunkable_attrs": [], "mine": 1}), "scheduler.job_schema.mine"),
    ],
)
def test_whatever_is_not_taken_over_is_named(configuration: dict[str, Any], path: str) -> None:
    """A setting without a counterpart has a line of its own, with its path."""
    assert [line.split(": ")[0] for line in from_upstream(configuration).not_understood] == [path]


def test_the_example_files_table_name_beside_task_config_is_understood() -> None:
    """sosw's example repeats the name of the task table outside `task_config`; that says nothing new."""
    assert from_upstream(scheduler(dynamo_db_config={"table_name": "sosw_tasks"})).not_understood == []


def test_labourers_of_the_essentials_template_are_read() -> None:
    """`labourers` at the top of the document, as in sosw's template of the shared configuration, are labourers too."""
    assert from_upstream({"queue_bucket": "b", "labourers": LABOURERS}).variables["sosw_labourers"] == LABOURERS


def test_a_configuration_without_labourers_is_named() -> None:
    """Nothing can be scheduled then, which the user should know."""
    assert from_upstream({"queue_bucket": "b"}).not_understood == [
        "scheduler.task_config.labourers: there are none; register one before you schedule a job"
    ]


def test_the_orchestrators_settings_of_a_labourer_are_kept_with_it() -> None:
    """What only sosw's Orchestrator uses stays in the labourer's settings; numbers as keys become text, as in JSON."""
    metrics = {"SomeDBCPU": {"details": {"Name": "CPUUtilization"}, "feelings": {3: 50, 4: 25}}}
    orchestrator = {
        "task_config": {"labourers": {"worker": {"health_metrics": metrics, "max_simultaneous_invocations": 7}}}
    }
    imported = from_upstream(scheduler(), orchestrator=orchestrator)
    assert imported.variables["sosw_labourers"]["worker"] == {
        **LABOURERS["worker"],
        "health_metrics": {"SomeDBCPU": {"details": {"Name": "CPUUtilization"}, "feelings": {"3": 50, "4": 25}}},
        "max_simultaneous_invocations": 7,
    }
    assert imported.not_understood == []


def test_settings_of_all_labourers_go_to_each_that_has_none_of_its_own() -> None:
    """`max_attempts`, `max_attempts_<id>` and `max_simultaneous_invocations` of the task configuration."""
    labourers = {"a": {"arn": "a"}, "b": {"arn": "b", "max_attempts": 9}, "c": {"arn": "c"}}
    task_config = {"labourers": labourers, "max_attempts": 5, "max_attempts_c": 2, "max_simultaneous_invocations": 4}
    imported = from_upstream(scheduler(task_config=task_config))
    found = {id_: settings["max_attempts"] for id_, settings in imported.variables["sosw_labourers"].items()}
    assert found == {"a": 5, "b": 9, "c": 2}
    assert {s["max_simultaneous_invocations"] for s in imported.variables["sosw_labourers"].values()} == {4}
    assert imported.not_understood == []


def test_components_that_differ_about_a_labourer_are_named() -> None:
    """The Orchestrator rules the invocations, so its value is kept, and the difference is said."""
    orchestrator = {"task_config": {"labourers": {"worker": {"arn": "other"}}}}
    imported = from_upstream(scheduler(), orchestrator=orchestrator)
    assert imported.variables["sosw_labourers"]["worker"]["arn"] == "other"
    assert [line.split(": ")[0] for line in imported.not_understood] == [
        "orchestrator.task_config.labourers.worker.arn"
    ]


def test_a_labourer_that_the_orchestrator_does_not_know_is_named() -> None:
    """Its tasks would wait for ever."""
    imported = from_upstream(scheduler(), orchestrator={"task_config": {"labourers": {"x": {}}}})
    assert set(imported.variables["sosw_labourers"]) == {"worker", "x"}
    assert [line.split(": ")[0] for line in imported.not_understood] == ["scheduler.task_config.labourers.worker"]


def test_components_with_different_tables_are_refused() -> None:
    """The Orchestrator would never see what is written into another table."""
    orchestrator = {"task_config": {"dynamo_db_config": {"table_name": "b"}}}
    assert faults(with_table(table_name="a"), orchestrator=orchestrator) == {
        "orchestrator.task_config.dynamo_db_config.table_name": (
            "is 'b', but scheduler.task_config.dynamo_db_config.table_name is 'a'; they must be equal"
        )
    }


def test_the_input_is_not_changed() -> None:
    """The documents that come in are the caller's."""
    labourers = {"a": {"arn": "a"}}
    configuration = scheduler(task_config={"labourers": labourers, "max_attempts": 5})
    before = deepcopy(configuration)
    from_upstream(configuration, orchestrator=configuration, task_client={"x": 1})
    assert configuration == before


def test_documents_for_airflows_import_commands() -> None:
    """Connection and Variables in the shapes of `airflow connections import` and `airflow variables import`."""
    imported = from_upstream(scheduler())
    assert imported.airflow_connections("my_conn") == {
        "my_conn": {"conn_type": "sosw", "extra": {"aws_conn_id": "aws_default", "queue_bucket": "bucket"}}
    }
    assert imported.airflow_variables() == imported.variables


def test_a_labourer_named_value_survives_the_import() -> None:
    """Airflow 3 takes a document with the key `value` for a wrapper, so that Variable is given as text."""
    imported = from_upstream(with_task_config(labourers={"value": {"arn": "a"}}))
    assert imported.airflow_variables()["sosw_labourers"] == '{"value": {"arn": "a"}}'


def test_secrets_of_labourers_are_left_out_and_named() -> None:
    """A Variable of any other name than a secret's shows its value to everybody who may read Variables."""
    labourers = {"worker": {**LABOURERS["worker"], "api_key": "s3cr3t", "env": {"DB_PASSWORD": "s3cr3t", "HOST": "h"}}}
    imported = from_upstream(scheduler(task_config={"labourers": labourers}))

    assert imported.variables["sosw_labourers"] == {"worker": {**LABOURERS["worker"], "env": {"HOST": "h"}}}
    named = [line.partition(":")[0] for line in imported.not_understood]
    assert named == ["labourers.worker.api_key", "labourers.worker.env.DB_PASSWORD"]
    assert "s3cr3t" not in repr(imported)


def test_a_labourer_is_no_secret_by_its_name() -> None:
    """Only its settings are."""
    imported = from_upstream(scheduler(task_config={"labourers": {"token_service": {"duration": 5}}}))
    assert imported.variables["sosw_labourers"] == {"token_service": {"duration": 5}}


def test_secrets_about_which_components_differ_are_not_shown() -> None:
    """The attribute is named, its values are not."""
    first, second = ({"labourers": {"worker": {"api_key": value}}} for value in ("first-s3cr3t", "second-s3cr3t"))
    imported = from_upstream(scheduler(task_config=first), orchestrator={"task_config": second})
    assert "s3cr3t" not in repr(imported)
