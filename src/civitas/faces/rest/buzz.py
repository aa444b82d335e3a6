"""The wallet over the API: balances, statement, holds, what would pay, the rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import holds, statement, statement_csv, statistics, wallets
from civitas.domains.buzz.ledger.statement import Filter, Movement
from civitas.domains.buzz.ledger.tables import Hold
from civitas.domains.buzz.types import TYPE_LABELS, Currency, EntryType
from civitas.faces.http.limits import take
from civitas.faces.http.state import State, state_of
from civitas.faces.http.units import Reading
from civitas.faces.rest.shapes import Answer
from civitas.faces.rest.writing import Owner
from civitas.kit import clock, money, paging
from civitas.kit.errors import Invalid, NotFound

router = APIRouter(prefix="/buzz", tags=["Buzz"])

Number = int | float
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR, description="metadata.nextCursor.")]
Kind = Literal["wallet", "bank", "cash"]
Colour = Literal["blue", "green", "yellow"]


class Totals(Answer):
    """What came and went of one colour by one type, over a lifetime."""

    colour: str
    type: int
    type_name: str
    came: Number
    went: Number


class Balances(Answer):
    """What one has. Buzz by colour; cash in cents."""

    balances: dict[str, Number]
    total: Number
    waiting: dict[str, Number] = Field(
        description="Part of the balances: credits that are still being added."
    )
    held: dict[str, Number]
    banked: dict[str, Number]
    cash_pending_cents: int
    cash_settled_cents: int
    frozen: bool
    lifetime_earned: dict[str, Number]
    lifetime_spent: dict[str, Number]
    by_type: list[Totals]


class About(Answer):
    """What a movement was for."""

    kind: str
    id: int
    title: str | None
    path: str | None


class Transaction(Answer):
    """What an entry did to one of one's accounts; `type` is the number that clients know."""

    id: int
    date: datetime
    type: int
    type_name: str
    label: str
    description: str
    colour: str
    account: str
    amount: Number = Field(description="In Buzz, cash in cents; negative when it went out.")
    balance: Number | None = Field(description="What was there afterwards; null in a filtered list.")
    with_id: int | None
    with_name: str
    subject: About | None
    refund_of: int | None
    refunded_by: list[int]


class Transactions(Answer):
    """A page of the statement. A search may end a page early: an empty page with a cursor goes on."""

    items: list[Transaction]
    metadata: dict[str, Any]


class OpenHold(Answer):
    """Buzz that is set aside for something under way."""

    id: int
    type: int
    type_name: str
    description: str
    reserved: dict[str, Number]
    remaining: dict[str, Number]
    created_at: datetime
    expires_at: datetime
    subject: About | None


class Split(Answer):
    """Which colours would pay, in that order."""

    amount: Number
    parts: dict[str, Number]
    missing: Number
    enough: bool
    after: dict[str, Number]
    colours: list[str]


def buzz_by(amounts: Mapping[Currency, int]) -> dict[str, Number]:
    """Amounts by colour as JSON shows them."""
    return {colour.value: money.as_number(amount) for colour, amount in amounts.items()}


def amount_of(quarters: int, currency: Currency) -> Number:
    """An amount as JSON shows it: Buzz in Buzz, cash in cents."""
    return quarters if currency is Currency.CASH else money.as_number(quarters)


@router.get("", operation_id="getBuzz", summary="Get My Buzz")
async def balances(actor: Owner, session: Reading) -> Balances:
    """What one has by colour, what is held, banked and paid out, and all that was ever earned and spent."""
    wallet = await wallets.mine(session, actor)
    life = await statistics.lifetime(session, wallet.person_id)
    return Balances(
        balances=buzz_by(wallet.spendable),
        total=money.as_number(wallet.total),
        waiting=buzz_by(wallet.waiting),
        held=buzz_by(wallet.held),
        banked=buzz_by(wallet.banked),
        cash_pending_cents=wallet.cash_pending,
        cash_settled_cents=wallet.cash_settled,
        frozen=wallet.frozen_at is not None,
        lifetime_earned=buzz_by(life.earned),
        lifetime_spent=buzz_by(life.spent),
        by_type=[
            Totals(
                colour=one.currency.value,
                type=one.type.number,
                type_name=one.type.value,
                came=money.as_number(one.came),
                went=money.as_number(one.went),
            )
            for one in life.totals
        ],
    )


