"""What pages and the API tell of access: an offer as one viewer sees it, what somebody bought and sold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.ledger import posting, wallets
from civitas.domains.buzz.types import Currency, wallet
from civitas.domains.catalog import access_buying, access_windows, policy
from civitas.domains.catalog.access_tables import AccessPayment, EntityAccess, GenerationTrial, VersionAccess
from civitas.domains.catalog.access_types import AccessState, Gate, PaymentKind, PaymentStatus, Permission
from civitas.domains.catalog.access_windows import SUBJECT
from civitas.domains.catalog.maturity import is_mature
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import UsageControl
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page

PAGE = 50


@dataclass(frozen=True, slots=True)
class Offer:
    """The gate of a version for one viewer. Amounts in quarters; `goal` is None where it is hidden from them."""

    version_id: int
    version: str
    model_id: int
    model: str
    seller_id: int
    seller: str | None
    gate: str
    closed: bool
    ends_at: datetime | None
    download_price: int | None
    generation_price: int | None
    trial_generations: int
    trials_left: int | None
    accepts_blue: bool
    goal: int | None
    raised: int
    goal_reached_at: datetime | None
    colours: tuple[Currency, ...]
    donation_colours: tuple[Currency, ...]
    permissions: Permission
    own: bool
    mature: bool

    @property
    def permanent(self) -> bool:
        """Whether it stays paid."""
        return self.gate == Gate.PERMANENT

    @property
    def can_download(self) -> bool:
        """Whether the gate lets this viewer download."""
        return self.own or not self.closed or bool(self.permissions & Permission.DOWNLOAD)

    @property
    def can_generate(self) -> bool:
        """Whether the gate lets this viewer generate without a trial."""
        return self.own or not self.closed or bool(self.permissions & Permission.GENERATE)

    def price_of(self, permission: Permission) -> int | None:
        """What a permission costs."""
        return self.download_price if permission is Permission.DOWNLOAD else self.generation_price


async def offer(session: AsyncSession, actor: Actor, *, version_id: int) -> Offer:
    """The gate of a version as this viewer sees it. Raises NotFound (`version_not_found`)."""
    viewer = actor.id or 0
    row = (
        await session.execute(
            select(
                Model, ModelVersion, VersionAccess, Person.username, EntityAccess.permissions, GenerationTrial.used
            )
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .outerjoin(VersionAccess, VersionAccess.version_id == ModelVersion.id)
            .outerjoin(Person, Person.id == Model.person_id)
            .outerjoin(
                EntityAccess,
                (EntityAccess.subject_kind == SUBJECT)
                & (EntityAccess.subject_id == ModelVersion.id)
                & (EntityAccess.accessor_kind == "user")
                & (EntityAccess.accessor_id == viewer),
            )
            .outerjoin(
                GenerationTrial,
                (GenerationTrial.version_id == ModelVersion.id) & (GenerationTrial.person_id == viewer),
            )
            .where(ModelVersion.id == version_id, policy.versions_visible_to(actor))
        )
    ).first()  # fmt: skip
    if row is None:
        raise NotFound("This version was not found.", code="version_not_found")
    model, version, access, seller, bits, used = row
    own = policy.sees_own(actor) and (actor.is_moderator or model.person_id == actor.id)
    return _offer(model, version, access, seller, Permission(bits or 0), used or 0, actor, own, actor.domain)


def _offer(
    model: Model,
    version: ModelVersion,
    access: VersionAccess | None,
    seller: str | None,
    bits: Permission,
    used: int,
    actor: Actor,
    own: bool,
    domain: str,
) -> Offer:
    found = access or VersionAccess(
        version_id=version.id, gate=Gate.NONE, state=AccessState.DRAFT, trial_generations=0,
        accepts_blue=False, goal_hidden=False, raised=0,
    )  # fmt: skip
    mature = is_mature(model.nsfw, version.nsfw_level)
    shut = access_windows.closed(found, clock.now())
    hidden = found.goal_hidden and not own
    downloads = version.usage_control == UsageControl.DOWNLOAD
    needs_trial = shut and actor.signed_in and not own and not bits & Permission.GENERATE

    def colours(kind: PaymentKind) -> tuple[Currency, ...]:
        return access_buying.colours_for(found, mature=mature, kind=kind, domain=domain)

    return Offer(
        version_id=version.id,
        version=version.name,
        model_id=model.id,
        model=model.name,
        seller_id=model.person_id,
        seller=seller,
        gate=found.gate,
        closed=shut,
        ends_at=found.ends_at if found.gate == Gate.TIMED else None,
        download_price=found.download_price if downloads else None,
        generation_price=found.generation_price,
        trial_generations=found.trial_generations,
        trials_left=max(0, found.trial_generations - used) if needs_trial else None,
        accepts_blue=found.accepts_blue,
        goal=None if hidden else found.goal,
        raised=0 if hidden else found.raised,
        goal_reached_at=None if hidden else found.goal_reached_at,
        colours=colours(PaymentKind.PURCHASE),
        donation_colours=colours(PaymentKind.DONATION),
        permissions=bits,
        own=own,
        mature=mature,
    )


async def purses(
    session: AsyncSession, actor: Actor, colours: tuple[Currency, ...]
) -> Mapping[Currency, int]:
    """What the actor's purses of these colours hold, in order; nothing for strangers."""
    if actor.id is None:
        return dict.fromkeys(colours, 0)
    found = await posting.balances(session, [wallet(actor.id, colour) for colour in colours])
    return {account.currency: amount for account, amount in found.items()}


