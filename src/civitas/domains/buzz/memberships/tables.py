"""Mapped classes of memberships: what runs, what was paid, the Buzz of each month, what waits its turn."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

LIVE = "status IN ('active', 'past_due')"


class Membership(Base):
    """One run of a tier for one person in one colour; one runs at a time (FEATURES D13). Ended ones stay."""

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("colour IN ('green', 'yellow')", name="colour"),
        CheckConstraint("billing IN ('monthly', 'annual', 'prepaid', 'perks', 'granted')", name="billing"),
        CheckConstraint("status IN ('active', 'past_due', 'lapsed', 'cancelled')", name="status"),
        CheckConstraint("(ended_at IS NULL) = (status IN ('active', 'past_due'))", name="ended"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint("next_billing IN ('monthly', 'annual')", name="next_billing"),
        Index(
            "uq_memberships_person_id_colour", "person_id", "colour", unique=True, postgresql_where=text(LIVE)
        ),
        Index("ix_memberships_person_id", "person_id", "id"),
        Index("ix_memberships_period_end", "period_end", postgresql_where=text(LIVE)),
        Index("ix_memberships_refused_at", "refused_at", postgresql_where=text("refused_at IS NOT NULL")),
        Index(
            "uq_memberships_provider_subscription",
            "provider",
            "subscription",
            unique=True,
            postgresql_where=text(f"subscription IS NOT NULL AND {LIVE}"),
        ),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    colour: Mapped[str]
    tier: Mapped[str]
    billing: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    provider: Mapped[str | None]
    # What the provider calls the agreement that renews by itself.
    subscription: Mapped[str | None]
    # Periods are counted from here, so that the 31st comes back after a short month.
    anchor_at: Mapped[datetime]
    anchor_months: Mapped[int] = mapped_column(server_default=text("0"))
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    # The price of the present period before any credit: what an upgrade gives a part of back.
    period_cents: Mapped[int] = mapped_column(server_default=text("0"))
    cancel_at_end: Mapped[bool] = mapped_column(server_default=text("false"))
    next_tier: Mapped[str | None]
    next_billing: Mapped[str | None]
    # What the provider answered when it refused what was agreed here; staff see it until it is true there.
    refused: Mapped[str | None]
    refused_at: Mapped[datetime | None]
    # The end of the period for which a reminder was sent.
    reminded_for: Mapped[datetime | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class MembershipPayment(Base):
    """One payment that a provider told of, or that was made in Buzz; each counts once."""

    __tablename__ = "membership_payments"
    __table_args__ = (
        CheckConstraint("status IN ('paid', 'refunded')", name="status"),
        CheckConstraint("cents >= 0 AND returned_cents BETWEEN 0 AND cents", name="cents"),
        CheckConstraint("months > 0", name="months"),
        Index("uq_membership_payments_provider_reference", "provider", "reference", unique=True),
        Index("ix_membership_payments_person_id", "person_id", "id"),
        Index("ix_membership_payments_membership_id", "membership_id"),
    )

    id: Mapped[BigId]
    provider: Mapped[str]
    reference: Mapped[str]
    # Who paid; for a gift not the one who has the membership.
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    membership_id: Mapped[int | None] = mapped_column(ForeignKey("memberships.id"))
    reason: Mapped[str]
    tier: Mapped[str]
    billing: Mapped[str]
    colour: Mapped[str]
    months: Mapped[int]
    cents: Mapped[int]
    # What went back to who paid: refunds and lost disputes.
    returned_cents: Mapped[int] = mapped_column(server_default=text("0"))
    status: Mapped[str] = mapped_column(server_default="paid")
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class MembershipMonth(Base):
    """The Buzz of one month of a membership: locked until it is due, unlocked, claimed into the wallet, withdrawn."""

    __tablename__ = "membership_months"
    __table_args__ = (
        CheckConstraint("status IN ('locked', 'unlocked', 'claimed', 'withdrawn')", name="status"),
        CheckConstraint("quarters >= 0", name="quarters"),
        Index("uq_membership_months_membership_id_number", "membership_id", "number", unique=True),
        Index("ix_membership_months_due_at", "due_at", postgresql_where=text("status = 'locked'")),
        Index("ix_membership_months_person_id", "person_id", "due_at"),
    )

    id: Mapped[BigId]
    membership_id: Mapped[int] = mapped_column(ForeignKey("memberships.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("membership_payments.id"))
    number: Mapped[int]
    colour: Mapped[str]
    quarters: Mapped[int]
    # What the month is worth: more than it brings when an upgrade counted what was left of another month.
    worth: Mapped[int]
    due_at: Mapped[datetime]
    until: Mapped[datetime]
    # Whether it comes by itself when due; those paid in advance wait for their owner's press.
    delivered: Mapped[bool]
    status: Mapped[str] = mapped_column(server_default="locked")
    claimed_at: Mapped[datetime | None]


class MembershipGrant(Base):
    """A tier for some time that waits for what runs to end, then becomes a membership. Oldest first."""

    __tablename__ = "membership_grants"
    __table_args__ = (
        CheckConstraint("colour IN ('green', 'yellow')", name="colour"),
        CheckConstraint("billing IN ('prepaid', 'perks', 'granted')", name="billing"),
        CheckConstraint("status IN ('queued', 'started', 'revoked')", name="status"),
        CheckConstraint("months >= 0 AND days >= 0 AND months + days > 0", name="length"),
        CheckConstraint("(status = 'started') = (membership_id IS NOT NULL)", name="started"),
        Index("uq_membership_grants_source_source_key", "source", "source_key", unique=True),
        Index("ix_membership_grants_queued", "person_id", "id", postgresql_where=text("status = 'queued'")),
        Index("ix_membership_grants_person_id", "person_id", "id"),
        Index(
            "ix_membership_grants_giver_id", "giver_id", "id", postgresql_where=text("giver_id IS NOT NULL")
        ),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    colour: Mapped[str]
    tier: Mapped[str]
    billing: Mapped[str]
    months: Mapped[int] = mapped_column(server_default=text("0"))
    # Further days, without Buzz of their own.
    days: Mapped[int] = mapped_column(server_default=text("0"))
    source: Mapped[str]
    source_key: Mapped[str]
    giver_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    note: Mapped[str] = mapped_column(server_default="")
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("membership_payments.id"))
    membership_id: Mapped[int | None] = mapped_column(ForeignKey("memberships.id"))
    status: Mapped[str] = mapped_column(server_default="queued")
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]


class MembershipOrder(Base):
    """What somebody set out to pay for; a provider's word that it was paid turns it into a payment."""

    __tablename__ = "membership_orders"
    __table_args__ = (
        CheckConstraint("kind IN ('subscribe', 'upgrade', 'prepaid', 'gift')", name="kind"),
        CheckConstraint("status IN ('open', 'paid', 'expired')", name="status"),
        CheckConstraint("cents >= 0 AND credit_cents >= 0", name="cents"),
        CheckConstraint("colour IN ('green', 'yellow')", name="colour"),
        Index("ix_membership_orders_person_id", "person_id", "id"),
        Index("ix_membership_orders_reference", "reference", postgresql_where=text("reference IS NOT NULL")),
        Index("ix_membership_orders_expires_at", "expires_at", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[str]
    tier: Mapped[str]
    billing: Mapped[str]
    colour: Mapped[str]
    months: Mapped[int]
    cents: Mapped[int]
    credit_cents: Mapped[int] = mapped_column(server_default=text("0"))
    provider: Mapped[str]
    # What the provider calls its checkout.
    reference: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="")
    # The membership that an upgrade is of.
    membership_id: Mapped[int | None] = mapped_column(ForeignKey("memberships.id"))
    status: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class MembershipSurvey(Base):
    """Why somebody cancelled, in their own choice of words."""

    __tablename__ = "membership_surveys"
    __table_args__ = (Index("ix_membership_surveys_created_at", "created_at", "id"),)

    id: Mapped[BigId]
    membership_id: Mapped[int] = mapped_column(ForeignKey("memberships.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str]
    comment: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[CreatedAt]
