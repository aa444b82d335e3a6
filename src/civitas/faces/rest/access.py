"""Early and paid access over the API: terms, buying, donating, grants, what one sold and bought."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import access, access_buying, access_reads, access_rights, access_terms
from civitas.domains.catalog.access_forms import HUNDREDTHS, DonationForm, GrantForm, PurchaseForm, TermsForm
from civitas.domains.catalog.access_reads import Line, Offer
from civitas.domains.catalog.access_rules import Allowance
from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.catalog.access_types import Bought, Permission
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money

router = APIRouter(tags=["Access"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=215)]
Cursor = Annotated[str | None, Query(max_length=512)]
BITS = {"Download": Permission.DOWNLOAD, "Generate": Permission.GENERATE}


class Goal(Answer):
    """A donation goal and how far it is."""

    amount: Amount
    raised: Amount
    reached_at: datetime | None


class Terms(Answer):
    """What a version costs, and where the one who asks stands. Amounts are in Buzz."""

    version_id: int
    gate: str
    open: bool
    permanent: bool
    ends_at: datetime | None
    download_price: Amount | None
    generation_price: Amount | None
    trial_generations: int
    trials_left: int | None
    accepts_blue_buzz: bool
    colours: list[str]
    goal: Goal | None
    can_download: bool
    can_generate: bool
    own: bool


class Limits(Answer):
    """What the creator's score and membership allow for this version. Amounts in Buzz; null is no limit."""

    score: int
    tier: str
    days: list[int]
    slots: int
    slots_used: int
    permanent: int | None
    permanent_used: int
    price_cap: Amount | None
    least_download_price: Amount
    least_generation_price: Amount
    most_trial_generations: int
    licence_fee_cap: float
    licence_fee_suggested: float
    may_hide_goal: bool
    licence_reasons: list[str]


class OwnTerms(Answer):
    """The terms as their creator set them, and what the rules allow."""

    version_id: int
    gate: str
    state: str
    days: int | None
    download_price: Amount | None
    generation_price: Amount | None
    trial_generations: int
    accepts_blue: bool
    donation_goal: Amount | None
    hide_goal: bool
    raised: Amount
    goal_reached_at: datetime | None
    licence_fee: float | None
    licence_fee_images: int
    licensing_source_version_id: int | None
    rights_affirmed_at: datetime | None
    opened_at: datetime | None
    ends_at: datetime | None
    end_reason: str | None
    limits: Limits


class Payment(Answer):
    """A payment: what it was for, how much of which colour, and where the money is."""

    id: int
    version_id: int
    kind: str
    permission: str | None
    amount: Amount
    parts: dict[str, Amount]
    created_at: datetime
    replayed: bool = False


class PaymentLine(Payment):
    """A payment in a list."""

    status: str
    settled_at: datetime | None
    release_at: datetime | None
    model_id: int
    model: str
    version: str
    username: str | None


class PaymentLines(Answer):
    """A page of payments."""

    items: list[PaymentLine]
    next_cursor: str | None


class GrantedLine(Answer):
    """Somebody who has access for nothing."""

    username: str
    permission: str


class GrantedLines(Answer):
    """A page of people."""

    items: list[GrantedLine]
    next_cursor: str | None


class Affirmation(Answer):
    """The sentence by which one affirms to hold the rights; send its hash with a licence fee."""

    version: int
    text: str
    hash: str


def _buzz(amount: int | None) -> Amount | None:
    return None if amount is None else money.as_number(amount)


def _named(bits: int) -> str | None:
    if bits & Permission.DOWNLOAD:
        return "Download"
    return "Generate" if bits & Permission.GENERATE else None


@router.get("/licensing/rights", operation_id="getRightsAffirmation", summary="Get The Rights Affirmation")
async def rights() -> Affirmation:
    """What a creator affirms before charging a licence fee."""
    return Affirmation(
        version=access_rights.VERSION, text=access_rights.TEXT, hash=access_rights.digest().hex()
    )


