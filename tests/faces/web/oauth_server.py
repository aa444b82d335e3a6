"""A small OAuth 2.0 and OpenID Connect server on a loopback port that plays any provider, honestly or not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "our-id", "our-secret"


@dataclass
class OAuthServer:
    """What it says of its one user, and how it misbehaves."""

    base: str = ""
    userinfo: Any = field(default_factory=dict)
    emails: list[dict[str, Any]] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    wrong_key: bool = False
    asked: dict[str, str] = field(default_factory=dict)
    keys: list[RSAKey] = field(
        default_factory=lambda: [
            RSAKey.generate_key(2048, {"kid": name}, auto_kid=False) for name in ("a", "b")
        ]
    )

    def consent(self, authorize_url: str) -> str:
        """The user agrees: where the browser is sent back to. Checks what every request must have."""
        parts = urlsplit(authorize_url)
        assert authorize_url.startswith(f"{self.base}/authorize?")
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 16
        self.asked = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': 'the-code', 'state': asked['state']})}"

    async def token(self, request: Request) -> Response:
        """Exchange the code, once the client has proved itself and knows the verifier."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        known = request.headers.get("authorization") == f"Basic {basic}" or (
            form.get("client_secret") == CLIENT_SECRET
        )
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = challenge == self.asked.get("code_challenge") and form.get("code") == "the-code"
        if not (known and fits and form.get("redirect_uri") == self.asked["redirect_uri"]):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse({"access_token": "granted", "token_type": "bearer", "id_token": self._id_token()})

    def _id_token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.base,
            "aud": CLIENT_ID,
            "nonce": self.asked.get("nonce"),
            "iat": now,
            "exp": now + 300,
            **self.claims,
        }
        return jwt.encode({"alg": "RS256", "kid": "a"}, claims, self.keys[1 if self.wrong_key else 0])

    async def about(self, request: Request) -> Response:
        """The user, for who holds the token."""
        if request.headers.get("authorization") != "Bearer granted":
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        return JSONResponse(self.emails if request.url.path == "/emails" else self.userinfo)

    async def jwks(self, request: Request) -> Response:
        """The key that signs."""
        return JSONResponse({"keys": [self.keys[0].as_dict(private=False)]})


async def _never(request: Request) -> Response:
    return RedirectResponse("/nowhere")


@asynccontextmanager
async def oauth_server() -> AsyncIterator[OAuthServer]:
    """The server, running in this event loop."""
    played = OAuthServer()
    app = Starlette(
        routes=[
            Route("/authorize", _never),
            Route("/token", played.token, methods=["POST"]),
            Route("/userinfo", played.about),
            Route("/emails", played.about),
            Route("/jwks", played.jwks),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    played.base = f"http://127.0.0.1:{port}"
    yield played
    server.should_exit = True
    await running
