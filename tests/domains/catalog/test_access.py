"""Early and paid access: terms, buying, donating, windows that end or are withdrawn, and where the money goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model, make_version

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.errors import InsufficientFunds, KeyReused
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.catalog import (
    access,
    access_buying,
    access_rights,
    access_terms,
    access_windows,
    licence_fees,
    publishing,
    removal,
    versions,
)
from civitas.domains.catalog.access_forms import TermsForm
from civitas.domains.catalog.access_tables import AccessPayment, VersionAccess
from civitas.domains.catalog.access_types import AccessState, PaymentStatus, Permission
from civitas.domains.catalog.forms import VersionPatch
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.tasks import _return_all, end_windows
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock, money
from civitas.kit.errors import Fault, Forbidden, Invalid, NotFound

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW
START = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


async def give(session: AsyncSession, person: int, colour: Currency, buzz: int) -> None:
    await posting.post(
        session,
        Entry(
            f"give:{person}:{colour}",
            EntryType.PURCHASE,
            transfer(house(Purpose.MINT, colour), wallet(person, colour), money.buzz(buzz)),
        ),
    )


async def purse(session: AsyncSession, person: int) -> dict[str, int]:
    found = await posting.balances(
        session, [wallet(person, colour) for colour in Currency if colour != "cash"]
    )
    return {str(account.currency): amount // 4 for account, amount in found.items() if amount}


async def in_escrow(session: AsyncSession, version_id: int) -> int:
    purpose = access_windows.escrow(version_id)
    found = await posting.balances(session, [house(purpose, colour) for colour in (BLUE, GREEN, YELLOW)])
    return sum(found.values()) // 4


async def sound(session: AsyncSession) -> None:
    assert (await auditing.audit(session)).findings == ()


async def make_seller(session: AsyncSession, score: int = 300_000, **fields: Any) -> Actor:
    """A creator whose models score enough."""
    seller = await make_actor(session, **fields)
    assert seller.id is not None
    await session.execute(
        update(Person).where(Person.id == seller.id).values(score=score, score_parts={"models": score})
    )
    return seller


async def make_draft(session: AsyncSession, seller: Actor, **columns: Any) -> tuple[int, int]:
    """A version that needs nothing more to be published."""
    model, (version,) = await make_published_model(session, seller.id, version=columns)
    await session.execute(
        update(Model).where(Model.id == model).values(status="Draft", published_at=None, last_version_at=None)
    )
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == version).values(status="Draft", published_at=None)
    )
    return model, version


def timed(**fields: Any) -> TermsForm:
    return TermsForm.model_validate({"gate": "timed", "days": 7, "downloadPrice": 500} | fields)


async def on_sale(
    session: AsyncSession, context: TaskContext, seller: Actor, form: TermsForm | None = None
) -> tuple[int, int]:
    """A published version behind a gate."""
    model, version = await make_draft(session, seller)
    await access_terms.set_terms(session, seller, version_id=version, form=form or timed())
    await publishing.publish(session, seller, model_id=model)
    await session.flush()
    await drain(context)
    return model, version


async def terms(session: AsyncSession, version: int) -> VersionAccess:
    found = await session.get(VersionAccess, version, populate_existing=True)
    assert found is not None
    return found


async def buyer_with(session: AsyncSession, colour: Currency = YELLOW, buzz: int = 1000) -> Actor:
    buyer = await make_actor(session)
    assert buyer.id is not None
    await give(session, buyer.id, colour, buzz)
    return buyer


async def refused(code: str, call: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await call
    assert caught.value.code == code, caught.value
    return caught.value


# Terms


@pytest.mark.parametrize(
    ("score", "days", "allowed"),
    [(39_999, 3, False), (40_000, 3, True), (40_000, 5, False), (65_000, 5, True), (250_000, 15, True), (250_000, 30, False)],
)  # fmt: skip
async def test_a_score_unlocks_the_length(
    session: AsyncSession, score: int, days: int, allowed: bool
) -> None:
    seller = await make_seller(session, score)
    _, version = await make_draft(session, seller)
    setting = access_terms.set_terms(session, seller, version_id=version, form=timed(days=days))
    if allowed:
        assert (await setting).days == days
    else:
        assert (await refused("score_too_low", setting)).details["fields"]


async def test_slots_are_counted_and_moderators_are_not_bound(session: AsyncSession) -> None:
    seller = await make_seller(session, 40_000)
    _, first = await make_draft(session, seller)
    _, second = await make_draft(session, seller)
    await access_terms.set_terms(session, seller, version_id=first, form=timed(days=3))
    await refused(
        "no_slot_left", access_terms.set_terms(session, seller, version_id=second, form=timed(days=3))
    )
    moderator = await make_actor(session, role=Role.MODERATOR)
    await access_terms.set_terms(session, moderator, version_id=second, form=timed(days=30))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"downloadPrice": 99}, "downloadPrice"),
        ({"downloadPrice": None}, "downloadPrice"),
        ({"generationPrice": 49}, "generationPrice"),
        ({"generationPrice": 501}, "generationPrice"),
        ({"trialGenerations": 1001}, "trialGenerations"),
        ({"days": 4}, "days"),
        ({"days": None}, "days"),
        ({"donationGoal": 999}, "donationGoal"),
        ({"donationGoal": 1_000_000_001}, "donationGoal"),
        ({"donationGoal": 1000, "hideGoal": True}, "hideGoal"),
        ({"licenceFee": "0.01"}, "rightsAffirmation"),
        ({"licenceFee": "0.11", "rightsAffirmation": access_rights.digest().hex()}, "licenceFee"),
        ({"licenceFee": "0.1", "licenceFeeImages": 3, "rightsAffirmation": access_rights.digest().hex()}, "licenceFeeImages"),
        ({"gate": "none"}, "gate"),
        ({"gate": "permanent", "downloadPrice": 501}, "downloadPrice"),
    ],
)  # fmt: skip
async def test_wrong_terms_are_told_by_their_field(
    session: AsyncSession, fields: dict[str, Any], field: str
) -> None:
    seller = await make_seller(session)
    _, version = await make_draft(session, seller)
    with pytest.raises(Invalid) as caught:
        await access_terms.set_terms(session, seller, version_id=version, form=timed(**fields))
    assert field in caught.value.fields


async def test_non_commercial_bases_are_never_charged_for(session: AsyncSession) -> None:
    seller = await make_seller(session)
    _, version = await make_draft(session, seller, base_model="Ideogram 4.0")
    await refused(
        "licence_forbids_price", access_terms.set_terms(session, seller, version_id=version, form=timed())
    )
    _, other = await make_draft(session, seller)
    await access_terms.set_terms(session, seller, version_id=other, form=timed())
    patch = VersionPatch.model_validate({"baseModel": "Ideogram 4.0"})
    await refused(
        "licence_forbids_price", versions.update_version(session, seller, version_id=other, patch=patch)
    )


async def test_usage_moves_the_price_to_the_gate_that_is_left(session: AsyncSession) -> None:
    seller = await make_seller(session)
    _, version = await make_draft(session, seller)
    await access_terms.set_terms(session, seller, version_id=version, form=timed())
    for usage, prices in (("Generation", (None, 2000)), ("Download", (2000, 2000))):
        patch = VersionPatch.model_validate({"usageControl": usage})
        await versions.update_version(session, seller, version_id=version, patch=patch)
        found = await terms(session, version)
        assert (found.download_price, found.generation_price) == prices


async def test_what_is_published_keeps_its_promises(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller, timed(donationGoal=5000))

    async def set_to(**fields: Any) -> VersionAccess:
        return await access_terms.set_terms(session, seller, version_id=version, form=timed(**fields))

    await refused("price_raised", set_to(downloadPrice=501))
    await refused("only_before_publishing", set_to(days=3))
    await refused("window_running", set_to(gate="permanent"))
    await refused("goal_fixed", set_to(donationGoal=6000))
    assert (await set_to(downloadPrice=400)).goal == money.buzz(5000)
    _, free = await make_published_model(session, seller.id)
    await refused(
        "only_before_publishing", access_terms.set_terms(session, seller, version_id=free[0], form=timed())
    )
    permanent = TermsForm.model_validate({"gate": "permanent", "downloadPrice": 500})
    assert (
        await access_terms.set_terms(session, seller, version_id=free[0], form=permanent)
    ).state == AccessState.OPEN
    await refused(
        "only_before_publishing", access_terms.set_terms(session, seller, version_id=free[0], form=timed())
    )


async def test_three_paid_versions_without_a_membership(session: AsyncSession) -> None:
    seller = await make_seller(session)
    form = TermsForm.model_validate({"gate": "permanent", "downloadPrice": 500})
    for _ in range(3):
        _, version = await make_draft(session, seller)
        await access_terms.set_terms(session, seller, version_id=version, form=form)
    _, version = await make_draft(session, seller)
    await refused("no_slot_left", access_terms.set_terms(session, seller, version_id=version, form=form))


async def test_video_may_cost_five_times_as_much(session: AsyncSession) -> None:
    seller = await make_seller(session)
    _, version = await make_draft(session, seller, base_model="Wan Video 2.2 T2V-A14B")
    form = TermsForm.model_validate({"gate": "permanent", "downloadPrice": 2500})
    await access_terms.set_terms(session, seller, version_id=version, form=form)


# Buying


async def test_who_buys_may_download_and_generate_and_the_money_waits(
    session: AsyncSession, context: TaskContext
) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller)
    buyer = await buyer_with(session)
    bought = await access_buying.buy(session, buyer, version_id=version, key="k", price=2000)
    assert bought.parts == (("yellow", 2000),) and bought.permissions == Permission.ALL
    assert await purse(session, buyer.id or 0) == {"yellow": 500}
    assert await purse(session, seller.id or 0) == {}
    assert await in_escrow(session, version) == 500
    assert (await access.may_generate(session, buyer, [version]))[version].reason == "access"
    again = await access_buying.buy(session, buyer, version_id=version, key="k", price=2000)
    assert again.replayed and again.id == bought.id
    with pytest.raises(KeyReused):
        await access_buying.buy(session, buyer, version_id=version, key="k", permission=Permission.GENERATE)
    await refused("already_yours", access_buying.buy(session, buyer, version_id=version))
    await sound(session)


async def test_generating_alone_is_cheaper(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller, timed(generationPrice=50, trialGenerations=2))
    buyer = await buyer_with(session)
    before = (await access.may_generate(session, buyer, [version]))[version]
    assert (before.allowed, before.reason, before.trials_left) == (True, "trial", 2)
    await access.use_trials(session, buyer, version_ids=[version], count=2)
    await refused("access_needed", access.use_trials(session, buyer, version_ids=[version]))
    await access_buying.buy(session, buyer, version_id=version, permission=Permission.GENERATE)
    assert await access_buying.permissions_of(session, buyer.id or 0, version) == Permission.GENERATE
    await access.use_trials(session, buyer, version_ids=[version])
    await access_buying.buy(session, buyer, version_id=version)
    assert await access_buying.permissions_of(session, buyer.id or 0, version) == Permission.ALL
    assert await purse(session, buyer.id or 0) == {"yellow": 450}


async def test_trials_are_all_or_none(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller, timed(trialGenerations=3))
    buyer = await make_actor(session)
    await refused("trials_used_up", access.use_trials(session, buyer, version_ids=[version], count=4))
    assert (await access.may_generate(session, buyer, [version]))[version].trials_left == 3
    stranger = Actor(id=None)
    assert (await access.may_generate(session, stranger, [version]))[version].reason == "sign_in_needed"
    assert (await access.may_generate(session, seller, [version, 10**9]))[10**9].reason == "not_found"


async def test_what_cannot_be_bought(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller)
    await give(session, seller.id or 0, YELLOW, 1000)
    buyer = await buyer_with(session, buzz=499)
    await refused("own_version", access_buying.buy(session, seller, version_id=version))
    await refused("price_changed", access_buying.buy(session, buyer, version_id=version, price=1))
    with pytest.raises(InsufficientFunds):
        await access_buying.buy(session, buyer, version_id=version)
    await refused(
        "not_for_sale", access_buying.buy(session, buyer, version_id=version, permission=Permission.GENERATE)
    )
    _, free = await make_published_model(session)
    await refused("open_to_all", access_buying.buy(session, buyer, version_id=free[0]))
    _, draft = await make_draft(session, seller)
    await access_terms.set_terms(session, seller, version_id=draft, form=timed())
    with pytest.raises(NotFound):
        await access_buying.buy(session, buyer, version_id=draft)
    assert await purse(session, buyer.id or 0) == {"yellow": 499}


async def test_blue_pays_only_where_its_seller_takes_it(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, strict = await on_sale(session, context, seller)
    _, open_handed = await on_sale(session, context, seller, timed(acceptsBlue=True, donationGoal=1000))
    buyer = await buyer_with(session, BLUE, 700)
    with pytest.raises(InsufficientFunds) as short:
        await access_buying.buy(session, buyer, version_id=strict)
    assert short.value.details["colours"] == ["green", "yellow"]
    bought = await access_buying.buy(session, buyer, version_id=open_handed)
    assert bought.parts == (("blue", 2000),)
    assert (await terms(session, open_handed)).raised == 0
    with pytest.raises(InsufficientFunds):
        await access_buying.donate(session, buyer, version_id=open_handed, amount=400)
    await sound(session)


async def test_mature_versions_are_paid_in_yellow(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    model, version = await on_sale(session, context, seller)
    await session.execute(update(Model).where(Model.id == model).values(nsfw=True))
    green = await buyer_with(session, GREEN)
    with pytest.raises(InsufficientFunds) as short:
        await access_buying.buy(session, green, version_id=version)
    assert short.value.details["colours"] == ["yellow"]


# Windows


async def test_the_window_ends_and_the_seller_is_paid_once(
    session: AsyncSession, context: TaskContext
) -> None:
    with clock.held_at(START):
        seller = await make_seller(session)
        _, version = await on_sale(session, context, seller, timed(acceptsBlue=True))
        buyers = [await buyer_with(session, colour) for colour in (BLUE, GREEN, YELLOW)]
        for buyer in buyers:
            await access_buying.buy(session, buyer, version_id=version)
    with clock.held_at(START + timedelta(days=7) - timedelta(seconds=1)):
        await end_windows(context)
        assert (await terms(session, version)).state == AccessState.OPEN
    with clock.held_at(START + timedelta(days=7)):
        late = await buyer_with(session)
        await refused("open_to_all", access_buying.buy(session, late, version_id=version))
        await end_windows(context)
        await end_windows(context)
        await drain(context)
    found = await terms(session, version)
    assert (found.state, found.end_reason) == (AccessState.ENDED, "time")
    assert await purse(session, seller.id or 0) == {"blue": 500, "green": 500, "yellow": 500}
    assert await in_escrow(session, version) == 0
    await sound(session)


async def test_unpublishing_gives_everything_back_to_the_colours_that_paid(
    session: AsyncSession, context: TaskContext
) -> None:
    seller = await make_seller(session)
    model, version = await on_sale(session, context, seller, timed(acceptsBlue=True, donationGoal=100_000))
    mixed = await buyer_with(session, BLUE, 100)
    await give(session, mixed.id or 0, GREEN, 100)
    await give(session, mixed.id or 0, YELLOW, 1000)
    given_to = await make_actor(session, "guest")
    await access.give(session, seller, version_id=version, username="guest")
    bought = await access_buying.buy(session, mixed, version_id=version)
    assert [colour for colour, _ in bought.parts] == ["blue", "green", "yellow"]
    donor = await buyer_with(session, GREEN)
    await access_buying.donate(session, donor, version_id=version, amount=money.buzz(300))
    assert (await terms(session, version)).raised == money.buzz(700)
    await removal.unpublish(session, seller, model_id=model)
    await drain(context)
    assert await purse(session, mixed.id or 0) == {"blue": 100, "green": 100, "yellow": 1000}
    assert await purse(session, donor.id or 0) == {"green": 1000}
    assert await purse(session, seller.id or 0) == {}
    assert (await terms(session, version)).raised == 0
    assert await access_buying.permissions_of(session, mixed.id or 0, version) == Permission.NONE
    assert await access_buying.permissions_of(session, given_to.id or 0, version) == Permission.ALL
    # Public again within its time: the gate is still there, and can be bought anew.
    await publishing.publish(session, seller, model_id=model, version_ids=[version])
    await session.execute(update(ModelVersion).where(ModelVersion.id == version).values(status="Published"))
    await drain(context)
    await access_buying.buy(session, mixed, version_id=version)
    await sound(session)


@pytest.mark.parametrize("deed", ["delete", "archive", "version"])
async def test_other_ways_out_of_view_give_back_too(
    session: AsyncSession, context: TaskContext, deed: str
) -> None:
    seller = await make_seller(session)
    model, version = await on_sale(session, context, seller)
    buyer = await buyer_with(session)
    await access_buying.buy(session, buyer, version_id=version)
    if deed == "delete":
        await removal.delete(session, seller, model_id=model)
    elif deed == "archive":
        from civitas.domains.catalog.types import Mode

        await removal.set_mode(session, seller, model_id=model, mode=Mode.ARCHIVED)
    else:
        await make_published_second(session, model)
        await versions.delete(session, seller, version_id=version)
    await drain(context)
    assert await purse(session, buyer.id or 0) == {"yellow": 1000}
    await sound(session)


async def make_published_second(session: AsyncSession, model: int) -> None:
    await make_version(session, model, status="Published", published_at=clock.now())


async def test_a_window_that_ends_out_of_view_pays_nobody_but_the_buyers(
    session: AsyncSession, context: TaskContext
) -> None:
    with clock.held_at(START):
        seller = await make_seller(session)
        model, version = await on_sale(session, context, seller)
        buyer = await buyer_with(session)
        await access_buying.buy(session, buyer, version_id=version)
        # As if the listener had not run yet.
        await session.execute(update(Model).where(Model.id == model).values(status="Unpublished"))
    with clock.held_at(START + timedelta(days=8)):
        await end_windows(context)
        await drain(context)
    assert (await terms(session, version)).end_reason == "withdrawn"
    assert await purse(session, buyer.id or 0) == {"yellow": 1000}
    assert await purse(session, seller.id or 0) == {}
    await sound(session)


async def test_refunds_killed_half_way_go_on_where_they_stopped(
    session: AsyncSession, context: TaskContext, units: BoundDatabase
) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller)
    buyers = [await buyer_with(session) for _ in range(5)]
    for buyer in buyers:
        await access_buying.buy(session, buyer, version_id=version)
    await access_windows.withdraw(session, version_id=version)
    await session.flush()
    ids = await access_windows.returning(session)
    async with units.unit() as other:
        await access_windows.give_back(other, payment_id=ids[0])
        await access_windows.give_back(other, payment_id=ids[1])
    with pytest.raises(RuntimeError):
        async with units.unit() as other:
            await access_windows.give_back(other, payment_id=ids[2])
            raise RuntimeError("killed after the refund, before the commit")
    assert await access_windows.returning(session) == ids[2:]
    await _return_all(context, None)
    await _return_all(context, version)
    for buyer in buyers:
        assert await purse(session, buyer.id or 0) == {"yellow": 1000}
    assert await in_escrow(session, version) == 0
    await sound(session)


async def test_what_staff_gave_back_by_hand_is_not_given_or_paid_again(
    session: AsyncSession, context: TaskContext
) -> None:
    with clock.held_at(START):
        seller = await make_seller(session)
        _, version = await on_sale(session, context, seller)
        first, second = await buyer_with(session), await buyer_with(session)
        await access_buying.buy(session, first, version_id=version)
        await access_buying.buy(session, second, version_id=version)
        entry = await session.scalar(
            select(AccessPayment.entry_id).where(AccessPayment.person_id == first.id)
        )
        await posting.refund(session, of=entry or 0, key="by-hand")
    with clock.held_at(START + timedelta(days=8)):
        await end_windows(context)
    assert await purse(session, seller.id or 0) == {"yellow": 500}
    assert await in_escrow(session, version) == 0
    await sound(session)


async def test_the_creator_may_end_it_early_and_is_paid(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller)
    buyer = await buyer_with(session)
    await access_buying.buy(session, buyer, version_id=version)
    await access_terms.set_terms(session, seller, version_id=version, form=TermsForm())
    await drain(context)
    assert await purse(session, seller.id or 0) == {"yellow": 500}
    ends = await session.scalar(select(ModelVersion.early_access_ends_at).where(ModelVersion.id == version))
    assert ends is not None and ends <= clock.now()


async def test_sales_of_a_paid_version_wait_some_days(session: AsyncSession, context: TaskContext) -> None:
    with clock.held_at(START):
        seller = await make_seller(session)
        form = TermsForm.model_validate({"gate": "permanent", "downloadPrice": 300, "donationGoal": 1000})
        _, version = await on_sale(session, context, seller, form)
        early, late = await buyer_with(session), await buyer_with(session)
        await access_buying.buy(session, early, version_id=version)
    with clock.held_at(START + timedelta(days=5)):
        await access_buying.donate(session, late, version_id=version, amount=money.buzz(700))
        found = await terms(session, version)
        assert found.goal_reached_at is not None and found.state == AccessState.OPEN
        await refused("goal_reached", access_buying.donate(session, early, version_id=version, amount=400))
        await end_windows(context)
        assert await purse(session, seller.id or 0) == {}
    with clock.held_at(START + timedelta(days=8)):
        await end_windows(context)
        assert await purse(session, seller.id or 0) == {"yellow": 300}
        await access_windows.withdraw(session, version_id=version)
        await drain(context)
    assert await purse(session, late.id or 0) == {"yellow": 1000}
    # Who paid for good keeps what was bought.
    assert await access_buying.permissions_of(session, early.id or 0, version) == Permission.ALL
    await sound(session)


async def test_a_goal_ends_the_window(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller, timed(donationGoal=1000))
    buyer, donor = await buyer_with(session), await buyer_with(session, GREEN)
    await access_buying.buy(session, buyer, version_id=version)
    await access_buying.donate(session, donor, version_id=version, amount=money.buzz(500))
    found = await terms(session, version)
    assert (found.state, found.end_reason, found.raised) == (AccessState.ENDED, "goal", money.buzz(1000))
    assert await purse(session, seller.id or 0) == {"yellow": 500, "green": 500}
    await drain(context)
    await refused("goal_reached", access_buying.donate(session, donor, version_id=version, amount=400))
    await sound(session)


@pytest.mark.parametrize("amount", [0, 1, -400, 4 * 10**13])
async def test_wrong_donations(session: AsyncSession, context: TaskContext, amount: int) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller, timed(donationGoal=1000))
    donor = await buyer_with(session)
    await refused("bad_amount", access_buying.donate(session, donor, version_id=version, amount=amount))


# Grants and fees


async def test_access_given_for_nothing(session: AsyncSession, context: TaskContext) -> None:
    seller = await make_seller(session)
    _, version = await on_sale(session, context, seller)
    guest = await make_actor(session, "Guest_One")
    await access.give(
        session, seller, version_id=version, username="@guest_one", permission=Permission.GENERATE
    )
    await access.give(
        session, seller, version_id=version, username="guest_one", permission=Permission.GENERATE
    )
    assert (await access.permitted(session, guest.id or 0, [version])) == {version: Permission.GENERATE}
    assert [one.username for one in (await access.given_to(session, seller, version_id=version)).items] == [
        "Guest_One"
    ]
    with pytest.raises(Forbidden):
        await access.give(session, guest, version_id=version, username="guest_one")
    assert await access.take(session, seller, version_id=version, username="guest_one")
    assert not await access.take(session, seller, version_id=version, username="guest_one")
    assert await access.permitted(session, guest.id or 0, [version]) == {}


async def test_fees_go_up_the_chain(session: AsyncSession) -> None:
    digest = access_rights.digest().hex()
    first, second = await make_seller(session), await make_seller(session)
    _, (root,) = await make_published_model(session, first.id)
    _, (leaf,) = await make_published_model(session, second.id)
    fork, (forked,) = await make_published_model(session, forked_from_version_id=leaf)
    fee = TermsForm.model_validate({"licenceFee": "0.1", "licenceFeeImages": 10, "rightsAffirmation": digest})
    await access_terms.set_terms(session, first, version_id=root, form=fee)
    standing = fee.model_copy(update={"licensing_source_version_id": root})
    found = await access_terms.set_terms(session, second, version_id=leaf, form=standing)
    assert found.rights_hash == access_rights.digest() and found.rights_affirmed_by == second.id
    owed = await licence_fees.of_versions(session, [root, leaf, forked])
    assert [fee.receiver_id for fee in owed[forked]] == [second.id, first.id]
    assert [fee.receiver_id for fee in owed[leaf]] == [second.id, first.id]
    assert owed[root][0].due(25) == 1
    assert await licence_fees.replacing(session, [root, leaf, forked]) == {root, leaf}
    circle = fee.model_copy(update={"licensing_source_version_id": leaf})
    await refused("source_circle", access_terms.set_terms(session, first, version_id=root, form=circle))
    assert fork


# Races, on connections of their own


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    opened = Database(own_dsn)
    yield opened
    await opened.close()


async def _outcome(own: Database, call: Any) -> str:
    try:
        async with own.unit() as session:
            await call(session)
    except Fault as fault:
        return fault.code
    return "done"


async def _sale(own: Database, form: TermsForm, moment: datetime = START) -> tuple[Actor, int, int]:
    context = TaskContext(own)
    async with own.unit() as session:
        seller = await make_seller(session)
        model, version = await make_draft(session, seller)
        await access_terms.set_terms(session, seller, version_id=version, form=form)
        await publishing.publish(session, seller, model_id=model)
    await drain(context)
    return seller, model, version


async def test_two_buys_race_on_one_balance(own: Database) -> None:
    _, _, first = await _sale(own, timed())
    _, _, second = await _sale(own, timed())
    async with own.unit() as session:
        buyer = await buyer_with(session, buzz=600)
    outcomes = await asyncio.gather(
        *(
            _outcome(own, lambda s, v=version: access_buying.buy(s, buyer, version_id=v))
            for version in (first, second, first, second)
        )
    )
    assert sorted(outcomes)[:1] == ["already_yours"] or "done" in outcomes
    assert outcomes.count("done") == 1
    async with own.unit() as session:
        assert await purse(session, buyer.id or 0) == {"yellow": 100}
        assert await session.scalar(select(func.count()).select_from(AccessPayment)) == 1
        await sound(session)


async def test_one_key_sent_twice_at_once_pays_once(own: Database) -> None:
    _, _, version = await _sale(own, timed())
    async with own.unit() as session:
        buyer = await buyer_with(session)
    outcomes = await asyncio.gather(
        *(
            _outcome(own, lambda s: access_buying.buy(s, buyer, version_id=version, key="same"))
            for _ in range(4)
        )
    )
    assert outcomes == ["done"] * 4
    async with own.unit() as session:
        assert await purse(session, buyer.id or 0) == {"yellow": 500}
        await sound(session)


async def test_the_goal_is_reached_once_by_many_donors_at_once(own: Database) -> None:
    seller, _, version = await _sale(own, timed(donationGoal=1000))
    async with own.unit() as session:
        donors = [await buyer_with(session) for _ in range(6)]
    outcomes = await asyncio.gather(
        *(
            _outcome(
                own, lambda s, d=donor: access_buying.donate(s, d, version_id=version, amount=money.buzz(400))
            )
            for donor in donors
        )
    )
    assert sorted(outcomes) == ["done"] * 3 + ["goal_reached"] * 3
    await drain(TaskContext(own))
    async with own.unit() as session:
        assert await purse(session, seller.id or 0) == {"yellow": 1200}
        assert (await terms(session, version)).raised == money.buzz(1200)
        await sound(session)


async def test_buying_while_the_window_ends_is_paid_for_or_refused(own: Database) -> None:
    seller, model, version = await _sale(own, timed())
    async with own.unit() as session:
        buyers = [await buyer_with(session) for _ in range(6)]
        await session.execute(
            update(VersionAccess).where(VersionAccess.version_id == version).values(ends_at=clock.now() + timedelta(seconds=0.15))
        )  # fmt: skip
    context = TaskContext(own)

    async def end_soon() -> str:
        for _ in range(8):
            await asyncio.sleep(0.05)
            await end_windows(context)
        return "ended"

    async def buy_soon(number: int, buyer: Actor) -> str:
        await asyncio.sleep(0.05 * number)
        return await _outcome(own, lambda s: access_buying.buy(s, buyer, version_id=version))

    outcomes = await asyncio.gather(end_soon(), *(buy_soon(n, b) for n, b in enumerate(buyers)))
    done = outcomes.count("done")
    assert done + outcomes.count("open_to_all") == 6
    async with own.unit() as session:
        assert (await purse(session, seller.id or 0)).get("yellow", 0) == 500 * done
        assert await in_escrow(session, version) == 0
        kept = await session.scalar(select(func.count()).where(AccessPayment.status == PaymentStatus.KEPT))
        assert kept == 0
        await sound(session)
    assert model


async def test_buying_while_it_is_withdrawn_never_loses_money(own: Database) -> None:
    seller, model, version = await _sale(own, timed())
    async with own.unit() as session:
        buyers = [await buyer_with(session) for _ in range(5)]
    context = TaskContext(own)

    async def take_away() -> str:
        await asyncio.sleep(0.02)
        async with own.unit() as session:
            await removal.unpublish(session, seller, model_id=model)
        await drain(context)
        return "away"

    outcomes = await asyncio.gather(
        take_away(),
        *(_outcome(own, lambda s, b=buyer: access_buying.buy(s, b, version_id=version)) for buyer in buyers),
    )
    assert set(outcomes) <= {"away", "done", "version_not_found"}
    await drain(context)
    async with own.unit() as session:
        for buyer in buyers:
            assert await purse(session, buyer.id or 0) == {"yellow": 1000}
        assert await purse(session, seller.id or 0) == {}
        await sound(session)
