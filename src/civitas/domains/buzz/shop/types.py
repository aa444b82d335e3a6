"""The words of the shop."""

from __future__ import annotations

from enum import StrEnum

LONGEST_NAME = 60
LONGEST_TOLD = 500
# Artworks whose perceptual hashes differ in no more bits than this are the same to the eye.
SAME_ARTWORK_BITS = 6


class CosmeticType(StrEnum):
    """What a cosmetic adorns (FEATURES I60)."""

    BADGE = "Badge"
    NAME_PLATE = "NamePlate"
    CONTENT_DECORATION = "ContentDecoration"
    PROFILE_DECORATION = "ProfileDecoration"
    PROFILE_BACKGROUND = "ProfileBackground"
    STICKER = "Sticker"


class Source(StrEnum):
    """How one comes to a cosmetic."""

    TROPHY = "Trophy"
    PURCHASE = "Purchase"
    EVENT = "Event"
    MEMBERSHIP = "Membership"
    CLAIM = "Claim"


class ItemStatus(StrEnum):
    """Where an item of the shop stands (FEATURES I62)."""

    DRAFT = "Draft"
    PENDING = "PendingReview"
    PUBLISHED = "Published"
    CHANGES = "RequestedChanges"
    REJECTED = "Rejected"
    ARCHIVED = "Archived"


TYPE_LABELS = {
    CosmeticType.BADGE: "Badge",
    CosmeticType.NAME_PLATE: "Name plate",
    CosmeticType.CONTENT_DECORATION: "Frame for what you post",
    CosmeticType.PROFILE_DECORATION: "Frame for your picture",
    CosmeticType.PROFILE_BACKGROUND: "Profile background",
    CosmeticType.STICKER: "Sticker",
}
STATUS_LABELS = {
    ItemStatus.DRAFT: "Draft",
    ItemStatus.PENDING: "Waiting for review",
    ItemStatus.PUBLISHED: "On sale",
    ItemStatus.CHANGES: "Changes asked for",
    ItemStatus.REJECTED: "Rejected",
    ItemStatus.ARCHIVED: "Taken off",
}
# Name plates are drawn by the style sheet, so a plate is one of these.
PLATES = ("aurora", "ember", "forest", "midnight", "ocean", "rose", "sand", "slate")
EQUIPPABLE = frozenset(CosmeticType) - {CosmeticType.STICKER}
