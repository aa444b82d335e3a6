"""Facts about what people say to one another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commented:
    """A comment was written on a thing; `parent_id` is the comment that it answers."""

    comment_id: int
    person_id: int
    kind: str
    subject_id: int
    parent_id: int | None


@dataclass(frozen=True, slots=True)
class CommentRemoved:
    """A comment no longer counts: removed by its writer, hidden or removed by others."""

    comment_id: int
    person_id: int
    kind: str
    subject_id: int


@dataclass(frozen=True, slots=True)
class CommentRestored:
    """A comment that was hidden is shown, and counts, again."""

    comment_id: int
    person_id: int
    kind: str
    subject_id: int


@dataclass(frozen=True, slots=True)
class CommentEdited:
    """A comment says something else now; `mentioned` are the people whom it names and did not before."""

    comment_id: int
    person_id: int
    kind: str
    subject_id: int
    mentioned: list[int]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A person said whether they recommend a version, for the first time."""

    review_id: int
    person_id: int
    model_id: int
    version_id: int
    recommended: bool


@dataclass(frozen=True, slots=True)
class ReviewChanged:
    """A review was edited, left out of the counts, or removed."""

    review_id: int
    person_id: int
    model_id: int
    version_id: int


@dataclass(frozen=True, slots=True)
class ArticlePublished:
    """An article can be read by others from now on; `first` when it never could before."""

    article_id: int
    person_id: int
    first: bool


@dataclass(frozen=True, slots=True)
class ArticleChanged:
    """What the public reads of an article, or what lists show of it, changed."""

    article_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class ArticleUnpublished:
    """An article was taken back; by staff when there is a `reason`."""

    article_id: int
    person_id: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class ArticleRemoved:
    """An article is gone."""

    article_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class ChatInvited:
    """Somebody was asked into a room."""

    room_id: int
    by_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class ChatMessaged:
    """Something was said in a room."""

    message_id: int
    room_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class RankReached:
    """Somebody is among the first so many of a board, and was given what goes with it, for the first time."""

    person_id: int
    board: str
    among: int


@dataclass(frozen=True, slots=True)
class MilestoneReached:
    """A thing of somebody reached a number for the first time: downloads, likes, reactions, views."""

    person_id: int
    what: str
    kind: str
    subject_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class SearchMatched:
    """A saved search that its person is told of has new matches: `amount` of them, or that many at least."""

    search_id: int
    person_id: int
    name: str
    path: str
    amount: int
