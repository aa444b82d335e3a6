"""What the public API and the pages read of the catalogue, over the pool of bare connections.

Every function is one statement; a search with words is two, the first looking the words up, and thousands of hashes are some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK, Actor
from civitas.domains.catalog import (
    access_shown,
    documents,
    from_index,
    hidden_tags,
    listing,
    lookup,
    pieces,
    search,
    walking,
    words,
)
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.catalog.pieces import Gathered
from civitas.domains.catalog.search import Query
from civitas.domains.catalog.walking import Reach
from civitas.domains.catalog.worth import Known
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search import asking
from civitas.infra.search.asking import Index
from civitas.kit.errors import Invalid, NotFound, Unauthorised
from civitas.kit.sql import statements

_NAMED = statements("civitas.domains.catalog", "reads.sql")
_SAFE = {name: sql.replace("${body}", "d.safe") for name, sql in _NAMED.items()}
_FULL = {name: sql.replace("${body}", 'coalesce(d."full", d.safe)') for name, sql in _NAMED.items()}

_STATS: Final = documents.STATS.encode()

MAX_HASHES: Final = 10_000
# So many are looked up by one statement.
HASHES_TOGETHER: Final = 2500
# Above every other character: ends the range of words with a prefix.
LAST = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents as they lie in the database, commas between them, to be completed with the host that answers."""

    text: bytes
    stats: bytes
    mask: int
    next_cursor: str | None = None
    count: int = 0

    def json(self, base: str) -> bytes:
        """The JSON of the documents, commas between them. `base` is `https://host` without a slash."""
        if self.mask in (SAFE_MASK, ALL_MASK):
            return documents.complete(self.text, self.stats, base)
        return b",".join(orjson.dumps(found) for found in self.objects(base))

    def objects(self, base: str) -> list[dict[str, Any]]:
        """Each document parsed."""
        found: list[dict[str, Any]] = orjson.loads(
            b"[" + documents.complete(self.text, self.stats, base) + b"]"
        )
        if self.mask in (SAFE_MASK, ALL_MASK):
            return found
        return [documents.only_levels(document, self.mask) for document in found]


def _made(rows: Sequence[Sequence[bytes | None]], mask: int) -> Documents:
    text = b",".join([row[0] or b"" for row in rows])
    return Documents(text, _STATS.join([row[1] or b"" for row in rows]), mask, count=len(rows))


def _by_mask(mask: int) -> Mapping[str, str]:
    return _SAFE if mask & ~SAFE_MASK == 0 else _FULL


async def models(
    reads: ReadPool,
    actor: Actor,
    filters: Filters,
    *,
    sort: Sort | None = None,
    limit: int = 100,
    cursor: str | None = None,
    offset: int = 0,
    reach: Reach = walking.USUAL,
    index: Index | None = None,
    known: Known | None = None,
) -> Documents:
    """One page of models. Without `sort`, words of a query order by relevance, anything else by rating.

    What the viewer hides is left out. The index in memory (this one, or that of the process) is asked where it knows the
    conditions and SQL is not as quick by what is `known`; the page is the same without it. Raises Invalid
    (`bad_cursor`, `bad_limit`), Unauthorised for favourites and hidden models of a stranger.
    """
    if not 0 <= limit <= listing.MAX_LIMIT:
        raise Invalid(f"A page has 0 to {listing.MAX_LIMIT} models.", code="bad_limit")
    if (filters.favourites or filters.hidden) and not actor.signed_in:
        raise Unauthorised(
            "Sign in, or send an API key, to list your favourites or what you hide.", code="sign_in_needed"
        )
    mask = filters.mask & actor.mask
    query = filters.query
    if limit == 0 or mask == 0 or (query is not None and _finds_nothing(query)):
        return Documents(b"", b"", mask)
    has_text = query is not None and query.has_text
    sort = sort or (Sort.RELEVANCE if has_text else Sort.HIGHEST_RATED)
    index = index or asking.current()
    vocabulary = None
    if query is not None and has_text:
        most = lookup.COUNTED if index is None else lookup.NAMED + 1
        vocabulary = await lookup.vocabulary_of(reads, query, most)
    if index is not None:
        named = await from_index.page(
            reads, index, filters, actor, sort=sort, limit=limit, cursor=cursor, offset=offset, vocabulary=vocabulary,
            known=known,
        )  # fmt: skip
        if named is not None:
            return Documents(named.text, named.stats, mask, named.next_cursor, named.count)
    page = listing.page_statement(
        filters, actor, sort=sort, limit=limit, cursor=cursor, offset=offset, vocabulary=vocabulary, reach=reach
    )  # fmt: skip
    fetch = reads.fetch_planned_bytes if page.planned else reads.fetch_bytes
    found = pieces.gathered(await fetch(page.statement, page.params))
    if found is None:
        return Documents(b"", b"", mask)
    following = _following(found, sort, has_text=has_text) if found.found > limit else None
    return Documents(found.text, found.stats, mask, following, found.count)


