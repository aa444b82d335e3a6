"""Reporting: what agents say of the jobs that they claimed. A claim that is not open has no say (410)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import Delivered, Ended, Failed, Progress, Rejected, Succeeded
from civitas.domains.orchestration import blobs, job_ends, keeping
from civitas.domains.orchestration.agent_tables import ClaimUpload
from civitas.domains.orchestration.dispatch import leases, outputs
from civitas.domains.orchestration.dispatch.outputs import Upload
from civitas.domains.orchestration.dispatch.statements import run
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.types import ClaimState, Status
from civitas.kit import clock
from civitas.kit.errors import Fault, Gone, Invalid
from civitas.kit.ids import new_uuid

FILE: Final = "reporting.sql"
QUICKEST_S: Final = 0.001
# Faults of a result that are found before anything is changed for it.
HARMLESS: Final = frozenset({"claim_ended", "bad_result"})


@dataclass(frozen=True, slots=True)
class Standing:
    """An open claim and the job behind it."""

    job_id: str
    claimed_at: datetime
    status: str
    workflow_id: str
    step_type: str
    capability: str
    complexity: float
    slots: list[str]
    # Open claims of others on the same job: more than none is a race.
    rivals: int

    def speed(self, said_s: float) -> float:
        """Complexity a second. What the agent says of its time is believed as far as the clock allows."""
        elapsed = (clock.now() - self.claimed_at).total_seconds()
        return self.complexity / max(said_s if 0 < said_s <= elapsed else elapsed, QUICKEST_S)


class ClaimEnded(Gone):
    """The claim is not open any more: the lease ended, somebody else was first, or the work was cancelled."""

    code = "claim_ended"

    def __init__(self) -> None:
        super().__init__("This claim is over; nothing was changed. Stop the work on it and claim anew.")


async def standing(session: AsyncSession, *, agent_id: int, claim_id: int) -> Standing:
    """What is behind an open claim of this agent, without a lock. Raises ClaimEnded."""
    rows = await run(session, FILE, "standing", claim=claim_id, agent=agent_id)
    if not rows:
        raise ClaimEnded
    return Standing(*rows[0])


async def _locked(session: AsyncSession, agent_id: int, claim_id: int) -> Standing:
    await run(session, FILE, "lock_workflow", claim=claim_id, agent=agent_id)
    await run(session, FILE, "lock_job", claim=claim_id, agent=agent_id)
    return await standing(session, agent_id=agent_id, claim_id=claim_id)


async def progress(session: AsyncSession, *, agent_id: int, claim_id: int, said: Progress) -> None:
    """Note how far a job is; the first word of a phase moves step and workflow too. Raises ClaimEnded."""
    found = await standing(session, agent_id=agent_id, claim_id=claim_id)
    if found.status != said.phase:
        found = await _locked(session, agent_id, claim_id)
        await job_ends.job_moved(session, job_id=found.job_id, status=Status(said.phase), agent_id=agent_id)
        await session.flush()
    note = said.note.replace("\x00", "") if said.note else None
    rows = await run(
        session, FILE, "progress", claim=claim_id, agent=agent_id, fraction=said.fraction, note=note
    )
    if not rows:
        raise ClaimEnded


def preview_key(job_id: str, ending: str) -> str:
    """Where a picture of the work under way is put, anew each time: what was seen may be cached."""
    return f"orchestration/previews/{job_id.lower()}/{new_uuid().hex[:12]}.{ending}"


async def preview(session: AsyncSession, *, agent_id: int, claim_id: int, storage_key: str) -> str | None:
    """Show a picture of the work under way; the key of the one before, whose bytes may go. Raises ClaimEnded."""
    rows = await run(session, FILE, "preview", claim=claim_id, agent=agent_id, key=storage_key)
    if not rows:
        raise ClaimEnded
    return str(rows[0][0]) if rows[0][0] else None


async def begin_upload(session: AsyncSession, *, agent_id: int, claim_id: int, slot: int) -> str:
    """Where the bytes of a slot are to be put. Raises ClaimEnded, Invalid (`no_such_slot`)."""
    found = await standing(session, agent_id=agent_id, claim_id=claim_id)
    if slot >= len(found.slots):
        raise Invalid(f"This job has {len(found.slots)} slots; there is none {slot}.", code="no_such_slot")
    key = f"orchestration/{clock.now():%Y/%m}/{new_uuid().hex}"
    await session.execute(
        insert(ClaimUpload).values(claim_id=claim_id, slot=slot, storage_key=key, created_at=clock.now())
    )
    return key


async def end_upload(session: AsyncSession, *, agent_id: int, claim_id: int, upload: Upload) -> None:
    """The bytes are there; an earlier upload into the slot counts no more. Raises ClaimEnded."""
    await standing(session, agent_id=agent_id, claim_id=claim_id)
    await session.execute(
        update(ClaimUpload)
        .where(ClaimUpload.claim_id == claim_id, ClaimUpload.storage_key == upload.storage_key)
        .values(size=upload.size, sha256=bytes.fromhex(upload.sha256))
    )


async def ended(
    session: AsyncSession, *, agent_id: int, claim_id: int, said: Succeeded | Failed | Rejected
) -> None:
    """The job ended as is said. Raises as the three below do."""
    if isinstance(said, Succeeded):
        await succeeded(session, agent_id=agent_id, claim_id=claim_id, said=said)
    elif isinstance(said, Failed):
        await failed(session, agent_id=agent_id, claim_id=claim_id, said=said)
    else:
        await rejected(session, agent_id=agent_id, claim_id=claim_id, said=said)


async def all_ended(session: AsyncSession, *, agent_id: int, said: Sequence[Ended]) -> dict[int, Fault]:
    """Several jobs ended, in one transaction; the faults of those results that were not taken, by claim.

    A claim that is over or a result that does not fit does not touch the others: nothing was changed for it. Every
    other fault is raised, and then none of them is told in this transaction.
    """
    good = {one.claim: one.result for one in said if isinstance(one.result, Succeeded)}
    rest = [one for one in said if one.claim not in good]
    if not rest:
        return await _succeeded(session, agent_id, good)
    order = await _all_locked(session, agent_id, [one.claim for one in said])
    faults = await _succeeded(session, agent_id, good) if good else {}
    for one in sorted(rest, key=lambda one: order.get(one.claim, (0, "", 0))):
        try:
            await ended(session, agent_id=agent_id, claim_id=one.claim, said=one.result)
        except (ClaimEnded, Invalid) as fault:
            if fault.code not in HARMLESS:
                raise
            faults[one.claim] = fault
    return faults


async def _all_locked(
    session: AsyncSession, agent_id: int, claims: Sequence[int]
) -> dict[int, tuple[int, str, int]]:
    """Take every lock that these results need, and the order in which they are worked on: wallets are locked by it."""
    people = dict(await run(session, FILE, "lock_workflows", claims=list(claims), agent=agent_id))
    jobs = dict(await run(session, FILE, "lock_jobs", claims=list(claims), agent=agent_id))
    held = await run(session, FILE, "lock_claims", jobs=list(jobs))
    return {claim: (people.get(jobs[job], 0), jobs[job], claim) for claim, job in held}


async def succeeded(session: AsyncSession, *, agent_id: int, claim_id: int, said: Succeeded) -> None:
    """The job is done by this claim, and every other claim on it is lost.

    Raises ClaimEnded, and Invalid (`bad_result`) when what is said does not fit what was uploaded; the claim holds then.
    """
    for fault in (await _succeeded(session, agent_id, {claim_id: said})).values():
        raise fault


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A result that fits: what was delivered, and its output with blobs for slots."""

    claim_id: int
    standing: Standing
    said: Succeeded
    delivered: Sequence[tuple[Delivered, Upload]]
    output: dict[str, Any]

    @property
    def blobs(self) -> Mapping[int, str]:
        """The blob of each slot into which something was delivered."""
        return {one.slot: self.standing.slots[one.slot] for one, _ in self.delivered}


