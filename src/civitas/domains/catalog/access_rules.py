"""What a creator may charge and for how long: one set of rules for every way of setting it (FEATURES I50 to I57)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Onboarding, Role
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import UNLIMITED, Economy, quarters
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.catalog import access_rights, base_models, licensing
from civitas.domains.catalog.access_forms import HUNDREDTHS, TermsForm
from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.catalog.access_types import AccessState, Gate
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import ModelType, Status, UsageControl
from civitas.kit import money
from civitas.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a creator's score and membership allow for one version. Amounts in quarters; None is no limit.

    `free_slots` and `free_permanent` say how many more versions may be gated so, this one not counted.
    """

    score: int
    tier: str
    days: tuple[int, ...]
    slots: int
    slots_used: int
    permanent: int | None
    permanent_used: int
    price_cap: int | None
    fee_cap: int
    fee_suggested: int
    least_download: int
    least_generation: int
    trial_default: int
    trial_most: int
    goal_least: int
    goal_most: int
    may_hide_goal: bool
    next_step: tuple[int, int, int] | None
    licence_reasons: tuple[str, ...]
    exempt: bool

    @property
    def free_slots(self) -> int:
        """Timed windows that are left."""
        return max(0, self.slots - self.slots_used)

    @property
    def free_permanent(self) -> int | None:
        """Permanently paid versions that are left; None for no limit."""
        return None if self.permanent is None else max(0, self.permanent - self.permanent_used)


async def allowance(
    session: AsyncSession, model: Model, version: ModelVersion, *, exempt: bool = False
) -> Allowance:
    """What the creator of this model may set for this version; `exempt` is a moderator, whom scores do not bind."""
    rules = economy.current()
    early, fee = rules.early_access, rules.licence_fee
    found = await entitlements(session, model.person_id)
    role, onboarding, parts = (
        await session.execute(
            select(Person.role, Person.onboarding, Person.score_parts).where(Person.id == model.person_id)
        )
    ).one()
    # What other work scores does not count here (FEATURES I50).
    score = int(parts.get("models", 0))
    staff = exempt or role in (Role.MODERATOR, Role.ADMIN)
    longest, slots = early.staff_days, early.staff_versions
    if not staff:
        reached = [step for step in early.steps if step.score <= score]
        longest = max((step.days for step in reached), default=0)
        slots = max((step.versions for step in reached), default=0)
    ahead = next((step for step in early.steps if step.score > score), None)
    timed, permanent = await _gated(session, model.person_id, version.id)
    factor = rules.paid_access.video_factor if makes_video(version.base_model) else 1
    cap = rules.paid_access.price_caps.get(found.key, 0)
    most = rules.paid_access.member_versions if found.member else rules.paid_access.free_versions
    checkpoint = model.type == ModelType.CHECKPOINT
    caps = fee.checkpoint_caps if checkpoint else fee.other_caps
    fee_factor = fee.video_factor if makes_video(version.base_model) else 1
    programme = bool(onboarding & Onboarding.CREATOR_PROGRAM) and not (
        onboarding & Onboarding.BANNED_CREATOR_PROGRAM
    )
    return Allowance(
        score=score,
        tier=found.tier.label,
        days=tuple(days for days in early.days if days <= longest),
        slots=slots,
        slots_used=timed,
        permanent=None if most == UNLIMITED or exempt else most,
        permanent_used=permanent,
        price_cap=None if cap == UNLIMITED or exempt else money.buzz(cap * factor),
        fee_cap=caps.get(found.key, 0) * fee_factor if not exempt else max(caps.values()) * fee_factor,
        fee_suggested=fee.suggested_checkpoint if checkpoint else fee.suggested_other,
        least_download=quarters(early.least_download_price),
        least_generation=quarters(early.least_generation_price),
        trial_default=early.trial_generations,
        trial_most=early.most_trial_generations,
        goal_least=quarters(early.donation_goal_least),
        goal_most=quarters(early.donation_goal_most),
        may_hide_goal=programme or exempt,
        next_step=(ahead.score, ahead.days, ahead.versions) if ahead and not staff else None,
        licence_reasons=licence_reasons(model, version),
        exempt=exempt,
    )


