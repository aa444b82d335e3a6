"""What somebody made, as cards: pictures with signed addresses, places for what is still being made, deeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.orchestration.types import Status
from civitas.domains.studio import labels, samplers
from civitas.domains.studio.made import Generation, Made
from civitas.faces.http.media_links import MediaLinks, links_of
from civitas.faces.http.state import state_of
from civitas.kit import clock

SMALL: Final = 256
LEVELS: Final = {"pg": "PG", "pg13": "PG-13", "r": "R", "x": "X", "xxx": "XXX"}
STATES: Final = {
    Status.UNASSIGNED: "Waits for its turn",
    Status.PREPARING: "The models are fetched",
    Status.SCHEDULED: "Begins in a moment",
    Status.PROCESSING: "Being made",
}


@dataclass(frozen=True, slots=True)
class ShotView:
    """One picture of a card; `url` is None while it is made, or when it may not be shown."""

    url: str | None
    download: str | None
    preview: str | None
    width: int
    height: int
    alt: str
    caption: str
    small: bool
    why: str | None
    as_source: str
    as_seed: str
    # Others near to it, and the same one larger.
    as_near: str
    as_larger: str
    blob_id: str
    # How mature it is rated, in words, and the levels that its owner may call it instead: stricter ones only.
    rated: str
    stricter: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A card of the feed."""

    generation: Generation
    state: str
    facts: tuple[str, ...]
    shots: tuple[ShotView, ...]
    archive: bool
    # It did not come out, and its recipe is known, so that it can be tried again as it was.
    retry: bool
    repeatable: bool
    # Where the form of the workflow is that it was made by.
    run_href: str | None
    # Tags of its owner's own.
    tags: tuple[str, ...]


def view_of(request: Request, generation: Generation) -> GenerationView:
    """The card of a generation."""
    links = links_of(request)
    shots = tuple(_shot(one, generation, links) for one in generation.pictures)
    return GenerationView(
        generation=generation,
        state=_state(generation),
        facts=_facts(generation),
        shots=() if generation.status.final and not any(shot.url or shot.why for shot in shots) else shots,
        archive=sum(1 for shot in shots if shot.url) > 1,
        retry=generation.status in (Status.FAILED, Status.EXPIRED, Status.CANCELED)
        and "checkpoint" in generation.recipe
        and generation.recipe.get("workflow") != "img2img:upscale",
        repeatable="checkpoint" in generation.recipe,
        run_href=f"/create/graph/{generation.recipe['graph']}?from={generation.id}"
        if isinstance(generation.recipe.get("graph"), int)
        else None,
        tags=labels.own(generation.tags),
    )


def _shot(made: Made, generation: Generation, links: MediaLinks) -> ShotView:
    url = download = None
    why = None
    if made.blocked:
        why = "This one is not shown here."
    elif generation.withheld and made.level in ("r", "x", "xxx"):
        why = "Mature"
    elif made.available:
        url, expires = links.blob_url(made.blob_id)
        download = links.content_url(
            made.blob_id, expires=expires, filename=_filename(made, generation), download=True
        )
    elif generation.status.final:
        why = "Not made"
    width, height = made.width or 512, made.height or 512
    seed = f"Seed {made.seed}" if made.seed is not None else ""
    return ShotView(
        url=url,
        download=download,
        preview=links.preview_url(made.job_id) if made.preview and made.job_id and url is None else None,
        width=width,
        height=height,
        alt=made.prompt[:160] or "A picture that was made here",
        caption=" · ".join(part for part in (made.prompt[:300], seed) if part),
        small=max(width, height) <= SMALL,
        why=why,
        as_source=f"/create?from={generation.id}&source={made.blob_id}",
        as_near=f"/create?from={generation.id}&near={made.blob_id}",
        as_larger=f"/create/larger?blob={made.blob_id}&from={generation.id}",
        as_seed=f"/create?from={generation.id}&seed={made.seed if made.seed is not None else ''}",
        blob_id=made.blob_id,
        rated=LEVELS.get(made.level, "Not rated yet"),
        stricter=_stricter(made.level),
    )


def _stricter(level: str) -> tuple[tuple[str, str], ...]:
    """What an owner may say: anything above what is known; of what nobody rated that it is mature."""
    names = list(LEVELS)
    after = names.index(level) if level in names else names.index("pg13")
    return tuple((name, LEVELS[name]) for name in names[after + 1 :])


def _filename(made: Made, generation: Generation) -> str:
    ending = {"image/png": "png", "image/webp": "webp"}.get(made.media_type or "", "jpeg")
    number = [one.blob_id for one in generation.pictures].index(made.blob_id) + 1
    return f"{generation.id}-{number}.{ending}"


def _state(generation: Generation) -> str:
    told = STATES.get(generation.status, "")
    if generation.status is Status.UNASSIGNED:
        if not generation.served:
            return "No machine that can make this is connected; it waits, and what it costs comes back if none comes"
        before = f"{generation.ahead} before it" if generation.ahead else "next"
        left = _left(generation)
        return f"{told}: {before}{f', ready in about {left}' if left else ''}"
    if generation.progress is not None and generation.status is Status.PROCESSING:
        return f"{told}: {generation.progress:.0%}"
    return told


def _left(generation: Generation) -> str:
    """How long it still takes, roughly: people plan with it, nothing is promised."""
    if generation.ends_at is None:
        return ""
    seconds = max(0.0, (generation.ends_at - clock.now()).total_seconds())
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{round(seconds / 3600)} hours"


def rules_of(request: Request) -> AgentRules:
    """By which rules the queue is told."""
    return state_of(request).settings.agents


def _facts(generation: Generation) -> tuple[str, ...]:
    recipe = generation.recipe
    found = []
    if generation.pictures and generation.pictures[0].width:
        found.append(f"{generation.pictures[0].width} × {generation.pictures[0].height}")
    if (sampler := recipe.get("sampler")) and samplers.known(str(sampler)):
        found.append(str(sampler))
    if steps := recipe.get("steps"):
        found.append(f"{steps} steps")
    return tuple(found)
