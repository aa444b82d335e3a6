"""Background work of notifications: audiences in batches, mails, pushes, letting go of what is old."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from civitas.contracts.site import SiteInfo
from civitas.domains.community.notifications import delivering, digest_letters, digests, pushing
from civitas.domains.community.notifications.digests import DigestKey
from civitas.domains.community.notifications.messages import FanOut, MailDigest, SendPushes
from civitas.domains.community.notifications.pushing import DuePush, PushEnd
from civitas.infra.mail.mailer import Mail, Mailer
from civitas.infra.outbound.guard import PushClient
from civitas.infra.outbound.settings import PushSettings
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.kit import clock
from civitas.kit.errors import Fault
from civitas.kit.webpush import Keys, VapidKey, encrypt

BATCH: Final = 200


@handles(FanOut)
async def fan_out(message: FanOut, context: TaskContext) -> None:
    """Tell an audience batch by batch; whoever was told before a crash is not told again."""
    place: tuple[datetime, int] | None = None
    while True:
        async with context.unit() as session:
            place = await delivering.tell_batch(session, message, place)
        if place is None:
            return


@every("1d")
async def sweep_notifications(context: TaskContext) -> None:
    """Let go of what nobody looks for any more."""
    while True:
        async with context.unit() as session:
            if await delivering.sweep(session) < delivering.BATCH:
                break
    while True:
        async with context.unit() as session:
            if await pushing.sweep(session, limit=delivering.BATCH) < delivering.BATCH:
                return


@every("0 7 * * *")
async def send_digests(context: TaskContext) -> None:
    """Let everybody who wants it, and has something unread, have their mail of the day."""
    while True:
        async with context.unit() as session:
            if await digests.claim(session) < digests.BATCH:
                return


@handles(MailDigest, queue="mail", timeout_s=60)
async def mail_digest(message: MailDigest, context: TaskContext) -> None:
    """Mail what is still unread, to whoever still wants it; a repetition after the server took it mails again."""
    async with context.reading() as session:
        digest = await digests.of(
            session,
            person_id=message.person_id,
            since=datetime.fromisoformat(message.since),
            until=datetime.fromisoformat(message.until),
        )
    if digest is None:
        return
    key: DigestKey = context.port(DigestKey)
    letter = digest_letters.compose(digest, context.port(SiteInfo), key.token(message.person_id))
    mailer: Mailer = context.port(Mailer)
    await mailer.send(Mail(digest.email, letter.subject, letter.text, letter.html, letter.headers))


@handles(SendPushes, queue="push", timeout_s=900)
async def send_pushes(message: SendPushes, context: TaskContext) -> None:
    """Send what waits; each is somebody's for two minutes, so tasks side by side send nothing twice."""
    await _send_due(context)


@every("1m")
async def look_for_pushes(context: TaskContext) -> None:
    """Send again what a push service could not take, or a killed process had in hand."""
    await _send_due(context)


async def _send_due(context: TaskContext) -> None:
    settings: PushSettings = context.port(PushSettings)
    if not settings.enabled:
        return
    site: SiteInfo = context.port(SiteInfo)
    room = asyncio.Semaphore(settings.at_once)
    while True:
        async with context.unit() as session:
            batch = await pushing.take(session, site=site.name, limit=BATCH)

        async def sent(due: DuePush) -> PushEnd:
            async with room:
                return await _push(due, context, settings)

        ends = await asyncio.gather(*(sent(due) for due in batch.dues))
        async with context.unit() as session:
            await pushing.record(session, ends, until=batch.until)
        if not batch.more:
            return


async def _push(due: DuePush, context: TaskContext, settings: PushSettings) -> PushEnd:
    """One try (RFC 8030, section 5); whatever happens is an answer."""
    letter, key = due.letter, context.port(VapidKey)
    client: PushClient = context.port(PushClient)
    headers = {
        "authorization": key.authorization(due.to.endpoint, contact=settings.contact, now=clock.now()),
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(letter.ttl),
        "urgency": letter.urgency,
        "topic": letter.topic,
    }
    body = encrypt(letter.body, Keys.read(due.to.p256dh, due.to.auth))
    try:
        async with asyncio.timeout(settings.timeout_s):
            async with client.stream(
                due.to.endpoint, method="POST", headers=headers, content=body, redirects=0
            ) as response:
                return pushing.judged(due, response.status_code, _patience(response))
    except (TimeoutError, Fault, httpx.HTTPError):
        return pushing.judged(due, None)


def _patience(response: httpx.Response) -> float:
    """Seconds that Retry-After asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    asked = response.headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 9:
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return 0.0
