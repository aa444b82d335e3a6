"""What the ledger refuses."""

from __future__ import annotations

from datetime import datetime

from civitas.domains.buzz.types import Currency
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, PaymentNeeded


class InsufficientFunds(PaymentNeeded):
    """The purses that may pay for this hold too little; `missing` is in quarters (cents for cash)."""

    code = "insufficient_funds"

    def __init__(self, missing: int, colours: tuple[Currency, ...] = ()) -> None:
        cash = colours == (Currency.CASH,)
        lacking = money.dollars(missing) if cash else f"{money.shown(missing)} Buzz"
        named = " or ".join(colours) if colours and not cash else ""
        super().__init__(
            f"This needs {lacking} more{f' in {named}' if named else ''} than you have. Nothing was charged.",
            details={
                "missing": missing if cash else money.as_number(missing),
                "colours": [colour.value for colour in colours],
            },
        )
        self.missing = missing


class KeyLimitReached(Forbidden):
    """An API key may not spend this much: `rule` in words, what is `left` in quarters, when it frees up."""

    code = "key_limit_reached"

    def __init__(self, rule: str, *, left: int, frees_at: datetime | None) -> None:
        when = f" There is room for it from {frees_at:%d %B %Y, %H:%M:%S} UTC." if frees_at else ""
        super().__init__(
            f"This key may spend {rule}, and {money.shown(left)} Buzz of that are left. Nothing was charged.{when}",
            details={
                "rule": rule,
                "left": money.as_number(left),
                "freesAt": clock.rfc3339(frees_at) if frees_at else None,
            },
        )


class KeyReused(Conflict):
    """An idempotency key came again with another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was used for something else. Nothing was charged; send a new key for a new request."
        )


class WalletFrozen(Forbidden):
    """Staff stopped all spending from this wallet."""

    code = "wallet_frozen"

    def __init__(self) -> None:
        super().__init__(
            "This wallet is frozen, so nothing can be spent from it. Write to the site's staff to have it looked at."
        )
