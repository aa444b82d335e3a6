"""People, their secrets, profiles, follows, blocklists and the staff's log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)
BYTEWISE = sa.String(collation="C")


def upgrade() -> None:
    _people()
    _people_indexes()
    _api_keys()
    _blocklist_entries()
    _ceremonies()
    _departures()
    _follows()
    _identities()
    _mail_tokens()
    _passkeys()
    _person_sessions()
    _profiles()
    _recovery_codes()
    _staff_actions()
    _totp_secrets()
    _append_only()
    # Models that deleted people leave behind are handed to this account.
    op.execute(
        "INSERT INTO people (id, username, username_folded, role, onboarding) "
        "VALUES (-1, 'civitas', 'civitas', 'admin', 15)"
    )


def _append_only() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER staff_actions_append_only BEFORE UPDATE OR DELETE ON staff_actions "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER staff_actions_no_truncate BEFORE TRUNCATE ON staff_actions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("handle", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("username", sa.String(), nullable=True),
        sa.Column("username_folded", BYTEWISE, nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("email_folded", BYTEWISE, nullable=True),
        sa.Column("email_verified_at", AWARE, nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("role", sa.String(), server_default="user", nullable=False),
        sa.Column("status", sa.String(), server_default="active", nullable=False),
        sa.Column("ban_code", sa.String(), nullable=True),
        sa.Column("banned_at", AWARE, nullable=True),
        sa.Column("muted_until", AWARE, nullable=True),
        sa.Column("onboarding", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("adult_confirmed_at", AWARE, nullable=True),
        sa.Column("show_mature", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("blur_mature", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("browsing_level", sa.BigInteger(), server_default="3", nullable=False),
        sa.Column("avatar_key", sa.String(), nullable=True),
        sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("score", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("score_parts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("follower_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("following_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("model_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rewards_eligibility", sa.String(), server_default="eligible", nullable=False),
        sa.Column("off_leaderboards", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("deleted_at", AWARE, nullable=True),
        sa.CheckConstraint(
            "rewards_eligibility IN ('eligible', 'ineligible', 'protected')",
            name="ck_people_rewards_eligibility",
        ),
        sa.CheckConstraint("role IN ('user', 'moderator', 'admin')", name="ck_people_role"),
        sa.CheckConstraint(
            "status <> 'deleted' OR (username IS NULL AND email IS NULL)", name="ck_people_deleted_are_bare"
        ),
        sa.CheckConstraint("status = 'deleted' OR username IS NOT NULL", name="ck_people_living_have_names"),
        sa.CheckConstraint("status IN ('active', 'deleted', 'banned')", name="ck_people_status"),
        sa.CheckConstraint("username ~ '^[A-Za-z0-9_]{3,25}$'", name="ck_people_username_form"),
        sa.CheckConstraint("(email IS NULL) = (email_folded IS NULL)", name="ck_people_email_pair"),
        sa.CheckConstraint("(username IS NULL) = (username_folded IS NULL)", name="ck_people_username_pair"),
        sa.CheckConstraint("browsing_level BETWEEN 1 AND 31", name="ck_people_browsing_level"),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
    )


def _people_indexes() -> None:
    op.create_index(
        "ix_people_banned", "people", ["banned_at", "id"], postgresql_where=sa.text("banned_at IS NOT NULL")
    )
    op.create_index(
        "ix_people_creators",
        "people",
        [sa.text("model_count DESC"), "id"],
        postgresql_where=sa.text("model_count > 0 AND status = 'active'"),
    )
    op.create_index(
        "ix_people_muted",
        "people",
        ["muted_until", "id"],
        postgresql_where=sa.text("muted_until IS NOT NULL"),
    )
    op.create_index("ix_people_staff", "people", ["role", "id"], postgresql_where=sa.text("role <> 'user'"))
    op.create_index("uq_people_email_folded", "people", ["email_folded"], unique=True)
    op.create_index("uq_people_handle", "people", ["handle"], unique=True)
    op.create_index("uq_people_username_folded", "people", ["username_folded"], unique=True)


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.BigInteger(), nullable=False),
        sa.Column("buzz_limit", JSONB(), nullable=True),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", AWARE, nullable=True),
        sa.Column("last_used_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_api_keys_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index(
        "ix_api_keys_expires_at",
        "api_keys",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index("ix_api_keys_person_id", "api_keys", ["person_id", "id"])
    op.create_index("uq_api_keys_digest", "api_keys", ["digest"], unique=True)


def _blocklist_entries() -> None:
    op.create_table(
        "blocklist_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('username_exact', 'username_partial', 'email_domain', 'link_domain')",
            name="ck_blocklist_entries_kind",
        ),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_blocklist_entries_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_blocklist_entries"),
    )
    op.create_index("uq_blocklist_entries_value", "blocklist_entries", ["kind", "value"], unique=True)


def _ceremonies() -> None:
    op.create_table(
        "ceremonies",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=True),
        sa.Column("method", sa.String(), server_default="", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_ceremonies_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ceremonies"),
    )
    op.create_index("ix_ceremonies_expires_at", "ceremonies", ["expires_at"])
    op.create_index("ix_ceremonies_person_id", "ceremonies", ["person_id"])
    op.create_index("uq_ceremonies_digest", "ceremonies", ["digest"], unique=True)


def _departures() -> None:
    op.create_table(
        "departures",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("remove_models", sa.Boolean(), nullable=False),
        sa.Column("remove_images", sa.Boolean(), nullable=False),
        sa.Column("left_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("forget_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_departures_person_id"),
        sa.PrimaryKeyConstraint("person_id", name="pk_departures"),
    )
    op.create_index("ix_departures_forget_at", "departures", ["forget_at"])


def _follows() -> None:
    op.create_table(
        "follows",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("kind IN ('follow', 'hide', 'block')", name="ck_follows_kind"),
        sa.CheckConstraint("person_id <> target_id", name="ck_follows_not_oneself"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_follows_person_id"),
        sa.ForeignKeyConstraint(["target_id"], ["people.id"], name="fk_follows_target_id"),
        sa.PrimaryKeyConstraint("person_id", "target_id", name="pk_follows"),
    )
    op.create_index("ix_follows_mine", "follows", ["person_id", "kind", "created_at", "target_id"])
    op.create_index("ix_follows_theirs", "follows", ["target_id", "kind", "created_at", "person_id"])


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default="", nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("last_used_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_identities_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
    )
    op.create_index("uq_identities_person", "identities", ["person_id", "provider"], unique=True)
    op.create_index("uq_identities_subject", "identities", ["provider", "subject"], unique=True)


def _mail_tokens() -> None:
    op.create_table(
        "mail_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_folded", BYTEWISE, nullable=False),
        sa.Column("payload", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", AWARE, nullable=False),
        sa.Column("used_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_mail_tokens_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mail_tokens"),
    )
    op.create_index("ix_mail_tokens_address", "mail_tokens", ["purpose", "email_folded"])
    op.create_index("ix_mail_tokens_expires_at", "mail_tokens", ["expires_at"])
    op.create_index("ix_mail_tokens_person_id", "mail_tokens", ["person_id", "purpose"])
    op.create_index("uq_mail_tokens_digest", "mail_tokens", ["digest"], unique=True)


def _passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("transports", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("backed_up", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("last_used_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_passkeys_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    op.create_index("ix_passkeys_person_id", "passkeys", ["person_id", "id"])
    op.create_index("uq_passkeys_credential_id", "passkeys", ["credential_id"], unique=True)


def _person_sessions() -> None:
    op.create_table(
        "person_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), server_default="", nullable=False),
        sa.Column("address", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("proved_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("last_seen_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_person_sessions_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person_sessions"),
    )
    op.create_index("ix_person_sessions_expires_at", "person_sessions", ["expires_at"])
    op.create_index(
        "ix_person_sessions_person_id", "person_sessions", ["person_id", sa.text("last_seen_at DESC")]
    )
    op.create_index("uq_person_sessions_digest", "person_sessions", ["digest"], unique=True)


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bio", sa.String(), server_default="", nullable=False),
        sa.Column("pinned_message", sa.String(), server_default="", nullable=False),
        sa.Column("location", sa.String(), server_default="", nullable=False),
        sa.Column("cover_key", sa.String(), nullable=True),
        sa.Column("links", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("layout", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("updated_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_profiles_person_id"),
        sa.PrimaryKeyConstraint("person_id", name="pk_profiles"),
    )


def _recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_recovery_codes_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
    )
    op.create_index("uq_recovery_codes_digest", "recovery_codes", ["person_id", "digest"], unique=True)


def _staff_actions() -> None:
    op.create_table(
        "staff_actions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("subject_kind", sa.String(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("details", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(reason) > 0", name="ck_staff_actions_reason"),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name="fk_staff_actions_actor_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_staff_actions_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_staff_actions"),
    )
    op.create_index("ix_staff_actions_action", "staff_actions", ["action", "id"])
    op.create_index("ix_staff_actions_actor_id", "staff_actions", ["actor_id", "id"])
    op.create_index("ix_staff_actions_person_id", "staff_actions", ["person_id", "id"])
    op.create_index("ix_staff_actions_subject", "staff_actions", ["subject_kind", "subject_id", "id"])


def _totp_secrets() -> None:
    op.create_table(
        "totp_secrets",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", AWARE, nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("locked_until", AWARE, nullable=True),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_totp_secrets_person_id"),
        sa.PrimaryKeyConstraint("person_id", name="pk_totp_secrets"),
    )


def downgrade() -> None:
    for table in (
        "totp_secrets",
        "staff_actions",
        "recovery_codes",
        "profiles",
        "person_sessions",
        "passkeys",
        "mail_tokens",
        "identities",
        "follows",
        "departures",
        "ceremonies",
        "blocklist_entries",
        "api_keys",
        "people",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
