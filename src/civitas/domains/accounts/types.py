"""Who acts, in which role, with which rights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntFlag, StrEnum
from typing import Literal

from civitas.kit.errors import Forbidden, Unauthorised


class Role(StrEnum):
    """What a person may do beyond their own things; each includes the ones before."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


class Scope(IntFlag):
    """What a key or an application may do; the bits are those of existing clients (FEATURES U4)."""

    USER_READ = 1
    USER_WRITE = 2
    MODELS_READ = 4
    MODELS_WRITE = 8
    MODELS_DELETE = 16
    MEDIA_READ = 32
    MEDIA_WRITE = 64
    MEDIA_DELETE = 128
    ARTICLES_READ = 256
    ARTICLES_WRITE = 512
    ARTICLES_DELETE = 1024
    BOUNTIES_READ = 2048
    BOUNTIES_WRITE = 4096
    BOUNTIES_DELETE = 8192
    AI_SERVICES_READ = 16384
    AI_SERVICES_WRITE = 32768
    BUZZ_READ = 65536
    COLLECTIONS_READ = 131072
    COLLECTIONS_WRITE = 262144
    SOCIAL_WRITE = 524288
    SOCIAL_TIP = 1048576
    NOTIFICATIONS_READ = 2097152
    NOTIFICATIONS_WRITE = 4194304
    VAULT_READ = 8388608
    VAULT_WRITE = 16777216
    APP_BLOCKS_SUBMIT = 33554432
    APP_BLOCKS_DEV_TUNNEL = 67108864

    FULL = 33554431
    READ_ONLY = 10701093
    CREATOR = 11492205
    AI_SERVICES = 114689


NO_SCOPE = Scope(0)

# What a key can be made with in one click (FEATURES U5).
PRESETS = {
    "ReadOnly": Scope.READ_ONLY,
    "Creator": Scope.CREATOR,
    "AIServices": Scope.AI_SERVICES,
    "Full": Scope.FULL,
}
# Every bit that means something; the others are refused as a whole.
KNOWN_SCOPES = Scope(int(Scope.FULL) | int(Scope.APP_BLOCKS_SUBMIT) | int(Scope.APP_BLOCKS_DEV_TUNNEL))


class Onboarding(IntFlag):
    """Steps that a new person takes, as bits (FEATURES A3)."""

    TERMS = 1
    PROFILE = 2
    BROWSING_LEVELS = 4
    BUZZ = 8
    CREATOR_PROGRAM = 16
    BANNED_CREATOR_PROGRAM = 32
    RED_TERMS = 64

    COMPLETE = 15


class Relation(StrEnum):
    """What one person decided about another."""

    FOLLOW = "follow"
    HIDE = "hide"
    BLOCK = "block"


# Browsing levels (FEATURES N1, N2): bits of what an item is and of what a viewer has asked for.
PG, PG13, R, X, XXX, BLOCKED = 1, 2, 4, 8, 16, 32
PUBLIC_MASK = PG
SAFE_MASK = PG | PG13
MATURE_MASK = R | X | XXX
ALL_MASK = SAFE_MASK | MATURE_MASK
LEVEL_LABELS = {PG: "PG", PG13: "PG-13", R: "R", X: "X", XXX: "XXX", BLOCKED: "Blocked"}

SYSTEM_ID = -1


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks: a person by session or key, the system, or a stranger (`id` is None)."""

    id: int | None
    username: str | None = None
    role: Role = Role.USER
    scopes: Scope = NO_SCOPE
    via: Literal["session", "key", "system", "none"] = "none"
    # What this viewer may be shown; a stranger and anybody who did not ask sees safe levels only.
    mask: int = SAFE_MASK
    # The levels whose pictures they see blurred first.
    blur: int = MATURE_MASK
    # Themes that they do not want to meet, whatever the level (FEATURES N6).
    themes: tuple[str, ...] = ()
    # Which site they visit, as `spend_order` of the economy names it: `green` is the safe twin (FEATURES N8).
    domain: str = "main"
    verified: bool = False
    muted: bool = False
    onboarded: bool = False
    # The storage key of their picture; beside the name wherever they are shown as the one who looks.
    avatar_key: str | None = None
    key_id: int | None = None
    session_id: int | None = None
    # When the person last proved who they are in this session; None for keys.
    proved_at: datetime | None = field(default=None, compare=False)

    def on_safe_site(self) -> Actor:
        """The same person on the safe twin: nothing above its levels, whatever they asked for elsewhere."""
        if self is ANONYMOUS:
            return SAFE_STRANGER
        return replace(self, mask=self.mask & SAFE_MASK or PUBLIC_MASK, domain="green")

    def discreet(self) -> Actor:
        """The same person while somebody looks over their shoulder: nothing mature, whatever they asked for."""
        narrowed = self.mask & SAFE_MASK or PUBLIC_MASK
        return self if narrowed == self.mask else replace(self, mask=narrowed)

    @property
    def signed_in(self) -> bool:
        """Whether this is a person at all."""
        return self.id is not None

    @property
    def is_moderator(self) -> bool:
        """Moderators and admins."""
        return self.role in (Role.MODERATOR, Role.ADMIN)

    @property
    def is_admin(self) -> bool:
        """Admins only."""
        return self.role is Role.ADMIN

    def require(self, scope: Scope = NO_SCOPE) -> int:
        """The person's id; Unauthorised for a stranger, Forbidden when a key lacks `scope`."""
        if self.id is None:
            raise Unauthorised("Sign in, or send an API key, to do this.", code="sign_in_needed")
        if scope & ~self.scopes:
            raise Forbidden("This key does not have the scope that this needs.", code="insufficient_scope")
        return self.id

    def require_moderator(self) -> int:
        """The id of a moderator or admin; Forbidden otherwise."""
        person = self.require()
        if not self.is_moderator:
            raise Forbidden("Only moderators can do this.", code="staff_only")
        return person

    def require_admin(self) -> int:
        """The id of an admin; Forbidden otherwise."""
        person = self.require()
        if not self.is_admin:
            raise Forbidden("Only administrators can do this.", code="staff_only")
        return person


ANONYMOUS = Actor(id=None)
SAFE_STRANGER = Actor(id=None, domain="green")
SYSTEM = Actor(
    id=SYSTEM_ID, username="civitas", role=Role.ADMIN, scopes=Scope.FULL, via="system", mask=ALL_MASK
)
