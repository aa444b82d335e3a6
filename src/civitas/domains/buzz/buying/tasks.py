"""What buying does by itself, and what it asks of payment providers."""

from __future__ import annotations

import structlog

from civitas.contracts.payments import PaymentFacts, Refunded
from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import letters
from civitas.domains.buzz.buying import codes, purchases, refunding, settling
from civitas.domains.buzz.buying.codes import CodeKey
from civitas.domains.buzz.buying.messages import MailGiftCard, RefundPurchase
from civitas.infra.mail.mailer import Mail, Mailer
from civitas.infra.payments.port import Providers
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)


@handles(RefundPurchase, attempts=12, timeout_s=120)
async def refund_purchase(message: RefundPurchase, context: TaskContext) -> None:
    """Ask the provider for a refund; its key is the same at every try, so it is made once."""
    async with context.reading() as session:
        asked = await refunding.asked(session, purchase_id=message.purchase_id)
    if asked is None:
        return
    try:
        answer = await _refunded(context, asked)
    except Fault as fault:
        if fault.kind == "unavailable":
            raise
        async with context.unit() as session:
            await refunding.refund_failed(session, purchase_id=message.purchase_id, told=fault.message)
        return
    async with context.unit() as session:
        await refunding.refunded(session, purchase_id=message.purchase_id, answer=answer)


async def _refunded(context: TaskContext, asked: refunding.Asked) -> Refunded:
    if asked.provider == refunding.MANUAL:
        return Refunded(asked.key, asked.cents)
    provider = context.port(Providers).get(asked.provider)
    return await provider.refund(asked.reference, asked.cents, key=asked.key, reason=asked.reason)


@every("1m")
async def look_at_purchases(context: TaskContext) -> None:
    """Ask providers about purchases that wait, in case a webhook was lost."""
    async with context.unit() as session:
        due = await purchases.due(session)
    providers = context.port(Providers)
    for purchase_id, name, reference in due:
        if reference is None or name not in providers.known:
            continue
        try:
            facts: PaymentFacts = await providers.get(name).read(reference)
        except Fault as fault:
            log.warning("buzz.payment.unread", purchase=purchase_id, provider=name, told=fault.message)
            continue
        async with context.unit() as session:
            await settling.learn(session, purchase_id, facts)


@handles(MailGiftCard, queue="mail", timeout_s=60)
async def mail_gift_card(message: MailGiftCard, context: TaskContext) -> None:
    """Make the code and mail it. A repetition makes another code, and the first one stops working."""
    async with context.unit() as session:
        armed = await codes.arm_gift(session, context.port(CodeKey), purchase_id=message.purchase_id)
    if armed is None:
        return
    purchase, code = armed
    gift, site = purchase.gift or {}, context.port(SiteInfo)
    facts = {"code": code, "worth": purchases.worth_told(gift), "message": gift.get("message", "")}
    letter = letters.compose("gift_card", site, {**facts, "url": site.url("/redeem")})
    mailer: Mailer = context.port(Mailer)
    await mailer.send(Mail(gift["email"], letter.subject, letter.text, letter.html))
