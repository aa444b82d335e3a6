"""What the search palette finds besides models: pictures, posts, articles, collections and people."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, resolve_all
from civitas.domains.accounts import following, queries
from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles import reads as articles
from civitas.domains.community.comments import policy
from civitas.domains.gallery.collections import reads as collections
from civitas.domains.gallery.feeds import pages
from civitas.faces.http.portraits import portrait
from civitas.faces.web import formats
from civitas.infra.db.readpool import ReadPool
from civitas.kit.text import slug

MOST: Final = 4
# The first part of an address, and what lies there.
_PLACES: Final = {"images": "image", "posts": "post", "articles": "article", "collections": "collection"}
_ICONS: Final = {"image": "image", "post": "grid", "article": "file", "collection": "bookmark"}
_ADDRESS: Final = re.compile(r"(?:^|/)(images|posts|articles|collections)/(\d{1,18})(?:\D|$)")
_NUMBER: Final = re.compile(r"#?(\d{1,18})")
Item = dict[str, Any]
Group = tuple[str, list[Item]]


async def by_address(session: AsyncSession, actor: Actor, text: str) -> list[Item]:
    """The picture, post, article or collection of an address; for a bare number all that have it."""
    subjects: list[Subject] = []
    if (found := _ADDRESS.search(text)) is not None:
        subjects = [Subject(_PLACES[found[1]], int(found[2]))]
    elif (number := _NUMBER.fullmatch(text)) is not None and 0 < int(number[1]) < 2**63:
        subjects = [Subject(kind, int(number[1])) for kind in _PLACES.values()]
    if not subjects:
        return []
    facts = await resolve_all(session, subjects)
    return [
        {
            "title": facts[one].title,
            "href": f"/images/{one.id}" if one.kind == "image" else facts[one].path,
            "subtitle": f"{one.kind.capitalize()} {one.id}",
            "icon": _ICONS[one.kind],
        }
        for one in subjects
        if one in facts and policy.sees(actor, facts[one])
    ]


async def posts(reads: ReadPool, actor: Actor, text: str) -> Group:
    """Posts by the words of their titles."""
    found = await pages.named_like(reads, actor, text, limit=MOST) if len(text) > 1 else []
    return "Posts", [
        {"title": title, "href": f"/posts/{number}", "subtitle": by, "icon": "grid"}
        for number, title, by in found
    ]


async def by_words(session: AsyncSession, actor: Actor, text: str, creators: set[str]) -> list[Group]:
    """Articles, collections and people by their names; `creators` are shown already."""
    if len(text) < 2:
        return []
    unseen = await following.unseen_by(session, actor.id) if actor.id is not None else set()
    people = await queries.starting_with(session, text.lstrip("@"), limit=MOST + len(creators))
    return [
        ("Articles", [_article(*one) for one in await articles.named_like(session, actor, text, limit=MOST)]),
        (
            "Collections",
            [
                _collection(*one)
                for one in await collections.named_like(session, actor, text, limit=MOST, unseen=unseen)
            ],
        ),
        (
            "People",
            [
                _person(one.username, one.avatar_key)
                for one in people
                if one.username not in creators and one.id not in unseen
            ][:MOST],
        ),
    ]


def pictures_of(tags: list[str]) -> list[Item]:
    """The pictures of the tags that were found."""
    return [
        {"title": f"Pictures of #{name}", "href": f"/images?tag={quote(name)}", "icon": "images"}
        for name in tags[:2]
    ]


def _article(number: int, title: str, writer: str) -> Item:
    return {"title": title, "href": f"/articles/{number}/{slug(title)}", "subtitle": writer, "icon": "file"}


def _collection(number: int, name: str, curator: str, count: int) -> Item:
    told = f"{curator} · {formats.plural(count, 'thing')}"
    return {"title": name, "href": f"/collections/{number}", "subtitle": told, "icon": "bookmark"}


def _person(username: str, avatar_key: str | None) -> Item:
    item = {"title": username, "href": f"/user/{quote(username)}", "icon": "user"}
    image = portrait(avatar_key)
    return item | {"image": image} if image else item
