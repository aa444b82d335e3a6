"""What earning does about facts of others: rewards, totals, referrals."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import Followed, OnboardingStepTaken
from civitas.contracts.events.buzz import BuzzPurchased, MembershipPaid, TipGiven
from civitas.contracts.events.catalog import ModelEngaged
from civitas.contracts.events.gallery import Collected, PostPublished, Reacted, VersionsShown
from civitas.contracts.events.studio import OutputRated
from civitas.domains.buzz.earning import awarding, referrals, rewards, tips
from civitas.infra.queue.registry import on


@on(OnboardingStepTaken)
async def reward_onboarding(session: AsyncSession, event: OnboardingStepTaken) -> None:
    """Welcome a new person once their account is set up."""
    await _reward(session, event)


@on(Followed)
async def reward_follow(session: AsyncSession, event: Followed) -> None:
    """Reward the first follows of a day."""
    await _reward(session, event)


@on(ModelEngaged)
async def reward_collected(session: AsyncSession, event: ModelEngaged) -> None:
    """Reward the creator of a model that others mark as a favourite."""
    await _reward(session, event)


@on(Collected)
async def reward_kept(session: AsyncSession, event: Collected) -> None:
    """Reward the owner of what others put into a collection."""
    await _reward(session, event)


@on(Reacted)
async def reward_reaction(session: AsyncSession, event: Reacted) -> None:
    """Reward whoever reacts, and the owner of what is reacted to."""
    await _reward(session, event)


@on(PostPublished)
async def reward_post(session: AsyncSession, event: PostPublished) -> None:
    """Reward the first post of a day."""
    await _reward(session, event)


@on(VersionsShown)
async def reward_shown(session: AsyncSession, event: VersionsShown) -> None:
    """Reward the creators of models that others post with."""
    await _reward(session, event)


@on(OutputRated)
async def reward_rating(session: AsyncSession, event: OutputRated) -> None:
    """Reward whoever says how a generation came out."""
    await _reward(session, event)


async def _reward(session: AsyncSession, event: Any) -> None:
    await awarding.award(session, await rewards.earned_by(session, event))


@on(TipGiven)
async def count_tip(session: AsyncSession, event: TipGiven) -> None:
    """Add a tip to what its subject was tipped."""
    await tips.count(session, event)


@on(MembershipPaid)
async def credit_referrer(session: AsyncSession, event: MembershipPaid) -> None:
    """Put tokens down for whoever invited a new member."""
    await referrals.membership_paid(
        session,
        membership_id=event.membership_id,
        person_id=event.person_id,
        tier=event.tier,
        months=event.months,
        period=event.period,
    )


@on(BuzzPurchased)
async def kick_back(session: AsyncSession, event: BuzzPurchased) -> None:
    """Put a share of a purchase down for whoever invited the buyer."""
    await referrals.purchased(
        session, purchase_id=event.purchase_id, person_id=event.person_id, amount=event.amount
    )
