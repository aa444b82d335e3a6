"""Stripe Connect against a server of this machine that speaks its protocol: forms in, JSON out, keys that count once."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from civitas.infra.payouts.port import PayoutOrder, PayoutState
from civitas.infra.payouts.settings import PayoutSettings
from civitas.infra.payouts.stripe_connect import StripeConnect
from civitas.kit.errors import Unavailable


class Stripe(BaseHTTPRequestHandler):
    known: ClassVar[dict[str, dict[str, Any]]] = {}
    asked: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        form = {key: values[0] for key, values in parse_qs(self.rfile.read(size).decode()).items()}
        self.asked.append((self.path, form))
        key = self.headers.get("idempotency-key")
        if form.get("destination") == "acct_shut":
            return self._answer(400, {"error": {"message": "This account cannot be paid."}})
        if form.get("destination") == "acct_down":
            return self._answer(500, {})
        kinds = {"/v1/accounts": "acct_", "/v1/transfers": "tr_", "/v1/account_links": "link_"}
        made = {"id": f"{kinds[self.path]}{len(self.asked)}", "url": "https://connect.example/go"}
        if key:
            made = self.known.setdefault(key, made)
        return self._answer(200, made)

    def do_GET(self) -> None:
        active = {"payouts_enabled": True, "capabilities": {"transfers": "active"}}
        self._answer(200, {"reversed": self.path.endswith("tr_back")} if "transfers" in self.path else active)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def base() -> Iterator[str]:
    Stripe.known.clear()
    Stripe.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_enrolling_paying_once_and_looking(base: str) -> None:
    connect = StripeConnect(PayoutSettings(stripe_key=SecretStr("sk_test"), stripe_base=base))
    try:
        first = await connect.enrol(person_id=7, email="a@example.org", account=None, back_url="http://x/y")
        again = await connect.enrol(person_id=7, email="a@example.org", account=None, back_url="http://x/y")
        assert first == again and first.url == "https://connect.example/go"
        assert await connect.ready(first.account)
        order = PayoutOrder(uuid.uuid4(), first.account, 4_800, "Withdrawal 1")
        paid = await connect.pay(order)
        assert paid.state is PayoutState.PAID and await connect.pay(order) == paid
        assert ("/v1/transfers", "4800") in [(path, form.get("amount")) for path, form in Stripe.asked]
        refused = await connect.pay(PayoutOrder(uuid.uuid4(), "acct_shut", 1, "x"))
        assert (refused.state, refused.told) == (PayoutState.REFUSED, "This account cannot be paid.")
        with pytest.raises(Unavailable):
            await connect.pay(PayoutOrder(uuid.uuid4(), "acct_down", 1, "x"))
        assert (await connect.look("tr_back")).state is PayoutState.REVERSED
        assert (await connect.look("tr_1")).state is PayoutState.PAID
        with pytest.raises(Unavailable):
            await connect.ready("../escape")
    finally:
        await connect.aclose()


async def test_silence_is_told() -> None:
    connect = StripeConnect(
        PayoutSettings(stripe_key=SecretStr("sk"), stripe_base="http://127.0.0.1:9", timeout_s=1)
    )
    with pytest.raises(Unavailable):
        await connect.ready("acct_1")
    await connect.aclose()
