"""The words a model carries: folded, few, and one category among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelTagged
from civitas.domains.catalog.licences import read_data
from civitas.domains.catalog.tables import Model, ModelTag, Tag
from civitas.infra.queue.outbox import publish
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_line, fold

MAX_TAGS = 30
MAX_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Category:
    """What a model is about; `key` is also the tag."""

    key: str
    name: str


@cache
def categories() -> tuple[Category, ...]:
    """All categories, in the order of the data."""
    return tuple(
        Category(entry["key"], entry["name"])
        for tree in read_data("categories.toml", None)
        for entry in tree["category"]
    )


def category_key(text: str) -> str:
    """The key of a category; Invalid (`unknown_category`) when there is none of that name."""
    folded = fold_tag(text)
    if folded not in {category.key for category in categories()}:
        names = ", ".join(category.key for category in categories())
        raise Invalid(
            f"{text[:60]!r} is not a category; choose one of {names}.",
            code="unknown_category",
            fields={"category": f"one of {names}"},
        )
    return folded


def fold_tag(text: str) -> str:
    """A tag as it is stored: without `#` before it, lower case, accents off, single spaces."""
    return clean_line(fold(text.lstrip("# "))).replace(",", " ").strip()


def fold_tags(tags: Iterable[str]) -> list[str]:
    """Folded tags without repetition, in order; empty ones are left out.

    Raises Invalid (`bad_tags`) for more than thirty, or one of more than sixty characters.
    """
    found = list(dict.fromkeys(folded for tag in tags if (folded := fold_tag(tag))))
    if len(found) > MAX_TAGS:
        raise Invalid(
            f"A model carries at most {MAX_TAGS} tags.",
            code="bad_tags",
            fields={"tags": f"at most {MAX_TAGS}"},
        )
    for tag in found:
        if len(tag) > MAX_LENGTH:
            raise Invalid(
                f"A tag has at most {MAX_LENGTH} characters.",
                code="bad_tags",
                fields={"tags": f"at most {MAX_LENGTH} characters each"},
            )
    return found


async def tags_of(session: AsyncSession, model_id: int) -> Sequence[str]:
    """The model's tags by name."""
    found = await session.scalars(
        select(Tag.name)
        .join(ModelTag, ModelTag.tag_id == Tag.id)
        .where(ModelTag.model_id == model_id)
        .order_by(Tag.name)
    )
    return found.all()


async def set_tags(session: AsyncSession, model: Model, tags: Iterable[str]) -> bool:
    """The model carries these and its category, and no others; whether that changed anything.

    The counts of tags follow later, from the listings.
    """
    wanted = fold_tags([*tags, *([model.category] if model.category else [])])
    before = set(await tags_of(session, model.id))
    added, removed = sorted(set(wanted) - before), sorted(before - set(wanted))
    if not added and not removed:
        return False
    known = {category.key for category in categories()}
    if added:
        await session.execute(
            insert(Tag)
            .values([{"name": name, "is_category": name in known} for name in added])
            .on_conflict_do_nothing()
        )
        await session.execute(
            insert(ModelTag)
            .from_select(["model_id", "tag_id"], select(literal(model.id), Tag.id).where(Tag.name.in_(added)))
            .on_conflict_do_nothing()
        )
    if removed:
        doomed = select(Tag.id).where(Tag.name.in_(removed))
        await session.execute(
            delete(ModelTag).where(ModelTag.model_id == model.id, ModelTag.tag_id.in_(doomed))
        )
    await publish(session, ModelTagged(model.id, added, removed))
    return True
