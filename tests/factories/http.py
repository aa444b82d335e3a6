"""The whole app in this process over one test's connection, and browsers and keys to call it with."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.types import ASGIApp
from tests.factories.accounts import make_key

from civitas.app.house import House, payment_providers
from civitas.app.web import create_app
from civitas.domains.accounts import sessions
from civitas.domains.accounts.types import Scope
from civitas.faces.http import csrf
from civitas.faces.http.sessions import SESSION
from civitas.faces.http.state import State
from civitas.infra.db.database import BoundDatabase
from civitas.infra.db.readpool import BoundReads
from civitas.infra.db.writepool import WritePool
from civitas.infra.imaging.fake import FakeImaging
from civitas.infra.limiting.limiter import NoLimiter
from civitas.infra.mail.mailer import Mail, MemoryMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.scanners.scanner import PresetScanner
from civitas.infra.settings import Settings
from civitas.infra.storage.memory import MemoryStore

ORIGIN = "http://localhost:8000"
# How http.cookiejar calls a host without a dot.
COOKIE_HOST = "localhost.local"
HTML = {"accept": "text/html,application/xhtml+xml"}
HTMX = {"hx-request": "true"}
_META = re.compile(r'<meta name="csrf-token" content="([0-9a-f]+)"')


class Client(httpx.AsyncClient):
    """A browser, or a program with a key, in front of the app. Redirects are not followed by themselves."""

    app: FastAPI
    house: House

    @property
    def state(self) -> State:
        """The adapters that the handlers see."""
        return cast(State, self.app.state.civitas)

    @property
    def store(self) -> MemoryStore:
        """The storage."""
        return cast(MemoryStore, self.house.store)

    @property
    def mails(self) -> list[Mail]:
        """What was mailed so far; `run_tasks` sends what waits."""
        return cast(MemoryMailer, self.house.mailer).sent

    @property
    def context(self) -> TaskContext:
        """What the tasks of this app get."""
        return self.house.context()

    async def run_tasks(self) -> int:
        """Run everything that waits, here and now; how many tasks ran."""
        return await drain(self.context)

    async def sign_in(self, person_id: int, *, method: str = "password") -> str:
        """Be this person's browser from now on: session cookie, and the CSRF header on every request."""
        async with self.house.database.unit() as session:
            opened = await sessions.open_session(session, person_id, method=method)
        self.cookies.set(SESSION, opened.token, domain=COOKIE_HOST)
        return self.refresh_csrf()

    def sign_out(self) -> None:
        """Be a stranger's new browser."""
        self.cookies.clear()
        self.headers.pop(csrf.HEADER, None)
        self.headers.pop("authorization", None)

    def remember(self) -> list[Cookie]:
        """The cookies of this browser, for `recall` after it was somebody else's."""
        return list(self.cookies.jar)

    def recall(self, cookies: list[Cookie]) -> None:
        """Be an earlier browser again, with the CSRF token that fits."""
        self.cookies.clear()
        for cookie in cookies:
            self.cookies.jar.set_cookie(cookie)
        self.refresh_csrf()

    async def use_key(self, person_id: int, *, scopes: Scope = Scope.FULL, days: float | None = None) -> str:
        """Be a program with a new key of this person from now on; its secret."""
        async with self.house.database.unit() as session:
            secret = await make_key(session, person_id, scopes=scopes, days=days)
        self.headers["authorization"] = f"Bearer {secret}"
        return secret

    def refresh_csrf(self) -> str:
        """Take the token that fits the present cookies, and send it as a header from now on."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies.jar)
        scope = {"type": "http", "app": self.app, "headers": [(b"cookie", cookies.encode())]}
        token = csrf.token_for(Request(scope))
        self.headers[csrf.HEADER] = token
        return token

    async def page(self, path: str, **params: Any) -> httpx.Response:
        """GET a page as a browser does, and take the visitor cookie and the CSRF token that come with it."""
        response = await self.get(path, headers=HTML, params=params or None)
        found = _META.search(response.text)
        if found:
            self.headers[csrf.HEADER] = found.group(1)
        return response

    async def submit(self, path: str, **fields: Any) -> httpx.Response:
        """POST a form as a browser does."""
        return await self.post(path, headers=HTML, data=fields)


def make_settings(home: Path, **changes: Any) -> Settings:
    """The defaults of an instance on this machine, with `changes` by section."""
    return Settings(home=home, **changes)


@asynccontextmanager
async def serving(
    units: BoundDatabase, connection: AsyncConnection, settings: Settings
) -> AsyncIterator[Client]:
    """The app over fakes and the given connection, and a client for it."""
    driver = (await connection.get_raw_connection()).driver_connection
    house = House(
        settings=settings,
        dsn="",
        secret=b"a secret for tests only, 32 bytes",
        database=cast(Any, units),
        reads=cast(Any, BoundReads(cast(Any, driver))),
        # Commits by itself, so that a test which needs it has a database of its own.
        writes=WritePool(""),
        store=MemoryStore(),
        mailer=MemoryMailer(),
        limiter=NoLimiter(),
        imaging=FakeImaging(settings.imaging),
        scanner=PresetScanner(),
    )
    house.payments = payment_providers(settings, house.database, house.secret)

    key = settings.model_dump_json(exclude={"home"})
    outer, inner, tenants = spare = _APPS[key].pop() if _APPS[key] else _make_app(settings)
    tenants.append(house)
    async with (
        inner.router.lifespan_context(inner),
        Client(transport=httpx.ASGITransport(outer), base_url=ORIGIN) as client,
    ):
        client.app, client.house = inner, house
        yield client
    _APPS[key].append(spare)


# Routes are built on an app's first requests, which takes longer than most tests: apps of equal settings are used
# again, each time with another house.
_APPS: dict[str, list[tuple[ASGIApp, FastAPI, list[House]]]] = defaultdict(list)


def _make_app(settings: Settings) -> tuple[ASGIApp, FastAPI, list[House]]:
    tenants: list[House] = []

    @asynccontextmanager
    async def open_house() -> AsyncIterator[House]:
        yield tenants.pop()

    outer = create_app(settings, open_house, tune=False)
    inner: Any = outer
    while not isinstance(inner, FastAPI):
        inner = inner.app
    return outer, inner, tenants
