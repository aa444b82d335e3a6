"""Cosmetics and the shop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shop_sections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("told", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop_sections")),
    )
    op.create_index("ix_shop_sections_position", "shop_sections", ["position", "id"], unique=False)
    op.create_table(
        "cosmetics",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("told", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("artwork_key", sa.String(), nullable=True),
        sa.Column("artwork_hash", sa.BigInteger(), nullable=True),
        sa.Column("plate", sa.String(), nullable=True),
        sa.Column("creator_id", sa.BigInteger(), nullable=True),
        sa.Column("claim_starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(type = 'NamePlate') = (plate IS NOT NULL)", name=op.f("ck_cosmetics_plate")),
        sa.CheckConstraint(
            "source IN ('Trophy', 'Purchase', 'Event', 'Membership', 'Claim')",
            name=op.f("ck_cosmetics_source"),
        ),
        sa.CheckConstraint(
            "type IN ('Badge', 'NamePlate', 'ContentDecoration', 'ProfileDecoration', 'ProfileBackground',"
            " 'Sticker')",
            name=op.f("ck_cosmetics_type"),
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["people.id"], name=op.f("fk_cosmetics_creator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cosmetics")),
    )
    op.create_index(
        "ix_cosmetics_claim",
        "cosmetics",
        ["claim_ends_at"],
        unique=False,
        postgresql_where=sa.text("source = 'Claim'"),
    )
    op.create_index(
        "ix_cosmetics_creator_id",
        "cosmetics",
        ["creator_id", "id"],
        unique=False,
        postgresql_where=sa.text("creator_id IS NOT NULL"),
    )
    op.create_index(
        "uq_cosmetics_key", "cosmetics", ["key"], unique=True, postgresql_where=sa.text("key IS NOT NULL")
    )
    op.create_table(
        "owned_cosmetics",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("cosmetic_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("obtained_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("giver_id", sa.BigInteger(), nullable=True),
        sa.Column("worn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cosmetic_id"], ["cosmetics.id"], name=op.f("fk_owned_cosmetics_cosmetic_id")
        ),
        sa.ForeignKeyConstraint(["giver_id"], ["people.id"], name=op.f("fk_owned_cosmetics_giver_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_owned_cosmetics_person_id")),
        sa.PrimaryKeyConstraint("person_id", "cosmetic_id", name=op.f("pk_owned_cosmetics")),
    )
    op.create_index("ix_owned_cosmetics_cosmetic_id", "owned_cosmetics", ["cosmetic_id"], unique=False)
    op.create_index(
        "uq_owned_cosmetics_worn",
        "owned_cosmetics",
        ["person_id", "type"],
        unique=True,
        postgresql_where=sa.text("worn_at IS NOT NULL"),
    )
    op.create_table(
        "shop_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("cosmetic_id", sa.BigInteger(), nullable=False),
        sa.Column("section_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default=sa.text("'Draft'"), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("reviewed_price", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("sold", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("featured", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('Draft', 'PendingReview', 'Published', 'RequestedChanges', 'Rejected', 'Archived')",
            name=op.f("ck_shop_items_status"),
        ),
        sa.CheckConstraint("price > 0", name=op.f("ck_shop_items_price")),
        sa.CheckConstraint(
            "sold >= 0 AND (quantity IS NULL OR sold <= quantity)", name=op.f("ck_shop_items_never_oversold")
        ),
        sa.ForeignKeyConstraint(["cosmetic_id"], ["cosmetics.id"], name=op.f("fk_shop_items_cosmetic_id")),
        sa.ForeignKeyConstraint(
            ["section_id"], ["shop_sections.id"], name=op.f("fk_shop_items_section_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["seller_id"], ["people.id"], name=op.f("fk_shop_items_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop_items")),
        sa.UniqueConstraint("cosmetic_id", name=op.f("uq_shop_items_cosmetic_id")),
    )
    op.create_index("ix_shop_items_section_id", "shop_items", ["section_id", "position", "id"], unique=False)
    op.create_index(
        "ix_shop_items_seller_id",
        "shop_items",
        ["seller_id", "id"],
        unique=False,
        postgresql_where=sa.text("seller_id IS NOT NULL"),
    )
    op.create_index("ix_shop_items_status", "shop_items", ["status", "id"], unique=False)
    op.create_table(
        "shop_purchases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column(
            "seller_parts",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["buyer_id"], ["people.id"], name=op.f("fk_shop_purchases_buyer_id")),
        sa.ForeignKeyConstraint(["item_id"], ["shop_items.id"], name=op.f("fk_shop_purchases_item_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["people.id"], name=op.f("fk_shop_purchases_recipient_id")),
        sa.ForeignKeyConstraint(["seller_id"], ["people.id"], name=op.f("fk_shop_purchases_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop_purchases")),
        sa.UniqueConstraint("key", name=op.f("uq_shop_purchases_key")),
    )
    op.create_index("ix_shop_purchases_buyer_id", "shop_purchases", ["buyer_id", "id"], unique=False)
    op.create_index("ix_shop_purchases_item_id", "shop_purchases", ["item_id", "id"], unique=False)
    op.create_index(
        "ix_shop_purchases_seller_id",
        "shop_purchases",
        ["seller_id", "id"],
        unique=False,
        postgresql_where=sa.text("seller_id IS NOT NULL"),
    )


def downgrade() -> None:
    for table in ("shop_purchases", "shop_items", "shop_sections", "owned_cosmetics", "cosmetics"):
        op.drop_table(table)
