"""Workflows, steps and blobs for tests of media and callbacks, without submitting anything."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for

from civitas.contracts.wire.jobs import Delivered, MediaKind
from civitas.domains.orchestration import blobs, callbacks
from civitas.domains.orchestration.delivering import chains, signing_secrets
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Status
from civitas.kit import clock

_numbers = count(1)


async def make_workflow(session: AsyncSession, person_id: int, **columns: Any) -> Workflow:
    """A workflow that waits."""
    number = next(_numbers)
    workflow = Workflow(
        id=f"wf_test_{number}",
        person_id=person_id,
        fingerprint=hashlib.sha256(str(number).encode()).digest(),
        **columns,
    )
    session.add(workflow)
    await session.flush()
    await session.refresh(workflow)
    return workflow


async def make_step(session: AsyncSession, workflow: Workflow, **columns: Any) -> WorkflowStep:
    """A step of it."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": f"step{number}",
        "type": "convertImage",
        "position": number,
        "input": {},
    }
    step = WorkflowStep(workflow_id=workflow.id, **(values | columns))
    session.add(step)
    await session.flush()
    return step


async def make_job(session: AsyncSession, step: WorkflowStep, person_id: int, **columns: Any) -> Job:
    """A job of it."""
    values: dict[str, Any] = {
        "id": f"job_test_{next(_numbers)}",
        "number": 0,
        "step_type": step.type,
        "capability": step.type,
        "input": {},
        "place": 0.0,
    }
    job = Job(workflow_id=step.workflow_id, step_id=step.id, person_id=person_id, **(values | columns))
    session.add(job)
    await session.flush()
    return job


def said(body: bytes, kind: MediaKind = MediaKind.IMAGE, media_type: str = "image/png") -> Delivered:
    """What an agent says of bytes."""
    return Delivered(
        slot=0, kind=kind, media_type=media_type, size=len(body), sha256=hashlib.sha256(body).hexdigest()
    )


async def make_blob(
    session: AsyncSession,
    workflow: Workflow,
    body: bytes = b"bytes",
    kind: MediaKind = MediaKind.IMAGE,
    *,
    examined: bool = True,
) -> str:
    """A blob that a job of the workflow made; its bytes are not in any store."""
    (blob_id,) = await blobs.reserve_slots(session, workflow=workflow, job_id="job_test", kinds=[kind])
    await blobs.delivered(session, blob_id=blob_id, storage_key=blobs.new_key(), delivered=said(body, kind))
    if examined:
        await session.execute(update(MediaBlob).where(MediaBlob.id == blob_id).values(unexamined=False))
    return blob_id


async def make_delivery(session: AsyncSession, person_id: int, note: str) -> tuple[int, int]:
    """A secret that signs, and a callback that was delivered and holds `note`; the ids of both."""
    key = CallbackKey(b"a secret for tests only, 32 bytes")
    issued = await signing_secrets.issue(session, actor_for(person_id), key=key, overlap=timedelta(hours=1))
    told = [{"url": "https://hooks.example.org/a", "type": ["workflow:*"], "detailed": True}]
    workflow = await make_workflow(session, person_id, callbacks=told, notes={"note": note})
    await callbacks.note(
        session, workflow=workflow, scope="workflow", status=Status.SUCCEEDED, at=clock.now()
    )
    (due,) = await chains.take(session, most=1, most_per_host=1, flying={})
    await chains.record(
        session, [chains.end_of(due, chains.Heard(200, 5), give_up=timedelta(days=3), pauses_s=[1])]
    )
    return issued.facts.id, due.delivery_id


async def afresh(session: AsyncSession, *rows: Any) -> None:
    """Forget what the session knows, for others have written; `rows` are read again."""
    session.expire_all()
    for row in rows:
        await session.refresh(row)
