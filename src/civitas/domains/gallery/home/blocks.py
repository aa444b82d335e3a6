"""The blocks of the home page: what kinds there are, what each needs, the site's and each person's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery.home.tables import HomeBlock
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_block, clean_line

MOST: Final = 20
MOST_MODELS: Final = 24
LONGEST_TEXT: Final = 2000
LONGEST_TITLE: Final = 60


class BlockKind(StrEnum):
    """What a block shows."""

    NEW_MODELS = "new_models"
    POPULAR_MODELS = "popular_models"
    FEATURED_MODELS = "featured_models"
    TAG = "tag"
    IMAGES = "images"
    POSTS = "posts"
    ARTICLES = "articles"
    COLLECTION = "collection"
    COLLECTIONS = "collections"
    CREATORS = "creators"
    LEADERBOARD = "leaderboard"
    ANNOUNCEMENTS = "announcements"
    TEXT = "text"


TITLES: Final[Mapping[BlockKind, str]] = {
    BlockKind.NEW_MODELS: "New",
    BlockKind.POPULAR_MODELS: "Most downloaded this month",
    BlockKind.FEATURED_MODELS: "Worth a look",
    BlockKind.TAG: "",
    BlockKind.IMAGES: "Fresh pictures",
    BlockKind.POSTS: "Posts",
    BlockKind.ARTICLES: "Articles",
    BlockKind.COLLECTION: "",
    BlockKind.COLLECTIONS: "Collections",
    BlockKind.CREATORS: "Published lately",
    BlockKind.LEADERBOARD: "",
    BlockKind.ANNOUNCEMENTS: "News",
    BlockKind.TEXT: "",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its kind, the title that stands above it when it is not the usual one, and what it needs."""

    kind: BlockKind
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


DEFAULT: Final = tuple(
    Block(kind)
    for kind in (
        BlockKind.NEW_MODELS, BlockKind.IMAGES, BlockKind.COLLECTIONS, BlockKind.CREATORS,
        BlockKind.POPULAR_MODELS, BlockKind.TAG, BlockKind.POSTS, BlockKind.ARTICLES,
    )
)  # fmt: skip


async def of(session: AsyncSession, person_id: int | None) -> tuple[Block, ...]:
    """A person's own blocks, else the site's, else the usual ones. One statement."""
    rows = (
        await session.scalars(
            select(HomeBlock)
            .where(
                HomeBlock.person_id.is_(None)
                if person_id is None
                else (HomeBlock.person_id == person_id) | HomeBlock.person_id.is_(None)
            )
            .order_by(HomeBlock.person_id.nulls_last(), HomeBlock.position)
        )
    ).all()
    own = [row for row in rows if row.person_id is not None]
    known = {kind.value for kind in BlockKind}
    found = tuple(
        Block(BlockKind(row.kind), row.title, row.settings) for row in own or rows if row.kind in known
    )
    return found or DEFAULT


async def arrange(session: AsyncSession, actor: Actor, *, blocks: Sequence[Block], site: bool) -> None:
    """Set the blocks of the site, as staff, or one's own; none brings back what would be there otherwise.

    Raises Forbidden, Invalid (`bad_block`).
    """
    person_id = actor.require_moderator() if site else actor.require(Scope.USER_WRITE)
    if len(blocks) > MOST:
        raise Invalid(f"A home page has at most {MOST} blocks.", code="bad_block")
    made = [_checked(block) for block in blocks]
    owner = HomeBlock.person_id.is_(None) if site else HomeBlock.person_id == person_id
    await session.execute(delete(HomeBlock).where(owner).execution_options(synchronize_session=False))
    session.add_all(
        HomeBlock(
            person_id=None if site else person_id,
            position=place,
            kind=block.kind.value,
            title=block.title,
            settings=dict(block.settings),
        )
        for place, block in enumerate(made)
    )
    await session.flush()
    if site:
        await audit.record(session, actor, action="home.arranged", reason=f"{len(made)} blocks")


def _checked(block: Block) -> Block:
    title = clean_line(block.title[:1000])
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"Use at most {LONGEST_TITLE} characters for a title.", code="bad_block")
    return Block(block.kind, title, _settings(block.kind, block.settings))


def _settings(kind: BlockKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind needs of what was given, checked."""
    if kind is BlockKind.COLLECTION:
        number = given.get("collection")
        if not isinstance(number, int) or not 0 < number < 2**63:
            raise Invalid("Say which collection: its number.", code="bad_block")
        return {"collection": number}
    if kind is BlockKind.FEATURED_MODELS:
        numbers = given.get("models")
        good = isinstance(numbers, list) and 0 < len(numbers) <= MOST_MODELS
        if not good or any(not isinstance(one, int) or not 0 < one < 2**63 for one in numbers or ()):
            raise Invalid(f"Say which models: 1 to {MOST_MODELS} numbers.", code="bad_block")
        return {"models": list(dict.fromkeys(numbers or ()))}
    if kind is BlockKind.TAG:
        tag = clean_line(str(given.get("tag") or "")[:200]).lower()
        return {"tag": tag[:50]} if tag else {}
    if kind is BlockKind.LEADERBOARD:
        board = clean_line(str(given.get("board") or "")[:200]).lower()
        return {"board": board[:50]} if board else {}
    if kind is BlockKind.TEXT:
        words = clean_block(str(given.get("text") or "")[:20_000])
        if not words or len(words) > LONGEST_TEXT:
            raise Invalid(f"Write 1 to {LONGEST_TEXT} characters.", code="bad_block")
        return {"text": words}
    return {}