def _following(found: Gathered, sort: Sort, *, has_text: bool) -> str:
    keyed = Sort.MOST_DOWNLOADED if sort is Sort.RELEVANCE else sort
    return listing.cursor_of(keyed, *found.last, relevance=sort is Sort.RELEVANCE and has_text)


def _finds_nothing(query: Query) -> bool:
    return any(not search.is_hash(value) for value in query.wanted.hashes)


async def model(reads: ReadPool, model_id: int, *, mask: int = SAFE_MASK) -> Documents:
    """One public model or its tombstone. Raises NotFound (`model_not_found`)."""
    rows = await reads.fetch_bytes(_by_mask(mask)["model_by_id"], {"id": model_id})
    if not rows:
        raise NotFound(f"Model {model_id} was not found.", code="model_not_found")
    return _made(rows, mask)


async def version(reads: ReadPool, version_id: int, *, mask: int = SAFE_MASK) -> Documents:
    """One public version or its tombstone. Raises NotFound (`version_not_found`)."""
    rows = await reads.fetch_bytes(_by_mask(mask)["version_by_id"], {"id": version_id})
    if not rows:
        raise NotFound(f"Model version {version_id} was not found.", code="version_not_found")
    return _made(rows, mask)


async def mini(reads: ReadPool, version_id: int, *, base: str) -> dict[str, Any]:
    """The short form of a version for tools (FEATURES R4). Raises NotFound (`version_not_found`)."""
    found = (await version(reads, version_id)).objects(base)[0]
    file = next((f for f in found["files"] if f["primary"]), None)
    return {
        "id": found["id"],
        "modelId": found["modelId"],
        "air": found["air"],
        "name": found["name"],
        "versionName": found["name"],
        "modelName": found["model"]["name"],
        "type": found["model"]["type"],
        "baseModel": found["baseModel"],
        "availability": found["availability"],
        "publishedAt": found["publishedAt"],
        "size": file["sizeKB"] if file else None,
        "fileType": file["type"] if file else None,
        "fileName": file["name"] if file else None,
        "hashes": file["hashes"] if file else {},
        "downloadUrls": [f["downloadUrl"] for f in found["files"]],
        "downloadUrl": found["downloadUrl"],
        "format": file["format"] if file else None,
        "canGenerate": found["supportsGeneration"],
        "isFeatured": False,
        "requireAuth": found["requireAuth"],
        "checkPermission": access_shown.is_checked(found) or found["usageControl"] != "Download",
        "earlyAccessEndsAt": found["earlyAccessEndsAt"],
        "freeTrialLimit": access_shown.trials_of(found),
        "additionalResourceCharge": found["licensingFee"] is not None,
        "minor": found["model"]["minor"],
        "sfwOnly": found["model"]["sfwOnly"],
    }


def checked_hash(value: str) -> str:
    """A hash in upper case. Raises Invalid (`bad_hash`) for what cannot be one."""
    upper = value.strip().upper()
    if not search.is_hash(upper):
        raise Invalid(
            "This is not a hash that we know: send 8 (AutoV1, CRC32), 10 (AutoV2), 12 (AutoV3) or 64 (SHA256, "
            "BLAKE3) hexadecimal digits.",
            code="bad_hash",
            details={"hash": value[:80], "length": len(value)},
        )
    return upper


async def version_by_hash(reads: ReadPool, value: str, *, mask: int = SAFE_MASK) -> Documents:
    """The version that a file with this hash, of any kind and case, belongs to; the earliest of several.

    Deleted ones still answer. Raises Invalid (`bad_hash`), NotFound (`hash_not_found`).
    """
    rows = await reads.fetch_bytes(_by_mask(mask)["version_by_hash"], {"hash": checked_hash(value)})
    if not rows:
        raise NotFound("Model not found: no public file has this hash.", code="hash_not_found")
    return _made(rows, mask)


async def versions_by_hashes(reads: ReadPool, values: Sequence[str], *, mask: int = SAFE_MASK) -> Documents:
    """The versions of up to 100 hashes, in their order; hashes that nobody has are passed over."""
    hashes = list(dict.fromkeys(checked_hash(value) for value in values))
    return _made(await reads.fetch_bytes(_by_mask(mask)["versions_by_hashes"], {"hashes": hashes}), mask)


