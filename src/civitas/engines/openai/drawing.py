"""Pictures: `imageGen` with the engine `openai`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.openai.looking import Eyes
from civitas.engines.openai.server import Caller, Server

_NEWER: Final = "gpt-image"
_PASSED: Final = ("prompt", "quality", "background", "style")


async def draw(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """Make or edit pictures. Raises JobRejected for a model for which the server has none."""
    given = job.input
    wanted = str(given["model"])
    model = server.image_models.get(wanted)
    if model is None:
        raise JobRejected(f"The server behind this agent has no {wanted:.80}.")
    said = _said(given, model, wanted)
    await desk.progress(0.05, "The server is drawing")
    if given.get("operation") == "editImage":
        answer = await _edit(given, said, desk, caller)
    else:
        answer = await caller.json("POST", "/images/generations", json=said)
    made, errors = [], []
    for slot, one in enumerate((answer.get("data") or [])[: job.slots]):
        data = await _bytes(one, caller)
        facts = await eyes.measured(desk, data)
        made.append(
            await desk.deliver(
                slot,
                data,
                kind=MediaKind.IMAGE,
                media_type=facts.media_type,
                width=facts.width,
                height=facts.height,
            )
        )
        if revised := one.get("revised_prompt"):
            desk.warn(f"The server drew this prompt instead: {str(revised)[:800]}")
    if not made:
        raise JobFailed("The server drew nothing.", transient=True)
    if len(made) < int(given.get("quantity") or 1):
        errors.append(f"{given['quantity']} pictures were asked for; the server gave {len(made)}.")
    return desk.done({"images": made, "errors": errors or None})


def _said(given: Mapping[str, Any], model: str, wanted: str) -> dict[str, Any]:
    said: dict[str, Any] = {"model": model, "n": int(given.get("quantity") or 1)}
    said |= {name: given[name] for name in _PASSED if given.get(name) not in {None, "auto"}}
    if given.get("width") and given.get("height"):
        said["size"] = f"{given['width']}x{given['height']}"
    elif given.get("size"):
        said["size"] = given["size"]
    if wanted.startswith(_NEWER):
        if given.get("outputFormat"):
            said["output_format"] = str(given["outputFormat"]).lower()
        if given.get("inputFidelity"):
            said["input_fidelity"] = given["inputFidelity"]
    else:
        said["response_format"] = "b64_json"
    return said


async def _edit(given: Mapping[str, Any], said: dict[str, Any], desk: Desk, caller: Caller) -> dict[str, Any]:
    words = given.get("images") or ([given["image"]] if given.get("image") else [])
    if not words:
        raise JobFailed("To edit takes a picture.")
    several = "image[]" if len(words) > 1 else "image"
    files = []
    for number, word in enumerate(words):
        files.append((several, (f"{number}.png", (await desk.media(word)).read_bytes())))
    if mask := given.get("mask") or given.get("maskImage"):
        files.append(("mask", ("mask.png", (await desk.media(mask)).read_bytes())))
    fields = {name: str(value) for name, value in said.items()}
    return await caller.json("POST", "/images/edits", data=fields, files=files)


async def _bytes(one: Mapping[str, Any], caller: Caller) -> bytes:
    if isinstance(one.get("b64_json"), str):
        try:
            return base64.b64decode(one["b64_json"], validate=True)
        except binascii.Error:
            raise JobFailed("The server gave a picture that cannot be read.", transient=True) from None
    if isinstance(one.get("url"), str):
        return (await caller.bytes("GET", one["url"]))[0]
    raise JobFailed("The server gave a picture without its bytes.", transient=True)
