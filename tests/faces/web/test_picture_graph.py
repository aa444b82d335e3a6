"""The ComfyUI graph of a picture: drawn from either form, bounded, and only for those who may see the recipe."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client

from civitas.faces.web import graph_drawing
from civitas.faces.web.graph_drawing import MOST_NODES, MOST_ROWS, draw

PROMPT: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "cfg": 7.0, "model": ["4", 0], "positive": ["6", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "boats.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a <b>boat</b>", "clip": ["4", 1]},
          "_meta": {"title": "What to see"}},
}  # fmt: skip
EDITOR = {
    "nodes": [
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["boats.safetensors"]},
        {"id": 3, "type": "KSampler", "widgets_values": {"seed": 5}},
    ],
    "links": [[1, 4, 0, 3, 0, "MODEL"]],
}


def test_what_follows_stands_to_the_right_of_what_it_begins_from() -> None:
    drawn = draw({"prompt": PROMPT})
    assert drawn is not None
    places = {box.title: box.x for box in drawn.boxes}
    assert places["CheckpointLoaderSimple"] < places["What to see"] < places["KSampler"]
    assert len(drawn.lines) == 3
    sampler = next(box for box in drawn.boxes if box.title == "KSampler")
    assert sampler.rows == (("seed", "5"), ("cfg", "7"))


def test_the_editors_form_is_drawn_where_there_is_no_other() -> None:
    drawn = draw({"workflow": EDITOR})
    assert drawn is not None and len(drawn.lines) == 1
    assert [box.rows for box in drawn.boxes] == [(("", "boats.safetensors"),), (("", "5"),)]


@pytest.mark.parametrize(
    "comfy",
    [
        {},
        {"prompt": "no"},
        {"prompt": {"1": 5}},
        {"workflow": {"nodes": [7, {}], "links": 3}},
        {"workflow": []},
    ],
)
def test_what_cannot_be_read_is_not_drawn(comfy: dict[str, Any]) -> None:
    assert draw(comfy) is None


def test_circles_crowds_and_long_texts_are_bounded() -> None:
    ring = {
        str(at): {"class_type": "x\x00" * 300, "inputs": {"in": [str((at + 1) % 5000), 0]}
                  | {f"name{n}" * 9: "y" * 5000 for n in range(40)}}
        for at in range(5000)
    }  # fmt: skip
    drawn = draw({"prompt": ring})
    assert drawn is not None
    assert len(drawn.boxes) == MOST_NODES and drawn.left_out == 5000 - MOST_NODES
    assert all(len(box.rows) == MOST_ROWS for box in drawn.boxes)
    assert all(len(a) + len(b) <= graph_drawing.LONGEST + 4 for box in drawn.boxes for a, b in box.rows)
    assert all(box.title.isprintable() for box in drawn.boxes)
    assert len({box.x for box in drawn.boxes}) == MOST_NODES, "a chain is as long as it is"


async def test_the_graph_is_shown_and_copied_by_those_who_may_see_the_recipe(client: Client) -> None:
    meta = {"prompt": "a boat", "comfy": {"prompt": PROMPT}}
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        told = await make_image(session, owner, meta=meta)
        kept = await make_image(session, owner, meta=meta, hide_meta=True)
        none = await make_image(session, owner, meta={"prompt": "a boat"})
    page = await client.page(f"/images/{told}/graph")
    assert page.status_code == 200 and page.text.count('class="graph-line"') == 3
    assert "&lt;b&gt;boat" in page.text and "<b>boat" not in page.text
    copied = re.search(r'<pre id="graph-text" hidden>(.*?)</pre>', page.text, re.DOTALL)
    assert copied is not None and "KSampler" in copied[1]
    piece = await client.get(
        f"/images/{told}/graph", headers={"HX-Request": "true", "HX-Target": "recipe-graph"}
    )
    assert "<html" not in piece.text and "graph-line" in piece.text
    assert f"/images/{told}/graph" in (await client.page(f"/images/{told}")).text
    for number in (kept, none):
        assert (await client.page(f"/images/{number}/graph")).status_code == 404
        assert f"/images/{number}/graph" not in (await client.page(f"/images/{number}")).text
