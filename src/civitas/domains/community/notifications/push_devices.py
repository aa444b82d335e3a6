"""Browsers that are told of notifications while the site is closed, and which kinds they are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import preferences
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.notifications.kinds import BY_NAME, KINDS
from civitas.domains.community.notifications.messages import SendPushes
from civitas.domains.community.notifications.tables import PushDevice, PushMessage
from civitas.infra.db.changes import count_changed
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.internet import call_trouble
from civitas.kit.text import clean_line
from civitas.kit.webpush import Keys

MOST: Final = 20
LONGEST_NAME: Final = 60
_PLAIN: Final = "A browser"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser's push manager gave: where to send, and for whom to encrypt (base64url)."""

    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class Device:
    """One line of the list of devices."""

    id: int
    name: str
    service: str
    created_at: datetime
    last_sent_at: datetime | None
    current: bool


async def register(
    session: AsyncSession,
    actor: Actor,
    *,
    subscription: Subscription,
    name: str,
    safe: bool,
    own_hosts: Collection[str] = (),
) -> int:
    """Let this browser be told; its id. The same one again is the same device, whoever used it before.

    It goes when the session ends in which it was registered. `safe` is whether it was on the safe twin. Raises Invalid
    (`bad_subscription`), Conflict (`too_many_devices`).
    """
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    trouble = call_trouble(subscription.endpoint, own_hosts=own_hosts)
    if trouble is not None:
        raise Invalid(trouble, code="bad_subscription", fields={"endpoint": trouble})
    try:
        Keys.read(subscription.p256dh, subscription.auth)
    except ValueError:
        told = "These are not the keys of a browser's subscription."
        raise Invalid(told, code="bad_subscription", fields={"keys": told}) from None
    await _choose_first(session, actor)
    known = await session.scalar(
        select(func.count()).where(
            PushDevice.person_id == person, PushDevice.endpoint != subscription.endpoint
        )
    )
    if (known or 0) >= MOST:
        raise Conflict(f"{MOST} devices are told already; remove one first.", code="too_many_devices")
    row = {
        "person_id": person,
        "session_id": actor.session_id,
        "endpoint": subscription.endpoint,
        "p256dh": subscription.p256dh,
        "auth": subscription.auth,
        "safe": safe,
        "failures": 0,
        "paused_until": None,
    }
    given = clean_line(name)[:LONGEST_NAME] or _PLAIN
    made = insert(PushDevice).values(**row, name=given, created_at=clock.now())
    # Whoever had this browser before is told no more; their name for it goes with them.
    kept = (
        PushDevice.name
        if await session.scalar(
            select(PushDevice.id).where(
                PushDevice.endpoint == subscription.endpoint, PushDevice.person_id == person
            )
        )
        else given
    )
    found = await session.scalar(
        made.on_conflict_do_update(
            index_elements=[text("md5(endpoint)")], set_={**row, "name": kept}
        ).returning(PushDevice.id)
    )
    return int(found or 0)


async def mine(session: AsyncSession, actor: Actor) -> Sequence[Device]:
    """The actor's devices, the newest first."""
    person = actor.require(Scope.NOTIFICATIONS_READ)
    rows = await session.scalars(
        select(PushDevice).where(PushDevice.person_id == person).order_by(PushDevice.id.desc()).limit(MOST)
    )
    return [
        Device(
            id=row.id,
            name=row.name,
            service=_service(row.endpoint),
            created_at=row.created_at,
            last_sent_at=row.last_sent_at,
            current=row.session_id is not None and row.session_id == actor.session_id,
        )
        for row in rows
    ]


async def rename(session: AsyncSession, actor: Actor, *, device_id: int, name: str) -> None:
    """Give a device another name. Raises NotFound, Invalid (`bad_name`)."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    wanted = clean_line(name)
    if not 1 <= len(wanted) <= LONGEST_NAME:
        told = f"A name has 1 to {LONGEST_NAME} characters."
        raise Invalid(told, code="bad_name", fields={"name": told})
    changed = await count_changed(
        session,
        update(PushDevice)
        .where(PushDevice.id == device_id, PushDevice.person_id == person)
        .values(name=wanted),
    )
    if not changed:
        raise _missing()


async def revoke(session: AsyncSession, actor: Actor, *, device_id: int) -> None:
    """Tell this device no more. Raises NotFound."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    gone = await count_changed(
        session, delete(PushDevice).where(PushDevice.id == device_id, PushDevice.person_id == person)
    )
    if not gone:
        raise _missing()


async def try_out(session: AsyncSession, actor: Actor, *, device_id: int) -> None:
    """Send this device a few words, to see that they arrive. Raises NotFound."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    found = await session.scalar(
        select(PushDevice.id).where(PushDevice.id == device_id, PushDevice.person_id == person)
    )
    if found is None:
        raise _missing()
    session.add(PushMessage(device_id=device_id, due_at=clock.now()))
    await defer(session, SendPushes(), once="pushes")


async def wanted(session: AsyncSession, actor: Actor) -> dict[str, bool]:
    """Which kinds are pushed to the actor's devices; before they chose, those that a first device would begin with."""
    chosen = (await preferences.of(session, actor.require(Scope.NOTIFICATIONS_READ))).pushed_notifications
    return {kind.name: kind.push if chosen is None else kind.name in chosen for kind in KINDS}


async def want(session: AsyncSession, actor: Actor, *, kinds: Mapping[str, bool]) -> dict[str, bool]:
    """Have kinds pushed or not; those that are not named stay. Raises Invalid (`no_such_kind`)."""
    actor.require(Scope.NOTIFICATIONS_WRITE)
    unknown = sorted(kinds.keys() - BY_NAME.keys())
    if unknown:
        raise Invalid(f"There is no notification called {unknown[0][:60]}.", code="no_such_kind")
    now = await wanted(session, actor) | dict(kinds)
    chosen = sorted(name for name, on in now.items() if on)
    await preferences.change(session, actor, changes={"pushed_notifications": chosen})
    return now


async def _choose_first(session: AsyncSession, actor: Actor) -> None:
    if (await preferences.of(session, actor.require())).pushed_notifications is None:
        await want(session, actor, kinds={})


def _service(endpoint: str) -> str:
    return endpoint.split("/", 3)[2].rpartition("@")[2]


def _missing() -> NotFound:
    return NotFound("There is no such device of yours.", code="device_not_found")
