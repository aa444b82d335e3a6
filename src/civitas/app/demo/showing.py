"""Posts of the demo's people: pictures made with what the demo publishes, recipes inside, one of them a remix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from civitas.app.demo import drawing
from civitas.app.house import House
from civitas.domains.accounts.types import PG, Actor
from civitas.domains.blobs.types import Purpose
from civitas.domains.gallery import image_tags, post_pictures, post_publishing, posting, tools
from civitas.engines.diffusers import models as tessera
from civitas.infra.imaging.png import embed_text
from civitas.kit.generation_text import write_parameters

Uploader = Callable[[House, Actor, str, bytes, Purpose], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class DemoShot:
    """A drawn picture of a post, or one that comes with the program (`packed`)."""

    scene: str = ""
    palette: str = ""
    seed: int = 0
    prompt: str = ""
    size: tuple[int, int] = (832, 1216)
    note: str | None = None
    packed: str | None = None
    # Which picture of which earlier post it was remixed from, by their places.
    remix: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class DemoPost:
    """A post: whose, of which model's newest version, with which pictures."""

    owner: str
    title: str
    detail: str
    tags: tuple[str, ...]
    model: str
    shots: tuple[DemoShot, ...]
    networks: tuple[tuple[str, float], ...] = ()


POSTS: Final = (
    DemoPost(
        "pavel_demo", "Tiles for a small game", "Made on a laptop without a graphics card, by the model that comes along.",
        ("game", "pattern"), "tessera", (DemoShot(packed="tessera-1.png"), DemoShot(packed="tessera-3.png")),
    ),
    DemoPost(
        "ines_demo", "Lanterns for the kitchen wall", "Three evenings with **Paper Lantern**, to be printed on A3.",
        ("night", "print"), "lantern",
        (
            DemoShot("lanterns", "lantern", 901, "paper lanterns over a still lake at night, reflections, stars",
                     note="The one that hangs above the table."),
            DemoShot("lanterns", "ember", 902, "lanterns rising from a harbour at dusk, warm haze", (1216, 832)),
            DemoShot("ridges", "dawn", 903, "layered mountains at dawn, low sun, soft mist"),
        ),
        (("veils", 0.7),),
    ),
    DemoPost(
        "yuki_demo", "One more sky", "A remix of a picture by ines_demo, with more stars.", ("sky",), "lantern",
        (DemoShot("lanterns", "orchid", 911, "paper lanterns over a still lake at night, reflections, many stars",
                  remix=(1, 0)),),
    ),
)  # fmt: skip


async def show(
    house: House,
    people: Mapping[str, Actor],
    versions: Mapping[str, Sequence[int]],
    *,
    upload: Uploader,
    settle: Callable[[House], Awaitable[None]],
) -> None:
    """Post everything, as those people would."""
    made: list[list[int]] = []
    for wanted in POSTS:
        actor = people[wanted.owner]
        async with house.database.unit() as session:
            post = await posting.create(
                session,
                actor,
                title=wanted.title,
                detail=wanted.detail,
                tags=wanted.tags,
                version_id=versions[wanted.model][-1],
            )
        made.append([])
        for shot in wanted.shots:
            name, body = _bytes(wanted, shot, versions, made)
            upload_id = await upload(house, actor, name, body, Purpose.MEDIA)
            async with house.database.unit() as session:
                image = await post_pictures.add(
                    session, actor, post_id=post.id, upload_id=upload_id, nsfw_level=PG, note=shot.note
                )
                made[-1].append(image.id)
        await settle(house)
        async with house.database.unit() as session:
            for image_id in made[-1]:
                await tools.set_tools(
                    session,
                    actor,
                    image_id=image_id,
                    chosen=[("tool", "Civitas", None), ("technique", "txt2img", None)],
                )
                await image_tags.set_tags(session, actor, image_id=image_id, tags=wanted.tags)
            await post_publishing.publish(session, actor, post_id=post.id)
        await settle(house)


def _bytes(
    wanted: DemoPost, shot: DemoShot, versions: Mapping[str, Sequence[int]], made: Sequence[Sequence[int]]
) -> tuple[str, bytes]:
    if shot.packed is not None:
        return shot.packed, (tessera.SAMPLES / shot.packed).read_bytes()
    used = [{"type": "checkpoint", "modelVersionId": versions[wanted.model][-1]}]
    used += [
        {"type": "lora", "modelVersionId": versions[key][-1], "weight": weight}
        for key, weight in wanted.networks
    ]
    recipe: dict[str, Any] = {
        "prompt": shot.prompt,
        "negativePrompt": "text, watermark, frame",
        "steps": 24,
        "sampler": "DPM++ 2M Karras",
        "cfgScale": 6,
        "seed": shot.seed,
        "Size": f"{shot.size[0]}x{shot.size[1]}",
        "civitaiResources": used,
    }
    if shot.remix is not None:
        recipe["extra"] = {"remixOfId": made[shot.remix[0]][shot.remix[1]]}
    image = drawing.draw(shot.scene, shot.palette, shot.seed, shot.size)
    return f"{wanted.model}-{shot.seed}.png", embed_text(drawing.png(image), write_parameters(recipe))
