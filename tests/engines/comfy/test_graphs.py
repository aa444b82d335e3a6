"""Graphs that people bring: `comfy` and `customComfy`, several servers, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from tests.engines.comfy.conftest import AIRS, Do, Start, desk_of, digest, job_of, links
from tests.engines.comfy.server import SmallComfy, running
from tests.engines.media.made import picture, saved, sound, video

from civitas.contracts.wire.graph_slots import GRAPH_SLOTS
from civitas.contracts.wire.jobs import MediaKind
from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.comfy import filling
from civitas.engines.comfy.models import ModelFolder

Graph = dict[str, Any]
SLOTS = len(GRAPH_SLOTS["comfy"])


def node(kind: str, title: str = "", **inputs: Any) -> Graph:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


def drawn(**changed: Any) -> Graph:
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name=AIRS["model"]),
        "2": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "3": node("CLIPTextEncode", clip=["1", 1], text=f"a fox, embedding:{AIRS['embedding']}"),
        "4": node("KSampler", model=["1", 0], positive=["3", 0], latent_image=["2", 0], seed=5, **changed),
        "5": node("VAEDecode", samples=["4", 0]),
        "6": node("SaveImage", images=["5", 0], filename_prefix="mine"),
    }


def waiting() -> Graph:
    return {"1": node("Waits", "Patience"), "2": node("SaveFiles")}


async def test_a_graph_gets_its_models_media_and_metadata(do: Do, comfy: SmallComfy, models: Path) -> None:
    image = saved(picture(8, 8))
    graph = drawn() | {"7": node("LoadImage", image="media:0")}
    given = {"comfyWorkflow": graph, "quantity": 1, "turn": 2, "imageMetadata": '{"from": "here"}'}
    result, desk = await do("comfy", given, image, slots=SLOTS, uses=("model", "embedding"))
    assert result.output == {"blobs": [{"$blob": 0}]}
    (sent,) = comfy.prompts
    placed = sent["1"]["inputs"]["ckpt_name"]
    assert (models / "checkpoints" / placed).is_symlink()
    assert sent["3"]["inputs"]["text"] == f"a fox, embedding:civitas/{digest(b'embedding')[:20].lower()}"
    assert sent["4"]["inputs"]["seed"] == 7
    assert comfy.uploads[sent["7"]["inputs"]["image"]] == image
    assert comfy.extra[0]["extra_pnginfo"] == {"extraMetadata": '{"from": "here"}'}
    assert desk.delivered[0].kind is MediaKind.IMAGE


async def test_the_published_way_of_writing_nodes(do: Do, comfy: SmallComfy) -> None:
    graph = {
        "5": {"classType": "LoadImage", "meta": {"title": "In"}, "inputs": {"image": "media:0"}},
        "6": {"classType": "PreviewImage", "inputs": {"images": [5, 0]}},
    }
    result, _ = await do("comfy", {"comfyWorkflow": graph}, saved(picture(8, 8)), slots=SLOTS)
    assert result.output == {"blobs": [{"$blob": 0}]}
    assert comfy.prompts[0]["6"] == {
        "class_type": "PreviewImage",
        "inputs": {"images": ["5", 0]},
        "_meta": {},
    }


async def test_videos_and_sounds_have_slots_of_their_own(do: Do, comfy: SmallComfy) -> None:
    comfy.files = {
        "a.mp4": video(0.5, size=(64, 48)),
        "b.wav": sound(0.5),
        "c.png": saved(picture(8, 8)),
        "d.txt": b"some words",
    }
    result, desk = await do("comfy", {"comfyWorkflow": {"1": node("SaveFiles")}}, slots=SLOTS)
    kinds = [GRAPH_SLOTS["comfy"][blob["$blob"]] for blob in result.output["blobs"]]
    assert kinds == [MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.IMAGE]
    assert all(one.kind is GRAPH_SLOTS["comfy"][slot] for slot, one in desk.delivered.items())
    assert desk.warnings == ["d.txt was left out: it is neither picture, video nor sound."]


async def test_a_custom_graph_gives_what_it_showed_as_well(do: Do) -> None:
    graph = drawn() | {"7": node("PreviewImage", images=["5", 0])}
    graph["1"]["inputs"]["ckpt_name"] = "dream.safetensors"
    given = {
        "workflow": graph,
        "resources": [AIRS["model"], "urn:air:comfy:nodepack:comfyregistry:a/b@1"],
        "trace": "logs",
        "minVramGb": 16,
    }
    result, desk = await do("customComfy", given, slots=20, uses=("model", "embedding"))
    assert result.output == {"blobs": [{"$blob": 0}], "tempBlobs": [{"$blob": 1}]}
    assert desk.warnings == ["What the server said while at work was not recorded."]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"comfyImage": "urn:air:oci:image:ghcr:a/b@1"}, "no images of others"),
        ({"minVramGb": 48}, "48 GB"),
        ({"resources": ["urn:air:sd1:lora:huggingface:a/b"]}, "no file for"),
    ],
)
async def test_what_these_servers_cannot_do_goes_to_others(do: Do, given: Graph, why: str) -> None:
    with pytest.raises(JobRejected, match=why):
        await do("customComfy", {"workflow": waiting(), "trace": "none", **given}, slots=20)


def test_an_image_that_the_servers_are_may_be_asked_for(tmp_path: Path) -> None:
    given = {"workflow": waiting(), "trace": "none", "comfyImage": "air:OCI:image:ghcr:a/b@1"}
    asked, desk = job_of("customComfy", given), desk_of(tmp_path)
    own = ["urn:air:oci:image:ghcr:a/b@1"]
    assert filling.graph_of(asked, desk, {}, images=own) == filling.graph_of(
        job_of("customComfy", {**given, "comfyImage": None}), desk, {}
    )
    with pytest.raises(JobRejected, match="no images of others"):
        filling.graph_of(asked, desk, {}, images=["urn:air:oci:image:ghcr:a/b@2"])


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        ({"1": node("NoSuchThing")}, "has the node NoSuchThing"),
        ({"1": node("CheckpointLoaderSimple", "Load it", ckpt_name="x.ckpt")}, r"Load it \(node 1\)"),
        ({"1": node("CheckpointLoaderSimple", ckpt_name="urn:air:sd1:checkpoint:civitai:9@9")}, "no file"),
    ],
)
async def test_what_a_server_lacks_goes_to_others(do: Do, graph: Graph, why: str) -> None:
    with pytest.raises(JobRejected, match=why):
        await do("comfy", {"comfyWorkflow": graph}, slots=SLOTS)


@pytest.mark.parametrize(
    ("graph", "why", "transient"),
    [
        ({}, "no graph", False),
        ({"1": node("CLIPTextEncode", text="a embedding:urn:air:x")}, "embedding of its prompt", False),
        ({"nodes": [], "links": []}, "API format", False),
        ({"1": {"inputs": {}}}, "does not say what it is", False),
        ({"1": node("Waits")}, "saved nothing", False),
        ({"1": node("KSampler", "Main", steps=500)}, r"Main \(node 1\): Value bigger than max", False),
        ({"1": node("Breaks", "Glue", message="no glue left")}, r"Glue \(node 1\) failed: no glue", False),
        ({"1": node("Breaks", message="x", error="torch.OutOfMemoryError")}, "failed: x", True),
    ],
)
async def test_what_is_wrong_with_a_graph_is_told(do: Do, graph: Graph, why: str, transient: bool) -> None:
    with pytest.raises(JobFailed, match=why) as failed:
        await do("comfy", {"comfyWorkflow": graph}, slots=SLOTS)
    assert failed.value.transient is transient


async def test_graphs_can_be_forbidden(comfy: SmallComfy, start: Start, tmp_path: Path) -> None:
    engine = await start(comfy, graphs=False, families=("sdxl",))
    assert engine.capabilities() == ["textToImage/sdxl", "imageGen/sdxl"]
    with pytest.raises(JobRejected, match="no graphs"):
        await engine.run(job_of("comfy", {"comfyWorkflow": waiting()}), desk_of(tmp_path))


async def until(what: Any) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)


async def test_a_cancelled_job_is_interrupted(comfy: SmallComfy, start: Start, tmp_path: Path) -> None:
    engine = await start(comfy)
    comfy.going.clear()
    run = asyncio.create_task(engine.run(job_of("comfy", {"comfyWorkflow": waiting()}), desk_of(tmp_path)))
    await until(lambda: comfy.running)
    prompt = comfy.running
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert comfy.interrupts == [prompt]
    await until(lambda: comfy.running is None)
    assert comfy.history[str(prompt)]["status"]["status_str"] == "error"


async def test_a_job_that_waits_is_taken_back_and_others_go_on(
    comfy: SmallComfy, start: Start, tmp_path: Path
) -> None:
    engine = await start(comfy)
    comfy.going.clear()
    comfy.files = {"c.png": saved(picture(8, 8))}
    given = job_of("comfy", {"comfyWorkflow": waiting()}, slots=SLOTS)
    first = asyncio.create_task(engine.run(given, desk_of(tmp_path, slots=SLOTS)))
    await until(lambda: comfy.running)
    second = asyncio.create_task(engine.run(given, desk_of(tmp_path)))
    await until(lambda: comfy.pending)
    prompt = comfy.pending[0][0]
    second.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await second
    assert comfy.deleted == [prompt] and not comfy.interrupts and not comfy.pending
    comfy.going.set()
    assert (await first).output == {"blobs": [{"$blob": 0}]}


async def test_somebody_interrupts_it_on_the_server(comfy: SmallComfy, start: Start, tmp_path: Path) -> None:
    engine = await start(comfy)
    comfy.going.clear()
    run = asyncio.create_task(engine.run(job_of("comfy", {"comfyWorkflow": waiting()}), desk_of(tmp_path)))
    await until(lambda: comfy.running)
    comfy._stop.set()
    with pytest.raises(JobFailed, match="interrupted") as failed:
        await run
    assert failed.value.transient


async def test_the_end_is_found_when_it_was_not_heard(do: Do, comfy: SmallComfy) -> None:
    comfy.drops = True
    comfy.files = {"c.png": saved(picture(8, 8))}
    result, _ = await do("comfy", {"comfyWorkflow": waiting()}, slots=SLOTS)
    assert result.output == {"blobs": [{"$blob": 0}]}


async def test_a_server_that_was_started_again_costs_an_attempt(do: Do, comfy: SmallComfy) -> None:
    comfy.drops = comfy.forgets = True
    with pytest.raises(JobFailed, match="started again") as failed:
        await do("comfy", {"comfyWorkflow": waiting()}, slots=SLOTS)
    assert failed.value.transient


async def test_the_least_busy_server_that_can_do_it(
    comfy: SmallComfy, start: Start, models: Path, tmp_path: Path
) -> None:
    image = saved(picture(8, 8))
    given = job_of("comfy", {"comfyWorkflow": waiting()}, slots=SLOTS)
    async with running(SmallComfy(models)) as other, running(SmallComfy(models)) as bare:
        bare.nodes = ["SaveFiles"]
        comfy.files = other.files = {"c.png": image}
        comfy.strangers = 3
        engine = await start(bare, comfy, other)
        await engine.run(given, desk_of(tmp_path, slots=SLOTS))
        assert [len(one.prompts) for one in (bare, comfy, other)] == [0, 0, 1]
        comfy.strangers, other.strangers = 0, 3
        await engine.run(given, desk_of(tmp_path, slots=SLOTS))
        assert [len(one.prompts) for one in (bare, comfy, other)] == [0, 1, 1]
    # Those that are gone are passed over.
    await engine.run(given, desk_of(tmp_path, slots=SLOTS))
    assert len(comfy.prompts) == 2


async def test_work_goes_where_its_model_is_loaded(
    comfy: SmallComfy, start: Start, models: Path, tmp_path: Path
) -> None:
    async with running(SmallComfy(models)) as other:
        engine = await start(comfy, other)
        given = job_of("comfy", {"comfyWorkflow": drawn()}, slots=SLOTS, uses=("model", "embedding"))
        comfy.strangers = 1
        await engine.run(given, desk_of(tmp_path, slots=SLOTS))
        comfy.strangers = 0
        await engine.run(given, desk_of(tmp_path, slots=SLOTS))
        assert (len(comfy.prompts), len(other.prompts)) == (0, 2)


async def test_no_server_answers(start: Start, tmp_path: Path) -> None:
    engine = await start(SmallComfyAt("http://127.0.0.1:9"))
    with pytest.raises(JobRejected, match="No ComfyUI server behind this agent answers"):
        await engine.run(job_of("comfy", {"comfyWorkflow": waiting()}), desk_of(tmp_path))


class SmallComfyAt(SmallComfy):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


async def test_copies_make_room_for_one_another_but_not_for_what_runs(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models", copies=True, most_bytes=10)
    model, lora, vae = links("model", "lora", "vae")
    for link, name in ((model, "model"), (lora, "lora"), (vae, "vae")):
        (tmp_path / name).write_bytes(name.encode())
        assert link.size == len(name)
    loras = tmp_path / "models" / "loras" / "civitas"
    async with folder.placed(model, tmp_path / "model") as first:
        held = tmp_path / "models" / "checkpoints" / first.name
        os.utime(held, (1, 1))
        async with folder.placed(lora, tmp_path / "lora") as second:
            copy = loras / second.name.rpartition("/")[2]
            assert copy.read_bytes() == b"lora" and not copy.is_symlink()
        async with folder.placed(vae, tmp_path / "vae"):
            assert held.exists() and not copy.exists()


def test_links_whose_file_is_gone_are_swept(tmp_path: Path) -> None:
    ours = tmp_path / "loras" / "civitas"
    ours.mkdir(parents=True)
    (ours / "gone.safetensors").symlink_to(tmp_path / "nothing")
    (ours / "half.part").write_bytes(b"x")
    (ours / "there.safetensors").write_bytes(b"x")
    ModelFolder(tmp_path, copies=False, most_bytes=0).sweep()
    assert [path.name for path in ours.iterdir()] == ["there.safetensors"]
