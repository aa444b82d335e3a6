"""Questions of the site itself to connected agents: workflows of its own, which cost nothing.

Whoever asks says in the notes what it is about, and hears by `WorkflowEnded` that there is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SYSTEM, SYSTEM_ID
from civitas.domains.orchestration import blobs, submitting
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Level
from civitas.infra.media.arrived import Arrived
from civitas.kit import clock
from civitas.kit.sql import statements

# What is lent to agents for an answer stays this long.
LENT: Final = timedelta(days=2)
_SERVED = text(statements("civitas.domains.orchestration", "submitting.sql")["served"])


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent answered, and what it was asked about."""

    about: Mapping[str, Any]
    output: Mapping[str, Any]


async def served(session: AsyncSession, *capabilities: str, live_for_s: float = 60) -> set[str]:
    """Those of the capabilities that an agent has which was heard of within `live_for_s` seconds."""
    asked = {"capabilities": list(capabilities), "live": live_for_s, "now": clock.now()}
    return set((await session.scalars(_SERVED, asked)).all())


async def lend(session: AsyncSession, picture: Arrived) -> str:
    """A blob of the site's own for a picture that lies in the store, for agents to look at."""
    now = clock.now()
    blob = MediaBlob(
        id=blobs.new_id(),
        person_id=SYSTEM_ID,
        kind=picture.kind,
        media_type=picture.media_type,
        storage_key=picture.storage_key,
        size=picture.size,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        nsfw_level=Level.UNRATED.value,
        created_at=now,
        available_at=now,
        expires_at=now + LENT,
    )
    session.add(blob)
    await session.flush()
    return blob.id


async def ask(session: AsyncSession, step: StepTemplate, *, about: Mapping[str, Any]) -> str:
    """Let an agent answer; the id of the workflow."""
    template = Template(steps=(step,), notes=dict(about), allow_mature=True)
    return await submitting.submit(session, SYSTEM, template)


async def answer(session: AsyncSession, *, workflow_id: str) -> Said | None:
    """What came of a question; None when nothing did, or when it was none of the site's."""
    row = (
        await session.execute(
            select(Workflow.notes, WorkflowStep.output)
            .join(WorkflowStep, WorkflowStep.workflow_id == Workflow.id)
            .where(Workflow.id == workflow_id, Workflow.person_id == SYSTEM_ID)
        )
    ).first()
    return Said(row.notes, row.output) if row is not None and isinstance(row.output, dict) else None
