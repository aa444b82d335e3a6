"""`/buzz/earn` and `/buzz/referrals`: what can be earned, the daily claim, invitations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import awarding, bonuses, referral_shop, referrals
from civitas.domains.buzz.earning.awarding import Progress
from civitas.domains.buzz.earning.bonuses import Bonus
from civitas.domains.buzz.earning.referrals import Standing
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Referrals
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import Member, redirect
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, PaymentNeeded

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

EARN: Final = "/buzz/earn"
REFERRALS: Final = "/buzz/referrals"


@dataclass(frozen=True, slots=True)
class EarnPage:
    """What can be earned and where one stands."""

    daily: Progress | None
    can_claim: bool
    eligible: bool
    onboarded: bool
    next_at: datetime | None
    tier: str
    member: bool
    multiplier: Decimal
    bonus_now: Bonus | None
    bonus_ahead: tuple[Bonus, ...]
    groups: tuple[tuple[str, str, tuple[Progress, ...]], ...]
    later: tuple[Progress, ...]
    today: int
    month: int


@dataclass(frozen=True, slots=True)
class ReferralPage:
    """Invitations and what they brought."""

    state: Standing
    link: str | None
    rules: Referrals
    problem: str | None
    share: int
    welcome: int


@router.get(EARN)
async def earn(request: Request, member: Member, session: Reading) -> Response:
    """Every reward, with how much of its cap one has had."""
    return render(request, "buzz/earn.html", await _earn(session, member), block="daily_claim")


@router.post(EARN + "/daily")
async def claim(request: Request, member: Member) -> Response:
    """Take the day's Buzz."""
    database = state_of(request).database
    text, kind = "", "ok"
    try:
        async with database.unit() as session:
            paid = await awarding.claim_daily(session, member)
        text = f"{money.shown(paid.amount)} Blue Buzz is yours. The next is there at 00:00 UTC."
    except (Conflict, Forbidden, Invalid) as fault:
        if fault.code == "not_onboarded":
            raise
        text, kind = fault.message, "info"
    if request.headers.get("hx-target") != "daily-claim":
        return redirect(request, EARN, text=text, kind="ok" if kind == "ok" else "info")
    async with database.reading() as session:
        page = await _earn(session, member)
    headers = toast_header("ok" if kind == "ok" else "info", text)
    return render(request, "buzz/earn.html", page, block="daily_claim", headers=headers)


async def _earn(session: AsyncSession, member: Actor) -> EarnPage:
    person, now = member.require(Scope.BUZZ_READ), clock.now()
    standing = await awarding.progress(session, person)
    held = await entitlements(session, person)
    ahead = await bonuses.listed(session, ahead=True)
    day_end, month_end = awarding.reset("day", now) or now, awarding.reset("month", now) or now
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    daily = next((one for one in standing if one.name == "daily_boost"), None)
    eligible = await awarding.eligibility(session, person) != "ineligible"
    active = [one for one in standing if one.active and one.name != "daily_boost"]
    spans = (("day", "Every day"), ("month", "Every month"), ("life", "Once"))
    return EarnPage(
        daily=daily,
        can_claim=eligible and daily is not None and not daily.full,
        eligible=eligible,
        onboarded=member.onboarded,
        next_at=awarding.reset("day", now),
        tier=held.tier.label,
        member=held.member,
        multiplier=await awarding.multiplier(session, person),
        bonus_now=max((one for one in ahead if one.running), key=lambda one: one.multiplier, default=None),
        bonus_ahead=tuple(one for one in ahead if not one.running),
        groups=tuple(
            (per, title, found)
            for per, title in spans
            if (found := tuple(one for one in active if one.rule.per == per))
        ),
        later=tuple(one for one in standing if not one.active),
        today=await awarding.earned_between(session, person, midnight, day_end),
        month=await awarding.earned_between(session, person, midnight.replace(day=1), month_end),
    )


@router.get(REFERRALS)
async def invitations(request: Request, member: Member, session: Reading) -> Response:
    """One's link, tokens, milestones and the token shop."""
    return await _referrals(request, session, member)


@router.post(REFERRALS + "/code")
async def make_code(request: Request, member: Member) -> Response:
    """Make the link."""
    return await _do(
        request, member, lambda session: referrals.make_code(session, member), "Your link is ready."
    )


@router.post(REFERRALS + "/shop")
async def buy(request: Request, member: Member) -> Response:
    """Exchange tokens; the form carries a key, so that sending it twice buys once."""
    form = await forms.read(request)
    tier, _, days = form.get("offer").partition("-")
    wanted = int(days) if days.isdecimal() and len(days) < 4 else 0
    text = f"{wanted} days of {economy.current().tier(tier).label} are yours."
    return await _do(
        request,
        member,
        lambda session: referral_shop.buy(
            session, member, tier=tier, days=wanted, key=form.get("key")[:100] or None
        ),
        text,
    )


async def _do(
    request: Request, member: Actor, doing: Callable[[AsyncSession], Awaitable[object]], text: str
) -> Response:
    database = state_of(request).database
    try:
        async with database.unit() as session:
            await doing(session)
    except (Conflict, Invalid, PaymentNeeded, Forbidden) as fault:
        if fault.code == "not_onboarded":
            raise
        async with database.reading() as session:
            return await _referrals(request, session, member, fault)
    return redirect(request, REFERRALS, text=text)


async def _referrals(
    request: Request, session: AsyncSession, member: Actor, fault: Fault | None = None
) -> Response:
    found, rules = (
        await referrals.standing(session, member.require(Scope.BUZZ_READ)),
        economy.current().referrals,
    )
    page = ReferralPage(
        state=found,
        link=f"{base_url(request)}/join?ref={found.code}" if found.code else None,
        rules=rules,
        problem=fault.message if fault else None,
        share=int(rules.kick_back_share * 100),
        welcome=int(rules.welcome_share * 100),
    )
    return render(request, "buzz/referrals.html", page, status=forms.status_of(fault) if fault else 200)
