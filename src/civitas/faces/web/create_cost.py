"""What a recipe would cost, as the page says it before anybody confirms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.types import Currency
from civitas.domains.orchestration.kinds.kind import GGUF
from civitas.domains.orchestration.shown import Cost as Sums
from civitas.domains.studio import generations
from civitas.domains.studio.recipes import Recipe

FACTORS = {
    "size": "Size",
    "steps": "Steps",
    "quantity": "How many",
    "engine": "Kind of model",
    "priority": "Priority",
}
FIXED = {"priority": "Priority", "png": "PNG file", "outputFormat": "File"}


@dataclass(frozen=True, slots=True)
class Cost:
    """The sum, its lines, and which purses pay: colour, part, and what is left in it afterwards."""

    total: int
    lines: tuple[tuple[str, int | str], ...]
    parts: tuple[tuple[str, int, int | None], ...]
    insufficient: bool
    served: bool
    # Machines are there, but none that reads the file of this model.
    packed: bool
    warnings: tuple[str, ...]


async def cost_of(session: AsyncSession, actor: Actor, recipe: Recipe) -> Cost:
    """The cost of a recipe. Raises as `generations.estimate` does."""
    found = await generations.estimate(session, actor, recipe)
    estimate = found.estimate
    purse = await wallets.of(session, actor.require())
    return Cost(
        total=estimate.cost.total,
        lines=tuple(_lines(estimate.cost)),
        parts=tuple(
            (one.colour, one.amount, purse.spendable.get(Currency(one.colour), 0) - one.amount)
            for one in estimate.transactions
        ),
        insufficient=estimate.insufficient,
        served=all(step.served for step in estimate.steps),
        packed=any(not step.served and (step.capability or "").endswith(GGUF) for step in estimate.steps),
        warnings=found.warnings,
    )


def _lines(cost: Sums) -> Iterator[tuple[str, int | str]]:
    # What the pictures cost is reckoned of these, so they come before the sum and are no part of it.
    for name, factor in cost.factors.items():
        yield FACTORS.get(name, name.capitalize()), f"× {factor:g}"
    if cost.base:
        yield "Pictures", cost.base
    for name, amount in cost.fixed.items():
        if amount:
            yield FIXED.get(name, name.capitalize()), amount
    if cost.creator_tip:
        yield "For the creators", cost.creator_tip
    if cost.site_tip:
        yield "For the site", cost.site_tip
    if fees := sum(cost.fees.values()):
        yield "Licence fees", round(fees)
