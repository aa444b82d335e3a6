"""Keeping documents, listings and search words true to the facts: set-based, for any number of models at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import base_models, policy, vocabulary
from civitas.domains.catalog.base_models import Registry
from civitas.domains.catalog.documents import STATS, Row, Sources, Texts, complete, is_tombstone, texts_of
from civitas.domains.catalog.indexing import Listing, listing_of
from civitas.domains.catalog.types import Availability, Status
from civitas.infra.db.database import Units, driver_connection
from civitas.kit.sql import statements

_NAMED = statements("civitas.domains.catalog", "documents.sql")


def _whole(statement: str) -> str:
    for part in ("version_stats", "model_stats"):
        statement = statement.replace(f"${{{part}}}", _NAMED[part])
    return statement


SQL = {name: _whole(statement) for name, statement in _NAMED.items()}

BATCH = 500

Connection = psycopg.AsyncConnection[Any]


async def rebuild(
    session: AsyncSession, model_ids: Iterable[int], *, registry: Registry | None = None, count: bool = True
) -> None:
    """Write anew what lists, search and the public API show of these models, in this transaction.

    Models that nobody may see lose their rows; deleted ones that were public keep a tombstone. Rebuilding
    twice changes nothing. `count` also notes how words, tags and creators gained and lost models.
    """
    ids = sorted(set(model_ids))
    if not ids:
        return
    await session.flush()
    connection = await driver_connection(session)
    # Two rebuilds of one model take turns, so that the one that saw newer facts also writes last.
    await connection.execute(SQL["lock_models"].encode(), {"ids": ids})
    sources = await load(connection, ids)
    registry = registry or base_models.current()
    before = await _fetch(connection, "listed_before", {"ids": ids}) if count else []
    listings = [made for source in sources if (made := listing_of(source, registry)) is not None]
    await _write_documents(connection, ids, sources, registry)
    await _write_listings(connection, ids, listings)
    await refresh(session, ids)
    if count:
        await _note_changes(connection, before, listings)


async def rebuild_person(session: AsyncSession, person_id: int, *, registry: Registry | None = None) -> None:
    """Rebuild all models of a person, whose name or picture changed."""
    connection = await driver_connection(session)
    ids = [row[0] for row in await _fetch(connection, "models_of_person", {"person": person_id})]
    for at in range(0, len(ids), BATCH):
        await rebuild(session, ids[at : at + BATCH], registry=registry)


async def rebuild_all(
    units: Units,
    *,
    registry: Registry | None = None,
    batch: int = BATCH,
    told: Callable[[int], None] = lambda _: None,
) -> int:
    """Rebuild every model, each batch in a unit of its own, then count words, tags and creators anew.

    `told` hears the number of models done after each batch. Returns that number. It can be stopped and run
    again at any time.
    """
    after, done = 0, 0
    while True:
        async with units.unit() as session:
            connection = await driver_connection(session)
            rows = await _fetch(connection, "ids_after", {"after": after, "limit": batch})
            ids = [row[0] for row in rows]
            await rebuild(session, ids, registry=registry, count=False)
        if not ids:
            break
        after, done = ids[-1], done + len(ids)
        told(done)
    async with units.unit() as session:
        await vocabulary.recount(session)
    return done


async def refresh(session: AsyncSession, model_ids: Sequence[int]) -> None:
    """Take over the counters of these models into documents and listings; no document's text is touched."""
    connection = await driver_connection(session)
    for name in ("refresh_versions", "refresh_models", "refresh_listings"):
        await connection.execute(SQL[name].encode(), {"ids": list(model_ids)})


async def owner_document(
    session: AsyncSession, actor: Actor, model_id: int, *, base: str, registry: Registry | None = None
) -> str | None:
    """The model's JSON with all that is not deleted, published or not, for its owner and staff.

    None for everybody else, and when there is no such model or it is deleted.
    """
    connection = await driver_connection(session)
    for source in await load(connection, [model_id]):
        among = (source.model["person_id"], *source.model["editor_ids"])
        mine = policy.sees_own(actor) and (actor.is_moderator or actor.id in among)
        if not mine or is_tombstone(source.model):
            return None
        living = [v for v in source.versions if v["status"] != Status.DELETED]
        whole = Sources(source.model, living, source.files, source.previews)
        texts, versions = texts_of(whole, registry or base_models.current())
        own = await _fetch(connection, "stats_of_model", {"id": model_id})
        by_version = dict(await _fetch(connection, "stats_of_versions", {"id": model_id}))
        stats = STATS.join([own[0][0], *(by_version[key] for key in versions)])
        return complete((texts.full or texts.safe).encode(), stats.encode(), base).decode()
    return None


