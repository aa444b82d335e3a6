"""Mapped classes of people and of what proves who they are."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.domains.accounts.types import MATURE_MASK, SAFE_MASK
from civitas.infra.db.base import Base, BigId, CreatedAt

# Names are compared and sorted by bytes, whatever the database's own collation is: prefix search needs it.
Bytewise = String(collation="C")


class Person(Base):
    """One account. A deleted person keeps the row and the id, and loses name, address and secrets."""

    __tablename__ = "people"
    __table_args__ = (
        CheckConstraint("username ~ '^[A-Za-z0-9_]{3,25}$'", name="username_form"),
        CheckConstraint("(username IS NULL) = (username_folded IS NULL)", name="username_pair"),
        CheckConstraint("(email IS NULL) = (email_folded IS NULL)", name="email_pair"),
        CheckConstraint("status = 'deleted' OR username IS NOT NULL", name="living_have_names"),
        CheckConstraint(
            "status <> 'deleted' OR (username IS NULL AND email IS NULL)", name="deleted_are_bare"
        ),
        CheckConstraint("role IN ('user', 'moderator', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'deleted', 'banned')", name="status"),
        CheckConstraint("browsing_level BETWEEN 1 AND 31", name="browsing_level"),
        CheckConstraint("(blur_level & 30) = blur_level", name="blur_level"),
        CheckConstraint(
            "rewards_eligibility IN ('eligible', 'ineligible', 'protected')", name="rewards_eligibility"
        ),
        Index("uq_people_username_folded", "username_folded", unique=True),
        Index("uq_people_email_folded", "email_folded", unique=True),
        Index("uq_people_handle", "handle", unique=True),
        Index("ix_people_staff", "role", "id", postgresql_where=text("role <> 'user'")),
        Index("ix_people_banned", "banned_at", "id", postgresql_where=text("banned_at IS NOT NULL")),
        Index("ix_people_muted", "muted_until", "id", postgresql_where=text("muted_until IS NOT NULL")),
        Index(
            "ix_people_creators",
            text("model_count DESC"),
            "id",
            postgresql_where=text("model_count > 0 AND status = 'active'"),
        ),
        Index(
            "ix_people_safe_creators",
            text("safe_model_count DESC"),
            "id",
            postgresql_where=text("safe_model_count > 0 AND status = 'active'"),
        ),
    )

    id: Mapped[BigId]
    # The opaque user handle of passkeys (WebAuthn level 3, 5.4.3: it must tell nothing about the person).
    handle: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    username: Mapped[str | None]
    username_folded: Mapped[str | None] = mapped_column(Bytewise)
    email: Mapped[str | None]
    email_folded: Mapped[str | None] = mapped_column(Bytewise)
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    role: Mapped[str] = mapped_column(server_default="user")
    status: Mapped[str] = mapped_column(server_default="active")
    ban_code: Mapped[str | None]
    banned_at: Mapped[datetime | None]
    muted_until: Mapped[datetime | None]
    onboarding: Mapped[int] = mapped_column(server_default="0")
    adult_confirmed_at: Mapped[datetime | None]
    show_mature: Mapped[bool] = mapped_column(server_default=text("false"))
    # The levels whose pictures are blurred until they are asked for, one by one.
    blur_level: Mapped[int] = mapped_column(server_default=str(MATURE_MASK))
    browsing_level: Mapped[int] = mapped_column(server_default=str(SAFE_MASK))
    avatar_key: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    # The sum of `score_parts`, which hold a number for each kind of work (`models`, `users`, ...).
    score: Mapped[int] = mapped_column(server_default="0")
    score_parts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    follower_count: Mapped[int] = mapped_column(server_default="0")
    following_count: Mapped[int] = mapped_column(server_default="0")
    # Published models; kept by the catalogue, so that creators can be listed without asking it.
    model_count: Mapped[int] = mapped_column(server_default="0")
    # Those of them that viewers of safe levels may see.
    safe_model_count: Mapped[int] = mapped_column(server_default="0")
    # The tier whose badge stands beside the name; kept by the economy.
    badge: Mapped[str | None]
    rewards_eligibility: Mapped[str] = mapped_column(server_default="eligible")
    off_leaderboards: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Profile(Base):
    """What a person tells about themselves; made with the first edit."""

    __tablename__ = "profiles"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    bio: Mapped[str] = mapped_column(server_default="")
    pinned_message: Mapped[str] = mapped_column(server_default="")
    location: Mapped[str] = mapped_column(server_default="")
    cover_key: Mapped[str | None]
    links: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    # What the page shows and in which order; fewer keys than sections means the default for the rest.
    layout: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PersonSession(Base):
    """One signed-in browser. The token is in its cookie only; we keep the digest."""

    __tablename__ = "person_sessions"
    __table_args__ = (
        Index("uq_person_sessions_digest", "digest", unique=True),
        Index("ix_person_sessions_person_id", "person_id", text("last_seen_at DESC")),
        Index("ix_person_sessions_expires_at", "expires_at"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    digest: Mapped[bytes]
    method: Mapped[str]
    user_agent: Mapped[str] = mapped_column(server_default="")
    address: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[CreatedAt]
    # When the person last proved who they are; dangerous changes ask again after a while.
    proved_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class Passkey(Base):
    """A WebAuthn credential."""

    __tablename__ = "passkeys"
    __table_args__ = (
        Index("uq_passkeys_credential_id", "credential_id", unique=True),
        Index("ix_passkeys_person_id", "person_id", "id"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    credential_id: Mapped[bytes]
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[str]
    transports: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    backed_up: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]


class Identity(Base):
    """A login elsewhere that opens this account."""

    __tablename__ = "identities"
    __table_args__ = (
        Index("uq_identities_subject", "provider", "subject", unique=True),
        Index("uq_identities_person", "person_id", "provider", unique=True),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    provider: Mapped[str]
    subject: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]


class MailToken(Base):
    """A secret that was mailed: single use, short-lived, good for one purpose."""

    __tablename__ = "mail_tokens"
    __table_args__ = (
        Index("uq_mail_tokens_digest", "digest", unique=True),
        Index("ix_mail_tokens_address", "purpose", "email_folded"),
        Index("ix_mail_tokens_person_id", "person_id", "purpose"),
        Index("ix_mail_tokens_expires_at", "expires_at"),
    )

    id: Mapped[BigId]
    digest: Mapped[bytes]
    purpose: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    email: Mapped[str]
    email_folded: Mapped[str] = mapped_column(Bytewise)
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Ceremony(Base):
    """A sign-in or registration that is half done: a passkey challenge, or a password awaiting its second step."""

    __tablename__ = "ceremonies"
    __table_args__ = (
        Index("uq_ceremonies_digest", "digest", unique=True),
        Index("ix_ceremonies_person_id", "person_id"),
        Index("ix_ceremonies_expires_at", "expires_at"),
    )

    id: Mapped[BigId]
    digest: Mapped[bytes]
    purpose: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    challenge: Mapped[bytes | None]
    method: Mapped[str] = mapped_column(server_default="")
    attempts: Mapped[int] = mapped_column(server_default="0")
    expires_at: Mapped[datetime]


class TotpSecret(Base):
    """The shared secret of an authenticator app, encrypted at rest."""

    __tablename__ = "totp_secrets"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    secret: Mapped[bytes]
    confirmed_at: Mapped[datetime | None]
    # The 30-second step of the last code accepted: no code works twice (RFC 6238, 5.2).
    last_step: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class RecoveryCode(Base):
    """A one-time stand-in for the authenticator app."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("uq_recovery_codes_digest", "person_id", "digest", unique=True),)

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    digest: Mapped[bytes]
    used_at: Mapped[datetime | None]


