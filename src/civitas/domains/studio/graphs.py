"""ComfyUI workflows of the catalogue as forms: what of a graph can be filled in, and the graph with it filled in."""

from __future__ import annotations

import io
import secrets
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson

from civitas.domains.studio import editor_graphs
from civitas.domains.studio.editor_graphs import Graph
from civitas.kit.errors import Invalid

TYPES: Final = frozenset({"Workflows", "ComfyWorkflows"})
LARGEST: Final = 4 * 2**20
MOST_NODES: Final = 400
MOST_FIELDS: Final = 120
LONGEST_TEXT: Final = 6_000

Kind = Literal["text", "line", "whole", "number", "flag", "seed", "picture", "model"]
# Which kind of model an input names, by the input.
MODELS: Final[Mapping[str, str]] = {
    "ckpt_name": "Checkpoint",
    "lora_name": "LORA",
    "vae_name": "VAE",
    "control_net_name": "Controlnet",
    "model_name": "Upscaler",
    "unet_name": "Checkpoint",
}
_SEEDS: Final = frozenset({"seed", "noise_seed"})
_TEXTS: Final = frozenset({"text", "prompt", "positive_prompt", "negative_prompt", "text_g", "text_l"})
_PICTURES: Final = frozenset({"image", "mask"})
_LOADS: Final = ("LoadImage", "LoadImageMask")
# What people seldom change, and what is the server's own business.
_LEFT_OUT: Final = frozenset({"filename_prefix", "channel", "upload", "weight_dtype"})
_FIRST: Final[Sequence[Kind]] = ("text", "picture", "model", "seed")
_PLAIN: Final[Mapping[str, str]] = {
    "ckpt_name": "Model",
    "unet_name": "Model",
    "lora_name": "LoRA",
    "vae_name": "VAE",
    "control_net_name": "ControlNet",
    "model_name": "Upscaler",
    "seed": "Seed",
    "noise_seed": "Seed",
    "image": "Picture",
    "mask": "Mask",
}
_MOST_SEED: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One input of one node that can be filled in; `6.text` in the form."""

    # The node's own, which may have points in it, as its inputs may.
    number: str
    input: str
    label: str
    node: str
    kind: Kind
    value: Any
    # For `model`: which type of the catalogue.
    model_type: str | None = None

    @property
    def name(self) -> str:
        """What it is called in a form: no two are called alike."""
        return f"{self.number}.{self.input}"

    @property
    def first(self) -> bool:
        """Whether it is among what nearly everybody fills in."""
        return self.kind in _FIRST


def read(data: bytes) -> Graph:
    """The graph in a file: JSON in either of ComfyUI's formats, or a zip with one such file. Raises Invalid (`no_graph`)."""
    if len(data) > LARGEST:
        raise _no("it is too large")
    if data[:2] == b"PK":
        data = _unpacked(data)
    try:
        given: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _no("its file is no JSON") from None
    if isinstance(given, dict) and isinstance(given.get("nodes"), list):
        graph = editor_graphs.to_api(given)
    else:
        graph = _api(given)
    if len(graph) > MOST_NODES:
        raise _no(f"it has {len(graph)} nodes; {MOST_NODES} is the most")
    return graph


