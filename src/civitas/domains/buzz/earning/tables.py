"""Mapped classes of earning: rewards, tips, compensation of creators, referrals."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")


class RewardAward(Base):
    """One thing that was rewarded, or was beyond a cap. The unique index is what pays for it only once."""

    __tablename__ = "reward_awards"
    __table_args__ = (
        CheckConstraint("status IN ('awarded', 'capped')", name="status"),
        CheckConstraint("(amount > 0) = (status = 'awarded')", name="amount"),
        Index("uq_reward_awards_fact", "reward", "about", "person_id", "by_id", unique=True),
        Index("ix_reward_awards_person_id_id", "person_id", text("id DESC")),
        Index("ix_reward_awards_day", "day", "person_id", postgresql_where=text("amount > 0")),
    )

    id: Mapped[BigId]
    reward: Mapped[str]
    # What it was for: `user:7`, `day:2026-11-26`.
    about: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # Who caused it; the person themselves for what one does oneself.
    by_id: Mapped[int]
    amount: Mapped[int]
    status: Mapped[str]
    day: Mapped[date]
    created_at: Mapped[CreatedAt]


class RewardCounter(Base):
    """What a person was awarded of one reward in one span. Its row is the lock that keeps caps when awards race."""

    __tablename__ = "reward_counters"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    reward: Mapped[str] = mapped_column(primary_key=True)
    # `2026-11-26`, `2026-11`, `life`, `2026-11-26T13`, `model_version:7`.
    span: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(server_default=ZERO)
    changed_at: Mapped[CreatedAt]


class BonusEvent(Base):
    """A time in which everybody earns more, declared by staff."""

    __tablename__ = "reward_bonus_events"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="window"),
        CheckConstraint("multiplier >= 1", name="multiplier"),
        Index("ix_reward_bonus_events_ends_at", "ends_at"),
    )

    id: Mapped[BigId]
    title: Mapped[str]
    multiplier: Mapped[Decimal] = mapped_column(Numeric(6, 2))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_by: Mapped[int] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[CreatedAt]


class RewardStop(Base):
    """Why an account's rewards were turned off by themselves: how many people shared an address, and what they got."""

    __tablename__ = "reward_stops"
    __table_args__ = (Index("ix_reward_stops_person_id_id", "person_id", text("id DESC")),)

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    address: Mapped[str]
    people: Mapped[int]
    awarded: Mapped[int]
    day: Mapped[date]
    created_at: Mapped[CreatedAt]


