"""What is offered: every kind of step and each capability of it, who can run it now, and how it went lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.orchestration import kinds
from civitas.domains.orchestration.dispatch.matching import EVERY
from civitas.domains.orchestration.kinds.kind import Kind, Runner
from civitas.domains.orchestration.schemas.interface import Schema, published
from civitas.kit import clock
from civitas.kit.sql import statements

SQL = statements("civitas.domains.orchestration", "offering.sql")
WINDOWS: Final = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
INTERVALS: Final = {"5m": "5 minutes", "1h": "1 hour", "1d": "1 day"}
# Below this share of successes, of at least so many, a service is said to be degraded.
WELL, ENOUGH = 0.8, 10

_CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "image": (
        "textToImage", "imageGen", "imageUpscaler", "convertImage", "preprocessImage", "imageBackgroundRemoval",
        "imageToSvg", "humanoidImageMask", "tryOnU", "imageUpload", "comfy", "customComfy",
    ),
    "video": (
        "videoGen", "videoUpscaler", "videoInterpolation", "videoEnhancement", "videoBackgroundRemoval",
        "videoMetadata", "videoFrameExtraction", "transcode", "composeMedia",
    ),
    "chat": ("chatCompletion",),
    "audio": ("textToSpeech", "transcription", "audioCaptioning", "aceStepAudio", "miniMaxMusic3"),
    "text": ("promptEnhancement", "mediaCaptioning", "wdTagging"),
    "3d": ("polyGen", "model3DPreview"),
    "model": (
        "modelHash", "modelPickleScan", "modelClamScan", "modelParseMetadata", "prepareResource", "training",
        "imageResourceTraining",
    ),
}  # fmt: skip
_CATEGORY: Final = {kind: category for category, names in _CATEGORIES.items() for kind in names}
_HEARD: Final = {"prompt", "text", "messages", "lyrics", "message"}
_SEEN: Final = {
    MediaKind.IMAGE.value: ("image", "images", "sourceImage", "mediaUrl", "imageUrl"),
    MediaKind.VIDEO.value: ("video", "videoUrl", "sourceVideo", "sourceUrl"),
    MediaKind.AUDIO.value: ("audioUrl", "sourceAudio", "refAudioUrl"),
}


class Standing(StrEnum):
    """How a service stands."""

    UNKNOWN = "unknown"
    AVAILABLE = "available"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The middle, four in five, and nineteen in twenty."""

    p50: float
    p80: float
    p95: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How it went in a span of time. Shares are of all requests; `success_rate` of those that ended by themselves."""

    requests: int = 0
    success_rate: float | None = None
    canceled_rate: float = 0.0
    user_error_rate: float = 0.0
    cost: Percentiles | None = None
    latency: Percentiles | None = None
    ended: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind of step (`image/textToImage`), or one capability of it (`image/textToImage/sdxl`)."""

    id: str
    category: str
    step: str
    capability: str
    run_by: str
    standing: Standing
    agents: int
    figures: Figures
    takes: Sequence[str] = ()
    gives: Sequence[str] = ()
    history: Sequence[Figures] = field(default=())

    @property
    def variant(self) -> str | None:
        """What is after the step type: a family or an engine."""
        return self.capability.partition("/")[2] or None


async def offers(session: AsyncSession, *, window: str, lease_s: float) -> list[Offer]:
    """Everything that is offered or was asked for, by id. KeyError for a window that is none of `WINDOWS`."""
    offered = await _offered(session, lease_s)
    figures = await _figures(session, clock.now() - WINDOWS[window])
    variants = {
        name
        for name in (*offered, *figures)
        if "/" in name and not name.endswith(f"/{EVERY}") and kinds.of(name.partition("/")[0]) is not None
    }
    return sorted(
        (_offer(name, offered, figures.get(name, Figures())) for name in (*kinds.ALL, *variants)),
        key=lambda one: one.id,
    )


async def history(session: AsyncSession, service: Offer, *, window: str, interval: str) -> list[Figures]:
    """A service's figures, a span after another, the oldest first; spans without requests are left out.

    KeyError for a window or interval that is none of ours.
    """
    since = clock.now() - WINDOWS[window]
    bucket = f"date_bin('{INTERVALS[interval]}', created_at, TIMESTAMPTZ '2000-01-01')"
    found = await _ask(session, since, bucket, service.capability)
    return sorted((figures for _, figures in found), key=lambda one: str(one.at))


