"""Workflows as their owner sees them. Amounts are in quarters of a Buzz; outputs refer to blobs as `{"$blob": id}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from civitas.domains.orchestration.types import Priority, Status, UpgradeMode


@dataclass(frozen=True, slots=True)
class Cost:
    """What a workflow costs: each amount is whole Buzz, in quarters. `fees` maps AIRs to quarters, fractions too."""

    base: int = 0
    factors: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    site_tip: int = 0
    creator_tip: int = 0
    fees: Mapping[str, float] = field(default_factory=dict)
    total: int = 0


@dataclass(frozen=True, slots=True)
class Transaction:
    """Buzz that left the wallet (`debit`) or came back to it (`credit`)."""

    type: str
    colour: str
    amount: int


@dataclass(frozen=True, slots=True)
class ShownJob:
    """One job of a step. `complexity` is relative work; `worth` is its part of the step's price."""

    id: str
    number: int
    attempt: int
    status: Status
    capability: str
    complexity: float
    worth: int
    place: float
    progress: float | None
    preview: str | None
    note: str | None
    slots: Sequence[str]
    agent_id: int | None
    reason: str | None
    blocked_reason: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One step. A `repeat` has its turns in `turns`."""

    id: int
    name: str
    type: str
    status: Status
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None
    notes: Mapping[str, Any]
    priority: Priority
    timeout_s: int | None
    retries: int
    price: int
    delivered: int
    warnings: Sequence[str]
    reason: str | None
    blocked_reason: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    jobs: Sequence[ShownJob] = ()
    turns: Sequence[ShownStep] = ()


@dataclass(frozen=True, slots=True)
class ShownWorkflow:
    """A workflow with its steps and their jobs.

    `withheld`: mature blobs of it are not shown (their `url` is left out) until it is allowed and paid for.
    """

    id: str
    person_id: int
    status: Status
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    changed_at: datetime
    tags: Sequence[str]
    notes: Mapping[str, Any]
    arguments: Mapping[str, Any]
    callbacks: Sequence[Mapping[str, Any]]
    tips: Mapping[str, Any]
    cost: Cost
    currencies: Sequence[str]
    nsfw_level: str | None
    experimental: bool | None
    allow_mature: bool | None
    upgrade_mode: UpgradeMode
    ephemeral: bool
    external_id: str | None
    withheld: bool
    reserved: int
    captured: int
    transactions: Sequence[Transaction]
    steps: Sequence[ShownStep]


@dataclass(frozen=True, slots=True)
class EstimatedStep:
    """A step of a workflow that was only asked about."""

    name: str
    type: str
    price: int
    capability: str | None
    served: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a workflow would cost, in which colours it would be paid, and whether the purses hold it."""

    cost: Cost
    transactions: Sequence[Transaction]
    insufficient: bool
    steps: Sequence[EstimatedStep]
    # The rates of tips: those that were asked for, or the usual ones.
    tips: Mapping[str, Any] = field(default_factory=dict)
