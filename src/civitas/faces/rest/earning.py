"""Earning over the API: rewards and the daily claim, adverts, tips, compensation. Amounts are in Buzz."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.earning import adverts, awarding, bonuses, compensation, house_adverts, tips
from civitas.domains.buzz.earning.awarding import Progress
from civitas.domains.buzz.earning.compensation import MICRO
from civitas.domains.buzz.earning.tips import Given
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.types import Currency
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import clock, money, paging
from civitas.kit.errors import Conflict, Invalid

router = APIRouter(prefix="/buzz", tags=["Earning"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


class RewardShown(Answer):
    """One reward: what it is worth to the caller, and how much of its cap they have had."""

    name: str
    label: str
    told: str
    amount: Amount
    awarded: Amount
    cap: Amount
    interval: Literal["day", "month", "life"]
    resets_at: datetime | None
    active: bool = Field(description="False while nothing on this site can earn it yet.")


class BonusShown(Answer):
    """A time in which everybody earns more."""

    id: int
    title: str
    multiplier: float
    starts_at: datetime
    ends_at: datetime


class Rewards(Answer):
    """What can be earned, and where the caller stands."""

    multiplier: float
    eligible: bool
    can_claim: bool
    items: list[RewardShown]
    bonus_events: list[BonusShown]


class Claimed(Answer):
    """What was paid."""

    reward: str
    amount: Amount
    capped: bool
    next_at: datetime | None


class TipForm(Body):
    """A tip for a person (`user`) or a thing (`model`, `model_version`, `post`, `image`)."""

    kind: str = Field(max_length=40)
    subject_id: int = Field(ge=1, le=2**62)
    amount: int | float = Field(description="Whole Buzz.")
    colour: Literal["yellow", "green", "blue"] = "yellow"
    message: str = Field(default="", max_length=2000)
    quick: bool = Field(default=False, description="A tip by one press, which has a lower bound of its own.")


class TipShown(Answer):
    """A tip."""

    id: int
    from_username: str
    to_username: str
    kind: str
    subject_id: int
    colour: str
    amount: Amount
    message: str
    created_at: datetime
    replayed: bool = False


class Tips(Answer):
    """One page of tips."""

    items: list[TipShown]
    next_cursor: str | None


class TipTotal(Answer):
    """What something was tipped."""

    amount: Amount
    count: int


class TicketForm(Body):
    """Which place of a page shows an advert."""

    slot: str = Field(min_length=1, max_length=adverts.LONGEST_SLOT)


class Ticket(Answer):
    """To be sent back once the advert was looked at for `leastSeconds`."""

    ticket: str
    least_seconds: float
    most_seconds: float


class SeenForm(Body):
    """The ticket of an advert that was seen."""

    ticket: str = Field(max_length=500)


class Seen(Answer):
    """Whether it counted; the reward follows within minutes."""

    counted: bool


class CompensationDay(Answer):
    """What a version earned its creator on a day. `earned` to the fraction, `paid` once the day was settled."""

    day: date
    model_version_id: int
    colour: str
    jobs: int
    earned: float
    tips: float
    paid: Amount
    settled: bool


class CompensationDays(Answer):
    """Days of compensation."""

    items: list[CompensationDay]


@router.get("/rewards", operation_id="getRewards", summary="Get Rewards")
async def rewards(actor: Owner, session: Reading) -> Rewards:
    """Every reward with its cap, one's multiplier, and bonus events that run or come."""
    person_id = actor.require(Scope.BUZZ_READ)
    standing = await awarding.progress(session, person_id)
    eligible = await awarding.eligibility(session, person_id) != "ineligible"
    return Rewards(
        multiplier=float(await awarding.multiplier(session, person_id)),
        eligible=eligible,
        can_claim=eligible and any(one.name == "daily_boost" and not one.full for one in standing),
        items=[_reward(one) for one in standing],
        bonus_events=[BonusShown.model_validate(one) for one in await bonuses.listed(session, ahead=True)],
    )


def _reward(one: Progress) -> RewardShown:
    return RewardShown(
        name=one.name,
        label=one.rule.label,
        told=one.rule.told,
        amount=money.as_number(one.each),
        awarded=money.as_number(one.got),
        cap=money.as_number(one.cap),
        interval=one.rule.per,
        resets_at=one.resets_at,
        active=one.active,
    )


@router.post("/rewards/daily", operation_id="claimDailyBuzz", summary="Claim The Day's Buzz")
async def claim(actor: Writer, session: Unit) -> Claimed:
    """Take the day's Buzz, once a UTC day; 409 (`already_claimed`) after that."""
    paid = await awarding.claim_daily(session, actor)
    return Claimed(
        reward=paid.reward,
        amount=money.as_number(paid.amount),
        capped=paid.capped,
        next_at=awarding.reset("day", clock.now()),
    )


