"""The sites whose accounts open an account here: where each is asked, and what its answer says of a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from civitas.domains.accounts.social import Elsewhere
from civitas.kit.errors import Unavailable

Client = httpx.AsyncClient
# What a provider answered with its token, and the nonce that we sent.
Token = Mapping[str, Any]


@dataclass(frozen=True)
class Provider:
    """One site. `profile` asks it who the owner of a token is; `client_id` is for whom a token must be made."""

    name: str
    label: str
    authorize_url: str
    token_url: str
    userinfo_url: str
    scope: str
    profile: Callable[[Provider, Client, Token, str, str], Awaitable[Elsewhere]]
    emails_url: str = ""
    jwks_url: str = ""
    issuers: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    auth_method: str = "client_secret_basic"

    def at(self, base: str) -> Provider:
        """The same provider played by another server, with the names of its pages after the provider's."""
        return replace(
            self,
            authorize_url=f"{base}/authorize",
            token_url=f"{base}/token",
            userinfo_url=f"{base}/userinfo",
            emails_url=f"{base}/emails" if self.emails_url else "",
            jwks_url=f"{base}/jwks" if self.jwks_url else "",
            issuers=(base,) if self.issuers else (),
        )


async def _json(client: Client, url: str) -> Any:
    response = await client.get(url, headers={"Accept": "application/json"})
    response.raise_for_status()
    return response.json()


async def _google(provider: Provider, client: Client, token: Token, client_id: str, nonce: str) -> Elsewhere:
    """By its ID token (OpenID Connect Core 1.0, 3.1.3.7): signature, issuer, audience, nonce and age."""
    held = await _json(client, provider.jwks_url)
    try:
        keys = KeySet.import_key_set(held)
        claims = jwt.decode(str(token["id_token"]), keys, algorithms=["RS256", "ES256"]).claims
        jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "values": list(provider.issuers)},
            aud={"essential": True, "value": client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except JoseError as error:
        raise Unavailable(f"{provider.label}'s answer does not hold.", code="provider_refused") from error
    return Elsewhere(
        provider=provider.name,
        subject=str(claims["sub"]),
        name=str(claims.get("name") or ""),
        email=claims.get("email"),
        email_verified=claims.get("email_verified") is True,
        picture=claims.get("picture"),
    )


async def _github(provider: Provider, client: Client, token: Token, client_id: str, nonce: str) -> Elsewhere:
    me = await _json(client, provider.userinfo_url)
    addresses = await _json(client, provider.emails_url)
    own: Mapping[str, Any] = next((entry for entry in addresses if entry.get("primary")), {})
    return Elsewhere(
        provider=provider.name,
        subject=str(me["id"]),
        name=str(me.get("login") or ""),
        email=own.get("email"),
        email_verified=own.get("verified") is True,
        picture=me.get("avatar_url"),
    )


async def _discord(provider: Provider, client: Client, token: Token, client_id: str, nonce: str) -> Elsewhere:
    me = await _json(client, provider.userinfo_url)
    return Elsewhere(
        provider=provider.name,
        subject=str(me["id"]),
        name=str(me.get("username") or ""),
        email=me.get("email"),
        email_verified=me.get("verified") is True,
    )


async def _reddit(provider: Provider, client: Client, token: Token, client_id: str, nonce: str) -> Elsewhere:
    """Reddit tells no address."""
    me = await _json(client, provider.userinfo_url)
    return Elsewhere(provider=provider.name, subject=str(me["id"]), name=str(me.get("name") or ""))


PROVIDERS: Mapping[str, Provider] = {
    "google": Provider(
        name="google",
        label="Google",
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 (an address)
        userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
        jwks_url="https://www.googleapis.com/oauth2/v3/certs",
        issuers=("https://accounts.google.com", "accounts.google.com"),
        scope="openid email profile",
        profile=_google,
        auth_method="client_secret_post",
    ),
    "github": Provider(
        name="github",
        label="GitHub",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",  # noqa: S106 (an address)
        userinfo_url="https://api.github.com/user",
        emails_url="https://api.github.com/user/emails",
        scope="read:user user:email",
        profile=_github,
        auth_method="client_secret_post",
    ),
    "discord": Provider(
        name="discord",
        label="Discord",
        authorize_url="https://discord.com/oauth2/authorize",
        token_url="https://discord.com/api/oauth2/token",  # noqa: S106 (an address)
        userinfo_url="https://discord.com/api/users/@me",
        scope="identify email",
        profile=_discord,
    ),
    "reddit": Provider(
        name="reddit",
        label="Reddit",
        authorize_url="https://www.reddit.com/api/v1/authorize",
        token_url="https://www.reddit.com/api/v1/access_token",  # noqa: S106 (an address)
        userinfo_url="https://oauth.reddit.com/api/v1/me",
        scope="identity",
        profile=_reddit,
        extra=(("duration", "temporary"),),
    ),
}
