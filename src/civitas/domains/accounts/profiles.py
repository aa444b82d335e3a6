"""What a person tells about themselves, and what they are called (FEATURES A2, A6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonRenamed, ProfileChanged
from civitas.domains.accounts import usernames
from civitas.domains.accounts.tables import BlocklistEntry, Person, Profile
from civitas.domains.accounts.types import Actor, Scope
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid
from civitas.kit.text import clean_block, clean_line

LONGEST_BIO, LONGEST_MESSAGE, LONGEST_LOCATION = 400, 1200, 30
MOST_LINKS, LONGEST_URL, LONGEST_LABEL = 20, 300, 60
# What a profile's front shows, in this order unless the person has chosen theirs.
SECTIONS = (
    "showcase", "popular", "models", "images", "posts", "articles", "collections", "reviews",
)  # fmt: skip
# What can be pinned to a profile, and how much.
PINNABLE = ("model", "image", "post", "article", "collection")
MOST_PINNED = 32


class LinkKind(StrEnum):
    """What a link on a profile is for; the words are those of existing clients."""

    SPONSORSHIP = "Sponsorship"
    SOCIAL = "Social"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class ProfileLink:
    """One link on a profile."""

    kind: LinkKind
    url: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ProfileEdit:
    """What to change; None leaves a field as it is, an empty text clears it."""

    bio: str | None = None
    pinned_message: str | None = None
    location: str | None = None
    links: Sequence[ProfileLink] | None = None
    sections: Sequence[str] | None = None
    # What is pinned: (kind, id) pairs in their order.
    showcase: Sequence[tuple[str, int]] | None = None


@dataclass(frozen=True, slots=True)
class ProfileText:
    """What a person tells about themselves."""

    bio: str = ""
    pinned_message: str = ""
    location: str = ""
    cover_key: str | None = None
    links: tuple[ProfileLink, ...] = ()
    sections: tuple[str, ...] = field(default=SECTIONS)
    showcase: tuple[tuple[str, int], ...] = ()
    updated_at: datetime | None = None


async def text_of(session: AsyncSession, person_id: int) -> ProfileText:
    """A person's texts; empty ones when they have written none."""
    found = (
        await session.execute(
            select(
                Profile.bio,
                Profile.pinned_message,
                Profile.location,
                Profile.cover_key,
                Profile.links,
                Profile.layout,
                Profile.updated_at,
            ).where(Profile.person_id == person_id)
        )
    ).first()
    if found is None:
        return ProfileText()
    return ProfileText(
        bio=found.bio,
        pinned_message=found.pinned_message,
        location=found.location,
        cover_key=found.cover_key,
        links=tuple(ProfileLink(LinkKind(link["kind"]), link["url"], link["label"]) for link in found.links),
        sections=tuple(found.layout.get("sections", SECTIONS)),
        showcase=tuple((kind, number) for kind, number in found.layout.get("showcase", ())),
        updated_at=found.updated_at,
    )


async def edit(session: AsyncSession, actor: Actor, *, changes: ProfileEdit) -> ProfileText:
    """Change the actor's texts. They are plain text; the pages show them as such.

    Raises Invalid with every wrong field named, Forbidden (`muted`).
    """
    person_id = _writer(actor)
    values, fields = _read(changes)
    if "links" in values and not fields and await _unwelcome(session, changes.links or ()):
        fields["links"] = "One of these sites cannot be linked here."
    if fields:
        raise Invalid("This profile cannot be saved as it is.", code="bad_profile", fields=fields)
    if changes.sections is not None or changes.showcase is not None:
        values["layout"] = await _layout(session, person_id, changes)
    if values:
        await _write(session, person_id, **values)
    return await text_of(session, person_id)


def _read(changes: ProfileEdit) -> tuple[dict[str, object], dict[str, str]]:
    values: dict[str, object] = {}
    fields: dict[str, str] = {}
    texts = (
        ("bio", changes.bio, LONGEST_BIO),
        ("pinned_message", changes.pinned_message, LONGEST_MESSAGE),
        ("location", changes.location, LONGEST_LOCATION),
    )
    for name, given, longest in texts:
        if given is None:
            continue
        clean = clean_line(given[:20_000]) if name == "location" else clean_block(given[:20_000])
        if len(clean) > longest:
            fields[name] = f"Use at most {longest} characters."
        values[name] = clean
    if changes.links is not None:
        told = _wrong_links(changes.links)
        if told:
            fields["links"] = told
        values["links"] = [
            {"kind": link.kind.value, "url": link.url.strip(), "label": clean_line(link.label[:500])}
            for link in changes.links[:MOST_LINKS]
        ]
    chosen = changes.sections
    if chosen is not None and (len(set(chosen)) != len(chosen) or not set(chosen) <= set(SECTIONS)):
        fields["sections"] = f"Choose from {', '.join(SECTIONS)}, each once."
    if changes.showcase is not None and _wrong_pins(changes.showcase):
        fields["showcase"] = f"Pin at most {MOST_PINNED} things, each once: {', '.join(PINNABLE)}."
    return values, fields


