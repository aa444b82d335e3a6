"""What somebody made, and what is being made: workflows of the generator as their owner looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import blobs, inputs, queries
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.dispatch import estimating
from civitas.domains.orchestration.dispatch.estimating import Outlook, Support
from civitas.domains.orchestration.errors import UnknownWorkflow
from civitas.domains.orchestration.shown import ShownStep, ShownWorkflow
from civitas.domains.orchestration.types import Level, Reason, Status
from civitas.domains.studio import controls
from civitas.infra.db.readpool import ReadPool
from civitas.kit.paging import Page
from civitas.kit.sql import statements

GENERATED: Final = "gen"
FAVOURITE: Final = "favorite"
LIKED: Final = "feedback:liked"
DISLIKED: Final = "feedback:disliked"
PAGE: Final = 20

_SQL = statements("civitas.domains.studio", "made.sql")

# What is told when something did not come out, by the reason on the wire.
_TOLD: Final[Mapping[str, str]] = {
    Reason.NO_PROVIDER: "No machine that is connected can make this.",
    Reason.TIMEOUT: "It took longer than it may.",
    Reason.CANCELED: "It was cancelled.",
    Reason.BLOCKED: "The result is not shown here.",
    Reason.FUNDS: "There was not enough Buzz to go on.",
}


@dataclass(frozen=True, slots=True)
class Made:
    """One picture, or the place where one will be. `seed` is its own."""

    blob_id: str
    available: bool
    width: int | None
    height: int | None
    level: str
    blocked: bool
    media_type: str | None
    seed: int | None
    prompt: str
    # Of the job that makes it, while it is under way.
    job_id: str | None
    progress: float | None
    preview: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """One press of the button: what was asked for, where it stands, what came of it. Amounts are in quarters."""

    id: str
    status: Status
    created_at: datetime
    completed_at: datetime | None
    changed_at: datetime
    recipe: Mapping[str, Any]
    prompt: str
    warnings: Sequence[str]
    tags: Sequence[str]
    pictures: Sequence[Made]
    cost: int
    charged: int
    withheld: bool
    trouble: str | None
    progress: float | None
    # While it waits: how many jobs are before it; and when it will be there, by what was measured.
    ahead: int | None = None
    ends_at: datetime | None = None
    # Whether anybody who is connected can make it.
    served: bool = True

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return not self.status.final

    @property
    def favourite(self) -> bool:
        """Whether its owner marked it."""
        return FAVOURITE in self.tags

    @property
    def liked(self) -> bool | None:
        """What its owner said of how it came out; None when nothing was said."""
        return True if LIKED in self.tags else False if DISLIKED in self.tags else None

    @property
    def given_back(self) -> int:
        """What of the cost came back, once it has ended."""
        return 0 if self.under_way else max(0, self.cost - self.charged)


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    tags: Sequence[str] = (),
    query: str = "",
    cursor: str | None = None,
    take: int = PAGE,
    rules: AgentRules | None = None,
) -> Page[Generation]:
    """What somebody made, the newest first; only what has all `tags` and `query` in its prompt.

    With `rules` it is told how what waits stands in the queue.
    """
    found = await queries.page(
        session,
        actor,
        wanted=queries.Filter(tags=(GENERATED, *tags), query=query),
        cursor=cursor,
        take=take,
    )
    return Page(await _generations(session, found.items, rules), found.next_cursor)


async def one(
    session: AsyncSession, actor: Actor, workflow_id: str, *, rules: AgentRules | None = None
) -> Generation:
    """One generation of the actor's. Raises UnknownWorkflow, also for a workflow that the generator did not make."""
    shown = await queries.shown(session, actor, workflow_id)
    if GENERATED not in shown.tags:
        raise UnknownWorkflow
    return (await _generations(session, [shown], rules))[0]


@dataclass(frozen=True, slots=True)
class Stir:
    """Something moved: whose, what, how far. `stamp` grows with every change and is where a stream goes on."""

    person_id: int
    workflow_id: str
    status: Status
    progress: float | None
    stamp: int


async def stirring(reads: ReadPool, people: Sequence[int], since: datetime) -> list[Stir]:
    """What is under way or has changed since, of all these people, in one statement for a hot path."""
    rows = await reads.fetch(_SQL["stirring"], (list(people), since))
    return [Stir(row[0], row[1], Status(row[2]), row[3], int(row[4])) for row in rows]


