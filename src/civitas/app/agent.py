"""The process that runs jobs: an agent with its engines, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
from rich.console import Console

from civitas import __version__
from civitas.app.lifeline import SUPERVISOR, listen
from civitas.engines.agent.engine import Engine
from civitas.engines.agent.loop import Agent, Habits
from civitas.infra.agent_settings import AgentSettings
from civitas.infra.settings import Settings
from civitas.kit.errors import Invalid

log = structlog.get_logger(__name__)

MIB, GIB = 2**20, 2**30
# As `up` starts it: the site is right there, and whoever stops it waits.
SHORT_DRAIN_S: Final = 10.0


def _media(settings: AgentSettings) -> Engine | None:
    from civitas.engines.media.engine import MediaEngine
    from civitas.engines.media.work import Limits

    return MediaEngine(
        children=max(1, min(settings.slots, os.cpu_count() or 1)),
        wall_s=settings.media_seconds,
        limits=Limits(memory=settings.media_memory_mb * MIB),
    )


def _openai(settings: AgentSettings) -> Engine | None:
    if not settings.openai.base_url:
        return None
    from civitas.engines.openai.engine import OpenAIEngine
    from civitas.engines.openai.server import Server

    given = settings.openai
    return OpenAIEngine(
        Server(
            base_url=given.base_url or "",
            api_key=given.api_key.get_secret_value() if given.api_key else None,
            chat_model=given.chat_model,
            vision_model=given.vision_model,
            image_models=dict(given.image_models),
            speech_model=given.speech_model,
            voices=dict(given.voices),
            voice=given.voice,
            transcription_model=given.transcription_model,
            timeout_s=given.timeout_s,
        )
    )


def _diffusers(settings: AgentSettings) -> Engine | None:
    from civitas.engines.diffusers import serving
    from civitas.engines.diffusers.device import Policy

    if not serving.installed():
        return None
    given = settings.diffusers
    return serving.PictureEngine(
        Policy(
            device=given.device,
            dtype=given.dtype,
            memory=int(given.memory_gb * GIB) if given.memory_gb else None,
            offload=given.offload,
            threads=given.threads,
            max_pixels=given.most_pixels,
            parts=given.parts,
        )
    )


def _comfy(settings: AgentSettings) -> Engine | None:
    if not settings.comfy.servers:
        return None
    from civitas.engines.comfy.engine import ComfyEngine, Setup

    given = settings.comfy
    return ComfyEngine(
        Setup(
            servers=tuple(given.servers),
            models=given.models,
            copies=given.place == "copy",
            most_copied_bytes=int(given.copies_gb * GIB),
            families=tuple(family.lower() for family in given.families),
            graphs=given.graphs,
            images=tuple(given.images),
            silent_s=given.silent_s,
            memory=settings.media_memory_mb * MIB,
        )
    )


def _rating(settings: AgentSettings) -> Engine | None:
    from civitas.engines.rating import engine

    return engine.RatingEngine(memory=settings.media_memory_mb * MIB) if engine.installed() else None


# Each gives the engine, or None when it is not set up or not installed here.
ENGINES: Final[Mapping[str, Callable[[AgentSettings], Engine | None]]] = {
    "media": _media,
    "diffusers": _diffusers,
    "comfy": _comfy,
    "openai": _openai,
    "rating": _rating,
}


def _on_ray(settings: AgentSettings, address: str) -> Engine:
    """The engines in actors of a cluster; which of them can work is seen on its machines. Raises Invalid."""
    from civitas.engines.ray.crew import Setup
    from civitas.engines.ray.engine import RayEngine

    if "://" in address:
        raise Invalid("The agent has to run on a machine of the Ray cluster: give its HOST:PORT, or `auto`.")
    given = settings.ray
    return RayEngine(
        [partial(ENGINES[name], settings) for name in settings.engines or ENGINES],
        Setup(
            address=address,
            actors=settings.slots,
            cpus=given.cpus,
            gpus=given.gpus,
            memory=int(given.memory_gb * GIB) if given.memory_gb else None,
            most_bytes=int(settings.cache_gb * GIB),
            start_s=given.start_s,
        ),
    )


def engines(settings: AgentSettings) -> list[Engine]:
    """The engines that the settings name, or all that can work here.

    Raises Invalid for a name that there is not, and for one that is named but not set up.
    """
    if unknown := [name for name in settings.engines if name not in ENGINES]:
        raise Invalid(f"There is no engine {unknown[0]!r}; there are {', '.join(ENGINES)}.")
    if settings.ray.address:
        return [_on_ray(settings, settings.ray.address)]
    made = []
    for name in settings.engines or ENGINES:
        engine = ENGINES[name](settings)
        if engine is not None:
            made.append(engine)
        elif settings.engines:
            raise Invalid(f"The engine {name!r} is not set up here; docs/configure.md lists its settings.")
    return made


def chosen(settings: AgentSettings, given: Mapping[str, object]) -> AgentSettings:
    """The settings with what the command line says laid over them."""
    return AgentSettings.model_validate({**settings.model_dump(), **given})


def token_of(settings: AgentSettings) -> str:
    """The agent's token. Raises Invalid when there is none."""
    if settings.token is not None:
        return settings.token.get_secret_value().strip()
    if settings.token_file is not None:
        try:
            return settings.token_file.read_text().strip()
        except OSError as error:
            raise Invalid(
                f"The token file {settings.token_file} cannot be read: {error.strerror}."
            ) from error
    raise Invalid(
        "An agent needs a token: `civitas admin agents add NAME` on the site's machine makes one; give it with --token "
        "or CIVITAS_AGENT__TOKEN."
    )