async def ids_by_hashes(reads: ReadPool, values: Sequence[str]) -> bytes:
    """A JSON list of {"modelVersionId", "modelId", "hash"} for up to `MAX_HASHES` hashes, in their order.

    One entry a hash (in upper case). One statement, or of many hashes some at the same time: each takes six microseconds of
    the database, nearly all of them in two indexes.

    What cannot be a hash is passed over like one that nobody has: callers send whole folders.
    """
    # In order, so that neighbours of the index are read together: five times quicker (measured).
    folded = map(str.upper, values)
    hashes = sorted({one for one in folded if len(one) in search.HASH_LENGTHS and "," not in one})
    parts = [hashes[at : at + HASHES_TOGETHER] for at in range(0, len(hashes), HASHES_TOGETHER)]
    found = await asyncio.gather(
        *(
            reads.fetch_bytes(_SAFE["ids_by_hashes"], {"hashes": ",".join(part).replace("\x00", "")})
            for part in parts
        )
    )
    return b"[" + b",".join([rows[0][0] for rows in found if rows[0][0]]) + b"]"


async def tensor_metadata(reads: ReadPool, file_id: int) -> dict[str, Any]:
    """What a public file's header says. Raises NotFound (`file_not_found`, `no_header`)."""
    rows = await reads.fetch(_SAFE["tensor_metadata"], {"id": file_id})
    if not rows:
        raise NotFound(f"File {file_id} was not found.", code="file_not_found")
    number, version_id, name, format_, architecture, training, metadata, tensors, count, parameters = rows[0]
    if tensors is None:
        raise NotFound(
            "No header was found in this file: only safetensors and GGUF files have one that we read.",
            code="no_header",
        )
    return {
        "fileId": number,
        "modelVersionId": version_id,
        "name": name,
        "format": format_,
        "architecture": architecture,
        "training": training,
        "metadata": metadata,
        "tensorCount": count,
        "parameterCount": parameters,
        "tensors": tensors,
    }


async def suggest(
    reads: ReadPool, actor: Actor, text: str, *, mask: int = SAFE_MASK, limit: int = 5
) -> list[dict[str, Any]]:
    """Models, creators and tags whose names begin like `text`, the most used first: for a palette.

    Each is {"kind": "model" | "creator" | "tag", "id", "name", "detail", "count"}. Raises Invalid
    (`query_too_long`).
    """
    if len(text) > search.MAX_QUERY:
        raise Invalid("This is too long to search for.", code="query_too_long")
    found = words.split(text.lstrip("#@"))
    if not found:
        return []
    parts = [f"'={word}'" for word in found[:-1]] + [f"'={found[-1]}':*"]
    prefix, tag = text.strip().lstrip("@").lower(), " ".join(found)
    params = {
        "mask": mask & actor.mask,
        "query": " & ".join(parts),
        "limit": limit,
        "prefix": prefix,
        "beyond": prefix + LAST,
        "words": tag,
        "words_beyond": tag + LAST,
        "viewer": actor.id,
        "themes": hidden_tags.theme_facets(actor),
    }
    hidden, people = ("", "") if actor.id is None else (_HIDDEN, _HIDDEN_PEOPLE)
    counted = "safe_model_count" if mask & actor.mask & ~SAFE_MASK == 0 else "model_count"
    statement = (
        _SAFE["suggest"]
        .replace("${hidden}", hidden)
        .replace("${hidden_people}", people)
        .replace("${model_count}", counted)
    )
    if actor.id is None:
        del params["viewer"], params["themes"]
    rows = await reads.fetch_planned(statement, params)
    return [
        {"kind": kind, "id": number, "name": name, "detail": detail, "count": count}
        for kind, number, name, detail, count in rows
    ]


_HIDDEN = (
    "AND NOT EXISTS (SELECT FROM model_engagements e WHERE e.person_id = %(viewer)s::bigint "
    "AND e.model_id = l.model_id AND e.kind = 'hide') "
    "AND NOT EXISTS (SELECT FROM follows f WHERE f.person_id = %(viewer)s::bigint "
    "AND f.target_id = l.person_id AND f.kind IN ('hide', 'block')) "
    "AND NOT l.facets && (%(themes)s::text[] || ${tags})"
).replace("${tags}", hidden_tags.FACETS.format("%(viewer)s::bigint"))
_HIDDEN_PEOPLE = (
    "AND NOT EXISTS (SELECT FROM follows f WHERE f.person_id = %(viewer)s::bigint "
    "AND f.target_id = p.id AND f.kind IN ('hide', 'block'))"
)
