"""Inputs against the published schemas: what is accepted, what is filled in, and what is said about the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.schemas.bounds import bounded
from civitas.domains.orchestration.schemas.interface import published
from civitas.kit.errors import Invalid

ROOT = Path(__file__).parents[4]
TEXT_TO_IMAGE = {"prompt": "a paper boat", "seed": 1, "cfgScale": 7}


def problems(step_type: str, given: Any) -> dict[str, str]:
    return checking.step_input(step_type, given, at="steps[0].input").problems


def test_every_published_step_type_has_an_input_and_is_a_recipe() -> None:
    steps = published().steps
    assert len(steps) == 50 and {"echo", "repeat", "tryOnU", "textToImage"} <= steps.keys()
    assert all(step.recipe for step in steps.values())
    paths = {(one.method, one.path) for one in published().operations}
    assert len(paths) == 77 and ("PATCH", "/v2/consumer/workflows/{workflowId}") in paths
    assert len({one.id for one in published().operations}) == 77


def test_no_prose_is_carried() -> None:
    raw = (ROOT / "src/civitas/domains/orchestration/schemas/interface.json").read_text()
    assert json.loads(raw).keys() == {"steps", "schemas", "operations"}
    for word in ('"description":"', '"example":', '"examples":', '"summary":"'):
        assert word not in raw


def test_defaults_are_filled_in_and_what_was_given_stays() -> None:
    given = dict(TEXT_TO_IMAGE)
    found = checking.step_input("textToImage", given, at="input")
    assert found.problems == {} and found.ignored == []
    assert (found.value["width"], found.value["steps"], found.value["quantity"]) == (512, 30, 1)
    assert given == TEXT_TO_IMAGE


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({"width": 63}, "width", "at least 64"),
        ({"width": "wide"}, "width", "whole number"),
        ({"steps": 151}, "steps", "at most 150"),
        ({"prompt": 7}, "prompt", "text"),
        ({"model": "not an air"}, "model", "AIR"),
        ({"seed": 2**33}, "seed", "at most"),
        ({"outputFormat": "bmp"}, "outputFormat", "not one of"),
        ({"additionalNetworks": {"urn:air:sd1:lora:civitai:1@2": {"strength": "x"}}},
         "additionalNetworks.urn:air:sd1:lora:civitai:1@2.strength", "number"),
        ({"controlNets": [{}, 7]}, "controlNets[1]", "object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(change: dict[str, Any], path: str, said: str) -> None:
    found = problems("textToImage", TEXT_TO_IMAGE | change)
    assert said in found[f"steps[0].input.{path}"]


def test_a_missing_field_is_named_itself() -> None:
    assert problems("echo", {}) == {"steps[0].input.message": "This field is required."}
    assert problems("echo", "hello") == {"steps[0].input": "Must be an object."}


def test_what_is_read_only_is_not_asked_for() -> None:
    found = checking.step_input("preprocessImage", {"kind": "canny", "image": "data:,x"}, at="input")
    assert found.problems == {} and found.value["highThreshold"] == 200


def test_a_message_never_repeats_a_whole_picture() -> None:
    found = problems("textToImage", TEXT_TO_IMAGE | {"model": "x" * 100_000})
    assert len(found["steps[0].input.model"]) < 200


def test_references_may_stand_for_any_value() -> None:
    reference = {"$ref": "hero", "path": "output.images[0].url"}
    assert problems("textToImage", {"prompt": reference, "seed": reference, "width": reference}) == {}
    assert problems("imageUpscaler", {"image": reference}) == {}
    assert problems("imageUpload", reference) == {}
    # Of a form that is no reference, it is an object where text belongs.
    assert problems("imageUpscaler", {"image": {"$ref": "hero", "colour": 1}})


def test_a_choice_is_checked_by_the_schema_it_chooses() -> None:
    assert "not one of" in problems("imageGen", {"engine": "nobody", "prompt": "x"})["steps[0].input.engine"]
    assert "required" in problems("imageGen", {"prompt": "x"})["steps[0].input.engine"]
    klein = {"engine": "flux2", "model": "klein", "operation": "createImage", "prompt": "x"}
    found = checking.step_input("imageGen", klein, at="input")
    assert found.problems == {} and found.value["modelVersion"] == "4b"
    assert "at most 50" in problems("imageGen", klein | {"steps": 51})["steps[0].input.steps"]


def test_a_later_choice_that_is_left_out_is_made() -> None:
    found = checking.step_input(
        "imageGen", {"engine": "grok", "operation": "createImage", "prompt": "x"}, at=""
    )
    assert found.problems == {} and found.value["version"] == "v1.0"


def test_what_clients_do_is_accepted() -> None:
    """Null for what is optional, another case of a name, text where parts of text may be, a field of another version."""
    assert problems("textToImage", TEXT_TO_IMAGE | {"controlNets": None, "sourceImage": None}) == {}
    found = checking.step_input(
        "textToImage", TEXT_TO_IMAGE | {"outputFormat": "JPEG", "sparkle": 1}, at="input"
    )
    assert found.value["outputFormat"] == "jpeg" and found.ignored == ["input.sparkle"]
    assert "sparkle" not in found.value
    assert (
        problems("chatCompletion", {"model": "m", "messages": [{"role": "user", "content": "hello"}]}) == {}
    )


def test_a_whole_workflow_is_checked_at_once() -> None:
    found = checking.body(
        "WorkflowTemplate",
        {
            "steps": [
                {"$type": "echo", "input": {"message": "hi"}, "timeout": "00:05:00"},
                {"$type": "wash", "input": {}},
                {"$type": "echo", "input": {}, "timeout": "soon", "priority": "urgent"},
                {"input": {"message": "hi"}},
            ],
            "tips": {"civitai": 3, "creators": 0},
            "externalId": "no spaces please",
        },
    )
    assert set(found.problems) == {
        "steps[1].$type", "steps[2].input.message", "steps[2].timeout", "steps[2].priority", "steps[3].$type",
        "tips.civitai", "externalId",
    }  # fmt: skip


def test_a_repeated_step_is_checked_where_it_stands() -> None:
    loop = {"$ref": "$arguments", "path": "words", "as": "word"}
    step = {"$type": "echo", "input": {"message": {"$ref": "word"}}}
    assert problems("repeat", {"for": loop, "template": step}) == {}
    assert (
        "required"
        in problems("repeat", {"for": loop, "template": step | {"input": {}}})[
            "steps[0].input.template.input.message"
        ]
    )


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("00:05:00", 300), ("1.00:00:00", 86400), ("01:30", 5400), ("PT10M", 600), ("00:00:01.5", 1.5), ("7", None),
     ("25:00:00", None), ("", None), ("P", None), ("-", None), ("2.", None), ("1.12:00", 129600),
     ("00:00:05:00", 300), ("01:00:00:00", 86400), ("1:2:3:4:5", None)],
)  # fmt: skip
def test_time_spans(span: str, seconds: float | None) -> None:
    assert checking.seconds_of(span) == seconds


def test_problems_end_somewhere() -> None:
    found = checking.body("WorkflowTemplate", {"steps": [{"$type": "echo", "input": {}}] * 1000})
    assert len(found.problems) == checking.MOST_PROBLEMS


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (json.loads("[" * 70 + "]" * 70), "too_deep"),
        ([[0] * 1000] * 300, "too_many_values"),
        ({"a": ["x\x00"]}, "bad_text"),
        ({"a\x00": 1}, "bad_text"),
    ],
)
def test_what_is_too_much_is_refused_before_it_is_looked_at(value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        bounded(value)
    assert refused.value.code == code


def test_the_compact_form_is_what_the_tool_makes(tmp_path: Path) -> None:
    """Made of a small document with everything in it that the tool treats in its own way."""
    document = {
        "paths": {
            "/v2/consumer/recipes/echo": {"post": {
                "operationId": "InvokeEcho", "tags": ["Recipes"], "summary": "prose",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
                "responses": {"200": {"description": "prose", "content": {"application/json": {"schema": {}}}}},
            }},
        },
        "components": {"schemas": {
            "In": {"type": "object", "description": "prose", "required": ["a"], "additionalProperties": False,
                   "properties": {"a": {"type": "string", "example": "prose"}, "b": {"type": "null"}}},
            "Base": {"type": "object", "properties": {"kind": {"type": "string"}}, "additionalProperties": False},
            "More": {"allOf": [{"$ref": "#/components/schemas/Base"},
                               {"type": "object", "properties": {"c": {"$ref": "#/components/schemas/In"}}}]},
            "WorkflowStep": {"type": "object", "discriminator": {"propertyName": "$type", "mapping": {}}},
            "WorkflowStepTemplate": {"type": "object", "discriminator": {"propertyName": "$type", "mapping": {}}},
        }},
    }  # fmt: skip
    source, target = tmp_path / "api.json", tmp_path / "made.json"
    source.write_text(json.dumps(document))
    code = (
        "import sys, runpy, pathlib; tool = runpy.run_path('tools/orchestration_schemas.py');"
        f"tool['main'].__globals__['TARGET'] = pathlib.Path({str(target)!r});"
        f"tool['main'](pathlib.Path({str(source)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    made = json.loads(target.read_text())
    assert "prose" not in target.read_text()
    assert made["steps"]["echo"] == {"recipe": True, "input": {"$ref": "In"}, "output": {}}
    assert made["schemas"]["More"] == {
        "type": "object", "additionalProperties": False,
        "properties": {"kind": {"type": "string"}, "c": {"$ref": "In"}},
    }  # fmt: skip
    assert made["schemas"]["In"]["properties"]["b"] == {}
