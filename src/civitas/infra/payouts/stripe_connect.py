"""Payouts by Stripe Connect: express accounts of people, and transfers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from civitas.infra.payouts.port import Enrolment, PayoutAnswer, PayoutOrder, PayoutState
from civitas.infra.payouts.settings import PayoutSettings
from civitas.kit.errors import Unavailable

_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class StripeConnect:
    """Speaks Stripe's API over HTTP; forms go out, JSON comes back. Close it with the process."""

    def __init__(self, settings: PayoutSettings) -> None:
        key = settings.stripe_key.get_secret_value() if settings.stripe_key else ""
        self._http = httpx.AsyncClient(
            base_url=settings.stripe_base, timeout=settings.timeout_s, auth=(key, ""), follow_redirects=False
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def serves(self, method: str) -> bool:
        """The method `stripe`."""
        return method == "stripe"

    async def enrol(
        self, *, person_id: int, email: str | None, account: str | None, back_url: str
    ) -> Enrolment:
        """See Payouts; the account is made once for each person, also when this is asked twice at a time."""
        if account is None:
            form = {
                "type": "express",
                "capabilities[transfers][requested]": "true",
                "metadata[person_id]": str(person_id),
            }
            if email:
                form["email"] = email
            made = await self._ask("POST", "/v1/accounts", form, key=f"civitas-account-{person_id}")
            account = str(made["id"])
        link = await self._ask(
            "POST",
            "/v1/account_links",
            {
                "account": account,
                "type": "account_onboarding",
                "refresh_url": back_url,
                "return_url": back_url,
            },
        )
        return Enrolment(account, str(link["url"]))

    async def ready(self, account: str) -> bool:
        """See Payouts."""
        found = await self._ask("GET", f"/v1/accounts/{_safe(account)}")
        return (
            bool(found.get("payouts_enabled")) and found.get("capabilities", {}).get("transfers") == "active"
        )

    async def pay(self, order: PayoutOrder) -> PayoutAnswer:
        """See Payouts. A refusal is what Stripe says will not change: 400, 402, 403 and 404."""
        form = {
            "amount": str(order.cents),
            "currency": "usd",
            "destination": order.account,
            "description": order.description,
            "metadata[withdrawal]": str(order.token),
        }
        try:
            made = await self._ask("POST", "/v1/transfers", form, key=f"civitas-withdrawal-{order.token}")
        except _Refused as refused:
            return PayoutAnswer(PayoutState.REFUSED, told=refused.told)
        return PayoutAnswer(PayoutState.PAID, str(made["id"]))

    async def look(self, reference: str) -> PayoutAnswer:
        """See Payouts."""
        found = await self._ask("GET", f"/v1/transfers/{_safe(reference)}")
        back = bool(found.get("reversed"))
        return PayoutAnswer(PayoutState.REVERSED if back else PayoutState.PAID, reference)

    async def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(method, path, data=dict(form or {}) or None, headers=headers)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _unavailable("gave no answer") from error
        if not isinstance(body, dict):
            raise _unavailable("gave an answer that is none")
        if answer.status_code in (400, 402, 403, 404) and path == "/v1/transfers":
            raise _Refused(
                str(body.get("error", {}).get("message", ""))[:300] or "Stripe refused the transfer."
            )
        if answer.status_code >= 300:
            raise _unavailable(f"answered {answer.status_code}")
        return body


class _Refused(Exception):
    def __init__(self, told: str) -> None:
        super().__init__(told)
        self.told = told


def _safe(name: str) -> str:
    if not name or set(name) - _ID:
        raise _unavailable("knows no such name")
    return name


def _unavailable(told: str) -> Unavailable:
    return Unavailable(f"The payout provider {told}. Try again later.", code="payouts_unavailable")
