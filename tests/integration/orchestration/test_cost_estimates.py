"""The estimates of a job's costs, beside what an AWS in memory counts while the real code carries the job out."""

from __future__ import annotations

import pytest

from benchmarks.cost import Case, counted_and_estimated

CASES = {
    "small": Case(200, limit=50),
    "mixed sizes, with histories": Case(200, (500, 2_000), limit=50, meta=True),
    "each tenth fails once": Case(60, failing=10),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_units_and_requests(case: Case) -> None:
    """Within 10 %, and exact for what is counted in whole requests. The benchmark has larger jobs."""
    for part, (counted, estimated) in counted_and_estimated(case).items():
        assert estimated.write_units == pytest.approx(counted.write_units, rel=0.1), part
        if not (case.failing and part == "orchestrate"):  # there turns are a hundred times as frequent as they are
            assert estimated.read_units == pytest.approx(counted.read_units, rel=0.1, abs=5), part
        assert (estimated.s3_writes, estimated.s3_reads) == (counted.s3_writes, counted.s3_reads), part
        if part == "orchestrate":  # each invocation has a report
            assert estimated.lambda_requests == pytest.approx(counted.lambda_requests)