@router.post("/tips", operation_id="giveTip", summary="Give A Tip")
async def tip(form: TipForm, actor: Writer, session: Unit, idempotency_key: Key = None) -> TipShown:
    """Give green or yellow Buzz to whoever made a thing, or to a person; the colour stays."""
    given = await tips.give(
        session,
        actor,
        subject=Subject(form.kind, form.subject_id),
        amount=money.parse(form.amount),
        colour=Currency(form.colour),
        message=form.message,
        quick=form.quick,
        key=idempotency_key,
    )
    return (await _tips(session, [given]))[0]


@router.get("/tips/received", operation_id="listReceivedTips", summary="List Tips I Received")
async def received(actor: Owner, session: Reading, cursor: Cursor = None) -> Tips:
    """The tips one got, the newest first."""
    page = await tips.listed(session, actor, way="received", cursor=cursor)
    return Tips(items=await _tips(session, page.items), next_cursor=page.next_cursor)


@router.get("/tips/given", operation_id="listGivenTips", summary="List Tips I Gave")
async def given(actor: Owner, session: Reading, cursor: Cursor = None) -> Tips:
    """The tips one gave, the newest first."""
    page = await tips.listed(session, actor, way="given", cursor=cursor)
    return Tips(items=await _tips(session, page.items), next_cursor=page.next_cursor)


@router.get("/tips/total", operation_id="getTipTotal", summary="Get What Something Was Tipped")
async def total(
    request: Request,
    visitor: Viewer,
    session: Reading,
    kind: Annotated[str, Query(max_length=40)],
    subject: Annotated[int, Query(alias="id", ge=1, le=2**62)],
) -> TipTotal:
    """All tips for one thing or person, whatever their colour."""
    await take(request, "read")
    amount, count = await tips.total(session, Subject(kind, subject))
    return TipTotal(amount=money.as_number(amount), count=count)


async def _tips(session: AsyncSession, lines: Sequence[Given]) -> list[TipShown]:
    cards = await queries.by_ids(session, {one.from_id for one in lines} | {one.to_id for one in lines})
    return [
        TipShown(
            id=one.id,
            from_username=cards[one.from_id].username,
            to_username=cards[one.to_id].username,
            kind=one.subject.kind,
            subject_id=one.subject.id,
            colour=one.colour.value,
            amount=money.as_number(one.amount),
            message=one.message,
            created_at=one.created_at,
            replayed=one.replayed,
        )
        for one in lines
    ]


@router.post("/adverts/tickets", operation_id="makeAdvertTicket", summary="Make An Advert's Ticket")
async def ticket(request: Request, form: TicketForm, actor: Writer) -> Ticket:
    """A signed ticket for the advert of the house that a page is about to show to the caller.

    Its slot is the advert's key. Who is a member sees none, so there is none for them.
    """
    actor.require(Scope.USER_WRITE)
    if form.slot not in {one.row.key for one in house_adverts.running()}:
        raise Conflict("No such advert is shown on this site now.", code="no_advert")
    async with state_of(request).database.reading() as session:
        if (await entitlements(session, actor.id)).member:
            raise Conflict("Members are shown no adverts.", code="no_advert")
    bounds = economy.current().adverts
    return Ticket(
        ticket=adverts.ticket(state_of(request).secret, actor, slot=form.slot),
        least_seconds=bounds.least_seconds,
        most_seconds=bounds.most_seconds,
    )


@router.post("/adverts/seen", operation_id="reportAdvertSeen", summary="Report An Advert As Seen")
async def advert_seen(request: Request, form: SeenForm, actor: Writer, session: Unit) -> Seen:
    """Send a ticket back. One that is too old, not the caller's, or was used before does not count."""
    try:
        counted = await adverts.seen(session, actor, secret=state_of(request).secret, signed=form.ticket)
    except Invalid:
        counted = False
    return Seen(counted=counted)


@router.get("/compensation", operation_id="getCompensation", summary="Get My Compensation By Day")
async def compensated(
    actor: Owner, session: Reading, start: date | None = None, end: date | None = None
) -> CompensationDays:
    """What others' generating with one's models earned, from `start` to before `end`; the last 30 days when left out."""
    last = end or clock.now().date() + timedelta(days=1)
    first = start or last - timedelta(days=30)
    lines = await compensation.daily(session, actor, start=first, end=last)
    quarter = MICRO * money.QUARTERS
    return CompensationDays(
        items=[
            CompensationDay(
                day=line.day,
                model_version_id=line.version_id,
                colour=line.colour.value,
                jobs=line.jobs,
                earned=line.amount / quarter,
                tips=line.tips / quarter,
                paid=money.as_number(line.paid),
                settled=line.settled,
            )
            for line in lines
        ]
    )
