"""What of a step's input a price may count, and what its conditions may ask.

Measures: `quantity` (images, videos or runs), `area` (pixels of the output), `megapixels` (of the first medium),
`steps`, `passes` (2 with guidance, 1 without), `sources` (images to start from, and one), `seconds`, `characters`,
`tokens`, `doublings` (2 to the repeats), `scale`, `epochs`, `megapixel_frames`; and every number of the input by its
name. Conditions ask for texts of the input by their names, and for `family`, the family of models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.kinds.images import family
from civitas.domains.orchestration.kinds.kind import Kind

# Assumed where neither input nor media say anything.
USUAL: Final = {"steps": 20.0, "seconds": 5.0, "tokens": 1024.0, "epochs": 10.0, "scale": 2.0, "fps": 24.0}
USUAL_SIDE: Final = {"sd1": 512, "sd15": 512, "sd2": 512}
MILLION: Final = 1_000_000.0
LARGEST: Final = 10.0**12
_SIZE = re.compile(r"(\d{1,5})[x*](\d{1,5})")


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers by the names of measures, and words by the names of fields, in lower case."""

    numbers: Mapping[str, float]
    words: Mapping[str, str]

    def number(self, name: str) -> float:
        """A measure; 1 for one that the input says nothing of."""
        return self.numbers.get(name, USUAL.get(name, 1.0))


def measure(kind: Kind, input: Mapping[str, Any], media: Sequence[BlobFacts] = ()) -> Measured:
    """What can be counted of an input and of the media in it."""
    words = {
        key: str(value).lower() for key, value in input.items() if isinstance(value, str | bool | int | float)
    }
    words["family"] = _family(kind, input)
    numbers = {key: number for key, value in input.items() if (number := _number(value)) is not None}
    numbers["quantity"] = max(1.0, numbers.get("quantity", numbers.get("numImages", 1.0))) * max(
        1.0, numbers.get("batchSize", 1.0)
    )
    side = USUAL_SIDE.get(words["family"], 1024)
    width, height = _size(input, side)
    numbers["area"] = width * height
    numbers["megapixels"] = max((_megapixels(one) for one in media), default=0.0) or (
        width * height / MILLION if "width" in numbers and "height" in numbers else 1.0
    )
    numbers["passes"] = 1.0 if numbers.get("cfgScale", numbers.get("cfg")) == 1 else 2.0
    numbers["sources"] = 1.0 + len(_listed(input.get("images")))
    numbers["seconds"] = _seconds(input, numbers, media)
    numbers["characters"] = float(len(str(input.get("text") or "")))
    numbers["tokens"] = numbers.get("maxTokens", USUAL["tokens"]) + len(str(input.get("messages") or "")) / 4
    numbers["doublings"] = 2.0 ** min(numbers.get("numberOfRepeats", 1.0) - 1, 20)
    numbers["scale"] = numbers.get("scaleFactor", numbers.get("interpolationFactor", USUAL["scale"]))
    numbers["epochs"] = numbers.get("epochs", numbers.get("maxTrainEpochs", USUAL["epochs"]))
    numbers["megapixel_frames"] = (
        width
        * height
        / MILLION
        * numbers["seconds"]
        * numbers.get("fps", numbers.get("frameRate", USUAL["fps"]))
    )
    return Measured({name: min(max(value, 0.0), LARGEST) for name, value in numbers.items()}, words)


def _family(kind: Kind, input: Mapping[str, Any]) -> str:
    if isinstance(input.get("ecosystem"), str):
        return str(input["ecosystem"]).lower()
    for field in ("model", "diffuserModel", "diffusionModel"):
        found = family(input[field]) if isinstance(input.get(field), str) else "any"
        if found != "any":
            return found
    return "sd1" if kind.type == "textToImage" else "any"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    # Neither infinite nor not a number.
    return number if number - number == 0 else None


def _size(input: Mapping[str, Any], side: int) -> tuple[float, float]:
    width, height = _number(input.get("width")), _number(input.get("height"))
    if width and height:
        return width, height
    found = _SIZE.fullmatch(str(input.get("size") or input.get("imageSize") or "").lower())
    return (float(found[1]), float(found[2])) if found else (float(side), float(side))


def _megapixels(facts: BlobFacts) -> float:
    return (facts.width or 0) * (facts.height or 0) / MILLION


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _seconds(input: Mapping[str, Any], numbers: Mapping[str, float], media: Sequence[BlobFacts]) -> float:
    for field in ("duration", "maxDuration"):
        if numbers.get(field):
            return numbers[field]
        found = re.fullmatch(r"(\d{1,4}(?:\.\d+)?)s?", str(input.get(field) or ""))
        if found:
            return float(found[1])
    return max((one.duration_s or 0.0 for one in media), default=0.0) or USUAL["seconds"]
