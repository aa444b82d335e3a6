"""Servers on this machine that speak the providers' protocols: a small Stripe and a small BTCPay Server."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

SECRET_KEY = "sk_test_of_this_machine"
WEBHOOK_SECRET = "whsec_of_this_machine"
BTC_KEY = "greenfield key"
BTC_SECRET = "the store's own secret"
STORE = "store1"


class _Server:
    """Requests come to `answer`; what was asked is kept in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.broken = 0
        self.numbers = itertools.count(1)
        self.url = ""

    def answer(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, dict[str, Any] | list[Any]]:
        raise NotImplementedError


@contextmanager
def running(server: _Server) -> Iterator[None]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if server.broken:
                server.broken -= 1
                status, found = 503, {"error": {"message": "down"}}
            else:
                status, found = server.answer(self.command, self.path, self.headers, body)
            told = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        httpd.shutdown()
        thread.join(10)
        httpd.server_close()


def _error(status: int, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"type": "invalid_request_error", "message": message}}


class StripeServer(_Server):
    """Checkout sessions, payment intents, refunds, disputes, subscriptions, as version 2024-06-20 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.disputes: list[dict[str, Any]] = []
        self.prices: dict[str, dict[str, Any]] = {}
        self.refuses_prices = False
        self.refunds: list[dict[str, Any]] = []
        self._keys: dict[str, tuple[bytes, tuple[int, dict[str, Any]]]] = {}

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        if headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return _error(401, "Invalid API Key provided")
        parts = urlsplit(path)
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        self.asked.append((method, parts.path, fields))
        key = headers.get("idempotency-key")
        if method == "POST" and key in self._keys:
            known, answer = self._keys[key]
            same = known == body
            return (
                answer
                if same
                else _error(400, "Keys for idempotent requests can only be used with the same parameters")
            )
        answer = self._route(method, parts.path.strip("/").split("/")[1:], fields, parse_qs(parts.query))
        if key and answer[0] == 200:
            self._keys[key] = (body, answer)
        return answer

    def _route(
        self, method: str, path: list[str], fields: dict[str, str], query: dict[str, list[str]]
    ) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", ["checkout", "sessions"]):
            return self._make_session(fields)
        if method == "GET" and path[:2] == ["checkout", "sessions"] and path[2] in self.sessions:
            found = dict(self.sessions[path[2]])
            if query.get("expand[]") == ["payment_intent.latest_charge"] and found["payment_intent"]:
                found["payment_intent"] = self.intents[found["payment_intent"]]
            return 200, found
        if method == "GET" and path[0] == "payment_intents" and path[1] in self.intents:
            return 200, {**self.intents[path[1]], "latest_charge": "ch"}
        if method == "GET" and path[0] == "invoices" and path[1] in self.invoices:
            return 200, self.invoices[path[1]]
        if (method, path) == ("GET", ["refunds"]):
            of_one = [one for one in self.refunds if one["payment_intent"] == query["payment_intent"][0]]
            return 200, {"object": "list", "data": of_one}
        if (method, path) == ("GET", ["disputes"]):
            wanted = query["payment_intent"][0]
            return 200, {
                "object": "list",
                "data": [d for d in self.disputes if d["payment_intent"] == wanted],
            }
        if (method, path) == ("POST", ["prices"]):
            if self.refuses_prices:
                return _error(400, "This price cannot be used.")
            if not fields.get("product_data[name]"):
                return _error(400, "Missing required param: product.")
            return 200, self._make_price(fields["recurring[interval]"], int(fields["unit_amount"]))
        if (method, path) == ("POST", ["refunds"]):
            return self._refund(fields)
        if path[0] == "subscriptions" and path[1] in self.subscriptions:
            found = self.subscriptions[path[1]]
            if method == "POST":
                return self._update_subscription(found, fields)
            if method == "DELETE":
                found["status"] = "canceled"
            return 200, found
        return _error(404, f"No such object: {'/'.join(path)}")

    def _update_subscription(
        self, found: dict[str, Any], fields: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if found["status"] == "canceled":
            return _error(400, "A canceled subscription can only update its cancellation details.")
        if "cancel_at_period_end" in fields:
            found["cancel_at_period_end"] = fields["cancel_at_period_end"] == "true"
        if "items[0][price]" in fields:
            item = found["items"]["data"][0]
            if fields.get("items[0][id]") != item["id"]:
                return _error(400, "Currently, a subscription may have one price of an interval.")
            item["price"] = self.prices[fields["items[0][price]"]]
        if "trial_end" in fields:
            if int(fields["trial_end"]) <= time.time():
                return _error(400, "Invalid timestamp: must be in the future.")
            found |= {"status": "trialing", "current_period_end": int(fields["trial_end"])}
        return 200, found

    def _make_price(self, interval: str, cents: int) -> dict[str, Any]:
        made = {
            "id": f"price_{next(self.numbers)}",
            "object": "price",
            "unit_amount": cents,
            "recurring": {"interval": interval},
        }
        self.prices[made["id"]] = made
        return made

    def _make_session(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        price = "line_items[0][price_data]"
        needed = (
            "mode",
            "success_url",
            f"{price}[currency]",
            f"{price}[unit_amount]",
            f"{price}[product_data][name]",
        )
        for name in needed:
            if name not in fields:
                return _error(400, f"Missing required param: {name}.")
        if fields["mode"] == "subscription" and f"{price}[recurring][interval]" not in fields:
            return _error(400, "You must provide a recurring price in subscription mode.")
        made = {
            "id": f"cs_test_{next(self.numbers)}", "object": "checkout.session", "mode": fields["mode"],
            "status": "open", "payment_status": "unpaid", "amount_total": int(fields[f"{price}[unit_amount]"]),
            "currency": "usd", "client_reference_id": fields.get("client_reference_id"),
            "metadata": {"order": fields["metadata[order]"]}, "payment_intent": None, "subscription": None,
            "expires_at": int(time.time()) + 86400, "interval": fields.get(f"{price}[recurring][interval]"),
        }  # fmt: skip
        made["url"] = f"{self.url}/pay/{made['id']}"
        self.sessions[made["id"]] = made
        return 200, made

    def _refund(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        charge = self.intents[fields["payment_intent"]]["latest_charge"]
        cents = int(fields["amount"])
        if cents > charge["amount"] - charge["amount_refunded"]:
            return _error(400, "Refund amount is greater than unrefunded amount on charge.")
        charge["amount_refunded"] += cents
        made = {
            "id": f"re_{next(self.numbers)}", "object": "refund", "amount": cents, "status": "succeeded",
            "payment_intent": fields["payment_intent"],
        }  # fmt: skip
        self.refunds.append(made)
        return 200, made

    def send_back(self, refund: dict[str, Any]) -> dict[str, Any]:
        """The payer's bank does not take a refund; the event of it."""
        refund["status"] = "failed"
        self.intents[refund["payment_intent"]]["latest_charge"]["amount_refunded"] -= refund["amount"]
        return self.event("refund.failed", refund)

    def pay(self, session_id: str) -> dict[str, Any]:
        """Somebody pays a session with a good card; the event of it."""
        session = self.sessions[session_id]
        session |= {"status": "complete", "payment_status": "paid"}
        if session["mode"] == "payment":
            intent = f"pi_{next(self.numbers)}"
            session["payment_intent"] = intent
            self.intents[intent] = {
                "id": intent, "object": "payment_intent", "metadata": session["metadata"],
                "latest_charge": {
                    "id": f"ch_{intent}", "object": "charge", "amount": session["amount_total"], "paid": True,
                    "captured": True, "amount_refunded": 0, "disputed": False, "payment_intent": intent,
                    "metadata": session["metadata"],
                },
            }  # fmt: skip
        else:
            name, now = f"sub_{next(self.numbers)}", int(time.time())
            session["subscription"] = name
            self.subscriptions[name] = {
                "id": name, "object": "subscription", "status": "active", "metadata": session["metadata"],
                "current_period_start": now, "current_period_end": now + 30 * 86400, "cancel_at_period_end": False,
                "items": {"data": [
                    {"id": f"si_{name}", "price": self._make_price(session["interval"], session["amount_total"])}
                ]},
            }  # fmt: skip
        return self.event("checkout.session.completed", session)

    def bill(self, name: str, cents: int, start: int) -> dict[str, Any]:
        """A subscription's card is charged for a month from `start`: the invoice, whose charge knows nothing of us."""
        number = next(self.numbers)
        invoice, intent = f"in_{number}", f"pi_{number}"
        self.invoices[invoice] = {
            "id": invoice, "object": "invoice", "status": "paid", "subscription": name, "payment_intent": intent,
            "subscription_details": {"metadata": self.subscriptions[name]["metadata"]},
            "amount_paid": cents, "amount_due": cents,
            "lines": {"data": [{"period": {"start": start, "end": start + 31 * 86400}}]},
        }  # fmt: skip
        self.intents[intent] = {
            "id": intent, "object": "payment_intent", "metadata": {}, "invoice": invoice,
            "latest_charge": {
                "id": f"ch_{intent}", "object": "charge", "amount": cents, "paid": True, "captured": True,
                "amount_refunded": 0, "disputed": False, "payment_intent": intent, "invoice": invoice,
                "metadata": {},
            },
        }  # fmt: skip
        return self.invoices[invoice]

    def charge(self, session_id: str) -> dict[str, Any]:
        """The charge of a paid session, or of a bill."""
        paid = self.sessions.get(session_id) or self.invoices[session_id]
        found: dict[str, Any] = self.intents[paid["payment_intent"]]["latest_charge"]
        return found

    def dispute(self, session_id: str, status: str) -> dict[str, Any]:
        """A bank disputes a payment, or has decided; the event of it."""
        charge = self.charge(session_id)
        charge["disputed"] = True
        known = [d for d in self.disputes if d["payment_intent"] == charge["payment_intent"]]
        if not known:
            known = [
                {"id": f"dp_{next(self.numbers)}", "object": "dispute", "amount": charge["amount"],
                 "payment_intent": charge["payment_intent"], "charge": charge["id"]}
            ]  # fmt: skip
            self.disputes += known
        known[0]["status"] = status
        kind = "closed" if status in ("won", "lost") else "created"
        return self.event(f"charge.dispute.{kind}", known[0])

    def event(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """An event as it is sent."""
        copied = json.loads(json.dumps(thing))
        return {
            "id": f"evt_{next(self.numbers)}",
            "object": "event",
            "type": kind,
            "data": {"object": copied},
        }


def stripe_signed(
    event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, at: float | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a webhook of Stripe's."""
    body, stamp = json.dumps(event).encode(), int(at if at is not None else time.time())
    mac = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={mac},v0=ignored"}, body


@dataclass
class BtcPayServer(_Server):
    """Invoices of one store, their payments, refunds, as the Greenfield API has them."""

    invoices: dict[str, dict[str, Any]] = field(default_factory=dict)
    payments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if headers.get("authorization") != f"token {BTC_KEY}":
            return 401, {"code": "unauthenticated", "message": "Authentication is required"}
        parts = urlsplit(path)
        given = json.loads(body or b"{}")
        self.asked.append((method, parts.path, given))
        steps = parts.path.removeprefix(f"/api/v1/stores/{STORE}/invoices").strip("/").split("/")
        if steps == [""]:
            return self._make(given) if method == "POST" else (200, self._with_order(parts.query))
        if steps[0] not in self.invoices:
            return 404, {"code": "invoice-not-found", "message": "The invoice was not found"}
        if steps[1:] == ["payment-methods"]:
            return 200, [self._method(steps[0])]
        if steps[1:] == ["refund"]:
            return 200, {"id": f"pull{next(self.numbers)}", "viewLink": f"{self.url}/pull", **given}
        return 200, self.invoices[steps[0]]

    def _with_order(self, query: str) -> list[dict[str, Any]]:
        wanted = parse_qs(query)["orderId"]
        return [i for i in self.invoices.values() if [i["metadata"].get("orderId")] == wanted]

    def _make(self, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if given.get("currency") != "USD" or not given.get("amount"):
            return 422, {"message": "The amount is required"}
        name = f"inv{next(self.numbers)}"
        self.payments[name] = []
        self.invoices[name] = {
            "id": name, "storeId": STORE, "amount": given["amount"], "currency": "USD", "status": "New",
            "additionalStatus": "None", "metadata": given["metadata"], "checkoutLink": f"{self.url}/i/{name}",
            "expirationTime": int(time.time()) + 3600,
        }  # fmt: skip
        return 200, self.invoices[name]

    def _method(self, name: str) -> dict[str, Any]:
        payments = self.payments[name]
        total = sum(float(payment["value"]) for payment in payments)
        return {
            "paymentMethodId": "BTC-CHAIN", "rate": "50000", "totalPaid": f"{total:.8f}", "payments": payments,
        }  # fmt: skip

    def pay(self, name: str, dollars: float, *, status: str = "Settled") -> None:
        """Somebody sends bitcoin worth so much at the invoice's rate."""
        self.payments[name].append(
            {"id": f"tx{next(self.numbers)}", "value": f"{dollars / 50_000:.8f}", "status": status}
        )

    def event(self, kind: str, name: str, **more: Any) -> dict[str, Any]:
        """A delivery as it is sent."""
        delivery = f"del{next(self.numbers)}"
        return {
            "deliveryId": delivery, "originalDeliveryId": delivery, "isRedelivery": False, "webhookId": "hook",
            "type": kind, "timestamp": int(time.time()), "storeId": STORE, "invoiceId": name,
            "metadata": self.invoices[name]["metadata"], **more,
        }  # fmt: skip


def btcpay_signed(event: dict[str, Any], *, secret: str = BTC_SECRET) -> tuple[dict[str, str], bytes]:
    """Headers and body of a webhook of BTCPay's."""
    body = json.dumps(event).encode()
    return {"btcpay-sig": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}, body
