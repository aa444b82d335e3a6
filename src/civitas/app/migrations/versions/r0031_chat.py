"""Chat: rooms, members, messages and reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_rooms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("member_digest", sa.String(), nullable=False),
        sa.Column("is_group", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("last_message_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "last_message_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["people.id"], name=op.f("fk_chat_rooms_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_rooms")),
        sa.UniqueConstraint("member_digest", name=op.f("uq_chat_rooms_member_digest")),
    )
    op.create_index("ix_chat_rooms_last_message_at", "chat_rooms", ["last_message_at"], unique=False)
    op.create_index(
        "ix_chat_rooms_owner_id_created_at", "chat_rooms", ["owner_id", "created_at"], unique=False
    )
    op.create_table(
        "chat_members",
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("muted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("read_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('invited', 'joined', 'ignored', 'left', 'kicked')", name=op.f("ck_chat_members_state")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_chat_members_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["room_id"], ["chat_rooms.id"], name=op.f("fk_chat_members_room_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room_id", "person_id", name=op.f("pk_chat_members")),
    )
    op.create_index(
        "ix_chat_members_person_id_room_id", "chat_members", ["person_id", "room_id"], unique=False
    )
    op.create_table(
        "chat_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_chat_messages_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["room_id"], ["chat_rooms.id"], name=op.f("fk_chat_messages_room_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_messages")),
    )
    op.create_index("ix_chat_messages_created_at", "chat_messages", ["created_at"], unique=False)
    op.create_index(
        "ix_chat_messages_person_id_created_at", "chat_messages", ["person_id", "created_at"], unique=False
    )
    op.create_index("ix_chat_messages_room_id_id", "chat_messages", ["room_id", "id"], unique=False)
    op.create_table(
        "chat_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(settled_at IS NULL) = (settled_by IS NULL)", name=op.f("ck_chat_reports_settled")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_messages.id"], name=op.f("fk_chat_reports_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_chat_reports_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_reports")),
        sa.UniqueConstraint("message_id", "person_id", name=op.f("uq_chat_reports_message_id_person_id")),
    )
    op.create_index(
        "ix_chat_reports_open",
        "chat_reports",
        ["id"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index("ix_chat_reports_person_id", "chat_reports", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_chat_reports_person_id", table_name="chat_reports")
    op.drop_index(
        "ix_chat_reports_open", table_name="chat_reports", postgresql_where=sa.text("settled_at IS NULL")
    )
    op.drop_table("chat_reports")
    op.drop_index("ix_chat_messages_room_id_id", table_name="chat_messages")
    op.drop_index("ix_chat_messages_person_id_created_at", table_name="chat_messages")
    op.drop_index("ix_chat_messages_created_at", table_name="chat_messages")
    op.drop_table("chat_messages")
    op.drop_index("ix_chat_members_person_id_room_id", table_name="chat_members")
    op.drop_table("chat_members")
    op.drop_index("ix_chat_rooms_owner_id_created_at", table_name="chat_rooms")
    op.drop_index("ix_chat_rooms_last_message_at", table_name="chat_rooms")
    op.drop_table("chat_rooms")
