"""Results that are kept: the same input of the same person is answered from them, and costs nothing (FEATURES O12)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import BLOB
from civitas.domains.orchestration import blobs, inputs, pricing, references
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.kinds.kind import Kind
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.tables import StepResult
from civitas.domains.orchestration.types import Status
from civitas.kit import clock


def deterministic(kind: Kind, input: Mapping[str, Any]) -> bool:
    """Whether the same input gives the same output: of a kind that is, and with its chance fixed by a seed."""
    if not kind.cached:
        return False
    seed = input.get("seed")
    return not kind.seeded or (isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0)


def mark(kind: Kind, input: Mapping[str, Any]) -> bytes | None:
    """What tells results apart; None while something of the input is not known, or lies at an address."""
    if not deterministic(kind, input) or any(True for _ in references.find(dict(input), "")):
        return None
    mediums = list(inputs.find(kind, input))
    if any(not medium.ready and not blobs.is_id(medium.value) for medium in mediums):
        return None
    plain = inputs.replaced(kind, input, {medium.where: {BLOB: medium.value} for medium in mediums})
    return hashlib.sha256(orjson.dumps([kind.type, plain], option=orjson.OPT_SORT_KEYS)).digest()


async def look_up(
    session: AsyncSession, person_id: int, marks: Collection[bytes]
) -> dict[bytes, dict[str, Any]]:
    """The results that are kept under these marks and whose blobs are all still there."""
    if not marks:
        return {}
    rows = await session.execute(
        select(StepResult.fingerprint, StepResult.output).where(
            StepResult.person_id == person_id,
            StepResult.fingerprint.in_(set(marks)),
            StepResult.expires_at > clock.now(),
        )
    )
    return await _whole(session, {row.fingerprint: row.output for row in rows})


async def _whole(session: AsyncSession, found: dict[bytes, dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    needed = {one: set(inputs.blobs_in(output)) for one, output in found.items()}
    facts = await blobs.links(session, {blob for each in needed.values() for blob in each})
    good = {
        one for one, ids in needed.items() if all(blob in facts and facts[blob].available for blob in ids)
    }
    await blobs.used(session, {blob for one in good for blob in needed[one]})
    return {one: found[one] for one in good}


async def keep(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Keep what the workflows' steps made, where it may be used again."""
    rows: dict[tuple[int, bytes], dict[str, Any]] = {}
    for run in runs:
        for made, row in _kept(run):
            rows[run.workflow.person_id, made] = row
    if rows:
        # Rows of several people are locked in one order, whoever else keeps the same now.
        await session.execute(_upsert([rows[key] for key in sorted(rows)]))


def _kept(run: Run) -> Iterator[tuple[bytes, dict[str, Any]]]:
    until = run.now + timedelta(days=pricing.book().cached_days)
    for step in run.steps:
        if step.status != Status.SUCCEEDED or step.output is None or step.terms.get("cached"):
            continue
        made = mark(known(step.type), step.resolved or step.input)
        if made is not None and not step.output.get("errors"):
            yield (
                made,
                {
                    "fingerprint": made,
                    "person_id": run.workflow.person_id,
                    "output": step.output,
                    "created_at": run.now,
                    "expires_at": until,
                },
            )


def _upsert(rows: Sequence[dict[str, Any]]) -> Any:
    statement = insert(StepResult).values(rows)
    return statement.on_conflict_do_update(
        index_elements=["fingerprint", "person_id"],
        set_={
            "output": statement.excluded.output,
            "created_at": statement.excluded.created_at,
            "expires_at": statement.excluded.expires_at,
        },
    )
