"""Mapped classes of early access, paid access, donation goals and licence fees."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

FALSE = text("false")
ZERO = text("0")


class VersionAccess(Base):
    """The terms of a version: its gate, prices, donation goal and licence fee. Amounts of Buzz in quarters."""

    __tablename__ = "version_access"
    __table_args__ = (
        CheckConstraint("gate IN ('none', 'timed', 'permanent')", name="gate"),
        CheckConstraint("state IN ('draft', 'open', 'ended')", name="state"),
        CheckConstraint("gate <> 'timed' OR days > 0", name="days"),
        CheckConstraint("state <> 'open' OR gate <> 'timed' OR ends_at IS NOT NULL", name="window"),
        CheckConstraint("gate = 'none' OR state = 'ended' OR download_price > 0 OR generation_price > 0", name="price"),
        CheckConstraint("end_reason IN ('time', 'goal', 'creator', 'withdrawn')", name="end_reason"),
        CheckConstraint("(licence_fee IS NULL) OR (licence_fee > 0 AND rights_hash IS NOT NULL)", name="licence_fee"),
        CheckConstraint("licensing_source_version_id <> version_id", name="licensing_source"),
        Index(
            "ix_version_access_ends_at", "ends_at", postgresql_where=text("gate = 'timed' AND state = 'open'")
        ),
        Index(
            "ix_version_access_licensing_source_version_id", "licensing_source_version_id",
            postgresql_where=text("licensing_source_version_id IS NOT NULL"),
        ),
    )  # fmt: skip

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    gate: Mapped[str] = mapped_column(server_default=text("'none'"))
    state: Mapped[str] = mapped_column(server_default=text("'draft'"))
    days: Mapped[int | None]
    download_price: Mapped[int | None]
    generation_price: Mapped[int | None]
    trial_generations: Mapped[int] = mapped_column(server_default=ZERO)
    accepts_blue: Mapped[bool] = mapped_column(server_default=FALSE)
    goal: Mapped[int | None]
    goal_hidden: Mapped[bool] = mapped_column(server_default=FALSE)
    # What purchases and donations brought towards the goal; kept beside them under the lock of this row.
    raised: Mapped[int] = mapped_column(server_default=ZERO)
    goal_reached_at: Mapped[datetime | None]
    # Hundredths of a Buzz for `licence_fee_images` generated images.
    licence_fee: Mapped[int | None]
    licence_fee_images: Mapped[int] = mapped_column(server_default=text("1"))
    licensing_source_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL")
    )
    # SHA-256 of the sentence by which the creator affirmed to hold the rights.
    rights_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    rights_affirmed_at: Mapped[datetime | None]
    rights_affirmed_by: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class EntityAccess(Base):
    """What one may do with a thing that is not open to all (FEATURES D6): bought, given, or both."""

    __tablename__ = "entity_access"
    __table_args__ = (
        CheckConstraint("bought BETWEEN 0 AND 3 AND given BETWEEN 0 AND 3", name="bits"),
        CheckConstraint("accessor_kind IN ('user')", name="accessor_kind"),
        Index("ix_entity_access_accessor", "accessor_kind", "accessor_id", "subject_kind", "subject_id"),
    )

    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    accessor_kind: Mapped[str] = mapped_column(primary_key=True, server_default=text("'user'"))
    accessor_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    bought: Mapped[int] = mapped_column(SmallInteger, server_default=ZERO)
    given: Mapped[int] = mapped_column(SmallInteger, server_default=ZERO)
    permissions: Mapped[int] = mapped_column(SmallInteger, Computed("bought | given", persisted=True))
    given_by: Mapped[int | None]
    meta: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]


class AccessPayment(Base):
    """What somebody paid for access to a version, or gave towards its goal; the money lies in its escrow first."""

    __tablename__ = "access_payments"
    __table_args__ = (
        CheckConstraint("kind IN ('purchase', 'donation')", name="kind"),
        CheckConstraint("status IN ('kept', 'paid', 'returning', 'returned')", name="status"),
        CheckConstraint("amount > 0 AND counted BETWEEN 0 AND amount", name="amount"),
        CheckConstraint("(kind = 'purchase') = (permissions > 0)", name="permissions"),
        Index("ix_access_payments_version_id", "version_id", "status", "id"),
        Index("ix_access_payments_person_id", "person_id", "id"),
        Index("ix_access_payments_seller_id", "seller_id", "id"),
        Index("ix_access_payments_returning", "id", postgresql_where=text("status = 'returning'")),
        Index(
            "ix_access_payments_release_at", "release_at",
            postgresql_where=text("status = 'kept' AND release_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="RESTRICT"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="RESTRICT"))
    seller_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    permissions: Mapped[int] = mapped_column(SmallInteger, server_default=ZERO)
    amount: Mapped[int]
    # The part that brings the goal nearer: all but Blue.
    counted: Mapped[int]
    # Pairs of colour and quarters.
    parts: Mapped[list[Any]]
    entry_id: Mapped[int] = mapped_column(ForeignKey("buzz_entries.id"))
    status: Mapped[str] = mapped_column(server_default=text("'kept'"))
    # When the creator gets it; NULL while that is the end of the window.
    release_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    settled_at: Mapped[datetime | None]


class GenerationTrial(Base):
    """How many trial generations a person has had with a version."""

    __tablename__ = "generation_trials"

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    used: Mapped[int]