@router.get(
    "/model-versions/{version_id}/access", operation_id="getVersionAccess", summary="Get Access Terms"
)
async def show(version_id: int, actor: Viewer, session: Reading) -> Terms:
    """What a version costs, until when, how far its goal is, and what you have of it."""
    return _terms(await access_reads.offer(session, actor, version_id=version_id))


def _terms(found: Offer) -> Terms:
    goal = None
    if found.goal is not None:
        goal = Goal(
            amount=money.as_number(found.goal),
            raised=money.as_number(found.raised),
            reached_at=found.goal_reached_at,
        )
    return Terms(
        version_id=found.version_id,
        gate=found.gate,
        open=not found.closed,
        permanent=found.permanent,
        ends_at=found.ends_at,
        download_price=_buzz(found.download_price),
        generation_price=_buzz(found.generation_price),
        trial_generations=found.trial_generations,
        trials_left=found.trials_left,
        accepts_blue_buzz=found.accepts_blue,
        colours=[colour.value for colour in found.colours],
        goal=goal,
        can_download=found.can_download,
        can_generate=found.can_generate,
        own=found.own,
    )


@router.get(
    "/model-versions/{version_id}/access/terms", operation_id="getOwnAccessTerms", summary="Get Own Terms"
)
async def own_terms(version_id: int, actor: Owner, session: Unit) -> OwnTerms:
    """The terms of one's version, and what one's score and membership allow."""
    version, found, allowed = await access_terms.of_version(session, actor, version_id=version_id)
    return _own(found or VersionAccess(version_id=version.id), allowed)


@router.put(
    "/model-versions/{version_id}/access/terms", operation_id="setAccessTerms", summary="Set Access Terms"
)
async def set_terms(version_id: int, form: TermsForm, actor: Writer, session: Unit) -> OwnTerms:
    """Set all terms of one's version; what is left out is off. Taking running early access away ends it now."""
    await access_terms.set_terms(session, actor, version_id=version_id, form=form)
    _, found, allowed = await access_terms.of_version(session, actor, version_id=version_id)
    return _own(found or VersionAccess(version_id=version_id), allowed)


def _own(found: VersionAccess, allowed: Allowance) -> OwnTerms:
    fee = found.licence_fee
    return OwnTerms(
        version_id=found.version_id,
        gate=found.gate or "none",
        state=found.state or "draft",
        days=found.days,
        download_price=_buzz(found.download_price),
        generation_price=_buzz(found.generation_price),
        trial_generations=found.trial_generations or 0,
        accepts_blue=bool(found.accepts_blue),
        donation_goal=_buzz(found.goal),
        hide_goal=bool(found.goal_hidden),
        raised=money.as_number(found.raised or 0),
        goal_reached_at=found.goal_reached_at,
        licence_fee=None if fee is None else fee / HUNDREDTHS,
        licence_fee_images=found.licence_fee_images or 1,
        licensing_source_version_id=found.licensing_source_version_id,
        rights_affirmed_at=found.rights_affirmed_at,
        opened_at=found.opened_at,
        ends_at=found.ends_at,
        end_reason=found.end_reason,
        limits=_limits(allowed),
    )


def _limits(allowed: Allowance) -> Limits:
    return Limits(
        score=allowed.score,
        tier=allowed.tier,
        days=list(allowed.days),
        slots=allowed.slots,
        slots_used=allowed.slots_used,
        permanent=allowed.permanent,
        permanent_used=allowed.permanent_used,
        price_cap=_buzz(allowed.price_cap),
        least_download_price=money.as_number(allowed.least_download),
        least_generation_price=money.as_number(allowed.least_generation),
        most_trial_generations=allowed.trial_most,
        licence_fee_cap=allowed.fee_cap / HUNDREDTHS,
        licence_fee_suggested=allowed.fee_suggested / HUNDREDTHS,
        may_hide_goal=allowed.may_hide_goal,
        licence_reasons=list(allowed.licence_reasons),
    )


@router.post(
    "/model-versions/{version_id}/access/purchase",
    operation_id="purchaseVersionAccess",
    summary="Buy Access",
)
async def purchase(
    version_id: int, form: PurchaseForm, actor: Writer, session: Unit, idempotency_key: Key = None
) -> Payment:
    """Buy downloading (generating included) or generating alone; with `price`, only at that price.

    The money stays in escrow until early access ends, and comes back should the version be withdrawn before.
    """
    bought = await access_buying.buy(
        session, actor, version_id=version_id, permission=BITS[form.permission], price=form.price, key=idempotency_key
    )  # fmt: skip
    return Payment(**_payment(bought))


