"""What is submitted: a workflow before it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from civitas.domains.orchestration.types import Priority, UpgradeMode


@dataclass(frozen=True, slots=True)
class StepTemplate:
    """One step as submitted; its input is as the schema of its type wants it, references in place.

    Inputs that are a bare text on the wire (`imageUpload`) come as `{"source": text}`.
    """

    type: str
    input: Mapping[str, Any]
    name: str | None = None
    # Normal when nothing was said; saying it may cost something.
    priority: Priority | None = None
    timeout_s: int | None = None
    retries: int | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tips:
    """Shares of the base cost given on top; None takes the site's usual rate."""

    site: Decimal | None = None
    creators: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """Whom to tell of which events (`workflow:succeeded`, `step:*`), in short or with all details."""

    url: str
    types: tuple[str, ...]
    detailed: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow as submitted. `waits`: whether the caller waits for the end, which an ephemeral one may rely on."""

    steps: tuple[StepTemplate, ...]
    tags: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()
    tips: Tips = Tips()
    # Colours that may pay; every colour that the site allows when empty.
    currencies: tuple[str, ...] = ()
    nsfw_level: str | None = None
    experimental: bool | None = None
    allow_mature: bool | None = None
    upgrade_mode: UpgradeMode = UpgradeMode.MANUAL
    ephemeral: bool = False
    external_id: str | None = None
    waits: bool = False
