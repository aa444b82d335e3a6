"""Asking a provider's API: through the guard against private addresses, bounded in size and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from civitas.infra.outbound.guard import OutboundClient, OutboundSettings
from civitas.kit.errors import Invalid, NotFound, TooLarge, Unavailable

LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Caller:
    """One API at one address, which the operator set and which is therefore trusted to be private."""

    base: str
    headers: Mapping[str, str]
    client: OutboundClient

    @classmethod
    def at(cls, base: str, headers: Mapping[str, str], timeout_s: float) -> Caller:
        """A caller of the API below `base`."""
        trusted = frozenset({urlsplit(base).hostname or ""})
        return cls(base.rstrip("/"), headers, OutboundClient(OutboundSettings(trusted), timeout_s=timeout_s))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON answer, a list as `{"data": [...]}`. Raises NotFound, Invalid (`provider_refused`), Unavailable."""
        body = bytearray()
        sent = {**self.headers, **(headers or {})}
        try:
            async with self.client.stream(
                self.base + path, method=method, headers=sent, content=content
            ) as answer:
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_ANSWER:
                        raise TooLarge("The payment provider's answer is too large.", code="answer_too_large")
                status = answer.status_code
        except httpx.HTTPError as error:
            raise Unavailable(
                "The payment provider broke off its answer; try again.", code="provider_unavailable"
            ) from error
        if status == 404:
            raise NotFound("The payment provider knows of no such payment.", code="payment_not_found")
        if status in (401, 403, 408, 409, 425, 429) or status >= 500:
            raise Unavailable(
                f"The payment provider does not serve us right now ({status}); nothing was lost, try again.",
                code="provider_unavailable",
            )
        try:
            found = orjson.loads(bytes(body) or b"{}")
        except orjson.JSONDecodeError as error:
            raise Unavailable("The payment provider gave no answer that can be read.") from error
        if status >= 400:
            raise Invalid(f"The payment provider refused: {_told(found)}", code="provider_refused")
        return found if isinstance(found, dict) else {"data": found}


def _told(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    told = error.get("message") if isinstance(error, dict) else None
    if told is None and isinstance(answer, dict):
        told = answer.get("message")
    return str(told or "it did not say why.")[:300]
