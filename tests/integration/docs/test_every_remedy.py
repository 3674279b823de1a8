"""Every remedy that a message of the package names is carried out by a test: a new one without a test fails here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import sosw_airflow

PACKAGE = Path(sosw_airflow.__file__).parent
TESTS = Path(__file__).parents[1]

ARGUMENTS = "operators/test_remedies_of_arguments.py"
COMMANDS = "cli/test_remedies_of_commands.py"
CLASSES = "operators/test_remedies.py"
EARLY = "operators/test_fail_fast.py"
JOBS = "operators/test_remedies_of_jobs.py"
PAGE = "operators/test_remedies_of_the_page.py"
ROWS = "operators/test_remedies_of_rows.py"
SOURCES = "operators/test_remedies_of_sources.py"

#: Module, and how the text behind "Fix: " begins -> the tests that carry it out, one for each of its alternatives.
REMEDIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("cli/deployments.py", "run it where"): (f"{COMMANDS}::test_an_environment_without_airflow",),
    ("cli/init.py", "add --assistant"): (f"{COMMANDS}::test_the_assistants_options_without_the_assistant",),
    ("cli/orchestrate.py", "give --once or"): (f"{COMMANDS}::test_two_ends_of_an_orchestration",),
    ("cli/plan_sources.py", "give --labourer"): (f"{COMMANDS}::test_a_job_without_a_labourer",),
    ("cli/plan_sources.py", "give ..."): (f"{COMMANDS}::test_a_plan_without_airflow",),
    ("cli/upstream_stores.py", "name it with"): (f"{COMMANDS}::test_an_import_without_a_region",),
    ("cli/writing.py", "this resumes it"): (f"{COMMANDS}::test_a_job_that_a_fault_interrupts",),
    ("exceptions/__init__.py", "correct what each"): (f"{CLASSES}::test_a_configuration_is_corrected",),
    ("exceptions/__init__.py", "add it to this"): (f"{CLASSES}::test_a_labourer_is_registered",),
    ("exceptions/__init__.py", "give only one"): (f"{CLASSES}::test_labourers_agree",),
    ("exceptions/__init__.py", "add it to ..."): (
        f"{CLASSES}::test_a_schema_is_added",
        f"{PAGE}::test_the_schema_name_of_the_job",
    ),
    ("exceptions/__init__.py", "correct the Variable"): (f"{CLASSES}::test_a_schema_is_corrected",),
    ("exceptions/__init__.py", "do what each"): (f"{JOBS}::test_what_each_line_says_is_done",),
    ("exceptions/__init__.py", "correct every line"): (f"{CLASSES}::test_a_job_is_corrected",),
    ("exceptions/__init__.py", "correct the job; or"): (
        f"{ROWS}::test_a_job_of_too_many_tasks_is_corrected",
        f"{CLASSES}::test_max_tasks_is_raised",
        f"{PAGE}::test_max_tasks_in_the_configuration",
    ),
    ("exceptions/__init__.py", "isolate its largest"): (f"{CLASSES}::test_a_task_is_made_smaller",),
    ("exceptions/__init__.py", "let the queue run"): (f"{CLASSES}::test_the_queue_has_too_little_room",),
    ("exceptions/aws.py", "allow it to"): (
        "test_permissions.py::test_nothing_is_refused",
        "test_permissions.py::test_each_line_is_needed",
    ),
    ("exceptions/aws.py", "...set AWS_ACCESS"): (
        f"{CLASSES}::test_credentials_are_given",
        "cli/test_import_config_stores.py::test_no_credentials",
    ),
    ("exceptions/aws.py", "create it with `sosw-airflow init --apply`, or correct ..."): (
        f"{CLASSES}::test_a_table_is_created",
    ),
    ("exceptions/aws.py", "create it with `sosw-airflow init --apply`, or correct queue"): (
        f"{CLASSES}::test_a_bucket_is_created",
    ),
    ("exceptions/aws.py", "create this bucket"): (f"{CLASSES}::test_the_bucket_of_an_argument_is_created",),
    ("exceptions/sources.py", "write the object"): (f"{SOURCES}::test_a_late_source_is_written",),
    ("exceptions/sources.py", "fill it"): (
        f"{SOURCES}::test_an_empty_source_is_filled",
        "operators/test_sources.py::test_an_empty_source_skips",
        "operators/test_sources.py::test_an_empty_source_succeeds",
    ),
    ("exceptions/sources.py", "correct what each"): (
        f"{SOURCES}::test_bad_lines_are_corrected",
        f"{SOURCES}::test_bad_lines_are_left_out",
    ),
    ("exceptions/sources.py", "retry the Airflow task, which"): (f"{SOURCES}::test_a_changed_source_is_read_again",),
    ("exceptions/sources.py", "correct the query"): (f"{SOURCES}::test_a_query_is_corrected",),
    ("exceptions/sources.py", "add it to the"): (f"{SOURCES}::test_a_connection_must_be_allowed",),
    ("exceptions/__init__.py", "raise the tables'"): (f"{JOBS}::test_the_capacity_is_raised",),
    ("exceptions/__init__.py", "put the old content"): (f"{CLASSES}::test_a_conflict_ends",),
    ("exceptions/__init__.py", "clear the Airflow task to schedule it as"): (f"{JOBS}::test_a_stopped_job_is_resumed",),
    ("exceptions/__init__.py", "retry the Airflow task, which resumes"): (f"{JOBS}::test_a_stopped_job_is_resumed",),
    ("exceptions/__init__.py", "clear the Airflow task to schedule it again"): (
        f"{JOBS}::test_a_cancelled_job_is_cleared",
    ),
    ("exceptions/__init__.py", "give job_id of"): (f"{JOBS}::test_a_job_id_is_corrected",),
    ("exceptions/__init__.py", "schedule them again"): (
        f"{JOBS}::test_the_failed_tasks_are_scheduled_again",
        f"{JOBS}::test_each_failed_job_is_repaired",
    ),
    ("exceptions/__init__.py", "remove the cause"): (f"{EARLY}::test_a_job_cancelled_early_is_scheduled_again",),
    ("exceptions/__init__.py", "cancel it with"): (
        f"{EARLY}::test_a_job_that_could_not_be_cancelled_is_cancelled_by_hand",
    ),
    ("exceptions/__init__.py", "retry the Airflow task, which only"): (
        f"{JOBS}::test_a_job_that_was_not_done_in_time",
    ),
    ("exceptions/__init__.py", "give the triggerer"): (f"{JOBS}::test_the_triggerer_gets_the_connection",),
    ("exceptions/__init__.py", "let the Airflow task retry, or clear it with"): (
        f"{JOBS}::test_the_airflow_task_finds_its_job_again",
    ),
    ("exceptions/__init__.py", "check what the workers"): (f"{JOBS}::test_a_job_whose_tasks_are_lost_is_cleared",),
    ("exceptions/__init__.py", "what each line"): (f"{JOBS}::test_the_fault_of_a_labourer_is_removed",),
    ("exceptions/__init__.py", "wait for its end"): (f"{JOBS}::test_a_job_that_is_not_over_is_repaired",),
    ("exceptions/__init__.py", "correct these lines"): (f"{CLASSES}::test_a_queue_file_is_corrected",),
    ("exceptions/__init__.py", "correct queue_file"): (f"{CLASSES}::test_a_queue_file_is_named_rightly",),
    ("exceptions/__init__.py", "let it finish"): (f"{CLASSES}::test_a_locked_queue_file_is_taken",),
    ("exceptions/__init__.py", "clear the Airflow task with on_clear='reschedule' and"): (
        f"{CLASSES}::test_a_delivered_job_is_written_here",
    ),
    ("exceptions/__init__.py", "search the labourer's"): (f"{JOBS}::test_an_uncertain_delivery_is_cleared",),
    ("exceptions/__init__.py", "if the file waits"): (f"{JOBS}::test_an_uncertain_invocation_is_made_by_hand",),
    ("exceptions/__init__.py", "retry the Airflow task."): (f"{JOBS}::test_an_overtaken_delivery_is_retried",),
    ("hooks/orchestration.py", "add your Lambda"): (f"{ARGUMENTS}::test_a_variable_without_labourers",),
    ("jobs/identity.py", "let one Airflow task"): (f"{ARGUMENTS}::test_an_id_that_is_none",),
    ("jobs/identity.py", "map the operator"): (f"{ARGUMENTS}::test_a_list_of_ids_for_a_repair",),
    ("jobs/lazy_values.py", "map the operator"): (f"{ARGUMENTS}::test_a_list_in_the_place_of_a_job",),
    ("jobs/lazy_values.py", "return the job"): (f"{ARGUMENTS}::test_a_generator_of_values",),
    ("jobs/period_functions.py", "add it to custom"): (f"{ARGUMENTS}::test_a_function_that_a_variable_names",),
    ("jobs/rendered_texts.py", 'put "| tojson"'): (
        f"{ARGUMENTS}::test_the_text_of_an_object_becomes_the_object",
        "../system/airflow_runs/sensors/test_lists.py::test_the_output_of_a_mapped_task_as_a_list",
    ),
    ("jobs/rendered_texts.py", "correct the expression, or"): (
        f"{ARGUMENTS}::test_an_expression_that_finds_no_value_is_corrected",
        f"{ARGUMENTS}::test_a_scheduler_function_that_is_no_name",
        f"{ARGUMENTS}::test_the_name_of_a_queue_file_that_is_no_name",
    ),
    ("jobs/rendered_texts.py", "correct the expression; an"): (
        f"{ARGUMENTS}::test_an_expression_that_finds_no_value_is_corrected",
    ),
    ("jobs/rendered_texts.py", "give the value itself"): (f"{ARGUMENTS}::test_a_template_that_nothing_renders",),
    ("run_context.py", "give reference_date=, for"): (f"{ARGUMENTS}::test_a_partition_without_a_date",),
    ("run_context.py", "give reference_date="): (f"{ARGUMENTS}::test_a_run_without_a_date",),
    ("scheduling/deliver.py", "give it delivery"): (f"{JOBS}::test_a_job_that_is_written_in_part_is_not_delivered",),
    ("scheduling/deliver.py", "stop what removes"): (f"{ROWS}::test_what_removes_the_plan_of_a_delivery_is_stopped",),
    ("scheduling/page_writer.py", "restore ..."): (f"{JOBS}::test_a_table_of_jobs_that_was_emptied",),
    ("scheduling/repair.py", "clear the"): (f"{JOBS}::test_a_failed_row_that_is_gone",),
    ("scheduling/reruns.py", "to schedule it again"): (f"{ROWS}::test_a_job_of_an_earlier_run_of_the_same_id",),
    ("scheduling/scheduler.py", "stop that"): (f"{JOBS}::test_what_removes_a_part_of_the_job_is_stopped",),
    ("scheduling/scheduler.py", "stop what removes"): (f"{JOBS}::test_what_removes_a_part_of_the_job_is_stopped",),
    ("scheduling/plans.py", "restore the file"): (
        f"{JOBS}::test_a_queue_file_that_was_changed",
        "exploration/test_scenarios.py::test_what_was_broken_once",
    ),
    ("stores/aws_errors.py", "deploy the function"): (f"{ROWS}::test_a_function_that_is_missing",),
    ("stores/batch_reads.py", "raise its read"): (f"{ROWS}::test_a_table_that_gives_no_row",),
    ("stores/file_claims.py", "delete the item"): (f"{ROWS}::test_a_claim_that_was_changed",),
    ("stores/job_record.py", "restore it"): (f"{JOBS}::test_a_header_that_was_changed",),
    ("stores/queue_file.py", "put the file back"): (f"{JOBS}::test_a_queue_file_that_was_changed",),
    ("waiting/progress.py", "check what"): (f"{JOBS}::test_a_record_that_vanishes_while_its_job_is_waited_for",),
}


def remedies() -> Iterator[tuple[str, str]]:
    """Module and remedy of each message; ``...`` for a value. A remedy that is only a value is named elsewhere."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for text in _texts(ast.parse(file.read_text())):
            remedy = " ".join(text.partition("Fix: ")[2].split())
            if remedy.strip("."):
                yield str(file.relative_to(PACKAGE)), remedy


