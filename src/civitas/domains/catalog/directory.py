"""Creators, tags and people as the public API lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog.access_types import Permission
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.reading import LAST
from civitas.domains.catalog.types import Mode, UsageControl
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements
from civitas.kit.text import fold

SQL = statements("civitas.domains.catalog", "reads.sql")

# Offsets grow slower with depth; deeper than this nobody reads a list.
MAX_OFFSET: Final = 100_000


def _prefix(text: str) -> dict[str, str]:
    prefix = fold(text.replace("\x00", "")).strip()[:100]
    return {"prefix": prefix, "beyond": prefix + LAST}


def _window(limit: int, page: int) -> dict[str, int]:
    offset = (page - 1) * limit
    if offset > MAX_OFFSET:
        raise Invalid(
            f"Pages end at entry {MAX_OFFSET}; narrow the list down with `query`.", code="page_too_deep"
        )
    return {"limit": limit, "offset": offset}


def picture(key: str | None, base: str) -> str | None:
    """The address of a person's picture, None when they have none."""
    return base + image_path(key, "avatar", width=96) if key else None


async def creators(
    reads: ReadPool, actor: Actor, *, query: str, limit: int, page: int, base: str
) -> tuple[list[dict[str, Any]], int]:
    """People with public models, those with most first, and how many there are (counted to 100,000).

    Only models count whose level the actor asked to see.
    """
    column = "safe_model_count" if actor.mask & ~SAFE_MASK == 0 else "model_count"
    params = _prefix(query)
    rows = await reads.fetch_planned(
        SQL["creators"].replace("${model_count}", column), params | _window(limit, page)
    )
    total = await reads.fetch_planned(SQL["count_creators"].replace("${model_count}", column), params)
    items = [
        {
            "username": username,
            "modelCount": count,
            "link": f"{base}/api/v1/models?username={username}",
            "image": picture(key, base),
        }
        for username, key, count in rows
    ]
    return items, int(total[0][0])


async def tags(
    reads: ReadPool, actor: Actor, *, query: str, limit: int, page: int
) -> tuple[list[tuple[str, int]], int]:
    """(name, models) of tags in use, the most used first, and how many there are (counted to 100,000).

    What only mature models carry is for those who asked to see such models.
    """
    column = "safe_count" if actor.mask & ~SAFE_MASK == 0 else "model_count"
    params = _prefix(query)
    rows = await reads.fetch_planned(
        SQL["tags"].replace("${tag_count}", column), params | _window(limit, page)
    )
    total = await reads.fetch_planned(SQL["count_tags"].replace("${tag_count}", column), params)
    return [(name, count) for name, count in rows], int(total[0][0])


async def users(
    reads: ReadPool, *, ids: Sequence[int] | None, query: str, username: str | None, limit: int, base: str
) -> list[dict[str, Any]]:
    """People by id, by exact name, or by the beginning of their name."""
    if username is not None:
        rows = await reads.fetch(SQL["user_by_name"], {"name": username.lower()})
    else:
        params = _prefix(query) | {"ids": list(ids) if ids is not None else None, "limit": limit}
        rows = await reads.fetch_planned(SQL["users"], params)
    return [
        {"id": number, "username": name, "image": picture(key, base), "avatarUrl": picture(key, base)}
        for number, name, key in rows
    ]


async def permissions(
    reads: ReadPool, actor: Actor, *, kind: str, ids: Sequence[int]
) -> dict[int, dict[str, bool]]:
    """What the actor may do with public models or versions; ids that they may not see are all False."""
    name = "permissions_of_models" if kind == "Model" else "permissions_of_versions"
    rows = await reads.fetch(
        SQL[name], {"ids": list(ids), "viewer": actor.id} if kind != "Model" else {"ids": list(ids)}
    )
    now = clock.now()
    none = {
        "canView": False,
        "canEdit": False,
        "canDelete": False,
        "canDownload": False,
        "canGenerate": False,
    }
    made = {number: dict(none) for number in ids}
    for number, state, owner, usage, mode, early_until, needs_auth, paid, bits in rows:
        mine = actor.id is not None and (owner == actor.id or actor.is_moderator)
        living = state == "public"
        gated = paid or (early_until is not None and early_until > now)
        open_ = usage in (None, UsageControl.DOWNLOAD) and (not gated or bool(bits & Permission.DOWNLOAD))
        kept = mode not in (Mode.ARCHIVED, Mode.TAKEN_DOWN)
        known = actor.signed_in or not needs_auth
        made[number] = {
            "canView": True,
            "canEdit": mine and living,
            "canDelete": mine and living,
            "canDownload": living and kept and (mine or (open_ and known)),
            "canGenerate": living and kept and (mine or not gated or bool(bits & Permission.GENERATE)),
        }
    return made
