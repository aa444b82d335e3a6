"""The step "Access and price": early access, a price, a donation goal, a licence fee; with what one's score allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.catalog import access, access_rights, access_rules, access_terms
from civitas.domains.catalog.access import Granted
from civitas.domains.catalog.access_forms import HUNDREDTHS, TermsForm
from civitas.domains.catalog.access_rules import Allowance
from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.catalog.access_types import AccessState, Gate, Permission
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.catalog.types import UsageControl
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.form_values import blank, snake, validated, version_id
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit import money
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

GATES: Final = (
    (Gate.NONE.value, "Open to everybody", "Anybody may have it at once, for nothing."),
    (Gate.TIMED.value, "Early access", "For some days only those who pay; then it is open to everybody."),
    (Gate.PERMANENT.value, "Paid", "It stays paid for as long as it is here."),
)


@dataclass(frozen=True, slots=True)
class Hint:
    """What is right or wrong with a choice as it stands; `good` is None for a mere fact."""

    text: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class AccessPage:
    """The form, what the rules allow, and who has access for nothing."""

    frame: Frame
    form: Entered
    allowed: Allowance
    access: VersionAccess | None
    hints: tuple[Hint, ...]
    downloads: bool
    running: bool
    over: bool
    given: tuple[Granted, ...]
    rights: str
    rights_hash: str
    fee_images: tuple[tuple[str, str], ...]
    gates: tuple[tuple[str, str, str], ...] = GATES


_PATH: Final = "/models/{model_id:int}/versions/{number:int}/access"


@router.get(_PATH)
async def show(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """The terms as they stand."""
    return await _page(request, creator, model_id, number, None)


@router.post(_PATH)
async def save(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Set the terms, and go on with a draft's files."""
    form = await forms.read(request)
    try:
        terms = validated(TermsForm, _given(form))
        async with state_of(request).database.unit() as session:
            frame = await publish_frame.load(
                session, creator, model_id=model_id, place="access", version_id=number
            )
            await access_terms.set_terms(session, creator, version_id=number, form=terms)
    except Fault as fault:
        if fault.kind == "not_found":
            raise
        names = {name: snake(name) for name in fault.details.get("fields") or {}}
        return await _page(
            request, creator, model_id, number, form.failed(fault, **names), forms.status_of(fault)
        )
    if frame.version is not None and frame.version.row.published_at is not None:
        return redirect(request, frame.to("access"), text="Saved.")
    return redirect(request, frame.to("files"), text="Saved.")


