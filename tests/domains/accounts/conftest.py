"""Mail for the tests of accounts, and signed-in people."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import sessions
from civitas.domains.accounts.types import Actor
from civitas.infra.db.database import BoundDatabase
from civitas.infra.mail.mailer import Mail, Mailer, MemoryMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain

SECRET = b"an instance's secret key, 32 bytes+"
SITE = SiteInfo("Testhub", "https://hub.example.org")


@dataclass
class Post:
    """The mail that the waiting tasks send, delivered on demand."""

    context: TaskContext
    mailer: MemoryMailer = field(default_factory=MemoryMailer)

    async def deliver(self) -> list[Mail]:
        """Run the waiting tasks; the mails they sent just now."""
        before = len(self.mailer.sent)
        await drain(self.context)
        return self.mailer.sent[before:]

    async def secret(self) -> str:
        """The secret in the only mail that waits."""
        (mail,) = await self.deliver()
        return secret_in(mail)


def secret_in(mail: Mail) -> str:
    """The secret in a mail's link."""
    found = re.search(r"[?&]token=([A-Za-z0-9_-]+)", mail.text)
    assert found is not None, mail.text
    return found[1]


@pytest.fixture
def post(units: BoundDatabase) -> Post:
    """The mail of one test."""
    mailer = MemoryMailer()
    return Post(TaskContext(units, {Mailer: mailer, SiteInfo: SITE}), mailer)


SignIn = Callable[[int], Awaitable[Actor]]


@pytest.fixture
def sign_in(session: AsyncSession) -> SignIn:
    """Open a real session of a person; the actor."""

    async def open_it(person_id: int) -> Actor:
        return (await sessions.open_session(session, person_id, method="password")).actor

    return open_it


@pytest.fixture
async def ada(session: AsyncSession, sign_in: SignIn) -> Actor:
    """A signed-in person called Ada."""
    return await sign_in(await make_person(session, "Ada"))


@pytest.fixture
async def bob(session: AsyncSession, sign_in: SignIn) -> Actor:
    """A signed-in person called Bob."""
    return await sign_in(await make_person(session, "Bob"))
