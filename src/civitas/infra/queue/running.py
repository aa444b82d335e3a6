"""The background process's side: procrastinate fetches, retries, schedules and rescues."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import procrastinate
import structlog
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from sqlalchemy import delete

from civitas.infra.db.database import SEARCH_PATH
from civitas.infra.limiting.limiter import SWEEP
from civitas.infra.queue import execution
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import EVENT_TASK, MESSAGE_TASK
from civitas.infra.queue.registry import REGISTRY
from civitas.infra.queue.tables import HeardEvent
from civitas.kit import clock

log = structlog.get_logger(__name__)

STALLED_AFTER_S = 30
KEEP_DONE_HOURS = 24
KEEP_HEARD = timedelta(days=7)


class _BackOff(BaseRetryStrategy):
    """The pauses of `execution.pause_before_retry`, in procrastinate's words."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        allowed = execution.attempts_allowed(job.task_name, job.task_kwargs)
        pause = execution.pause_before_retry(exception, job.attempts, allowed)
        return RetryDecision(retry_at=clock.now() + pause) if pause else None


class TaskRunner:
    """Runs tasks of the given queues until it is stopped; with `schedules`, also what is due by the clock."""

    def __init__(self, dsn: str, context: TaskContext, *, schedules: bool = True) -> None:
        self._context = context
        self._schedules = schedules
        self.app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=dsn,
                min_size=1,
                max_size=8,
                kwargs={
                    "options": f"-c search_path=procrastinate,{SEARCH_PATH.split(',')[0]}",
                    "application_name": "civitas-queue",
                },
            )
        )
        self._register()

    def _register(self) -> None:
        back_off = _BackOff()
        for task in (MESSAGE_TASK, EVENT_TASK):
            self.app.task(name=task, retry=back_off, pass_context=True)(self._run)
        if not self._schedules:
            return
        scheduled = self.app.task(name=execution.SCHEDULE_TASK, pass_context=True)(self._run_scheduled)
        rescue = self.app.task(name="civitas.rescue")(self._rescue)
        self.app.periodic(cron="* * * * *", periodic_id="rescue", queueing_lock="civitas.rescue")(rescue)
        for name, schedule in REGISTRY.schedules.items():
            self.app.periodic(
                cron=schedule.cron,
                periodic_id=name,
                lock=f"schedule:{name}",
                queueing_lock=f"schedule:{name}",
                task_kwargs={"name": name},
            )(scheduled)

    async def run(self, *, queues: Iterable[str] | None = None, concurrency: int = 4) -> None:
        """Run tasks until SIGINT or SIGTERM; running ones get half a minute to end."""
        async with self.app.open_async():
            options: dict[str, Any] = {"queues": list(queues)} if queues else {}
            await self.app.run_worker_async(
                concurrency=concurrency,
                delete_jobs="successful",
                shutdown_graceful_timeout=30.0,
                **options,
            )

    async def _run(self, job: procrastinate.JobContext, /, **arguments: Any) -> None:
        await self._attempt(job, arguments)

    async def _run_scheduled(self, job: procrastinate.JobContext, /, timestamp: int, name: str) -> None:
        await self._attempt(job, {"name": name, "timestamp": timestamp})

    async def _attempt(self, job: procrastinate.JobContext, arguments: dict[str, Any]) -> None:
        row = job.job
        context = execution.with_attempt(self._context, row.attempts)
        try:
            await execution.execute(context, row.task_name, arguments)
        except Exception as error:
            allowed = execution.attempts_allowed(row.task_name, arguments)
            final = execution.pause_before_retry(error, row.attempts, allowed) is None
            log.warning(
                "task.failed",
                task=arguments.get("name"),
                attempt=row.attempts + 1,
                final=final,
                exc_info=True,
            )
            if row.id is not None:
                await execution.record_failure(context, row.id, row.task_name, arguments, error, final)
            raise

    async def _rescue(self, timestamp: int) -> None:
        """Give back what a killed process was running, and sweep what is long done."""
        manager = self.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S):
            log.warning("task.rescued", task=job.task_name, id=job.id)
            await manager.retry_job(job)
        await manager.delete_old_jobs(nb_hours=KEEP_DONE_HOURS)
        async with self._context.unit() as session:
            await session.execute(delete(HeardEvent).where(HeardEvent.heard_at < clock.now() - KEEP_HEARD))
            await session.execute(SWEEP)
