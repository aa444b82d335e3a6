"""A push service on this machine, and browsers behind it that open what they are sent as RFC 8291 says."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from civitas.domains.community.notifications.push_devices import Subscription
from civitas.kit.webpush import base64url

HOST = "push.test"


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    extracted = hmac.digest(salt, material, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)[:length]


@dataclass
class Browser:
    """What a browser keeps of its subscription."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def subscription(self) -> Subscription:
        """What it tells the site."""
        return Subscription(self.endpoint, base64url(self.public), base64url(self.secret))

    def opened(self, body: bytes) -> bytes:
        """The message, by the receiver's half of RFC 8291 and RFC 8188."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size and len(body) <= 4096, "one record that every service takes"
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.private.exchange(ec.ECDH(), theirs)
        material = _hkdf(self.secret, shared, b"WebPush: info\x00" + self.public + sender, 32)
        key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(salt, material, b"Content-Encoding: nonce\x00", 12)
        text = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert text[-1:] == b"\x02", "the last record ends in two"
        return text[:-1]


@dataclass
class Sent:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushService:
    """Answers as it is told, and remembers what it was sent."""

    port: int = 0
    status: int = 201
    extra: dict[str, str] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def browser(self, name: str = "one") -> Browser:
        """A browser that subscribed here."""
        return Browser(f"http://{HOST}:{self.port}/send/{name}")

    def opened(self, browser: Browser, at: int = -1) -> dict[str, Any]:
        """A message as the browser reads it."""
        found: dict[str, Any] = json.loads(browser.opened(self.sent[at].body))
        return found

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.sent.append(Sent(scope["path"], headers, body))
        extra = [(name.encode(), value.encode()) for name, value in self.extra.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": extra})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def push_service() -> AsyncIterator[PushService]:
    """A push service on loopback."""
    service = PushService()
    config = uvicorn.Config(service, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    service.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.force_exit = server.should_exit = True
        await running
