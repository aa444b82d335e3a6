"""Callbacks: what has happened is noted for those who listen, in the transaction in which it happened.

How it is sent is in `delivering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.delivering import addresses, payloads
from civitas.domains.orchestration.delivering.messages import DeliverCallbacks
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Status
from civitas.infra.queue.outbox import defer
from civitas.kit import clock

ScopeName = Literal["workflow", "step", "job"]

# One statement for all addresses. The chain's row is what senders lock too, so that nothing is noted unseen by them.
_NOTE = text(
    """
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS t(url text, host text, payload jsonb)
    ), chains AS (
        INSERT INTO callback_chains AS c (workflow_id, person_id, url, host, last, due_at)
        SELECT :workflow, :person, url, host, 1, :now FROM told ORDER BY url
        ON CONFLICT (workflow_id, url) DO UPDATE
           SET last = c.last + 1, due_at = coalesce(c.due_at, excluded.due_at)
         WHERE c.stopped_at IS NULL
        RETURNING id, url, last
    )
    INSERT INTO callback_deliveries (chain_id, number, workflow_id, person_id, event, payload, created_at)
    SELECT chains.id, chains.last, :workflow, :person, :event, told.payload, :now
      FROM chains JOIN told USING (url)
    """
)


async def note(
    session: AsyncSession,
    *,
    workflow: Workflow,
    scope: ScopeName,
    status: Status,
    at: datetime,
    step: WorkflowStep | None = None,
    job: Job | None = None,
) -> None:
    """Tell every address of the workflow that listens for this, after what it was told before.

    Called under the workflow's lock, in the transaction of the change, once for each change. `step` is needed for steps
    and jobs, `job` for jobs. Costs nothing when nobody listens. What is said is what is true now: details are kept, and
    the workflow may be forgotten before they are sent.
    """
    event = f"{scope}:{status.value}"
    heard = addresses.listening(workflow.callbacks or (), event)
    if not heard:
        return
    await session.flush()
    plain = _plain(workflow, scope, status, at, step, job)
    detailed = plain
    if any(heard.values()) and scope != "job":
        details = (
            await payloads.workflow_details(session, workflow)
            if step is None or scope == "workflow"
            else await payloads.step_details(session, step)
        )
        detailed = payloads.with_details(plain, details)
    bodies = {url: detailed if wanted else plain for url, wanted in heard.items()}
    await tell(session, source=workflow.id, person_id=workflow.person_id, event=event, bodies=bodies)


async def tell(
    session: AsyncSession, *, source: str, person_id: int, event: str, bodies: Mapping[str, Mapping[str, Any]]
) -> None:
    """Tell addresses a body each, after what `source` told them before: signed and logged as their person's callbacks.

    `source` is a workflow's id, or the name of what else tells somebody (`search-7`).
    """
    told = [{"url": url, "host": addresses.host_of(url), "payload": body} for url, body in bodies.items()]
    await session.execute(
        _NOTE,
        {
            "told": orjson.dumps(told).decode(),
            "workflow": source,
            "person": person_id,
            "event": event,
            "now": clock.now(),
        },
    )
    await defer(session, DeliverCallbacks(), once="callbacks")


def _plain(
    workflow: Workflow,
    scope: ScopeName,
    status: Status,
    at: datetime,
    step: WorkflowStep | None,
    job: Job | None,
) -> dict[str, Any]:
    if scope == "workflow":
        return payloads.of_workflow(workflow, status, at)
    if step is None:
        raise ValueError("an event of a step or a job needs the step")
    if scope == "step":
        return payloads.of_step(workflow, step, status)
    if job is None:
        raise ValueError("an event of a job needs the job")
    return payloads.of_job(workflow, step, job, status)