async def _generations(
    session: AsyncSession, workflows: Sequence[ShownWorkflow], rules: AgentRules | None
) -> list[Generation]:
    wanted = {
        blob for shown in workflows for step in shown.steps for blob in inputs.blobs_in(step.output or {})
    }
    facts = await blobs.links(session, wanted)
    waiting = [job for shown in workflows for job in _open_jobs(shown)]
    outlooks = await estimating.outlooks(session, waiting, rules=rules) if rules and waiting else {}
    return [_generation(shown, facts, outlooks) for shown in workflows]


def _open_jobs(shown: ShownWorkflow) -> list[str]:
    return [job.id for step in shown.steps for job in step.jobs if not job.status.final]


def _generation(
    shown: ShownWorkflow, facts: Mapping[str, BlobFacts], outlooks: Mapping[str, Outlook]
) -> Generation:
    views = [outlooks[job] for job in _open_jobs(shown) if job in outlooks]
    ahead = [view.preceding for view in views if view.preceding is not None]
    ends = [view.complete_at for view in views if view.complete_at is not None]
    recipe = shown.notes.get("recipe")
    # What was made on the way is no result.
    steps = [step for step in shown.steps if step.type != controls.STEP]
    prompts = [str(step.input.get("prompt", "")) for step in steps]
    warnings = shown.notes.get("warnings")
    pictures = [made for step in steps for made in _pictures(step, facts)]
    return Generation(
        id=shown.id,
        status=shown.status,
        created_at=shown.created_at,
        completed_at=shown.completed_at,
        changed_at=shown.changed_at,
        recipe=recipe if isinstance(recipe, Mapping) else {},
        prompt=str(recipe.get("prompt", "")) if isinstance(recipe, Mapping) else " · ".join(prompts),
        warnings=[
            *(warnings if isinstance(warnings, list) else []),
            *dict.fromkeys(told for step in shown.steps for told in step.warnings),
        ],
        tags=shown.tags,
        pictures=pictures,
        cost=shown.cost.total,
        charged=shown.captured,
        # The workflow says what would be withheld; whether something is, the pictures say.
        withheld=shown.withheld and any(Level(one.level).mature for one in pictures),
        trouble=_trouble(shown),
        progress=_progress(shown),
        ahead=min(ahead, default=None),
        ends_at=max(ends) if ends and len(ends) == len(views) else None,
        served=all(view.support is Support.AVAILABLE for view in views),
    )


def _pictures(step: ShownStep, facts: Mapping[str, BlobFacts]) -> Iterator[Made]:
    jobs = {blob: (job, at) for job in step.jobs for at, blob in enumerate(job.slots)}
    sizes = _sizes(step)
    first = step.input.get("seed")
    places = list(inputs.blobs_in(step.output or {}))
    if step.type == "comfy" and not step.status.final:
        # There is room for more than nearly any graph saves.
        places = places[:1]
    for place, blob in enumerate(places):
        known = facts.get(blob)
        if known is not None and known.kind is not MediaKind.IMAGE:
            continue
        job = jobs[blob][0] if blob in jobs else None
        yield Made(
            blob_id=blob,
            available=known is not None and known.available,
            width=known.width if known and known.width else sizes[0],
            height=known.height if known and known.height else sizes[1],
            level=known.level if known else "na",
            blocked=known is not None and known.blocked_reason is not None,
            media_type=known.media_type if known else None,
            seed=(first + place) % 2**32 if isinstance(first, int) else None,
            prompt=str(step.input.get("prompt", "")),
            job_id=job.id if job else None,
            progress=job.progress if job else None,
            preview=bool(job and job.preview),
        )


def _sizes(step: ShownStep) -> tuple[int | None, int | None]:
    width, height = step.input.get("width"), step.input.get("height")
    return (
        width if isinstance(width, int) else None,
        height if isinstance(height, int) else None,
    )


def _trouble(shown: ShownWorkflow) -> str | None:
    if shown.status is Status.SUCCEEDED or not shown.status.final:
        return None
    for step in shown.steps:
        if step.reason or step.blocked_reason:
            return _TOLD.get(step.reason or "") or step.blocked_reason or step.reason
    return _TOLD[Reason.CANCELED] if shown.status is Status.CANCELED else "It did not come out."


def _progress(shown: ShownWorkflow) -> float | None:
    """How far all jobs together are; None before any has begun."""
    if shown.status.final:
        return 1.0
    jobs = [job for step in shown.steps for job in {job.number: job for job in step.jobs}.values()]
    if not jobs or not any(job.started_at for job in jobs):
        return None
    done = sum(1.0 if job.status.final else job.progress or 0.0 for job in jobs)
    return done / len(jobs)
