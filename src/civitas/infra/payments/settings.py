"""Which payment providers an operator uses."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class StripeSettings(BaseModel):
    """Cards through Stripe Checkout. Offered when key and webhook secret are set."""

    secret_key: SecretStr | None = Field(default=None, description="The account's secret key, `sk_...`.")
    webhook_secrets: list[SecretStr] = Field(
        default_factory=list,
        description="Signing secrets of the webhook endpoint `/hooks/stripe`, `whsec_...`; two while one is replaced.",
    )
    api_base: str = Field(
        default="https://api.stripe.com",
        description="Where Stripe's API is; a host on this machine in tests.",
    )
    tolerance_s: int = Field(
        default=300, ge=1, description="How old a webhook's signature may be, in seconds."
    )

    @property
    def configured(self) -> bool:
        """Whether people can pay with it."""
        return self.secret_key is not None and bool(self.webhook_secrets)


class BtcPaySettings(BaseModel):
    """Crypto through a BTCPay Server of one's own. Offered when all four are set."""

    url: str | None = Field(default=None, description="The server's address, `https://pay.example.org`.")
    api_key: SecretStr | None = Field(
        default=None,
        description="A Greenfield API key with the rights on the store's invoices and pull payments.",
    )
    store_id: str | None = Field(default=None, description="The store that invoices are made in.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="The secret of the store's webhook to `/hooks/btcpay`."
    )
    expires_minutes: int = Field(
        default=60, ge=5, le=1440, description="How long a payer has, at the rate that was shown."
    )

    @property
    def configured(self) -> bool:
        """Whether people can pay with it."""
        return bool(self.url and self.api_key and self.store_id and self.webhook_secret)


class PaymentSettings(BaseModel):
    """Ways to pay for Buzz and memberships. Without any, only staff can record what was paid to them."""

    timeout_s: float = Field(default=15, gt=0, description="How long a provider may take to answer.")
    stripe: StripeSettings = Field(default_factory=StripeSettings)
    btcpay: BtcPaySettings = Field(default_factory=BtcPaySettings)