@router.post(_PATH + "/hints")
async def hints(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """What the rules say to the form as it stands; nothing is saved."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        await publish_frame.load(session, creator, model_id=model_id, place="access", version_id=number)
        version, found, allowed = await access_terms.of_version(session, creator, version_id=number)
        told = _hints(form, allowed, version, found)
    return render(request, "publish/access_hints.html", {"hints": told})


@router.post(_PATH + "/people")
async def people(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Give somebody access for nothing (`username`), or take it back (`take`)."""
    form = await forms.read(request)
    here = publish_frame.href("access", model_id, number)
    try:
        async with state_of(request).database.unit() as session:
            await publish_frame.load(session, creator, model_id=model_id, place="access", version_id=number)
            if form.get("take"):
                await access.take(session, creator, version_id=number, username=form.get("take"))
                text = f"{form.get('take')} has no free access any more."
            else:
                kind = Permission.GENERATE if form.get("permission") == "Generate" else Permission.DOWNLOAD
                await access.give(
                    session, creator, version_id=number, username=form.get("username"), permission=kind
                )
                text = f"{form.get('username').strip()} has access now."
    except Fault as fault:
        return redirect(request, here, kind="danger", text=fault.message)
    return redirect(request, here, text=text)


def _given(form: Entered) -> dict[str, Any]:
    gate = form.get("gate", Gate.NONE)
    gated = gate != Gate.NONE
    fee = blank(form.get("licence_fee"))
    return {
        "gate": gate,
        "days": blank(form.get("days")) if gate == Gate.TIMED else None,
        "download_price": blank(form.get("download_price")) if gated else None,
        "generation_price": blank(form.get("generation_price")) if gated else None,
        "trial_generations": blank(form.get("trial_generations")),
        "accepts_blue": form.flag("accepts_blue"),
        "donation_goal": blank(form.get("donation_goal")) if gated else None,
        "hide_goal": form.flag("hide_goal"),
        "licence_fee": fee,
        "licence_fee_images": form.get("licence_fee_images", "1") if fee else "1",
        "licensing_source_version_id": version_id(
            form.get("licensing_source_version_id"), field="licensing_source_version_id"
        ),
        "rights_affirmation": blank(form.get("rights_affirmation")),
    }


def _values(found: VersionAccess | None, allowed: Allowance) -> Mapping[str, tuple[str, ...]]:
    if found is None:
        return {"gate": (Gate.NONE,), "trial_generations": (str(allowed.trial_default),)}
    over = found.state == AccessState.ENDED
    values = {
        "gate": Gate.NONE.value if over else found.gate,
        "days": str(found.days or ""),
        "download_price": _plain(found.download_price),
        "generation_price": _plain(found.generation_price),
        "trial_generations": str(found.trial_generations),
        "donation_goal": _plain(found.goal),
        "licence_fee": "" if found.licence_fee is None else f"{Decimal(found.licence_fee) / HUNDREDTHS:f}",
        "licence_fee_images": str(found.licence_fee_images),
        "licensing_source_version_id": str(found.licensing_source_version_id or ""),
        "rights_affirmation": found.rights_hash.hex() if found.rights_hash else "",
    }
    ticked = {"accepts_blue": found.accepts_blue, "hide_goal": found.goal_hidden}
    made = {name: (str(value),) for name, value in values.items()}
    return made | {name: ("true",) for name, on in ticked.items() if on}


def _plain(quarters: int | None) -> str:
    return (
        "" if quarters is None else f"{money.as_number(quarters):g}" if quarters % 4 else str(quarters // 4)
    )


def _hints(
    form: Entered, allowed: Allowance, version: ModelVersion, found: VersionAccess | None
) -> tuple[Hint, ...]:
    told: list[Hint] = list(_standing(form.get("gate", Gate.NONE), allowed))
    if form.values and form.get("gate", Gate.NONE) != Gate.NONE:
        try:
            access_rules.check(validated(TermsForm, _given(form)), allowed, version, found)
            told.append(Hint("These terms can be saved.", True))
        except Invalid as fault:
            told += [Hint(text, False) for text in dict.fromkeys(fault.fields.values())]
    return tuple(told)


def _standing(gate: str, allowed: Allowance) -> list[Hint]:
    if allowed.licence_reasons:
        return [Hint(allowed.licence_reasons[0], False)]
    if gate == Gate.TIMED:
        told = [Hint(f"Your models score {allowed.score:,}.")]
        if allowed.days:
            told.append(
                Hint(
                    f"That allows {allowed.days[-1]} days at most, and {allowed.slots} versions at once; "
                    f"{allowed.free_slots} are free.",
                    allowed.free_slots > 0,
                )
            )
        else:
            told.append(Hint("That is not enough for early access yet.", False))
        if allowed.next_step:
            score, days, slots = allowed.next_step
            told.append(Hint(f"From {score:,} on: {days} days, {slots} at once."))
        return told
    if gate == Gate.PERMANENT:
        left = allowed.free_permanent
        cap = "no limit" if allowed.price_cap is None else f"{money.shown(allowed.price_cap)} Buzz at most"
        return [
            Hint(f"Your membership is {allowed.tier}: {cap} for a price."),
            Hint(
                "You may have as many paid versions as you like."
                if left is None
                else f"{left} of {allowed.permanent} paid versions are free.",
                left is None or left > 0,
            ),
        ]
    return []


async def _page(
    request: Request,
    creator: Actor,
    model_id: int,
    number: int,
    form: Entered | None,
    status: int = 200,
) -> Response:
    async with state_of(request).database.unit() as session:
        frame = await publish_frame.load(
            session, creator, model_id=model_id, place="access", version_id=number
        )
        page = await _context(session, creator, frame, number, form)
    return render(request, "publish/access.html", page, status=status)


async def _context(
    session: AsyncSession, creator: Actor, frame: Frame, number: int, form: Entered | None
) -> AccessPage:
    version, found, allowed = await access_terms.of_version(session, creator, version_id=number)
    given = await access.given_to(session, creator, version_id=number)
    shown = form if form is not None else Entered(_values(found, allowed))
    state = found.state if found is not None and found.gate != Gate.NONE else None
    return AccessPage(
        frame=frame,
        form=shown,
        allowed=allowed,
        access=found,
        hints=tuple(_standing(shown.get("gate", Gate.NONE), allowed)),
        downloads=version.usage_control == UsageControl.DOWNLOAD,
        running=state == AccessState.OPEN,
        over=state == AccessState.ENDED,
        given=tuple(given.items),
        rights=access_rights.TEXT,
        rights_hash=access_rights.digest().hex(),
        fee_images=tuple(
            (str(count), "each image" if count == 1 else f"{count} images")
            for count in economy.current().licence_fee.per_images
        ),
    )