@router.post("/model-versions/{version_id}/access/donate", operation_id="donateToVersion", summary="Donate")
async def donate(
    version_id: int, form: DonationForm, actor: Writer, session: Unit, idempotency_key: Key = None
) -> Payment:
    """Give towards a version's goal, in green or yellow Buzz."""
    given = await access_buying.donate(
        session, actor, version_id=version_id, amount=form.amount, key=idempotency_key
    )
    return Payment(**_payment(given))


def _payment(bought: Bought) -> dict[str, Any]:
    return {
        "id": bought.id,
        "version_id": bought.version_id,
        "kind": bought.kind,
        "permission": _named(bought.permissions),
        "amount": money.as_number(bought.amount),
        "parts": {colour: money.as_number(part) for colour, part in bought.parts},
        "created_at": bought.created_at,
        "replayed": bought.replayed,
    }


@router.get(
    "/model-versions/{version_id}/access/people", operation_id="listGivenAccess", summary="List Given Access"
)
async def people(version_id: int, actor: Owner, session: Unit, cursor: Cursor = None) -> GrantedLines:
    """Whom one gave access to a version for nothing."""
    page = await access.given_to(session, actor, version_id=version_id, cursor=cursor)
    items = [
        GrantedLine(username=one.username, permission=_named(one.permissions) or "") for one in page.items
    ]
    return GrantedLines(items=items, next_cursor=page.next_cursor)


@router.put(
    "/model-versions/{version_id}/access/people/{username}",
    status_code=204,
    operation_id="giveVersionAccess",
    summary="Give Access",
)
async def give(version_id: int, username: str, form: GrantForm, actor: Writer, session: Unit) -> None:
    """Give somebody access to one's version for nothing."""
    await access.give(
        session, actor, version_id=version_id, username=username, permission=BITS[form.permission]
    )


@router.delete(
    "/model-versions/{version_id}/access/people/{username}",
    status_code=204,
    operation_id="takeVersionAccess",
    summary="Take Access Back",
)
async def take(version_id: int, username: str, actor: Writer, session: Unit) -> None:
    """Take back what was given for nothing; what was bought stays."""
    await access.take(session, actor, version_id=version_id, username=username)


@router.get("/me/access/purchases", operation_id="listAccessPurchases", summary="List My Purchases")
async def purchases(actor: Owner, session: Reading, cursor: Cursor = None) -> PaymentLines:
    """What one paid for access and gave towards goals, the latest first."""
    return await _lines(session, actor, cursor, sales=False)


@router.get("/me/access/sales", operation_id="listAccessSales", summary="List My Sales")
async def sales(
    actor: Owner,
    session: Reading,
    cursor: Cursor = None,
    version_id: Annotated[int | None, Query(alias="versionId", ge=1, lt=2**63)] = None,
) -> PaymentLines:
    """What others paid for one's versions, the latest first, and whether it is still in escrow."""
    return await _lines(session, actor, cursor, sales=True, version_id=version_id)


async def _lines(
    session: Reading, actor: Actor, cursor: str | None, *, sales: bool, version_id: int | None = None
) -> PaymentLines:
    page = await access_reads.payments(session, actor, sales=sales, version_id=version_id, cursor=cursor)
    return PaymentLines(items=[_line(one) for one in page.items], next_cursor=page.next_cursor)


def _line(line: Line) -> PaymentLine:
    return PaymentLine(
        id=line.id,
        version_id=line.version_id,
        kind=line.kind,
        permission=_named(line.permissions),
        amount=money.as_number(line.amount),
        parts={colour: money.as_number(part) for colour, part in line.parts},
        created_at=line.created_at,
        status=line.status,
        settled_at=line.settled_at,
        release_at=line.release_at,
        model_id=line.model_id,
        model=line.model,
        version=line.version,
        username=line.username,
    )
