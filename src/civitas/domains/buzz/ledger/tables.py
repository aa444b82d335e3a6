"""Mapped classes of the ledger, of statistics, and of staff's tools."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class LedgerAccount(Base):
    """One pot of one currency. Its balance moves only with postings; guarded ones never go below zero."""

    __tablename__ = "buzz_accounts"
    __table_args__ = (
        UniqueConstraint("owner_id", "purpose", "currency"),
        # What an account may be for, and in which colours, is weighed when it is made: `buzz_new_account`.
        CheckConstraint("NOT guarded OR balance >= 0", name="no_overdraft"),
        # What is banked in a month, over everybody.
        Index("ix_buzz_accounts_bank", "purpose", postgresql_where=text("purpose LIKE 'bank:%'")),
        # Balances are rewritten all the time: room on the page keeps such updates off the indexes.
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[BigId]
    owner_id: Mapped[int] = mapped_column(server_default=text("0"))
    # The owner, unless that is the house; put down by trigger when the account is made.
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    purpose: Mapped[str]
    currency: Mapped[str]
    guarded: Mapped[bool]
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    frozen_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class LedgerEntry(Base):
    """One fact about money, under a key that is used once. Append only."""

    __tablename__ = "buzz_entries"
    __table_args__ = (
        CheckConstraint("length(key) BETWEEN 1 AND 255", name="key_length"),
        CheckConstraint("length(description) <= 100", name="description_length"),
        CheckConstraint("(subject_kind IS NULL) = (subject_id IS NULL)", name="subject_pair"),
        Index(
            "ix_buzz_entries_subject",
            "subject_kind",
            "subject_id",
            "id",
            postgresql_where=text("subject_kind IS NOT NULL"),
        ),
        Index("ix_buzz_entries_reverses_id", "reverses_id", postgresql_where=text("reverses_id IS NOT NULL")),
        Index("ix_buzz_entries_created_at", "created_at", postgresql_using="brin"),
        # The site's income of a month (`programme.pool.income_types`).
        Index(
            "ix_buzz_entries_income",
            "created_at",
            postgresql_where=text("type IN ('purchase', 'redeemable', 'chargeBack', 'refund')"),
        ),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    # SHA-256 of what was asked for, so that a key sent again with another body is told apart.
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    description: Mapped[str] = mapped_column(server_default=text("''"))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    subject_kind: Mapped[str | None]
    subject_id: Mapped[int | None]
    actor_id: Mapped[int | None]
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("buzz_entries.id"))
    created_at: Mapped[CreatedAt]


class Posting(Base):
    """What an entry did to one account. Append only.

    Entry and account are checked by trigger: a foreign key would lock and so rewrite their rows for every posting.
    """

    __tablename__ = "buzz_postings"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ix_buzz_postings_account_id_entry_id", "account_id", text("entry_id DESC")),
    )

    entry_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str]
    amount: Mapped[int]


class Unfolded(Base):
    """Credits that found their account's row taken and wait to be added to it."""

    __tablename__ = "buzz_unfolded"
    __table_args__ = (Index("ix_buzz_unfolded_account_id", "account_id"),)

    id: Mapped[BigId]
    account_id: Mapped[int]
    amount: Mapped[int]


class KeySpend(Base):
    """What was spent with an API key, less what came back of it; the limits of keys are weighed by it."""

    __tablename__ = "key_spends"
    __table_args__ = (
        CheckConstraint("quarters >= 0", name="quarters"),
        UniqueConstraint("entry_id", "currency"),
        Index("ix_key_spends_key_id", "key_id", "spent_at", postgresql_include=["currency", "quarters"]),
    )

    id: Mapped[BigId]
    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("buzz_entries.id"))
    currency: Mapped[str]
    quarters: Mapped[int]
    spent_at: Mapped[datetime]


class Hold(Base):
    """Buzz set aside for something under way. It lies in the person's `held` accounts until it ends.

    Written by the function that writes its entry and looks up its person's accounts, which are never removed: foreign
    keys would only lock and so rewrite the rows of both.
    """

    __tablename__ = "buzz_holds"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'captured', 'released', 'expired')", name="status"),
        CheckConstraint("(subject_kind IS NULL) = (subject_id IS NULL)", name="subject_pair"),
        Index("ix_buzz_holds_person_id", "person_id", "id"),
        Index("ix_buzz_holds_expires_at", "expires_at", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int]
    entry_id: Mapped[int]
    type: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    subject_kind: Mapped[str | None]
    subject_id: Mapped[int | None]
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    # Pairs of colour and quarters in the order in which they were taken, and what is left of each.
    reserved: Mapped[list[Any]]
    remaining: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DailySum(Base):
    """What came into and went out of an account on a UTC day, by type; folded from postings, rebuilt at any time."""

    __tablename__ = "buzz_daily"

    account_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    movements: Mapped[int]
    came: Mapped[int]
    went: Mapped[int]


class DailyMark(Base):
    """How far postings are folded: all entries up to `done_id`.

    Those up to `next_id` follow once every transaction in `waits` has ended: entries get their ids before they are
    committed, so a smaller id may become visible after a larger one.
    """

    __tablename__ = "buzz_daily_mark"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    done_id: Mapped[int] = mapped_column(server_default=text("0"))
    next_id: Mapped[int | None]
    waits: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))


class DailySupply(Base):
    """What all accounts of a purpose held when it was last looked at on a UTC day."""

    __tablename__ = "buzz_supply"

    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    accounts: Mapped[int]


class Adjustment(Base):
    """Buzz that staff give (positive) or take (negative), with a reason; large ones need a second pair of eyes."""

    __tablename__ = "buzz_adjustments"
    __table_args__ = (
        CheckConstraint("status IN ('requested', 'approved', 'rejected', 'expired')", name="status"),
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("currency IN ('blue', 'green', 'yellow')", name="currency"),
        CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name="four_eyes"),
        CheckConstraint("requested_by <> person_id AND decided_by <> person_id", name="not_oneself"),
        CheckConstraint("(status = 'approved') = (entry_id IS NOT NULL)", name="posted"),
        CheckConstraint("NOT needs_second OR status <> 'approved' OR decided_by IS NOT NULL", name="second"),
        Index("ix_buzz_adjustments_open", "id", postgresql_where=text("status = 'requested'")),
        Index("ix_buzz_adjustments_requested_by", "requested_by", "created_at"),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    currency: Mapped[str]
    amount: Mapped[int]
    reason: Mapped[str]
    needs_second: Mapped[bool]
    status: Mapped[str] = mapped_column(server_default=text("'requested'"))
    requested_by: Mapped[int] = mapped_column(ForeignKey("people.id"))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decision: Mapped[str | None]
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("buzz_entries.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[dt.datetime]
    decided_at: Mapped[dt.datetime | None]
