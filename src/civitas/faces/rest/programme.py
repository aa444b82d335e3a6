"""The creator programme over the API: standing, joining, banking, taking back, cash."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.programme import banking as programme_banking
from civitas.domains.buzz.programme import cash as programme_cash
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.programme import pools as programme_pools
from civitas.domains.buzz.programme import reads as programme_reads
from civitas.domains.buzz.programme.pools import Pool
from civitas.domains.buzz.programme.reads import Standing
from civitas.domains.buzz.programme.tables import CashWithdrawal
from civitas.domains.buzz.programme.types import REQUEST_STATES, Withdrawn
from civitas.domains.buzz.types import Currency
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money
from civitas.kit.errors import Conflict
from civitas.kit.ids import new_uuid

router = APIRouter(prefix="/creator-program", tags=["Creator Program"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class Joining(Body):
    """Consent."""

    accept_terms: bool = Field(description="That the terms of the programme are accepted.")


class Banking(Body):
    """How much of which colour, in Buzz."""

    yellow: Amount = Field(default=0, ge=0)
    green: Amount = Field(default=0, ge=0)


class Withdrawing(Body):
    """How much, in cents of a US dollar."""

    amount_cents: int = Field(ge=1, le=10**11)


class Choosing(Body):
    """How one wants to be paid, and what that way needs to know (`ach`: holder, routing, account; `paypal`: email;
    `cheque`: payee, address)."""

    method: str = Field(max_length=20)
    details: dict[str, str] = Field(default_factory=dict, max_length=10)


class Requirement(Answer):
    """One thing that joining needs."""

    code: str
    met: bool
    told: str


class PoolState(Answer):
    """The pool of a month; money in cents, banked Buzz over everybody."""

    month: str
    status: str
    value_cents: int
    from_fallback: bool
    banked: Amount
    people: int
    cents_per_1000: int


class Status(Answer):
    """Where one stands. Amounts are in Buzz, money in cents."""

    status: str
    eligible: bool
    requirements: list[Requirement]
    score: int
    score_needed: int
    score_parts: dict[str, int]
    tier: str
    month: str
    phase: str
    phase_ends_at: datetime
    extraction_opens_at: datetime
    closes_at: datetime
    settles_at: datetime
    cap: Amount
    best_month: Amount
    left: Amount
    banked: dict[str, Amount]
    estimate_cents: int
    pool: PoolState
    cash_pending_cents: int
    cash_settled_cents: int
    payout_method: str | None
    payout_ready: bool


class Extraction(Answer):
    """What taking everything back gives, by colour, in Buzz."""

    month: str
    banked: dict[str, Amount]
    fees: dict[str, Amount]
    received: dict[str, Amount]
    fee: Amount


class Banked(Answer):
    """What is banked now."""

    entry_id: int
    banked: dict[str, Amount]


class Share(Answer):
    """What a closed month brought."""

    month: str
    yellow: Amount
    green: Amount
    cents: int
    status: str


class Step(Answer):
    """What banking so much more would bring."""

    more: Amount
    cents: int


class Outlook(Answer):
    """This month's pool, the next one's as it looks now, and what banking more would bring."""

    now: PoolState
    following: PoolState
    ladder: list[Step]


class Withdrawal(Answer):
    """Cash on its way. `requestState` is what older clients call it."""

    id: int
    method: str
    hint: str
    amount_cents: int
    fee_cents: int
    status: str
    request_state: str
    reference: str | None
    note: str
    created_at: datetime
    updated_at: datetime


class Withdrawals(Answer):
    """A page of withdrawals."""

    items: list[Withdrawal]
    next_cursor: str | None


class Way(Answer):
    """How one is paid. `url`: where the provider asks for more."""

    method: str
    ready: bool
    hint: str
    url: str | None = None


@router.get("", operation_id="getCreatorProgram", summary="Get My Standing In The Creator Program")
async def status(actor: Owner, session: Reading) -> Status:
    """Phase, score, what is banked, the cap, the pool and what one's part of it would be now, and cash."""
    return _status(await programme_reads.standing(session, actor))


