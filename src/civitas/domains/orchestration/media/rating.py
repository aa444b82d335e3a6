"""How mature outputs are: the stricter of what the rule says and what a classifier sees (FEATURES M9, N1).

The rule is the studio's (`contracts.maturity`), joined with what an output was made from and with its owner's word. A
classifier is the service of the settings, or an agent that offers `mediaRating`: while there is one, an output stays
unrated until it was looked at. What nobody could rate stays unrated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import maturity
from civitas.contracts.maturity import Making, Ruling
from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts import audit as staff_log
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import asking, blobs, inputs, kinds
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media.messages import RATES
from civitas.domains.orchestration.media.reading import stem, unknown
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, WorkflowStep
from civitas.domains.orchestration.templates import StepTemplate
from civitas.domains.orchestration.types import Level
from civitas.kit import paging
from civitas.kit.errors import Forbidden, Invalid
from civitas.kit.paging import Page

CLASSIFIER: Final = "mediaRating"
_QUESTIONS: Final = (
    "includeAgeClassification",
    "includeAIRecognition",
    "includeAnimeRecognition",
    "includeBodyAgeClassification",
    "includeFaceRecognition",
    "includeHumanRecognition",
)


async def by_rule(session: AsyncSession, blob: MediaBlob) -> Ruling:
    """How mature an output is by the rule, what it was made from, and its owner's word, which only makes it stricter."""
    row = (
        await session.execute(
            select(WorkflowStep.type, WorkflowStep.resolved, WorkflowStep.input, WorkflowStep.terms)
            .join(Job, Job.step_id == WorkflowStep.id)
            .where(Job.id == blob.job_id)
        )
    ).first()
    if row is None:
        return Ruling()
    given = row.resolved or row.input
    versions = tuple(one["versionId"] for one in row.terms.get("resources", ()))
    said = await maturity.ruling(session, Making(row.type, given, blob.person_id, versions))
    sources = await _sources(session, row.type, given)
    if said.blocked or None in sources or (said.level is None and not sources):
        # A picture begun from one that nobody rated may show anything.
        return Ruling(None, said.blocked)
    own = blob.nsfw_level if Level(blob.nsfw_level).mature else None
    return Ruling(maturity.stricter(said.level, own, *sources))


async def _sources(session: AsyncSession, step_type: str, given: dict[str, Any]) -> set[str | None]:
    kind = kinds.of(step_type)
    found = {medium.value for medium in inputs.find(kind, given) if medium.ready} if kind else set()
    known = await blobs.links(session, found)
    # What is gone cannot be asked any more.
    levels = {known[one].level if one in known else Level.UNRATED for one in found}
    return {None if level is Level.UNRATED else level.value for level in levels}


async def classifiers(session: AsyncSession, *, live_for_s: float = 60) -> bool:
    """Whether an agent that rates pictures is connected: it was heard of within `live_for_s` seconds."""
    return bool(await asking.served(session, CLASSIFIER, live_for_s=live_for_s))


async def ask(session: AsyncSession, *, blob_id: str) -> str:
    """Let an agent look at an output; `answered` hears what it saw. The workflow is the site's own and costs nothing."""
    step = StepTemplate(CLASSIFIER, {"image": blob_id, **dict.fromkeys(_QUESTIONS, False)})
    return await asking.ask(session, step, about={RATES: blob_id})


async def answered(session: AsyncSession, *, workflow_id: str) -> None:
    """Record what an agent saw. When it saw nothing (it failed), the output stays unrated."""
    said = await asking.answer(session, workflow_id=workflow_id)
    blob_id = said.about.get(RATES) if said else None
    blob = await session.get(MediaBlob, blob_id) if isinstance(blob_id, str) else None
    if said is None or blob is None:
        return
    seen, rule = said.output, await by_rule(session, blob)
    level = maturity.stricter(rule.level, seen.get("nsfwLevel"))
    blocked = str(seen.get("blockedReason") or "blocked")[:200] if seen.get("isBlocked") else rule.blocked
    await blobs.examined(
        session,
        blob_id=blob.id,
        phash=blob.phash,
        level=Level(level) if level else None,
        blocked=blocked,
    )


async def rate(session: AsyncSession, actor: Actor, *, blob_id: str, level: str, reason: str = "") -> None:
    """Say how mature an output is: its owner may make it stricter, a moderator says how it is.

    Raises NotFound (`blob_not_found`), Invalid (`no_such_level`), Forbidden (`only_stricter`).
    """
    person = actor.require(Scope.AI_SERVICES_WRITE)
    blob = await session.scalar(select(MediaBlob).where(MediaBlob.id == stem(blob_id)).with_for_update())
    if blob is None or blob.sha256 is None or (blob.person_id != person and not actor.is_moderator):
        raise unknown()
    if level not in maturity.LEVELS:
        raise Invalid(f"Levels are {', '.join(maturity.LEVELS)}.", code="no_such_level")
    if not actor.is_moderator:
        if blob.nsfw_level == Level.UNRATED and not Level(level).mature:
            raise Forbidden("Only moderators say that something is safe.", code="only_stricter")
        if maturity.stricter(blob.nsfw_level, level) != level:
            raise Forbidden("You can make it stricter; a moderator can make it milder.", code="only_stricter")
    elif blob.person_id != person:
        await staff_log.record(
            session,
            actor,
            action="studio.output.rate",
            reason=reason,
            person_id=blob.person_id,
            details={"blob": blob.id, "level": level},
        )
    await blobs.examined(session, blob_id=blob.id, phash=blob.phash, level=Level(level))


async def unrated(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, most: int = 48
) -> Page[BlobFacts]:
    """Outputs that nobody could rate, the newest first: what moderators look at. Raises Forbidden, Invalid (`bad_cursor`)."""
    actor.require_moderator()
    query = select(MediaBlob).where(
        MediaBlob.nsfw_level == Level.UNRATED.value,
        MediaBlob.job_id.is_not(None),
        MediaBlob.available_at.is_not(None),
        MediaBlob.blocked_reason.is_(None),
        MediaBlob.kind.in_((MediaKind.IMAGE.value, MediaKind.VIDEO.value)),
    )
    if cursor is not None:
        at, last = paging.decode(cursor, datetime, str)
        moment = datetime.fromisoformat(str(at))
        query = query.where(
            (MediaBlob.created_at < moment) | ((MediaBlob.created_at == moment) & (MediaBlob.id < str(last)))
        )
    rows = list(
        await session.scalars(
            query.order_by(MediaBlob.created_at.desc(), MediaBlob.id.desc()).limit(most + 1)
        )
    )
    items = [blobs.facts_of(row) for row in rows[:most]]
    return Page(items, paging.encode(items[-1].created_at, items[-1].id) if len(rows) > most else None)