def _filter(
    account: str,
    colour: str | None,
    types: list[str] | None,
    direction: str | None,
    since: date | None,
    until: date | None,
    words: str,
) -> Filter:
    chosen = tuple(
        one for given in types or () for part in given.split(",") for one in statement.type_of(part)
    )
    way = {"in": 1, "out": -1}.get(direction or "", 0)
    return Filter(account, Currency(colour) if colour else None, chosen, way, since, until, words)


@router.get("/transactions", operation_id="listBuzzTransactions", summary="List My Buzz Transactions")
async def transactions(
    actor: Owner,
    session: Reading,
    account: Kind = "wallet",
    colour: Colour | None = None,
    type: Annotated[list[str] | None, Query(max_length=40, description="Numbers, names or groups.")] = None,
    direction: Literal["in", "out"] | None = None,
    since: Annotated[date | None, Query(description="The first day (UTC).")] = None,
    until: Annotated[date | None, Query(description="The last day (UTC).")] = None,
    query: Annotated[str, Query(max_length=100, description="Words of the description.")] = "",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=statement.MOST)] = statement.PAGE,
) -> Transactions:
    """Every movement, the newest first, with what it was for."""
    person = actor.require(Scope.BUZZ_READ)
    chosen = _filter(account, colour, type, direction, since, until, query)
    found = await statement.page(session, person, chosen=chosen, cursor=cursor, limit=limit)
    return Transactions(
        items=[transaction(one) for one in found.items], metadata={"nextCursor": found.next_cursor}
    )


