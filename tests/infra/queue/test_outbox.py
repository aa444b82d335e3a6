"""The queue is the outbox: what commits runs, what rolls back never does, whatever is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.infra.queue.pinging import Fail, Hang, Ping, Rang

from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.mail.mailer import CaughtMail
from civitas.infra.queue import dead_letters
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.queue.execution import pause_before_retry
from civitas.infra.queue.outbox import defer, publish
from civitas.infra.queue.running import TaskRunner
from civitas.kit.errors import Invalid, NotFound, Unavailable

ROOT = Path(__file__).parents[3]
COUNT = text("SELECT count(*) FROM procrastinate.procrastinate_jobs")


def process(action: str, dsn: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.infra.queue.pinging", action, dsn, str(path)], cwd=ROOT
    )


async def run_until(dsn: str, path: Path, wanted: str) -> None:
    """Run a background process until the file holds a line."""
    child = process("run_tasks", dsn, path)
    try:
        for _ in range(200):
            if path.exists() and wanted in path.read_text():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{wanted!r} was never written")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


async def test_a_task_commits_with_its_row_and_survives_a_kill(own_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "pings"
    child = process("commit_and_die", own_dsn, path)
    assert child.wait(timeout=30) == -signal.SIGKILL
    assert not path.exists()
    database = Database(own_dsn)
    async with database.reading() as session:
        assert await session.scalar(select(CaughtMail.subject)) == "committed"
    await run_until(own_dsn, path, "after the crash 0")
    await database.close()


async def test_a_kill_before_the_commit_leaves_neither_row_nor_task(own_dsn: str, tmp_path: Path) -> None:
    child = process("die_before_commit", own_dsn, tmp_path / "pings")
    assert child.wait(timeout=30) == -signal.SIGKILL
    database = Database(own_dsn)
    deadline = time.monotonic() + 10
    async with database.reading() as session:
        assert await session.scalar(select(CaughtMail.id)) is None
        assert await session.scalar(COUNT) == 0
    assert time.monotonic() < deadline
    await database.close()


async def test_a_rolled_back_unit_leaves_no_task(units: BoundDatabase) -> None:
    with pytest.raises(Invalid):
        async with units.unit() as session:
            await defer(session, Ping("/nowhere", "never"))
            raise Invalid("no")
    async with units.unit() as session:
        assert await session.scalar(COUNT) == 0


async def test_a_task_of_a_killed_process_runs_again(own_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "hangs"
    database = Database(own_dsn)
    async with database.unit() as session:
        await defer(session, Hang(str(path)))
    await run_until(own_dsn, path, "hang 0")
    async with database.unit() as session:
        # The killed process's heartbeat, as it would look a minute later.
        await session.execute(
            text(
                "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '5 minutes'"
            )
        )
    runner = TaskRunner(own_dsn, TaskContext(database), schedules=False)
    async with runner.app.open_async():
        await runner._rescue(0)
    await run_until(own_dsn, path, "hang 1")
    await database.close()


async def test_a_listener_hears_an_event_once(units: BoundDatabase, context: TaskContext) -> None:
    async with units.unit() as session:
        await publish(session, Rang("bell"))
        await session.execute(
            text(
                "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args) "
                "SELECT queue_name, task_name, args FROM procrastinate.procrastinate_jobs"
            )
        )
    assert await drain(context) == 2
    async with units.unit() as session:
        heard = (await session.scalars(select(CaughtMail.subject))).all()
    assert heard == ["bell"]


async def test_once_adds_no_second_waiting_task(
    session: AsyncSession, context: TaskContext, tmp_path: Path
) -> None:
    path = tmp_path / "pings"
    await defer(session, Ping(str(path), "one"), once="the same")
    await defer(session, Ping(str(path), "two"), once="the same")
    await session.commit()
    assert await drain(context) == 1
    assert path.read_text() == "one 0\n"


def test_a_fault_of_the_input_is_final_and_an_outage_is_not() -> None:
    assert pause_before_retry(Invalid("never"), 0, 8) is None
    first = pause_before_retry(Unavailable("later"), 0, 8)
    later = pause_before_retry(Unavailable("later"), 5, 8)
    assert first is not None
    assert later is not None
    assert first < later
    assert pause_before_retry(Unavailable("later"), 7, 8) is None


async def test_a_dead_letter_says_why_and_can_be_retried_or_discarded(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        await defer(session, Fail("invalid"))
    runner = TaskRunner(own_dsn, TaskContext(database), schedules=False)
    async with runner.app.open_async():
        await runner.app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful")
    async with database.unit() as session:
        (letter,) = (await dead_letters.page(session)).items
        assert letter.name == "pinging.Fail"
        assert "This can never work." in letter.error
        await dead_letters.retry(session, task_id=letter.id)
        assert (await dead_letters.page(session)).items == []
        with pytest.raises(NotFound):
            await dead_letters.discard(session, task_id=letter.id)
    async with runner.app.open_async():
        await runner.app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful")
    async with database.unit() as session:
        (again,) = (await dead_letters.page(session)).items
        await dead_letters.discard(session, task_id=again.id)
        assert (await dead_letters.page(session)).items == []
    await database.close()
