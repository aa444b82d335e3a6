"""Images: made, changed and looked at by agents."""

from __future__ import annotations

import secrets
from typing import Final

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.orchestration.kinds.kind import Input, JobPlan, Kind

SEEDS: Final = 2**32
IMAGE: Final = (MediaKind.IMAGE,)
# These run models of the catalogue, so their family decides and not they do.
_LOCAL: Final = frozenset({"sdcpp", "comfy"})


def family(air: object) -> str:
    """The family of a model by its AIR: `urn:air:sdxl:checkpoint:...` is of `sdxl`; `any` when it says none."""
    text = str(air).lower().removeprefix("urn:").removeprefix("air:")
    parts = text.split("@")[0].split(":")
    return parts[0] if len(parts) >= 4 or (len(parts) == 3 and parts[1].isalpha()) else "any"


def _whole(value: object, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else usual


def _seed(input: Input) -> int:
    seed = input.get("seed")
    if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
        return seed
    return secrets.randbelow(SEEDS)


def batches(input: Input) -> list[JobPlan]:
    """A job for each of `quantity` batches of `batchSize`, every image with a seed of its own."""
    size, seed = _whole(input.get("batchSize"), 1), _seed(input)
    return [
        JobPlan(
            {**input, "quantity": 1, "batchSize": size, "seed": (seed + place * size) % SEEDS}, IMAGE * size
        )
        for place in range(_whole(input.get("quantity"), 1))
    ]


def single_images(input: Input) -> list[JobPlan]:
    """A job for each image."""
    field = "numImages" if "numImages" in input else "quantity"
    count = _whole(input.get(field), 1)
    seed = _seed(input) if "seed" in input else None
    made = []
    for place in range(count):
        one = {**input, field: 1} if field in input else dict(input)
        if seed is not None:
            one["seed"] = (seed + place) % SEEDS
        made.append(JobPlan(one, IMAGE))
    return made


def image_engine(input: Input) -> str:
    """`imageGen/sdxl` where a model of the catalogue is run, `imageGen/openai` for an engine of its own."""
    engine = str(input.get("engine", "any"))
    name = str(input.get("ecosystem") or engine) if engine in _LOCAL else engine
    return f"imageGen/{name.lower()}"


def preprocessor(input: Input) -> str:
    """`preprocessImage/canny`: each way of looking at a picture needs something else."""
    return f"preprocessImage/{str(input.get('kind') or input.get('preprocessorType') or 'any').lower()}"


KINDS: Final = (
    Kind(
        "textToImage",
        "agents with the diffusers or the comfy engine, by the family of the model",
        rushed=True,
        capability=lambda input: (
            f"textToImage/{family(input.get('model') or 'urn:air:sd1:checkpoint:civitai:4384')}"
        ),
        jobs=batches,
        outline="images[]",
        cached=True,
        seeded=True,
        packed=True,
    ),
    Kind(
        "imageGen",
        "agents: by family for `sdcpp` and `comfy` (diffusers or comfy engine), by engine for all others (openai engine)",
        rushed=True,
        capability=image_engine,
        jobs=single_images,
        outline="images[]",
        cached=True,
        seeded=True,
        partial=True,
        packed=True,
    ),
    Kind(
        "imageUpscaler",
        "agents with the media engine, by Lanczos; with a `model`, agents that run it",
        slots=IMAGE,
        outline="blob",
        cached=True,
    ),
    Kind("convertImage", "agents with the media engine", slots=IMAGE, outline="blob", cached=True),
    Kind(
        "preprocessImage",
        "agents with the media engine (canny, lineart, scribble, tile, colour); depth and poses need a model",
        capability=preprocessor,
        slots=IMAGE,
        outline="blob",
        cached=True,
    ),
    Kind(
        "imageBackgroundRemoval",
        "agents with the media engine where the background is plain, else with a segmentation model",
        slots=IMAGE,
        outline="image",
        cached=True,
    ),
    Kind("mediaHash", "agents with the media engine", cached=True),
    Kind("mediaRating", "agents with a rating model", cached=True),
    Kind("wdTagging", "agents with a tagging model", cached=True),
    Kind("mediaCaptioning", "agents with the openai engine, or a captioning model", cached=True),
    Kind("ageClassification", "agents with an age model", cached=True),
    Kind("imageToSvg", "agents with a tracing engine", slots=(MediaKind.FILE,), outline="svg", cached=True),
    Kind("humanoidImageMask", "agents with a segmentation model", slots=IMAGE, outline="blob", cached=True),
    Kind("tryOnU", "agents with a try-on model", slots=IMAGE, outline="blob", cached=True, seeded=True),
    Kind("qwenImageBench", "agents with that model", cached=True),
    Kind("batchOCRSafetyClassification", "agents with a reading model", cached=True),
)
