"""Background work of notifications: audiences in batches, letting go of what is old."""

from __future__ import annotations

from datetime import datetime

from civitas.contracts.site import SiteInfo
from civitas.domains.community.notifications import delivering, digest_letters, digests
from civitas.domains.community.notifications.digests import DigestKey
from civitas.domains.community.notifications.messages import FanOut, MailDigest
from civitas.infra.mail.mailer import Mail, Mailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles


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
