"""Graphs of ComfyUI, and training: both run what people bring along."""

from __future__ import annotations

from typing import Final

from civitas.contracts.wire.graph_slots import GRAPH_SLOTS
from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.orchestration.kinds.images import IMAGE
from civitas.domains.orchestration.kinds.kind import MEDIA_FIELDS, Input, JobPlan, Kind

DAY_S: Final = 86_400
PACK_FILES: Final = (MediaKind.FILE,) * 3
# Packs of nodes of one step, each of which is a job.
MOST_PACKS: Final = 50
# What nodes that load something call it.
NODE_FIELDS: Final = MEDIA_FIELDS | {"audio"}


def graphs(input: Input) -> list[JobPlan]:
    """A job for each run of the graph; what a graph saves is not known before, so there is room for some."""
    count = input.get("quantity")
    count = count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 1
    return [JobPlan({**input, "quantity": 1, "turn": place}, GRAPH_SLOTS["comfy"]) for place in range(count)]


def packs(input: Input) -> list[JobPlan]:
    """A job for each pack of nodes; each delivers the layer, what its nodes say of themselves, and their pages."""
    named = input.get("nodepacks")
    if not isinstance(named, list) or not named:
        return [JobPlan(dict(input), PACK_FILES)]
    return [JobPlan({**input, "nodepacks": [one]}, PACK_FILES) for one in named]


def old_trainer(input: Input) -> str:
    """`imageResourceTraining/kohya`: by engine."""
    return f"imageResourceTraining/{str(input.get('engine') or 'any').lower()}"


def trainer(input: Input) -> str:
    """`training/ai-toolkit`: by engine."""
    return f"training/{str(input.get('engine') or 'any').lower()}"


KINDS: Final = (
    Kind(
        "comfy",
        "agents with the comfy engine",
        jobs=graphs,
        outline="blobs[]",
        media=NODE_FIELDS,
        lenient=True,
    ),
    Kind(
        "customComfy",
        "agents with the comfy engine; with a `comfyImage`, those whose servers are that image",
        slots=GRAPH_SLOTS["customComfy"],
        media=NODE_FIELDS,
        lenient=True,
    ),
    Kind(
        "comfyNodepackSnapshot",
        "agents that build images of ComfyUI; none of the engines that come with the program does",
        jobs=packs,
        longest={"nodepacks": MOST_PACKS},
    ),
    Kind(
        "imageResourceTraining",
        "agents with the training engine",
        capability=old_trainer,
        slots=(MediaKind.FILE,) * 20 + IMAGE * 60,
        timeout_s=2 * DAY_S,
        activity="training",
    ),
    Kind(
        "training",
        "agents with the training engine",
        capability=trainer,
        slots=(MediaKind.FILE,) * 20 + IMAGE * 60,
        timeout_s=2 * DAY_S,
        activity="training",
    ),
)
