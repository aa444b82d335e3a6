"""The catalogue of the private world: made through the doors that people use, with ids that clients' URLs can name.

`python -m tests.compat.seeding HOME` makes an instance in HOME and writes what is in it to HOME/catalogue.json.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text, update
from tests.factories.accounts import make_key, make_person
from tests.factories.buzz import give_buzz

from civitas.app import schema
from civitas.app.demo import drawing, weights
from civitas.app.house import House, open_house
from civitas.app.lifeline import SUPERVISOR
from civitas.domains.accounts.actors import actor_named
from civitas.domains.accounts.types import ALL_MASK, SYSTEM, Actor, R, X
from civitas.domains.blobs import uploading
from civitas.domains.blobs.types import Limits, Purpose
from civitas.domains.catalog import drafts, files, publishing, rebuilding, removal, tasks, versions
from civitas.domains.catalog.forms import FileForm, ModelForm, VersionForm
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.catalog.types import Mode
from civitas.domains.gallery import previews
from civitas.domains.orchestration.dispatch import agents
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.imaging.png import embed_text
from civitas.infra.queue.draining import settled
from civitas.infra.settings import Settings
from civitas.kit import clock
from civitas.kit.generation_text import write_parameters

# A module that no list knows: such a pickle is neither known good nor known bad.
ODD_PICKLE = b"\x80\x02cshelf_of_curios.things\nLantern\nq\x00)\x81q\x01."
UNICODE_NAME = "Bœuf=à la carte 灯.safetensors"
SHELF = 5
PICTURE = (480, 600)

MAIN, MAIN_V2, MAIN_V1 = 4384, 128713, 128712
BIG, BIG_VERSION = 4385, 130001
MEMBERS, MEMBERS_VERSION = 4386, 130101
ARCHIVED, ARCHIVED_VERSION = 4387, 130201
EARLY, EARLY_VERSION = 4388, 130301
ODD, ODD_VERSION = 4389, 130401
MATURE, MATURE_VERSION = 4390, 130501
CLOSED, CLOSED_VERSION = 4391, 130601
DELETED, DELETED_VERSION = 4392, 130701


@dataclass(frozen=True)
class File:
    """A file to upload; `fields` are those of FileForm by their names on the wire."""

    name: str
    body: bytes
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """A version to publish; `pictures` are (file name, level) pairs."""

    id: int
    name: str
    base_model: str
    files: Sequence[File]
    pictures: Sequence[tuple[str, int]] = (("cover.png", 1),)
    fields: Mapping[str, Any] = field(default_factory=dict)
    picture_size: tuple[int, int] = (160, 200)


class Seeder:
    """One instance being filled; remembers what it made.

    Drafts and uploads first, then files, then publishing: the background process works through each step at once.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.made: dict[str, Any] = {"keys": {}, "files": {}}
        self._models: list[tuple[Actor, int, Sequence[Version]]] = []
        self._seed = 0

    async def person(self, name: str, **columns: Any) -> Actor:
        """A member with an API key under their name."""
        async with self.house.database.unit() as session:
            number = await make_person(session, name, **columns)
            self.made["keys"][name] = await make_key(session, number)
            return await actor_named(session, number)

    async def model(
        self, owner: Actor, number: int, kind: str, name: str, shown: Sequence[Version], **fields: Any
    ) -> None:
        """A model with the id `number`, public after `publish`; versions in the order in which they came out."""
        form = {
            "name": name, "type": kind, "category": "style", "description": f"{name}, as a test tells it.",
            "tags": ["compat", "paper"], **fields,
        }  # fmt: skip
        async with self.house.database.unit() as session:
            await self._next_id(session, "models", number)
            await drafts.create(session, owner, form=ModelForm.model_validate(form))
            for version in shown:
                form = {"name": version.name, "baseModel": version.base_model, **version.fields}
                await self._next_id(session, "model_versions", version.id)
                await versions.add(session, owner, model_id=number, form=VersionForm.model_validate(form))
        self._models.append((owner, number, shown))

    async def publish(self) -> None:
        """Upload, attach and publish all that was described."""
        waiting = [
            (owner, version, await self._uploads(owner, version))
            for owner, _, shown in self._models
            for version in shown
        ]
        await settled(self.house.context())
        for owner, version, (bodies, pictures) in waiting:
            await self._attach(owner, version, bodies, pictures)
        await settled(self.house.context())
        for owner, number, _ in self._models:
            async with self.house.database.unit() as session:
                await publishing.publish(session, owner, model_id=number)
        await settled(self.house.context())

    async def _uploads(self, owner: Actor, version: Version) -> tuple[list[Any], list[Any]]:
        bodies = [await self._upload(owner, file.name, file.body, Purpose.FILE) for file in version.files]
        return bodies, [
            await self._upload(owner, name, self._picture(version.picture_size), Purpose.IMAGE)
            for name, _ in version.pictures
        ]

    async def _attach(self, owner: Actor, version: Version, bodies: list[Any], pictures: list[Any]) -> None:
        async with self.house.database.unit() as session:
            for upload, file in zip(bodies, version.files, strict=True):
                form = FileForm.model_validate(file.fields)
                made = await files.attach(session, owner, version_id=version.id, upload_id=upload, form=form)
                self.made["files"][file.name] = {
                    "id": made.id,
                    "version": version.id,
                    "size": len(file.body),
                    "sha256": hashlib.sha256(file.body).hexdigest(),
                }
            for upload, (_, level) in zip(pictures, version.pictures, strict=True):
                await previews.add(session, owner, version_id=version.id, upload_id=upload, nsfw_level=level)

    def _picture(self, size: tuple[int, int]) -> bytes:
        self._seed += 1
        recipe = {"prompt": f"a paper boat, number {self._seed}", "steps": 20, "seed": self._seed}
        image = drawing.draw("paper", "lantern", self._seed, size)
        return embed_text(drawing.png(image), write_parameters(recipe))

    async def _upload(self, owner: Actor, name: str, body: bytes, purpose: Purpose) -> Any:
        async with self.house.database.unit() as session:
            upload = await uploading.begin(
                session, owner, filename=name, size=len(body), purpose=purpose, limits=Limits()
            )
        await self.house.store.put(upload.storage_key, _once(body), upload.content_type)
        async with self.house.database.unit() as session:
            await uploading.completed(session, owner, upload_id=upload.id)
        return upload.id

    @staticmethod
    async def _next_id(session: Any, table: str, number: int) -> None:
        await session.execute(text(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {number}"))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _lora(seed: int, rank: int = 1) -> bytes:
    metadata = weights.kohya_metadata(
        name="paper-boats", images=24, epochs=4, steps=960, rank=rank, tags={"paper boat": 24}, seed=seed
    )
    return weights.lora(seed, rank=rank, metadata=metadata)


def _small(seed: int) -> bytes:
    return weights.embedding(seed, vectors=2, name=f"small-{seed}")


async def fill(house: House) -> dict[str, Any]:
    """Make everything; what was made, as data."""
    seeder = Seeder(house)
    maker = await seeder.person("paper_maker")
    # A name that is all digits must stay a text wherever it is told (WIRE rule 14).
    digits = await seeder.person("20070123")
    for name in ("reader", "counter", "hasty"):
        await seeder.person(name)
    await seeder.person("adult", show_mature=True, adult_confirmed_at=clock.now(), browsing_level=ALL_MASK)
    await _workers(seeder)
    await _main(seeder, maker)
    await _special(seeder, maker)
    for number in range(SHELF):
        at = 140001 + number
        shown = Version(
            at,
            "v1",
            "SDXL 1.0" if number % 2 else "SD 1.5",
            [File(f"shelf_{number}.safetensors", _small(at))],
        )
        await seeder.model(
            digits, 4400 + number, "TextualInversion", f"Shelf {number}", [shown], tags=["shelf"]
        )
    await seeder.publish()
    await _withhold(seeder, maker)
    return seeder.made


async def _workers(seeder: Seeder) -> None:
    """Somebody with Buzz who submits work, and the token of a machine that does it."""
    painter = await seeder.person("painter")
    async with seeder.house.database.unit() as session:
        await give_buzz(session, painter.require(), 10_000)
        _, seeder.made["agent"] = await agents.make(session, SYSTEM, name="easel")
        seeder.made["people"] = {"painter": painter.id}


async def _main(seeder: Seeder, maker: Actor) -> None:
    first = Version(MAIN_V1, "v1", "SD 1.5", [File("paper-boats_v1.safetensors", _lora(1))])
    second = Version(
        MAIN_V2,
        "v2",
        "SD 1.5",
        [
            File("paper-boats_v2.safetensors", _lora(2), {"fp": "fp16", "size": "full", "primary": True}),
            File("paper-boats_v2_fp32.safetensors", _small(3), {"type": "Model", "fp": "fp32", "size": "pruned"}),
            File(UNICODE_NAME, weights.written(weights.vae(4, width=8), "boats", "stable-diffusion-v1/vae"), {"type": "VAE"}),
        ],
        # Two pictures under one name, as cameras and generators name them, and one that not everybody sees.
        [("00001.png", 1), ("00001.png", 1), ("shadow.png", int(R))],
        {"trainedWords": ["paper boat", "folded"], "steps": 960, "epochs": 4, "clipSkip": 1},
        PICTURE,
    )  # fmt: skip
    await seeder.model(maker, MAIN, "LORA", "Paper Boats", [first, second])
    body = weights.written(weights.checkpoint(5, width=24), "Paper Harbour", "stable-diffusion-v1")
    big = Version(BIG_VERSION, "v1", "SD 1.5", [File("paper-harbour.safetensors", body)])
    await seeder.model(maker, BIG, "Checkpoint", "Paper Harbour", [big], checkpointType="Trained")


async def _special(seeder: Seeder, maker: Actor) -> None:
    def one(number: int, name: str, **fields: Any) -> list[Version]:
        return [Version(number, "v1", "SD 1.5", [File(name, _small(number))], fields=fields)]

    kind = "TextualInversion"
    await seeder.model(
        maker, MEMBERS, kind, "Members", one(MEMBERS_VERSION, "members.safetensors", requireAuth=True)
    )
    await seeder.model(maker, ARCHIVED, kind, "Archived", one(ARCHIVED_VERSION, "archived.safetensors"))
    await seeder.model(maker, EARLY, kind, "Early", one(EARLY_VERSION, "early.safetensors"))
    closed = one(CLOSED_VERSION, "closed.safetensors", usageControl="Generation")
    await seeder.model(maker, CLOSED, kind, "Closed", closed)
    await seeder.model(maker, DELETED, kind, "Deleted", one(DELETED_VERSION, "deleted.safetensors"))
    mixed = [File("odd.safetensors", _small(6)), File("odd.pt", ODD_PICKLE, {"type": "Model"})]
    await seeder.model(maker, ODD, kind, "Odd", [Version(ODD_VERSION, "v1", "SD 1.5", mixed)])
    mature = Version(
        MATURE_VERSION, "v1", "SD 1.5", [File("mature.safetensors", _small(7))], [("mature.png", int(X))]
    )
    await seeder.model(maker, MATURE, kind, "Mature", [mature], nsfw=True)


async def _withhold(seeder: Seeder, maker: Actor) -> None:
    async with seeder.house.database.unit() as session:
        await removal.set_mode(session, maker, model_id=ARCHIVED, mode=Mode.ARCHIVED)
        await removal.delete(session, maker, model_id=DELETED)
        # Early access comes with the market; the columns and their rules are there already.
        ends = clock.now() + timedelta(days=365)
        await session.execute(
            update(ModelVersion)
            .where(ModelVersion.id == EARLY_VERSION)
            .values(early_access_ends_at=ends, availability="EarlyAccess")
        )
        await rebuilding.rebuild(session, [EARLY])
    await settled(seeder.house.context())


async def _run(home: Path) -> None:
    settings = Settings(home=home)
    server = EmbeddedServer(home, settings.database)
    address = server.start()
    background = None
    try:
        schema.upgrade(address.dsn)
        background = start_background(home)
        async with open_house(settings, address.dsn) as house:
            await background_ready(house)
            made = await fill(house)
            # Counts of tags and creators as they stand a minute later.
            await tasks.fold_counts(house.context())
        (home / "catalogue.json").write_text(json.dumps(made, indent=2))
    finally:
        if background is not None:
            background.terminate()
            background.wait(timeout=40)
        server.stop()


def start_background(home: Path) -> subprocess.Popen[bytes]:
    """`civitas background` for this home; it ends with this process."""
    environment = {**os.environ, "CIVITAS_HOME": str(home), SUPERVISOR: str(os.getpid())}
    environment.pop("DATABASE_URL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "civitas.app.main", "background"], env=environment, stdin=subprocess.DEVNULL
    )


async def background_ready(house: House) -> None:
    """Wait until the background process has reported to the queue."""
    async with asyncio.timeout(60):
        while not await settled(house.context()):
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