@router.get(
    "/transactions.csv",
    operation_id="exportBuzzTransactions",
    summary="Export My Buzz Transactions",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
)
async def export(
    request: Request,
    actor: Owner,
    account: Kind = "wallet",
    colour: Colour | None = None,
    type: Annotated[list[str] | None, Query(max_length=40)] = None,
    direction: Literal["in", "out"] | None = None,
    since: date | None = None,
    until: date | None = None,
    query: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The whole statement, or what the filters leave of it, as CSV."""
    person = actor.require(Scope.BUZZ_READ)
    await take(request, "write")
    chosen = _filter(account, colour, type, direction, since, until, query)
    name = f"buzz-{actor.username}-{clock.now().date().isoformat()}.csv"
    return StreamingResponse(
        _csv(state_of(request), person, chosen),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _csv(state: State, person: int, chosen: Filter) -> AsyncIterator[str]:
    yield statement_csv.head()
    async for chunk in statement.everything(state.database.reading, person, chosen=chosen):
        yield statement_csv.lines(chunk)


@router.get("/transactions/{entry_id}", operation_id="getBuzzTransaction", summary="Get A Buzz Transaction")
async def one_transaction(actor: Owner, session: Reading, entry_id: int) -> Transactions:
    """What one entry did to one's own accounts; 404 for an entry that is not one's own."""
    person = actor.require(Scope.BUZZ_READ)
    found = await statement.of_entry(session, person, entry_id)
    if not found:
        raise NotFound("There is no such entry in your statement.", code="no_such_entry")
    return Transactions(items=[transaction(one) for one in found], metadata={"nextCursor": None})


@router.get("/holds", operation_id="listBuzzHolds", summary="List My Open Holds")
async def open_holds(actor: Owner, session: Reading) -> list[OpenHold]:
    """What is set aside now, the newest first, at most a hundred."""
    found = await holds.open_of(session, actor.require(Scope.BUZZ_READ))
    return [_hold(one) for one in found]


@router.get("/preview", operation_id="previewBuzz", summary="Preview A Payment")
async def preview(
    actor: Owner,
    session: Reading,
    amount: Annotated[str, Query(max_length=20, description="In Buzz, in steps of 0.25.")],
    activity: Annotated[str, Query(max_length=40, description="Such as `generation`.")] = "generation",
    domain: Annotated[str, Query(max_length=20, description="The site's own when left out.")] = "",
    mature: bool = False,
) -> Split:
    """Which colours would pay for it now, as a charge would take them."""
    wallet = await wallets.mine(session, actor)
    total = money.parse(amount)
    if total == 0:
        raise Invalid("An amount must be more than nothing.", code="bad_amount")
    found = wallets.preview(
        wallet, total=total, activity=activity, domain=domain or actor.domain, mature=mature
    )
    return Split(
        amount=money.as_number(total),
        parts=buzz_by(found.parts),
        missing=money.as_number(found.missing),
        enough=found.enough,
        after=buzz_by(found.after),
        colours=[colour.value for colour in found.colours],
    )


@router.get("/economy", operation_id="getEconomy", summary="Get The Rules Of The Economy")
async def rules(request: Request, session: Reading, cursor: Cursor = None) -> dict[str, Any]:
    """Every rule in force, in Buzz and cents, and how they changed; for everybody."""
    await take(request, "read")
    changed = await economy.versions(session, cursor=cursor)
    return {
        "rules": economy.current().model_dump(mode="json", by_alias=True),
        "types": [{"number": one.number, "name": one.value, "label": TYPE_LABELS[one]} for one in EntryType],
        "changes": [
            {
                "version": one.id,
                "date": clock.rfc3339(one.created_at),
                "changes": [
                    {"rule": part.path, "before": part.before, "after": part.after} for part in one.changes
                ],
            }
            for one in changed.items
        ],
        "metadata": {"nextCursor": changed.next_cursor},
    }


@router.get("/transparency", operation_id="getBuzzTransparency", summary="Get The Transparency Report")
async def transparency(request: Request, session: Reading) -> dict[str, Any]:
    """What was made, ended and earned by month, and where all Buzz lies now; for everybody."""
    await take(request, "read")

    def shown(amounts: Mapping[str, int]) -> dict[str, Number]:
        return {name: amount_of(amount, Currency(name)) for name, amount in amounts.items()}

    return {
        "months": [
            {
                "month": one.month.strftime("%Y-%m"),
                "minted": shown(one.minted),
                "burned": shown(one.burned),
                "revenue": shown(one.revenue),
            }
            for one in await statistics.months(session)
        ],
        "supply": [
            {
                "purpose": one.purpose,
                "currency": one.currency,
                "amount": amount_of(one.amount, Currency(one.currency)),
                "accounts": one.accounts,
            }
            for one in await statistics.supply(session)
        ],
    }


def transaction(one: Movement) -> Transaction:
    """A movement as the API shows it."""
    subject = one.subject
    return Transaction(
        id=one.entry_id,
        date=one.at,
        type=one.type.number,
        type_name=one.type.value,
        label=one.label,
        description=one.description,
        colour=one.currency.value,
        account=one.purpose,
        amount=amount_of(one.amount, one.currency),
        balance=None if one.balance is None else amount_of(one.balance, one.currency),
        with_id=one.other_id,
        with_name=one.other,
        subject=About(
            kind=subject.kind,
            id=subject.id,
            title=one.about.title if one.about else None,
            path=one.about.path if one.about else None,
        )
        if subject
        else None,
        refund_of=one.reverses_id,
        refunded_by=list(one.reversed_by),
    )


def _hold(one: Hold) -> OpenHold:
    kind = EntryType(one.type)
    return OpenHold(
        id=one.id,
        type=kind.number,
        type_name=kind.value,
        description=one.description,
        reserved={str(colour): money.as_number(int(part)) for colour, part in one.reserved},
        remaining={str(colour): money.as_number(int(part)) for colour, part in one.remaining},
        created_at=one.created_at,
        expires_at=one.expires_at,
        subject=About(kind=one.subject_kind, id=one.subject_id, title=None, path=None)
        if one.subject_kind and one.subject_id
        else None,
    )
