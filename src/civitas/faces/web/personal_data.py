"""Settings: everything kept about a person, to take away; and leaving."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import exports, leaving, policy
from civitas.domains.accounts.types import Actor
from civitas.faces.http import sessions as cookies
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Conflict, Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/data"


@dataclass(frozen=True, slots=True)
class DataPage:
    """What can be taken away, and the form to leave."""

    form: Entered
    sections: list[str]
    days: int


@router.get(HERE)
async def show(request: Request, member: Member) -> Response:
    """The page; what it offers needs a fresh proof of identity."""
    policy.require_fresh(member)
    return _page(request, Entered())


@router.post(f"{HERE}/delete")
async def delete(request: Request, member: Member) -> Response:
    """Delete the account, once its name was typed."""
    form = await forms.read(request)
    try:
        _check_name(form, member)
        async with state_of(request).database.unit() as session:
            await leaving.delete_account(
                session,
                member,
                remove_models=form.get("models") == "remove",
                remove_images=form.get("images") == "remove",
            )
    except (Invalid, Conflict) as fault:
        return _page(request, form.failed(fault), fault)
    response = redirect(
        request, "/", kind="info", text="Your account is deleted. Thank you for having been here."
    )
    cookies.end(request, response)
    return response


def _check_name(form: Entered, member: Actor) -> None:
    if form.get("username").strip() != member.username:
        told = f"Type {member.username}, exactly as it is written here."
        raise Invalid(told, code="name_differs", fields={"username": told})
    wrong = {name: "Choose one." for name in ("models", "images") if form.get(name) not in {"keep", "remove"}}
    if wrong:
        raise Invalid("Say what happens to your work.", code="choice_needed", fields=wrong)


def _page(request: Request, form: Entered, fault: Fault | None = None) -> Response:
    page = DataPage(form, exports.section_names(), leaving.KEPT.days)
    return render(request, "account/data.html", page, status=forms.status_of(fault) if fault else 200)
