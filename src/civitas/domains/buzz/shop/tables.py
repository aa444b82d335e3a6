"""Mapped classes of cosmetics and the shop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

FALSE = text("false")


class Cosmetic(Base):
    """Something to adorn a name, a profile or a post with. `plate` for name plates, artwork for the rest."""

    __tablename__ = "cosmetics"
    __table_args__ = (
        CheckConstraint(
            "type IN ('Badge', 'NamePlate', 'ContentDecoration', 'ProfileDecoration', 'ProfileBackground',"
            " 'Sticker')",
            name="type",
        ),
        CheckConstraint("source IN ('Trophy', 'Purchase', 'Event', 'Membership', 'Claim')", name="source"),
        CheckConstraint("(type = 'NamePlate') = (plate IS NOT NULL)", name="plate"),
        CheckConstraint("placement_share BETWEEN 0 AND 100", name="placement_share"),
        Index("ix_cosmetics_creator_id", "creator_id", "id", postgresql_where=text("creator_id IS NOT NULL")),
        Index("ix_cosmetics_claim", "claim_ends_at", postgresql_where=text("source = 'Claim'")),
        Index("uq_cosmetics_key", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
    )

    id: Mapped[BigId]
    # A stable name for what the house itself hands out, such as the badge of a membership.
    key: Mapped[str | None]
    type: Mapped[str]
    source: Mapped[str]
    name: Mapped[str]
    told: Mapped[str] = mapped_column(server_default=text("''"))
    artwork_key: Mapped[str | None]
    artwork_hash: Mapped[int | None]
    plate: Mapped[str | None]
    # Of stickers: the hundredths of a placement's price that its creator asks for.
    placement_share: Mapped[int] = mapped_column(server_default=text("0"))
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    claim_starts_at: Mapped[datetime | None]
    claim_ends_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    withdrawn_at: Mapped[datetime | None]


class OwnedCosmetic(Base):
    """A person has a cosmetic; one of each type is worn at a time."""

    __tablename__ = "owned_cosmetics"
    __table_args__ = (
        Index(
            "uq_owned_cosmetics_worn",
            "person_id",
            "type",
            unique=True,
            postgresql_where=text("worn_at IS NOT NULL"),
        ),
        Index("ix_owned_cosmetics_cosmetic_id", "cosmetic_id"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    cosmetic_id: Mapped[int] = mapped_column(ForeignKey("cosmetics.id"), primary_key=True)
    type: Mapped[str]
    obtained_at: Mapped[CreatedAt]
    giver_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    worn_at: Mapped[datetime | None]


class ShopSection(Base):
    """A shelf of the shop, open in a window of time."""

    __tablename__ = "shop_sections"
    __table_args__ = (Index("ix_shop_sections_position", "position", "id"),)

    id: Mapped[BigId]
    title: Mapped[str]
    told: Mapped[str] = mapped_column(server_default=text("''"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ShopItem(Base):
    """A cosmetic for sale. The house's own has no seller; prices are in quarters."""

    __tablename__ = "shop_items"
    __table_args__ = (
        CheckConstraint(
            "status IN ('Draft', 'PendingReview', 'Published', 'RequestedChanges', 'Rejected', 'Archived')",
            name="status",
        ),
        CheckConstraint("price > 0", name="price"),
        CheckConstraint("sold >= 0 AND (quantity IS NULL OR sold <= quantity)", name="never_oversold"),
        UniqueConstraint("cosmetic_id"),
        Index("ix_shop_items_section_id", "section_id", "position", "id"),
        Index("ix_shop_items_status", "status", "id"),
        Index("ix_shop_items_seller_id", "seller_id", "id", postgresql_where=text("seller_id IS NOT NULL")),
    )

    id: Mapped[BigId]
    cosmetic_id: Mapped[int] = mapped_column(ForeignKey("cosmetics.id"))
    section_id: Mapped[int | None] = mapped_column(ForeignKey("shop_sections.id", ondelete="SET NULL"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    seller_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    status: Mapped[str] = mapped_column(server_default=text("'Draft'"))
    price: Mapped[int]
    # The price that was reviewed; a change beyond the rule asks for another review.
    reviewed_price: Mapped[int | None]
    quantity: Mapped[int | None]
    sold: Mapped[int] = mapped_column(server_default=text("0"))
    featured: Mapped[bool] = mapped_column(server_default=FALSE)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    review_note: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[CreatedAt]
    published_at: Mapped[datetime | None]
    taken_down_at: Mapped[datetime | None]


class ShopPurchase(Base):
    """One item sold once: who paid, who has it, what the seller got. `parts` are pairs of colour and quarters."""

    __tablename__ = "shop_purchases"
    __table_args__ = (
        Index("ix_shop_purchases_item_id", "item_id", "id"),
        Index("ix_shop_purchases_buyer_id", "buyer_id", "id"),
        Index(
            "ix_shop_purchases_seller_id", "seller_id", "id", postgresql_where=text("seller_id IS NOT NULL")
        ),
    )

    id: Mapped[BigId]
    key: Mapped[str] = mapped_column(unique=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("shop_items.id"))
    buyer_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    seller_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    price: Mapped[int]
    parts: Mapped[list[Any]]
    seller_parts: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    entry_id: Mapped[int]
    message: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[CreatedAt]
    refunded_at: Mapped[datetime | None]