async def _succeeded(session: AsyncSession, agent_id: int, said: Mapping[int, Succeeded]) -> dict[int, Fault]:
    """Take the results that fit; the faults of the others, for which nothing was changed."""
    held = await _held(session, agent_id, list(said))
    uploads = await _uploads(session, [claim for claim, (standing, _) in held.items() if standing.slots])
    faults: dict[int, Fault] = {}
    fitting: list[_Fitting] = []
    for claim, words in said.items():
        if claim not in held:
            faults[claim] = ClaimEnded()
            continue
        standing = held[claim][0]
        try:
            delivered = outputs.matched(words.delivered, uploads.get(claim, ()), len(standing.slots))
            ids = {one.slot: standing.slots[one.slot] for one, _ in delivered}
            output = outputs.with_blobs(words.output, ids)
        except Invalid as fault:
            if fault.code not in HARMLESS:
                raise
            faults[claim] = fault
            continue
        fitting.append(_Fitting(claim, standing, words, delivered, output))
    if fitting:
        await _taken(session, agent_id, fitting, {one.claim_id: held[one.claim_id][1] for one in fitting})
    return faults


async def _held(
    session: AsyncSession, agent_id: int, claims: Sequence[int]
) -> dict[int, tuple[Standing, Run]]:
    """What is behind those of these claims that are open, with their workflows in hand and everything locked."""
    await session.flush()
    ((found, workflows, steps, jobs),) = await run(session, FILE, "held", claims=list(claims), agent=agent_id)
    if not found:
        return {}
    runs = {
        kept.workflow.id: Run(kept.workflow, list(kept.steps), list(kept.jobs), clock.now(), kept=kept)
        for kept in keeping.kept_of(workflows, steps, jobs)
    }
    standings = {
        one[0]: Standing(
            one[1], datetime.fromisoformat(one[2]), one[3], one[4], one[5], one[6], one[7], one[8], 0
        )
        for one in found
    }
    return {claim: (standing, runs[standing.workflow_id]) for claim, standing in standings.items()}