async def load(connection: Connection, ids: list[int]) -> list[Sources]:
    """The rows that documents are made of: one statement for each kind, whatever the number of models."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        rows: dict[str, list[dict[str, Any]]] = {}
        for name in ("models", "versions", "files", "previews"):
            await cursor.execute(SQL[name].encode(), {"ids": ids})
            rows[name] = await cursor.fetchall()
    versions = _grouped(rows["versions"], "model_id")
    files = _grouped(rows["files"], "version_id")
    previews = _grouped(rows["previews"], "version_id")
    return [Sources(model, versions[model["id"]], files, previews) for model in rows["models"]]


def _grouped(rows: Iterable[Row], key: str) -> Mapping[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


async def _fetch(connection: Connection, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(SQL[name].encode(), params)
    return await cursor.fetchall()


def public_part(sources: Sources) -> Sources | None:
    """What the public may see of a model; None when it may not see it at all.

    Deleted versions that had been published stay as tombstones.
    """
    model = sources.model
    dead = is_tombstone(model)
    if model["published_at"] is None or (not dead and model["status"] != Status.PUBLISHED):
        return None
    if model["availability"] == Availability.PRIVATE:
        return None
    kept = (Status.PUBLISHED, Status.DELETED)
    versions = [
        v for v in sources.versions
        if v["published_at"] is not None and v["status"] in kept and v["availability"] != Availability.PRIVATE
    ]  # fmt: skip
    if not versions:
        return None
    return Sources(model, versions, sources.files, sources.previews)


async def _write_documents(
    connection: Connection, ids: list[int], sources: Sequence[Sources], registry: Registry
) -> None:
    models: list[tuple[int, str, Texts, str]] = []
    versions: list[tuple[int, int, str, Texts]] = []
    for public in filter(None, map(public_part, sources)):
        dead = is_tombstone(public.model)
        text, version_texts = texts_of(public, registry)
        states = {v["id"]: _state(is_tombstone(public.model, v)) for v in public.versions}
        shown = [key for key in version_texts if dead or states[key] == "public"]
        models.append((public.model["id"], _state(dead), text, ",".join(map(str, shown))))
        versions += [(k, public.model["id"], states[k], texts) for k, texts in version_texts.items()]
    await connection.execute(
        SQL["forget_versions"].encode(), {"ids": ids, "keep": [row[0] for row in versions]}
    )
    await connection.execute(SQL["forget_models"].encode(), {"ids": ids, "keep": [row[0] for row in models]})
    if not models:
        return
    await connection.execute(
        SQL["write_versions"].encode(),
        {
            "ids": [row[0] for row in versions],
            "models": [row[1] for row in versions],
            "states": [row[2] for row in versions],
            "safe": [row[3].safe for row in versions],
            "full": [row[3].full for row in versions],
        },
    )
    await connection.execute(
        SQL["write_models"].encode(),
        {
            "ids": [row[0] for row in models],
            "states": [row[1] for row in models],
            "safe": [row[2].safe for row in models],
            "full": [row[2].full for row in models],
            "versions": [row[3] for row in models],
        },
    )


def _state(dead: bool) -> str:
    return "tombstone" if dead else "public"


async def _write_listings(connection: Connection, ids: list[int], listings: Sequence[Listing]) -> None:
    await connection.execute(
        SQL["forget_listings"].encode(), {"ids": ids, "keep": [listing.model_id for listing in listings]}
    )
    if not listings:
        return
    await connection.execute(
        SQL["write_listings"].encode(),
        {
            "ids": [listing.model_id for listing in listings],
            "people": [listing.person_id for listing in listings],
            "names": [listing.name for listing in listings],
            "levels": [listing.level for listing in listings],
            "facets": ["\x1f".join(listing.facets) for listing in listings],
            "terms": [listing.terms for listing in listings],
            "early": [listing.early_access_until for listing in listings],
            "moments": [listing.last_version_at for listing in listings],
        },
    )


def _counters(kind: str, level: int) -> tuple[str, ...]:
    """Which counters of tags, or of people, a listed model of this level is in."""
    return (kind, f"safe {kind}") if level & SAFE_MASK else (kind,)


async def _note_changes(
    connection: Connection, before: Sequence[tuple[Any, ...]], listings: Sequence[Listing]
) -> None:
    changes: Counter[tuple[str, str]] = Counter()
    for person_id, level, facets, terms in before:
        changes.subtract((kind, str(person_id)) for kind in _counters("person", level))
        tags = [facet[1:] for facet in facets if facet.startswith("#")]
        changes.subtract((kind, tag) for kind in _counters("tag", level) for tag in tags)
        changes.subtract(("word", term) for term in terms if not term.startswith("="))
        changes.subtract(("word", facet) for facet in facets)
    for listing in listings:
        changes.update((kind, str(listing.person_id)) for kind in _counters("person", listing.level))
        changes.update((kind, tag) for kind in _counters("tag", listing.level) for tag in listing.tags)
        changes.update(("word", word) for word in listing.words)
        # Facets are counted as words are, so that a list knows which of them are rare.
        changes.update(("word", facet) for facet in listing.facets)
    made = sorted((kind, key, change) for (kind, key), change in changes.items() if change)
    if made:
        await connection.execute(
            SQL["write_count_changes"].encode(),
            {
                "kinds": [kind for kind, _, _ in made],
                "keys": [key for _, key, _ in made],
                "changes": [change for _, _, change in made],
            },
        )
