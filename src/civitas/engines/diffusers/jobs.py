"""From the input of a `textToImage` or `imageGen` job to a request of the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from civitas.contracts.wire.jobs import Job, ResourceLink
from civitas.engines.agent.engine import Desk, JobRejected
from civitas.engines.diffusers.requests import (
    MAX_SEED,
    Control,
    Embedding,
    Encoder,
    Format,
    Hires,
    Lora,
    PictureRequest,
    Weights,
)

_ADAPTERS: Final = frozenset({"LORA", "LoCon", "DoRA"})
_FORMATS: Final[Mapping[str, Format]] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
# As `textToImage`, ComfyUI's and sd.cpp's words have it.
_DENOISE: Final = ("sourceImageDenoiseStrenght", "denoiseStrength", "strength")
# The parts of a checkpoint that a job may bring, by their names in it.
_ENCODERS: Final = {"clipLModel": "clip_l", "clipGModel": "clip_g", "t5XXLModel": "t5xxl"}
_VERSION = re.compile(r"@(\d{1,18})")
# What the schema takes for granted: not a wish, so a model without clip skip owes no notice for it.
USUAL_CLIP_SKIP: Final = 2

Fetch = Callable[[str], Awaitable[Weights]]


async def request_of(job: Job, desk: Desk, *, preview_every: int) -> PictureRequest:
    """The request, with every file at hand. Raises JobFailed for what did not come, JobRejected for what is not done here."""
    given = job.input
    links = {link.air: link for link in job.resources}

    async def fetch(air: str) -> Weights:
        return _weights(await desk.resource(air), links[air], desk.folder)

    networks = _networks(given)
    loras, embeddings, vae, control_net = await _sorted(networks, links, fetch, desk)
    if given.get("vaeModel"):
        vae = await fetch(str(given["vaeModel"]))
    named = str(given.get("model") or given.get("diffuserModel") or "")
    if str(given.get("operation") or "") == "editImage" and given.get("images"):
        raise JobRejected("This agent does not edit pictures by instruction.")
    checkpoint = await fetch(named)
    encoders = [
        _encoder(await fetch(str(given[word])), part) for word, part in _ENCODERS.items() if given.get(word)
    ]
    source, denoise = await _source(given, desk)
    count = max(1, int(given.get("batchSize") or 1))
    seed = int(given.get("seed") or 0)
    clip_skip = int(given.get("clipSkip") or 1)
    if _family(named) == "tessera" and clip_skip == USUAL_CLIP_SKIP:
        clip_skip = 1
    return PictureRequest(
        checkpoint,
        str(given.get("prompt") or ""),
        tuple((seed + i) % (MAX_SEED + 1) for i in range(count)),
        negative=str(given.get("negativePrompt") or ""),
        width=int(given.get("width") or 512),
        height=int(given.get("height") or 512),
        steps=int(given.get("steps") or 30),
        cfg=float(given.get("cfgScale") or 7),
        sampler=str(given.get("sampleMethod") or given.get("sampler") or _sampler(job, given)),
        schedule=_schedule(job, given),
        clip_skip=clip_skip,
        vae=vae,
        encoders=tuple(encoders),
        loras=tuple(loras),
        embeddings=tuple(embeddings),
        source=source,
        denoise=denoise,
        mask=await _mask(given, desk),
        hires=_hires(given),
        control=await _control(given, control_net, desk),
        preview_every=preview_every,
        format=_FORMATS.get(str(given.get("outputFormat") or "").lower(), "jpeg"),
        extra=_extra(given.get("imageMetadata")),
    )


def _encoder(weights: Weights, part: str) -> Encoder:
    return Encoder(weights.path, weights.name, weights.sha256, weights.version_id, part=part)


def _weights(path: Path, link: ResourceLink, folder: Path) -> Weights:
    """The file under its own name: what it ends with says how it is read."""
    named = folder / f"{link.sha256[:16]}{Path(link.filename).suffix.lower()}"
    if not named.exists():
        named.symlink_to(path)
    version = _VERSION.search(link.air)
    return Weights(named, Path(link.filename).stem, link.sha256, int(version[1]) if version else None)


def _networks(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is stacked on the checkpoint, by AIR, from either form of input."""
    found: dict[str, dict[str, Any]] = {
        air: dict(one or {}) for air, one in (given.get("additionalNetworks") or {}).items()
    }
    found |= {air: {"strength": strength} for air, strength in (given.get("loras") or {}).items()}
    found |= {str(air): {} for air in given.get("embeddings") or ()}
    return found


