"""Generations and their costs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from civitas.domains.orchestration.shown import Estimate
from civitas.domains.orchestration.types import Level
from civitas.domains.studio import made
from civitas.domains.studio.made import Generation
from civitas.faces.http.media_links import MediaLinks
from civitas.faces.rest.shapes import Answer
from civitas.kit import money


class PictureShown(Answer):
    """One picture, or the place where one will be; `url` is missing until it may be shown."""

    id: str
    available: bool
    url: str | None
    url_expires_at: datetime | None
    preview_url: str | None
    width: int | None
    height: int | None
    level: str
    blocked: bool
    media_type: str | None
    seed: int | None
    prompt: str
    progress: float | None


class GenerationShown(Answer):
    """One press of the button: what was asked for, where it stands, what came of it. Amounts are in Buzz."""

    id: str
    status: str
    created_at: datetime
    completed_at: datetime | None
    recipe: dict[str, Any]
    prompt: str
    warnings: list[str]
    tags: list[str]
    favourite: bool
    liked: bool | None
    pictures: list[PictureShown]
    cost: float
    charged: float
    given_back: float
    withheld: bool
    trouble: str | None
    progress: float | None
    ahead: int | None
    ends_at: datetime | None
    served: bool


class GenerationPage(Answer):
    """A page of generations."""

    items: list[GenerationShown]
    next_cursor: str | None


class PartShown(Answer):
    """What a purse pays."""

    colour: str
    amount: float


class CostShown(Answer):
    """What it would cost in Buzz, of what, who pays, and what would be told; nothing was run or held."""

    total: float
    base: float
    factors: dict[str, float]
    fixed: dict[str, float]
    creator_tip: float
    site_tip: float
    fees: float
    parts: list[PartShown]
    insufficient: bool
    served: bool
    quantity: int
    warnings: list[str]


def generation_shown(one: Generation, links: MediaLinks) -> GenerationShown:
    """A generation as the API shows it."""
    return GenerationShown(
        id=one.id,
        status=one.status,
        created_at=one.created_at,
        completed_at=one.completed_at,
        recipe=dict(one.recipe),
        prompt=one.prompt,
        warnings=list(one.warnings),
        tags=list(one.tags),
        favourite=one.favourite,
        liked=one.liked,
        pictures=[_picture(picture, one, links) for picture in one.pictures],
        cost=money.as_number(one.cost),
        charged=money.as_number(one.charged),
        given_back=money.as_number(one.given_back),
        withheld=one.withheld,
        trouble=one.trouble,
        progress=one.progress,
        ahead=one.ahead,
        ends_at=one.ends_at,
        served=one.served,
    )


def _picture(one: made.Made, generation: Generation, links: MediaLinks) -> PictureShown:
    hidden = one.blocked or (generation.withheld and Level(one.level).mature)
    url, expires = links.blob_url(one.blob_id) if one.available and not hidden else (None, None)
    shows = one.preview and one.job_id is not None and not one.available
    return PictureShown(
        id=one.blob_id,
        available=one.available,
        url=url,
        url_expires_at=expires,
        preview_url=links.preview_url(one.job_id) if shows and one.job_id else None,
        width=one.width,
        height=one.height,
        level=one.level,
        blocked=one.blocked,
        media_type=one.media_type,
        seed=one.seed,
        prompt=one.prompt,
        progress=one.progress,
    )


def cost_shown(found: Estimate, quantity: int, warnings: Any) -> CostShown:
    """A cost as the API shows it."""
    cost = found.cost
    return CostShown(
        total=money.as_number(cost.total),
        base=money.as_number(cost.base),
        factors=dict(cost.factors),
        fixed={name: money.as_number(round(amount)) for name, amount in cost.fixed.items()},
        creator_tip=money.as_number(cost.creator_tip),
        site_tip=money.as_number(cost.site_tip),
        fees=money.as_number(round(sum(cost.fees.values()))),
        parts=[
            PartShown(colour=one.colour, amount=money.as_number(one.amount)) for one in found.transactions
        ],
        insufficient=found.insufficient,
        served=all(step.served for step in found.steps),
        quantity=quantity,
        warnings=list(warnings),
    )
