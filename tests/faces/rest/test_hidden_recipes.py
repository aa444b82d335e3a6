"""What the owner of a picture, film or sound keeps to themselves leaks by no page, no API and no file."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.factories.films import film
from tests.factories.http import Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.infra.imaging import png

SECRET = "a lighthouse of whispered glass"
GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "cfg": 7.0, "sampler_name": "euler",
          "positive": ["6", 0], "negative": ["7", 0], "model": ["4", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "glass.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": SECRET, "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
}  # fmt: skip
TOLD = {"comment": json.dumps({"prompt": GRAPH})}
FILES = (
    ("a.png", png.embed_text(story.drawing(), f"{SECRET}\nSteps: 20, Sampler: Euler, Seed: 5")),
    ("a.mp4", film(told=TOLD)),
    ("a.webm", film(shape="webm", video="libvpx-vp9", told=TOLD)),
    ("a.mp3", film(shape="mp3", video=None, audio="mp3", told=TOLD)),
    ("a.mkv", film(shape="matroska", audio="aac", told=TOLD)),
)
ENDINGS = ("jpeg", "webp", "avif", "mp4")


async def _leaks(client: Client, post_id: int, images: list[dict[str, object]]) -> set[str]:
    """Where the secret words are to be found by whoever `client` is."""
    addresses = [
        "/images",
        "/images/feed.atom",
        "/videos",
        "/videos/feed.atom",
        "/posts",
        f"/posts/{post_id}",
    ]
    addresses += [
        f"{API}/images",
        f"{API}/images?postId={post_id}",
        f"{API}/posts/{post_id}",
        "/search?q=lighthouse",
    ]
    for image in images:
        number, url = image["id"], urlsplit(str(image["url"])).path
        addresses += [f"/images/{number}", f"{API}/images/{number}/recipe", f"{API}/images?imageId={number}"]
        addresses += [f"/posts/pictures/{number}/workflow.json", f"/create?image={number}"]
        for transform in ("width=450", "original=true", "anim=true,width=450"):
            stem = url.replace("width=450", transform).rpartition(".")[0]
            addresses += [f"{stem}.{ending}" for ending in ENDINGS]
    found = set()
    for address in addresses:
        answer = await client.get(address, headers={"Accept": "*/*"})
        assert answer.status_code < 500, address
        if b"lighthouse of whispered" in answer.content:
            found.add(address)
    return found


async def test_a_hidden_recipe_is_in_no_page_no_answer_and_no_file(client: Client) -> None:
    owner = await story.new_program(client)
    post = ok(await client.post(f"{API}/posts", json={"title": "Glass"}), 201)
    here = f"{API}/posts/{post['id']}"
    for name, data in FILES:
        assert SECRET.encode() in data, "the file tells it, so that it could leak"
        upload = await story.upload(client, data, name, purpose="media")
        ok(await client.post(f"{here}/images", json={"uploadId": upload, "nsfwLevel": 1}), 201)
    await client.run_tasks()
    ok(await client.post(f"{here}/publish"))
    await client.run_tasks()
    client.sign_out()
    images = ok(await client.get(here))["images"]
    assert [one["type"] for one in images] == ["image", "video", "video", "audio", "video"]
    before = await _leaks(client, post["id"], images)
    for image in images:
        assert f"{API}/images/{image['id']}/recipe" in before, "shown while it is not hidden"
    await story.become(client, owner)
    for image in images:
        ok(await client.patch(f"{API}/images/{image['id']}", json={"hideMeta": True}))
    await client.run_tasks()
    mine = await _leaks(client, post["id"], images)
    assert f"{API}/images/{images[1]['id']}/recipe" in mine, "its owner still sees it"
    for stranger in (True, False):
        client.sign_out()
        if not stranger:
            await story.new_member(client)
        assert await _leaks(client, post["id"], images) == set()
