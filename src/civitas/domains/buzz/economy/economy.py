"""The rules in force: read once at start, laid over by the operator's, kept in versions that anybody can look up."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import EconomyChanged
from civitas.domains.buzz.economy.rules import Economy
from civitas.domains.buzz.economy.tables import EconomyVersion
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid

LARGEST_FILE = 1 << 20
PAGE = 20
_VERSION_LOCK = 7_240_001


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that became another: where it stands, what it was, what it is (None: not there)."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Version:
    """The rules from a moment on."""

    id: int
    changes: tuple[Change, ...]
    created_at: datetime


def load(extra: Path | None = None) -> Economy:
    """The shipped rules with an operator's file laid over them: tables are merged, lists and values replaced.

    Raises Invalid (`bad_economy`) that says which rule is wrong and why.
    """
    tree = tomllib.loads(
        resources.files("civitas.domains.buzz.economy").joinpath("economy.toml").read_text("utf-8")
    )
    if extra is not None:
        tree = _laid_over(tree, _read(extra))
    try:
        return Economy.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise Invalid(
            f"The economy's rules are wrong at {where}: {first['msg']}.", code="bad_economy"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Invalid(f"{path} is too large for a file of rules.", code="bad_economy")
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"{path} cannot be read as rules: {error}.", code="bad_economy") from error


def _laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(under)
    for key, value in over.items():
        below = made.get(key)
        made[key] = (
            _laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return made


@cache
def packaged() -> Economy:
    """The rules that come with the product."""
    return load()


_chosen: list[Economy] = []


def use(economy: Economy | None) -> None:
    """Make these the rules of the process; None goes back to the packaged ones."""
    _chosen[:] = [economy] if economy is not None else []


def current() -> Economy:
    """The rules of the process."""
    return _chosen[0] if _chosen else packaged()


async def record(session: AsyncSession, economy: Economy) -> Version | None:
    """Keep these rules as a version when they differ from the last one, and tell; None when nothing changed.

    The first version ever is kept without being told as a change.
    """
    rules = economy.model_dump(mode="json", by_alias=True)
    digest = hashlib.sha256(orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)).digest()
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _VERSION_LOCK})
    last = await session.scalar(select(EconomyVersion).order_by(EconomyVersion.id.desc()).limit(1))
    if last is not None and last.digest == digest:
        return None
    changes = () if last is None else tuple(differences(last.rules, rules))
    if last is not None and not changes:
        return None
    kept = EconomyVersion(
        digest=digest,
        rules=rules,
        changes=[[change.path, change.before, change.after] for change in changes],
        created_at=clock.now(),
    )
    session.add(kept)
    await session.flush()
    if last is not None:
        await publish(session, EconomyChanged(kept.id, len(changes)))
    return Version(kept.id, changes, kept.created_at)


async def versions(session: AsyncSession, *, cursor: str | None = None) -> paging.Page[Version]:
    """How the rules changed, the newest first."""
    statement = select(EconomyVersion.id, EconomyVersion.changes, EconomyVersion.created_at)
    if cursor is not None:
        statement = statement.where(EconomyVersion.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(statement.order_by(EconomyVersion.id.desc()).limit(PAGE + 1))).all()
    found = [
        Version(row.id, tuple(Change(*one) for one in row.changes), row.created_at) for row in rows[:PAGE]
    ]
    return paging.Page(found, paging.encode(found[-1].id) if len(rows) > PAGE else None)


def differences(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Every leaf that differs between two sets of rules, by its path: `tips.least`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _keyed(before) and _keyed(after):
        yield from differences(
            {item["key"]: item for item in before}, {item["key"]: item for item in after}, path
        )
    elif before != after:
        yield Change(path, before, after)


def _keyed(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and "key" in item for item in value)
