"""The adapters of one process, opened from the settings and closed together."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from civitas.app import wiring
from civitas.app.secrets import instance_secret
from civitas.contracts.site import SiteInfo
from civitas.domains.catalog import base_models
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.readpool import PooledReads
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.port import Imaging
from civitas.infra.limiting.limiter import Limiter, NoLimiter, PostgresLimiter
from civitas.infra.mail.mailer import CatchingMailer, Mailer, SmtpMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.scanners.report import Scanner
from civitas.infra.scanners.scanner import FileScanner
from civitas.infra.settings import CatalogSettings, Settings
from civitas.infra.storage.opening import open_store
from civitas.infra.storage.store import Store


@dataclass
class House:
    """What a process works with."""

    settings: Settings
    dsn: str
    secret: bytes
    database: Database
    reads: PooledReads
    store: Store
    mailer: Mailer
    limiter: Limiter
    imaging: Imaging
    scanner: Scanner
    # Whether a background process runs beside this one, so that tasks need not be run here.
    background: bool = False

    def context(self) -> TaskContext:
        """What tasks of this process may use."""
        return TaskContext(
            self.database,
            {
                Store: self.store,
                Mailer: self.mailer,
                Imaging: self.imaging,
                Scanner: self.scanner,
                Settings: self.settings,
                CatalogSettings: self.settings.catalog,
                SiteInfo: SiteInfo(self.settings.site.name, self.settings.site.base_url or self.local_url()),
            },
        )

    def local_url(self) -> str:
        """Where the site is reached on this machine."""
        host = self.settings.site.host
        shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::"} else host  # noqa: S104
        return f"http://{shown}:{self.settings.site.port}"


def find_dsn(settings: Settings) -> str:
    """The configured database, or the embedded one that `up` runs for this home."""
    if settings.database.url:
        return settings.database.url
    return EmbeddedServer(settings.home, settings.database).address().dsn


@asynccontextmanager
async def open_house(settings: Settings, dsn: str | None = None) -> AsyncIterator[House]:
    """Open every adapter of a process, and close them when the block ends."""
    dsn = dsn or find_dsn(settings)
    wiring.wire()
    if settings.catalog.extra_base_models is not None:
        base_models.use(base_models.load(settings.catalog.extra_base_models))
    secret = instance_secret(settings)
    async with AsyncExitStack() as stack:
        database = Database(dsn, settings.database)
        stack.push_async_callback(database.close)
        reads = PooledReads(dsn, settings.database)
        await reads.open()
        stack.push_async_callback(reads.close)
        base = settings.site.base_url or ""
        store = open_store(settings.storage, settings.home, _derived(secret, b"storage links"), base)
        stack.push_async_callback(store.aclose)
        imaging = PillowImaging(settings.imaging)
        stack.push_async_callback(imaging.aclose)
        yield House(
            settings=settings,
            dsn=dsn,
            secret=secret,
            database=database,
            reads=reads,
            store=store,
            mailer=SmtpMailer(settings.mail) if settings.mail.host else CatchingMailer(database),
            limiter=PostgresLimiter(database) if settings.limits.enabled else NoLimiter(),
            imaging=imaging,
            scanner=FileScanner(settings.scanners),
        )


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """A key for one purpose, so that a leak of one says nothing of the others (HKDF's expand step, RFC 5869)."""
    return hmac.new(secret, purpose + b"\x01", hashlib.sha256).digest()