class ApiKey(Base):
    """A secret for programs. Shown once; the prefix tells keys apart in lists."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("uq_api_keys_digest", "digest", unique=True),
        Index("ix_api_keys_person_id", "person_id", "id"),
        Index("ix_api_keys_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    prefix: Mapped[str]
    digest: Mapped[bytes]
    scopes: Mapped[int]
    buzz_limit: Mapped[list[Any] | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Follow(Base):
    """What one person decided about another: follow, hide or block, one at a time."""

    __tablename__ = "follows"
    __table_args__ = (
        CheckConstraint("kind IN ('follow', 'hide', 'block')", name="kind"),
        CheckConstraint("person_id <> target_id", name="not_oneself"),
        Index("ix_follows_mine", "person_id", "kind", "created_at", "target_id"),
        Index("ix_follows_theirs", "target_id", "kind", "created_at", "person_id"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    target_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    kind: Mapped[str]
    created_at: Mapped[CreatedAt]


class BlocklistEntry(Base):
    """A word, domain or name that staff do not want in a certain place."""

    __tablename__ = "blocklist_entries"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('username_exact', 'username_partial', 'email_domain', 'link_domain')", name="kind"
        ),
        Index("uq_blocklist_entries_value", "kind", "value", unique=True),
    )

    id: Mapped[BigId]
    kind: Mapped[str]
    value: Mapped[str] = mapped_column(Bytewise)
    note: Mapped[str] = mapped_column(server_default="")
    created_by: Mapped[int] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[CreatedAt]


class StaffAction(Base):
    """What staff did to whom and why. Append-only: a trigger refuses every change and removal."""

    __tablename__ = "staff_actions"
    __table_args__ = (
        CheckConstraint("length(reason) > 0", name="reason"),
        Index("ix_staff_actions_actor_id", "actor_id", "id"),
        Index("ix_staff_actions_person_id", "person_id", "id"),
        Index("ix_staff_actions_action", "action", "id"),
        Index("ix_staff_actions_subject", "subject_kind", "subject_id", "id"),
    )

    id: Mapped[BigId]
    actor_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    action: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    subject_kind: Mapped[str | None]
    subject_id: Mapped[int | None]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]


class Departure(Base):
    """What is needed to bring a deleted person back within the month; then it is erased too."""

    __tablename__ = "departures"
    __table_args__ = (Index("ix_departures_forget_at", "forget_at"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    username: Mapped[str]
    email: Mapped[str | None]
    remove_models: Mapped[bool]
    remove_images: Mapped[bool]
    left_at: Mapped[CreatedAt]
    forget_at: Mapped[datetime]
