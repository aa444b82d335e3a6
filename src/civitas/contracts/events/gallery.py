"""Facts about pictures, posts, reactions and collections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageAdded:
    """A picture was taken in; it is not decoded yet."""

    image_id: int
    post_id: int
    person_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class ImageReady:
    """A picture was decoded, its variants exist."""

    image_id: int
    post_id: int
    person_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A picture could not be decoded; its owner is told why."""

    image_id: int
    person_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImageRemoved:
    """A picture was taken away by its owner or staff."""

    image_id: int
    person_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class ImageChanged:
    """What lists show or sort a picture by changed: level, tags, resources, tools, recipe, place in its post."""

    image_id: int
    post_id: int


@dataclass(frozen=True, slots=True)
class PostPublished:
    """A post can be seen by others from now on; a scheduled one when its time has come."""

    post_id: int
    person_id: int
    image_count: int


@dataclass(frozen=True, slots=True)
class PostChanged:
    """Title, words, tags, order, availability or the time of a post changed."""

    post_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class PostRemoved:
    """A post was taken away, with its pictures."""

    post_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class Reacted:
    """A person reacted to a thing, for the first time with this reaction (like, heart, laugh, cry, dislike)."""

    person_id: int
    kind: str
    subject_id: int
    reaction: str
    owner_id: int | None


@dataclass(frozen=True, slots=True)
class ReactionWithdrawn:
    """A reaction was taken back."""

    person_id: int
    kind: str
    subject_id: int
    reaction: str


@dataclass(frozen=True, slots=True)
class Collected:
    """A thing was put into a collection; `first` when it is the first collection of this person that holds it."""

    collection_id: int
    person_id: int
    kind: str
    subject_id: int
    first: bool
    # Whether the collection is the person's bookmarks.
    bookmark: bool = False


@dataclass(frozen=True, slots=True)
class Uncollected:
    """A thing was taken out of a collection; `last` when no other collection of this person holds it."""

    collection_id: int
    person_id: int
    kind: str
    subject_id: int
    bookmark: bool = False
    last: bool = True


@dataclass(frozen=True, slots=True)
class CollectionChanged:
    """Name, words, readers or the rules of a collection changed, or it was made."""

    collection_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class CollectionDeleted:
    """A collection is gone; what it held stays."""

    collection_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class CollectionFollowed:
    """Somebody wants to see what comes into a collection, or no longer (`on` False)."""

    collection_id: int
    person_id: int
    owner_id: int
    on: bool


@dataclass(frozen=True, slots=True)
class CollectionItemsSubmitted:
    """Things wait for the people of a collection to look at them."""

    collection_id: int
    person_id: int
    count: int


@dataclass(frozen=True, slots=True)
class CollectionItemReviewed:
    """Whoever manages a collection accepted or rejected what a person added."""

    collection_id: int
    item_id: int
    person_id: int
    by: int
    state: str


@dataclass(frozen=True, slots=True)
class ContestEnded:
    """The time of a contest is over; `winners` are the people of its first places, in their order."""

    collection_id: int
    person_id: int
    winners: list[int]


@dataclass(frozen=True, slots=True)
class VersionsShown:
    """A post was published with pictures made with versions: (picture, version, model, owner of the model)."""

    post_id: int
    person_id: int
    shown: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PlacementOffered:
    """Somebody offers to place a thing (`sticker`, `remix`) on a picture; its owner may answer."""

    placement_id: int
    surface: str
    image_id: int
    owner_id: int
    placer_id: int


@dataclass(frozen=True, slots=True)
class PlacementApproved:
    """A thing is on a picture now; not `by_owner` where everything is taken at once."""

    placement_id: int
    surface: str
    image_id: int
    owner_id: int
    placer_id: int
    by_owner: bool


@dataclass(frozen=True, slots=True)
class PlacementEnded:
    """A placement was declined, was not answered in time, or was taken away (`by` owner, placer, staff or site)."""

    placement_id: int
    surface: str
    image_id: int
    owner_id: int
    placer_id: int
    status: str
    by: str


@dataclass(frozen=True, slots=True)
class BoardGiftGiven:
    """A board gave Buzz (in quarters) for something that a person put on it."""

    gift_id: int
    collection_id: int
    person_id: int
    amount: int
    colour: str
