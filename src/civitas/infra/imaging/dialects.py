"""Recipes that writers other than A1111 and ComfyUI put beside a picture, in Civitai's `meta` fields. Pure, bounded.

Fooocus, RuinedFooocus, SwarmUI, InvokeAI of three generations, NovelAI, Easy Diffusion. A field that cannot be read is
told as a fault and never loses the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from civitas.kit.generation_text import MAX_RESOURCES, load_json, resources_of

Faults = list[str]
_NUMBERS: Final = frozenset({"steps", "seed", "cfgScale", "width", "height", "clipSkip", "denoise"})
_WHOLE: Final = _NUMBERS - {"cfgScale", "denoise"}
_PAIR: Final = re.compile(r"\(?\s*(\d{1,6})\s*[,xX]\s*(\d{1,6})\s*\)?")
_WEIGHTED: Final = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,6})?)\s*-\s*(.{1,300})")
_DREAM: Final = re.compile(r"\s-(-?[A-Za-z_]{1,20})[ =]?([^\s\"]{1,60})")
_DREAM_NAMES: Final = {
    "s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfgScale", "A": "sampler", "f": "denoise",
}  # fmt: skip


def fooocus(data: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """`parameters` as JSON with `fooocus_scheme`."""
    meta = _named(
        data,
        {
            "prompt": "prompt", "negative_prompt": "negativePrompt", "steps": "steps", "guidance_scale": "cfgScale",
            "sampler": "sampler", "scheduler": "scheduler", "seed": "seed", "base_model": "Model",
            "base_model_hash": "Model hash", "clip_skip": "clipSkip", "version": "Version", "vae": "VAE",
        },
        faults,
    )  # fmt: skip
    _resolution(meta, data.get("resolution"), faults)
    _stem_model(meta)
    loras = []
    for entry in _list(data.get("loras")):
        if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[0], str):
            digest = entry[2] if len(entry) > 2 and isinstance(entry[2], str) else None
            loras.append(_lora(entry[0], entry[1], digest))
    return _with_resources(meta, loras)


def ruined(data: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """`parameters` as JSON with `"software": "RuinedFooocus"`."""
    meta = _named(
        data,
        {
            "Prompt": "prompt", "Negative": "negativePrompt", "steps": "steps", "cfg": "cfgScale", "seed": "seed",
            "sampler_name": "sampler", "scheduler": "scheduler", "width": "width", "height": "height",
            "denoise": "denoise", "clip_skip": "clipSkip", "base_model_name": "Model",
            "base_model_hash": "Model hash",
        },
        faults,
    )  # fmt: skip
    _stem_model(meta)
    loras = []
    for entry in _list(data.get("loras")):
        pair = entry if isinstance(entry, list) else [None, entry]
        match = _WEIGHTED.fullmatch(str(pair[-1]).strip()) if pair else None
        if match:
            loras.append(_lora(match[2], float(match[1]), pair[0] if len(pair) > 1 else None))
    return _with_resources(meta, loras)


def swarm(data: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """`sui_image_params`, with the hashes of `sui_models`."""
    told = data["sui_image_params"]
    meta = _named(
        told,
        {
            "prompt": "prompt", "negativeprompt": "negativePrompt", "steps": "steps", "cfgscale": "cfgScale",
            "seed": "seed", "sampler": "sampler", "scheduler": "scheduler", "model": "Model", "width": "width",
            "height": "height", "swarm_version": "Version", "clipstopatlayer": "clipSkip",
            "initimagecreativity": "denoise",
        },
        faults,
    )  # fmt: skip
    if isinstance(meta.get("clipSkip"), int):
        meta["clipSkip"] = abs(meta["clipSkip"])
    weights = _list(told.get("loraweights"))
    loras = [
        _lora(name, weights[place] if place < len(weights) else 1, None)
        for place, name in enumerate(_list(told.get("loras")))
        if isinstance(name, str)
    ]
    for entry in _list(data.get("sui_models")):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("hash"), str):
            continue
        name, digest = str(entry.get("name") or ""), entry["hash"].removeprefix("0x")[:64]
        if entry.get("param") == "model":
            meta["Model hash"] = digest
        for lora in loras:
            if lora["name"] == stem(name):
                lora["hash"] = digest
    return _with_resources(meta, loras)


def invoke(data: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """`invokeai_metadata`, version 3 and later."""
    meta = _named(
        data,
        {
            "positive_prompt": "prompt", "negative_prompt": "negativePrompt", "steps": "steps", "cfg_scale": "cfgScale",
            "seed": "seed", "scheduler": "sampler", "width": "width", "height": "height", "strength": "denoise",
            "clip_skip": "clipSkip", "app_version": "Version",
        },
        faults,
    )  # fmt: skip
    if not meta.get("clipSkip"):
        meta.pop("clipSkip", None)
    model = data.get("model")
    if isinstance(model, Mapping):
        _set(meta, "Model", model.get("name") or model.get("model_name"))
        _set(meta, "Model hash", _digest(model.get("hash")))
    loras = []
    for entry in _list(data.get("loras")):
        if isinstance(entry, Mapping):
            named = entry.get("model") or entry.get("lora")
            named = named if isinstance(named, Mapping) else {}
            name = named.get("name") or named.get("model_name")
            if isinstance(name, str):
                loras.append(_lora(name, entry.get("weight", 1), _digest(named.get("hash"))))
    return _with_resources(meta, loras)


def invoke_two(data: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """`sd-metadata` of InvokeAI 2."""
    image = data.get("image")
    image = image if isinstance(image, Mapping) else {}
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        parts = [part.get("prompt") for part in prompt if isinstance(part, Mapping)]
        image = {**image, "prompt": ", ".join(part for part in parts if isinstance(part, str))}
    meta = _named(
        image,
        {
            "prompt": "prompt", "steps": "steps", "cfg_scale": "cfgScale", "seed": "seed", "sampler": "sampler",
            "width": "width", "height": "height", "strength": "denoise",
        },
        faults,
    )  # fmt: skip
    _split_negative(meta)
    _set(meta, "Model", data.get("model_weights"))
    _set(meta, "Model hash", data.get("model_hash"))
    _set(meta, "Version", data.get("app_version"))
    return _with_resources(meta, [])


def dream(text: str, faults: Faults) -> dict[str, Any]:
    """`Dream` of InvokeAI 1: a quoted prompt, then switches."""
    text = text.strip()[: 64 * 1024]
    end = text.rfind('"')
    prompt, rest = (text[1:end], text[end + 1 :]) if text.startswith('"') and end > 0 else (text, "")
    told = {_DREAM_NAMES[m[1]]: m[2] for m in _DREAM.finditer(" " + rest) if m[1] in _DREAM_NAMES}
    meta = _named({"prompt": prompt, **told}, {name: name for name in ("prompt", *told)}, faults)
    _split_negative(meta)
    return _with_resources(meta, [])


def novel(text: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    """NovelAI's Description, Source and Comment, prompts of version 4 and their characters included."""
    data = mapping(text.get("Comment", ""))
    if not data and text.get("Comment"):
        faults.append("NovelAI's comment is not JSON.")
    meta = _named(
        data,
        {
            "prompt": "prompt", "uc": "negativePrompt", "steps": "steps", "scale": "cfgScale", "seed": "seed",
            "sampler": "sampler", "noise_schedule": "scheduler", "width": "width", "height": "height",
            "strength": "denoise",
        },
        faults,
    )  # fmt: skip
    _set(meta, "prompt", _captions(data.get("v4_prompt")) or meta.get("prompt") or text.get("Description"))
    _set(meta, "negativePrompt", _captions(data.get("v4_negative_prompt")) or meta.get("negativePrompt"))
    _set(meta, "Version", text.get("Software"))
    source = text.get("Source", "")
    name, _, digest = source.rpartition(" ")
    if name and re.fullmatch(r"[0-9A-F]{8}", digest):
        meta["Model"], meta["Model hash"] = name, digest
    elif source:
        meta["Model"] = source[:300]
    return _with_resources(meta, [])


