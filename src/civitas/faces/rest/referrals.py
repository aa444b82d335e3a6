"""The referral programme over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import Field

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.earning import referral_shop, referrals
from civitas.domains.buzz.economy import economy
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money

router = APIRouter(prefix="/buzz/referrals", tags=["Referrals"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]


class TokenOffer(Answer):
    """Something in the token shop."""

    tier: str
    days: int
    tokens: int


class Milestone(Answer):
    """Blue Buzz for so many points."""

    points: int
    reward: Amount
    reached: bool


class ReferralState(Answer):
    """Where one stands. Kick-backs are in Blue Buzz."""

    code: str | None
    link: str | None
    may_refer: bool
    invited: int
    paying: int
    tokens: int
    tokens_pending: int
    next_expiry: datetime | None
    kicked_back: Amount
    kick_back_pending: Amount
    points: int
    queued_until: datetime | None
    milestones: list[Milestone]
    shop: list[TokenOffer]


class Code(Answer):
    """One's code and link."""

    code: str
    link: str


class OfferForm(Body):
    """Which offer of the token shop."""

    tier: str = Field(max_length=20)
    days: int = Field(ge=1, le=400)


class Bought(Answer):
    """Tokens exchanged for days of a tier; those bought so far run until `queuedUntil`."""

    tier: str
    days: int
    tokens: int
    queued_until: datetime | None
    replayed: bool


@router.get("", operation_id="getReferrals", summary="Get My Referrals")
async def state(request: Request, actor: Owner, session: Reading) -> ReferralState:
    """One's link, what it brought, tokens, milestones, and what tokens buy."""
    found = await referrals.standing(session, actor.require(Scope.BUZZ_READ))
    rules = economy.current().referrals
    return ReferralState(
        code=found.code,
        link=_link(request, found.code) if found.code else None,
        may_refer=found.may_refer,
        invited=found.invited,
        paying=found.paying,
        tokens=found.tokens,
        tokens_pending=found.tokens_pending,
        next_expiry=found.next_expiry,
        kicked_back=money.as_number(found.kicked_back),
        kick_back_pending=money.as_number(found.kick_back_pending),
        points=found.points,
        queued_until=found.queued_until,
        milestones=[
            Milestone(points=one.points, reward=float(one.reward), reached=found.points >= one.points)
            for one in rules.milestones
        ],
        shop=[TokenOffer(tier=one.tier, days=one.days, tokens=one.tokens) for one in rules.shop],
    )


@router.post("/code", operation_id="makeReferralCode", summary="Make My Referral Code")
async def make_code(request: Request, actor: Writer, session: Unit) -> Code:
    """One's code, made the first time; an account must be some days old."""
    code = await referrals.make_code(session, actor)
    return Code(code=code, link=_link(request, code))


@router.post("/shop", operation_id="buyWithReferralTokens", summary="Spend Referral Tokens")
async def buy(form: OfferForm, actor: Writer, session: Unit, idempotency_key: Key = None) -> Bought:
    """Exchange tokens for days of a tier."""
    made = await referral_shop.buy(session, actor, tier=form.tier, days=form.days, key=idempotency_key)
    return Bought.model_validate(made)


def _link(request: Request, code: str) -> str:
    return f"{base_url(request)}/join?ref={code}"
