"""Pages of buying: what is on sale, one's purchases, the way to a provider and back, redeeming a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.contracts.payments import ProviderInfo
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.buying import purchases, settling
from civitas.domains.buzz.buying.codes import Redeemed
from civitas.domains.buzz.buying.pricing import Quote
from civitas.domains.buzz.buying.tables import Purchase
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Colour
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.types import Currency
from civitas.faces.http.paying import open_checkout, provider_for, redeem_code, ways_to_pay
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import money, paging
from civitas.kit.errors import Conflict, Fault, Invalid, NotFound, Unavailable
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

BUY: Final = "/buzz/buy"
HISTORY: Final = "/buzz/purchases"
REDEEM: Final = "/redeem"
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "created": ("Not paid yet", "neutral"),
    "pending": ("Waiting for payment", "warn"),
    "paid": ("Paid", "ok"),
    "failed": ("Failed", "danger"),
    "expired": ("Expired", "neutral"),
    "refunded": ("Refunded", "neutral"),
    "disputed": ("Disputed", "danger"),
    "charged_back": ("Charged back", "danger"),
}


@dataclass(frozen=True, slots=True)
class BuyPage:
    """The shelf for one way to pay."""

    ways: tuple[ProviderInfo, ...]
    way: ProviderInfo | None
    colour: Colour | None
    offers: tuple[Quote, ...]
    custom: Quote | None
    cards: tuple[tuple[str, str], ...]
    balances: Mapping[Currency, int]
    form: Entered
    key: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What one bought."""

    items: tuple[Purchase, ...]
    next_href: str | None
    states: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """One purchase: its receipt, or what it waits for. `came` is how one got here: `return`, `cancelled`, `go`."""

    purchase: Purchase
    state: tuple[str, str]
    what: str
    waits: bool
    came: str
    balance: int
    total_cents: int


@dataclass(frozen=True, slots=True)
class RedeemPage:
    """The form for a code, and what it gave."""

    form: Entered
    got: Redeemed | None
    tier: str


