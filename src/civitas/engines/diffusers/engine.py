"""The engine: one request at a time, from words to files."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image

from civitas.engines.diffusers import checks, device, flow, loading, passes, pictures, samplers
from civitas.engines.diffusers.cache import ModelCache, Tally
from civitas.engines.diffusers.conditioning import Conditioning, condition
from civitas.engines.diffusers.controls import control_net, mode_of
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.errors import OutOfMemory, RequestImpossible
from civitas.engines.diffusers.loading import Loaded
from civitas.engines.diffusers.requests import (
    Encoder,
    Notice,
    Picture,
    PictureRequest,
    Progress,
    Stage,
    Weights,
)
from civitas.kit.errors import Fault

OnProgress = Callable[[Progress], None]


def _silent(_progress: Progress) -> None:
    """Tell nobody."""


def _never() -> bool:
    """Do not stop."""
    return False


class DiffusersEngine:
    """Makes pictures on this machine. Safe to call from any thread; requests wait for each other.

    Models stay loaded within the policy's budget. Any failure is a `Fault`, fails its request only, and leaves the
    engine ready. Nothing is computed, and torch is not imported, before the first request.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self._lock = threading.Lock()
        self._cache: ModelCache[Loaded] | None = None
        self._device: Any = None
        self._dtype: Any = None

    def generate(
        self,
        request: PictureRequest,
        *,
        on_progress: OnProgress = _silent,
        cancelled: Callable[[], bool] = _never,
    ) -> list[Picture]:
        """The pictures of a request, in the order of its seeds. Blocks; call it in a thread.

        `on_progress` is called from this thread, after every step; `cancelled` is asked before the first and between
        steps. Raises `Cancelled`, `RequestImpossible`, `WeightsCorrupt`, `ModelUnsupported`, `OutOfMemory`,
        `ExtraMissing`.
        """
        checked = checks.check(request, max_pixels=self.policy.max_pixels)
        with self._lock:
            self._begin()
            try:
                return _Run(self, checked, on_progress, cancelled).pictures()
            except Fault:
                raise
            except Exception as error:
                if loading.is_memory(error):
                    raise self._too_large(checked.request) from error
                raise

    def close(self) -> None:
        """Let go of all models. The engine can be used again."""
        with self._lock:
            if self._cache is not None:
                self._cache.clear()
            gc.collect()

    @property
    def computes_on(self) -> str:
        """The device, as torch names it; empty before the first request."""
        return str(self._device) if self._device is not None else ""

    @property
    def precision(self) -> str:
        """The type of its numbers; empty before the first request."""
        return str(self._dtype).removeprefix("torch.") if self._dtype is not None else ""

    @property
    def tally(self) -> Tally:
        """What the model cache did so far."""
        return self._cache.tally if self._cache is not None else Tally(0, 0, 0, 0)

    def model(self, checkpoint: Weights, vae: Weights | None, encoders: tuple[Encoder, ...] = ()) -> Loaded:
        """The loaded model, from the cache when it is there. For the run, which holds the lock."""
        assert self._cache is not None
        key = (
            checkpoint.stamp,
            vae.stamp if vae else None,
            self._dtype,
            tuple((e.part, e.stamp) for e in encoders),
        )
        if not checkpoint.path.exists():
            raise RequestImpossible(f"The checkpoint {checkpoint.title} is not on this machine.")
        expected = loading.expected_size(checkpoint, self._dtype, flow.Beside(self.policy.parts, encoders))
        return self._cache.get(
            key,
            lambda: loading.load(
                checkpoint, vae, policy=self.policy, device=self._device, dtype=self._dtype, encoders=encoders
            ),
            expected=expected,
        )

    def _begin(self) -> None:
        if self._cache is not None:
            return
        torch = device.begin()
        if self.policy.threads:
            torch.set_num_threads(self.policy.threads)
        self._device = device.device_of(self.policy)
        self._dtype = device.dtype_of(self.policy, self._device)
        self._cache = ModelCache(device.budget_of(self.policy, self._device))

    def _too_large(self, request: PictureRequest) -> OutOfMemory:
        gc.collect()
        if self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()
        return OutOfMemory(
            f"{request.width}x{request.height} in batches of {min(request.batch, len(request.seeds))} does not fit into "
            "memory; make smaller pictures or fewer at once."
        )


