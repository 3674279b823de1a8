"""CSV, JSON lines and JSON arrays: what is read, and what is refused with which words."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sosw_airflow import source
from sosw_airflow.exceptions import EmptySource, InvalidJob, InvalidSource
from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import read_sources
from tests.integration.sources.conftest import Read

Put = Callable[[str, bytes], str]

#: Of the extra ``zstd``.
zstandard = pytest.importorskip("zstandard")


def refusal(read: Read, given: dict[str, Any], **options: Any) -> str:
    """What the error says about the source."""
    with pytest.raises(InvalidSource) as refused:
        read(given, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("key", "body", "settings", "values"),
    [
        ("a.csv", b"word\na\nb\n", {}, ["a", "b"]),
        ("a.csv", b'\xef\xbb\xbfid,word\r\n1,a\r\n\r\n2,"b,\nc"\r\n', {"column": "word"}, ["a", "b,\nc"]),
        ("a.csv", b"id;word\n1;a", {"column": 2, "delimiter": ";"}, ["a"]),
        ("a.csv", b"1,a\n2,b\n", {"column": 1, "header": False}, ["1", "2"]),
        ("a.csv", b"n\n1\n2.5\n", {"type": "number"}, [1, 2.5]),
        ("a.tsv", b"word\na\n", {"format": "csv", "delimiter": "\t"}, ["a"]),
        ("a.jsonl", b'"a"\n\n"\xc3\xa9"\n', {}, ["a", "é"]),
        ("a.ndjson", b'{"word": 1, "more": [2]}\n{"word": 2.5}', {"column": "word"}, [1, 2.5]),
        ("a.json", b' [ "a" , "b" ] \n', {}, ["a", "b"]),
        ("a.json", b"[1,\n-2.5e3]", {}, [1, -2500.0]),
        ("a.json", b'[{"word": "a"}]', {"column": "word"}, ["a"]),
    ],
)
def test_what_is_read(read: Read, put: Put, key: str, body: bytes, settings: dict[str, Any], values: list[Any]) -> None:
    """The values, in the order in which they stand."""
    assert read(source.s3(put(key, body), **settings)) == values


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)
def test_compressed(read: Read, put: Put, ending: str, pack: Callable[[bytes], bytes]) -> None:
    """By the ending, or by the setting; also several packed files behind each other."""
    parts = pack(b"word\na\n") + pack(b"b\n")
    assert read(source.s3(put(f"a.csv{ending}", parts))) == ["a", "b"]
    kind = {".gz": "gzip", ".zst": "zstd"}[ending]
    assert read(source.s3(put("packed", parts), format="csv", compression=kind)) == ["a", "b"]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_damaged_archive(read: Read, put: Put, ending: str) -> None:
    """It says so, whether it is another format or cut off."""
    assert "cannot be unpacked" in refusal(read, source.s3(put(f"a.csv{ending}", b"word\na\n")))


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)
def test_an_archive_that_is_cut_off(read: Read, put: Put, ending: str, pack: Callable[[bytes], bytes]) -> None:
    """What was read of it counts for nothing."""
    whole = pack(b"word\n" + b"".join(b"%d\n" % n for n in range(50_000)))
    assert "cannot be unpacked" in refusal(read, source.s3(put(f"a.csv{ending}", whole[:-1000])))


@pytest.mark.parametrize(
    ("key", "body", "settings", "words"),
    [
        ("a.csv", b"id,word\n1,a\n", {"column": "words"}, "has no column 'words'; its columns: ['id', 'word']"),
        ("a.csv", b"id,word\n1,a\n", {"column": 3}, "has no column 3; it has 2"),
        ("a.csv", b"id,word\n1,a\n", {}, "has 2 columns (['id', 'word']), and the source names none"),
        ("a.csv", b"w,w\n1,a\n", {"column": "w"}, "has several columns 'w'"),
        ("a.csv", b"w,v\n1,2\n3\n", {"column": "v"}, "line 3: has 1 columns, and the wanted one is number 2: ['3']"),
        ("a.csv", b'w\n"a"b\nc\n', {}, "line 2: is no CSV (',' expected after '\"'): '\"a\"b'"),
        ("a.csv", b"w,v\n1,\n", {"column": "v"}, "line 2: has no value in the column: ['1', '']"),
        ("a.csv", b"w\n1\nx\n", {"type": "number"}, "line 3: has no number in the column: ['x']"),
        ("a.csv", b"w\nnan\n", {"type": "number"}, "line 2: has nan, which JSON does not know"),
        ("a.csv", b"w\nok\n\xff\xfe\n", {}, "line 3: is not UTF-8 text"),
        ("a.csv", b"a\n", {"header": False, "column": "a"}, "column must be a number from 1, not 'a'"),
        ("a.jsonl", b'"a"\n{"word"\n', {}, "line 2: "),
        ("a.jsonl", b'"a"\nnull\n', {}, "line 2: has None, which is neither text nor a number"),
        ("a.jsonl", b'"a"\n{"x": 1}\n', {}, "line 2: is an object, and the source names no column"),
        ("a.jsonl", b'{"x": 1}\n', {"column": "word"}, "line 1: has no attribute 'word': {'x': 1}"),
        (
            "a.jsonl",
            b'"a"\n\n1\n',
            {},
            "mixes text and numbers: it has text in line 1 ('a'), and a number in line 3 (1)",
        ),
        ("a.jsonl", b'"\\ud800"\n', {}, "line 1: is not UTF-8 text"),
        ("a.jsonl", b'"' + b"x" * 500_000 + b'"\n', {}, "line 1: has a value of 500,000 characters, which no task has"),
        ("a.json", b'{"a": 1}', {}, "is no JSON array: it must begin with ["),
        ("a.json", b'["a", oops]', {}, "element 2 is no JSON (Expecting value): 'oops]'"),
        ("a.json", b'["a" "b"]', {}, "'\"' follows element 1 in place of , or ]"),
        ("a.json", b'["a"', {}, "the end follows element 1 in place of , or ]"),
        ("a.json", b'["a"] x', {}, "'x' follows its end"),
        ("a.json", b'["a", [1]]', {}, "element 2: has [1], which is neither text nor a number"),
    ],
)
def test_what_is_refused(read: Read, put: Put, key: str, body: bytes, settings: dict[str, Any], words: str) -> None:
    """The number and the text are named."""
    assert words in refusal(read, source.s3(put(key, body), **settings))


def test_bad_lines_are_reported_together(read: Read, put: Put) -> None:
    """Twenty at the most."""
    url = put("a.csv", b"w,v\n" + b"1\n" * 30)
    message = refusal(read, source.s3(url, column="v"))
    assert message.count("has 1 columns") == 20


def test_bad_lines_that_are_left_out(access: Any, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, also those that a stray quotation mark swallows, and recorded."""
    url = put("a.csv", b'w,v\n1,a\n2\n3,c\n"4,d\n5,e\n')
    job = {"words": source.s3(url, column="v", on_bad_line="skip")}
    with read_sources(SourcedJob.of(job, {"chunkable_attrs": ["word"]}), access) as read:
        assert list(read.job["words"]) == ["a", "c"]
        assert read.skipped == {"words": 3}
        assert json.loads(read.versions)[0]["skipped"] == 3


