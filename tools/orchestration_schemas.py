"""Make the compact form of the Orchestration API's schemas that the package carries.

    python tools/orchestration_schemas.py orchestration-api.openapi.json

Only facts are kept: names, types, limits, enumerations, discriminators, defaults, and which operation takes and gives
what. Descriptions, examples and titles are left out. What the file looks like is said in `domains.orchestration.schemas`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/civitas/domains/orchestration/schemas/interface.json"
KEPT = (
    "type", "enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "uniqueItems", "default",
)  # fmt: skip
AIR = "(?<ecosystem>"
# A node of ComfyUI comes as ComfyUI itself exports it (`class_type`, `_meta`), which the document's own example does
# and its schema does not; the engine looks at it.
OPEN = {"ComfyNode": {"type": "object"}}
# What clients and the documentation do and the schemas do not say: the text of a message alone instead of a list of
# parts, and models that an engine brings with it left out. `preprocessorType` is read-only, and so never sent.
MESSAGES = ("UserMessage", "SystemMessage", "AssistantMessage", "ToolMessage")
BROUGHT = ("clipLModel", "t5XXLModel", "vaeModel", "preprocessorType")
RECIPES = "/v2/consumer/recipes/"

Schema = dict[str, Any]


def main(source: Path) -> None:
    """Read the OpenAPI document and write the compact form beside the code that reads it."""
    document = json.loads(source.read_text())
    named = document["components"]["schemas"]
    steps = step_types(document)
    # Steps and their templates differ in input and output alone, which `steps` has.
    derived = {
        name_of(reference)
        for base in ("WorkflowStep", "WorkflowStepTemplate")
        for reference in named[base]["discriminator"]["mapping"].values()
    }
    compact = {
        "steps": steps,
        "schemas": {
            name: OPEN.get(name) or eased(name, schema_of(flat(schema, named)))
            for name, schema in sorted(named.items())
            if name not in derived
        },
        "operations": operations(document),
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(written(compact))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, {len(steps)} step types")


def written(compact: dict[str, Any]) -> str:
    """One line for each schema, so that a difference between two versions can be read."""
    parts = []
    for section, content in compact.items():
        if isinstance(content, dict):
            lines = [f"{json.dumps(name)}: {plain(one)}" for name, one in content.items()]
            parts.append(f'"{section}": {{\n' + ",\n".join(lines) + "\n}")
        else:
            parts.append(f'"{section}": [\n' + ",\n".join(plain(one) for one in content) + "\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def plain(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def name_of(reference: str) -> str:
    """`Workflow` of `#/components/schemas/Workflow`."""
    return reference.rsplit("/", 1)[1]


def flat(schema: Schema, named: dict[str, Schema]) -> Schema:
    """One object instead of a chain of `allOf`, each link of which would refuse the others' properties."""
    if "allOf" not in schema:
        return schema
    merged: Schema = {"type": "object", "properties": {}, "required": []}
    for part in schema["allOf"]:
        if "$ref" in part:
            one = {k: v for k, v in flat(named[name_of(part["$ref"])], named).items() if k != "discriminator"}
        else:
            one = flat(part, named)
        merged["properties"] |= one.get("properties", {})
        merged["required"] += [name for name in one.get("required", ()) if name not in merged["required"]]
        merged |= {k: v for k, v in one.items() if k in ("discriminator", "additionalProperties")}
    return merged


def eased(name: str, schema: Schema) -> Schema:
    """The schema, with what clients do beside it allowed."""
    if name in MESSAGES and schema["properties"]["content"].get("type") == "array":
        schema["properties"]["content"]["type"] = ["string", "array"]
    if "required" in schema:
        schema["required"] = [one for one in schema["required"] if one not in BROUGHT]
    return schema


def schema_of(schema: Schema) -> Schema:
    """A schema without what people read."""
    if "$ref" in schema:
        return {"$ref": name_of(schema["$ref"])}
    if schema.get("type") == "null" or "anyOf" in schema or "oneOf" in schema:
        # How the document's generator writes "anything": alone, or with alternatives for a patch's value and for a
        # ComfyUI node's inputs (whose links are `["4", 0]` in its example though the schema wants two numbers).
        return {}
    told = schema.get("discriminator")
    if told is not None and told["propertyName"] != "$type":
        # What it points at says everything; a closed base would refuse it.
        mapping = {value: name_of(reference) for value, reference in told["mapping"].items()}
        return {"discriminator": {"propertyName": told["propertyName"], "mapping": mapping}}
    made: Schema = {key: schema[key] for key in KEPT if key in schema}
    if AIR in made.get("pattern", ""):
        del made["pattern"]
        made["format"] = "air"
    if "items" in schema:
        made["items"] = schema_of(schema["items"])
    if schema.get("properties"):
        made["properties"] = {name: schema_of(one) for name, one in schema["properties"].items()}
        if schema.get("required"):
            made["required"] = sorted(schema["required"])
    if schema.get("type") == "object" and "additionalProperties" in schema:
        more = schema["additionalProperties"]
        made["additionalProperties"] = more if isinstance(more, bool) else schema_of(more) or True
    return made


def step_types(document: dict[str, Any]) -> dict[str, Any]:
    """What every kind of step takes and gives: those of workflows, and those that only a recipe names."""
    named = document["components"]["schemas"]
    found: dict[str, Any] = {}
    for kind, reference in named["WorkflowStepTemplate"]["discriminator"]["mapping"].items():
        template = flat(named[name_of(reference)], named)
        step = flat(named[name_of(named["WorkflowStep"]["discriminator"]["mapping"][kind])], named)
        found[kind] = {
            "input": schema_of(template["properties"]["input"]),
            "output": schema_of(step["properties"].get("output", {})),
            "recipe": False,
        }
    for path, item in document["paths"].items():
        if not path.startswith(RECIPES):
            continue
        operation = item["post"]
        kind = path.removeprefix(RECIPES)
        made = found.setdefault(kind, {"recipe": True})
        made["recipe"] = True
        made.setdefault("input", schema_of(content_of(operation["requestBody"])))
        made.setdefault("output", schema_of(content_of(operation["responses"]["200"])))
    return dict(sorted(found.items()))


def content_of(told: dict[str, Any]) -> Schema:
    """The schema of a body or an answer."""
    content: dict[str, Any] = told.get("content", {})
    chosen = content.get("application/json") or content.get("application/json-patch+json") or {}
    schema: Schema = chosen.get("schema", {})
    return schema


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every path and method with its parameters, body and answers."""
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            found.append({
                "method": method.upper(),
                "path": path,
                "id": operation["operationId"],
                "tag": operation["tags"][0],
                "parameters": [
                    {"name": one["name"], "in": one["in"], "required": one.get("required", False),
                     "schema": schema_of(one["schema"])}
                    for one in operation.get("parameters", ())
                ],
                "body": schema_of(content_of(operation.get("requestBody", {}))),
                "answers": {
                    status: schema_of(content_of(told)) for status, told in operation["responses"].items()
                },
            })  # fmt: skip
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
