"""Mail by SMTP and mail that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from civitas.infra.db.database import BoundDatabase
from civitas.infra.mail.mailer import CatchingMailer, Mail, SmtpMailer
from civitas.infra.mail.settings import MailSettings
from civitas.kit.errors import Unavailable

MAIL = Mail(
    "ada@example.org",
    "Grüße",
    "Plain text.",
    "<p>With form.</p>",
    {"List-Unsubscribe": "<https://example.org/out>"},
)


@asynccontextmanager
async def post_office(refuse: bytes | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that speaks enough SMTP (RFC 5321) to take or refuse one mail."""
    heard: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 office\r\n")
        inside = False
        while line := await reader.readline():
            text = line.decode().rstrip("\r\n")
            heard.append(text)
            if inside:
                inside = text != "."
                if not inside:
                    writer.write(b"250 kept\r\n")
            elif text.upper() == "DATA":
                inside = True
                writer.write(b"354 go on\r\n")
            elif text.upper().startswith("EHLO"):
                writer.write(b"250-office\r\n250 AUTH PLAIN LOGIN\r\n")
            elif text.upper().startswith("RCPT") and refuse:
                writer.write(refuse)
            elif text.upper() == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"235 ok\r\n" if text.upper().startswith("AUTH") else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def settings(port: int) -> MailSettings:
    return MailSettings(
        host="127.0.0.1", port=port, encryption="none", username="civitas", password=SecretStr("secret"),
        sender="Civitas <hub@example.org>",
    )  # fmt: skip


async def test_a_mail_goes_out_with_both_bodies() -> None:
    async with post_office() as (port, heard):
        await SmtpMailer(settings(port)).send(MAIL)
    assert any(line.lower().startswith("mail from:<hub@example.org>") for line in heard)
    assert any(line.lower().startswith("rcpt to:<ada@example.org>") for line in heard)
    assert any(line.upper().startswith("AUTH") for line in heard)
    assert any("multipart/alternative" in line for line in heard)
    assert "Plain text." in heard
    assert "List-Unsubscribe: <https://example.org/out>" in heard


async def test_a_refused_recipient_is_not_tried_again() -> None:
    async with post_office(refuse=b"550 nobody here\r\n") as (port, heard):
        await SmtpMailer(settings(port)).send(MAIL)
    assert "data" not in [line.lower() for line in heard]


async def test_a_silent_server_is_unavailable_so_that_the_task_tries_again() -> None:
    async with post_office() as (port, _):
        pass
    with pytest.raises(Unavailable):
        await SmtpMailer(settings(port)).send(MAIL)


async def test_without_a_server_mail_is_kept_for_the_mailbox(units: BoundDatabase) -> None:
    mailer = CatchingMailer(units)
    await mailer.send(MAIL)
    await mailer.send(Mail("bob@example.org", "Second", "x"))
    assert [kept.subject for kept in await mailer.latest()] == ["Second", "Grüße"]
    assert await mailer.count() == 2