def _texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module. A class of faults has its remedy, and nothing else, in the attribute ``fix``."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
            yield "".join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "fix":
                    yield f"Fix: {ast.literal_eval(each.value)}"


def named_by(remedy: tuple[str, str]) -> list[tuple[str, str]]:
    """The entries that name a remedy; only the longest, since one may begin as another does."""
    module, text = remedy
    found = [key for key in REMEDIES if key[0] == module and text.startswith(key[1])]
    return sorted(found, key=lambda key: len(key[1]))[-1:]


@cache
def functions(file: str) -> set[str]:
    """The tests of a module."""
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_remedy_has_a_test() -> None:
    """It is named above, with the module where the message is made."""
    assert [remedy for remedy in remedies() if not named_by(remedy)] == []


def test_every_entry_is_a_remedy() -> None:
    """What a message no longer says is not listed."""
    used = {key for remedy in remedies() for key in named_by(remedy)}
    assert set(REMEDIES) - used == set()


def test_every_test_exists() -> None:
    """Under the name above."""
    named = (test.split("::") for tests in REMEDIES.values() for test in tests)
    assert [f"{file}::{name}" for file, name in named if name not in functions(file)] == []


def test_the_remedies_are_found() -> None:
    """The search finds those of classes, of f-strings and of constants."""
    found = {text.split(",")[0] for _, text in remedies()}
    assert {
        "correct these lines of the file",
        "add --assistant",
    } <= found
    assert len(list(remedies())) > 60
