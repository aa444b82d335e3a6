"""Collections on the wire: what is answered, and how a call becomes one of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.showing import Shot
from civitas.domains.gallery.collections.contests import EntryTag
from civitas.domains.gallery.collections.entries import Entry
from civitas.domains.gallery.collections.people import Contributor
from civitas.domains.gallery.collections.pictures import Seen
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import Contest, Kind, Mode, Permission
from civitas.faces.http.portraits import portrait
from civitas.faces.rest.shapes import Answer
from civitas.kit import clock

# The words of existing clients.
TYPES: Final = {Kind.MODEL: "Model", Kind.IMAGE: "Image", Kind.POST: "Post", Kind.ARTICLE: "Article"}
MODES: Final = {Mode.STANDARD: None, Mode.BOOKMARK: "Bookmark", Mode.CONTEST: "Contest"}
BITS: Final = {"view": 1, "add": 2, "addReview": 4, "manage": 8, "judge": 16}


class ContestShown(Answer):
    """The rules of a contest."""

    starts_at: datetime | None
    ends_at: datetime | None
    most_each: int | None
    existing: bool
    level: int
    rules_url: str
    judging: bool
    voting: bool
    votes_from: datetime | None
    votes_until: datetime | None
    ended_at: datetime | None
    tags: list[dict[str, Any]]


class ContributorShown(Answer):
    """Somebody who may do more in a collection."""

    user_id: int
    username: str
    image: str | None
    permissions: list[str]


def contest(rules: Contest, tags: Sequence[EntryTag]) -> ContestShown:
    """The rules of a contest with the tags that it is entered under."""
    return ContestShown(
        **{name: getattr(rules, name) for name in Contest.__dataclass_fields__},
        tags=[
            {"id": one.id, "name": one.name, "endsAt": clock.rfc3339(one.ends_at) if one.ends_at else None}
            for one in tags
        ],
    )


def contributor(found: Contributor, base: str) -> ContributorShown:
    """Somebody who may do more, with the names of what they may."""
    path = portrait(found.avatar_key)
    return ContributorShown(
        user_id=found.person_id,
        username=found.username,
        image=base + path if path else None,
        permissions=[name for name, bit in BITS.items() if found.permissions & bit],
    )


def permission(names: Sequence[str]) -> Permission:
    """Bits from their names."""
    return Permission(sum({BITS[name] for name in names}))


def collection(found: Shown, shots: Mapping[int, Sequence[Shot]], base: str) -> dict[str, Any]:
    """One collection in a list or alone; counts and pictures are those that the viewer is shown."""
    pictures = [picture(shot, base) for shot in shots.get(found.id, ())]
    avatar = portrait(found.avatar_key)
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description or None,
        "type": TYPES[found.kind],
        "mode": MODES[found.mode],
        "read": found.read_by.capitalize(),
        "write": found.write_by.capitalize(),
        "nsfw": bool(found.level & ~SAFE_MASK),
        "nsfwLevel": found.level,
        "order": found.order_by,
        "itemCount": found.count,
        "followerCount": found.followers,
        "image": pictures[0]["url"] if pictures else None,
        "images": pictures,
        "userId": found.person_id,
        "username": found.username,
        "user": {
            "id": found.person_id,
            "username": found.username,
            "image": base + avatar if avatar else None,
        },
        "createdAt": clock.rfc3339(found.created_at),
        "lastItemAddedAt": clock.rfc3339(found.filled_at) if found.filled_at else None,
        "isFollowing": found.followed,
        "permissions": {
            "add": found.rights.add,
            "addReview": found.rights.add and found.rights.waits,
            "manage": found.rights.manage,
            "judge": found.rights.judge,
        },
        "waitingCount": found.waiting,
    }


def picture(shot: Shot, base: str) -> dict[str, Any]:
    """A picture that stands for something."""
    return {
        "url": base + image_path(shot.key, shot.name),
        "width": shot.width,
        "height": shot.height,
        "hash": shot.blurhash,
        "nsfwLevel": shot.level,
    }


def entry(found: Entry, told: Mapping[str, Any] | None) -> dict[str, Any]:
    """One thing in a collection, with what there is to say of it under `data`."""
    return {
        "id": found.id,
        "type": TYPES[Kind(found.kind)],
        "entityId": found.subject_id,
        "status": found.state.value.upper(),
        "note": found.note or None,
        "isCover": found.is_cover,
        "addedBy": {"id": found.person_id, "username": found.username},
        "nsfwLevel": found.level,
        "tagId": found.tag_id,
        "score": found.score / 100 if found.score else None,
        "voteCount": found.votes,
        "voted": found.voted,
        "place": found.place,
        "createdAt": clock.rfc3339(found.created_at),
        "data": told,
    }


def seen(found: Seen, base: str) -> dict[str, Any]:
    """A picture or post."""
    return {
        **picture(found.shot, base),
        "id": found.id,
        "postId": found.post_id,
        "title": found.title,
        "media": found.media,
        "imageCount": found.number,
        "username": found.username,
    }
