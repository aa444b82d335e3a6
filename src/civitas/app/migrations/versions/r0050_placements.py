"""Gallery: places on people's pictures; shop: what a sticker's creator gets of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def _spaces() -> None:
    op.create_table(
        "placement_spaces",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("surface", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('user', 'post', 'image')", name=op.f("ck_placement_spaces_kind")),
        sa.CheckConstraint("surface IN ('sticker', 'remix')", name=op.f("ck_placement_spaces_surface")),
        sa.CheckConstraint("mode IN ('off', 'review', 'auto')", name=op.f("ck_placement_spaces_mode")),
        sa.CheckConstraint("price > 0", name=op.f("ck_placement_spaces_price")),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["people.id"],
            name=op.f("fk_placement_spaces_person_id_people"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kind", "subject_id", "surface", name=op.f("pk_placement_spaces")),
    )
    op.create_index(op.f("ix_placement_spaces_person_id"), "placement_spaces", ["person_id"])


def _placements() -> None:
    moment = sa.DateTime(timezone=True)
    zero = sa.text("0")
    op.create_table(
        "placements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("surface", sa.String(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("placer_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=True),
        sa.Column("sticker", sa.String(), nullable=True),
        sa.Column("cosmetic_id", sa.BigInteger(), nullable=True),
        sa.Column("remix_id", sa.BigInteger(), nullable=True),
        sa.Column("x", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("y", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("scale", sa.BigInteger(), server_default=sa.text("100"), nullable=False),
        sa.Column("rotation", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("hold_id", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("decline_fee", sa.BigInteger(), nullable=False),
        sa.Column("platform_part", sa.BigInteger(), nullable=False),
        sa.Column("seller_part", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("answered_at", moment, nullable=True),
        sa.Column("settles_at", moment, nullable=True),
        sa.Column("removed_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.CheckConstraint("surface IN ('sticker', 'remix')", name=op.f("ck_placements_surface")),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'declined', 'expired', 'removed')",
            name=op.f("ck_placements_status"),
        ),
        sa.CheckConstraint(
            "removed_by IN ('owner', 'placer', 'staff', 'site')", name=op.f("ck_placements_removed_by")
        ),
        sa.CheckConstraint("colour IN ('green', 'yellow')", name=op.f("ck_placements_colour")),
        sa.CheckConstraint(
            "price > 0 AND decline_fee BETWEEN 0 AND price AND platform_part >= 0 AND seller_part >= 0"
            " AND platform_part + seller_part <= price",
            name=op.f("ck_placements_parts"),
        ),
        sa.CheckConstraint(
            "CASE surface WHEN 'remix' THEN remix_id IS NOT NULL AND sticker IS NULL AND cosmetic_id IS NULL"
            " ELSE remix_id IS NULL AND (sticker IS NULL) <> (cosmetic_id IS NULL) END",
            name=op.f("ck_placements_thing"),
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_placements_image_id_images"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["people.id"], name=op.f("fk_placements_owner_id_people"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["placer_id"], ["people.id"], name=op.f("fk_placements_placer_id_people"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["people.id"], name=op.f("fk_placements_seller_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["cosmetic_id"], ["cosmetics.id"], name=op.f("fk_placements_cosmetic_id_cosmetics")
        ),
        sa.ForeignKeyConstraint(
            ["remix_id"], ["images.id"], name=op.f("fk_placements_remix_id_images"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placements")),
        sa.UniqueConstraint("key", name=op.f("uq_placements_key")),
    )


def _indexes() -> None:
    for name, columns, where, unique in (
        ("ix_placements_shown", ["image_id", "id"], "status = 'approved'", False),
        ("ix_placements_waiting", ["image_id", "id"], "status = 'pending'", False),
        ("ix_placements_owner_id_id", ["owner_id", "id"], None, False),
        ("ix_placements_placer_id_id", ["placer_id", "id"], None, False),
        ("ix_placements_seller_id", ["seller_id"], None, False),
        ("ix_placements_cosmetic_id", ["cosmetic_id"], None, False),
        ("ix_placements_remix_id", ["remix_id"], "remix_id IS NOT NULL", False),
        ("ix_placements_expires_at", ["expires_at"], "status = 'pending'", False),
        ("ix_placements_settles_at", ["settles_at"], "settles_at IS NOT NULL", False),
        (
            "uq_placements_remix",
            ["image_id", "remix_id"],
            "status IN ('pending', 'approved') AND remix_id IS NOT NULL",
            True,
        ),
    ):
        op.create_index(
            name, "placements", columns, unique=unique, postgresql_where=sa.text(where) if where else None
        )


def upgrade() -> None:
    _spaces()
    _placements()
    _indexes()
    op.add_column(
        "cosmetics",
        sa.Column("placement_share", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_cosmetics_placement_share"), "cosmetics", "placement_share BETWEEN 0 AND 100"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_cosmetics_placement_share"), "cosmetics", type_="check")
    op.drop_column("cosmetics", "placement_share")
    op.drop_table("placements")
    op.drop_table("placement_spaces")
