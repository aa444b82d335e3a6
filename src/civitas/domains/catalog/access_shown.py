"""How the terms of a version stand in its public document, by the names that existing clients know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from civitas.domains.catalog.access_types import AccessState, Gate
from civitas.domains.catalog.types import Availability, UsageControl
from civitas.kit import clock, money

Row = Mapping[str, Any]


def _terms(version: Row) -> Row | None:
    found: Row | None = version.get("access")
    if found is None or found["gate"] == Gate.NONE or found["state"] == AccessState.ENDED:
        return None
    return found


def availability(version: Row) -> str:
    """`EarlyAccess` for what anybody could find but not everybody can have, else what the creator chose."""
    until = version["early_access_ends_at"]
    gated = _terms(version) is not None or (
        version.get("access") is None and until is not None and until > clock.now()
    )
    plain: str = version["availability"]
    return Availability.EARLY_ACCESS if gated and plain == Availability.PUBLIC else plain


def config_of(version: Row) -> dict[str, Any] | None:
    """What it costs and for how long, in Buzz; None for what is open to all."""
    terms = _terms(version)
    if terms is None:
        return None
    download = terms["download_price"] if version["usage_control"] == UsageControl.DOWNLOAD else None
    generation = terms["generation_price"]
    goal = terms["goal"] if not terms["goal_hidden"] else None
    return {
        "timeframe": terms["days"] or 0,
        "permanent": terms["gate"] == Gate.PERMANENT,
        "chargeForDownload": download is not None,
        "downloadPrice": _buzz(download),
        "chargeForGeneration": generation is not None,
        "generationPrice": _buzz(generation),
        "generationTrialLimit": terms["trial_generations"],
        "acceptsBlueBuzz": terms["accepts_blue"],
        "donationGoalEnabled": goal is not None,
        "donationGoal": _buzz(goal),
        "donationGoalReachedAt": _time(terms["goal_reached_at"]) if goal is not None else None,
    }


def _buzz(amount: int | None) -> int | float | None:
    return None if amount is None else money.as_number(amount)


def _time(text: str | None) -> str | None:
    return None if text is None else clock.rfc3339(datetime.fromisoformat(text))


def fee_of(version: Row) -> dict[str, Any] | None:
    """The licence fee of generated images: so much Buzz for so many."""
    terms: Row | None = version.get("access")
    if terms is None or terms["licence_fee"] is None:
        return None
    return {"amount": terms["licence_fee"] / 100, "images": terms["licence_fee_images"]}


def is_checked(document: Row) -> bool:
    """Whether tools must ask `permissions/check` before they use a version, by its public document."""
    return document["availability"] == Availability.EARLY_ACCESS or document["earlyAccessConfig"] is not None


def trials_of(document: Row) -> int | None:
    """How many generations are free for those who did not buy, by the public document."""
    terms: Row | None = document["earlyAccessConfig"]
    return None if terms is None else int(terms["generationTrialLimit"])