@router.post("/join", operation_id="joinCreatorProgram", summary="Join The Creator Program")
async def join(actor: Writer, session: Unit, body: Joining) -> Status:
    """Join: needs the score, a paid membership, and that the terms are accepted. Repeating it changes nothing."""
    await participation.join(session, actor, accept_terms=body.accept_terms)
    return _status(await programme_reads.standing(session, actor))


@router.post("/leave", operation_id="leaveCreatorProgram", summary="Leave The Creator Program")
async def leave(actor: Writer, session: Unit) -> Status:
    """Leave: what is banked is still paid out, and cash stays one's own."""
    await participation.leave(session, actor)
    return _status(await programme_reads.standing(session, actor))


@router.post("/bank", operation_id="bankBuzz", summary="Bank Buzz")
async def bank(actor: Writer, session: Unit, body: Banking, idempotency_key: Key = None) -> Banked:
    """Move yellow and green Buzz into this month's bank, until the extraction phase begins."""
    person = actor.require(Scope.USER_WRITE)
    amounts = {
        Currency.YELLOW: money.parse(body.yellow, name="yellow"),
        Currency.GREEN: money.parse(body.green, name="green"),
    }
    entry = await programme_banking.bank(
        session, actor, amounts=amounts, key=f"bank:{person}:{idempotency_key or new_uuid()}"
    )
    stands = await programme_reads.standing(session, actor)
    return Banked(entry_id=entry, banked=_amounts(stands.banked))


@router.get("/extract", operation_id="previewExtraction", summary="Preview Taking Banked Buzz Back")
async def preview(actor: Owner, session: Reading) -> Extraction:
    """What taking everything back would give and cost now."""
    return _extraction(await programme_banking.preview(session, actor.require(Scope.BUZZ_READ)))


@router.post("/extract", operation_id="extractBuzz", summary="Take Banked Buzz Back")
async def extract(actor: Writer, session: Unit) -> Extraction:
    """Take back all that is banked, less the fee, in the last days of the month. Repeating it gives the first answer."""
    return _extraction(await programme_banking.extract(session, actor))


@router.get("/forecast", operation_id="getCreatorProgramForecast", summary="Get The Forecast")
async def forecast(
    session: Reading,
    more: Annotated[float, Query(ge=0, le=10**9, description="Buzz to bank besides.")] = 100_000,
) -> Outlook:
    """What the pools look like now, and what banking would bring; open to everybody."""
    found = await programme_reads.forecast(session, more=money.buzz(int(more)))
    return Outlook(
        now=_pool(found.now),
        following=_pool(found.following),
        ladder=[Step(more=money.as_number(added), cents=cents) for added, cents in found.ladder],
    )


@router.get("/history", operation_id="getCreatorProgramHistory", summary="List My Closed Months")
async def history(actor: Owner, session: Reading) -> list[Share]:
    """What one banked and got in the last two years, the newest month first."""
    rows = await programme_pools.history(session, actor.require(Scope.BUZZ_READ))
    return [
        Share(
            month=row.month,
            yellow=money.as_number(row.yellow),
            green=money.as_number(row.green),
            cents=row.cents,
            status=row.status,
        )
        for row in rows
    ]


@router.put("/payout-method", operation_id="setPayoutMethod", summary="Choose How To Be Paid")
async def choose(request: Request, actor: Writer, session: Unit, body: Choosing) -> Way:
    """Choose a way that staff carry out; the details are kept encrypted and never shown again."""
    found = await programme_cash.choose_by_hand(
        session, actor, method=body.method, details=body.details, secret=state_of(request).secret
    )
    return Way(method=found.method, ready=found.state == "ready", hint=found.hint)


