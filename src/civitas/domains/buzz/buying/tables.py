"""Mapped classes of buying: purchases, debts, codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

_ZERO = text("0")
_NO = text("false")


class Purchase(Base):
    """One thing somebody set out to buy: what was promised, what the provider told, what the ledger did about it."""

    __tablename__ = "buzz_purchases"
    __table_args__ = (
        CheckConstraint("kind IN ('buzz', 'gift')", name="kind"),
        CheckConstraint("colour IN ('green', 'yellow')", name="colour"),
        CheckConstraint(
            "state IN ('created', 'pending', 'paid', 'failed', 'expired', 'refunded', 'disputed', 'charged_back')",
            name="state",
        ),
        CheckConstraint(
            "buzz >= 0 AND bonus >= 0 AND blue >= 0 AND cents > 0 AND fee_cents >= 0", name="terms"
        ),
        CheckConstraint("taken >= 0 AND taken <= credited AND taken_blue <= credited_blue", name="taken"),
        CheckConstraint("(kind = 'gift') = (gift IS NOT NULL)", name="gift"),
        Index(
            "uq_buzz_purchases_provider_reference",
            "provider",
            "reference",
            unique=True,
            postgresql_where=text("reference IS NOT NULL"),
        ),
        Index("ix_buzz_purchases_person_id_id", "person_id", "id"),
        Index("ix_buzz_purchases_state_id", "state", "id"),
        Index("ix_buzz_purchases_payment_reference", "payment_reference"),
        Index(
            "ix_buzz_purchases_next_look_at",
            "next_look_at",
            postgresql_where=text("next_look_at IS NOT NULL"),
        ),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[str] = mapped_column(server_default=text("'buzz'"))
    gift: Mapped[dict[str, Any] | None]
    # The promise: amounts in quarters; `bonus` comes in the colour bought, `blue` in blue.
    pack: Mapped[str | None]
    colour: Mapped[str]
    buzz: Mapped[int]
    bonus: Mapped[int] = mapped_column(server_default=_ZERO)
    blue: Mapped[int] = mapped_column(server_default=_ZERO)
    cents: Mapped[int]
    fee_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    # The provider's side. These only ever grow, whatever order its notices come in.
    provider: Mapped[str]
    reference: Mapped[str | None]
    payment_reference: Mapped[str | None]
    url: Mapped[str | None]
    paid_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    seen_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    refunded_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    disputed_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    lost_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    dispute_won: Mapped[bool] = mapped_column(server_default=_NO)
    expired: Mapped[bool] = mapped_column(server_default=_NO)
    failed: Mapped[bool] = mapped_column(server_default=_NO)
    # The ledger's side: what it has posted for this purchase so far.
    state: Mapped[str] = mapped_column(server_default=text("'created'"))
    credited: Mapped[int] = mapped_column(server_default=_ZERO)
    credited_blue: Mapped[int] = mapped_column(server_default=_ZERO)
    banked_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    taken: Mapped[int] = mapped_column(server_default=_ZERO)
    taken_blue: Mapped[int] = mapped_column(server_default=_ZERO)
    returned_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    # Of what was refunded, what the payer's bank sent back to us; its Buzz is the buyer's again.
    unreturned_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    # Whether this purchase keeps the wallet frozen, and whether staff let it go again all the same.
    froze: Mapped[bool] = mapped_column(server_default=_NO)
    thawed: Mapped[bool] = mapped_column(server_default=_NO)
    # A refund under way: what staff asked for, and the Buzz that waits in escrow for the provider's answer.
    refunding_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    # What will have been refunded in all once it is made.
    refund_goal_cents: Mapped[int] = mapped_column(server_default=_ZERO)
    refund_reason: Mapped[str] = mapped_column(server_default=text("''"))
    refunds: Mapped[int] = mapped_column(server_default=_ZERO)
    held: Mapped[int] = mapped_column(server_default=_ZERO)
    held_blue: Mapped[int] = mapped_column(server_default=_ZERO)
    refund_url: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(server_default=_ZERO)


class Debt(Base):
    """Buzz that a charge-back or refund could not take back because it was spent."""

    __tablename__ = "buzz_debts"
    __table_args__ = (
        CheckConstraint("remaining >= 0 AND remaining <= amount AND amount > 0", name="remaining"),
        CheckConstraint("status IN ('open', 'collected', 'written_off')", name="status"),
        CheckConstraint("(status = 'open') = (settled_at IS NULL)", name="settled"),
        Index("ix_buzz_debts_person_id", "person_id", "id"),
        Index("ix_buzz_debts_open", "id", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    purchase_id: Mapped[int] = mapped_column(ForeignKey("buzz_purchases.id"), index=True)
    colour: Mapped[str]
    amount: Mapped[int]
    remaining: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    created_at: Mapped[CreatedAt]
    settled_at: Mapped[datetime | None]


class CodeBatch(Base):
    """Codes that staff issued together."""

    __tablename__ = "redeem_batches"
    __table_args__ = (Index("ix_redeem_batches_created_at", "created_at", "id"),)

    id: Mapped[BigId]
    issued_by: Mapped[int] = mapped_column(ForeignKey("people.id"))
    note: Mapped[str] = mapped_column(server_default=text("''"))
    count: Mapped[int]
    created_at: Mapped[CreatedAt]


class RedeemCode(Base):
    """A code that is worth Buzz or months of a membership. Only a keyed digest of it is kept."""

    __tablename__ = "redeem_codes"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'buzz' THEN amount > 0 AND colour IS NOT NULL AND tier IS NULL AND months IS NULL"
            " WHEN 'membership' THEN months > 0 AND tier IS NOT NULL AND amount IS NULL AND colour IS NULL"
            " ELSE false END",
            name="worth",
        ),
        CheckConstraint("colour IN ('blue', 'green', 'yellow')", name="colour"),
        CheckConstraint("(redeemed_by IS NULL) = (redeemed_at IS NULL)", name="redeemed"),
        Index("ix_redeem_codes_batch_id", "batch_id", "id"),
        Index("ix_redeem_codes_redeemed_by", "redeemed_by", "redeemed_at"),
    )

    id: Mapped[BigId]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    kind: Mapped[str]
    colour: Mapped[str | None]
    amount: Mapped[int | None]
    tier: Mapped[str | None]
    months: Mapped[int | None]
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("redeem_batches.id"))
    purchase_id: Mapped[int | None] = mapped_column(ForeignKey("buzz_purchases.id"), unique=True)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    redeemed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    redeemed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
