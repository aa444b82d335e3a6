"""Mapped classes of placements."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")


class PlacementSpace(Base):
    """What somebody said about being placed on: all their pictures, those of a post, or one. NULL leaves it open."""

    __tablename__ = "placement_spaces"
    __table_args__ = (
        CheckConstraint("kind IN ('user', 'post', 'image')", name="kind"),
        CheckConstraint("surface IN ('sticker', 'remix')", name="surface"),
        CheckConstraint("mode IN ('off', 'review', 'auto')", name="mode"),
        CheckConstraint("price > 0", name="price"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    surface: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    mode: Mapped[str | None]
    # In quarters; what is asked for is at most the cap of the moment.
    price: Mapped[int | None]


class Placement(Base):
    """One offer to be on a picture, and what became of it. Amounts in quarters; shares as they were when it was made."""

    __tablename__ = "placements"
    __table_args__ = (
        CheckConstraint("surface IN ('sticker', 'remix')", name="surface"),
        CheckConstraint("status IN ('pending', 'approved', 'declined', 'expired', 'removed')", name="status"),
        CheckConstraint("removed_by IN ('owner', 'placer', 'staff', 'site')", name="removed_by"),
        CheckConstraint("colour IN ('green', 'yellow')", name="colour"),
        CheckConstraint(
            "price > 0 AND decline_fee BETWEEN 0 AND price AND platform_part >= 0 AND seller_part >= 0"
            " AND platform_part + seller_part <= price",
            name="parts",
        ),
        CheckConstraint(
            "CASE surface WHEN 'remix' THEN remix_id IS NOT NULL AND sticker IS NULL AND cosmetic_id IS NULL"
            " ELSE remix_id IS NULL AND (sticker IS NULL) <> (cosmetic_id IS NULL) END",
            name="thing",
        ),
        Index("ix_placements_shown", "image_id", "id", postgresql_where=text("status = 'approved'")),
        Index("ix_placements_waiting", "image_id", "id", postgresql_where=text("status = 'pending'")),
        Index("ix_placements_owner_id_id", "owner_id", "id"),
        Index("ix_placements_placer_id_id", "placer_id", "id"),
        Index("ix_placements_remix_id", "remix_id", postgresql_where=text("remix_id IS NOT NULL")),
        Index("ix_placements_expires_at", "expires_at", postgresql_where=text("status = 'pending'")),
        Index("ix_placements_settles_at", "settles_at", postgresql_where=text("settles_at IS NOT NULL")),
        Index(
            "uq_placements_remix",
            "image_id",
            "remix_id",
            unique=True,
            postgresql_where=text("status IN ('pending', 'approved') AND remix_id IS NOT NULL"),
        ),
    )

    id: Mapped[BigId]
    # Whose offer under which of their keys.
    key: Mapped[str] = mapped_column(unique=True)
    surface: Mapped[str]
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    placer_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    seller_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    sticker: Mapped[str | None]
    cosmetic_id: Mapped[int | None] = mapped_column(ForeignKey("cosmetics.id"), index=True)
    remix_id: Mapped[int | None] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    x: Mapped[int] = mapped_column(server_default=ZERO)
    y: Mapped[int] = mapped_column(server_default=ZERO)
    scale: Mapped[int] = mapped_column(server_default=text("100"))
    rotation: Mapped[int] = mapped_column(server_default=ZERO)
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    hold_id: Mapped[int]
    colour: Mapped[str]
    price: Mapped[int]
    decline_fee: Mapped[int]
    platform_part: Mapped[int]
    seller_part: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    # When what lies in escrow is shared out; NULL when nothing lies there.
    settles_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    ended_at: Mapped[datetime | None]
