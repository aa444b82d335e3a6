"""From the input of a `textToImage` or `imageGen` job to what is to be drawn, and to the recipe inside its pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from civitas.contracts.wire.jobs import Job
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.comfy import samplers
from civitas.engines.comfy.graphs import Control, Drawing
from civitas.engines.comfy.models import Placed
from civitas.kit.generation_text import write_parameters

# Latents are eighths of a picture.
STEP: Final = 8
FORMATS: Final[Mapping[str, str]] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
_ADAPTERS: Final = frozenset({"LORA", "LoCon", "DoRA"})
_VERSION: Final = re.compile(r"@(\d{1,18})")


def drawing_of(job: Job, desk: Desk, placed: Mapping[str, Placed]) -> Drawing:
    """What to draw; pictures are still `media:N`. Raises JobFailed without a checkpoint, JobRejected for lacks of ours."""
    given = job.input
    networks = _networks(given)
    loras = [(placed[air], weight) for air, weight in networks.items() if _type(placed, air) in _ADAPTERS]
    prompt, negative = _words(given, networks, placed, desk)
    source, denoise = _source(given)
    count, seed = max(1, int(given.get("batchSize") or 1)), int(given.get("seed") or 0)
    choice = _choice(job)
    for notice in choice.notices:
        desk.warn(notice)
    cfg = given.get("cfgScale")
    return Drawing(
        _checkpoint(given, placed),
        prompt,
        [seed + place for place in range(count)],
        choice,
        negative=negative,
        width=_side(given, "width", desk),
        height=_side(given, "height", desk),
        steps=int(given.get("steps") or 30),
        cfg=7.0 if cfg is None else float(cfg),
        clip_skip=int(given.get("clipSkip") or 1),
        vae=_vae(given, networks, placed),
        loras=loras,
        source=source,
        denoise=denoise,
        controls=_controls(given, networks, placed),
    )


def _type(placed: Mapping[str, Placed], air: str) -> str:
    if air not in placed:
        raise JobFailed(f"The job does not come with the resource {air:.200}.")
    return placed[air].link.type


def _checkpoint(given: Mapping[str, Any], placed: Mapping[str, Placed]) -> Placed:
    for name in ("model", "diffuserModel"):
        air = given.get(name)
        if isinstance(air, str) and air in placed:
            if placed[air].link.type != "Checkpoint":
                raise JobFailed(f"{placed[air].link.filename:.100} is no checkpoint.")
            return placed[air]
    raise JobFailed("The job does not come with a checkpoint.")


def _networks(given: Mapping[str, Any]) -> dict[str, float]:
    """What is stacked on the checkpoint with its strength, from either form of input."""
    found: dict[str, float] = {}
    for air, said in (given.get("additionalNetworks") or {}).items():
        strength = (said or {}).get("strength")
        found[air] = 1.0 if strength is None else float(strength)
    found |= {air: float(strength) for air, strength in (given.get("loras") or {}).items()}
    return found | {str(air): 1.0 for air in given.get("embeddings") or ()}


def _words(
    given: Mapping[str, Any], networks: Mapping[str, float], placed: Mapping[str, Placed], desk: Desk
) -> tuple[str, str]:
    """Both prompts, with the words of embeddings in ComfyUI's way."""
    texts = [str(given.get("prompt") or ""), str(given.get("negativePrompt") or "")]
    for air in networks:
        one = placed[air]
        if one.link.type == "TextualInversion":
            said = (given.get("additionalNetworks") or {}).get(air) or {}
            words = one.link.trained_words
            trigger = str(said.get("triggerWord") or (words[0] if words else Path(one.link.filename).stem))
            pattern = re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)", re.IGNORECASE)
            if not any(pattern.search(text) for text in texts):
                desk.warn(f"Neither prompt has the word {trigger:.60}, so its embedding was not used.")
            texts = [one.word.join(pattern.split(text)) for text in texts]
        elif one.link.type not in _ADAPTERS | {"VAE", "Controlnet"}:
            desk.warn(
                f"{one.link.filename:.100} is of the type {one.link.type}, which is not used for pictures here."
            )
    return texts[0], texts[1]


def _source(given: Mapping[str, Any]) -> tuple[str | None, float]:
    word = given.get("sourceImage") or given.get("image")
    if not word:
        return None, 1.0
    for name in ("sourceImageDenoiseStrenght", "denoiseStrength", "strength"):
        if given.get(name) is not None:
            return str(word), min(1.0, max(0.0, float(given[name])))
    return str(word), 0.75


