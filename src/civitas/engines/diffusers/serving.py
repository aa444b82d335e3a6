"""The engine as an agent runs it: `textToImage` and `imageGen` of the families it knows."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from typing import Final

import structlog

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.diffusers import flow, gguf_weights, jobs
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import Cancelled, ExtraMissing, OutOfMemory, PartsMissing
from civitas.engines.diffusers.families import FAMILIES, FLUX
from civitas.engines.diffusers.requests import Picture, PictureRequest, Progress
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)

NEEDED: Final = ("torch", "diffusers", "transformers", "scipy")
STEPS: Final = ("textToImage", "imageGen")
PREVIEW_EVERY: Final = 4
"""Steps between previews; the desk lets only some through."""


def installed() -> bool:
    """Whether the extra `generate` is there. Imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


class PictureEngine:
    """Pictures by diffusers on this machine, as an engine of an agent."""

    name = "diffusers"

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._engine = DiffusersEngine(self._policy)

    async def open(self) -> None:
        """Nothing is loaded before the first job. Raises JobRejected when the extra is not installed."""
        if not installed():
            raise JobRejected("torch and diffusers are not installed: pip install 'civitas[generate]'.")

    async def close(self) -> None:
        """Let go of all models."""
        await asyncio.to_thread(self._engine.close)

    def capabilities(self) -> list[str]:
        """Both steps for each family; Flux only where the tokenizer of its text encoder is at hand, GGUF where it is read."""
        packed = gguf_weights.installed()
        found = []
        for family in FAMILIES.values():
            if family is FLUX and not flow.can_encode(self._policy.parts):
                continue
            names = family.ecosystems or (family.key,)
            if packed and family.flow:
                names += tuple(f"{name}{gguf_weights.SUFFIX}" for name in names)
            found += [f"{step}/{name}" for step in STEPS for name in names]
        return found

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Make the pictures in a thread and deliver them.

        Raises JobFailed with what is wrong with the request or its files, JobRejected for what this agent lacks.
        """
        if job.step_type not in STEPS:
            raise JobRejected(f"This engine does no {job.step_type:.80}.")
        request = await jobs.request_of(job, desk, preview_every=PREVIEW_EVERY)
        started = time.monotonic()
        made = await self._made(request, desk)
        log.info("diffusers.made", pictures=len(made), seconds=round(time.monotonic() - started, 2))
        blobs = []
        for picture in made[: job.slots]:
            for notice in picture.notices:
                desk.warn(notice.message)
            blobs.append(
                await desk.deliver(
                    picture.index,
                    picture.content,
                    kind=MediaKind.IMAGE,
                    media_type=picture.media_type,
                    width=picture.width,
                    height=picture.height,
                )
            )
        output: dict[str, object] = {"images": blobs}
        if job.step_type == "imageGen":
            output["errors"] = None
        return desk.done(output)

    async def _made(self, request: PictureRequest, desk: Desk) -> list[Picture]:
        loop = asyncio.get_running_loop()

        def told(progress: Progress) -> None:
            note = (
                f"Step {progress.step} of {progress.steps}" if progress.steps else progress.stage.capitalize()
            )
            desk.tell(progress.done, note, phase="preparing" if progress.stage == "loading" else "processing")
            for preview in list(progress.previews.values())[:1]:
                asyncio.run_coroutine_threadsafe(desk.preview(preview), loop)

        try:
            return await asyncio.to_thread(
                self._engine.generate, request, on_progress=told, cancelled=lambda: desk.stopped
            )
        except (ExtraMissing, PartsMissing) as fault:
            raise JobRejected(fault.message) from fault
        except (OutOfMemory, Cancelled) as fault:
            raise JobFailed(fault.message, transient=True) from fault
        except Fault as fault:
            raise JobFailed(fault.message[:1000]) from fault
