"""Settings: who one is to others, the name, the address, the password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from civitas.domains.accounts import passwords, profiles, queries
from civitas.domains.accounts.profiles import LinkKind, ProfileEdit, ProfileLink, ProfileText
from civitas.domains.accounts.queries import Account
from civitas.domains.accounts.types import Actor
from civitas.faces.http import portraits
from civitas.faces.http import sessions as cookies
from civitas.faces.http.limits import limited
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Conflict, Fault, Invalid, TooLarge

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

EMPTY_LINKS = 2
LINK_KINDS = tuple((kind.value, kind.value) for kind in LinkKind)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """All sections; `forms` holds the one that came back with errors."""

    account: Account
    text: ProfileText
    forms: Mapping[str, Entered]
    links: tuple[tuple[str, str, str], ...]
    avatar_url: str | None
    cover_url: str | None
    link_kinds: tuple[tuple[str, str], ...] = LINK_KINDS

    def form(self, section: str) -> Entered:
        """What was entered into a section."""
        return self.forms.get(section, Entered())


@router.get("/account")
async def show(request: Request, member: Member) -> Response:
    """The settings."""
    return await show_with(request, member, "", Entered())


@router.post("/account/profile")
async def save_profile(request: Request, member: Member) -> Response:
    """What others read about the person."""
    form = await forms.read(request)
    try:
        changes = ProfileEdit(
            bio=form.get("bio"),
            pinned_message=form.get("pinned_message"),
            location=form.get("location"),
            links=[ProfileLink(LinkKind(kind), url, label) for kind, url, label in _links(form) if url],
        )
        async with state_of(request).database.unit() as session:
            await profiles.edit(session, member, changes=changes)
    except Invalid as fault:
        return await show_with(request, member, "profile", form.failed(fault), forms.status_of(fault))
    return redirect(request, "/account#profile", text="Your profile is saved.")


@router.post("/account/picture/{kind}")
async def save_picture(request: Request, member: Member, kind: str) -> Response:
    """A new avatar (`portrait`) or the wide picture of the profile (`cover`), or none."""
    form = await forms.read(request)
    state = state_of(request)
    chosen: portraits.Kind = "cover" if kind == "cover" else "portrait"
    key: str | None = None
    try:
        if not form.flag("remove"):
            key = await portraits.keep(state, await _body(form), chosen)
        async with state.database.unit() as session:
            change = profiles.set_cover if chosen == "cover" else profiles.set_avatar
            before = await change(session, member, key=key)
    except (Invalid, TooLarge) as fault:
        told = Entered(errors={chosen: fault.message})
        return await show_with(request, member, "pictures", told, forms.status_of(fault))
    except Fault:
        await portraits.discard(state, key)
        raise
    await portraits.discard(state, before)
    text = "Your new picture is shown from now on." if key else "The picture is gone."
    return redirect(request, "/account#pictures", text=text)


@router.post("/account/username")
async def rename(request: Request, member: Member) -> Response:
    """Take another name."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await profiles.rename(session, member, username=form.get("username").strip())
    except (Invalid, Conflict) as fault:
        return await show_with(request, member, "username", form.failed(fault), forms.status_of(fault))
    return redirect(request, "/account#username", text="That is your name from now on.")


@router.post("/account/password", dependencies=[Depends(limited("sign_in"))])
async def change_password(request: Request, member: Member) -> Response:
    """Set the password; every other browser is signed out and this one gets a new secret."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            done = await passwords.change(
                session, member, current=form.get("current") or None, new=form.get("password")
            )
    except Invalid as fault:
        failed = form.failed(fault)
        return await show_with(request, member, "password", failed, forms.status_of(fault))
    text = "Your new password is set. Every other browser has to sign in again."
    response = redirect(request, "/account#password", text=text)
    cookies.start(request, response, done.token)
    return response


async def show_with(
    request: Request, member: Actor, section: str, form: Entered, status: int = 200
) -> Response:
    """The settings with one section as it was sent."""
    async with state_of(request).database.reading() as session:
        account = await queries.account(session, member)
        text = await profiles.text_of(session, member.require())
    stored = tuple((link.kind.value, link.url, link.label) for link in text.links)
    links = tuple(_links(form)) if section == "profile" else stored
    page = AccountPage(
        account=account,
        text=text,
        forms={section: form},
        links=(*links, *[("Social", "", "")] * EMPTY_LINKS)[: profiles.MOST_LINKS],
        avatar_url=portraits.portrait(account.avatar_key, 320),
        cover_url=portraits.portrait(text.cover_key, 1600),
    )
    return render(request, "account/account.html", page, status=status)


def _links(form: Entered) -> list[tuple[str, str, str]]:
    """The rows of links; a kind that does not exist counts as another one."""
    rows = zip(form.all("link_kind"), form.all("link_url"), form.all("link_label"), strict=False)
    known = {kind for kind, _ in LINK_KINDS}
    return [
        (kind if kind in known else LinkKind.OTHER.value, url.strip(), label)
        for kind, url, label in rows
        if url.strip() or label.strip()
    ]


async def _body(form: Entered) -> bytes:
    file = form.files.get("picture")
    if file is None or not file.size:
        raise Invalid("Choose a picture first.", code="no_picture")
    return await file.read(portraits.MOST_BYTES + 1)