async def _uploads(session: AsyncSession, claims: Sequence[int]) -> Mapping[int, Sequence[Upload]]:
    """The newest whole upload of each slot, by claim."""
    found: dict[int, list[Upload]] = {}
    if claims:
        for claim, slot, key, size, sha256 in await run(session, FILE, "uploads", claims=claims):
            found.setdefault(claim, []).append(Upload(slot, key, size, bytes(sha256).hex()))
    return found


async def _taken(
    session: AsyncSession, agent_id: int, fitting: Sequence[_Fitting], runs: Mapping[int, Run]
) -> None:
    """Results that fit are taken: claims are won, blobs have their bytes, workflows go on."""
    await run(session, FILE, "win", **_won(agent_id, fitting))
    for one in fitting:
        for said, upload in one.delivered:
            await blobs.delivered(
                session, blob_id=one.blobs[said.slot], storage_key=upload.storage_key, delivered=said
            )
    if keys := [upload.storage_key for one in fitting for _, upload in one.delivered]:
        claims = [one.claim_id for one in fitting]
        await run(session, FILE, "adopted", claims=claims, keys=keys)
    done = []
    for one in fitting:
        found = runs[one.claim_id]
        job = next(job for job in found.jobs if job.id == one.standing.job_id)
        job.agent_id, job.started_at = agent_id, job.started_at or one.standing.claimed_at
        done.append(
            job_ends.Done(found, job, one.output, list(one.blobs.values()), _clean(one.said.warnings))
        )
    await job_ends.jobs_succeeded(session, done)


def _won(agent_id: int, fitting: Sequence[_Fitting]) -> dict[str, Any]:
    """What `win` is asked with. Of several jobs of a capability the mean speed counts, the later ones more."""
    speeds: dict[str, list[float]] = {}
    for one in fitting:
        speeds.setdefault(one.standing.capability, []).append(one.standing.speed(one.said.seconds))
    return {
        "claims": [one.claim_id for one in fitting],
        "jobs": [one.standing.job_id for one in fitting],
        "agent": agent_id,
        "capabilities": sorted(speeds),
        "speeds": [mean(speeds[name]) for name in sorted(speeds)],
        "counts": [len(speeds[name]) for name in sorted(speeds)],
        "now": clock.now(),
    }


def mean(speeds: Sequence[float]) -> float:
    """As if each was told after the one before: a fifth of every new one counts."""
    weights = [0.8 ** (len(speeds) - 1 - place) for place in range(len(speeds))]
    return sum(weight * speed for weight, speed in zip(weights, speeds, strict=True)) / sum(weights)


async def failed(
    session: AsyncSession, *, agent_id: int, claim_id: int, said: Failed, blamed: bool = True
) -> None:
    """The job failed here, for which the agent is `blamed`; in a race the others go on. Raises ClaimEnded."""
    found = await _locked(session, agent_id, claim_id)
    await run(
        session,
        FILE,
        "end",
        claim=claim_id,
        state=ClaimState.FAILED.value,
        reason=said.reason,
        now=clock.now(),
    )
    if blamed:
        await run(session, FILE, "failed", agent=agent_id, capability=found.capability, now=clock.now())
    if found.rivals:
        return
    await job_ends.job_failed(
        session,
        job_id=found.job_id,
        reason=said.reason,
        blocked_reason=said.blocked_reason,
        transient=said.transient,
        agent_id=agent_id,
    )


async def rejected(session: AsyncSession, *, agent_id: int, claim_id: int, said: Rejected) -> None:
    """The agent will not do it: the job goes back to its place for others. Raises ClaimEnded."""
    back = await leases.give_back(
        session, agent_id=agent_id, claims=[claim_id], state=ClaimState.REJECTED, reason=said.reason
    )
    if not back:
        raise ClaimEnded


def _clean(warnings: list[str]) -> list[str]:
    return [one.replace("\x00", "")[:1000] for one in warnings]