async def _sorted(
    networks: Mapping[str, Mapping[str, Any]], links: Mapping[str, ResourceLink], fetch: Fetch, desk: Desk
) -> tuple[list[Lora], list[Embedding], Weights | None, Weights | None]:
    loras: list[Lora] = []
    embeddings: list[Embedding] = []
    vae = control_net = None
    for air, said in networks.items():
        weights, kind = await fetch(air), links[air].type
        if kind in _ADAPTERS:
            strength = said.get("strength")
            weight = 1.0 if strength is None else float(strength)
            loras.append(Lora(weights.path, weights.name, weights.sha256, weights.version_id, weight=weight))
        elif kind == "TextualInversion":
            words = links[air].trained_words
            token = str(said.get("triggerWord") or (words[0] if words else weights.title))
            embeddings.append(
                Embedding(weights.path, weights.name, weights.sha256, weights.version_id, token=token)
            )
        elif kind == "VAE":
            vae = weights
        elif kind == "Controlnet":
            control_net = weights
        else:
            desk.warn(f"{weights.title} is of the kind {kind}, which is not used for pictures here.")
    return loras, embeddings, vae, control_net


async def _mask(given: Mapping[str, Any], desk: Desk) -> bytes | None:
    word = given.get("maskImage")
    return (await desk.media(word)).read_bytes() if word else None


def _hires(given: Mapping[str, Any]) -> Hires | None:
    """The second pass that the generator's page asks for; the published schema has none."""
    asked = given.get("hires")
    if not isinstance(asked, Mapping):
        return None
    usual = Hires()
    steps = asked.get("steps")
    return Hires(
        float(asked.get("scale") or usual.scale),
        usual.denoise if asked.get("denoise") is None else float(asked["denoise"]),
        None if steps is None else int(steps),
    )


async def _source(given: Mapping[str, Any], desk: Desk) -> tuple[bytes | None, float]:
    word = given.get("sourceImage") or given.get("image")
    if not word:
        return None, 1.0
    denoise = next((given[name] for name in _DENOISE if given.get(name) is not None), None)
    return (await desk.media(word)).read_bytes(), 0.75 if denoise is None else float(denoise)


async def _control(given: Mapping[str, Any], net: Weights | None, desk: Desk) -> Control | None:
    entries = given.get("controlNets") or []
    if not entries:
        return None
    if net is None:
        raise JobRejected("This agent has no ControlNet of its own; name one among the networks of the job.")
    one = entries[0]
    if len(entries) > 1:
        desk.warn("One ControlNet is used at a time; the first was.")
    if not one.get("image"):
        raise JobRejected("A ControlNet needs a picture that is already prepared.")
    start, end, weight = one.get("startStep"), one.get("endStep"), one.get("weight")
    return Control(
        net,
        (await desk.media(one["image"])).read_bytes(),
        weight=1.0 if weight is None else float(weight),
        start=float(start or 0),
        end=1.0 if end is None else float(end),
        kind=str(one.get("preprocessor") or ""),
    )


def _sampler(job: Job, given: Mapping[str, Any]) -> str:
    return str(given.get("scheduler") or "eulerA") if job.step_type == "textToImage" else "eulerA"


def _schedule(job: Job, given: Mapping[str, Any]) -> str:
    """`scheduler` is the sampler in `textToImage` and the schedule with ComfyUI's words."""
    if job.step_type == "textToImage":
        return ""
    return str(given.get("schedule") or given.get("scheduler") or "")


def _family(air: str) -> str:
    parts = air.lower().removeprefix("urn:").removeprefix("air:").split(":")
    return parts[0]


def _extra(text: object) -> dict[str, object]:
    try:
        found = json.loads(str(text)) if text else {}
    except ValueError:
        found = {"note": str(text)[:2000]}
    return found if isinstance(found, dict) else {"note": found}
