"""What pages show of the catalogue beyond its public documents, over the pool of bare connections.

Every function is one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import documents, lookup, words
from civitas.domains.catalog.search import Query
from civitas.domains.catalog.types import Availability, Status
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import NotFound
from civitas.kit.sql import statements

_SQL = statements("civitas.domains.catalog", "showing.sql")

MAP_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose model it is; `username` is None for people who left."""

    id: int
    username: str | None
    avatar_key: str | None
    active: bool
    followers: int
    models: int
    joined_at: datetime | None
    # The tier whose badge stands beside the name.
    badge: str | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """The public version that a model was forked from."""

    version_id: int
    version: str
    model_id: int
    model: str
    creator: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A model for one viewer: its state, its owner, and its public document where it has one.

    `document` is None for what is not public: the owner's document is read with `rebuilding.owner_document`.
    """

    id: int
    name: str
    type: str
    status: str
    mode: str | None
    availability: str
    origin: str
    source: Mapping[str, Any] | None
    level: int
    unpublished_reason: str | None
    unpublished_note: str | None
    scheduled_at: datetime | None
    published_at: datetime | None
    deleted_at: datetime | None
    owner: Owner
    fork: Fork | None
    favourite: bool
    hidden: bool
    relation: str | None
    may_edit: bool
    document: Mapping[str, Any] | None
    # Names of those who work on it with its owner.
    together: tuple[str, ...] = ()

    @property
    def dead(self) -> bool:
        """Whether only a tombstone is left."""
        return self.status == Status.DELETED

    @property
    def public(self) -> bool:
        """Whether anybody with the link may see it."""
        return self.status == Status.PUBLISHED and self.availability != Availability.PRIVATE

    def suits(self, actor: Actor) -> bool:
        """Whether the viewer asked to see content of its level, or looks after it."""
        return self.may_edit or not self.level or bool(self.level & actor.mask)


async def frame(reads: ReadPool, actor: Actor, *, model_id: int) -> Frame:
    """A model as this viewer may see it. Raises NotFound (`model_not_found`) for what is not theirs to see.

    The document holds pictures of the viewer's levels only, and paths without a host.
    """
    body = "d.safe" if actor.mask & ~SAFE_MASK == 0 else 'coalesce(d."full", d.safe)'
    rows = await reads.fetch(
        _SQL["frame"].replace("${body}", body), {"id": model_id, "viewer": actor.id, "mask": actor.mask}
    )
    missing = NotFound(f"Model {model_id} was not found.", code="model_not_found")
    if not rows:
        raise missing
    row = rows[0]
    may_edit = actor.signed_in and (actor.id in (row[1], *row[32]) or actor.is_moderator)
    if row[21] is None and not may_edit:
        raise missing
    return Frame(
        id=row[0],
        name=row[2],
        type=row[3],
        status=row[4],
        mode=row[5],
        availability=row[6],
        origin=row[7],
        source=row[8],
        level=row[9],
        unpublished_reason=row[10],
        unpublished_note=row[11],
        scheduled_at=row[12],
        published_at=row[13],
        deleted_at=row[14],
        owner=Owner(row[1], row[15], row[16], bool(row[17]), row[18] or 0, row[19] or 0, row[20], row[34]),
        fork=Fork(*row[24:29]) if row[24] is not None else None,
        favourite=row[29],
        hidden=row[30],
        relation=row[31],
        may_edit=may_edit,
        document=parsed(row[22], row[23], actor.mask) if row[21] is not None else None,
        together=tuple(row[33]),
    )


def parsed(text: str, stats: str, mask: int, base: str = "") -> dict[str, Any]:
    """A document as it lies in the database, completed and with the pictures of these levels only."""
    found: dict[str, Any] = orjson.loads(documents.complete(text.encode(), stats.encode(), base))
    return documents.only_levels(found, mask)


@dataclass(frozen=True, slots=True)
class Extras:
    """What a version's page says beside its document: JSON-ready, by file id where it is about files.

    `recommended`: {versionId, version, modelId, model, type, baseModel, strength, note, creator, preview}.
    `parents`: {relation, note, air, versionId, version, modelId, model, type, creator}, those that are public or
    elsewhere. `children`: how many public versions were made from this one.
    """

    scans: Mapping[int, Mapping[str, Any]]
    headers: Mapping[int, Mapping[str, Any]]
    recommended: Sequence[Mapping[str, Any]]
    parents: Sequence[Mapping[str, Any]]
    children: int


async def extras(reads: ReadPool, actor: Actor, *, version_id: int) -> Extras:
    """Scans, headers, recommendations and parents of a version that the viewer may see (see `frame`)."""
    rows = await reads.fetch(_SQL["version_extras"], {"id": version_id, "mask": actor.mask})
    scans, headers, recommended, parents, children = rows[0]
    return Extras(
        scans={int(key): value for key, value in (scans or {}).items()},
        headers={int(key): value for key, value in (headers or {}).items()},
        recommended=recommended or (),
        parents=parents or (),
        children=children,
    )


async def works_of(
    reads: ReadPool, actor: Actor, *, person_id: int, besides: int = 0, limit: int = 8
) -> list[dict[str, Any]]:
    """Documents of a person's listed models, the most downloaded first, without the model `besides`."""
    body = "d.safe" if actor.mask & ~SAFE_MASK == 0 else 'coalesce(d."full", d.safe)'
    rows = await reads.fetch(
        _SQL["works_of"].replace("${body}", body),
        {"person": person_id, "except": besides, "mask": actor.mask, "limit": limit},
    )
    return [parsed(text, stats, actor.mask) for text, stats in rows]


