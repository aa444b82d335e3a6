"""What is offered of a server, and which module does a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
import structlog

from civitas.contracts.wire.jobs import Job, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.media.pool import Pool
from civitas.engines.openai import chatting, drawing, prompting, speaking
from civitas.engines.openai.looking import Eyes
from civitas.engines.openai.server import Caller, Server

log = structlog.get_logger(__name__)

MEDIA_S: Final = 300.0

Doing = Callable[..., Awaitable[Succeeded]]
_DOING: Final[Mapping[str, Doing]] = {
    "chatCompletion": chatting.chat,
    "promptEnhancement": prompting.enhance,
    "mediaCaptioning": prompting.caption,
    "imageGen": drawing.draw,
    "textToSpeech": speaking.speak,
    "transcription": speaking.transcribe,
}


class OpenAIEngine:
    """A server that speaks the OpenAI protocol, as an engine."""

    name = "openai"

    def __init__(self, server: Server, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._server, self._transport = server, transport
        self._caller: Caller | None = None
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Ask the server what it has. One that does not answer yet may come later; one that refuses the key stays out.

        Raises JobRejected then.
        """
        self._pool = Pool(1, wall_s=MEDIA_S)
        self._caller = Caller(self._server, transport=self._transport)
        try:
            log.info("openai.server", url=self._server.base_url, models=(await self._caller.models())[:20])
        except JobFailed as failed:
            log.warning("openai.server", url=self._server.base_url, trouble=failed.reason)
        except JobRejected as rejected:
            if "key" in rejected.reason:
                raise
            log.warning("openai.server", url=self._server.base_url, trouble=rejected.reason)

    async def close(self) -> None:
        """Close connections and children."""
        if self._caller is not None:
            await self._caller.aclose()
        if self._pool is not None:
            await self._pool.aclose()

    def capabilities(self) -> list[str]:
        """What the operator set a model for; chats name their own."""
        server = self._server
        offered: dict[str, Any] = {
            "chatCompletion": True,
            "promptEnhancement": server.chat_model,
            "mediaCaptioning": server.vision_model,
            "imageGen/openai": server.image_models,
            "textToSpeech/custom": server.speech_model,
            "transcription": server.transcription_model,
        }
        return [name for name, there in offered.items() if there]

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Have the server do it. Raises JobFailed, and JobRejected when the server cannot do this or is not there."""
        assert self._caller is not None and self._pool is not None
        doing = _DOING.get(job.step_type)
        if doing is None:
            raise JobRejected(f"This engine does no {job.step_type:.80}.")
        return await doing(job, desk, caller=self._caller, server=self._server, eyes=Eyes(self._pool))
