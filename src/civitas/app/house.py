"""The adapters of one process, opened from the settings and closed together."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parseaddr

from civitas.app import wiring
from civitas.app.secrets import instance_secret
from civitas.contracts.site import SiteInfo
from civitas.domains.buzz.buying.codes import CodeKey
from civitas.domains.buzz.earning import house_adverts
from civitas.domains.buzz.economy import economy
from civitas.domains.catalog import base_models
from civitas.domains.community.notifications.digests import DigestKey
from civitas.domains.gallery import tools
from civitas.domains.orchestration.delivering import addresses
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.studio import blocking, prompt_rules
from civitas.infra.db.database import Database, Units
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.readpool import PooledReads, ReadPool
from civitas.infra.db.writepool import WritePool
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.port import Imaging
from civitas.infra.limiting.limiter import Limiter, NoLimiter, PostgresLimiter
from civitas.infra.mail.mailer import CatchingMailer, Mailer, SmtpMailer
from civitas.infra.media.intake import Intake
from civitas.infra.media.moving import AvMoving, Moving
from civitas.infra.media.rating import rater_for
from civitas.infra.media.settings import MediaSettings
from civitas.infra.outbound.guard import CallbackClient, MediaClient, OutboundSettings, PushClient
from civitas.infra.outbound.settings import CallbackSettings, PushSettings
from civitas.infra.payments.opening import open_providers
from civitas.infra.payments.port import Providers
from civitas.infra.payouts.port import ManualPayouts, Payouts
from civitas.infra.payouts.stripe_connect import StripeConnect
from civitas.infra.queue.context import TaskContext
from civitas.infra.scanners.report import Scanner
from civitas.infra.scanners.scanner import FileScanner
from civitas.infra.search import asking
from civitas.infra.search.asking import SocketIndex
from civitas.infra.settings import CatalogSettings, Settings
from civitas.infra.storage.opening import open_store
from civitas.infra.storage.store import Store
from civitas.kit.webpush import VapidKey


@dataclass
class House:
    """What a process works with."""

    settings: Settings
    dsn: str
    secret: bytes
    database: Database
    reads: PooledReads
    writes: WritePool
    store: Store
    mailer: Mailer
    limiter: Limiter
    imaging: Imaging
    scanner: Scanner
    payments: Providers = field(default_factory=Providers)
    # Whether a background process runs beside this one, so that tasks need not be run here.
    background: bool = False
    payouts: Payouts = field(default_factory=ManualPayouts)
    index: SocketIndex | None = None

    def context(self) -> TaskContext:
        """What tasks of this process may use."""
        return TaskContext(
            self.database,
            {
                Store: self.store,
                WritePool: self.writes,
                ReadPool: self.reads,
                Mailer: self.mailer,
                Imaging: self.imaging,
                Scanner: self.scanner,
                Providers: self.payments,
                CodeKey: CodeKey.derived(self.secret),
                DigestKey: DigestKey.derived(self.secret),
                Payouts: self.payouts,
                Settings: self.settings,
                CatalogSettings: self.settings.catalog,
                CallbackSettings: self.settings.callbacks,
                CallbackClient: CallbackClient(
                    OutboundSettings(frozenset(self.settings.callbacks.development_hosts)),
                    timeout_s=self.settings.callbacks.timeout_s,
                ),
                PushSettings: self.push_settings(),
                PushClient: PushClient(
                    OutboundSettings(frozenset(self.settings.push.development_hosts)),
                    timeout_s=self.settings.push.timeout_s,
                ),
                VapidKey: VapidKey.derived(self.secret),
                MediaSettings: self.settings.media,
                MediaClient: MediaClient(OutboundSettings(frozenset(self.settings.media.development_hosts))),
                Intake: self.intake(),
                Moving: AvMoving(self.settings.media),
                CallbackKey: CallbackKey(self.secret),
                MediaLinks: MediaLinks.derived(self.secret, self.settings.site.base_url or self.local_url()),
                SiteInfo: SiteInfo(self.settings.site.name, self.settings.site.base_url or self.local_url()),
            },
        )

    def intake(self) -> Intake:
        """What takes in media of strangers."""
        media = self.settings.media
        return Intake(self.store, self.imaging, rater_for(media), media)

    def push_settings(self) -> PushSettings:
        """How pushes are sent, with an address that push services accept."""
        push, base = self.settings.push, self.settings.site.base_url or ""
        if push.contact:
            return push
        sender = parseaddr(self.settings.mail.sender)[1]
        contact = base if base.startswith("https://") else f"mailto:{sender}"
        return push.model_copy(update={"contact": contact})

    def local_url(self) -> str:
        """Where the site is reached on this machine."""
        host = self.settings.site.host
        shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::"} else host  # noqa: S104
        return f"http://{shown}:{self.settings.site.port}"


def open_index(settings: Settings) -> SocketIndex | None:
    """The asking end of the index in memory; None when it is switched off."""
    if not settings.index.enabled:
        return None
    return SocketIndex(settings.index.path(settings.home), timeout_s=settings.index.timeout_ms / 1000)


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
    addresses.use(settings.callbacks.development_hosts)
    economy.use(economy.load(settings.buzz.economy) if settings.buzz.economy is not None else None)
    house_adverts.use(house_adverts.load(settings.adverts.file) if settings.adverts.file is not None else ())
    tools.use(settings.gallery.extra_tools)
    blocking.use(prompt_rules.load(settings.studio.prompt_rules))
    secret = instance_secret(settings)
    async with AsyncExitStack() as stack:
        database = Database(dsn, settings.database)
        stack.push_async_callback(database.close)
        reads = PooledReads(dsn, settings.database)
        await reads.open()
        stack.push_async_callback(reads.close)
        writes = WritePool(dsn, settings.database)
        stack.push_async_callback(writes.close)
        base = settings.site.base_url or ""
        store = open_store(settings.storage, settings.home, _derived(secret, b"storage links"), base)
        stack.push_async_callback(store.aclose)
        index = open_index(settings)
        if index is not None:
            stack.push_async_callback(index.aclose)
        asking.use(index)
        stack.callback(asking.use, None)
        imaging = PillowImaging(settings.imaging)
        stack.push_async_callback(imaging.aclose)
        payouts: Payouts = ManualPayouts()
        if settings.payouts.stripe_key is not None:
            payouts = connect = StripeConnect(settings.payouts)
            stack.push_async_callback(connect.aclose)
        yield House(
            payouts=payouts,
            index=index,
            settings=settings,
            dsn=dsn,
            secret=secret,
            database=database,
            reads=reads,
            writes=writes,
            store=store,
            mailer=SmtpMailer(settings.mail) if settings.mail.host else CatchingMailer(database),
            limiter=PostgresLimiter(database) if settings.limits.enabled else NoLimiter(),
            imaging=imaging,
            scanner=FileScanner(settings.scanners),
            payments=payment_providers(settings, database, secret),
        )


def payment_providers(settings: Settings, units: Units, secret: bytes) -> Providers:
    """The ways to pay that the settings ask for."""
    return open_providers(
        settings.payments,
        units=units,
        secret=_derived(secret, b"development payments"),
        development=settings.site.development,
        crypto_fee_cents=economy.current().money.crypto_fee_cents,
    )


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """A key for one purpose, so that a leak of one says nothing of the others (HKDF's expand step, RFC 5869)."""
    return hmac.new(secret, purpose + b"\x01", hashlib.sha256).digest()
