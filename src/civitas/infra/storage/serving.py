"""What to answer to a conditional or partial GET or HEAD: RFC 9110 sections 13 and 14, without any server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from civitas.infra.storage.store import ObjectInfo

_MAX_HEADER = 1000
_RANGE = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.ASCII)
_SPEC = re.compile(r"(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.ASCII)
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and which bytes to send; `length` is 0 when there is no body to send."""

    status: int
    headers: dict[str, str]
    start: int
    length: int


def plan(method: str, asked: Mapping[str, str], info: ObjectInfo) -> Answer:
    """Plan the answer to a GET or HEAD; `asked` maps header names to values, names in any one case.

    200, 206, 304, 412 or 416. Several ranges are answered with the whole object, which RFC 9110 14.2 allows,
    unless only one of them can be satisfied.
    """
    headers = {
        "accept-ranges": "bytes",
        "etag": info.etag,
        "last-modified": http_date(info.modified),
    }
    given = {name.lower(): value for name, value in asked.items()}
    if _failed(given, info):
        return Answer(412, headers, 0, 0)
    if _unchanged(given, info):
        return Answer(304, headers, 0, 0)
    spans = _spans(given["range"], info.size) if method == "GET" and "range" in given else None
    if spans is not None and not _still_same(given, info):
        spans = None
    if spans is not None and not spans:
        return Answer(416, {**headers, "content-range": f"bytes */{info.size}"}, 0, 0)
    if spans is not None and len(spans) == 1:
        start, length = spans[0]
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{info.size}"
        headers["content-length"] = str(length)
        return Answer(206, headers, start, length)
    headers["content-length"] = str(info.size)
    return Answer(200, headers, 0, info.size if method == "GET" else 0)


def http_date(moment: datetime) -> str:
    """`Fri, 20 Nov 2026 21:54:00 GMT` (RFC 9110 5.6.7)."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def _failed(given: Mapping[str, str], info: ObjectInfo) -> bool:
    """If-Match and If-Unmodified-Since (13.1.1, 13.1.4)."""
    if "if-match" in given:
        return not _listed(given["if-match"], info.etag, strong=True)
    if since := _date(given.get("if-unmodified-since")):
        return info.modified.replace(microsecond=0) > since
    return False


def _unchanged(given: Mapping[str, str], info: ObjectInfo) -> bool:
    """If-None-Match, and If-Modified-Since only without it (13.1.2, 13.1.3)."""
    if "if-none-match" in given:
        return _listed(given["if-none-match"], info.etag, strong=False)
    if since := _date(given.get("if-modified-since")):
        return info.modified.replace(microsecond=0) <= since
    return False


def _still_same(given: Mapping[str, str], info: ObjectInfo) -> bool:
    """If-Range (13.1.5): a strong tag, or exactly the date we gave."""
    if (wanted := given.get("if-range")) is None:
        return True
    wanted = wanted.strip()
    if wanted.startswith(('"', "W/")):
        return wanted == info.etag
    return _date(wanted) == info.modified.replace(microsecond=0)


def _listed(tags: str, etag: str, *, strong: bool) -> bool:
    if tags.strip() == "*":
        return True
    if len(tags) > _MAX_HEADER:
        return False
    return any(found[2] == etag and not (strong and found[1]) for found in _TAG.finditer(tags))


def _date(text: str | None) -> datetime | None:
    if not text or len(text) > 50:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _spans(header: str, size: int) -> list[tuple[int, int]] | None:
    """The satisfiable (start, length) of a Range header, or None when the header is to be ignored (14.2)."""
    if len(header) > _MAX_HEADER or not (found := _RANGE.fullmatch(header.strip())):
        return None
    spans: list[tuple[int, int]] = []
    specs = [spec.strip() for spec in found[1].split(",") if spec.strip()]
    for spec in specs:
        if not (parts := _SPEC.fullmatch(spec)):
            return None
        first, last, suffix = parts[1], parts[2], parts[3]
        if suffix is not None:
            length = min(int(suffix), size)
            # a range of an empty object cannot be written down in Content-Range: send it whole
            if int(suffix) and not size:
                return None
            if length:
                spans.append((size - length, length))
        elif last and int(last) < int(first):
            return None
        elif int(first) < size:
            end = min(int(last), size - 1) if last else size - 1
            spans.append((int(first), end - int(first) + 1))
    return spans if specs else None
