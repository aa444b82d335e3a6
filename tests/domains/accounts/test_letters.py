"""What our mails say, and that they go out."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import SITE, Post
from tests.factories.accounts import make_person

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import addresses, letters, mail_links, sessions, tasks
from civitas.domains.accounts.messages import SendLetter, SendLink
from civitas.domains.accounts.tables import MailToken, PersonSession
from civitas.infra.queue.registry import REGISTRY
from civitas.kit import clock

HOSTILE = '<img src=x onerror="alert(1)">\r\nBcc: victim@example.org {site} %s \u202e'
FACTS = ("username", "detail", "email", "old", "new", "worth", "message", "code", "subject", "told", "label")
CONTEXT = dict.fromkeys(FACTS, HOSTILE) | {
    "url": "https://hub.example.org/x?token=a&end=old",
    "path": "/x",
}


@pytest.mark.parametrize("name", sorted(letters.NAMES))
def test_every_letter_bears_hostile_facts(name: str) -> None:
    letter = letters.compose(name, SiteInfo("Hub & <Co>", "https://hub.example.org"), CONTEXT)
    assert "\n" not in letter.subject and len(letter.subject) > 5
    assert "<img" not in letter.html and "<Co>" not in letter.html
    assert letter.text.endswith("\n") and "https://hub.example.org" in letter.text
    assert not re.search(r"^Bcc:", letter.text, re.MULTILINE) and "\u202e" not in letter.text
    message = EmailMessage()
    message["Subject"] = letter.subject
    message.set_content(letter.text)


@pytest.mark.parametrize("name", sorted(letters.NAMES))
def test_every_letter_reads_without_a_name(name: str) -> None:
    context = dict.fromkeys(CONTEXT, "") | {"url": "https://hub.example.org/x"}
    letter = letters.compose(name, SITE, context)
    assert letter.text.startswith("Hello,\n") and "{" not in letter.text


def test_every_purpose_has_a_letter_and_every_link_a_page() -> None:
    assert {purpose.value for purpose in mail_links.Purpose} <= letters.NAMES
    assert set(letters.LINK_PATHS) == {purpose.value for purpose in mail_links.Purpose} - {"join_again"}
    assert letters.link(SITE, "change_old", "s") == (
        "https://hub.example.org/account/email/confirm?token=s&end=old"
    )


def test_an_unknown_letter_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        letters.compose("nonsense", SITE, {})


async def test_a_repeated_task_sends_a_new_secret_and_voids_the_first(
    session: AsyncSession, post: Post
) -> None:
    person = await make_person(session, "Ada", email="ada@example.org")
    await mail_links.request(
        session, mail_links.Purpose.SIGN_IN, addresses.read("ada@example.org"), person_id=person
    )
    first = await post.secret()
    token_id = await session.scalar(select(func.max(MailToken.id)))
    await tasks.send_link(SendLink(token_id=int(token_id or 0)), post.context)
    assert await mail_links.look(session, mail_links.Purpose.SIGN_IN, first) is None
    await tasks.send_link(SendLink(token_id=2**61), post.context)
    assert len(post.mailer.sent) == 2


async def test_letters_without_secrets_go_out(session: AsyncSession, post: Post) -> None:
    message = SendLetter(to="a@example.org", letter="left", context={"username": "Ada"})
    await tasks.send_letter(message, post.context)
    (mail,) = post.mailer.sent
    assert (mail.to, mail.subject) == ("a@example.org", "Your account at Testhub was deleted")
    assert mail.html is not None and mail.html.startswith("<!doctype html>")


async def test_the_sweep_clears_what_expired(session: AsyncSession, post: Post) -> None:
    person = await make_person(session)
    await sessions.open_session(session, person, method="password")
    await session.execute(update(PersonSession).values(expires_at=clock.now() - timedelta(seconds=1)))
    address = addresses.read("x@example.org")
    await mail_links.request(session, mail_links.Purpose.JOIN, address, person_id=None)
    await tasks.sweep_expired(post.context)
    assert await session.scalar(select(func.count()).select_from(PersonSession)) == 0
    assert await session.scalar(select(func.count()).select_from(MailToken)) == 1
    with clock.held_at(clock.now() + timedelta(days=3)):
        await tasks.sweep_expired(post.context)
    assert await session.scalar(select(func.count()).select_from(MailToken)) == 0
    await tasks.forget_departed(post.context)


def test_the_sweeps_are_scheduled() -> None:
    assert {"accounts.sweep_expired", "accounts.forget_departed"} <= set(REGISTRY.schedules)
