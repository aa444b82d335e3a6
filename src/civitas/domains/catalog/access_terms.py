"""Setting the terms of a version, by whichever road: the API, the wizard, or an edit that alters what can be sold."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import LicenceFeeChanged
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.catalog import (
    access_rights,
    access_rules,
    access_windows,
    editing,
    licence_fees,
)
from civitas.domains.catalog.access_forms import TermsForm
from civitas.domains.catalog.access_rules import Allowance
from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.catalog.access_types import AccessState, EndReason, Gate
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import UsageControl
from civitas.kit import clock
from civitas.kit.errors import Conflict


async def set_terms(
    session: AsyncSession, actor: Actor, *, version_id: int, form: TermsForm
) -> VersionAccess:
    """Set all terms of a version; what the form leaves out is off. Setting the same again changes nothing.

    Taking a running timed gate away ends it now and pays the creator. Raises Invalid as `access_rules.check`, and
    what editing a version raises.
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    allowed = await access_rules.allowance(session, model, version, exempt=actor.is_moderator)
    present = await access_windows.locked(session, version_id)
    access_rules.check(form, allowed, version, present)
    await licence_fees.check_source(
        session, actor, version_id=version_id, source=form.licensing_source_version_id
    )
    access = present or VersionAccess(version_id=version_id, state=AccessState.DRAFT, gate=Gate.NONE)
    if present is None:
        session.add(access)
    before = _shape(access)
    fee_before = (access.licence_fee, access.licence_fee_images)
    if access.gate != form.gate and access.gate == Gate.TIMED and access.state == AccessState.OPEN:
        await access_windows.end(session, access, EndReason.CREATOR)
    _assign(access, form, allowed, actor)
    await _move_gate(session, access, form, version)
    if _shape(access) == before:
        return access
    access.updated_at = clock.now()
    editing.note(session, actor, model, "access_changed", version_id=version_id, gate=str(access.gate))
    events: list[object] = []
    if fee_before != (access.licence_fee, access.licence_fee_images):
        events.append(
            LicenceFeeChanged(
                version_id, model.id, model.person_id, access.licence_fee, access.licence_fee_images
            )
        )
    await access_windows.show(session, model, version, access)
    await editing.changed(session, model, *events)
    return access


_KEPT = (
    "gate", "state", "days", "download_price", "generation_price", "trial_generations", "accepts_blue", "goal",
    "goal_hidden", "licence_fee", "licence_fee_images", "licensing_source_version_id", "rights_hash",
)  # fmt: skip


def _shape(access: VersionAccess) -> tuple[object, ...]:
    return tuple(getattr(access, name) for name in _KEPT)


def _assign(access: VersionAccess, form: TermsForm, allowed: Allowance, actor: Actor) -> None:
    trials = form.trial_generations
    access.trial_generations = allowed.trial_default if trials is None else trials
    access.accepts_blue = form.accepts_blue
    if form.gate is not Gate.NONE:
        access.download_price, access.generation_price = form.download_price, form.generation_price
    if form.donation_goal is not None:
        access.goal = form.donation_goal
    elif access.state == AccessState.DRAFT:
        access.goal = None
    access.goal_hidden = form.hide_goal and access.goal is not None and allowed.may_hide_goal
    fee = form.fee_hundredths
    access.licence_fee, access.licence_fee_images = fee, form.licence_fee_images if fee is not None else 1
    access.licensing_source_version_id = form.licensing_source_version_id
    affirmed = fee is not None and access_rights.affirmed(form.rights_affirmation)
    if affirmed and access.rights_hash != access_rights.digest():
        access.rights_hash = access_rights.digest()
        access.rights_affirmed_at, access.rights_affirmed_by = clock.now(), actor.id


async def _move_gate(
    session: AsyncSession, access: VersionAccess, form: TermsForm, version: ModelVersion
) -> None:
    """Put the gate up, or take it down."""
    published = version.published_at is not None
    gate = form.gate
    if gate is Gate.TIMED:
        if access.gate != Gate.TIMED:
            access.gate, access.state = Gate.TIMED, AccessState.DRAFT
        if access.state == AccessState.DRAFT:
            access.days = form.days or access.days
        return
    if gate is Gate.PERMANENT:
        if access.gate != Gate.PERMANENT or access.state == AccessState.ENDED:
            access.gate, access.days, access.ends_at = Gate.PERMANENT, None, None
            access.ended_at = access.end_reason = None
            access.state = AccessState.OPEN if published else AccessState.DRAFT
            access.opened_at = clock.now() if published else None
        return
    if access.gate == Gate.PERMANENT and access.state == AccessState.OPEN:
        await access_windows.end(session, access, EndReason.CREATOR)
    if access.state == AccessState.DRAFT:
        access.gate, access.days = Gate.NONE, None
        access.download_price = access.generation_price = None


async def of_version(
    session: AsyncSession, actor: Actor, *, version_id: int
) -> tuple[ModelVersion, VersionAccess | None, Allowance]:
    """The terms as their creator edits them, and what the rules allow. Raises as editing a version does."""
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    allowed = await access_rules.allowance(session, model, version, exempt=actor.is_moderator)
    access = await session.scalar(select(VersionAccess).where(VersionAccess.version_id == version_id))
    return version, access, allowed


async def version_edited(session: AsyncSession, model: Model, version: ModelVersion) -> None:
    """Keep the terms true to an edit of the version: called while it is locked, before its change is stated.

    Another usage moves the price to the gate that is left. Raises Conflict (`licence_forbids_price`) when the new
    base model's licence does not allow what is charged.
    """
    access = await access_windows.locked(session, version.id)
    if access is None:
        return
    gated = access.gate != Gate.NONE and access.state != AccessState.ENDED
    if (gated or access.licence_fee is not None) and (
        reasons := access_rules.licence_reasons(model, version)
    ):
        raise Conflict(
            f"{reasons[0]} Take its price and licence fee away first.", code="licence_forbids_price"
        )
    if not gated:
        return
    early = economy.current().early_access
    if version.usage_control == UsageControl.DOWNLOAD:
        if access.download_price is None and access.generation_price is not None:
            access.download_price = max(access.generation_price, quarters(early.least_download_price))
    elif access.download_price is not None:
        access.generation_price = access.generation_price or access.download_price
        access.download_price = None
    await session.flush()


async def asked(session: AsyncSession, *, version_id: int) -> bool:
    """Whether a version has terms by which it earns: a gate, a goal or a licence fee."""
    found = await session.scalar(
        select(VersionAccess.version_id).where(
            VersionAccess.version_id == version_id,
            (VersionAccess.gate != Gate.NONE)
            | VersionAccess.goal.is_not(None)
            | VersionAccess.licence_fee.is_not(None),
        )
    )
    return found is not None
