"""Signatures of callbacks as Standard Webhooks describes them: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class CallbackKey:
    """The instance's own secret, with which people's secrets are sealed."""

    secret: bytes


def new_secret() -> str:
    """A secret in the form that libraries take: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_id(number: uuid.UUID) -> str:
    """The `webhook-id` of a delivery."""
    return f"msg_{number.hex}"


def headers(message: str, at: datetime, body: bytes, signed_with: Sequence[str]) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and, with secrets, `webhook-signature`: one signature for each of them."""
    moment = str(int(at.timestamp()))
    made = {"webhook-id": message, "webhook-timestamp": moment}
    if signed_with:
        text = b".".join((message.encode(), moment.encode(), body))
        made["webhook-signature"] = " ".join(_signature(secret, text) for secret in signed_with)
    return made


def _signature(secret: str, text: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