@dataclass(frozen=True, slots=True)
class Front:
    """What the front page is made from: (name, models) pairs, and (username, avatar key, models, followers)."""

    categories: Sequence[tuple[str, int]]
    base_models: Sequence[tuple[str, int]]
    creators: Sequence[tuple[str, str | None, int, int]]


async def front(reads: ReadPool, actor: Actor) -> Front:
    """Categories in use, base models of what is new (folded names), and who published lately."""
    rows = await reads.fetch(_SQL["front"], {"mask": actor.mask, "viewer": actor.id})
    categories, bases, creators = rows[0]
    return Front(
        [(name, count) for name, count in categories or ()],
        [(name, count) for name, count in bases or ()],
        [(name, key, models, followers) for name, key, models, followers in creators or ()],
    )


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a model as the catalogue keeps it."""

    key: str
    name: str
    width: int
    height: int
    blurhash: str | None
    level: int


async def pictures_of(
    reads: ReadPool, actor: Actor, *, usernames: Sequence[str], each: int = 3
) -> dict[str, list[Shot]]:
    """Some pictures of these creators' newest models, by lower-case username."""
    rows = await reads.fetch(
        _SQL["pictures_of_creators"],
        {"names": [name.lower() for name in usernames], "each": each, "mask": actor.mask},
    )
    found: dict[str, list[Shot]] = {}
    for name, *picture in rows:
        found.setdefault(name, []).append(Shot(*picture))
    return found


async def corrected(reads: ReadPool, query: Query) -> str | None:
    """The words of a query as they were probably meant, None when every one of them is known here."""
    if not query.wanted.words:
        return None
    vocabulary = await lookup.vocabulary_of(reads, query, 1)
    last = query.wanted.words[-1] if query.open_end and vocabulary.beginnings else None
    meant = {
        word: near[0][0]
        for word in query.wanted.words
        if word not in vocabulary.known and word != last and (near := vocabulary.near.get(word))
    }
    text = " ".join(meant.get("".join(words.split(part)), part) for part in query.text.split())
    return text if text != query.text else None


async def map_pages(reads: ReadPool, *, size: int = MAP_PAGE) -> list[int]:
    """The first model id of each page of the site map; pages hold `size` listed models of safe levels."""
    return [row[0] for row in await reads.fetch(_SQL["map_pages"], {"size": size})]


async def map_models(reads: ReadPool, *, first: int, size: int = MAP_PAGE) -> list[tuple[int, str, datetime]]:
    """(id, name, last change) of the listed models of safe levels from the id `first` on."""
    rows = await reads.fetch(_SQL["map_models"], {"after": first, "size": size})
    return [(number, name, moment) for number, name, moment in rows]
