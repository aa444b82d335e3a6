"""Offers: what they cost, what is held, what becomes of it, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow
from tests.factories.placements import Wall, make_sticker, make_wall, purse, stick
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.tables import Person, StaffAction
from civitas.domains.accounts.types import Role
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import Currency, Purpose, house
from civitas.domains.gallery.feeds import hiding
from civitas.domains.gallery.placements import answering, ending, offering, reading, spaces
from civitas.domains.gallery.placements.spaces import Setting
from civitas.domains.gallery.placements.types import Openness, SpaceKind, Spot, Status, Sticker, Surface
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from civitas.kit.money import buzz

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW
LATER = timedelta(hours=49)


async def refused(call: Any, code: str) -> None:
    with pytest.raises(Fault) as fault:
        await call
    assert fault.value.code == code


async def revenue(session: AsyncSession, colour: Currency = YELLOW) -> int:
    account = house(Purpose.REVENUE, colour)
    return (await posting.balances(session, [account]))[account]


async def test_the_most_particular_word_counts_and_the_price_by_itself(session: AsyncSession) -> None:
    wall = await make_wall(session, price=80)
    places: dict[str, int] = {"image_id": wall.image, "post_id": wall.post, "owner_id": wall.owner.require()}

    async def now() -> tuple[Openness, int | None]:
        found = (await spaces.of_image(session, **places))[Surface.STICKER]
        return found.mode, found.price

    async def say(kind: SpaceKind, number: int, mode: Openness | None, price: int | None) -> None:
        setting = Setting(mode, price)
        await spaces.arrange(
            session, wall.owner, kind=kind, subject_id=number, wanted={Surface.STICKER: setting}
        )

    assert await now() == (Openness.REVIEW, buzz(80))
    await say(SpaceKind.POST, wall.post, Openness.AUTO, None)
    assert await now() == (Openness.AUTO, buzz(80))
    await say(SpaceKind.IMAGE, wall.image, Openness.OFF, buzz(20))
    assert await now() == (Openness.OFF, buzz(20))
    await say(SpaceKind.IMAGE, wall.image, None, None)
    assert await now() == (Openness.AUTO, buzz(80))
    shown = await spaces.settings(session, wall.owner, kind=SpaceKind.IMAGE, subject_id=wall.image)
    assert shown.inherited[Surface.STICKER] == spaces.Space(Openness.AUTO, buzz(80))
    await refused(
        spaces.settings(session, wall.placer, kind=SpaceKind.POST, subject_id=wall.post), "post_not_found"
    )
    await refused(stick(session, wall, thing=Sticker(key="no")), "no_such_sticker")


async def test_nothing_can_be_placed_unless_somebody_says_so(session: AsyncSession) -> None:
    wall = await make_wall(session)
    post = await make_post(session, (await make_actor(session)).require())
    wall.image = await make_image(session, post)
    await refused(stick(session, wall), "no_space")


@pytest.mark.parametrize(
    ("score", "tier", "cap"), [(0, "free", 100), (4_999, "gold", 500), (5_000, "bronze", 500), (25_000, "silver", 1_500),
                               (100_000, "gold", 5_000), (2_000_000, "free", 1_000)],
)  # fmt: skip
async def test_the_cap_follows_score_and_membership(
    session: AsyncSession, score: int, tier: str, cap: int
) -> None:
    from tests.factories.memberships import make_membership

    wall = await make_wall(session, price=100)
    person = wall.owner.require()
    await session.execute(update(Person).where(Person.id == person).values(score=score))
    if tier != "free":
        await make_membership(session, person, tier)
    assert await spaces.cap_of(session, person) == buzz(cap)
    over = {Surface.STICKER: Setting(Openness.AUTO, buzz(cap + 1))}
    await refused(
        spaces.arrange(session, wall.owner, kind=SpaceKind.USER, subject_id=person, wanted=over), "bad_price"
    )


async def test_a_price_above_todays_cap_is_asked_for_as_the_cap(session: AsyncSession) -> None:
    wall = await make_wall(session, price=100)
    assert spaces.asked(spaces.Space(Openness.AUTO, buzz(900)), buzz(100)) == buzz(100)
    made = await stick(session, wall, price=buzz(100))
    assert (made.price, made.decline_fee, made.platform_part) == (buzz(100), buzz(30), buzz(30))
    await refused(stick(session, wall, price=buzz(99)), "price_changed")


async def test_approval_captures_and_two_days_later_it_is_shared(session: AsyncSession) -> None:
    wall = await make_wall(session, price=80)
    site = await revenue(session)
    made = await stick(session, wall)
    assert await purse(session, wall.placer) == buzz(920)
    await answering.approve(session, wall.owner, placement_id=made.id)
    assert (made.status, await purse(session, wall.owner)) == (Status.APPROVED, 0)
    assert await ending.settle_due(session) == 0
    with clock.held_at(clock.now() + LATER):
        assert await ending.settle_due(session) == 1
        assert await ending.settle_due(session) == 0
    assert await purse(session, wall.owner) == buzz(56)
    assert await revenue(session) - site == buzz(24)
    assert (await auditing.audit(session)).findings == ()


async def test_whoever_made_the_sticker_gets_a_share(session: AsyncSession) -> None:
    wall = await make_wall(session, price=80)
    seller = await make_actor(session)
    owl = await make_sticker(session, wall.placer.require(), creator=seller.id, share=90)
    made = await stick(session, wall, thing=Sticker(cosmetic_id=owl))
    await answering.approve(session, wall.owner, placement_id=made.id)
    with clock.held_at(clock.now() + LATER):
        await ending.settle_due(session)
    # They ask for 90%, the rules give 70%.
    assert await purse(session, seller) == buzz(56)
    assert await purse(session, wall.owner) == 0
    own = await make_sticker(session, wall.placer.require(), creator=wall.placer.id, share=70)
    assert (await stick(session, wall, thing=Sticker(cosmetic_id=own))).seller_part == 0


async def test_declining_costs_the_fee_and_nothing_else(session: AsyncSession) -> None:
    wall = await make_wall(session, price=80)
    made = await stick(session, wall)
    await answering.decline(session, wall.owner, placement_id=made.id)
    await answering.decline(session, wall.owner, placement_id=made.id)
    assert await purse(session, wall.owner) == buzz(24)
    assert await purse(session, wall.placer) == buzz(976)
    await refused(answering.approve(session, wall.owner, placement_id=made.id), "answered")
    assert (await auditing.audit(session)).findings == ()


async def test_what_nobody_answers_goes_back_whole(session: AsyncSession) -> None:
    wall = await make_wall(session)
    made = await stick(session, wall)
    assert await ending.expire_due(session) == 0
    with clock.held_at(clock.now() + LATER):
        await refused(answering.approve(session, wall.owner, placement_id=made.id), "offer_over")
        assert await ending.expire_due(session) == 1
        assert await ending.expire_due(session) == 0
        await refused(answering.approve(session, wall.owner, placement_id=made.id), "answered")
    assert (made.status, await purse(session, wall.placer)) == (Status.EXPIRED, buzz(1000))


async def test_where_everything_is_taken_it_is_there_at_once(session: AsyncSession) -> None:
    wall = await make_wall(session, mode=Openness.AUTO)
    made = await stick(session, wall, spot=Spot(10_000, 0, 250, -180))
    image = await session.get_one(Image, wall.image)
    (shown,) = await reading.on_image(session, actor_for(999), image=image)
    assert (made.status, shown.row.id, shown.spot) == (Status.APPROVED, made.id, Spot(10_000, 0, 250, -180))


async def test_the_same_key_offers_once(session: AsyncSession) -> None:
    wall = await make_wall(session)
    first = await stick(session, wall, key="k")
    assert (await stick(session, wall, key="k")).id == first.id
    assert await purse(session, wall.placer) == buzz(920)
    await refused(stick(session, wall, key="k", thing=Sticker(key="star")), "idempotency_key_reused")


async def test_only_what_can_be_bought_pays(session: AsyncSession) -> None:
    wall = await make_wall(session, buzz={BLUE: 1000, GREEN: 50})
    await refused(stick(session, wall, colour=BLUE), "wrong_colour")
    with pytest.raises(InsufficientFunds):
        await stick(session, wall, colour=GREEN)
    assert await purse(session, wall.placer, BLUE) == buzz(1000)
    mature = await make_wall(session, mature=True, nsfw_level=8, buzz={GREEN: 1000, YELLOW: 1000})
    await refused(stick(session, mature, colour=GREEN), "wrong_colour")
    await stick(session, mature)


async def test_on_the_safe_twin_green_pays(session: AsyncSession) -> None:
    wall = await make_wall(session, buzz={GREEN: 1000, YELLOW: 1000})
    wall.placer = wall.placer.on_safe_site()
    await refused(stick(session, wall, colour=YELLOW), "wrong_colour")
    quote = await offering.quote(session, wall.placer, image_id=wall.image, surface=Surface.STICKER)
    assert [one.colour for one in quote.purses] == [GREEN]
    await stick(session, wall, colour=GREEN)


@pytest.mark.parametrize(
    "spot", [Spot(-1), Spot(y=10_001), Spot(scale=39), Spot(scale=251), Spot(rotation=181)]
)
async def test_a_sticker_stays_on_the_picture(session: AsyncSession, spot: Spot) -> None:
    await refused(stick(session, await make_wall(session), spot=spot), "bad_spot")


async def test_who_may_not_offer(session: AsyncSession) -> None:
    wall = await make_wall(session)
    with pytest.raises(Forbidden):
        await offering.offer(
            session, wall.owner, image_id=wall.image, thing=Sticker(key="star"), colour=YELLOW
        )
    muted = actor_for(wall.placer.require(), muted=True)
    await refused(
        offering.offer(session, muted, image_id=wall.image, thing=Sticker(key="star"), colour=YELLOW), "muted"
    )
    await make_follow(session, wall.owner.require(), wall.placer.require(), "block")
    await refused(stick(session, wall), "blocked")


async def _remix(session: AsyncSession, wall: Wall, **columns: Any) -> int:
    post = await make_post(session, wall.placer.require())
    return await make_image(session, post, **({"remix_of_id": wall.image} | columns))


async def test_a_remix_is_ones_own_public_and_no_more_mature(session: AsyncSession) -> None:
    wall = await make_wall(session, mature=True)
    remix = await _remix(session, wall)
    made = await stick(session, wall, thing=remix)
    assert (made.surface, made.remix_id) == (Surface.REMIX, remix)
    await refused(stick(session, wall, thing=remix), "placed_already")
    await refused(stick(session, wall, thing=await _remix(session, wall, remix_of_id=None)), "no_remix")
    await refused(stick(session, wall, thing=await _remix(session, wall, nsfw_level=8)), "more_mature")
    await refused(
        stick(session, wall, thing=await _remix(session, wall, status="pending")), "image_not_found"
    )
    await refused(stick(session, wall, thing=wall.image), "image_not_found")


async def test_a_remix_that_grows_mature_is_shown_to_nobody_who_did_not_ask(session: AsyncSession) -> None:
    wall = await make_wall(session, mature=True, mode=Openness.AUTO, nsfw_level=8)
    remix = await _remix(session, wall)
    await stick(session, wall, thing=remix)
    image = await session.get_one(Image, wall.image)
    adult, careful = await make_actor(session, mature=True), await make_actor(session)
    assert [one.row.remix_id for one in await reading.on_image(session, careful, image=image)] == [remix]
    await session.execute(update(Image).where(Image.id == remix).values(nsfw_level=8))
    assert await reading.on_image(session, careful, image=image) == []
    assert len(await reading.on_image(session, adult, image=image)) == 1
    await hiding.hide_image(session, adult, image_id=remix)
    assert await reading.on_image(session, adult, image=image) == []
    await hiding.show_image(session, adult, image_id=remix)
    await session.execute(update(Image).where(Image.id == remix).values(nsfw_level=16))
    assert await reading.on_image(session, adult, image=image) == []


async def test_nothing_by_people_whom_one_hides_or_who_are_banned(session: AsyncSession) -> None:
    wall = await make_wall(session, mode=Openness.AUTO)
    await stick(session, wall)
    image = await session.get_one(Image, wall.image)
    viewer = await make_actor(session)
    assert len(await reading.on_image(session, viewer, image=image)) == 1
    await make_follow(session, viewer.require(), wall.placer.require(), "hide")
    assert await reading.on_image(session, viewer, image=image) == []
    await session.execute(update(Person).where(Person.id == wall.placer.id).values(status="banned"))
    assert await reading.on_image(session, await make_actor(session), image=image) == []


async def test_an_owner_who_takes_it_away_gives_everything_back(session: AsyncSession) -> None:
    wall = await make_wall(session, mode=Openness.AUTO)
    made = await stick(session, wall)
    stranger = await make_actor(session)
    await refused(ending.remove(session, stranger, placement_id=made.id), "no_such_placement")
    await ending.remove(session, wall.owner, placement_id=made.id)
    await ending.remove(session, wall.owner, placement_id=made.id)
    assert (made.status, made.removed_by) == (Status.REMOVED, "owner")
    assert await purse(session, wall.placer) == buzz(1000)
    settled = await stick(session, wall)
    with clock.held_at(clock.now() + LATER):
        await ending.settle_due(session)
        await ending.remove(session, wall.owner, placement_id=settled.id)
    assert await purse(session, wall.placer) == buzz(920)
    assert (await auditing.audit(session)).findings == ()


async def test_a_placer_may_withdraw_but_not_unpay(session: AsyncSession) -> None:
    wall = await make_wall(session)
    made = await stick(session, wall)
    await refused(ending.remove(session, wall.owner, placement_id=made.id), "answer_first")
    await ending.remove(session, wall.placer, placement_id=made.id)
    assert await purse(session, wall.placer) == buzz(1000)
    shown = await stick(session, wall)
    await answering.approve(session, wall.owner, placement_id=shown.id)
    await ending.remove(session, wall.placer, placement_id=shown.id)
    assert (await purse(session, wall.placer), await purse(session, wall.owner)) == (buzz(920), buzz(56))


async def test_what_staff_take_away_is_not_paid_back(session: AsyncSession) -> None:
    wall = await make_wall(session)
    site = await revenue(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    waiting, shown = await stick(session, wall), await stick(session, wall)
    await answering.approve(session, wall.owner, placement_id=shown.id)
    await refused(ending.remove(session, staff, placement_id=shown.id), "reason_needed")
    for one in (waiting, shown):
        await ending.remove(session, staff, placement_id=one.id, reason="An insult")
    assert await revenue(session) - site == buzz(160)
    assert (await purse(session, wall.owner), shown.reason) == (0, "An insult")
    noted = await session.scalars(select(StaffAction.action).where(StaffAction.actor_id == staff.id))
    assert list(noted) == ["placement.remove"] * 2
    assert (await auditing.audit(session)).findings == ()


@pytest.mark.parametrize("what", ["gone", "draft", "blocked", "post", "remix", "mature"])
async def test_an_offer_about_what_is_no_longer_public_is_released(session: AsyncSession, what: str) -> None:
    wall = await make_wall(session, buzz={GREEN: 1000})
    remix = await _remix(session, wall)
    made = await stick(session, wall, thing=remix, colour=GREEN)
    now = clock.now()
    image, post = update(Image).where(Image.id == wall.image), update(Post).where(Post.id == wall.post)
    change = {
        "gone": image.values(deleted_at=now),
        "draft": post.values(published_at=None),
        "blocked": image.values(nsfw_level=33),
        "post": post.values(deleted_at=now),
        "remix": update(Image).where(Image.id == remix).values(deleted_at=now),
        "mature": image.values(nsfw_level=8),
    }[what]
    assert await ending.end_unfit(session, images=[wall.image]) == 0
    await session.execute(change)
    await refused(answering.approve(session, wall.owner, placement_id=made.id), "no_longer_fits")
    assert await ending.end_unfit(session, images=[remix if what == "remix" else wall.image]) == 1
    assert (made.status, made.removed_by) == (Status.REMOVED, "site")
    assert await purse(session, wall.placer, GREEN) == buzz(1000)


async def test_what_is_shown_goes_with_its_picture_and_the_buzz_goes_back(session: AsyncSession) -> None:
    wall = await make_wall(session, mode=Openness.AUTO)
    made = await stick(session, wall)
    await session.execute(update(Post).where(Post.id == wall.post).values(published_at=None))
    assert await ending.end_unfit(session, images=[wall.image]) == 0, "a draft may be published again"
    await session.execute(update(Image).where(Image.id == wall.image).values(deleted_at=clock.now()))
    assert await ending.end_unfit(session, images=[wall.image]) == 1
    assert (made.status, await purse(session, wall.placer)) == (Status.REMOVED, buzz(1000))


async def test_a_picture_has_so_much_room_and_a_person_so_many_offers(session: AsyncSession) -> None:
    wall = await make_wall(session, price=10, mode=Openness.AUTO)
    for _ in range(40):
        await stick(session, wall)
    await refused(stick(session, wall), "space_full")


async def test_lists_show_both_sides(session: AsyncSession) -> None:
    wall = await make_wall(session)
    first, second = await stick(session, wall), await stick(session, wall, thing=Sticker(key="crown"))
    await answering.decline(session, wall.owner, placement_id=first.id)
    got = await reading.listed(session, wall.owner, way="received", status=Status.PENDING)
    assert [(one.row.id, one.name, one.placer) for one in got.items] == [
        (second.id, "Crown", wall.placer.username)
    ]
    assert await reading.waiting(session, wall.owner) == 1
    gave = await reading.listed(session, wall.placer, way="given")
    assert [one.row.id for one in gave.items] == [second.id, first.id]
    assert gave.items[0].image is not None
    with pytest.raises(NotFound):
        await reading.one(session, await make_actor(session), placement_id=first.id)


async def test_the_words_of_a_reason_are_bounded(session: AsyncSession) -> None:
    wall = await make_wall(session)
    made = await stick(session, wall)
    with pytest.raises(Invalid):
        await ending.remove(session, wall.placer, placement_id=made.id, reason="x" * 301)
    with pytest.raises(Conflict):
        await ending.remove(session, wall.owner, placement_id=made.id, reason="no")