def test_a_line_without_an_end(read: Read, put: Put) -> None:
    """It does not fill the memory."""
    assert "line 1: is longer than 1,048,576 characters" in refusal(
        read, source.s3(put("a.jsonl", b'"' + b"x" * 3_000_000))
    )


@pytest.mark.parametrize(
    ("key", "body"), [("a.csv", b""), ("a.csv", b"word\n"), ("a.jsonl", b"\n"), ("a.json", b"[]"), ("a.json", b"")]
)
def test_nothing_in_it(read: Read, put: Put, key: str, body: bytes) -> None:
    """The error says that it is empty, and what may be done then."""
    with pytest.raises(EmptySource, match=r"is empty: s3://.* gives no value. .*on_empty='skip' or 'succeed'"):
        read(source.s3(put(key, body)))


def test_an_unknown_format(read: Read, put: Put) -> None:
    """The known endings are listed."""
    with pytest.raises(InvalidJob, match=r"words.\$source.format: is missing, and the key does not end with .csv"):
        read(source.s3(put("words.txt", b"a")))


def test_a_sample(access: Any, put: Put) -> None:
    """Only the first values are read."""
    job = {"words": source.s3(put("a.jsonl", b"1\n2\n3\nnull"))}
    with read_sources(SourcedJob.of(job, {"chunkable_attrs": ["word"]}), access, sample=2) as read:
        assert (list(read.job["words"]), read.sampled) == ([1, 2], ("words",))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, min_size=1, max_size=30) | st.lists(numbers, min_size=1, max_size=30), st.data())
def test_every_format_gives_the_values_that_were_written(read: Read, put: Put, values: list[Any], data: Any) -> None:
    """Text and numbers of any kind, through CSV, JSON lines and a JSON array."""
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["value"], *([each] for each in values)])
    kind = "text" if isinstance(values[0], str) else "number"
    ascii_only = data.draw(st.booleans())
    bodies = {
        "a.csv": written.getvalue(),
        "a.jsonl": "\n".join(json.dumps(each, ensure_ascii=ascii_only) for each in values),
        "a.json": json.dumps(values, ensure_ascii=ascii_only, indent=data.draw(st.sampled_from([None, 1]))),
    }
    for key, body in bodies.items():
        found = read(source.s3(put(key, body.encode()), **({"type": kind} if key == "a.csv" else {})))
        assert list(map(repr, found)) == list(map(repr, values))
