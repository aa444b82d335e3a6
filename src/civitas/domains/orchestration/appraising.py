"""What a step is worth and who gets a part of it, by its input as far as that is known.

One look at the catalogue and at media for all steps that are appraised together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import SYSTEM_ID, Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships.entitlements import Entitlements
from civitas.domains.orchestration import blobs, inputs, measuring, pricing, references, resources
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.kinds.kind import Kind, Runner
from civitas.domains.orchestration.pricing import Priced
from civitas.domains.orchestration.resources import Named, Resource
from civitas.domains.orchestration.types import Priority


@dataclass(frozen=True, slots=True)
class Item:
    """A step to be appraised: `where` is the path of its input, `times` how often it is run (turns of a loop)."""

    type: str
    input: Mapping[str, Any]
    priority: Priority | None = None
    where: str = "input"
    times: int = 1


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What was found. Amounts in quarters; `final` is False while something that counts is not known yet."""

    price: int = 0
    work: float = 1.0
    factors: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    used: Sequence[Resource] = ()
    # By AIR: to whom, and how many quarters.
    fees: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    images: int = 0
    final: bool = True

    def terms(self, person_id: int) -> dict[str, Any]:
        """What the step keeps of it: for its jobs, for the end, and for whoever looks."""
        made: dict[str, Any] = {"work": self.work}
        if self.factors:
            made["factors"] = dict(self.factors)
        if self.fixed:
            made["fixed"] = dict(self.fixed)
        if self.used:
            made["resources"] = [one.kept() for one in self.used]
            made["creators"] = [
                [one.version_id, one.person_id, one.is_base, _apart(one, person_id)] for one in self.used
            ]
            made["images"] = self.images
            if trials := [one.version_id for one in self.used if one.trial]:
                made["trials"] = trials
        if self.fees:
            made["fees"] = {air: [list(part) for part in parts] for air, parts in self.fees.items()}
        if not self.final:
            made["open"] = True
        return made

    @property
    def fee_total(self) -> int:
        """All fees together."""
        return sum(quarters for parts in self.fees.values() for _, quarters in parts)


def _apart(resource: Resource, person_id: int) -> bool:
    """Whether its creator has no part in the division: they take a fee of their own, or are the one who pays."""
    own_fee = any(fee.source_version_id == resource.version_id for fee in resource.fees)
    return own_fee or resource.person_id == person_id


async def appraise(
    session: AsyncSession,
    actor: Actor,
    items: Sequence[Item],
    *,
    member: Entitlements,
) -> list[Appraisal]:
    """Appraise steps. Raises what `resources.look_up` raises."""
    kinds_of = [known(item.type) for item in items]
    named = [
        list(resources.find(kind, item.input, item.where)) for kind, item in zip(kinds_of, items, strict=True)
    ]
    media = [
        list(inputs.find(kind, item.input, item.where)) if kind.media else []
        for kind, item in zip(kinds_of, items, strict=True)
    ]
    found = await resources.look_up(session, actor, [one for each in named for one in each])
    wanted = {medium.value for each in media for medium in each if medium.ready or blobs.is_id(medium.value)}
    facts = await blobs.links(session, wanted)
    made = []
    for item, kind, airs, mediums in zip(items, kinds_of, named, media, strict=True):
        here = [facts[medium.value] for medium in mediums if medium.value in facts]
        complete = len(here) == len(mediums)
        one = _appraised(item, kind, _used(airs, found), here, complete, member)
        made.append(one if actor.id != SYSTEM_ID else _free(one))
    return made


def _free(one: Appraisal) -> Appraisal:
    """What the site itself asks for costs nothing."""
    return replace(one, price=0, factors={}, fixed={}, fees={})


def _used(named: Sequence[Named], found: Mapping[int, Resource]) -> list[Resource]:
    return [found[version] for version in dict.fromkeys(one.version_id for one in named)]


def _appraised(
    item: Item,
    kind: Kind,
    used: Sequence[Resource],
    facts: Sequence[BlobFacts],
    complete: bool,
    member: Entitlements,
) -> Appraisal:
    input = without_references(item.input)
    measured = measuring.measure(kind, input, facts)
    priced: Priced = pricing.price(kind, measured, priority=item.priority, member=member)
    open_still = not complete or any(True for _ in references.find(dict(item.input), ""))
    pictures = _pictures(kind, input) * item.times if used else 0
    return Appraisal(
        price=priced.total * item.times,
        work=priced.work,
        factors=priced.factors,
        fixed={name: amount * item.times for name, amount in priced.fixed.items()},
        used=used,
        fees=_fees(used, pictures),
        images=pictures,
        final=not open_still or kind.runner is not Runner.AGENT,
    )


def without_references(value: Any) -> Any:
    """The value without the fields that are not known yet: usual amounts stand in for them."""
    if isinstance(value, dict):
        return {
            key: without_references(inner)
            for key, inner in value.items()
            if not references.is_reference(inner)
        }
    if isinstance(value, list):
        return [without_references(inner) for inner in value]
    return value


def _pictures(kind: Kind, input: Mapping[str, Any]) -> int:
    """How many images a licence fee counts; a video counts as several."""
    factor = economy.current().licence_fee.video_factor
    count = 0
    for part in kind.split(input):
        count += sum(1 for slot in part.slots if slot is MediaKind.IMAGE)
        count += factor if MediaKind.VIDEO in part.slots else 0
    return count


def _fees(used: Sequence[Resource], images: int) -> dict[str, list[tuple[int, int]]]:
    """Fees by AIR, each rounded up to a quarter, so that what is charged is what is paid out."""
    made: dict[str, list[tuple[int, int]]] = {}
    for one in used:
        parts = [(fee.receiver_id, math.ceil(fee.due(images))) for fee in one.fees]
        if any(amount for _, amount in parts):
            made[one.air] = parts
    return made
