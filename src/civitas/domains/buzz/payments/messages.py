"""Work on what payment providers tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessPaymentEvent:
    """Do what a recorded notice of a payment provider asks for."""

    event_id: int
