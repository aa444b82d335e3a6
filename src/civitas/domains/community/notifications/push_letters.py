"""How a push reads: a pure function from a line to what a locked screen may show. It says nothing mature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from civitas.domains.community.notifications.kinds import BY_NAME, Category, sentence
from civitas.kit.text import clean_line
from civitas.kit.webpush import MOST_TEXT, base64url

LONGEST_BODY: Final = 180
LONGEST_PATH: Final = 400
HERE: Final = "/notifications"
# How soon a device should wake for it (RFC 8030, section 5.3), and how long it is worth telling.
_URGENCY: Final = {Category.COMMENT: "high", Category.MILESTONE: "low", Category.UPDATE: "normal"}
_KEPT: Final = {Category.COMMENT: timedelta(days=1), Category.MILESTONE: timedelta(hours=6)}
_KEPT_ELSE: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class PushLetter:
    """What is sent: the words, and the headers of RFC 8030 that go with them. `ttl` is in seconds."""

    body: bytes
    ttl: int
    urgency: str
    topic: str


@dataclass(frozen=True, slots=True)
class Told:
    """A line as a push tells it. `safe` is whether its thing was looked at and is safe to name."""

    id: int
    kind: str
    who: str
    count: int
    data: dict[str, Any]
    safe: bool


def compose(line: Told, site: str) -> PushLetter:
    """The push for a line: one for each line, which replaces the one before it."""
    kind = BY_NAME.get(line.kind)
    data = dict(line.data)
    if not (line.safe or (kind is not None and kind.plain)):
        # Names of things are their makers' words: what is mature, or is not known not to be, stays unsaid.
        data["title"] = kind.unsaid if kind is not None else "something"
    words = clean_line(sentence(line.kind, who=line.who, count=line.count, data=data))
    category = kind.category if kind is not None else Category.OTHER
    return _letter(
        site,
        words[:1].upper() + words[1:],
        str(data.get("path") or HERE),
        f"line-{line.id}",
        ttl=_KEPT.get(category, _KEPT_ELSE),
        urgency=_URGENCY.get(category, "normal"),
    )


def trial(device_id: int, name: str, site: str) -> PushLetter:
    """What is sent to see whether it arrives."""
    words = f"Notifications arrive on {clean_line(name)}."
    return _letter(
        site,
        words,
        "/account/notifications",
        f"trial-{device_id}",
        ttl=timedelta(minutes=10),
        urgency="high",
    )


def _letter(site: str, words: str, path: str, tag: str, *, ttl: timedelta, urgency: str) -> PushLetter:
    if not path.startswith("/") or path.startswith(("//", "/\\")) or len(path) > LONGEST_PATH:
        path = HERE
    told = words if len(words) <= LONGEST_BODY else words[: LONGEST_BODY - 1].rstrip() + "…"
    body = orjson.dumps({"title": clean_line(site)[:60], "body": told, "path": path, "tag": tag})
    if len(body) > MOST_TEXT:
        raise ValueError("a push is bounded by its parts")
    return PushLetter(body, int(ttl.total_seconds()), urgency, base64url(tag.encode())[:32])
