"""The step types: every one of the published interface is declared, told in the docs, and priced on purpose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.orchestration import inputs, kinds, measuring, pricing, resources
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.schemas.interface import published

PAGE = Path(__file__).parents[3] / "docs" / "orchestration.md"
FREE_IN_HOUSE = {Runner.INLINE, Runner.TASK, Runner.LOOP}


def test_every_published_step_type_is_declared_and_told() -> None:
    assert set(published().steps) == set(kinds.ALL)
    page = PAGE.read_text("utf-8")
    begin = page.index("| step | what runs it | kept |")
    end = page.index("\n\n", begin)
    rows = [
        f"| `{kind.type}` | {kind.run_by} | {'yes' if kind.cached else 'no'} |"
        for kind in sorted(kinds.ALL.values(), key=lambda kind: kind.type.lower())
    ]
    table = "\n".join(["| step | what runs it | kept |", "| --- | --- | --- |", *rows])
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PAGE.write_text(page[:begin] + table + page[end:], "utf-8")
    assert page[begin:end] == table, "UPDATE_SNAPSHOTS=1 writes the table anew"


def test_every_step_type_of_agents_is_in_the_price_book() -> None:
    lacking = [
        kind.type
        for kind in kinds.ALL.values()
        if kind.runner not in FREE_IN_HOUSE
        and pricing.rule_for(kind.type, measuring.measure(kind, {"engine": "x"}), pricing.book()) is None
    ]
    assert lacking == []


def test_outlines_are_fields_of_the_published_outputs() -> None:
    for kind in kinds.ALL.values():
        if kind.outline is not None:
            field = kind.outline.removesuffix("[]")
            assert field in published().steps[kind.type].output["properties"], kind.type


@pytest.mark.parametrize(
    ("type", "input", "capability"),
    [
        ("textToImage", {"model": "urn:air:sdxl:checkpoint:civitai:1@2"}, "textToImage/sdxl"),
        ("textToImage", {}, "textToImage/sd1"),
        ("imageGen", {"engine": "openai"}, "imageGen/openai"),
        ("imageGen", {"engine": "comfy", "ecosystem": "flux2Dev"}, "imageGen/flux2dev"),
        ("preprocessImage", {"kind": "canny"}, "preprocessImage/canny"),
        ("videoGen", {"engine": "ltx2.3"}, "videoGen/ltx2.3"),
        ("textToSpeech", {}, "textToSpeech/custom"),
        ("training", {"engine": "ai-toolkit"}, "training/ai-toolkit"),
        ("chatCompletion", {"model": "gpt"}, "chatCompletion"),
    ],
)
def test_capabilities_name_what_decides(type: str, input: dict[str, Any], capability: str) -> None:
    assert kinds.known(type).asks_for(input) == capability


def test_quantities_are_jobs() -> None:
    gen = kinds.known("imageGen").split({"engine": "google", "numImages": 3, "seed": 4294967295})
    assert [job.input["seed"] for job in gen] == [4294967295, 0, 1]
    assert all(job.input["numImages"] == 1 and job.slots == (MediaKind.IMAGE,) for job in gen)
    assert len(kinds.known("videoFrameExtraction").split({"maxFrames": 10**9})[0].slots) == 500


def test_media_and_models_are_found_where_they_stand() -> None:
    gen = kinds.known("imageGen")
    given = {
        "prompt": "https://example.org/a.png is no medium here",
        "images": ["https://example.org/a.png", {"$blob": "B", "field": "url"}, {"$ref": "x", "path": "y"}],
        "controlNets": [{"image": "data:image/png;base64,AA", "weight": 1}],
        "loras": {"urn:air:sdxl:lora:civitai:3@4": 0.5},
        "vaeModel": "civitai:5@6",
        "clipModel": "urn:air:flux1:clip:huggingface:a/b@main",
    }
    assert [(one.where, one.ready) for one in inputs.find(gen, given)] == [
        ("input.images[0]", False),
        ("input.images[1]", True),
        ("input.controlNets[0].image", False),
    ]
    made, blobs = inputs.for_agents(gen, inputs.with_blobs(gen, given, {"https://example.org/a.png": "A"}))
    assert made["images"][:2] == ["media:0", "media:1"] and blobs == ["A", "B"]
    assert [one.version_id for one in resources.find(gen, given)] == [4, 6]
    graph = {
        "comfyWorkflow": {
            "3": {"inputs": {"image": "example.png", "ckpt_name": "urn:air:sd1:checkpoint:civitai:7@8"}}
        }
    }
    assert list(inputs.find(kinds.known("comfy"), graph)) == []
    heard = {"comfyWorkflow": {"4": {"inputs": {"audio": "https://example.org/a.wav"}}}}
    assert [one.where for one in inputs.find(kinds.known("comfy"), heard)] == [
        "input.comfyWorkflow.4.inputs.audio"
    ]
    assert [one.version_id for one in resources.find(kinds.known("comfy"), graph)] == [8]
    chat = {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e.org/x"}}]}
        ]
    }
    assert [one.where for one in inputs.find(kinds.known("chatCompletion"), chat)] == [
        "input.messages[0].content[0].image_url.url"
    ]
