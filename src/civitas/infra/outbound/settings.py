"""How callbacks and pushes are sent and foreign media is fetched."""

from __future__ import annotations

from pydantic import BaseModel, Field


class CallbackSettings(BaseModel):
    """Telling others what became of their workflows."""

    development_hosts: list[str] = Field(
        default_factory=list,
        description="Host names that may be called over plain HTTP and in a private network, for development: "
        "`localhost`. Everything else is called over HTTPS on public addresses only.",
    )
    at_once: int = Field(
        default=64, ge=1, le=1_000, description="Callbacks on their way at once, in each process."
    )
    at_once_per_host: int = Field(
        default=8, ge=1, le=1_000, description="Of these, how many may go to one receiver."
    )
    timeout_s: float = Field(
        default=10,
        gt=0,
        le=60,
        description="A receiver that has not answered after this long is tried again.",
    )
    pauses_s: list[float] = Field(
        default=[1, 5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400],
        min_length=1,
        description="Seconds until an event is sent again after its first, second ... failure; the last one repeats.",
    )
    give_up_days: float = Field(default=3, gt=0, description="After so many days an event is given up.")
    keep_days: int = Field(default=30, ge=1, description="How long the log of deliveries is kept.")
    secret_overlap_hours: float = Field(
        default=24, ge=0, description="How long the old secret signs, too, after a new one was made."
    )


class PushSettings(BaseModel):
    """Telling browsers of notifications while the site is closed (Web Push)."""

    enabled: bool = Field(default=True, description="Whether people can have notifications pushed.")
    contact: str = Field(
        default="",
        max_length=200,
        pattern=r"^((mailto:|https://)[^\s<>\"]+)?$",
        description="Where push services reach you, `mailto:` or `https:`. Empty: the address of the site, or of its mail.",
    )
    development_hosts: list[str] = Field(
        default_factory=list,
        description="Host names of push services that may be called over plain HTTP and in a private network, for "
        "development: `localhost`. All others are called over HTTPS on public addresses only.",
    )
    at_once: int = Field(
        default=16, ge=1, le=500, description="Pushes on their way at once, in each process."
    )
    timeout_s: float = Field(
        default=10,
        gt=0,
        le=60,
        description="A push service that has not answered after this long is tried again.",
    )