def _offer(name: str, offered: Mapping[str, tuple[int, int]], figures: Figures) -> Offer:
    step = name.partition("/")[0]
    kind = kinds.known(step)
    category = _CATEGORY.get(step, "utility")
    agents, working = _who(kind, name, offered)
    schema = published().steps.get(step)
    return Offer(
        id=f"{category}/{name}",
        category=category,
        step=step,
        capability=name,
        run_by=kind.run_by,
        standing=_standing(kind, agents, working, figures),
        agents=agents,
        figures=figures,
        takes=_takes(schema.input) if schema else (),
        gives=_gives(schema.output) if schema else (),
    )


def _who(kind: Kind, name: str, offered: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """How many agents can run it, and how many of them take work. A bare type counts the agents of its variants."""
    fitting = (
        [name, f"{kind.type}/{EVERY}"]
        if "/" in name
        else [one for one in offered if one.partition("/")[0] == kind.type]
    )
    found = [offered[one] for one in fitting if one in offered]
    return max((one for one, _ in found), default=0), max((one for _, one in found), default=0)


def _standing(kind: Kind, agents: int, working: int, figures: Figures) -> Standing:
    if kind.runner is Runner.AGENT and not agents:
        return Standing.UNAVAILABLE
    if kind.runner is Runner.AGENT and not working:
        return Standing.DEGRADED
    rate = figures.success_rate
    return (
        Standing.DEGRADED
        if rate is not None and rate < WELL and figures.ended >= ENOUGH
        else Standing.AVAILABLE
    )


async def _offered(session: AsyncSession, lease_s: float) -> dict[str, tuple[int, int]]:
    alive = clock.now() - timedelta(seconds=lease_s)
    rows = await session.execute(text(SQL["offered"]), {"alive": alive})
    return {row.capability: (row.agents, row.working) for row in rows}


async def _figures(session: AsyncSession, since: datetime) -> dict[str, Figures]:
    return dict(await _ask(session, since, "CAST(NULL AS timestamptz)", None))


async def _ask(
    session: AsyncSession, since: datetime, bucket: str, name: str | None
) -> list[tuple[str, Figures]]:
    inside = [kind.type for kind in kinds.ALL.values() if not kind.runner.has_jobs]
    found: list[tuple[str, Figures]] = []
    if name is None or name not in inside:
        values = {"since": since, "name": name, "kind": (name or "").partition("/")[0]}
        rows = await session.execute(text(SQL["jobs"].format(bucket=bucket)), values)
        found += [(row.name, _read(row)) for row in rows]
    if name is None or name in inside:
        types = inside if name is None else [name]
        rows = await session.execute(
            text(SQL["steps"].format(bucket=bucket)), {"since": since, "types": types}
        )
        found += [(row.name, _read(row)) for row in rows]
    return found


def _read(row: Any) -> Figures:
    return Figures(
        requests=row.requests,
        success_rate=round(row.succeeded / row.ended, 4) if row.ended else None,
        canceled_rate=round(row.canceled / row.requests, 4),
        user_error_rate=round(row.blocked / row.requests, 4),
        cost=_percentiles(row.cost),
        latency=_percentiles(row.latency),
        ended=row.ended,
        at=row.bucket,
    )


def _percentiles(found: Sequence[Any] | None) -> Percentiles | None:
    if not found or found[0] is None:
        return None
    return Percentiles(*(round(float(one), 3) for one in found))


def _takes(schema: Schema) -> tuple[str, ...]:
    """Kinds of media, and text, that an input has a place for."""
    names = _names(schema)
    made = ["text"] if names & _HEARD else []
    made += [kind for kind, fields in _SEEN.items() if names & set(fields)]
    return tuple(made)


def _names(schema: Schema) -> set[str]:
    if "discriminator" in schema:
        return set().union(*(_names(one) for one in schema["discriminator"]["mapping"].values()))
    return set(schema.get("properties", {}))


def _gives(schema: Schema) -> tuple[str, ...]:
    """Kinds of media that an output may hold; text when it holds none."""
    blobs = published().schemas["Blob"]["discriminator"]["mapping"]
    found: dict[str, None] = {}
    for one in schema.get("properties", {}).values():
        inner = one.get("items", one)
        if inner is published().schemas["Blob"]:
            found |= {MediaKind.FILE.value: None}
        found |= {kind: None for kind, blob in blobs.items() if inner is blob}
    return tuple(found) or ("text",)