@router.post(
    "/payout-method/provider", operation_id="connectPayoutProvider", summary="Be Paid By The Provider"
)
async def connect(request: Request, actor: Writer) -> Way:
    """Begin, or go on with, being paid by the provider; `url` is where it asks for more while it is not ready."""
    state, person = state_of(request), actor.require(Scope.USER_WRITE)
    if not state.payouts.serves("stripe"):
        raise Conflict("This site has no provider for payouts; choose another way.", code="no_provider")
    async with state.database.reading() as session:
        account = await programme_cash.provider_account(session, person)
    begun = await state.payouts.enrol(
        person_id=person,
        email=None,
        account=account,
        back_url=f"{base_url(request)}/creator-program/cash/connected",
    )
    ready = await state.payouts.ready(begun.account)
    async with state.database.unit() as session:
        way = await programme_cash.choose_provider(
            session, actor, method="stripe", account=begun.account, ready=ready
        )
    return Way(method=way.method, ready=ready, hint=way.hint, url=None if ready else begun.url)


@router.get("/withdrawals", operation_id="listWithdrawals", summary="List My Withdrawals")
async def withdrawals(
    actor: Owner, session: Reading, cursor: Annotated[str | None, Query(max_length=512)] = None
) -> Withdrawals:
    """One's withdrawals, the newest first."""
    page = await programme_cash.mine(session, actor.require(Scope.BUZZ_READ), cursor=cursor)
    return Withdrawals(items=[_withdrawal(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/withdrawals", status_code=201, operation_id="withdrawCash", summary="Withdraw Cash")
async def withdraw(
    request: Request, actor: Writer, session: Unit, body: Withdrawing, idempotency_key: Key = None
) -> Withdrawal:
    """Ask for settled cash in the way that one chose; it is set aside until it is paid or comes back."""
    person = actor.require(Scope.USER_WRITE)
    row = await programme_cash.withdraw(
        session,
        actor,
        cents=body.amount_cents,
        key=f"withdraw:{person}:{idempotency_key or new_uuid()}",
        payouts=state_of(request).payouts.serves,
    )
    return _withdrawal(row)


@router.post(
    "/withdrawals/{withdrawal_id}/cancel", operation_id="cancelWithdrawal", summary="Cancel A Withdrawal"
)
async def cancel(actor: Writer, session: Unit, withdrawal_id: int) -> Withdrawal:
    """Take a request back while nobody acts on it; the money can be withdrawn again."""
    return _withdrawal(await programme_cash.cancel(session, actor, withdrawal_id=withdrawal_id))


def _amounts(found: Any) -> dict[str, Amount]:
    return {colour.value: money.as_number(amount) for colour, amount in found.items()}


def _pool(found: Pool) -> PoolState:
    return PoolState(
        month=found.month.key,
        status=found.status,
        value_cents=found.cents,
        from_fallback=found.facts.from_fallback,
        banked=money.as_number(found.banked),
        people=found.people,
        cents_per_1000=found.worth_of_1000,
    )


def _extraction(found: programme_banking.Extraction) -> Extraction:
    return Extraction(
        month=found.month,
        banked=_amounts(found.banked),
        fees=_amounts(found.fees),
        received=_amounts(found.received),
        fee=money.as_number(found.fee),
    )


def _withdrawal(row: CashWithdrawal) -> Withdrawal:
    plain = {name: getattr(row, name) for name in Withdrawal.model_fields if name != "request_state"}
    return Withdrawal(**plain, request_state=REQUEST_STATES[Withdrawn(row.status)])


def _status(found: Standing) -> Status:
    who = found.candidacy
    return Status(
        status=who.status,
        eligible=who.eligible,
        requirements=[Requirement.model_validate(one) for one in who.requirements],
        score=who.score,
        score_needed=who.score_needed,
        score_parts=who.score_parts,
        tier=who.tier,
        month=found.month.key,
        phase=found.phase.value,
        phase_ends_at=found.phase_ends,
        extraction_opens_at=found.calendar.extraction_opens,
        closes_at=found.calendar.closes,
        settles_at=found.calendar.settles,
        cap=money.as_number(found.allowance.cap),
        best_month=money.as_number(found.allowance.best_month),
        left=money.as_number(found.allowance.left),
        banked=_amounts(found.banked),
        estimate_cents=found.estimate_cents,
        pool=_pool(found.pool),
        cash_pending_cents=found.cash.pending,
        cash_settled_cents=found.cash.settled,
        payout_method=found.method.method if found.method else None,
        payout_ready=found.method is not None and found.method.state == "ready",
    )