def habits(settings: Settings) -> Habits:
    """How the agent works, by its settings."""
    given, supervised = settings.agent, bool(os.environ.get(SUPERVISOR))
    return Habits(
        name=given.name or socket.gethostname()[:80] or "agent",
        server=given.server,
        token=token_of(given),
        slots=given.slots,
        cache=given.cache or settings.home / "agent",
        cache_bytes=int(given.cache_gb * GIB),
        most_media_bytes=given.most_media_mb * MIB,
        drain_s=min(given.drain_s, SHORT_DRAIN_S) if supervised else given.drain_s,
        ends_on_wish=not supervised,
        software=f"civitas {__version__}, Python {sys.version.split()[0]}",
        hardware={"cpus": os.cpu_count() or 1},
    )


async def run(settings: Settings, *, console: Console | None = None) -> None:
    """Work until drained: by SIGTERM, Ctrl-C, or the site's wish. A second signal ends it at once.

    Raises Invalid, Unauthorised, Unavailable with what is wrong. With a `console` the board is drawn on it.
    """
    agent = Agent(habits(settings), engines(settings.agent))
    beside: list[asyncio.Task[None]] = []
    if settings.agent.status_port is not None:
        from civitas.engines.agent import status

        listener = listen(status.HOST, settings.agent.status_port)
        beside.append(asyncio.create_task(status.serve(agent.board, listener)))
        log.info("agent.status_page", url=f"http://{status.HOST}:{settings.agent.status_port}")
    if console is not None:
        beside.append(asyncio.create_task(_drawn(agent, console)))
    working = asyncio.create_task(agent.run(), name="agent")

    def stop() -> None:
        if agent.board.draining:
            working.cancel()
        agent.drain()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await working
    except asyncio.CancelledError:
        log.warning("agent.ended_at_once")
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _drawn(agent: Agent, console: Console) -> None:
    """The board on the terminal, and log lines above it."""
    from civitas.engines.agent.console import show

    handlers = [
        handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)
    ]
    with contextlib.ExitStack() as stack:
        for handler in handlers:
            before = handler.setStream(_Above(console))
            if before is not None:
                stack.callback(handler.setStream, before)
        await show(agent.board, console)


class _Above:
    """Lines that go above what is drawn."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """Print whole lines."""
        if line := text.rstrip("\n"):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