def _unpacked(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [
                one
                for one in archive.infolist()
                if one.filename.lower().endswith(".json") and one.file_size <= LARGEST
            ]
            if not found:
                raise _no("its archive has no JSON file in it")
            with archive.open(min(found, key=lambda one: one.filename)) as opened:
                return opened.read(LARGEST)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise _no("its archive cannot be opened") from None


def _api(given: Any) -> Graph:
    if isinstance(given, dict) and isinstance(given.get("prompt"), dict):
        given = given["prompt"]
    if not isinstance(given, dict) or not given:
        raise _no("its file is no graph")
    graph: Graph = {}
    for number, node in given.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise _no("its file is no graph in the API format")
        inputs = node.get("inputs") or {}
        if not isinstance(inputs, dict):
            raise _no("its file is no graph in the API format")
        meta = node.get("_meta")
        graph[str(number)] = {
            "class_type": node["class_type"],
            "inputs": dict(inputs),
            "_meta": meta if isinstance(meta, dict) else {},
        }
    return graph


def fields(graph: Graph) -> tuple[Field, ...]:
    """What can be filled in, what nearly everybody does first; the order of the graph otherwise."""
    found = _told_apart(list(_fields(graph))[:MOST_FIELDS])
    return tuple(sorted(found, key=lambda one: _FIRST.index(one.kind) if one.first else len(_FIRST)))


def _told_apart(found: Sequence[Field]) -> list[Field]:
    """Fields that would be called the same get numbers."""
    often, seen = Counter(field.label for field in found), Counter[str]()
    made = []
    for field in found:
        seen[field.label] += 1
        several = often[field.label] > 1
        made.append(replace(field, label=f"{field.label} {seen[field.label]}") if several else field)
    return made


def _fields(graph: Graph) -> Iterator[Field]:
    negative = {
        str(value[0])
        for node in graph.values()
        for name, value in node["inputs"].items()
        if name == "negative" and isinstance(value, list) and value
    }
    for number, node in graph.items():
        title = str(node["_meta"].get("title") or node["class_type"])[:80]
        for name, value in node["inputs"].items():
            kind = _kind(node["class_type"], name, value)
            if kind is None or name in _LEFT_OUT:
                continue
            label = _label(node["class_type"], title, name, kind, unwanted=number in negative)
            yield Field(number, name, label, title, kind, value, MODELS.get(name))


def _label(node: str, title: str, name: str, kind: Kind, *, unwanted: bool) -> str:
    """What a field is called: in words where the node's title is only its class, by title where somebody gave one."""
    words = name.replace("_", " ")
    if kind == "text":
        return "What not to see" if unwanted else "What to see" if title == node else title
    plain = _PLAIN.get(name)
    if title == node and plain is not None:
        return plain
    return f"{title}: {plain.lower() if plain and kind != 'model' else plain or words}"


def _kind(node: str, name: str, value: Any) -> Kind | None:
    match value:
        case bool():
            return "flag"
        case int() if name in _SEEDS:
            return "seed"
        case int():
            return "whole"
        case float():
            return "number"
        case str() if node in _LOADS and name in _PICTURES:
            return "picture"
        case str() if name in MODELS:
            return "model"
        case str():
            return "text" if name in _TEXTS or "\n" in value else "line"
    return None


def filled(graph: Graph, given: Mapping[str, Any], *, models: Mapping[str, str]) -> Graph:
    """The graph with what was given, by the names of its fields; what is left out stays as it is in the file.

    A seed that is empty is drawn. `models` has the AIR for each model field that was chosen. Raises Invalid (`bad_fields`)
    with a sentence for each field that is wrong, and for a picture that is missing.
    """
    known = {field.name: field for field in fields(graph)}
    made: Graph = {number: {**node, "inputs": dict(node["inputs"])} for number, node in graph.items()}
    wrong = {name: "The workflow has no such field." for name in given if name not in known}
    for name, field in known.items():
        try:
            made[field.number]["inputs"][field.input] = _value(field, given.get(name), models)
        except ValueError as error:
            wrong[name] = str(error)
    if wrong:
        raise Invalid("Please check these fields.", code="bad_fields", fields=wrong)
    return made


def _value(field: Field, given: Any, models: Mapping[str, str]) -> Any:
    """What a field becomes. Raises ValueError with the sentence beside it."""
    if field.kind == "picture":
        if not isinstance(given, str) or not given.strip():
            raise ValueError("Choose a picture.")
        return given.strip()[:4_000]
    if field.kind == "model":
        return models.get(field.name, field.value)
    if field.kind == "seed":
        return secrets.randbelow(_MOST_SEED) if given in (None, "") else _whole(given)
    if given is None or (given == "" and field.kind not in ("text", "line")):
        return field.value
    if field.kind == "flag":
        return given in (True, "true", "on", "1")
    if field.kind == "whole":
        return _whole(given)
    if field.kind == "number":
        return _number(given)
    text = str(given)
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"At most {LONGEST_TEXT:,} characters.")
    return text


def _whole(given: Any) -> int:
    text = str(given).strip()
    if isinstance(given, bool) or not text.lstrip("-").isdecimal() or not text.isascii() or len(text) > 19:
        raise ValueError("A whole number, please.")
    return int(text)


def _number(given: Any) -> float:
    try:
        number = float(str(given).replace(",", "."))
    except ValueError:
        number = float("nan")
    if isinstance(given, bool) or not abs(number) < 1e9:
        raise ValueError("A number, please.")
    return number


def _no(why: str) -> Invalid:
    return Invalid(f"This workflow cannot be run here: {why}.", code="no_graph")
