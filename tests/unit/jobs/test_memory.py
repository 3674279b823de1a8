"""Memory of a million tasks, in processes of their own; tests/unit/jobs/test_expansion.py has the small scale."""

from __future__ import annotations

import pytest

from benchmarks.expansion import JOBS, MEMORY_LIMIT
from benchmarks.fresh_process import measured
from benchmarks.s3_sink import counted, s3_sink
from benchmarks.sources import MEMORY_LIMIT as SOURCE_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_a_million_tasks_need_little_memory(job: str) -> None:
    """From the job to its queue file, less than 50 MB beyond the job itself."""
    figures = measured("benchmarks.expansion:measure_ours", job=job, tasks=1_000_000, file=True)
    assert figures["peak_mb"] < MEMORY_LIMIT
    assert figures["tasks"] >= (10_000 if "batches" in job else 1_000_000)


def test_the_benchmark_finds_the_same_tasks_as_sosw() -> None:
    """It compares like with like: as many tasks, and as many bytes in their lines."""
    ours = measured("benchmarks.expansion:measure_ours", job="days", tasks=1000, file=True)
    upstream = measured("benchmarks.expansion:measure_upstream", job="days", tasks=1000)
    assert (ours["tasks"], ours["bytes"]) == (upstream["tasks"], upstream["bytes"])


@pytest.mark.slow
@pytest.mark.parametrize(("form", "size"), [("csv", 1), ("jsonl", 100)])
def test_a_source_of_a_million_lines_needs_little_memory(form: str, size: int) -> None:
    """Reading, expansion and upload together; benchmarks/sources.py has ten million lines."""
    with s3_sink() as url:
        figures = measured("benchmarks.sources:measure_source", endpoint_url=url, lines=1_000_000, form=form, size=size)
        assert counted(url) == {"bytes": figures["bytes"], "lines": 1_000_000 // size}
    assert figures["peak_mb"] < SOURCE_LIMIT
