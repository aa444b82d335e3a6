"""ComfyUI servers as an agent runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from civitas.contracts.wire.jobs import Job, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.comfy import drawing, filling, graphs, media, watching
from civitas.engines.comfy.fleet import Fleet
from civitas.engines.comfy.graphs import Drawing
from civitas.engines.comfy.models import ModelFolder, Placed
from civitas.engines.comfy.results import Results, files_in
from civitas.engines.comfy.server import Away, ComfyServer, Graph
from civitas.engines.media.pool import Pool
from civitas.engines.media.work import Limits

PICTURES: Final = ("textToImage", "imageGen")
GRAPHS: Final = ("comfy", "customComfy")
MEASURE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Setup:
    """The servers, and what the operator lets them do."""

    servers: Sequence[str]
    # Where they look for models; None when no model files can be placed.
    models: Path | None = None
    copies: bool = False
    most_copied_bytes: int = 50 * 2**30
    families: Sequence[str] = ("sd1", "sd2", "sdxl", "sdxldistilled")
    # Whether graphs that people bring are run.
    graphs: bool = True
    # Container images (AIRs) that the servers are: whoever asks for one of these is served.
    images: Sequence[str] = ()
    silent_s: float = 120.0
    memory: int = 4 * 2**30


class ComfyEngine:
    """Graphs of people, and pictures, by ComfyUI servers."""

    name = "comfy"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._models = ModelFolder(setup.models, copies=setup.copies, most_bytes=setup.most_copied_bytes)
        self._fleet: Fleet | None = None
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Meet the servers. One that does not answer yet may come later."""
        self._models.sweep()
        self._pool = Pool(1, wall_s=MEASURE_S, limits=Limits(memory=self._setup.memory))
        self._fleet = Fleet(self._setup.servers, silent_s=self._setup.silent_s)
        await self._fleet.open()

    async def close(self) -> None:
        """Close connections and children."""
        if self._fleet is not None:
            await self._fleet.aclose()
        if self._pool is not None:
            await self._pool.aclose()

    def capabilities(self) -> list[str]:
        """Graphs unless forbidden; pictures of each family when checkpoints can be placed."""
        offered = [*GRAPHS] if self._setup.graphs else []
        if self._models.there:
            offered += [f"{step}/{family}" for step in PICTURES for family in self._setup.families]
        return offered

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Have the least busy server do it. Raises JobFailed, and JobRejected for what no server here can do."""
        if job.step_type not in PICTURES and job.step_type not in GRAPHS:
            raise JobRejected(f"This engine does no {job.step_type:.80}.")
        if job.step_type in GRAPHS and not self._setup.graphs:
            raise JobRejected("This agent runs no graphs of others.")
        async with AsyncExitStack() as held:
            placed = {
                link.air: await held.enter_async_context(
                    self._models.placed(link, await desk.resource(link.air))
                )
                for link in job.resources
            }
            if job.step_type in PICTURES:
                return await self._draw(job, desk, placed, held)
            return await self._bring(job, desk, placed, held)

    async def _draw(
        self, job: Job, desk: Desk, placed: Mapping[str, Placed], held: AsyncExitStack
    ) -> Succeeded:
        wanted = drawing.drawing_of(job, desk, placed)
        graph, saves = graphs.build(wanted, f"civitas/{job.id[-40:]}-{job.claim}")
        server, outputs = await self._made(job, desk, graph, held, placed=placed)
        images = [next(files_in(outputs, [save], "output"), None) for save in saves]
        return await self._delivered(job, desk, wanted, server, images)

    async def _delivered(
        self,
        job: Job,
        desk: Desk,
        wanted: Drawing,
        server: ComfyServer,
        images: Sequence[Mapping[str, Any] | None],
    ) -> Succeeded:
        assert self._pool is not None
        results = Results(job, desk, server, self._pool)
        format = drawing.FORMATS.get(str(job.input.get("outputFormat") or "").lower(), "jpeg")
        blobs = []
        try:
            for slot, (file, seed) in enumerate(zip(images, wanted.seeds, strict=True)):
                if file is None:
                    raise JobFailed("ComfyUI did not save every picture.", transient=True)
                text = drawing.recipe(job, wanted, seed)
                blobs.append(await results.picture(slot, file, format, text))
        except Away as away:
            raise _lost(away) from away
        output: dict[str, Any] = {"images": blobs}
        if job.step_type == "imageGen":
            output["errors"] = None
        return desk.done(output)

    async def _bring(
        self, job: Job, desk: Desk, placed: Mapping[str, Placed], held: AsyncExitStack
    ) -> Succeeded:
        assert self._pool is not None
        graph = filling.graph_of(job, desk, placed, images=self._setup.images)
        server, outputs = await self._made(
            job, desk, graph, held, placed=placed, vram_gb=float(job.input.get("minVramGb") or 0)
        )
        saved = list(files_in(outputs, [*graph], "output"))
        shown = list(files_in(outputs, [*graph], "temp"))
        if job.step_type == "comfy":
            saved, shown = saved or shown, []
        if not saved and not shown:
            raise JobFailed("The graph saved nothing: it has no node that does, or all of them were skipped.")
        results = Results(job, desk, server, self._pool)
        try:
            blobs = [blob for file in saved if (blob := await results.anything(file))]
            temporary = [blob for file in shown if (blob := await results.anything(file))]
        except Away as away:
            raise _lost(away) from away
        if not blobs and not temporary:
            raise JobFailed("The graph saved nothing that can be delivered: no picture, video or sound.")
        if job.step_type == "comfy":
            return desk.done({"blobs": blobs})
        return desk.done({"blobs": blobs, "tempBlobs": temporary})

    async def _made(
        self,
        job: Job,
        desk: Desk,
        graph: Graph,
        held: AsyncExitStack,
        *,
        placed: Mapping[str, Placed],
        vram_gb: float = 0,
    ) -> tuple[ComfyServer, Mapping[str, Any]]:
        """The server that did it, taken until `held` is left, and what its nodes made."""
        assert self._fleet is not None
        loads = next((one.name for one in placed.values() if one.link.type == "Checkpoint"), "")
        server = await held.enter_async_context(
            self._fleet.taken(graphs.classes(graph), loads=loads, vram_gb=vram_gb)
        )
        try:
            graph = await media.uploaded(graph, job, desk, server)
        except Away as away:
            raise JobRejected(f"The ComfyUI server {server.called} went away: {away}"[:1000]) from away
        about = job.input.get("imageMetadata") if job.step_type in GRAPHS else None
        extra = {"extra_pnginfo": {"extraMetadata": str(about)}} if about else {}
        made = await watching.outputs_of(server, graph, desk, extra=extra, silent_s=self._setup.silent_s)
        return server, made


def _lost(away: Away) -> JobFailed:
    return JobFailed(f"What ComfyUI made could not be fetched: {away}"[:1000], transient=True)
