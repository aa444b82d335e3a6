"""Messages, events and handlers that the queue's tests use, in this process and in others."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app import wiring
from civitas.infra.db.database import Database
from civitas.infra.mail.mailer import CaughtMail
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import handles, on
from civitas.infra.queue.running import TaskRunner
from civitas.kit.errors import Invalid, Unavailable


@dataclass(frozen=True)
class Ping:
    """Append a line to a file."""

    path: str
    word: str


@dataclass(frozen=True)
class Hang:
    """Append a line, then never end."""

    path: str


@dataclass(frozen=True)
class Fail:
    """Raise."""

    how: str


@dataclass(frozen=True)
class Rang:
    """A fact."""

    word: str


@handles(Ping)
async def ping(message: Ping, context: TaskContext) -> None:
    """Write the word and the attempt."""
    with Path(message.path).open("a") as sink:
        sink.write(f"{message.word} {context.attempt}\n")


@handles(Hang)
async def hang(message: Hang, context: TaskContext) -> None:
    """Hang in the first attempt; in a later one say so."""
    with Path(message.path).open("a") as sink:
        sink.write(f"hang {context.attempt}\n")
    if context.attempt == 0:
        await asyncio.sleep(3600)


@handles(Fail, attempts=3)
async def fail(message: Fail, context: TaskContext) -> None:
    """Fail as told."""
    if message.how == "invalid":
        raise Invalid("This can never work.")
    raise Unavailable("This may work later.")


@on(Rang)
async def keep_mail(session: AsyncSession, event: Rang) -> None:
    """Leave a row behind."""
    session.add(CaughtMail(recipient="listener@example.org", subject=event.word, text="rang"))


async def commit_and_die(dsn: str, path: str) -> None:
    """Commit a row and its task together, then be killed before anything else can happen."""
    database = Database(dsn)
    async with database.unit() as session:
        session.add(CaughtMail(recipient="outbox@example.org", subject="committed", text="x"))
        await defer(session, Ping(path, "after the crash"))
    os.kill(os.getpid(), signal.SIGKILL)


async def die_before_commit(dsn: str, path: str) -> None:
    """Be killed with the row and the task written but not committed."""
    database = Database(dsn)
    async with database.unit() as session:
        session.add(CaughtMail(recipient="outbox@example.org", subject="never", text="x"))
        await defer(session, Ping(path, "must not run"))
        await session.flush()
        os.kill(os.getpid(), signal.SIGKILL)


async def run_tasks(dsn: str, _: str) -> None:
    """Run tasks until killed."""
    await TaskRunner(dsn, TaskContext(Database(dsn)), schedules=False).run()


if __name__ == "__main__":
    # Run as a module, this file is __main__; import it by its name so that messages keep theirs.
    from tests.infra.queue import pinging

    wiring.wire()
    asyncio.run(getattr(pinging, sys.argv[1])(*sys.argv[2:]))