def easy(text: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    """Easy Diffusion's own text chunks."""
    meta = _named(
        text,
        {
            "prompt": "prompt", "negative_prompt": "negativePrompt", "num_inference_steps": "steps",
            "guidance_scale": "cfgScale", "seed": "seed", "sampler_name": "sampler", "width": "width",
            "height": "height", "use_stable_diffusion_model": "Model", "clip_skip": "clipSkip",
            "prompt_strength": "denoise",
        },
        faults,
    )  # fmt: skip
    if not isinstance(meta.get("clipSkip"), int):
        meta.pop("clipSkip", None)
    _stem_model(meta)
    return _with_resources(meta, [])


def mapping(text: str) -> dict[str, Any]:
    """A JSON object of strangers; `{}` for everything else."""
    text = text.strip().rstrip("\0")
    if not text.startswith("{"):
        return {}
    try:
        value = load_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def stem(path: str) -> str:
    """The name of a model's file without folder and ending."""
    name = PurePosixPath(path.replace("\\", "/")).name[:300]
    return re.sub(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$", "", name, flags=re.IGNORECASE)


def _named(data: Mapping[str, Any], names: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    for name, field in names.items():
        value = data.get(name)
        if value is None or value == "":
            continue
        if field in _NUMBERS:
            number = _number(value, whole=field in _WHOLE)
            if number is None:
                faults.append(f"{name}: {str(value)[:60]!r} is not a number.")
            else:
                meta[field] = number
        elif isinstance(value, str):
            meta[field] = value.strip()
        else:
            faults.append(f"{name}: a text was expected.")
    if isinstance(meta.get("width"), int) and isinstance(meta.get("height"), int):
        meta["Size"] = f"{meta['width']}x{meta['height']}"
    return meta


def _number(value: Any, *, whole: bool) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?\d{1,20}(\.\d{1,20})?\s*", value):
            return None
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float):
        return None
    return int(value) if whole and value == int(value) else None if whole else value


def _resolution(meta: dict[str, Any], value: Any, faults: Faults) -> None:
    if value is None:
        return
    match = _PAIR.fullmatch(str(value)[:40].strip())
    if match is None:
        faults.append(f"resolution: {str(value)[:40]!r} is not a size.")
        return
    meta["width"], meta["height"] = int(match[1]), int(match[2])
    meta["Size"] = f"{meta['width']}x{meta['height']}"


def _captions(value: Any) -> str:
    caption = value.get("caption") if isinstance(value, Mapping) else None
    if not isinstance(caption, Mapping):
        return ""
    parts = [caption.get("base_caption")]
    parts += [
        one.get("char_caption") for one in _list(caption.get("char_captions")) if isinstance(one, Mapping)
    ]
    return "\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _split_negative(meta: dict[str, Any]) -> None:
    """`a cat [a dog]`: the last bracket is what shall not be seen."""
    prompt = meta.get("prompt")
    if isinstance(prompt, str) and prompt.endswith("]") and (at := prompt.rfind("[")) > 0:
        meta["negativePrompt"] = prompt[at + 1 : -1].strip()
        meta["prompt"] = prompt[:at].strip()


def _lora(name: str, weight: Any, digest: Any) -> dict[str, Any]:
    number = _number(weight, whole=False)
    made: dict[str, Any] = {"type": "lora", "name": stem(name), "weight": 1 if number is None else number}
    if isinstance(digest, str) and digest:
        made["hash"] = digest[:64]
    return made


def _with_resources(meta: dict[str, Any], loras: Iterable[dict[str, Any]]) -> dict[str, Any]:
    meta = {key: value for key, value in meta.items() if value not in (None, "")}
    known = resources_of(meta)
    names = {one.get("name") for one in known if one.get("type") == "lora"}
    resources = [*known, *(lora for lora in loras if lora["name"] not in names)][:MAX_RESOURCES]
    return meta | ({"resources": resources} if resources else {})


def _stem_model(meta: dict[str, Any]) -> None:
    for field in ("Model", "VAE"):
        if isinstance(meta.get(field), str):
            meta[field] = stem(meta[field])


def _digest(value: Any) -> str | None:
    return value.rpartition(":")[2][:64] if isinstance(value, str) and value else None


def _set(meta: dict[str, Any], field: str, value: Any) -> None:
    if isinstance(value, str) and value.strip():
        meta[field] = value.strip()


def _list(value: Any) -> list[Any]:
    return value[:MAX_RESOURCES] if isinstance(value, list) else []


JSON_DIALECTS: Final[
    tuple[tuple[str, Callable[[Mapping[str, Any]], bool], Callable[..., dict[str, Any]]], ...]
] = (
    ("swarmui", lambda data: isinstance(data.get("sui_image_params"), Mapping), swarm),
    ("ruinedfooocus", lambda data: data.get("software") == "RuinedFooocus", ruined),
    ("fooocus", lambda data: "base_model" in data and "resolution" in data, fooocus),
)
"""What a `parameters` text can be that is JSON: name, how it is recognised, its reader."""
