"""Requests of the older API (`/v1/consumer/jobs`) as templates: each job is a workflow of one step.

A request for several images is several jobs, as it was there, so that each can be asked for and cancelled alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.templates import Callback, StepTemplate, Template
from civitas.faces.orchestrator.bodies import checked
from civitas.kit.errors import Invalid

MOST_JOBS: Final = 32
SEEDS: Final = 2**32
ENDS: Final = ("workflow:succeeded", "workflow:failed", "workflow:expired", "workflow:canceled")
PROPERTIES: Final = "properties"
JOB_TYPE: Final = "jobType"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Older:
    """One job of the older API: what it asks for in today's words."""

    step_type: str
    input: Json


def templates(body: Any) -> list[Template]:
    """Every job of a request: one, or those of `{"jobs": [...]}`. Raises Invalid with the path of what is wrong."""
    if not isinstance(body, dict):
        raise _wrong("$", "Must be an object.")
    listed = body.get("jobs")
    if listed is None:
        found = list(_of(body, ""))
    elif isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed):
        found = [one for place, job in enumerate(listed) for one in _of(job, f"jobs[{place}].")]
    else:
        raise _wrong("jobs", "Must be a list of jobs.")
    if len(found) > MOST_JOBS:
        raise _wrong("quantity", f"A request is for at most {MOST_JOBS} jobs, not {len(found)}.")
    return found


def _of(job: Json, at: str) -> Iterator[Template]:
    kind = job.get("$type")
    translate = _TRANSLATED.get(kind) if isinstance(kind, str) else None
    if translate is None:
        told = f"The older API runs {', '.join(_TRANSLATED)}; for anything else use /v2/consumer/workflows."
        raise _wrong(f"{at}$type", told)
    for older in translate(job, at):
        input = checked(checking.step_input(older.step_type, older.input, at=at.rstrip(".")))
        yield Template(
            steps=(
                StepTemplate(
                    older.step_type,
                    input,
                    timeout_s=_timeout(job, at),
                    retries=_whole(job, "retries", at, 0, 10),
                ),
            ),
            notes={JOB_TYPE: kind, PROPERTIES: _object(job, PROPERTIES, at)},
            callbacks=_callback(job, at),
        )


def _images(job: Json, at: str) -> Iterator[Older]:
    params = _object(job, "params", at)
    if not params:
        raise _wrong(f"{at}params", "This field is required.")
    given = {name: value for name, value in params.items() if value is not None}
    seed = given.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        # -1 and nothing mean any.
        seed = secrets.randbelow(SEEDS)
    given |= {name: job[name] for name in ("model", "additionalNetworks") if job.get(name) is not None}
    nets = job.get("controlNets")
    if isinstance(nets, list) and nets:
        given["controlNets"] = [_net(net) if isinstance(net, dict) else net for net in nets]
    if not given.get("cfgScale"):
        given.pop("cfgScale", None)
    for place in range(_whole(job, "quantity", at, 1, MOST_JOBS) or 1):
        size = _whole(job, "batchSize", at, 1, MOST_JOBS) or 1
        yield Older(
            "textToImage", {**given, "seed": (seed + place * size) % SEEDS, "quantity": 1, "batchSize": size}
        )


def _net(net: Json) -> Json:
    made = {
        name: net[name]
        for name in ("preprocessor", "weight", "startStep", "endStep")
        if net.get(name) is not None
    }
    image = net.get("imageUrl") or net.get("blobKey")
    return {**made, "image": image} if image else made


def _comfy(job: Json, at: str) -> Iterator[Older]:
    yield Older("comfy", {"comfyWorkflow": _object(job, "params", at)})


def _tags(job: Json, at: str) -> Iterator[Older]:
    made = {name: job[name] for name in ("mediaUrl", "model", "threshold") if job.get(name) is not None}
    yield Older("wdTagging", made)


def _prepare(job: Json, at: str) -> Iterator[Older]:
    yield Older("prepareResource", {"resource": job.get("model")})


_TRANSLATED: Final[Mapping[str, Callable[[Json, str], Iterator[Older]]]] = {
    "textToImage": _images,
    "comfy": _comfy,
    "wdTagging": _tags,
    "mediaTagging": _tags,
    "prepareModel": _prepare,
}


def _object(job: Json, name: str, at: str) -> Json:
    found = job.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(f"{at}{name}", "Must be an object.")
    return found


def _whole(job: Json, name: str, at: str, least: int, most: int) -> int | None:
    found = job.get(name)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise _wrong(f"{at}{name}", f"Must be a whole number from {least} to {most}.")
    return found


def _timeout(job: Json, at: str) -> int | None:
    given = job.get("timeout")
    if given is None:
        return None
    seconds = checking.seconds_of(given) if isinstance(given, str) else None
    if seconds is None:
        raise _wrong(f"{at}timeout", "Must be a time span such as 00:05:00.")
    return max(1, int(seconds))


def _callback(job: Json, at: str) -> tuple[Callback, ...]:
    url = job.get("callbackUrl")
    if url is None:
        return ()
    if not isinstance(url, str):
        raise _wrong(f"{at}callbackUrl", "Must be text.")
    return (Callback(url, ENDS, detailed=True),)


def _wrong(path: str, told: str) -> Invalid:
    return Invalid(f"{path}: {told}", code="validation_failed", fields={path: told})
