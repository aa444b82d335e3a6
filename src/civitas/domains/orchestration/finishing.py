"""The end of a workflow: what was delivered is paid, the rest comes back, results are kept, and others hear of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.orchestration import VersionsUsed, WorkflowEnded
from civitas.domains.accounts.types import SYSTEM_ID
from civitas.domains.orchestration import caching, settling
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.media.messages import RATES, HearRating
from civitas.infra.queue.outbox import defer, publish

KEPT: Final = timedelta(days=30)
# What is not to be kept stays this long, for whoever waits for it this very moment.
EPHEMERAL: Final = timedelta(minutes=10)


async def finish(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Settle workflows that have just ended."""
    for run in runs:
        run.workflow.forget_at = run.now + (EPHEMERAL if run.workflow.ephemeral else KEPT)
    await settling.settle(session, runs)
    await caching.keep(session, [run for run in runs if not run.workflow.ephemeral])
    said: list[WorkflowEnded | VersionsUsed] = []
    for run in runs:
        workflow = run.workflow
        said.append(WorkflowEnded(workflow.id, workflow.person_id, workflow.status, workflow.captured))
        if versions := _versions(run):
            said.append(VersionsUsed(workflow.id, workflow.person_id, versions))
        if workflow.person_id == SYSTEM_ID and RATES in workflow.notes:
            await defer(session, HearRating(workflow.id))
    await publish(session, *said)


def _versions(run: Run) -> dict[int, int]:
    """How many images were made with each version of the catalogue."""
    made: dict[int, int] = {}
    for step in run.steps:
        images = step.terms.get("images", 0)
        share = step.delivered / step.price if step.price else float(step.delivered > 0)
        for resource in step.terms.get("resources", ()):
            count = round(images * share)
            if count:
                version = resource["versionId"]
                made[version] = made.get(version, 0) + count
    return made
