"""Settings of paying people out."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class PayoutSettings(BaseModel):
    """How people of the creator programme get their cash. Without a key everything is paid by hand."""

    stripe_key: SecretStr | None = Field(
        default=None,
        description="Secret key of a Stripe platform with Connect; people can then be paid by it.",
    )
    stripe_base: str = Field(default="https://api.stripe.com", description="Where Stripe's API is.")
    timeout_s: float = Field(default=20, gt=0, le=120, description="How long a provider has to answer.")
    by_hand: list[str] = Field(
        default_factory=lambda: ["ach", "paypal", "cheque"],
        description="Ways of paying that staff carry out themselves, of those that the economy has fees for.",
    )
