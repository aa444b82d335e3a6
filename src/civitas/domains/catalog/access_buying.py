"""Buying access to a version, and giving towards its donation goal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import AccessBought, DonationMade
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.errors import KeyReused
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, EntryType, house, wallet
from civitas.domains.catalog import access_windows, policy
from civitas.domains.catalog.access_tables import AccessPayment, EntityAccess, VersionAccess
from civitas.domains.catalog.access_types import Bought, Gate, PaymentKind, Permission
from civitas.domains.catalog.access_windows import SUBJECT
from civitas.domains.catalog.maturity import is_mature
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import UsageControl
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.ids import new_uuid

ACTIVITY = "early_access"
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class _Deal:
    """Who pays whom for what, with everything locked that must not change meanwhile."""

    person: int
    model: Model
    version: ModelVersion
    access: VersionAccess
    key: str
    domain: str
    key_id: int | None


async def buy(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    permission: Permission = Permission.DOWNLOAD,
    price: int | None = None,
    key: str | None = None,
) -> Bought:
    """Buy downloading (which includes generating) or generating alone. `price`: what the buyer was shown, in quarters.

    The same `key` again gives the first answer. Raises NotFound, Conflict (`own_version`, `not_for_sale`,
    `open_to_all`, `already_yours`, `price_changed`), and as `posting.charge` does; nothing is charged then.
    """
    made = await _deal(session, actor, version_id, key)
    if isinstance(made, AccessPayment):
        bits = Permission.ALL if permission is Permission.DOWNLOAD else Permission.GENERATE
        return _again(made, actor, version_id, PaymentKind.PURCHASE, int(bits), None)
    deal = made
    downloads = permission is Permission.DOWNLOAD
    bits = Permission.ALL if downloads else Permission.GENERATE
    _require_gate(deal)
    held = await permissions_of(session, deal.person, version_id)
    if held & bits == bits:
        raise Conflict("You have this already; nothing was charged.", code="already_yours")
    due = price_of(deal.access, deal.version, permission)
    if due is None:
        raise Conflict("This is not for sale.", code="not_for_sale")
    if price is not None and price != due:
        raise Conflict(
            f"The price is {money.shown(due)} Buzz now. Nothing was charged; look again, then confirm.",
            code="price_changed",
            details={"price": money.as_number(due)},
        )
    what = "Downloading" if downloads else "Generating with"
    payment = await _pay(
        session, deal, PaymentKind.PURCHASE, due, bits, EntryType.PURCHASE, f"{what} {deal.model.name}"
    )
    await _grant(session, deal.person, version_id, bits, payment.id)
    await publish(
        session,
        AccessBought(
            payment.id, version_id, deal.model.id, deal.person, deal.model.person_id, int(bits), due
        ),
    )
    await access_windows.reach_goal(session, deal.access, deal.model)
    return payment


async def donate(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    amount: int,
    key: str | None = None,
) -> Bought:
    """Give `amount` quarters towards a version's goal; Blue cannot be given.

    The same `key` again gives the first answer. Raises NotFound, Invalid (`bad_amount`), Conflict (`own_version`,
    `no_goal`, `goal_reached`, `open_to_all`), and as `posting.charge` does.
    """
    made = await _deal(session, actor, version_id, key)
    if isinstance(made, AccessPayment):
        return _again(made, actor, version_id, PaymentKind.DONATION, 0, amount)
    deal = made
    if amount < money.QUARTERS or amount > posting.MOST:
        raise Invalid("Give one Buzz at least.", code="bad_amount", fields={"amount": "1 Buzz at least."})
    if deal.access.goal is None:
        raise Conflict("This version has no donation goal.", code="no_goal")
    if deal.access.goal_reached_at is not None:
        raise Conflict("Its goal is reached already; nothing was charged.", code="goal_reached")
    _require_gate(deal)
    payment = await _pay(
        session,
        deal,
        PaymentKind.DONATION,
        amount,
        Permission.NONE,
        EntryType.DONATION,
        f"Donation for {deal.model.name}",
    )
    await publish(
        session,
        DonationMade(payment.id, version_id, deal.model.id, deal.person, deal.model.person_id, amount),
    )
    await access_windows.reach_goal(session, deal.access, deal.model)
    return payment


def price_of(access: VersionAccess, version: ModelVersion, permission: Permission) -> int | None:
    """What something costs, in quarters; None when it is not sold."""
    if permission is Permission.DOWNLOAD:
        return access.download_price if version.usage_control == UsageControl.DOWNLOAD else None
    return access.generation_price


def colours_for(
    access: VersionAccess, *, mature: bool, kind: PaymentKind, domain: str
) -> tuple[Currency, ...]:
    """Which colours pay, in order: Blue only for a purchase whose seller takes it, and never for mature things."""
    rules = economy.current()
    able = rules.purses_for(ACTIVITY, domain=domain, mature=mature)
    blue = (
        access.accepts_blue
        and kind is PaymentKind.PURCHASE
        and (rules.colours[Currency.BLUE].spends_on_mature or not mature)
    )
    order = rules.spend_order["mature" if mature else domain]
    return tuple(colour for colour in order if colour in able or (blue and colour is Currency.BLUE))


async def permissions_of(session: AsyncSession, person_id: int, version_id: int) -> Permission:
    """What somebody bought or was given of a version."""
    found = await session.scalar(
        select(EntityAccess.permissions).where(
            EntityAccess.subject_kind == SUBJECT,
            EntityAccess.subject_id == version_id,
            EntityAccess.accessor_kind == "user",
            EntityAccess.accessor_id == person_id,
        )
    )
    return Permission(found or 0)


async def _deal(
    session: AsyncSession, actor: Actor, version_id: int, key: str | None
) -> _Deal | AccessPayment:
    """Lock the gate and look at what stands now; the payment that was made under this key before, if any."""
    person = actor.require(Scope.USER_WRITE)
    if key is not None and not 0 < len(key) <= LONGEST_KEY - 40:
        raise Invalid("An idempotency key has 1 to 215 characters.", code="bad_idempotency_key")
    full_key = f"access:{person}:{key or new_uuid()}"
    visible = await session.scalar(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == version_id, policy.versions_visible_to(actor))
    )
    # The row of the gate first: whoever ends or withdraws it waits, or has done so when the rest is read.
    access = await access_windows.locked(session, version_id)
    known = await session.scalar(select(AccessPayment).where(AccessPayment.key == full_key))
    if known is not None:
        return known
    if visible is None:
        raise NotFound("This version was not found.", code="version_not_found")
    model, version = (
        await session.execute(
            select(Model, ModelVersion)
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(ModelVersion.id == version_id)
            .execution_options(populate_existing=True)
        )
    ).one()
    if model.person_id == person:
        raise Conflict("This is yours; there is nothing to buy.", code="own_version")
    if not access_windows.is_public(model, version) or version.published_at is None:
        raise NotFound("This version was not found.", code="version_not_found")
    if access is None or access.gate == Gate.NONE:
        raise Conflict("This is open to everybody; there is nothing to buy.", code="open_to_all")
    access_windows.open_gate(access, version.published_at)
    return _Deal(person, model, version, access, full_key, actor.domain, actor.key_id)


def _require_gate(deal: _Deal) -> None:
    if not access_windows.closed(deal.access, clock.now()):
        raise Conflict("Early access is over: it is open to everybody, for nothing.", code="open_to_all")


def _again(
    known: AccessPayment, actor: Actor, version_id: int, kind: PaymentKind, bits: int, amount: int | None
) -> Bought:
    same = (known.version_id, known.kind, known.permissions, known.person_id) == (
        version_id, kind.value, bits, actor.id,
    )  # fmt: skip
    if not same or (amount is not None and amount != known.amount):
        raise KeyReused
    return _bought(known, replayed=True)


async def _pay(
    session: AsyncSession,
    deal: _Deal,
    kind: PaymentKind,
    amount: int,
    bits: Permission,
    type: EntryType,
    description: str,
) -> Bought:
    version_id = deal.version.id
    colours = colours_for(
        deal.access, mature=is_mature(deal.model.nsfw, deal.version.nsfw_level), kind=kind, domain=deal.domain
    )
    if not colours:
        raise Conflict("No colour of Buzz pays for this here.", code="no_colour")
    details: dict[str, Any] = {"version": version_id, "kind": kind.value}
    posted = await posting.charge(
        session,
        Entry(
            deal.key,
            type,
            (),
            description[:100],
            Subject(SUBJECT, version_id),
            details,
            deal.person,
            key_id=deal.key_id,
        ),
        source=wallet(deal.person, colours[0]),
        target=house(access_windows.escrow(version_id), colours[0]),
        colours=colours,
        total=amount,
    )
    counted = sum(part for colour, part in posted.parts.items() if colour is not Currency.BLUE)
    stays = deal.access.gate == Gate.PERMANENT
    hold = timedelta(days=economy.current().paid_access.hold_days)
    now = clock.now()
    payment = AccessPayment(
        key=deal.key,
        version_id=version_id,
        person_id=deal.person,
        seller_id=deal.model.person_id,
        kind=kind,
        permissions=int(bits),
        amount=amount,
        counted=counted,
        parts=[[colour.value, part] for colour, part in posted.parts.items()],
        entry_id=posted.entry_id,
        release_at=now + hold if stays else None,
        created_at=now,
    )
    session.add(payment)
    if deal.access.goal is not None and deal.access.goal_reached_at is None:
        deal.access.raised += counted
    await session.flush()
    return _bought(payment, replayed=False)


def _bought(payment: AccessPayment, *, replayed: bool) -> Bought:
    return Bought(
        payment.id,
        payment.version_id,
        payment.kind,
        Permission(payment.permissions),
        payment.amount,
        tuple((str(colour), int(part)) for colour, part in payment.parts),
        replayed,
        payment.created_at,
    )


async def _grant(
    session: AsyncSession, person_id: int, version_id: int, bits: Permission, payment_id: int
) -> None:
    made = insert(EntityAccess).values(
        subject_kind=SUBJECT,
        subject_id=version_id,
        accessor_kind="user",
        accessor_id=person_id,
        bought=int(bits),
        meta={"payment": payment_id},
        created_at=clock.now(),
    )
    await session.execute(
        made.on_conflict_do_update(
            index_elements=["subject_kind", "subject_id", "accessor_kind", "accessor_id"],
            set_={
                "bought": EntityAccess.bought.op("|")(made.excluded.bought),
                "meta": EntityAccess.meta.op("||")(made.excluded.meta),
            },
        )
    )