class _Run:
    """One request on its way."""

    def __init__(
        self,
        engine: DiffusersEngine,
        checked: checks.Checked,
        on_progress: OnProgress,
        cancelled: Callable[[], bool],
    ) -> None:
        self.engine, self.request = engine, checked.request
        self.on_progress, self.cancelled = on_progress, cancelled
        self.notices: list[Notice] = list(checked.notices)

    def pictures(self) -> list[Picture]:
        request = self.request
        self._tell("loading", 0.0)
        model = self.engine.model(request.checkpoint, request.vae, request.encoders)
        self.notices += model.patches.use(request.loras)
        conditioning = condition(model, request)
        self.notices += conditioning.notices
        if model.paints and request.mask is None:
            self.notices.append(
                Notice(
                    "mask_whole",
                    "This model was made to paint within a mask; without one it paints everything.",
                )
            )
        self._fit(model)
        request = self.request
        if model.family is not None and model.family.flow:
            choice = samplers.choose_flow(request.sampler, request.schedule, model.family.flow)
        else:
            choice = samplers.choose(request.sampler, request.schedule)
        if model.family is not None:
            self.notices += choice.notices
        else:
            self.notices.append(
                Notice("sampler_ignored", "This model only works with the sampler it came with.")
            )
        out: list[Picture] = []
        size = min(request.batch, len(request.seeds))
        for begin in range(0, len(request.seeds), size):
            out += self._group(model, conditioning, choice, begin, request.seeds[begin : begin + size])
        self._tell("writing", 1.0)
        return out

    def _fit(self, model: Loaded) -> None:
        """Sizes that the model's patches divide."""
        request = self.request
        grid = model.family.grid if model.family is not None else checks.GRID
        width, height = (max(grid, round(side / grid) * grid) for side in (request.width, request.height))
        if (width, height) == (request.width, request.height):
            return
        self.notices.append(
            Notice(
                "size_rounded",
                f"{request.width}x{request.height} was rounded to {width}x{height}: sizes are multiples of {grid} "
                "for this kind of model.",
            )
        )
        self.request = replace(request, width=width, height=height)

    def _group(
        self,
        model: Loaded,
        conditioning: Conditioning,
        choice: samplers.Choice,
        begin: int,
        seeds: tuple[int, ...],
    ) -> list[Picture]:
        start = time.monotonic()
        request = self.request
        sources, mask = self._sources(len(seeds))
        work = passes.Pass(
            model, request, conditioning, choice, request.width, request.height, request.steps,
            denoise=request.denoise, sources=sources, mask=mask, control=self._control(model),
        )  # fmt: skip
        share = len(seeds) / len(request.seeds)
        base = begin / len(request.seeds)
        first = share * (0.4 if request.hires else 1.0)
        made = passes.run(
            work, seeds, tell=self._teller("sampling", begin, base, first), cancelled=self.cancelled
        )
        if request.hires is not None:
            grid = model.family.grid if model.family is not None else checks.GRID
            larger = tuple(_enlarged(one, request.hires.scale, grid) for one in made)
            steps = request.hires.steps or request.steps
            work = replace(
                work, sources=larger, mask=None, control=None, steps=steps,
                denoise=max(request.hires.denoise, 1 / steps + 1e-6), width=larger[0].width, height=larger[0].height,
            )  # fmt: skip
            made = passes.run(
                work,
                seeds,
                tell=self._teller("enlarging", begin, base + first, share - first),
                cancelled=self.cancelled,
            )
        seconds = (time.monotonic() - start) / len(seeds)
        return [
            self._written(picture, begin + i, seed, choice.label if model.family else "", seconds)
            for i, (picture, seed) in enumerate(zip(made, seeds, strict=True))
        ]

    def _sources(self, count: int) -> tuple[tuple[Image.Image, ...], Image.Image | None]:
        request = self.request
        if request.source is None:
            return (), None
        source = pictures.fitted(
            pictures.read(request.source, "source picture"), request.width, request.height
        )
        mask = None
        if request.mask is not None:
            mask = pictures.fitted(
                pictures.read(request.mask, "mask"), request.width, request.height
            ).convert("L")
        return (source,) * count, mask

    def _control(self, model: Loaded) -> passes.Control | None:
        control = self.request.control
        if control is None:
            return None
        image = pictures.fitted(
            pictures.read(control.image, "control picture"), self.request.width, self.request.height
        )
        net = control_net(model, control.weights)
        mode = mode_of(net, control.kind, control.weights.title)
        return passes.Control(net, image, control.weight, control.start, control.end, mode)

    def _written(self, picture: Image.Image, index: int, seed: int, sampler: str, seconds: float) -> Picture:
        request = self.request
        meta = pictures.recipe(
            request, seed=seed, size=picture.size, sampler=sampler, steps=request.steps, cfg=request.cfg
        )
        text = pictures.text_of(meta)
        content = pictures.write(picture, request.format, quality=request.quality, text=text)
        media = pictures.MEDIA[request.format]
        return Picture(
            index,
            seed,
            picture.width,
            picture.height,
            content,
            media,
            text,
            seconds,
            tuple(dict.fromkeys(self.notices)),
        )

    def _teller(self, stage: Stage, begin: int, base: float, share: float) -> passes.Tell:
        def tell(step: int, steps: int, shown: list[bytes]) -> None:
            done = min(1.0, base + share * step / max(1, steps))
            self._tell(stage, done, step, steps, {begin + i: one for i, one in enumerate(shown)})

        return tell

    def _tell(
        self, stage: Stage, done: float, step: int = 0, steps: int = 0, shown: dict[int, bytes] | None = None
    ) -> None:
        self.on_progress(Progress(stage, done, step, steps, shown or {}))


def _enlarged(picture: Image.Image, scale: float, grid: int) -> Image.Image:
    width, height = (max(grid, round(side * scale / grid) * grid) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