class AdImpression(Base):
    """An advert that a person saw. Folded into rewards by the hour, and forgotten after some days."""

    __tablename__ = "ad_impressions"
    __table_args__ = (
        Index("ix_ad_impressions_person_id_seen_at", "person_id", "seen_at"),
        Index("ix_ad_impressions_unfolded", "id", postgresql_where=text("NOT folded")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # The ticket's own number: it counts once.
    ticket: Mapped[uuid.UUID] = mapped_column(unique=True)
    slot: Mapped[str]
    seen_at: Mapped[datetime]
    folded: Mapped[bool] = mapped_column(server_default=text("false"))


class Tip(Base):
    """A tip as both sides see it in their lists; the money is the entry's."""

    __tablename__ = "tips"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("from_id <> to_id", name="not_oneself"),
        Index("ix_tips_from_id_id", "from_id", text("id DESC")),
        Index("ix_tips_to_id_id", "to_id", text("id DESC")),
        Index("ix_tips_subject", "subject_kind", "subject_id", text("id DESC")),
    )

    id: Mapped[BigId]
    entry_id: Mapped[int] = mapped_column(ForeignKey("buzz_entries.id"), unique=True)
    from_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    subject_kind: Mapped[str]
    subject_id: Mapped[int]
    colour: Mapped[str]
    amount: Mapped[int]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[CreatedAt]


class TippedTotal(Base):
    """What a subject was tipped so far, by colour; kept by a listener."""

    __tablename__ = "tipped_totals"

    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    colour: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(server_default=ZERO)
    count: Mapped[int] = mapped_column(server_default=ZERO)


class CompensatedJob(Base):
    """A job whose creators had their share put down; its key keeps it from counting twice."""

    __tablename__ = "compensated_jobs"
    __table_args__ = (Index("ix_compensated_jobs_created_at", "created_at", postgresql_using="brin"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    created_at: Mapped[CreatedAt]


class CompensationShare(Base):
    """One creator's share of one job, waiting to be added up. Amounts in millionths of a quarter."""

    __tablename__ = "compensation_shares"

    id: Mapped[BigId]
    person_id: Mapped[int]
    version_id: Mapped[int]
    colour: Mapped[str]
    day: Mapped[date]
    amount: Mapped[int]
    tips: Mapped[int]


class CompensationAccrual(Base):
    """What a version earned its creator on a day in one colour, in millionths of a quarter; `paid` in quarters."""

    __tablename__ = "compensation_accruals"
    __table_args__ = (
        Index("ix_compensation_accruals_person_id_day", "person_id", "day"),
        Index("ix_compensation_accruals_open", "day", postgresql_where=text("settled_at IS NULL")),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    version_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    colour: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(server_default=ZERO)
    # How much of it are tips.
    tips: Mapped[int] = mapped_column(server_default=ZERO)
    jobs: Mapped[int] = mapped_column(server_default=ZERO)
    paid: Mapped[int] = mapped_column(server_default=ZERO)
    settled_at: Mapped[datetime | None]


class CompensationCarry(Base):
    """What was too little to be paid out and is added to the next day, in millionths of a quarter."""

    __tablename__ = "compensation_carries"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    version_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    colour: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(server_default=ZERO)


class CompensationDay(Base):
    """A day whose settlement has begun: what comes in late counts for the day after."""

    __tablename__ = "compensation_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    begun_at: Mapped[CreatedAt]


class ReferralCode(Base):
    """The word in a person's invitation link."""

    __tablename__ = "referral_codes"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


class Referral(Base):
    """Who was invited by whom. One for each new person, for good."""

    __tablename__ = "referrals"
    __table_args__ = (
        CheckConstraint("referee_id <> referrer_id", name="not_oneself"),
        Index("ix_referrals_referrer_id_referee_id", "referrer_id", "referee_id"),
    )

    referee_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    referrer_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # Months of membership that have counted for the referrer.
    paid_months: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]


class ReferralReward(Base):
    """What an invitation earned its referrer: tokens, or a share of a purchase in quarters of blue Buzz.

    It waits as `pending`, then is `settled` or `void`. Tokens of a settled one can be spent while any are left and
    until it expires.
    """

    __tablename__ = "referral_rewards"
    __table_args__ = (
        CheckConstraint("kind IN ('tokens', 'kick_back')", name="kind"),
        CheckConstraint("status IN ('pending', 'settled', 'void')", name="status"),
        CheckConstraint('amount > 0 AND "left" BETWEEN 0 AND amount', name="amount"),
        Index("ix_referral_rewards_referrer_id_id", "referrer_id", text("id DESC")),
        Index("ix_referral_rewards_due", "settles_at", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    referrer_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    referee_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    amount: Mapped[int]
    left: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    settles_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ReferralPoints(Base):
    """A referrer's points of a lifetime, and how far the milestones were paid. Its row is the lock of spending."""

    __tablename__ = "referral_points"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    points: Mapped[int] = mapped_column(server_default=ZERO)
    # Until when the tiers bought with tokens run, one after another.
    queued_until: Mapped[datetime | None]


class ReferralPurchase(Base):
    """Tokens exchanged for days of a tier."""

    __tablename__ = "referral_purchases"
    __table_args__ = (Index("ix_referral_purchases_person_id_id", "person_id", text("id DESC")),)

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    tier: Mapped[str]
    days: Mapped[int]
    tokens: Mapped[int]
    created_at: Mapped[CreatedAt]
