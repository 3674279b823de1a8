"""Twenty thousand jobs, expanded by sosw 0.7.51 and by us: equal, or different for a reason that the rules name.

For each job there are four results: upstream's, ours, and those of a model written from the rules (`model.py`), once as
upstream is and once with every listed defect mended. The model must agree with both. A difference between upstream and
us then *is* what the mendings do to this job; which of them matter is found by taking each away, and each must
moreover have its reason in the job itself (`WITNESSES`), which is looked for without the model.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest

from sosw_airflow.exceptions import InvalidJob
from sosw_airflow.jobs import JobWarning, expand
from tests.differential import model
from tests.differential.generate import Case, cases
from tests.differential.witnesses import WITNESSES, Result, has_both_spellings, has_singular
from tests.support.upstream.scheduler import singular_first, upstream_lines

SEED = 20261123
NUMBER = 20_000


@pytest.mark.slow
def test_twenty_thousand_jobs() -> None:
    """No difference beyond the listed ones, and at least three in five jobs equal to the letter."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for case in cases(SEED, NUMBER):
        theirs, ours = upstream(case), mine(case)
        assert_agrees(case, "upstream", theirs, modelled(case, frozenset()), in_order=not has_singular(case))
        mended = modelled(case, model.MENDINGS)
        assert_agrees(case, "sosw_airflow", ours, mended, in_order=True)
        if isinstance(theirs, Exception) and isinstance(ours, Exception):
            counts["refused by both"] += 1
        elif theirs == ours:
            counts["equal"] += 1
        else:
            counts["different"] += 1
            why = explanations(case, theirs, mended)
            assert why, f"nothing explains this difference\n{case}\nupstream: {theirs!r}\nsosw_airflow: {ours!r}"
            reasons.update(why)
    print(dict(counts), dict(sorted(reasons.items())))
    assert counts.total() == NUMBER
    assert counts["equal"] >= 0.6 * NUMBER
    # Each entry was met often enough to be tried in company of others.
    assert {entry for entry in model.MENDINGS if reasons[entry] < 10} == set()


def test_the_generator_repeats_itself() -> None:
    """A seed gives the same jobs in every process, so that a failure can be looked at again."""
    code = "from tests.differential.generate import cases; print([repr(case) for case in cases(1, 300)])"
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{[repr(case) for case in cases(1, 300)]}\n"}


def upstream(case: Case) -> Result:
    """The real sosw's tasks, without the labourer, which must stand first or last in each."""
    schema = {"chunkable_attrs": list(case.attrs)}
    # With a singular spelling the result depends on the hash seed, even whether there is one: fix the order.
    spellings = singular_first if has_singular(case) or has_both_spellings(case) else None
    try:
        rows = [json.loads(line) for line in upstream_lines(case.job, schema, case.today, spellings=spellings)]
    except Exception as error:  # noqa: BLE001 - whatever upstream dies of
        return error
    for row in rows:
        assert "labourer_id" in (next(iter(row)), list(row)[-1]) or "labourer_id" in str(case.job)
        del row["labourer_id"]
    return [json.dumps(row) for row in rows]


def mine(case: Case) -> Result:
    """Our tasks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JobWarning)
        try:
            tasks = expand(case.job, schema={"chunkable_attrs": list(case.attrs)}, reference_date=case.today)
            return [json.dumps(task) for task in tasks]
        except InvalidJob as error:  # anything else is a crash, and fails the test
            return error


def modelled(case: Case, mended: frozenset[str]) -> Result:
    """The model's tasks."""
    job = {name: value for name, value in case.job.items() if name != "lambda_name"}
    try:
        tasks = model.expand(job, case.attrs, case.today, mended)
        # A job's own labourer_id takes the place of the row's (D9), with which it disappears from upstream's result.
        return [json.dumps({key: value for key, value in task.items() if key != "labourer_id"}) for task in tasks]
    except Exception as error:  # noqa: BLE001 - the model fails where upstream fails
        return error


def assert_agrees(case: Case, who: str, result: Result, by_model: Result, *, in_order: bool) -> None:
    """Both refuse, or both have the same tasks; without order (tasks, keys) where upstream's is not determined."""
    if isinstance(result, Exception) or isinstance(by_model, Exception):
        agree = isinstance(result, Exception) and isinstance(by_model, Exception)
    else:
        agree = result == by_model if in_order else canonical(result) == canonical(by_model)
    assert agree, f"{who} and the model differ\n{case}\n{who}: {result!r}\nmodel: {by_model!r}"


def canonical(tasks: list[str]) -> list[str]:
    """The tasks as a multiset."""
    return sorted(json.dumps(json.loads(task), sort_keys=True) for task in tasks)


def explanations(case: Case, theirs: Result, mended: Result) -> set[str]:
    """The entries that show in the job and matter: alone it refuses it, or without it the result would be another."""
    shown = {entry for entry, witness in WITNESSES.items() if witness(case, theirs)}
    if isinstance(mended, Exception):
        alone = {entry for entry in shown if isinstance(modelled(case, frozenset({entry})), Exception)}
        if alone:
            return alone
    return {entry for entry in shown if differ(modelled(case, model.MENDINGS - {entry}), mended)}


def differ(one: Result, other: Result) -> bool:
    """Whether two results are not the same."""
    if isinstance(one, Exception) or isinstance(other, Exception):
        return not (isinstance(one, Exception) and isinstance(other, Exception))
    return one != other


def test_every_mending_has_a_witness() -> None:
    """No entry can explain a difference without a trace of it in the job."""
    assert WITNESSES.keys() == model.MENDINGS


@pytest.mark.parametrize("entry", sorted(model.MENDINGS))
def test_an_innocent_job_is_a_witness_of_nothing(entry: str) -> None:
    """The witnesses tell jobs apart: this one shows none of the entries."""
    job = {"sections": {"a": {"stores": ["x"]}}, "isolate_stores": True, "lambda_name": "worker", "period": "today"}
    case = Case(job, ("section", "store"), dt.date(2026, 11, 23), ())
    assert not WITNESSES[entry](case, upstream(case))