def split(held: Mapping[Currency, int], amount: int) -> tuple[tuple[tuple[Currency, int, int], ...], int]:
    """What each colour would pay and what is left of it after, in order; and how much is missing."""
    parts, missing = wallets.divided(held, total=amount, colours=tuple(held))
    return tuple(
        (colour, parts.get(colour, 0), has - parts.get(colour, 0)) for colour, has in held.items()
    ), missing


@dataclass(frozen=True, slots=True)
class Line:
    """A payment in a list of what somebody bought or sold; `username` is the other side."""

    id: int
    version_id: int
    version: str
    model_id: int
    model: str
    username: str | None
    kind: str
    permissions: int
    amount: int
    parts: tuple[tuple[str, int], ...]
    status: str
    created_at: datetime
    settled_at: datetime | None
    release_at: datetime | None


async def payments(
    session: AsyncSession,
    actor: Actor,
    *,
    sales: bool,
    version_id: int | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[Line]:
    """What the actor paid for, or with `sales` what others paid for theirs, the latest first. Raises Forbidden."""
    person = actor.require(Scope.BUZZ_READ)
    mine, other = AccessPayment.person_id, AccessPayment.seller_id
    if sales:
        mine, other = other, mine
    asked = (
        select(AccessPayment, ModelVersion.name, Model.id, Model.name, Person.username)
        .join(ModelVersion, ModelVersion.id == AccessPayment.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(Person, Person.id == other)
        .where(mine == person)
        .order_by(AccessPayment.id.desc())
        .limit(limit + 1)
    )
    if version_id is not None:
        asked = asked.where(AccessPayment.version_id == version_id)
    if cursor:
        asked = asked.where(AccessPayment.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(asked)).all()
    items = [
        Line(
            id=row[0].id,
            version_id=row[0].version_id,
            version=row[1],
            model_id=row[2],
            model=row[3],
            username=row[4],
            kind=row[0].kind,
            permissions=row[0].permissions,
            amount=row[0].amount,
            parts=tuple((str(colour), int(part)) for colour, part in row[0].parts),
            status=row[0].status,
            created_at=row[0].created_at,
            settled_at=row[0].settled_at,
            release_at=row[0].release_at,
        )
        for row in rows[:limit]
    ]
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit else None)


async def sales_totals(session: AsyncSession, actor: Actor) -> Mapping[str, int]:
    """What others paid for the actor's versions, in quarters, by where the money is now."""
    rows = await session.execute(
        select(AccessPayment.status, func.sum(AccessPayment.amount))
        .where(AccessPayment.seller_id == actor.require(Scope.BUZZ_READ))
        .group_by(AccessPayment.status)
    )
    found = {status: int(amount) for status, amount in rows}
    return {status.value: found.get(status.value, 0) for status in PaymentStatus}
