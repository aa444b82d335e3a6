"""The providers that the settings ask for."""

from __future__ import annotations

from civitas.infra.db.database import Units
from civitas.infra.payments.btcpay import BtcPayProvider
from civitas.infra.payments.development import DevelopmentProvider
from civitas.infra.payments.port import PaymentProvider, Providers
from civitas.infra.payments.settings import PaymentSettings
from civitas.infra.payments.stripe import StripeProvider


def open_providers(
    settings: PaymentSettings, *, units: Units, secret: bytes, development: bool, crypto_fee_cents: int
) -> Providers:
    """Every provider that is configured; the one that takes no money only in development."""
    known: dict[str, PaymentProvider] = {}
    if settings.stripe.configured:
        known["stripe"] = StripeProvider(settings.stripe, settings.timeout_s)
    if settings.btcpay.configured:
        known["btcpay"] = BtcPayProvider(settings.btcpay, crypto_fee_cents, settings.timeout_s)
    if development:
        known["development"] = DevelopmentProvider(units, secret)
    return Providers(known)
