"""What workflows cost, what is held, taken and given back, and who gets a part."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.workflows import (
    draw,
    echo,
    fail,
    look,
    make_air,
    purse,
    ref,
    run,
    step,
    submitter,
    succeed,
    waiting,
)

from civitas.domains.accounts.tables import ApiKey
from civitas.domains.buzz.earning.tables import CompensationShare
from civitas.domains.buzz.errors import InsufficientFunds, KeyLimitReached
from civitas.domains.buzz.ledger import auditing
from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.orchestration import measuring, pricing
from civitas.domains.orchestration.errors import BadTemplate, QueueFull
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.templates import Tips
from civitas.domains.orchestration.types import Priority, Status
from civitas.kit.errors import Forbidden, Invalid

NO_TIPS = Tips(Decimal(0), Decimal(0))


def costs(type: str, priority: Priority | None = None, **input: Any) -> float:
    """The price of one step in Buzz."""
    kind = known(type)
    return pricing.price(kind, measuring.measure(kind, input), priority=priority).total / 4


XL = "urn:air:sdxl:checkpoint:civitai:1@2"
SQUARE = {"width": 1024, "height": 1024, "steps": 20}


@pytest.mark.parametrize(
    ("type", "input", "buzz"),
    [
        ("textToImage", {"model": XL, **SQUARE}, 8),
        ("textToImage", {"model": XL, **SQUARE, "quantity": 2, "batchSize": 2}, 32),
        ("textToImage", {"model": XL, "width": 832, "height": 1216, "steps": 30}, 12),
        ("textToImage", {"model": "urn:air:sd1:checkpoint:civitai:1@2", "steps": 20}, 4),
        ("textToImage", {"model": XL, **SQUARE, "outputFormat": "png"}, 10),
        ("imageGen", {"engine": "comfy", "ecosystem": "sdxl", **SQUARE, "steps": 30}, 8),
        ("imageGen", {"engine": "sdcpp", "ecosystem": "flux1", "steps": 28, "cfgScale": 1}, 14),
        ("imageGen", {"engine": "sdcpp", "ecosystem": "flux1", "steps": 28, "images": ["x"]}, 56),
        ("imageGen", {"engine": "openai", "model": "gpt-image-1", "quality": "high"}, 375),
        ("imageGen", {"engine": "google", "model": "nano-banana-2", "resolution": "4K", "numImages": 4}, 832),
        ("imageGen", {"engine": "flux2", "model": "dev", "width": 1024, "height": 1024}, 40),
        ("imageGen", {"engine": "sdcpp", "ecosystem": "zImage", "model": "turbo", "steps": 9}, 8),
        ("imageUpscaler", {"width": 1500, "height": 1000, "numberOfRepeats": 2}, 4),
        ("imageBackgroundRemoval", {"width": 1000, "height": 1000}, 7),
        ("convertImage", {}, 1),
        ("transcription", {"duration": 61}, 3),
        ("textToSpeech", {"text": "x" * 150}, 2),
        ("textToSpeech", {"text": "x" * 150, "speaker": "ana"}, 6),
        ("aceStepAudio", {"duration": 60}, 7),
        ("videoGen", {"engine": "wan", "version": "v2.6", "duration": "5", "resolution": "1080p"}, 975),
        ("videoGen", {"engine": "ltx2", "width": 1280, "height": 720, "duration": 5}, 133),
        ("videoGen", {"engine": "hunyuan", "duration": 1}, 100),
        ("polyGen", {"engine": "comfy", "model": "hunyuan3D", "shouldTexture": True}, 160),
        ("training", {"engine": "ai-toolkit", "ecosystem": "sdxl", "steps": 2000, "epochs": 10}, 500),
        ("echo", {"message": "x"}, 0),
        ("mediaHash", {}, 0),
    ],
)
def test_the_price_book_has_the_shapes_of_the_reference(
    type: str, input: dict[str, Any], buzz: float
) -> None:
    assert costs(type, **input) == buzz


def test_a_priority_costs_what_it_says_where_it_counts() -> None:
    assert [costs("textToImage", one, model=XL, **SQUARE) for one in (None, Priority.LOW)] == [8, 8]
    assert [costs("textToImage", one, model=XL, **SQUARE) for one in (Priority.NORMAL, Priority.HIGH)] == [
        18,
        28,
    ]
    assert costs("convertImage", Priority.HIGH) == 1


def test_numbers_beyond_all_measure_stay_prices() -> None:
    assert costs("textToImage", model=XL, steps=1e308, width=1e300, height=1e300) == 10**9
    assert costs("textToImage", model=XL, steps=float("nan"), width=-5, height=0) == 8


async def test_what_was_delivered_is_paid_and_the_rest_comes_back(session: AsyncSession) -> None:
    actor = await submitter(session, blue=10, yellow=100)
    id = await run(session, actor, await draw(session, quantity=4), tips=NO_TIPS)
    assert await purse(session, actor) == {"yellow": 78}
    jobs = await waiting(session, id)
    assert [job.worth for job in jobs] == [32] * 4
    for job in jobs[:3]:
        await succeed(session, job)
    await fail(session, jobs[3])
    found = await look(session, actor, id)
    assert (found.status, found.reserved, found.captured) == (Status.FAILED, 128, 96)
    assert [(one.type, one.colour, one.amount) for one in found.transactions] == [
        ("debit", "blue", 40),
        ("debit", "yellow", 88),
        ("credit", "yellow", 32),
    ]
    assert found.steps[0].output and len(found.steps[0].output["images"]) == 3
    assert await purse(session, actor) == {"yellow": 86}
    assert (await auditing.audit(session)).sound


async def test_nothing_starts_and_nothing_is_charged_without_funds(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=7)
    with pytest.raises(InsufficientFunds):
        await run(session, actor, await draw(session), tips=NO_TIPS)
    assert await purse(session, actor) == {"yellow": 7}


async def test_colours_are_those_that_may_pay(session: AsyncSession) -> None:
    actor = await submitter(session, blue=100, green=100, yellow=100)
    template = await draw(session)
    await run(session, actor, template, tips=NO_TIPS, currencies=("green", "yellow"))
    assert await purse(session, actor) == {"blue": 100, "green": 92, "yellow": 100}
    other = await draw(session)
    await run(session, actor, other, tips=NO_TIPS, allow_mature=True)
    assert await purse(session, actor) == {"blue": 100, "green": 92, "yellow": 92}
    with pytest.raises(BadTemplate) as refused:
        await run(session, actor, other, allow_mature=True, currencies=("blue",))
    assert "currencies" in refused.value.fields


async def test_creators_are_tipped_and_share_what_was_captured(session: AsyncSession) -> None:
    actor, maker, other = await submitter(session), await make_person(session), await make_person(session)
    lora, lora_version = await make_air(session, other, type="LORA")
    template = await draw(session, maker, additionalNetworks={lora: {"strength": 1}})
    id = await run(session, actor, template, tips=Tips(Decimal(0), Decimal("0.25")))
    found = await look(session, actor, id)
    assert (found.cost.base, found.cost.creator_tip, found.cost.total) == (32, 8, 40)
    [job] = await waiting(session, id)
    assert {one["air"] for one in job.resources} == {template.input["model"], lora}
    assert sorted(job.digests) == sorted(one["sha256"] for one in job.resources)
    await succeed(session, job)
    shares = (
        await session.execute(
            select(CompensationShare.person_id, CompensationShare.amount, CompensationShare.tips)
        )
    ).all()
    # A quarter of 8 Buzz is the pool; the checkpoint's maker gets a quarter of it and of the tip.
    assert {(person, amount, tips) for person, amount, tips in shares} == {
        (maker, 4_000_000, 2_000_000),
        (other, 12_000_000, 6_000_000),
    }
    assert lora_version


async def test_nobody_is_compensated_by_themselves(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, await draw(session, actor.id))
    assert (await look(session, actor, id)).cost.creator_tip == 0
    [job] = await waiting(session, id)
    await succeed(session, job)
    assert (await session.scalars(select(CompensationShare.person_id))).all() == []


async def test_licence_fees_go_to_whom_they_are_owed(session: AsyncSession) -> None:
    actor, maker = await submitter(session, yellow=1_000), await make_person(session)
    template = await draw(session, maker, quantity=3)
    version = int(template.input["model"].partition("@")[2])
    session.add(
        VersionAccess(version_id=version, licence_fee=30, licence_fee_images=1, rights_hash=b"agreed")
    )
    await session.flush()
    id = await run(session, actor, template, tips=NO_TIPS)
    cost = (await look(session, actor, id)).cost
    # Three images at 0.3 Buzz are 0.9, paid out as 1, and whole Buzz are charged.
    assert (cost.base, cost.fees, cost.total) == (96, {template.input["model"]: 4}, 100)
    for job in await waiting(session, id):
        await succeed(session, job)
    assert await purse(session, actor) == {"yellow": 975}
    found = await purse(session, actor_of(maker))
    assert found == {"yellow": 1}
    assert (await auditing.audit(session)).sound


def actor_of(person: int) -> Any:
    from tests.factories.accounts import actor_for

    return actor_for(person)


async def test_more_than_the_tier_allows_at_once_is_refused(session: AsyncSession) -> None:
    actor = await submitter(session)
    for number in range(4):
        await run(session, actor, await draw(session, seed=number))
    with pytest.raises(QueueFull) as refused:
        await run(session, actor, await draw(session, seed=9))
    assert refused.value.retry_after == 3
    assert (await look(session, actor, await run(session, actor, echo("x")))).status is Status.SUCCEEDED


async def test_a_key_spends_no_more_than_it_may(session: AsyncSession) -> None:
    from dataclasses import replace

    actor = await submitter(session)
    key = ApiKey(
        person_id=actor.id, name="k", prefix="civitas_x", digest=b"1" * 32, scopes=1,
        buzz_limit=[{"kind": "absolute", "amount": 20}],
    )  # fmt: skip
    session.add(key)
    await session.flush()
    by_key = replace(actor, via="key", key_id=key.id)
    id = await run(session, by_key, await draw(session, quantity=2), tips=NO_TIPS)
    with pytest.raises(KeyLimitReached):
        await run(session, by_key, await draw(session, seed=1), tips=NO_TIPS)
    for job in await waiting(session, id):
        await fail(session, job)
    await run(session, by_key, await draw(session, seed=1), tips=NO_TIPS)


async def test_the_same_input_is_answered_from_what_is_kept_and_costs_nothing(session: AsyncSession) -> None:
    actor = await submitter(session)
    template = await draw(session, name="draw")
    first = await run(session, actor, template, tips=NO_TIPS)
    again = await run(session, actor, template, tips=NO_TIPS)
    assert again == first
    [job] = await waiting(session, first)
    await deliver(session, job.slots)
    await succeed(session, job)
    left = await purse(session, actor)
    second = await run(session, actor, template, echo(ref("draw", "output.images[0].id")))
    found = await look(session, actor, second)
    assert (found.status, found.cost.total, found.transactions) == (Status.SUCCEEDED, 0, [])
    assert found.steps[0].output == (await look(session, actor, first)).steps[0].output
    assert await purse(session, actor) == left
    stranger = await submitter(session)
    assert (await look(session, stranger, await run(session, stranger, template))).cost.total > 0


async def test_results_whose_blobs_are_gone_are_made_anew(session: AsyncSession) -> None:
    from civitas.domains.orchestration.media_tables import MediaBlob

    actor = await submitter(session)
    template = await draw(session)
    [job] = await waiting(session, await run(session, actor, template))
    await deliver(session, job.slots)
    await succeed(session, job)
    await session.execute(
        update(MediaBlob).where(MediaBlob.id.in_(job.slots)).values(blocked_reason="it is blocked")
    )
    assert (await look(session, actor, await run(session, actor, template))).cost.total > 0


async def test_the_price_of_turns_is_held_when_they_are_known(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=20)
    template = await draw(session, name="draw", quantity=2)
    loop = {
        "for": {**ref("draw", "output.images"), "as": "frame"},
        "template": {
            "$type": "imageUpscaler",
            "input": {"image": ref("frame", "url"), "numberOfRepeats": 1},
        },
    }
    id = await run(session, actor, template, step("repeat", loop, "larger"), tips=NO_TIPS)
    assert (await look(session, actor, id)).reserved == 4 * 17
    for job in await waiting(session, id):
        await deliver(session, job.slots)
        await succeed(session, job)
    found = await look(session, actor, id)
    assert [turn.price for turn in found.steps[1].turns] == [4, 4]
    assert (found.steps[1].price, found.reserved) == (0, 4 * 18)
    for job in await waiting(session, id):
        await succeed(session, job, {"blob": {"$blob": 0}})
    assert (await look(session, actor, id)).captured == 4 * 18
    assert await purse(session, actor) == {"yellow": 2}


async def test_turns_that_cannot_be_paid_fail_and_what_was_made_is_paid(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=18)
    loop = {
        "for": {**ref("draw", "output.images"), "as": "frame"},
        "template": {"$type": "imageUpscaler", "input": {"image": ref("frame", "url")}},
    }
    id = await run(
        session,
        actor,
        await draw(session, name="draw", quantity=2),
        step("repeat", loop, "larger"),
        tips=NO_TIPS,
    )
    await give_away(session, actor, 1)
    for job in await waiting(session, id):
        await deliver(session, job.slots)
        await succeed(session, job)
    found = await look(session, actor, id)
    assert (found.status, found.steps[1].reason) == (Status.FAILED, "insufficient_funds")
    assert found.captured == 4 * 16
    assert (await auditing.audit(session)).sound


async def test_models_that_are_not_here_or_not_open_are_refused(session: AsyncSession) -> None:
    actor = await submitter(session)
    with pytest.raises(Invalid) as refused:
        await run(session, actor, await draw(session, model="urn:air:sdxl:checkpoint:civitai:1@999999"))
    assert list(refused.value.fields) == ["steps[0].input.model"]
    with pytest.raises(Invalid):
        await run(session, actor, await draw(session, model="urn:air:sdxl:checkpoint:civitai:1"))
    template = await draw(session)
    version = int(template.input["model"].partition("@")[2])
    session.add(
        VersionAccess(
            version_id=version, gate="permanent", state="open", download_price=400, trial_generations=1
        )
    )
    await session.flush()
    await run(session, actor, template)
    with pytest.raises(Forbidden):
        await run(session, actor, step("textToImage", {**template.input, "seed": 8}))


async def deliver(session: AsyncSession, blobs: list[str]) -> None:
    """The bytes are there."""
    from civitas.domains.orchestration.media_tables import MediaBlob
    from civitas.kit import clock

    await session.execute(
        update(MediaBlob).where(MediaBlob.id.in_(blobs)).values(available_at=clock.now(), size=3)
    )


async def give_away(session: AsyncSession, actor: Any, buzz: int) -> None:
    """Spend what is left of a purse."""
    from tests.factories.buzz import spend_buzz

    await spend_buzz(session, actor.id, buzz)
