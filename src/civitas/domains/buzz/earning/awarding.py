"""Paying rewards: once for a fact, never beyond a cap, in blue from the mint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import RewardGiven
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import bonuses
from civitas.domains.buzz.earning.rewards import REWARDS, Earned
from civitas.domains.buzz.earning.tables import RewardAward, RewardCounter
from civitas.domains.buzz.economy import economy, rules
from civitas.domains.buzz.economy.rules import Reward
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, Invalid

LIFE = "life"


@dataclass(frozen=True, slots=True)
class Award:
    """What came of something earned: quarters paid, and whether a cap cut it."""

    reward: str
    person_id: int
    amount: int
    capped: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How a person stands with one reward; amounts in quarters, at their own multiplier."""

    name: str
    rule: Reward
    each: int
    got: int
    cap: int
    resets_at: datetime | None
    active: bool

    @property
    def full(self) -> bool:
        """Whether nothing more is paid until the span ends."""
        return self.got >= self.cap


def span(per: str, moment: datetime) -> str:
    """The name of the UTC day or month that a cap counts over, or `life`."""
    return {"day": f"{moment:%Y-%m-%d}", "month": f"{moment:%Y-%m}"}.get(per, LIFE)


def reset(per: str, moment: datetime) -> datetime | None:
    """When the span that `moment` lies in ends."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return midnight + timedelta(days=1)
    if per == "month":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def scaled(rule: Reward, amount: Decimal, multiplier: Decimal) -> int:
    """An amount of a rule in quarters: multiplied amounts are rounded up to whole Buzz, others are as they stand."""
    if not rule.multiplied:
        return rules.quarters(amount)
    return money.buzz(int((amount * multiplier).to_integral_value(ROUND_CEILING)))


async def multiplier(session: AsyncSession, person_id: int) -> Decimal:
    """The member's multiplier times that of a bonus event that runs now."""
    tier = (await entitlements(session, person_id)).tier
    return tier.reward_multiplier * await bonuses.current(session)


async def award(session: AsyncSession, earned: Sequence[Earned]) -> list[Award]:
    """Pay what was earned; what was rewarded before, or is no reward, or of an account whose rewards are off, is
    left out. Caps grow with the multiplier, as the amounts do.

    The order of locks is that of persons, then rewards, then spans, then the ledger's own.
    """
    wanted = await _eligible(session, [one for one in earned if _offered(one.reward)])
    made: list[Award] = []
    entries: list[Entry] = []
    for one in sorted(wanted, key=lambda e: (e.person_id, e.reward, e.about, e.by_id or 0)):
        paid = await _one(session, one)
        if paid is None:
            continue
        made.append(paid)
        if paid.amount:
            entries.append(_entry(one, paid.amount))
    await posting.post_batch(session, entries)
    given = [RewardGiven(one.person_id, one.reward, one.amount) for one in made if one.amount]
    if given:
        await publish(session, *given)
    return made


def _offered(name: str) -> bool:
    rule = economy.current().rewards.get(name)
    return rule is not None and rule.enabled


def _entry(one: Earned, amount: int) -> Entry:
    rule = economy.current().rewards[one.reward]
    by = one.by_id if one.by_id is not None else one.person_id
    return Entry(
        key=f"reward:{one.reward}:{one.about}:{one.person_id}:{by}",
        type=EntryType.REWARD,
        legs=posting.transfer(
            house(Purpose.MINT, Currency.BLUE), wallet(one.person_id, Currency.BLUE), amount
        ),
        description=f"Reward: {rule.label}"[:100],
        subject=one.subject,
        details={"reward": one.reward},
    )


async def _eligible(session: AsyncSession, earned: Sequence[Earned]) -> list[Earned]:
    """Rewards of accounts in good standing, caused by such."""
    ids = {one.person_id for one in earned} | {one.by_id for one in earned if one.by_id is not None}
    found = set(
        await session.scalars(
            select(Person.id).where(
                Person.id.in_(ids),
                Person.id > 0,
                Person.status == "active",
                Person.rewards_eligibility != "ineligible",
            )
        )
    )
    return [one for one in earned if one.person_id in found and (one.by_id is None or one.by_id in found)]


