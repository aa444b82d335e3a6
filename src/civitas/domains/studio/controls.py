"""ControlNets of a recipe: which pictures lead them, and how an ordinary picture is made into one.

The names are those of the orchestration API: `textToImage` says `depthAnythingV2`, `preprocessImage` says `depth-anything-v2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from civitas.domains.orchestration.templates import StepTemplate
from civitas.domains.studio.recipes import ONLY_PREPARED, Control, Recipe

STEP: Final = "preprocessImage"
NAME: Final = "control"
# What people choose from, in the order in which it is offered: its name on the wire, and in words.
KINDS: Final = (
    ("canny", "Edges"),
    ("lineartStandard", "Lines"),
    ("scribble", "Scribble"),
    ("scribbleXdog", "Scribble, fine"),
    ("tile", "Tiles"),
    ("depthAnythingV2", "Depth"),
    ("midasDepth", "Depth (MiDaS)"),
    ("baeNormal", "Normals"),
    ("openpose", "Pose"),
    ("dwpose", "Pose (DW)"),
    ("hed", "Soft edges"),
    ("lineartAnime", "Lines of a drawing"),
    ("mlsd", "Straight lines"),
    ("uniformer", "Areas"),
    ("shuffle", "Shuffled"),
    ("gray", "Grey"),
)
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPELT: Final = {
    "softedgePidinet": "pidinet",
    "depthZoe": "zoe-depth",
    "depthAnythingV2": "depth-anything-v2",
    "oneformerAde20k": "oneformer-ade20k",
}


def preparation(kind: str) -> str | None:
    """What `preprocessImage` calls the preparation of this kind of picture; None when it makes none."""
    if kind in ONLY_PREPARED:
        return None
    return _SPELT.get(kind) or _CAPITAL.sub("-", kind).lower()


def steps(recipe: Recipe, *, resolution: int) -> Iterator[StepTemplate]:
    """The step that makes the control picture out of an ordinary one, where that is asked for."""
    for control in recipe.controls:
        if not control.prepared and (kind := preparation(control.preprocessor)):
            given = {"kind": kind, "image": control.image, "resolution": max(64, min(4_096, resolution))}
            yield StepTemplate(STEP, given, name=NAME)


def entries(recipe: Recipe) -> list[dict[str, Any]]:
    """The `controlNets` of the step that makes the pictures."""
    return [
        {
            "preprocessor": control.preprocessor,
            "weight": control.weight,
            "startStep": control.start_step,
            "endStep": control.end_step,
            "image": _image(control),
        }
        for control in recipe.controls
    ]


def _image(control: Control) -> Any:
    if control.prepared or preparation(control.preprocessor) is None:
        return control.image
    return {"$ref": NAME, "path": "output.blob.url"}