@router.get(BUY)
async def shelf(
    request: Request,
    member: Member,
    way: Annotated[str, Query(max_length=40)] = "",
    buzz: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """What is on sale; `buzz` is an amount of one's own whose price is asked."""
    entered = Entered({"buzz": (buzz,)} if buzz else {})
    return await _shelf(request, member, way, entered)


@router.post(BUY)
async def buy(request: Request, member: Member) -> Response:
    """Set out to buy a pack, an amount or a gift card, and go to the provider."""
    form = await forms.read(request)
    try:
        way = provider_for(request, form.get("way"))
        made = await open_checkout(request, await _set_out(request, member, way, form))
    except (Invalid, Conflict, Unavailable) as fault:
        return await _shelf(
            request, member, form.get("way"), form.failed(fault), status=forms.status_of(fault)
        )
    return redirect(request, f"{HISTORY}/{made.id}/checkout")


async def _set_out(request: Request, member: Actor, way: ProviderInfo, form: Entered) -> Purchase:
    key = f"purchase:{member.require()}:form:{form.get('key')[:64] or new_uuid()}:{form.get('pack')[:40]}"
    async with state_of(request).database.unit() as session:
        if form.get("card"):
            return await purchases.begin_gift(
                session, member, key=f"{key}:gift", provider=way, card=form.get("card"),
                email=form.get("email"), message=form.get("message"),
            )  # fmt: skip
        if form.get("pack"):
            return await purchases.begin(session, member, key=key, provider=way, pack=form.get("pack"))
        amount = money.parse(form.get("buzz"), name="buzz")
        return await purchases.begin(session, member, key=f"{key}:{amount}", provider=way, buzz=amount)


async def _shelf(
    request: Request, member: Actor, chosen: str, form: Entered, *, status: int = 200
) -> Response:
    ways = ways_to_pay(request)
    way = next((one for one in ways if one.key == chosen), ways[0] if ways else None)
    rules = economy.current()
    custom: Quote | None = None
    offers: tuple[Quote, ...] = ()
    async with state_of(request).database.reading() as session:
        balances = (await wallets.of(session, member.require())).spendable
        if way is not None:
            offers = tuple(
                [await purchases.quote_for(session, member.id, way, pack=pack.key) for pack in rules.packs]
            )
            if form.get("buzz") and not form.errors:
                try:
                    amount = money.parse(form.get("buzz"), name="buzz")
                    custom = await purchases.quote_for(session, member.id, way, buzz=amount)
                except Invalid as fault:
                    form = form.failed(fault)
    page = BuyPage(
        ways=ways,
        way=way,
        colour=rules.colours[Currency(way.colour)] if way else None,
        offers=offers,
        custom=custom,
        cards=tuple(
            (card["key"], f"{purchases.worth_told(card)} · {money.dollars(card['cents'])}")
            for card in purchases.gift_cards()
        ),
        balances=balances,
        form=form,
        key=new_uuid().hex,
        least=rules.money.smallest_purchase_cents * rules.money.buzz_per_dollar // 100,
        most=rules.money.largest_purchase_cents * rules.money.buzz_per_dollar // 100,
    )
    return render(request, "buzz/buy.html", page, block="custom_price", status=status)


@router.get(HISTORY)
async def history(
    request: Request,
    member: Member,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """What one bought, the newest first."""
    found = await purchases.mine(session, member, cursor=cursor)
    next_href = f"{HISTORY}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    page = HistoryPage(tuple(found.items), next_href, STATES)
    return render(request, "buzz/purchases.html", page, block="purchases_list")


@router.get(HISTORY + "/{purchase_id:int}")
async def receipt(request: Request, member: Member, purchase_id: int) -> Response:
    """One purchase."""
    return await _receipt(request, member, purchase_id, "")


@router.get(HISTORY + "/{purchase_id:int}/checkout")
async def checkout(request: Request, member: Member, purchase_id: int) -> Response:
    """On to the provider: a page of ours first, because a form may not lead to another site."""
    return await _receipt(request, member, purchase_id, "go")


@router.get(HISTORY + "/{purchase_id:int}/return")
async def came_back(request: Request, member: Member, purchase_id: int) -> Response:
    """Back from the provider: waits until its word has arrived."""
    return await _receipt(request, member, purchase_id, "return")


@router.get(HISTORY + "/{purchase_id:int}/cancelled")
async def cancelled(request: Request, member: Member, purchase_id: int) -> Response:
    """Back from the provider without having paid."""
    return await _receipt(request, member, purchase_id, "cancelled")


@router.post(HISTORY + "/{purchase_id:int}/give-up")
async def give_up(request: Request, member: Member, purchase_id: int) -> Response:
    """Say that one will not pay."""
    try:
        async with state_of(request).database.unit() as session:
            await purchases.give_up(session, member, purchase_id=purchase_id)
    except Conflict as fault:
        return redirect(request, f"{HISTORY}/{purchase_id}", kind="warn", text=fault.message)
    return redirect(request, HISTORY, text="Nothing will be charged.")


@router.post(HISTORY + "/{purchase_id:int}/send-again")
async def send_again(request: Request, member: Member, purchase_id: int) -> Response:
    """Mail a gift card once more, with a new code."""
    try:
        async with state_of(request).database.unit() as session:
            await purchases.send_again(session, member, purchase_id=purchase_id)
    except Conflict as fault:
        return redirect(request, f"{HISTORY}/{purchase_id}", kind="warn", text=fault.message)
    return redirect(
        request, f"{HISTORY}/{purchase_id}", text="A new code is on its way; the earlier one stops working."
    )


async def _receipt(request: Request, member: Actor, purchase_id: int, came: str) -> Response:
    async with state_of(request).database.reading() as session:
        found = await purchases.get(session, member, purchase_id=purchase_id)
        balance = (await wallets.of(session, found.person_id)).spendable.get(Currency(found.colour), 0)
    gift = found.gift
    what = f"Gift card: {purchases.worth_told(gift)}" if gift else f"{money.shown(found.buzz)} Buzz"
    page = ReceiptPage(
        purchase=found,
        state=STATES[found.state],
        what=what,
        waits=found.state in ("created", "pending"),
        came=came,
        balance=balance,
        total_cents=settling.total_cents(found),
    )
    headers = {}
    if came == "go" and page.waits and found.url and found.url.isprintable():
        # A redirect would do, but one that follows a form may not lead to another site (CSP form-action).
        headers["Refresh"] = f"1; url={found.url}"
    return render(request, "buzz/purchase.html", page, block="standing", headers=headers)


@router.get(REDEEM)
async def redeem_form(
    request: Request, member: Member, code: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    """The form for a code."""
    return render(request, "buzz/redeem.html", RedeemPage(Entered({"given": (code,)}), None, ""))


@router.post(REDEEM)
async def redeem(request: Request, member: Member) -> Response:
    """Take what a code gives."""
    form = await forms.read(request)
    try:
        got = await redeem_code(request, member, form.get("given"))
    except (Invalid, Conflict, NotFound) as fault:
        return _refused(request, form, fault, forms.status_of(fault))
    except Fault as fault:
        if fault.kind != "limited":
            raise
        return _refused(request, form, fault, fault.status)
    tier = economy.current().tier(got.worth.tier).label if got.worth.tier else ""
    return render(request, "buzz/redeem.html", RedeemPage(Entered(), got, tier))


def _refused(request: Request, form: Entered, fault: Fault, status: int) -> Response:
    page = RedeemPage(form.failed(fault, code="given"), None, "")
    return render(request, "buzz/redeem.html", page, status=status)
