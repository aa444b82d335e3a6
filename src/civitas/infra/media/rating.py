"""Who says how mature a picture is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from civitas.infra.media.settings import MediaSettings
from civitas.infra.outbound.guard import OutboundClient, OutboundSettings
from civitas.kit.errors import Fault, Unavailable

log = structlog.get_logger(__name__)

LEVELS: Final = frozenset({"pg", "pg13", "r", "x", "xxx"})
LARGEST_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rating:
    """How mature, and why it may not be shown at all; either may be left open."""

    level: str | None = None
    blocked: str | None = None


class Rater(Protocol):
    """Rates pictures."""

    async def rate(self, picture: Path, media_type: str) -> Rating:
        """What this picture is; an empty rating where nobody can say. Raises Unavailable when nobody answers now."""
        ...


class NoRater:
    """Nobody rates: everything stays unrated, and its owner's alone."""

    async def rate(self, picture: Path, media_type: str) -> Rating:
        """See Rater."""
        return Rating()


@dataclass(frozen=True)
class HttpRater:
    """A service of the operator's: it gets the bytes and answers a level."""

    settings: MediaSettings

    async def rate(self, picture: Path, media_type: str) -> Rating:
        """See Rater."""
        host = urlsplit(self.settings.rater_url).hostname or ""
        client = OutboundClient(OutboundSettings(frozenset({host})), timeout_s=self.settings.rater_timeout_s)
        sent = {"content-type": media_type, "accept": "application/json"}
        if self.settings.rater_token is not None:
            sent["authorization"] = f"Bearer {self.settings.rater_token.get_secret_value()}"
        content, body = await asyncio.to_thread(picture.read_bytes), bytearray()
        try:
            async with asyncio.timeout(self.settings.rater_timeout_s):
                async with client.stream(
                    self.settings.rater_url, method="POST", headers=sent, content=content, redirects=0
                ) as answer:
                    async for piece in answer.aiter_raw():
                        body += piece
                        if len(body) > LARGEST_ANSWER:
                            break
                    if not answer.is_success:
                        raise _silent(f"answered {answer.status_code}")
        except (TimeoutError, httpx.HTTPError, Fault) as error:
            log.warning("media.rater", error=str(error)[:200])
            raise _silent("does not answer") from error
        return _read(bytes(body))


@dataclass
class PresetRater:
    """For tests of other rooms: says what it was told to say, and remembers what it was asked."""

    rating: Rating = field(default_factory=Rating)
    asked: list[str] = field(default_factory=list)

    async def rate(self, picture: Path, media_type: str) -> Rating:
        """See Rater."""
        self.asked.append(media_type)
        return self.rating


def rater_for(settings: MediaSettings) -> Rater:
    """The rater that the settings ask for."""
    return HttpRater(settings) if settings.rater_url else NoRater()


def _silent(why: str) -> Unavailable:
    return Unavailable(
        f"Media cannot be rated right now: the service {why}. Try again.", code="rater_unavailable"
    )


def _read(body: bytes) -> Rating:
    try:
        said: Any = orjson.loads(body)
        level, blocked = said.get("nsfwLevel"), said.get("blockedReason")
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise _silent("gave no answer that can be read") from error
    return Rating(
        level if level in LEVELS else None, blocked[:200] if isinstance(blocked, str) and blocked else None
    )
