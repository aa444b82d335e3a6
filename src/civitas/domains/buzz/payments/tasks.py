"""What providers told is acted upon."""

from __future__ import annotations

import structlog

from civitas.domains.buzz.payments import notices
from civitas.domains.buzz.payments.messages import ProcessPaymentEvent
from civitas.infra.payments.port import Providers
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import handles

log = structlog.get_logger(__name__)


@handles(ProcessPaymentEvent, attempts=12, timeout_s=120)
async def process_payment_event(message: ProcessPaymentEvent, context: TaskContext) -> None:
    """Act on what a provider told; where its notice is only a knock, ask it what is true first."""
    async with context.reading() as session:
        told = await notices.waiting(session, message.event_id)
    if told is None:
        return
    notice = told.notice
    if notice.look:
        notice = await context.port(Providers).get(told.provider).complete(notice)
    async with context.unit() as session:
        outcome = await notices.process(session, notices.Told(told.id, told.provider, notice))
    log.info("buzz.payment", provider=told.provider, kind=notice.kind, order=notice.order, outcome=outcome)