async def _gated(session: AsyncSession, person_id: int, besides: int) -> tuple[int, int]:
    """How many other versions of a creator have a timed gate, and how many a permanent one, now or when published."""
    rows = await session.execute(
        select(VersionAccess.gate, func.count())
        .join(ModelVersion, ModelVersion.id == VersionAccess.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            Model.person_id == person_id,
            Model.status != Status.DELETED,
            ModelVersion.status != Status.DELETED,
            VersionAccess.version_id != besides,
            VersionAccess.gate != Gate.NONE,
            VersionAccess.state != AccessState.ENDED,
        )
        .group_by(VersionAccess.gate)
    )
    found = {str(gate): int(count) for gate, count in rows}
    return found.get(Gate.TIMED, 0), found.get(Gate.PERMANENT, 0)


def makes_video(base_model: str) -> bool:
    """Whether versions of this base model make video, for which more may be charged."""
    found = base_models.current().find(base_model)
    return found is not None and "video" in found.media


def licence_reasons(model: Model, version: ModelVersion) -> tuple[str, ...]:
    """Why nothing may be charged for this version; empty when it may (FEATURES I57)."""
    found = licensing.effective_of(licensing.permissions(model), [version.base_model])
    if found.may_monetise:
        return ()
    return tuple(reason for reason in found.reasons if "charged" in reason) or (
        "The licence of the base model does not allow charging for it.",
    )


class Findings:
    """The sentences that refuse terms, by the field they belong to."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.code = "bad_terms"

    def add(self, name: str, text: str, code: str | None = None) -> None:
        """Note that a field is wrong; the first code that is named is the fault's."""
        self.fields.setdefault(name, text)
        if code and self.code == "bad_terms":
            self.code = code

    def refuse(self) -> None:
        """Raises Invalid when anything was found."""
        if self.fields:
            raise Invalid(next(iter(self.fields.values())), code=self.code, fields=self.fields)


def check(form: TermsForm, allowed: Allowance, version: ModelVersion, present: VersionAccess | None) -> None:
    """Raises Invalid, with a sentence for each wrong field, unless these terms may be set.

    `present` are the terms in force. Codes: `licence_forbids_price`, `score_too_low`, `no_slot_left`,
    `price_above_cap`, `fee_above_cap`, `only_before_publishing`, `rights_needed`, `goal_fixed`, else `bad_terms`.
    """
    found = Findings()
    charges = form.gate is not Gate.NONE or form.licence_fee is not None
    if charges and allowed.licence_reasons:
        found.add("gate" if form.gate is not Gate.NONE else "licenceFee", allowed.licence_reasons[0],
                  "licence_forbids_price")  # fmt: skip
    _check_change(found, form, version, present)
    if form.gate is Gate.TIMED:
        _check_window(found, form, allowed, present)
    if form.gate is Gate.PERMANENT:
        _check_permanent(found, form, allowed, present)
    if form.gate is Gate.NONE:
        if form.download_price is not None or form.generation_price is not None:
            found.add("gate", "Choose early access or paid access to charge for it.")
    else:
        _check_prices(found, form, allowed, version)
    _check_goal(found, form, allowed, present)
    _check_fee(found, form, allowed, version, present)
    found.refuse()


def _check_change(
    found: Findings, form: TermsForm, version: ModelVersion, present: VersionAccess | None
) -> None:
    running = present is not None and present.gate == Gate.TIMED and present.state != AccessState.ENDED
    published = version.published_at is not None
    if form.gate is Gate.TIMED and published and not running:
        same = present is not None and present.gate == Gate.TIMED
        if not same:
            found.add("gate", "Early access is set before a version is published for the first time.",
                      "only_before_publishing")  # fmt: skip
    if not (running and published) or present is None:
        return
    if form.gate is Gate.PERMANENT:
        found.add("gate", "End its early access first; then it can become paid for good.", "window_running")
    if form.gate is not Gate.TIMED:
        return
    if form.days is not None and form.days != present.days:
        found.add("days", "The length of early access is fixed once it has begun.", "only_before_publishing")
    for name, asked, now in (
        ("downloadPrice", form.download_price, present.download_price),
        ("generationPrice", form.generation_price, present.generation_price),
    ):
        if asked is not None and now is not None and asked > now:
            found.add(name, "While early access runs, a price can only go down.", "price_raised")


def _check_window(
    found: Findings, form: TermsForm, allowed: Allowance, present: VersionAccess | None
) -> None:
    days = form.days or (present.days if present else None)
    if present is not None and present.gate == Gate.TIMED and present.state != AccessState.DRAFT:
        return
    if days is None:
        found.add("days", "Say how many days early access lasts.")
    elif days not in allowed.days:
        if allowed.days:
            found.add("days", f"You can choose {', '.join(map(str, allowed.days))} days.", "score_too_low")
        else:
            least = economy.current().early_access.steps[0].score
            found.add(
                "gate",
                f"Early access needs a score of {least:,} for your models; you have {allowed.score:,}.",
                "score_too_low",
            )
    elif allowed.free_slots == 0:
        found.add(
            "gate",
            f"You have {allowed.slots_used} of {allowed.slots} versions in early access; wait until one ends.",
            "no_slot_left",
        )


