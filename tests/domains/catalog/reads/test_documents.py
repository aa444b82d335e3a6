"""Documents: whole, the same everywhere, rebuilt from facts."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.catalog.reads.conftest import Queries
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import (
    make_file,
    make_preview,
    make_published_model,
    make_version,
    set_status,
)

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, PG, R, X
from civitas.domains.catalog import metrics, reading, rebuilding, vocabulary
from civitas.domains.catalog.read_tables import ModelDocument, ModelListing, SearchWord, VersionDocument
from civitas.domains.catalog.tables import Download, FileHash, Model, ModelVersion, Tag
from civitas.domains.catalog.wish_tables import ModelEngagement
from civitas.infra.db.database import BoundDatabase
from civitas.infra.db.readpool import BoundReads
from civitas.kit import clock

BASE = "https://hub.example.org"

# What existing clients index without asking first (WIRE section 3, client 2).
MODEL_KEYS = {
    "id",
    "name",
    "description",
    "type",
    "nsfw",
    "tags",
    "mode",
    "creator",
    "stats",
    "modelVersions",
}
VERSION_KEYS = {
    "id", "modelId", "name", "createdAt", "updatedAt", "publishedAt", "trainedWords", "trainingStatus",
    "trainingDetails", "baseModel", "baseModelType", "earlyAccessTimeFrame", "description", "vaeId", "stats",
    "files", "images", "downloadUrl", "air", "requireAuth",
}  # fmt: skip
FILE_KEYS = {
    "id", "name", "sizeKB", "type", "metadata", "pickleScanResult", "virusScanResult", "scannedAt", "hashes",
    "downloadUrl", "primary",
}  # fmt: skip
STATS = {"downloadCount", "favoriteCount", "commentCount", "ratingCount", "rating"}


async def read_model(reads: BoundReads, model_id: int, mask: int = 3) -> dict[str, Any]:
    found = await reading.model(reads, model_id, mask=mask)
    text = found.json(BASE).decode()
    assert "\x01" not in text and "\x02" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


async def test_every_key_that_clients_index_is_there(session: AsyncSession, reads: BoundReads) -> None:
    model_id, versions = await make_published_model(session, versions=2, tags=("anime", "style"))
    await rebuilding.rebuild(session, [model_id])
    model = await read_model(reads, model_id)
    assert model.keys() >= MODEL_KEYS
    assert model["stats"].keys() >= STATS
    assert model["tags"] == ["anime", "style"]
    assert [v["id"] for v in model["modelVersions"]] == versions
    for version in model["modelVersions"]:
        assert version.keys() >= VERSION_KEYS
        assert version["stats"]["downloadCount"] == 0
        file = version["files"][0]
        assert file.keys() >= FILE_KEYS
        assert file["primary"] and file["downloadUrl"] == version["downloadUrl"]
        assert file["downloadUrl"] == f"{BASE}/api/download/models/{version['id']}"
        assert file["hashes"].keys() == {"AutoV1", "AutoV2", "AutoV3", "SHA256", "CRC32", "BLAKE3"}
        assert all(value == value.upper() for value in file["hashes"].values())
        assert file["pickleScanResult"] == "Success"
        assert file["virusScanResult"] == "Pending"
        image = version["images"][0]
        assert image["nsfwLevel"] == 1 and "/width=450/" in image["url"]


async def test_a_version_is_the_same_alone_by_hash_and_in_its_model(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, (version_id,) = await make_published_model(session)
    await rebuilding.rebuild(session, [model_id])
    alone = (await reading.version(reads, version_id)).objects(BASE)[0]
    inside = (await read_model(reads, model_id))["modelVersions"][0]
    head = alone.pop("model")
    assert head["type"] == "LORA"
    assert alone == inside
    for value in inside["files"][0]["hashes"].values():
        by_hash = (await reading.version_by_hash(reads, value.lower())).objects(BASE)[0]
        by_hash.pop("model")
        assert by_hash == alone


async def test_names_that_look_like_numbers_stay_text(session: AsyncSession, reads: BoundReads) -> None:
    for name in ("123", "1e5", "null", "true"):
        person = await make_person(session, name if len(name) > 2 else f"{name}_x")
        model_id, _ = await make_published_model(session, person, name=name)
        await rebuilding.rebuild(session, [model_id])
        model = await read_model(reads, model_id)
        assert model["name"] == name
        assert isinstance(model["creator"]["username"], str)


async def test_marks_cannot_be_forged_by_text(session: AsyncSession, reads: BoundReads) -> None:
    odd = "\x01 \x02 {base} \\u0001 \u2028"
    model_id, _ = await make_published_model(
        session, description=odd, version={"trained_words": ["\x01", "\x02"], "description": odd}
    )
    await rebuilding.rebuild(session, [model_id])
    model = await read_model(reads, model_id)
    assert model["modelVersions"][0]["trainedWords"] == ["\x01", "\x02"]


async def test_pictures_above_the_viewers_level_are_left_out(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, (version_id,) = await make_published_model(session, level=PG)
    owner = await session.scalar(select(Model.person_id).where(Model.id == model_id))
    for level in (R, X, 32, 0):
        await make_preview(session, version_id, owner or 0, nsfw_level=level)
    await rebuilding.rebuild(session, [model_id])

    async def levels(mask: int) -> list[int]:
        found = await read_model(reads, model_id, mask)
        return [image["nsfwLevel"] for image in found["modelVersions"][0]["images"]]

    assert await levels(3) == [PG]
    assert await levels(ALL_MASK) == [PG, R, X]
    assert await levels(7) == [PG, R]
    assert await levels(X) == [X]


async def test_rebuilding_many_takes_as_many_statements_as_one(
    session: AsyncSession, queries: Queries
) -> None:
    made = [(await make_published_model(session, versions=2))[0] for _ in range(5)]
    with queries.counted():
        await rebuilding.rebuild(session, made[:1])
    one = queries.count
    with queries.counted():
        await rebuilding.rebuild(session, made)
    assert queries.count == one <= 16
    stored = await session.scalars(select(ModelDocument.model_id).order_by(ModelDocument.model_id))
    assert list(stored) == made


async def test_drafts_and_private_versions_are_not_public(session: AsyncSession, reads: BoundReads) -> None:
    model_id, (version_id,) = await make_published_model(session)
    draft = await make_version(session, model_id, name="draft")
    private = await make_version(
        session, model_id, status="Published", availability="Private", published_at=clock.now()
    )
    await make_file(session, draft)
    await rebuilding.rebuild(session, [model_id])
    model = await read_model(reads, model_id)
    assert [v["id"] for v in model["modelVersions"]] == [version_id]
    hidden = await session.scalars(select(VersionDocument.version_id))
    assert not {draft, private} & set(hidden)
    owner = await session.scalar(select(Model.person_id).where(Model.id == model_id))
    whole = json.loads(
        await rebuilding.owner_document(session, actor_for(owner or 0), model_id, base=BASE) or "null"
    )
    assert {v["id"] for v in whole["modelVersions"]} == {version_id, draft, private}
    assert await rebuilding.owner_document(session, ANONYMOUS, model_id, base=BASE) is None


async def test_unpublishing_takes_the_document_away(session: AsyncSession) -> None:
    model_id, _ = await make_published_model(session)
    await rebuilding.rebuild(session, [model_id])
    await set_status(session, model_id, "Unpublished")
    await rebuilding.rebuild(session, [model_id])
    for table in (ModelDocument, ModelListing, VersionDocument):
        assert (await session.execute(select(table))).first() is None


async def test_a_deleted_model_keeps_a_tombstone_that_answers_by_hash(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, (version_id,) = await make_published_model(session, description="secret words")
    value = await session.scalar(select(FileHash.value).where(FileHash.kind == "SHA256"))
    await rebuilding.rebuild(session, [model_id])
    await set_status(session, model_id, "Deleted", unpublished_note="A wish of its creator.")
    await rebuilding.rebuild(session, [model_id])
    stone = (await reading.version_by_hash(reads, value or "")).objects(BASE)[0]
    assert stone["id"] == version_id
    assert stone["status"] == "Deleted" and stone["images"] == []
    assert stone["files"][0]["hashes"]["SHA256"] == value
    model = await read_model(reads, model_id)
    assert model["status"] == "Deleted" and model["description"] is None
    assert model["deletedReason"] == "A wish of its creator."
    assert model.keys() >= MODEL_KEYS and model["modelVersions"][0].keys() >= VERSION_KEYS
    assert (await session.execute(select(ModelListing))).first() is None


@pytest.mark.parametrize("together", [1, 2, reading.HASHES_TOGETHER])
async def test_many_hashes_at_once_whatever_is_looked_up_together(
    session: AsyncSession, reads: BoundReads, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """The version that is there before a tombstone, then the earliest; what is no hash, and what nobody has, is passed over."""
    monkeypatch.setattr(reading, "HASHES_TOGETHER", together)
    models = [(await make_published_model(session))[0] for _ in range(4)]
    await rebuilding.rebuild(session, models)
    await set_status(session, models[0], "Deleted")
    await rebuilding.rebuild(session, models)
    rows = (await session.execute(select(FileHash.value, FileHash.version_id))).all()
    versions = {version: model for model, version in (await session.execute(
        select(ModelVersion.model_id, ModelVersion.id))).all()}  # fmt: skip
    # The same bytes in the deleted model, the third and the fourth.
    shared = {version for version, model in versions.items() if model != models[1]}
    await session.execute(
        update(FileHash)
        .values(value="AB" * 32)
        .where(FileHash.kind == "SHA256", FileHash.version_id.in_(shared))
    )
    values = [row.value for row in (await session.execute(select(FileHash.value))).all()]
    junk = [
        "0" * 64,
        "x",
        "",
        f"{rows[0].value},{rows[-1].value}",
        "\0" * 8,
        "ß" * 32,
        "é" * 12,
    ]
    found = orjson.loads(await reading.ids_by_hashes(reads, [*junk, *map(str.lower, values), *values]))
    assert [one["hash"] for one in found] == sorted(set(values))
    by_hash = {one["hash"]: (one["modelId"], one["modelVersionId"]) for one in found}
    third = min(version for version, model in versions.items() if model == models[2])
    assert by_hash["AB" * 32] == (models[2], third)
    assert all(versions[version] == model for model, version in by_hash.values())
    assert await reading.ids_by_hashes(reads, junk) == b"[]" == await reading.ids_by_hashes(reads, [])


async def test_a_deleted_version_leaves_its_model_and_still_answers(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, (kept, gone) = await make_published_model(session, versions=2)
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == gone).values(status="Deleted", deleted_at=clock.now())
    )
    await rebuilding.rebuild(session, [model_id])
    assert [v["id"] for v in (await read_model(reads, model_id))["modelVersions"]] == [kept]
    assert (await reading.version(reads, gone)).objects(BASE)[0]["status"] == "Deleted"


async def test_an_archived_model_lacks_files_and_a_taken_down_one_pictures_too(
    session: AsyncSession, reads: BoundReads
) -> None:
    for mode, pictures in (("Archived", 1), ("TakenDown", 0)):
        model_id, _ = await make_published_model(session, mode=mode)
        await rebuilding.rebuild(session, [model_id])
        version = (await read_model(reads, model_id))["modelVersions"][0]
        assert version["files"] == [] and len(version["images"]) == pictures


async def test_counting_changes_numbers_and_not_the_document(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, (first, second) = await make_published_model(session, versions=2)
    await rebuilding.rebuild(session, [model_id])
    before = await session.scalar(select(ModelDocument.safe))
    today = clock.now().date()
    await session.execute(
        insert(Download),
        [
            {"caller": f"a:{i}", "version_id": version, "day": today}
            for i, version in enumerate([first, first, second])
        ],
    )
    fan = await make_person(session)
    await session.execute(insert(ModelEngagement).values(person_id=fan, model_id=model_id, kind="favourite"))
    assert await metrics.fold_downloads(session) == 3
    assert await metrics.fold_downloads(session) == 0
    await metrics.count_favourites(session, [model_id])
    model = await read_model(reads, model_id)
    assert model["stats"]["downloadCount"] == 3 and model["stats"]["favoriteCount"] == 1
    assert [v["stats"]["downloadCount"] for v in model["modelVersions"]] == [2, 1]
    alone = (await reading.version(reads, first)).objects(BASE)[0]
    assert alone["stats"]["downloadCount"] == 2
    assert await session.scalar(select(ModelListing.downloads)) == 3
    assert await session.scalar(select(ModelDocument.safe)) == before


async def test_words_tags_and_creators_are_counted_and_uncounted(session: AsyncSession) -> None:
    person = await make_person(session)
    made = [
        (await make_published_model(session, person, name=f"Sunset {i}", tags=("dusk",)))[0] for i in range(3)
    ]
    await rebuilding.rebuild(session, made)
    await rebuilding.rebuild(session, made)
    await vocabulary.fold(session)

    async def counts() -> tuple[int | None, int | None, int | None]:
        word = await session.scalar(select(SearchWord.models).where(SearchWord.word == "sunset"))
        tag = await session.scalar(select(Tag.model_count).where(Tag.name == "dusk"))
        return word, tag, await session.scalar(select(Person.model_count).where(Person.id == person))

    assert await counts() == (3, 3, 3)
    await set_status(session, made[0], "Unpublished")
    await rebuilding.rebuild(session, made)
    await vocabulary.fold(session)
    assert await counts() == (2, 2, 2)
    await vocabulary.recount(session)
    assert await counts() == (2, 2, 2)
    for model_id in made[1:]:
        await set_status(session, model_id, "Unpublished")
    await rebuilding.rebuild(session, made)
    await vocabulary.fold(session)
    assert await counts() == (None, 0, 0)


async def test_rebuilding_everything(session: AsyncSession, units: BoundDatabase) -> None:
    made = sorted([(await make_published_model(session, name="Every Thing"))[0] for _ in range(5)])
    told: list[int] = []
    assert await rebuilding.rebuild_all(units, batch=2, told=told.append) == 5
    assert told == [2, 4, 5]
    assert sorted(await session.scalars(select(ModelDocument.model_id))) == made
    assert await session.scalar(select(SearchWord.models).where(SearchWord.word == "every")) == 5
