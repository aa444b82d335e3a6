"""Graphs of ComfyUI become forms, and forms graphs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.app.demo.graph import two_pass
from civitas.domains.studio import graphs
from civitas.kit.errors import Invalid

API: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    "5": {"class_type": "LoadImage", "inputs": {"image": "example.png", "upload": "image"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "clip": ["4", 1]}, "_meta": {"title": "Scene"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
            "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["3", 0]}},
}  # fmt: skip


def test_what_can_be_filled_in_is_found_and_what_matters_comes_first() -> None:
    found = graphs.fields(graphs.read(orjson.dumps(API)))
    assert [(one.name, one.kind) for one in found[:5]] == [
        ("6.text", "text"), ("7.text", "text"), ("5.image", "picture"), ("4.ckpt_name", "model"), ("3.seed", "seed"),
    ]  # fmt: skip
    assert (found[0].label, found[1].label) == ("Scene", "What not to see")
    assert {one.name for one in found[5:]} == {
        "3.steps", "3.cfg", "3.sampler_name", "3.scheduler", "3.denoise",
    }  # fmt: skip


def test_values_go_where_they_belong_and_links_stay() -> None:
    graph = graphs.read(orjson.dumps({"prompt": API}))
    made = graphs.filled(
        graph,
        {"6.text": "a hill", "3.steps": "12", "3.cfg": "5,5", "3.seed": "", "5.image": "BLOB"},
        models={"4.ckpt_name": "urn:air:sd1:checkpoint:civitai:1@2"},
    )
    assert made["6"]["inputs"] == {"text": "a hill", "clip": ["4", 1]}
    assert (made["3"]["inputs"]["steps"], made["3"]["inputs"]["cfg"]) == (12, 5.5)
    assert made["3"]["inputs"]["model"] == ["4", 0]
    assert made["4"]["inputs"]["ckpt_name"].endswith("@2")
    assert made["5"]["inputs"]["image"] == "BLOB"
    again = graphs.filled(graph, {"5.image": "BLOB"}, models={})
    assert again["3"]["inputs"]["seed"] != made["3"]["inputs"]["seed"]
    assert graph["6"]["inputs"]["text"] == "a lake"


def test_what_is_wrong_is_named_by_its_field() -> None:
    graph = graphs.read(orjson.dumps(API))
    with pytest.raises(Invalid) as refused:
        graphs.filled(graph, {"3.steps": "many", "3.cfg": "nan", "8.text": "x"}, models={})
    assert set(refused.value.details["fields"]) == {"3.steps", "3.cfg", "8.text", "5.image"}


def test_the_editors_own_format_is_understood() -> None:
    graph = graphs.read(orjson.dumps(two_pass(checkpoint="base.safetensors")))
    assert graph["5"]["inputs"] == {
        "seed": 1101, "steps": 20, "cfg": 6, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0],
    }  # fmt: skip
    assert graph["9"]["inputs"] == {"filename_prefix": "landscape", "images": ["8", 0]}
    unknown = {"nodes": [{"id": 1, "type": "Strange", "widgets_values": [1, 2]}], "links": []}
    with pytest.raises(Invalid, match="Strange"):
        graphs.read(orjson.dumps(unknown))
    unknown["nodes"][0]["inputs"] = [{"name": n, "link": None, "widget": {"name": n}} for n in ("a", "b")]
    assert graphs.read(orjson.dumps(unknown))["1"]["inputs"] == {"a": 1, "b": 2}


def test_reroutes_lead_on_and_notes_are_left_out() -> None:
    saved = {
        "nodes": [
            {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["x"]},
            {"id": 2, "type": "Reroute", "inputs": [{"name": "", "link": 10}]},
            {
                "id": 3,
                "type": "CLIPTextEncode",
                "widgets_values": ["hi"],
                "inputs": [{"name": "clip", "link": 11}],
            },
            {"id": 4, "type": "Note", "widgets_values": ["read me"]},
        ],
        "links": [[10, 1, 1, 2, 0, "CLIP"], [11, 2, 0, 3, 0, "CLIP"]],
    }
    graph = graphs.read(orjson.dumps(saved))
    assert set(graph) == {"1", "3"}
    assert graph["3"]["inputs"] == {"text": "hi", "clip": ["1", 1]}


def test_an_archive_with_a_graph_is_opened() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("flow.json", orjson.dumps(API))
    assert graphs.read(packed.getvalue()) == graphs.read(orjson.dumps(API))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"1": 5}',
        b'{"1": {"class_type": "X", "inputs": [1]}}',
        b"PK\x03\x04rubbish",
    ],
)
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        graphs.read(data)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries({"nodes": st.lists(st.fixed_dictionaries(
        {"id": _ANY, "type": st.sampled_from(["KSampler", "Reroute", "LoadImage", "Odd"]), "inputs": _ANY, "widgets_values": _ANY}
    ), max_size=4), "links": _ANY}) | st.dictionaries(st.text(max_size=3), st.fixed_dictionaries(
        {"class_type": st.text(max_size=5), "inputs": _ANY, "_meta": _ANY}
    ), max_size=4)
)  # fmt: skip
def test_any_json_is_a_graph_or_refused(saved: Any) -> None:
    try:
        graph = graphs.read(orjson.dumps(saved))
        graphs.filled(graph, {field.name: field.value for field in graphs.fields(graph)}, models={})
    except Invalid:
        pass
