"""Signing in with an account from elsewhere: OAuth 2.0 with state, PKCE and nonce (RFC 6749, 7636, 9700)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from civitas import __version__
from civitas.domains.accounts import social
from civitas.domains.accounts.social import Elsewhere
from civitas.domains.accounts.types import Actor
from civitas.faces.http.limits import limited
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web import keepsakes
from civitas.faces.web.arrivals import arrive, browser_of
from civitas.faces.web.providers import PROVIDERS, Provider
from civitas.faces.web.visits import Visitor, local_path, redirect
from civitas.infra.settings import SocialProvider
from civitas.kit.errors import Fault, NotFound, Unavailable
from civitas.kit.ids import new_secret

router = APIRouter(include_in_schema=False)

FLOW, LINKING = "oauth", "linking"
FLOW_S = 600
TIMEOUT_S = 10.0
ASKING = {"Accept": "application/json", "User-Agent": f"civitas/{__version__}"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One button."""

    name: str
    label: str


def known() -> Mapping[str, Provider]:
    """Every provider that can be configured."""
    return PROVIDERS


Known = Annotated[Mapping[str, Provider], Depends(known)]


def offers(request: Request) -> tuple[Offer, ...]:
    """The providers that the operator has set up, in the order of the buttons."""
    return tuple(
        Offer(name, PROVIDERS[name].label) for name in PROVIDERS if _credentials(request, name).configured
    )


def link_address(request: Request, actor: Actor, provider: str) -> str:
    """Where a signed-in person begins to link another account; nobody else can make them begin."""
    proof = keepsakes.seal(
        request, LINKING, {"session": actor.session_id, "provider": provider}, seconds=1800
    )
    return f"/login/with/{provider}?link={proof}"


@router.get("/login/with/{name}", dependencies=[Depends(limited("sign_in"))])
async def begin(
    request: Request,
    visitor: Visitor,
    name: str,
    providers: Known,
    return_to: Annotated[str, Query(alias="returnUrl")] = "/",
    link: Annotated[str, Query(max_length=keepsakes.LONGEST)] = "",
) -> Response:
    """Send the browser to the provider, and remember what must come back."""
    provider = _provider(request, name, providers)
    linking: int | None = None
    if link:
        proof = keepsakes.unseal(request, LINKING, link) or {}
        if visitor.session_id is None or proof != {"session": visitor.session_id, "provider": name}:
            return redirect(request, "/account/security", kind="warn", text="That took too long; try again.")
        linking = visitor.session_id
    verifier, nonce, state = new_secret(48), new_secret(16), new_secret(24)
    target = prepare_grant_uri(
        provider.authorize_url,
        _credentials(request, name).client_id,
        "code",
        redirect_uri=_callback(request, name),
        scope=provider.scope,
        state=state,
        nonce=nonce,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
        **dict(provider.extra),
    )
    response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
    note = {
        "provider": name,
        "state": state,
        "verifier": verifier,
        "nonce": nonce,
        "to": local_path(return_to)[:500],
        "link": linking,
    }
    keepsakes.put(request, response, FLOW, note, seconds=FLOW_S)
    return response


@router.get("/login/with/{name}/callback", dependencies=[Depends(limited("sign_in"))])
async def finish(
    request: Request,
    visitor: Visitor,
    name: str,
    providers: Known,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=2000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """The browser is back: check that it is the flow it began, and ask the provider who it is."""
    provider = _provider(request, name, providers)
    flow = keepsakes.take(request, FLOW) or {}
    back = "/account/security" if flow.get("link") else "/login"
    if (
        flow.get("provider") != name
        or not hmac.compare_digest(state, str(flow.get("state", "")))
        or not state
    ):
        text = "That sign-in was not begun in this browser, or took too long; try again."
        return redirect(request, back, kind="warn", text=text)
    if error or not code or (iss is not None and provider.issuers and iss not in provider.issuers):
        return redirect(request, back, kind="info", text=f"{provider.label} did not sign you in.")
    try:
        profile = await _ask(request, provider, code, flow)
        if flow.get("link"):
            return await _link(request, visitor, profile, flow, provider)
        async with state_of(request).database.unit() as session:
            result = await social.sign_in_or_join(
                session,
                profile=profile,
                may_join=state_of(request).settings.site.allow_sign_up,
                browser=browser_of(request),
            )
    except Fault as fault:
        return redirect(request, back, kind="danger", text=fault.message)
    return arrive(request, result, to=str(flow.get("to", "/")))


async def _link(
    request: Request, visitor: Actor, profile: Elsewhere, flow: Mapping[str, Any], provider: Provider
) -> Response:
    if visitor.session_id != flow["link"]:
        text = "You have been signed out meanwhile; sign in and try again."
        return redirect(request, "/login?returnUrl=%2Faccount%2Fsecurity", kind="warn", text=text)
    async with state_of(request).database.unit() as session:
        await social.link(session, visitor, profile=profile)
    return redirect(request, "/account/security", text=f"You can sign in with {provider.label} from now on.")


async def _ask(request: Request, provider: Provider, code: str, flow: Mapping[str, Any]) -> Elsewhere:
    """Who it is, by the provider's word. Raises Unavailable when it does not answer as it should."""
    credentials = _credentials(request, provider.name)
    client_id = str(credentials.client_id)
    secret = credentials.client_secret.get_secret_value() if credentials.client_secret else ""
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _callback(request, provider.name),
        "code_verifier": str(flow["verifier"]),
    }
    by_header = provider.auth_method == "client_secret_basic"
    if not by_header:
        fields |= {"client_id": client_id, "client_secret": secret}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, headers=ASKING) as client:
            answer = await client.post(
                provider.token_url,
                data=fields,
                auth=httpx.BasicAuth(client_id, secret) if by_header else httpx.USE_CLIENT_DEFAULT,
            )
            answer.raise_for_status()
            token = answer.json()
            client.headers["Authorization"] = f"Bearer {token['access_token']}"
            return await provider.profile(provider, client, token, client_id, str(flow["nonce"]))
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            f"{provider.label} did not answer as expected; try again, or sign in another way.",
            code="provider_failed",
        ) from error


def _callback(request: Request, name: str) -> str:
    return f"{base_url(request)}/login/with/{name}/callback"


def _provider(request: Request, name: str, providers: Mapping[str, Provider]) -> Provider:
    if name not in providers or not _credentials(request, name).configured:
        raise NotFound("This way to sign in is not set up here.", code="no_such_provider")
    return providers[name]


def _credentials(request: Request, name: str) -> SocialProvider:
    return cast(SocialProvider, getattr(state_of(request).settings.social, name))
