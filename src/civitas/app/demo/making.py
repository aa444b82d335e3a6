"""Making the demo through the same doors that people use: accounts, uploads, scans, pictures, publishing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress

from civitas.app.demo import collecting, drawing, living, showing, speaking, stocking, telling, weights
from civitas.app.demo.content import (
    FRIENDS,
    NOTE,
    PEOPLE,
    SOLD,
    WORKS,
    DemoModel,
    DemoPerson,
    DemoPicture,
    DemoVersion,
    PackedPicture,
)
from civitas.app.demo.graph import two_pass
from civitas.app.demo.trained import MODELS
from civitas.app.house import House
from civitas.domains.accounts import joining, profiles
from civitas.domains.accounts.actors import actor_named
from civitas.domains.accounts.profiles import ProfileEdit
from civitas.domains.accounts.types import Actor, Onboarding
from civitas.domains.blobs import uploading
from civitas.domains.blobs.types import Limits, Purpose
from civitas.domains.catalog import drafts, files, forking, lineage, publishing, versions
from civitas.domains.catalog.forms import LineageForm, ModelForm, ModelPatch, VersionForm
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Origin
from civitas.domains.gallery import previews
from civitas.engines.diffusers import models as tessera
from civitas.infra.imaging.png import embed_text
from civitas.infra.queue.draining import drain, settled
from civitas.kit.generation_text import write_parameters

TAG = "demo"


@dataclass
class Made:
    """What exists already, for what comes later to refer to."""

    people: dict[str, Actor] = field(default_factory=dict)
    # Version ids by the model's key, in the order in which they were made.
    versions: dict[str, list[int]] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    tensors: dict[tuple[str, int], weights.Tensors] = field(default_factory=dict)


async def make(house: House, progress: Progress) -> int:
    """Make everything and return how many models there are now; every task it causes has run when it returns."""
    made = Made()
    pictures = sum(len(version.pictures) for model in MODELS for version in model.versions)
    work = progress.add_task("Demo content", total=pictures + len(MODELS))
    await stocking.stock(house)
    for person in (*PEOPLE, *FRIENDS):
        made.people[person.username] = await _person(house, person)
    await living.prepare(house, made.people[PEOPLE[0].username])
    for model in MODELS:
        await _model(house, made, model, lambda: progress.advance(work))
        progress.advance(work)
    await showing.show(house, made.people, made.versions, upload=_upload, settle=_settle)
    cast = _cast(made)
    await living.live(house, cast)
    await telling.tell(house, [made.people[person.username] for person in PEOPLE])
    await collecting.collect(
        house, makers=cast.makers, friends=cast.friends, models=list(made.models.values())
    )
    await speaking.speak(house, made.people, made.models, made.versions)
    await _settle(house)
    return len(MODELS)


def _cast(made: Made) -> living.Cast:
    makers = [made.people[person.username] for person in PEOPLE]
    versions: dict[int, list[int]] = {maker.require(): [] for maker in makers}
    for model in MODELS:
        if model.type in ("Checkpoint", "LORA"):
            versions[made.people[model.owner].require()] += made.versions[model.key]
    return living.Cast(
        makers=makers,
        friends=[made.people[person.username] for person in FRIENDS],
        versions=versions,
        gated=made.versions[SOLD][-1],
    )


async def _settle(house: House) -> None:
    """Everything that waits has run: by the background process when there is one, else here."""
    if not await settled(house.context(), expected=house.background):
        await drain(house.context())


async def _person(house: House, person: DemoPerson) -> Actor:
    async with house.database.unit() as session:
        made = await joining.create_person(
            session,
            username=person.username,
            # In development the mailbox is a page, so one can sign in as them by a link.
            email=f"{person.username}@example.org" if house.settings.site.development else None,
            onboarding=int(Onboarding.COMPLETE),
        )
    async with house.database.unit() as session:
        actor = await actor_named(session, made)
        await profiles.edit(session, actor, changes=ProfileEdit(bio=person.bio, location=person.location))
    return actor


async def _model(house: House, made: Made, model: DemoModel, tick: Any) -> None:
    actor = made.people[model.owner]
    model_id = await _draft(house, made, actor, model)
    made.models[model.key] = model_id
    made.versions[model.key] = []
    for place, version in enumerate(model.versions):
        version_id = await _version(house, made, actor, model, model_id, place)
        made.versions[model.key].append(version_id)
        await _file(house, made, actor, model, version, version_id, place)
        for picture in version.pictures:
            await _picture(house, actor, version, version_id, picture)
            tick()
    await _lineage(house, made, actor, model)
    await _settle(house)
    if model.key == SOLD:
        async with house.database.unit() as session:
            await living.sell(session, actor, made.versions[model.key][-1])
    async with house.database.unit() as session:
        await publishing.publish(session, actor, model_id=model_id)
    await _settle(house)


async def _draft(house: House, made: Made, actor: Actor, model: DemoModel) -> int:
    shown = {
        "description": model.description + (WORKS if model.works else NOTE),
        "category": model.category,
        "tags": [TAG, *model.tags],
        **model.licence,
    }
    async with house.database.unit() as session:
        if model.fork_of is not None:
            fork = await forking.fork(session, actor, model_id=made.models[model.fork_of], name=model.name)
            fork.origin = Origin.DEMO
            patch = {key: value for key, value in shown.items() if key in {"description", "category", "tags"}}
            await drafts.update(session, actor, model_id=fork.id, patch=ModelPatch.model_validate(patch))
            return int(fork.id)
        form = {"name": model.name, "type": model.type, "checkpointType": model.checkpoint_type, **shown}
        draft = await drafts.create(session, actor, form=ModelForm.model_validate(form), origin=Origin.DEMO)
        return int(draft.id)


async def _version(
    house: House, made: Made, actor: Actor, model: DemoModel, model_id: int, place: int
) -> int:
    version = model.versions[place]
    strength, least, most = version.strength or (None, None, None)
    fields = {
        "name": version.name,
        "baseModel": version.base_model,
        "description": version.description,
        "trainedWords": list(version.words),
        "steps": version.steps,
        "epochs": version.epochs,
        "clipSkip": version.clip_skip,
        "settings": {"strength": strength, "minStrength": least, "maxStrength": most} if strength else None,
    }
    async with house.database.unit() as session:
        if model.fork_of is not None and place == 0:
            return await _forked_version(session, actor, model_id, fields)
        form = VersionForm.model_validate(fields)
        return int((await versions.add(session, actor, model_id=model_id, form=form)).id)


async def _forked_version(session: Any, actor: Actor, model_id: int, fields: dict[str, Any]) -> int:
    from sqlalchemy import select

    from civitas.domains.catalog.forms import VersionPatch

    version_id = await session.scalar(select(ModelVersion.id).where(ModelVersion.model_id == model_id))
    await versions.update_version(
        session, actor, version_id=version_id, patch=VersionPatch.model_validate(fields)
    )
    return int(version_id)


async def _file(
    house: House,
    made: Made,
    actor: Actor,
    model: DemoModel,
    version: DemoVersion,
    version_id: int,
    place: int,
) -> None:
    body = _bytes(made, model, version, place)
    upload_id = await _upload(house, actor, version.filename, body, Purpose.FILE)
    async with house.database.unit() as session:
        await files.attach(session, actor, version_id=version_id, upload_id=upload_id)


def _bytes(made: Made, model: DemoModel, version: DemoVersion, place: int) -> bytes:
    kind, arguments = version.weights
    title = f"{model.name} {version.name}"
    match kind:
        case "lora":
            metadata = weights.kohya_metadata(**arguments)
            return weights.lora(arguments["seed"], rank=arguments["rank"], metadata=metadata)
        case "embedding":
            return weights.embedding(**arguments)
        case "vae":
            return weights.written(weights.vae(**arguments), title, "stable-diffusion-v1/vae")
        case "checkpoint":
            tensors = weights.checkpoint(**arguments)
        case "merge":
            tensors = _merged(made, model)
        case "packed":
            return tessera.FOLDER.joinpath(str(arguments["file"])).read_bytes()
        case "workflow":
            return json.dumps(two_pass(**arguments), indent=2).encode()
        case _:
            raise ValueError(kind)
    made.tensors[model.key, place] = tensors
    return weights.written(tensors, title, "stable-diffusion-v1")


def _merged(made: Made, model: DemoModel) -> weights.Tensors:
    """The recipe carried out, step by step, exactly as it is recorded."""
    results: list[weights.Tensors] = []

    def operand(name: str) -> weights.Tensors:
        key, _, number = name.partition(":")
        return results[int(number)] if key == "result" else made.tensors[key, int(number)]

    for step in model.merge:
        if step["type"] == "sum":
            results.append(weights.weighted_sum(operand(step["a"]), operand(step["b"]), step["multiplier"]))
        else:
            third = operand(step["c"])
            results.append(
                weights.add_difference(operand(step["a"]), operand(step["b"]), third, step["multiplier"])
            )
    return results[-1]


async def _picture(
    house: House,
    actor: Actor,
    version: DemoVersion,
    version_id: int,
    picture: DemoPicture | PackedPicture,
) -> None:
    if isinstance(picture, PackedPicture):
        name, body = picture.file, (tessera.SAMPLES / picture.file).read_bytes()
    else:
        name, body = _drawn(version, picture)
    upload_id = await _upload(house, actor, name, body, Purpose.IMAGE)
    async with house.database.unit() as session:
        await previews.add(session, actor, version_id=version_id, upload_id=upload_id, nsfw_level=1)


def _drawn(version: DemoVersion, picture: DemoPicture) -> tuple[str, bytes]:
    image = drawing.draw(picture.scene, picture.palette, picture.seed, picture.size)
    recipe = {
        "prompt": picture.prompt,
        "negativePrompt": "text, watermark, frame",
        "steps": 24,
        "sampler": "DPM++ 2M Karras",
        "cfgScale": 6,
        "seed": picture.seed,
        "Size": f"{picture.size[0]}x{picture.size[1]}",
        "Model": "paper-lantern_v12",
    }
    name = f"{version.filename.rpartition('.')[0]}-{picture.seed}.png"
    return name, embed_text(drawing.png(image), write_parameters(recipe))


async def _upload(house: House, actor: Actor, name: str, body: bytes, purpose: Purpose) -> Any:
    async with house.database.unit() as session:
        upload = await uploading.begin(
            session, actor, filename=name, size=len(body), purpose=purpose, limits=Limits()
        )
    await house.store.put(upload.storage_key, _once(body), upload.content_type)
    async with house.database.unit() as session:
        await uploading.completed(session, actor, upload_id=upload.id)
    await _settle(house)
    return upload.id


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _lineage(house: House, made: Made, actor: Actor, model: DemoModel) -> None:
    if not (model.parents or model.merge or model.recommended):
        return
    fields: dict[str, Any] = {}
    if model.parents:
        fields["derivedFrom"] = [
            {"versionId": made.versions[key][-1], "relation": relation} for key, relation in model.parents
        ]
    if model.merge:
        fields["merge"] = {"steps": [_step(made, step) for step in model.merge]}
    if model.recommended:
        fields["recommended"] = [
            {"versionId": made.versions[key][-1], "strength": strength} for key, strength in model.recommended
        ]
    async with house.database.unit() as session:
        for version_id in made.versions[model.key]:
            await lineage.describe(
                session, actor, version_id=version_id, form=LineageForm.model_validate(fields)
            )


def _step(made: Made, step: Any) -> dict[str, Any]:
    def operand(name: str) -> dict[str, int]:
        key, _, number = name.partition(":")
        return {"result": int(number)} if key == "result" else {"version": made.versions[key][int(number)]}

    return {name: operand(value) if name in {"a", "b", "c"} else value for name, value in step.items()}


def is_demo(model: Model) -> bool:
    """Whether a model belongs to the demo."""
    return model.origin == Origin.DEMO