def _check_permanent(
    found: Findings, form: TermsForm, allowed: Allowance, present: VersionAccess | None
) -> None:
    if allowed.free_permanent == 0:
        found.add(
            "gate",
            f"Your membership ({allowed.tier}) allows {allowed.permanent} paid versions, and you have them all.",
            "no_slot_left",
        )
    cap = allowed.price_cap
    for name, asked, before in (
        ("downloadPrice", form.download_price, present.download_price if present else None),
        ("generationPrice", form.generation_price, present.generation_price if present else None),
    ):
        # What was allowed once stays when a membership lapses; it can only go down.
        if asked is not None and cap is not None and asked > cap and (before is None or asked > before):
            found.add(
                name, f"With {allowed.tier} a price is {money.shown(cap)} Buzz at most.", "price_above_cap"
            )


def _check_prices(found: Findings, form: TermsForm, allowed: Allowance, version: ModelVersion) -> None:
    downloads = version.usage_control == UsageControl.DOWNLOAD
    if downloads and form.download_price is None:
        found.add("downloadPrice", "Say what downloading costs.")
    if not downloads and form.download_price is not None:
        found.add(
            "downloadPrice", "Its files cannot be downloaded, so only generation can be sold.", "no_download"
        )
    if not downloads and form.generation_price is None:
        found.add("generationPrice", "Say what generating costs.")
    for name, asked, least in (
        ("downloadPrice", form.download_price, allowed.least_download),
        ("generationPrice", form.generation_price, allowed.least_generation),
    ):
        if asked is not None and asked < least:
            found.add(name, f"The price is {money.shown(least)} Buzz at least.")
    if (
        form.download_price is not None
        and form.generation_price is not None
        and form.generation_price > form.download_price
    ):
        found.add("generationPrice", "Downloading includes generating, so this cannot cost more.")
    if form.trial_generations is not None and form.trial_generations > allowed.trial_most:
        found.add("trialGenerations", f"At most {allowed.trial_most:,} generations can be free.")


def _check_goal(found: Findings, form: TermsForm, allowed: Allowance, present: VersionAccess | None) -> None:
    fixed = present.goal if present is not None and present.state != AccessState.DRAFT else None
    if fixed is not None and form.donation_goal not in (None, fixed):
        found.add("donationGoal", "A donation goal is set once and then stays.", "goal_fixed")
        return
    goal = form.donation_goal
    if goal is None:
        return
    if form.gate is Gate.NONE:
        found.add("donationGoal", "A donation goal needs early access or paid access.")
    if not allowed.goal_least <= goal <= allowed.goal_most:
        found.add(
            "donationGoal",
            f"A goal lies between {money.shown(allowed.goal_least)} and {money.shown(allowed.goal_most)} Buzz.",
        )
    if form.hide_goal and not allowed.may_hide_goal:
        found.add("hideGoal", "Only members of the creator programme can hide a goal.", "programme_only")


def _check_fee(
    found: Findings, form: TermsForm, allowed: Allowance, version: ModelVersion, present: VersionAccess | None
) -> None:
    fee = form.fee_hundredths
    if form.licensing_source_version_id == version.id:
        found.add("licensingSourceVersionId", "A version does not stand on itself.")
    if fee is None:
        return
    rules: Economy = economy.current()
    if form.licence_fee_images not in rules.licence_fee.per_images:
        told = ", ".join(map(str, rules.licence_fee.per_images))
        found.add("licenceFeeImages", f"A fee is for one of so many images: {told}.")
    before = (present.licence_fee, present.licence_fee_images) if present else (None, 1)
    lower = before[0] is not None and fee * before[1] <= before[0] * form.licence_fee_images
    if fee > allowed.fee_cap * form.licence_fee_images and not lower:
        cap = allowed.fee_cap / HUNDREDTHS
        found.add(
            "licenceFee", f"With {allowed.tier} a fee is {cap:g} Buzz an image at most.", "fee_above_cap"
        )
    if not lower and not access_rights.affirmed(form.rights_affirmation):
        found.add(
            "rightsAffirmation", "Confirm that you hold the rights to charge for this.", "rights_needed"
        )