async def _one(session: AsyncSession, one: Earned) -> Award | None:
    now = clock.now()
    rule = economy.current().rewards[one.reward]
    by = one.by_id if one.by_id is not None else one.person_id
    award_id = await session.scalar(
        insert(RewardAward)
        .values(
            reward=one.reward,
            about=one.about,
            person_id=one.person_id,
            by_id=by,
            amount=0,
            status="capped",
            day=now.date(),
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(RewardAward.id)
    )
    if award_id is None:
        return None
    factor = await multiplier(session, one.person_id) if rule.multiplied else Decimal(1)
    full = scaled(rule, rule.amount, factor) * one.times
    caps = {span(rule.per, now): scaled(rule, rule.cap, factor)}
    if rule.hour_cap is not None:
        caps[f"{now:%Y-%m-%dT%H}"] = scaled(rule, rule.hour_cap, factor)
    if rule.subject_cap is not None and one.subject is not None:
        caps[f"{one.subject.kind}:{one.subject.id}"] = scaled(rule, rule.subject_cap, factor)
    amount = await _take(session, one.person_id, one.reward, caps, full)
    if amount:
        row = await session.get_one(RewardAward, award_id)
        row.amount, row.status = amount, "awarded"
        await session.flush()
    return Award(one.reward, one.person_id, amount, amount < full)


async def _take(session: AsyncSession, person_id: int, reward: str, caps: dict[str, int], full: int) -> int:
    """Count as much of `full` as every span has room for; its rows are locked until the transaction ends."""
    now, room = clock.now(), full
    for name in sorted(caps):
        used = await session.scalar(
            insert(RewardCounter)
            .values(person_id=person_id, reward=reward, span=name, amount=0, changed_at=now)
            .on_conflict_do_update(index_elements=["person_id", "reward", "span"], set_={"changed_at": now})
            .returning(RewardCounter.amount)
        )
        room = min(room, max(0, caps[name] - (used or 0)))
    if room:
        for name in sorted(caps):
            await session.execute(
                insert(RewardCounter)
                .values(person_id=person_id, reward=reward, span=name, amount=room, changed_at=now)
                .on_conflict_do_update(
                    index_elements=["person_id", "reward", "span"],
                    set_={"amount": RewardCounter.amount + room},
                )
            )
    return room


async def claim_daily(session: AsyncSession, actor: Actor) -> Award:
    """The actor takes the day's Buzz. Raises Conflict (`already_claimed`), Forbidden (`rewards_off`, `not_onboarded`)."""
    person_id = actor.require(Scope.USER_WRITE)
    if not actor.onboarded:
        raise Forbidden("Finish setting up your account first.", code="not_onboarded")
    if not _offered("daily_boost"):
        raise Invalid("There is no daily claim here at the moment.", code="reward_off")
    today = clock.now().date().isoformat()
    found = await award(session, [Earned("daily_boost", person_id, f"day:{today}")])
    if found:
        return found[0]
    if await eligibility(session, person_id) == "ineligible":
        raise Forbidden(
            "Rewards are turned off for this account. Write to the site's staff to have it looked at.",
            code="rewards_off",
        )
    raise Conflict(
        "You claimed today's Buzz already; the next is there at 00:00 UTC.", code="already_claimed"
    )


async def eligibility(session: AsyncSession, person_id: int) -> str:
    """`eligible`, `ineligible` (nothing is paid) or `protected` (never turned off by itself)."""
    found = await session.scalar(select(Person.rewards_eligibility).where(Person.id == person_id))
    return str(found or "eligible")


async def progress(session: AsyncSession, person_id: int) -> list[Progress]:
    """Every reward on offer, with how much of its cap this person has had."""
    now, rewards_now = clock.now(), economy.current().rewards
    factor = await multiplier(session, person_id)
    rows = await session.execute(
        select(RewardCounter.reward, RewardCounter.span, RewardCounter.amount).where(
            RewardCounter.person_id == person_id,
            RewardCounter.span.in_([span(per, now) for per in ("day", "month", "life")]),
        )
    )
    got = {(row.reward, row.span): row.amount for row in rows}
    return [
        Progress(
            name=reward.name,
            rule=rule,
            each=scaled(rule, rule.amount, factor if rule.multiplied else Decimal(1)),
            got=got.get((reward.name, span(rule.per, now)), 0),
            cap=scaled(rule, rule.cap, factor if rule.multiplied else Decimal(1)),
            resets_at=reset(rule.per, now),
            active=bool(reward.reads) or reward.claimed,
        )
        for reward in REWARDS
        if (rule := rewards_now.get(reward.name)) is not None and rule.enabled
    ]


async def earned_between(session: AsyncSession, person_id: int, start: datetime, end: datetime) -> int:
    """Quarters that a person was awarded on the UTC days from `start` to before `end`."""
    found = await session.scalar(
        select(func.coalesce(func.sum(RewardAward.amount), 0)).where(
            RewardAward.person_id == person_id,
            RewardAward.day >= start.date(),
            RewardAward.day < end.date(),
            RewardAward.amount > 0,
        )
    )
    return int(found or 0)