def _wrong_pins(pins: Sequence[tuple[str, int]]) -> bool:
    return (
        len(pins) > MOST_PINNED
        or len(set(pins)) != len(pins)
        or any(kind not in PINNABLE or not 0 < number < 2**63 for kind, number in pins)
    )


async def _layout(session: AsyncSession, person_id: int, changes: ProfileEdit) -> dict[str, object]:
    """How the front is arranged, with what changes of it."""
    before = await session.scalar(select(Profile.layout).where(Profile.person_id == person_id))
    layout = dict(before or {})
    if changes.sections is not None:
        layout["sections"] = list(changes.sections)
    if changes.showcase is not None:
        layout["showcase"] = [[kind, number] for kind, number in changes.showcase]
    return layout


def _wrong_links(links: Sequence[ProfileLink]) -> str:
    if len(links) > MOST_LINKS:
        return f"Use at most {MOST_LINKS} links."
    for link in links:
        if _host(link.url) is None:
            return "A link begins with https:// or http:// and names a site."
        if len(link.label) > LONGEST_LABEL:
            return f"Use at most {LONGEST_LABEL} characters for the name of a link."
    return ""


def _host(url: str) -> str | None:
    """The folded host of an acceptable link, or None."""
    url = url.strip()
    if len(url) > LONGEST_URL or any(ord(ch) <= 32 or ch in '<>"\\^`{|}' or ord(ch) == 127 for ch in url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or not host or "." not in host or not port_ok:
        return None
    return host.lower().rstrip(".") if parts.username is None and parts.password is None else None


async def _unwelcome(session: AsyncSession, links: Sequence[ProfileLink]) -> bool:
    above: set[str] = set()
    for link in links:
        labels = (_host(link.url) or "").split(".")
        above.update(".".join(labels[start:]) for start in range(len(labels)))
    found = await session.scalar(
        select(BlocklistEntry.id)
        .where(BlocklistEntry.kind == "link_domain", BlocklistEntry.value.in_(above))
        .limit(1)
    )
    return found is not None


async def set_avatar(session: AsyncSession, actor: Actor, *, key: str | None) -> str | None:
    """Show another picture, or none: `key` is the storage key of the variants that the media task made.

    Returns the key that was shown before, which may now be released.
    """
    person_id = _writer(actor)
    before = await session.scalar(select(Person.avatar_key).where(Person.id == person_id).with_for_update())
    await session.execute(update(Person).where(Person.id == person_id).values(avatar_key=key))
    await publish(session, ProfileChanged(person_id))
    return before


async def set_cover(session: AsyncSession, actor: Actor, *, key: str | None) -> str | None:
    """The same for the wide picture (1600 by 400) at the top of the profile."""
    person_id = _writer(actor)
    before = await session.scalar(select(Profile.cover_key).where(Profile.person_id == person_id))
    await _write(session, person_id, cover_key=key)
    return before


async def rename(session: AsyncSession, actor: Actor, *, username: str) -> None:
    """Take another username; links to the old one stop working and somebody else may take it.

    Raises Invalid and Conflict as `usernames.check` does.
    """
    person_id = _writer(actor)
    before = await session.scalar(select(Person.username).where(Person.id == person_id).with_for_update())
    if before == username:
        return
    if before is None or before.lower() != username.lower():
        await usernames.check(session, username, person_id=person_id)
    else:
        usernames.check_form(username, reserved_too=True)
    statement = update(Person).where(Person.id == person_id)
    try:
        async with session.begin_nested():
            await session.execute(statement.values(username=username, username_folded=username.lower()))
    except IntegrityError:
        raise usernames.taken() from None
    await publish(session, PersonRenamed(person_id, before or "", username))


async def _write(session: AsyncSession, person_id: int, **values: object) -> None:
    values["updated_at"] = clock.now()
    await session.execute(
        insert(Profile)
        .values(person_id=person_id, **values)
        .on_conflict_do_update(index_elements=[Profile.person_id], set_=values)
    )
    await publish(session, ProfileChanged(person_id))


def _writer(actor: Actor) -> int:
    person_id = actor.require(Scope.USER_WRITE)
    if actor.muted:
        raise Forbidden("Your account is muted: you can read but not write for now.", code="muted")
    return person_id
