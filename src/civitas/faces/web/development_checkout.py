"""The pretend provider's page: it says what happened to a payment. There is none outside of development."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.faces.http.paying import take_in
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.infra.payments.development import KEY, DevelopmentProvider
from civitas.kit.errors import Fault, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/dev/checkout"


@dataclass(frozen=True, slots=True)
class PretendPage:
    """A checkout that takes no money."""

    reference: str
    title: str
    cents: int
    paid: bool
    mode: str
    cancel_path: str
    problem: str | None = None


@router.get(HERE + "/{reference}")
async def show(request: Request, member: Member, reference: str) -> Response:
    """The checkout."""
    return await _page(request, _provider(request), reference)


@router.post(HERE + "/{reference}")
async def act(request: Request, member: Member, reference: str) -> Response:
    """Pay, pay twice, fail, dispute: as the provider would tell it, by a signed webhook."""
    provider = _provider(request)
    form = await forms.read(request)
    deed = form.get("deed")
    times = 2 if deed == "pay-twice" else 1
    try:
        headers, body = await provider.act(reference, "pay" if deed == "pay-twice" else deed)
        for _ in range(times):
            await take_in(state_of(request), KEY, headers, body)
    except Fault as fault:
        return await _page(request, provider, reference, fault.message)
    row = await provider.look(reference)
    return redirect(request, _path(request, row.terms["return_url"]))


async def _page(
    request: Request, provider: DevelopmentProvider, reference: str, problem: str | None = None
) -> Response:
    row = await provider.look(reference)
    page = PretendPage(
        reference, row.terms["title"], row.cents, row.paid_cents > 0, row.terms["mode"],
        _path(request, row.terms["cancel_url"]), problem,
    )  # fmt: skip
    return render(request, "buzz/development.html", page, status=400 if problem else 200)


def _path(request: Request, url: str) -> str:
    """The path of one of our own addresses."""
    return local_path("/" + url.partition("://")[2].partition("/")[2])


def _provider(request: Request) -> DevelopmentProvider:
    found: Any = state_of(request).payments.known.get(KEY)
    if not isinstance(found, DevelopmentProvider) or not state_of(request).settings.site.development:
        raise NotFound("There is nothing at this address (not found).", code="route_not_found")
    return found
