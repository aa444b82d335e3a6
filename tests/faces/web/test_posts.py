"""Making, changing and looking at posts, as pages, with and without script."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

from PIL import Image
from sqlalchemy import select, update
from tests.factories.catalog import make_published_model
from tests.factories.http import HTML, HTMX, Client
from tests.factories.posts import make_image, make_post
from tests.flows import story
from tests.infra.imaging.drawing import exif_of
from tests.infra.imaging.heic import heic

from civitas.domains.accounts.types import X
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import Model
from civitas.domains.gallery.tables import Image as Picture
from civitas.infra.imaging import png

RECIPE = (
    "a paper boat\nNegative prompt: rain\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"
)
META = {
    "prompt": "a paper boat", "steps": 20, "Model": "ink",
    "comfy": {"workflow": {"nodes": [], "links": []}},
}  # fmt: skip


async def test_a_post_without_script(client: Client) -> None:
    await story.new_member(client, "poster")
    begun = await client.submit("/posts/create", title="Boats")
    here = re.fullmatch(r"(/posts/\d+)/edit", begun.headers["location"])
    assert here is not None
    path = here[1]
    sent = await client.post(
        f"{path}/files",
        files={"upload": ("boat.png", png.embed_text(story.drawing(), RECIPE), "image/png")},
        headers=HTML,
    )
    assert sent.status_code == 303, sent.text
    await client.run_tasks()
    arrived = await client.page(sent.headers["location"])
    (upload,) = re.findall(r'name="id" value="([0-9a-f-]+)"', arrived.text)
    await client.submit(f"{path}/arrived", id=upload)
    assert "Being read" in (await client.page(f"{path}/edit")).text
    await client.run_tasks()
    edited = await client.page(f"{path}/edit")
    assert "1 picture is not rated" in edited.text and "Recipe read as a1111" in edited.text
    refused = await client.submit(f"{path}/publish", when="now")
    assert refused.headers["location"] == f"{path}/edit"
    await client.submit(f"{path}/level", level="1")
    await client.submit(
        f"{path}/edit", title="Boats", detail="Made of *paper*.", tags="boat, sea", version=""
    )
    published = await client.submit(f"{path}/publish", when="now")
    assert published.headers["location"] == path
    client.sign_out()
    shown = await client.page(path)
    for told in (
        "Boats",
        "<em>paper</em>",
        "a paper boat",
        "rain",
        "Euler a",
        "Copy for A1111",
        "/create?remix=",
    ):
        assert told in shown.text
    assert (await client.get(f"{path}/edit", headers=HTML)).status_code == 303


async def test_an_animation_moves_in_lists_and_on_its_page(client: Client) -> None:
    await story.new_member(client, "animator")
    file = BytesIO()
    frames = [Image.new("RGB", (48, 32), (0, 80 * number, 0)) for number in range(3)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    path = (await client.submit("/posts/create", title="Rolling")).headers["location"].removesuffix("/edit")
    sent = await client.post(
        f"{path}/files", files={"upload": ("roll.gif", file.getvalue(), "image/gif")}, headers=HTML
    )
    await client.run_tasks()
    (upload,) = re.findall(
        r'name="id" value="([0-9a-f-]+)"', (await client.page(sent.headers["location"])).text
    )
    await client.submit(f"{path}/arrived", id=upload)
    await client.run_tasks()
    await client.submit(f"{path}/level", level="1")
    await client.submit(f"{path}/publish", when="now")
    await client.run_tasks()
    client.sign_out()
    for page in (path, "/images"):
        (address,) = re.findall(r'data-moving="([^"]+)"', (await client.page(page)).text)
        moving = await client.get(address)
        assert moving.status_code == 200 and moving.headers["content-type"] == "image/webp"
        still = await client.get(address.replace("anim=true,", ""))
        assert still.status_code == 200 and still.url != moving.url
    # Whoever asked for calm is not shown what moves: the browser passes this source over.
    assert 'media="(prefers-reduced-motion: no-preference)"' in (await client.page(path)).text


async def test_a_phones_picture_is_seen_in_every_browser(client: Client) -> None:
    await story.new_member(client, "walker")
    path = (await client.submit("/posts/create", title="Walk")).headers["location"].removesuffix("/edit")
    assert ".heic" in (await client.page(f"{path}/edit")).text
    body = heic(Image.new("RGB", (96, 64), "teal"), exif=exif_of(make="SECRET", gps=(52.5, 13.25, 7.0)))
    sent = await client.post(
        f"{path}/files", files={"upload": ("IMG_1.HEIC", body, "image/heic")}, headers=HTML
    )
    await client.run_tasks()
    (upload,) = re.findall(
        r'name="id" value="([0-9a-f-]+)"', (await client.page(sent.headers["location"])).text
    )
    await client.submit(f"{path}/arrived", id=upload)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        image = (await session.scalars(select(Picture).order_by(Picture.id.desc()).limit(1))).one()
    assert (image.content_type, image.width, image.height) == ("image/heic", 96, 64)
    for wish in ("original=true", "width=96", "width=450"):
        for ending in ("jpeg", "webp", "avif"):
            answer = await client.get(f"/img/{image.key}/{wish}/x.{ending}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{ending}")
            assert b"SECRET" not in answer.content and b"ftypheic" not in answer.content


async def test_a_hidden_recipe_is_in_no_copy_and_no_place_of_origin_in_any(client: Client) -> None:
    await story.new_member(client, "keeper")
    book = Image.Exif()
    book[0x0112], book[0x010F] = 6, "Camera nine"
    book.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    file = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG", exif=book.tobytes())
    path = (await client.submit("/posts/create", title="Kept")).headers["location"].removesuffix("/edit")
    sent = await client.post(
        f"{path}/files",
        files={"upload": ("kept.png", png.embed_text(file.getvalue(), RECIPE), "image/png")},
        headers=HTML,
    )
    await client.run_tasks()
    (upload,) = re.findall(
        r'name="id" value="([0-9a-f-]+)"', (await client.page(sent.headers["location"])).text
    )
    await client.submit(f"{path}/arrived", id=upload)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        image = (await session.scalars(select(Picture).order_by(Picture.id.desc()).limit(1))).one()

    async def copies() -> list[bytes]:
        """Everything that is given out under the picture's name."""
        wishes = ["original=true", *(f"width={width}" for width in (96, 320, 2048)), "anim=true,width=450"]
        found = []
        for wish in wishes:
            for ending in ("jpeg", "webp", "avif", "png", "mp4"):
                answer = await client.get(f"/img/{image.key}/{wish}/x.{ending}")
                found += [answer.content] if answer.status_code == 200 else []
        return found

    shown = await copies()
    assert any(b"a paper boat" in one for one in shown), "the download tells its recipe"
    assert not any(b"Camera nine" in one for one in shown), "never with what it was taken, nor where"
    (hidden,) = re.findall(r'action="([^"]+/recipe)"', (await client.page(f"{path}/edit")).text)
    await client.submit(hidden, hidden="true")
    kept = await copies()
    assert kept and not any(b"paper boat" in one or b"Steps" in one for one in kept)


