"""Community: boards, legends, milestones and announcements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("content", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("tone", sa.String(), server_default=sa.text("'info'"), nullable=False),
        sa.Column(
            "actions",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("audience", sa.String(), server_default=sa.text("'all'"), nullable=False),
        sa.Column("domain", sa.String(), server_default=sa.text("'all'"), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "audience IN ('all', 'members', 'strangers')", name=op.f("ck_announcements_audience")
        ),
        sa.CheckConstraint("domain IN ('all', 'green', 'blue')", name=op.f("ck_announcements_domain")),
        sa.CheckConstraint("tone IN ('info', 'ok', 'warn')", name=op.f("ck_announcements_tone")),
        sa.CheckConstraint(
            "ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_announcements_ends_after_start")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_announcements_person_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index(op.f("ix_announcements_person_id"), "announcements", ["person_id"], unique=False)
    op.create_index("ix_announcements_starts_at", "announcements", ["starts_at"], unique=False)
    op.create_table(
        "board_legends",
        sa.Column("board", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("diamonds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("golds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("silvers", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bronzes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_board_legends_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("board", "person_id", name=op.f("pk_board_legends")),
    )
    op.create_index("ix_board_legends_board_position", "board_legends", ["board", "position"], unique=False)
    op.create_index(op.f("ix_board_legends_person_id"), "board_legends", ["person_id"], unique=False)
    op.create_table(
        "board_standings",
        sa.Column("board", sa.String(), nullable=False),
        sa.Column("span", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("span IN ('window', 'season')", name=op.f("ck_board_standings_span")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_board_standings_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("board", "span", "day", "person_id", name=op.f("pk_board_standings")),
    )
    op.create_index("ix_board_standings_person_id", "board_standings", ["person_id", "day"], unique=False)
    op.create_index(
        "uq_board_standings_position", "board_standings", ["board", "span", "day", "position"], unique=True
    )
    op.create_table(
        "milestones",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_milestones_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("what", "subject_kind", "subject_id", "amount", name=op.f("pk_milestones")),
    )
    op.create_index(op.f("ix_milestones_person_id"), "milestones", ["person_id"], unique=False)
    op.create_table(
        "announcement_dismissals",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("announcement_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_dismissals_announcement_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["people.id"],
            name=op.f("fk_announcement_dismissals_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "announcement_id", name=op.f("pk_announcement_dismissals")),
    )
    op.create_index(
        op.f("ix_announcement_dismissals_announcement_id"),
        "announcement_dismissals",
        ["announcement_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_announcement_dismissals_announcement_id"), table_name="announcement_dismissals")
    op.drop_table("announcement_dismissals")
    op.drop_index(op.f("ix_milestones_person_id"), table_name="milestones")
    op.drop_table("milestones")
    op.drop_index("uq_board_standings_position", table_name="board_standings")
    op.drop_index("ix_board_standings_person_id", table_name="board_standings")
    op.drop_table("board_standings")
    op.drop_index(op.f("ix_board_legends_person_id"), table_name="board_legends")
    op.drop_index("ix_board_legends_board_position", table_name="board_legends")
    op.drop_table("board_legends")
    op.drop_index("ix_announcements_starts_at", table_name="announcements")
    op.drop_index(op.f("ix_announcements_person_id"), table_name="announcements")
    op.drop_table("announcements")
