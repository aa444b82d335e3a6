"""Sending one mail."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt
from civitas.infra.db.database import Units
from civitas.infra.mail.settings import MailSettings
from civitas.kit.errors import Unavailable

SMTP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One message: plain text always, HTML when there is a template."""

    to: str
    subject: str
    text: str
    html: str | None = None
    # Further header fields, such as how to unsubscribe.
    headers: Mapping[str, str] = field(default_factory=dict)


class Mailer(Protocol):
    """Takes mail off our hands."""

    async def send(self, mail: Mail) -> None:
        """Hand over one mail; Unavailable when it could not be, so that the task tries again."""


class CaughtMail(Base):
    """Mail of an instance without SMTP, shown on the development mailbox page."""

    __tablename__ = "caught_mails"

    id: Mapped[BigId]
    recipient: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str | None]
    created_at: Mapped[CreatedAt]


@dataclass(frozen=True)
class SmtpMailer:
    """Hands mail to the operator's SMTP server."""

    settings: MailSettings

    async def send(self, mail: Mail) -> None:
        """See Mailer; the recipient's refusal is final at the server and is not retried by us."""
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.settings.sender, mail.to, mail.subject
        for name, value in mail.headers.items():
            message[name] = value
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        try:
            with self._connect() as server:
                if self.settings.username and self.settings.password:
                    server.login(self.settings.username, self.settings.password.get_secret_value())
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused:
            return
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                f"The mail server did not take the mail: {error}", code="mail_unavailable"
            ) from error

    def _connect(self) -> smtplib.SMTP:
        host, port = self.settings.host or "localhost", self.settings.port
        if self.settings.encryption == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT_S, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_S)
        if self.settings.encryption == "starttls":
            server.starttls(context=ssl.create_default_context())
        return server


@dataclass(frozen=True)
class CatchingMailer:
    """Keeps mail in the database for the mailbox page."""

    units: Units

    async def send(self, mail: Mail) -> None:
        """See Mailer."""
        async with self.units.unit() as session:
            session.add(CaughtMail(recipient=mail.to, subject=mail.subject, text=mail.text, html=mail.html))

    async def latest(self, limit: int = 50) -> list[CaughtMail]:
        """The newest mails first."""
        async with self.units.reading() as session:
            found = await session.scalars(select(CaughtMail).order_by(CaughtMail.id.desc()).limit(limit))
            return list(found)

    async def count(self) -> int:
        """How many are kept."""
        async with self.units.reading() as session:
            return int(await session.scalar(select(func.count()).select_from(CaughtMail)) or 0)


@dataclass
class MemoryMailer:
    """The fake: remembers what was sent."""

    sent: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        """See Mailer."""
        self.sent.append(mail)
