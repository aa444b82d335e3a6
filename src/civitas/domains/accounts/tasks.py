"""Mail, and what has to be cleared away."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import keys, leaving, letters, mail_links, signing_in
from civitas.domains.accounts.messages import SendLetter, SendLink
from civitas.domains.accounts.tables import MailToken, Person
from civitas.infra.db.changes import count_changed
from civitas.infra.mail.mailer import Mail, Mailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.kit import clock

# Used and expired links stay a day longer: they count towards how many one address is sent.
LINKS_KEPT = timedelta(days=1)


@handles(SendLink, queue="mail", timeout_s=60)
async def send_link(message: SendLink, context: TaskContext) -> None:
    """Make the secret and mail it. A repetition makes another secret, and the first one stops working."""
    site = context.port(SiteInfo)
    async with context.unit() as session:
        armed = await mail_links.arm(session, message.token_id)
        if armed is None:
            return
        token, secret = armed
        username = await session.scalar(select(Person.username).where(Person.id == token.person_id))
        to, purpose = token.email, token.purpose
        facts = {
            "username": username or str(token.payload.get("username", "")),
            "email": token.email,
            "old": str(token.payload.get("old", "")),
            "new": str(token.payload.get("new", "")),
            "url": letters.link(site, purpose, secret) if purpose in letters.LINK_PATHS else site.base_url,
        }
    await _send(context, to, letters.compose(purpose, site, facts))


@handles(SendLetter, queue="mail", timeout_s=60)
async def send_letter(message: SendLetter, context: TaskContext) -> None:
    """Mail one of the letters that hold no secret."""
    await _send(context, message.to, letters.compose(message.letter, context.port(SiteInfo), message.context))


async def _send(context: TaskContext, to: str, letter: letters.Letter) -> None:
    mailer: Mailer = context.port(Mailer)
    await mailer.send(Mail(to, letter.subject, letter.text, letter.html))


@every("1h")
async def sweep_expired(context: TaskContext) -> None:
    """Delete sessions, half-done sign-ins, mailed links and keys that nobody can use any more."""
    async with context.unit() as session:
        await signing_in.sweep(session)
    async with context.unit() as session:
        await keys.sweep(session)
    async with context.unit() as session:
        await count_changed(session, delete(MailToken).where(MailToken.expires_at < clock.now() - LINKS_KEPT))


@every("1h")
async def forget_departed(context: TaskContext) -> None:
    """Erase what was kept of deleted people for a possible return, once their month is over."""
    while True:
        async with context.unit() as session:
            if not await leaving.forget_due(session):
                return