def _side(given: Mapping[str, Any], name: str, desk: Desk) -> int:
    asked = int(given.get(name) or 512)
    side = max(STEP * 8, round(asked / STEP) * STEP)
    if side != asked:
        desk.warn(f"The {name} became {side} pixels: {asked} is no multiple of {STEP}.")
    return side


def _vae(
    given: Mapping[str, Any], networks: Mapping[str, float], placed: Mapping[str, Placed]
) -> Placed | None:
    named = given.get("vaeModel")
    if named:
        _type(placed, str(named))
        return placed[str(named)]
    return next((placed[air] for air in networks if placed[air].link.type == "VAE"), None)


def _controls(
    given: Mapping[str, Any], networks: Mapping[str, float], placed: Mapping[str, Placed]
) -> list[Control]:
    entries = given.get("controlNets") or []
    nets = [placed[air] for air in networks if placed[air].link.type == "Controlnet"]
    if entries and not nets:
        raise JobRejected("This agent has no ControlNet of its own; name one among the networks of the job.")
    found = []
    for place, one in enumerate(entries):
        if not one.get("image"):
            raise JobRejected("A ControlNet needs a picture that is already prepared.")
        weight, end = one.get("weight"), one.get("endStep")
        found.append(
            Control(
                nets[min(place, len(nets) - 1)],
                str(one["image"]),
                1.0 if weight is None else float(weight),
                float(one.get("startStep") or 0),
                1.0 if end is None else float(end),
            )
        )
    return found


def _choice(job: Job) -> samplers.Choice:
    """`scheduler` is the sampler in `textToImage`, and the schedule with ComfyUI's words."""
    given = job.input
    if job.step_type == "textToImage":
        return samplers.choose(str(given.get("scheduler") or ""))
    return samplers.choose(
        str(given.get("sampleMethod") or given.get("sampler") or ""),
        str(given.get("schedule") or given.get("scheduler") or ""),
    )


def recipe(job: Job, drawing: Drawing, seed: int) -> str:
    """The A1111 text of one picture, with its models as the site knows them and the prompt as it was written."""
    prompt = str(job.input.get("prompt") or "").strip()
    hashes: dict[str, str] = {}
    resources: list[dict[str, Any]] = []
    used: list[tuple[str, str, Placed, float | None]] = [("checkpoint", "model", drawing.checkpoint, None)]
    if drawing.vae is not None:
        used.append(("vae", "vae", drawing.vae, None))
    for lora, weight in drawing.loras:
        name = Path(lora.link.filename).stem
        used.append(("lora", f"lora:{name}", lora, weight))
        if f"<lora:{name}:" not in prompt:
            prompt = f"{prompt} <lora:{name}:{weight:g}>".strip()
    for kind, key, one, strength in used:
        hashes[key] = one.link.sha256[:10].lower()
        if version := _VERSION.search(one.link.air):
            entry: dict[str, Any] = {"type": kind, "modelVersionId": int(version[1])}
            resources.append(entry | ({} if strength is None else {"weight": strength}))
    meta: dict[str, Any] = {
        "prompt": prompt,
        "negativePrompt": str(job.input.get("negativePrompt") or "").strip(),
        "steps": drawing.steps,
        "sampler": f"{drawing.choice.sampler}_{drawing.choice.schedule}",
        "cfgScale": drawing.cfg,
        "seed": seed,
        "Size": f"{drawing.width}x{drawing.height}",
        "width": drawing.width,
        "height": drawing.height,
        "Model": Path(drawing.checkpoint.link.filename).stem,
        "Model hash": hashes["model"],
        "Version": "ComfyUI",
        "clipSkip": drawing.clip_skip if drawing.clip_skip > 1 else None,
        "denoise": drawing.denoise if drawing.source else None,
        "hashes": hashes,
        "civitaiResources": resources,
        "extra": _extra(job.input.get("imageMetadata")),
    }
    return write_parameters({key: value for key, value in meta.items() if value not in ("", None, {}, [])})


def _extra(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text)) if text else {}
    except ValueError:
        found = {"note": str(text)[:2000]}
    return found if isinstance(found, dict) else {"note": found}
