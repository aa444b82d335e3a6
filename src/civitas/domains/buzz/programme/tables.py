"""Mapped classes of the creator programme: who takes part, months and shares, ways of being paid, withdrawals."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")
MONTH_FORM = "month ~ '^[0-9]{4}(0[1-9]|1[0-2])$'"


class Participant(Base):
    """A person who joined the creator programme; those who left or were banned keep the row."""

    __tablename__ = "programme_participants"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'left', 'banned')", name="status"),
        Index("ix_programme_participants_status", "status", "person_id"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    joined_at: Mapped[datetime]
    terms_accepted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ban_reason: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class ProgrammeMonth(Base):
    """One month: what staff set for its pool, and, once closed, what it came to. Amounts of Buzz in quarters."""

    __tablename__ = "programme_months"
    __table_args__ = (
        CheckConstraint(MONTH_FORM, name="month_form"),
        CheckConstraint("status IN ('open', 'planned', 'distributed', 'settled')", name="status"),
        CheckConstraint("(status = 'open') = (pool_cents IS NULL)", name="planned"),
        CheckConstraint("taxes BETWEEN 0 AND 1 AND portion BETWEEN 0 AND 1", name="parts"),
        CheckConstraint("override_cents >= 0", name="override_cents"),
        Index("ix_programme_months_unfinished", "month", postgresql_where=text("status <> 'settled'")),
    )

    month: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    # NULL: as the economy's rules say.
    taxes: Mapped[Decimal | None] = mapped_column(Numeric(7, 6))
    portion: Mapped[Decimal | None] = mapped_column(Numeric(7, 6))
    override_cents: Mapped[int | None]
    income: Mapped[int | None]
    banked: Mapped[int | None]
    people: Mapped[int | None]
    pool_cents: Mapped[int | None]
    shared_cents: Mapped[int | None]
    planned_at: Mapped[datetime | None]
    distributed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ProgrammeShare(Base):
    """What one person banked in a closed month and gets for it. `carried`: worth no cent, so it goes to the next."""

    __tablename__ = "programme_shares"
    __table_args__ = (
        CheckConstraint(MONTH_FORM, name="month_form"),
        CheckConstraint("status IN ('planned', 'paid', 'settled', 'carried')", name="status"),
        CheckConstraint("green >= 0 AND yellow >= 0 AND green + yellow > 0 AND cents >= 0", name="amounts"),
        Index("ix_programme_shares_due", "month", "status", "person_id"),
        Index("ix_programme_shares_person_id", "person_id", "month"),
    )

    month: Mapped[str] = mapped_column(ForeignKey("programme_months.month"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    green: Mapped[int] = mapped_column(server_default=ZERO)
    yellow: Mapped[int] = mapped_column(server_default=ZERO)
    cents: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'planned'"))


class ProgrammeNotice(Base):
    """That somebody was told something about a month, so that nobody is told twice."""

    __tablename__ = "programme_notices"
    __table_args__ = (CheckConstraint(MONTH_FORM, name="month_form"),)

    month: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    created_at: Mapped[CreatedAt]


class PayoutMethod(Base):
    """How a person is paid. What names their account is sealed; `hint` is what may be shown of it."""

    __tablename__ = "payout_methods"
    __table_args__ = (CheckConstraint("state IN ('pending', 'ready')", name="state"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    method: Mapped[str]
    state: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    hint: Mapped[str] = mapped_column(server_default=text("''"))
    # What the provider calls the person; stays when another method is chosen, so that no second one is made.
    provider_account: Mapped[str | None] = mapped_column(unique=True)
    updated_at: Mapped[CreatedAt]


class CashWithdrawal(Base):
    """Cash on its way out. While open it lies in the escrow of its number."""

    __tablename__ = "cash_withdrawals"
    __table_args__ = (
        CheckConstraint("amount_cents > 0 AND fee_cents BETWEEN 0 AND amount_cents", name="cents"),
        CheckConstraint(
            "status IN ('Submitted', 'Scheduled', 'Deferred', 'DeferredInternal', 'FraudReview', "
            "'PendingPayerFunds', 'InternalValue', 'Paid', 'Cleared', 'Rejected', 'Canceled', 'FailedFee', "
            "'Reclaimed')",
            name="status",
        ),
        Index("ix_cash_withdrawals_person_id", "person_id", "id"),
        Index("ix_cash_withdrawals_status", "status", "id"),
        Index("ix_cash_withdrawals_paid", "paid_at", postgresql_where=text("status = 'Paid'")),
    )

    id: Mapped[BigId]
    # The idempotency key under which a provider is asked.
    token: Mapped[uuid.UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    method: Mapped[str]
    hint: Mapped[str] = mapped_column(server_default=text("''"))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    provider_account: Mapped[str | None]
    amount_cents: Mapped[int]
    fee_cents: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'Submitted'"))
    reference: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default=text("''"))
    # Triples of status, moment and note, the oldest first.
    history: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    paid_at: Mapped[datetime | None]