async def test_everything_that_is_done_with_a_picture(client: Client) -> None:
    owner = await story.new_member(client)
    async with client.house.database.unit() as session:
        _, (version,) = await make_published_model(session, name="Lantern", versions=1)
        post = await make_post(session, owner, published=False)
        first = await make_image(session, post, meta=META)
        second = await make_image(session, post)
    path = f"/posts/{post}"

    async def do(image: int, deed: str, **fields: Any) -> str:
        answer = await client.post(
            f"{path}/pictures/{image}/{deed}", data=fields, headers=HTMX | {"hx-target": "picture-list"}
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    assert "A folded boat" in await do(first, "note", note="A folded boat")
    assert "Lantern" in await do(first, "name", version=f"/models/1?modelVersionId={version}", strength="0,8")
    assert "Take Lantern away" not in await do(first, "unname", version=str(version))
    assert 'value="boat, sea"' in await do(first, "tags", tags="sea, boat")
    assert re.search(
        r'value="ComfyUI"[^>]*checked', await do(first, "tools", tool="ComfyUI", technique="img2img")
    )
    await do(first, "recipe", hidden="true")
    await do(second, "level", level=str(X))
    moved = await client.submit(f"{path}/order", later=str(first))
    assert moved.headers["location"] == f"{path}/edit"
    edited = await client.page(f"{path}/edit")
    assert edited.text.index(f'data-id="{second}"') < edited.text.index(f'data-id="{first}"')
    assert f'data-id="{second}"' not in await do(second, "remove")
    for image, deed in ((first, "dance"), (999_999, "note")):
        answer = await client.submit(f"{path}/pictures/{image}/{deed}", note="x")
        assert answer.status_code == 303


async def test_others_see_no_drafts_and_no_deeds(client: Client) -> None:
    async with client.house.database.unit() as session:
        draft = await make_post(session, published=False)
        await make_image(session, draft)
        public = await make_post(session, title="Public kites")
        image = await make_image(session, public, meta=META, hide_meta=True)
        bare = await make_image(session, public, meta=META, note="A kite")
    await story.new_member(client)
    for path in (f"/posts/{draft}", f"/posts/{draft}/edit", f"/posts/{public}/edit"):
        assert (await client.get(path, headers=HTML)).status_code == 404
    for path in ("publish", "remove", f"pictures/{image}/remove"):
        assert (await client.post(f"/posts/{public}/{path}", headers=HTML)).status_code == 403
    shown = (await client.page(f"/posts/{public}")).text
    assert "Public kites" in shown and 'alt="A kite"' in shown and "The recipe is kept by its maker" in shown
    assert f'hx-get="/comments/post/{public}"' in shown and f'action="/reactions/post/{public}"' in shown
    assert (await client.get(f"/posts/pictures/{image}/workflow.json", headers=HTML)).status_code == 404
    given = await client.get(f"/posts/pictures/{bare}/workflow.json", headers=HTML)
    assert json.loads(given.content) == {"nodes": [], "links": []}
    assert "attachment" in given.headers["content-disposition"]


async def test_removed_and_put_back(client: Client) -> None:
    owner = await story.new_member(client)
    async with client.house.database.unit() as session:
        post = await make_post(session, owner, title="Kites")
        await make_image(session, post)
        draft = await make_post(session, owner, published=False)
    assert "Kites" in (await client.page("/posts/mine")).text
    removed = await client.submit(f"/posts/{post}/remove")
    assert "/comments/post/" not in (await client.page(f"/posts/{draft}")).text, "nobody speaks of a draft"
    assert "Put it back" in (await client.page(removed.headers["location"])).text
    assert (await client.get(f"/posts/{post}", headers=HTML)).status_code == 404
    await client.submit(f"/posts/{post}/restore")
    assert "Kites" in (await client.page(f"/posts/{post}")).text


async def test_words_that_cannot_be_come_back_with_what_is_wrong(client: Client) -> None:
    owner = await story.new_member(client)
    async with client.house.database.unit() as session:
        post = await make_post(session, owner, published=False)
    for fields, told in (
        ({"title": "x" * 200}, "At most 150 characters."),
        ({"tags": "a,b,c,d,e,f"}, "At most 5 tags."),
        ({"version": "no number"}, "Give the number of a version"),
    ):
        answer = await client.post(f"/posts/{post}/edit", data=fields, headers=HTML)
        assert answer.status_code == 400 and told in answer.text
    answer = await client.post("/posts/create", data={"version": "999999"}, headers=HTML)
    assert answer.status_code == 400 and "not found" in answer.text


async def test_a_model_is_found_by_words_and_named_without_script(client: Client) -> None:
    owner = await story.new_member(client)
    async with client.house.database.unit() as session:
        model, versions = await make_published_model(session, name="Lantern <i>", versions=2)
        hidden, _ = await make_published_model(session, name="Lantern of the drafts")
        await session.execute(
            update(Model).where(Model.id == hidden).values(status="Draft", published_at=None)
        )
        await rebuilding.rebuild(session, [model, hidden])
        post = await make_post(session, owner, published=False)
        image = await make_image(session, post)
    asked = {"kind": "resource", "post": post, "image": image}
    page = (await client.page("/versions/choose", q="lantern", **asked)).text
    assert "Lantern &lt;i&gt;" in page and "2 versions" in page
    assert "of the drafts" not in page, "what is not public is not offered"
    (step,) = set(re.findall(rf'href="(/versions/choose/{model}[^"]*)"', page))
    which = await client.page(step.replace("&amp;", "&"))
    assert {int(one) for one in re.findall(r'<option value="(\d+)"', which.text)} == set(versions)
    (action,) = re.findall(r'action="(/posts/[^"]+/name)"', which.text)
    named = await client.submit(action, version=versions[0], strength="0.8")
    assert named.headers["location"] == f"/posts/{post}/edit"
    shown = (await client.page(f"/posts/{post}/edit")).text
    assert "Take Lantern &lt;i&gt; away" in shown and "0.80" in shown
    assert (await client.get(f"/versions/choose/{hidden}", params=asked)).status_code == 404
    assert (await client.get("/versions/choose", params={"kind": "nothing"})).status_code == 404
