"""Settings: the second step of signing in, by codes from an app."""

from __future__ import annotations

from dataclasses import dataclass

import segno
from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.responses import Response

from civitas.domains.accounts import totp
from civitas.faces.http.limits import limited
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import forms, keepsakes
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Conflict, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/security/two-step"
SECURITY = "/account/security#two-step"
ENROLMENT, CODES = "two_step", "recovery_codes"
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class EnrolPage:
    """The picture for the app, and the field for its first code."""

    form: Entered
    secret: str
    picture: Markup


@dataclass(frozen=True, slots=True)
class CodesPage:
    """The recovery codes, this once."""

    codes: list[str]


@router.post(HERE)
async def begin(request: Request, member: Member, session: Unit) -> Response:
    """Make a secret for the app; nothing is on before a first code fits."""
    state = state_of(request)
    made = await totp.enrol(session, member, secret=state.secret, issuer=state.settings.site.name)
    response = redirect(request, HERE)
    note = {"secret": made.secret, "uri": made.uri, "person": member.id}
    keepsakes.put(request, response, ENROLMENT, note, seconds=1800)
    return response


@router.get(HERE)
async def show(request: Request, member: Member) -> Response:
    """The picture for the app."""
    return _page(request, member.require(), Entered())


@router.post(f"{HERE}/confirm", dependencies=[Depends(limited("sign_in"))])
async def confirm(request: Request, member: Member) -> Response:
    """Turn it on with a first code, and show the recovery codes."""
    form = await forms.read(request)
    state = state_of(request)
    try:
        async with state.database.unit() as session:
            code = "".join(form.get("code").split())
            codes = await totp.confirm(session, member, code=code, secret=state.secret)
    except (Invalid, Conflict) as fault:
        return _page(request, member.require(), form.failed(fault), forms.status_of(fault))
    keepsakes.drop(request, ENROLMENT)
    return _to_codes(request, codes)


@router.post(f"{HERE}/codes")
async def renew(request: Request, member: Member, session: Unit) -> Response:
    """New recovery codes in place of the old ones."""
    return _to_codes(request, await totp.renew_codes(session, member))


@router.get(f"{HERE}/codes")
async def codes(request: Request, member: Member) -> Response:
    """The recovery codes, once."""
    found = keepsakes.take(request, CODES)
    if found is None:
        return redirect(request, SECURITY, kind="info", text="Recovery codes are shown only once.")
    page = CodesPage([str(code) for code in found["codes"]])
    return render(request, "account/recovery_codes.html", page, headers=NO_STORE)


@router.post(f"{HERE}/off")
async def turn_off(request: Request, member: Member, session: Unit) -> Response:
    """Turn the second step off."""
    await totp.disable(session, member)
    return redirect(request, SECURITY, text="Two-step sign-in is off.")


def _to_codes(request: Request, made: list[str]) -> Response:
    response = redirect(request, f"{HERE}/codes")
    keepsakes.put(request, response, CODES, {"codes": made}, seconds=900)
    return response


def _page(request: Request, person_id: int, form: Entered, status: int = 200) -> Response:
    note = keepsakes.look(request, ENROLMENT)
    if note is None or note["person"] != person_id:
        return redirect(request, SECURITY, kind="info", text="Begin again to see the picture for your app.")
    page = EnrolPage(form, " ".join(_fours(str(note["secret"]))), picture_of(str(note["uri"])))
    return render(request, "account/two_step.html", page, status=status, headers=NO_STORE)


def picture_of(text: str) -> Markup:
    """A QR code (ISO/IEC 18004) as SVG without inline style; black on white in every theme, as scanners need it."""
    code = segno.make(text, error="m", micro=False)
    drawn: str = code.svg_inline(
        border=3, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True, title="QR code"
    )
    return Markup(drawn)  # noqa: S704 (made of the code's own squares)


def _fours(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]
