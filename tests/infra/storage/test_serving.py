"""Ranges and conditions, row by row of RFC 9110."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.infra.storage.serving import plan
from civitas.infra.storage.store import ObjectInfo

MODIFIED = datetime(2026, 11, 20, 21, 54, 0, 500_000, UTC)
DATE = "Fri, 20 Nov 2026 21:54:00 GMT"
INFO = ObjectInfo("k", 1000, '"tag"', MODIFIED)
EMPTY = ObjectInfo("k", 0, '"tag"', MODIFIED)


def test_whole() -> None:
    answer = plan("GET", {}, INFO)
    assert (answer.status, answer.start, answer.length) == (200, 0, 1000)
    assert answer.headers == {
        "accept-ranges": "bytes",
        "etag": '"tag"',
        "last-modified": DATE,
        "content-length": "1000",
    }


@pytest.mark.parametrize(
    ("header", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 1000),
        ("bytes=10-19", 10, 10),
        ("bytes=999-", 999, 1),
        ("bytes=990-5000", 990, 10),
        ("bytes=-1", 999, 1),
        ("bytes=-5000", 0, 1000),
        ("bytes=0-999999999999999999999999999999", 0, 1000),
        ("Bytes = 10-19", 10, 10),
        ("bytes=10-19,", 10, 10),
        ("bytes=10-19,5000-", 10, 10),
        ("bytes=-0, 5-6", 5, 2),
    ],
)
def test_one_range(header: str, start: int, length: int) -> None:
    answer = plan("GET", {"Range": header}, INFO)
    assert (answer.status, answer.start, answer.length) == (206, start, length)
    assert answer.headers["content-range"] == f"bytes {start}-{start + length - 1}/1000"
    assert answer.headers["content-length"] == str(length)


@pytest.mark.parametrize(
    "header",
    ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=1000-,2000-3000", "bytes=" + "9" * 40 + "-"],
)
def test_no_such_range(header: str) -> None:
    answer = plan("GET", {"range": header}, INFO)
    assert (answer.status, answer.length) == (416, 0)
    assert answer.headers["content-range"] == "bytes */1000"
    assert "content-length" not in answer.headers


PASSED_OVER = [
    "",
    "bytes",
    "bytes=",
    "bytes=,",
    "bytes=a-b",
    "bytes=5-4",
    "bytes=--5",
    "bytes=1-2-3",
    "lines=1-2",
]
PASSED_OVER += [
    "bytes=0-1,x",
    "bytes=0-4,6-9",
    "bytes=١-٢",
    "bytes=+1-2",
    "bytes=" + "0-1," * 400,
    "bytes=1 -2",
]


@pytest.mark.parametrize("header", PASSED_OVER)
def test_ranges_that_are_passed_over(header: str) -> None:
    answer = plan("GET", {"range": header}, INFO)
    assert (answer.status, answer.start, answer.length) == (200, 0, 1000)


def test_an_empty_object_has_no_ranges() -> None:
    assert plan("GET", {"range": "bytes=0-"}, EMPTY).status == 416
    assert plan("GET", {"range": "bytes=-5"}, EMPTY).status == 200
    assert plan("GET", {}, EMPTY).headers["content-length"] == "0"


def test_head_passes_ranges_over() -> None:
    answer = plan("HEAD", {"range": "bytes=5-9"}, INFO)
    assert (answer.status, answer.length, answer.headers["content-length"]) == (200, 0, "1000")


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ('"tag"', 206),
        (' "tag" ', 206),
        ('"other"', 200),
        ('W/"tag"', 200),
        (DATE, 206),
        ("Fri, 20 Nov 2026 21:54:01 GMT", 200),
        ("Fri, 20 Nov 2026 21:53:59 GMT", 200),
        ("tag", 200),
        ("", 200),
        ("yesterday", 200),
    ],
)
def test_if_range(if_range: str, status: int) -> None:
    assert plan("GET", {"range": "bytes=0-4", "if-range": if_range}, INFO).status == status


def test_if_range_comes_before_416() -> None:
    assert plan("GET", {"range": "bytes=5000-", "if-range": '"other"'}, INFO).status == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"if-none-match": '"tag"'}, 304),
        ({"if-none-match": 'W/"tag"'}, 304),
        ({"if-none-match": '"a", W/"b" , "tag"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": "tag"}, 200),
        ({"if-none-match": '"other"', "if-modified-since": DATE}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": "Fri, 20 Nov 2026 21:53:59 GMT"}, 200),
        ({"if-modified-since": "never"}, 200),
        ({"if-match": '"tag"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": 'W/"tag"'}, 412),
        ({"if-match": '"other"'}, 412),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-unmodified-since": "Fri, 20 Nov 2026 21:53:59 GMT"}, 412),
        ({"if-none-match": '"tag"', "range": "bytes=0-4"}, 304),
        ({"if-match": '"other"', "if-none-match": '"tag"'}, 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(method: str, asked: dict[str, str], status: int) -> None:
    answer = plan(method, asked, INFO)
    assert answer.status == status
    assert answer.headers["etag"] == '"tag"'
    if status in (304, 412):
        assert answer.length == 0
        assert "content-length" not in answer.headers


@given(st.text(alphabet="bytes=0123456789-, ", max_size=40), st.integers(0, 2000))
def test_a_plan_never_leaves_the_object(header: str, size: int) -> None:
    answer = plan("GET", {"range": header}, ObjectInfo("k", size, '"t"', MODIFIED))
    assert answer.status in (200, 206, 416)
    assert 0 <= answer.start <= answer.start + answer.length <= size
    assert (answer.length > 0) or answer.status == 416 or size == 0
