"""A month in the economy of the demo: claims, purchases, tips, memberships, access, shop and programme.

Everything goes through the doors that people use, with the clock held at the day on which it is said to have been. No
provider takes part: what the pretend card would have told is told here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.house import House
from civitas.contracts.payments import Mode, PaymentFacts, ProviderInfo
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import scoring
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM, Actor
from civitas.domains.buzz.buying import purchases, settling
from civitas.domains.buzz.earning import awarding, compensation, tips
from civitas.domains.buzz.earning.compensation import Resource
from civitas.domains.buzz.earning.tables import CompensationDay
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.memberships import orders
from civitas.domains.buzz.memberships.types import Billing
from civitas.domains.buzz.programme import banking, participation
from civitas.domains.buzz.programme.types import calendar, month_of
from civitas.domains.buzz.shop import cosmetics, creators, sales
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.tables import Cosmetic, ShopItem
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.catalog import access_buying, access_terms
from civitas.domains.catalog.access_forms import TermsForm
from civitas.infra.queue.draining import drain, settled
from civitas.kit import clock, money
from civitas.kit.money import buzz

GREEN, YELLOW = Currency.GREEN, Currency.YELLOW
DAYS = 34
SCORE = 65_000
CARD = ProviderInfo(
    "development", "Pretend card", "", "green", modes=frozenset({Mode.PAYMENT, Mode.SUBSCRIPTION})
)
GOAL = 6_000
SOLD = {"gate": "timed", "days": 5, "downloadPrice": 500, "generationPrice": 100, "trialGenerations": 5,
        "donationGoal": GOAL}  # fmt: skip
Deed = Callable[[AsyncSession], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: two who make things, three who like them; and the versions that they made."""

    makers: Sequence[Actor]
    friends: Sequence[Actor]
    versions: Mapping[int, Sequence[int]]
    gated: int | None


async def prepare(house: House, maker: Actor) -> None:
    """What has to be there before a version can be sold."""
    await _at(house, 26, partial(_join_tier, who=maker, tier="gold"))


async def sell(session: AsyncSession, maker: Actor, version_id: int) -> None:
    """Put a draft behind a gate that ends after five days, or as soon as its goal is reached."""
    await _scored(session, maker)
    await access_terms.set_terms(session, maker, version_id=version_id, form=TermsForm.model_validate(SOLD))


async def live(house: House, cast: Cast) -> None:
    """Let the month pass, day by day."""
    async with house.database.unit() as session:
        ids = [one.require() for one in (*cast.makers, *cast.friends)]
        joined = clock.now() - timedelta(days=DAYS + 11)
        await session.execute(update(Person).where(Person.id.in_(ids)).values(created_at=joined))
        earned = not await session.scalar(select(exists().select_from(CompensationDay)))
    for ago in range(DAYS, -1, -1):
        if earned:
            with clock.held_at(_moment(ago)):
                await _pay_creators(house)
        for deed in _deeds(cast, ago, earned=earned):
            await _at(house, ago, deed)
    await _settle(house)


async def _pay_creators(house: House) -> None:
    """What the night does: pay the days that are over."""
    async with house.database.unit() as session:
        last = await compensation.begin(session)
    while True:
        async with house.database.unit() as session:
            if not await compensation.settle(session, upto=last):
                return


def _deeds(cast: Cast, ago: int, *, earned: bool) -> list[Deed]:
    """What happened `ago` days ago, in order."""
    mira, tobias = cast.makers
    ines, pavel, yuki = cast.friends
    deeds: list[Deed] = []
    packs = {34: (ines, "10k"), 30: (pavel, "25k"), 21: (ines, "10k"), 12: (yuki, "50k"), 3: (pavel, "10k")}
    if ago in packs:
        deeds.append(partial(_buy, who=packs[ago][0], pack=packs[ago][1]))
    if ago == 33:
        deeds.append(partial(_gift, who=yuki, colour=YELLOW, amount=9_000))
    if ago == 24:
        deeds.append(partial(_join_tier, who=ines, tier="bronze"))
    for place, who in enumerate((mira, tobias, ines, pavel, yuki)):
        if (ago + place) % (2 + place) != 0:
            deeds.append(partial(awarding.claim_daily, actor=who))
    if ago in _TIPS:
        giver, taker, amount, words = _TIPS[ago]
        colour = YELLOW if giver == 2 and ago > 12 else GREEN
        deeds.append(
            partial(
                _tip,
                giver=cast.friends[giver],
                taker=cast.makers[taker],
                amount=amount,
                colour=colour,
                words=words,
            )
        )
    if earned and 0 < ago <= 24:
        deeds += [partial(_used, cast=cast, maker=maker, ago=ago) for maker in (mira, tobias)]
    if ago == 9:
        deeds.append(partial(_sell_plate, maker=mira, buyer=yuki))
    if ago == 8:
        deeds.append(partial(_wear, who=ines, plate="demo-ember"))
    if ago == 7:
        deeds.append(partial(_wear, who=mira, plate="demo-aurora"))
    if ago == 1:
        deeds.append(partial(_join_programme, maker=mira))
    if ago == 0:
        deeds += _today(cast)
    return deeds


# Days ago: which friend, which maker, how much Buzz, with which words.
_TIPS: Mapping[int, tuple[int, int, int, str]] = {
    32: (0, 0, 250, "The contour lines are lovely"),
    29: (1, 1, 500, ""),
    27: (1, 0, 1_000, "For the next checkpoint"),
    23: (0, 1, 150, "Your workflow saved my evening"),
    19: (2, 0, 2_000, ""),
    18: (0, 0, 400, ""),
    15: (2, 1, 750, "More lanterns, please"),
    11: (2, 0, 3_000, "Thank you for Tideglass"),
    10: (1, 0, 600, ""),
    6: (2, 1, 1_200, ""),
    4: (0, 0, 350, "That foam!"),
    2: (1, 0, 2_500, "Keep going"),
}


def _today(cast: Cast) -> list[Deed]:
    ines, pavel, yuki = cast.friends
    mira, gated = cast.makers[0], cast.gated
    deeds: list[Deed] = [partial(_bank, maker=mira, most=20_000)]
    if gated is not None:
        deeds += [
            partial(access_buying.buy, actor=yuki, version_id=gated),
            partial(access_buying.donate, actor=pavel, version_id=gated, amount=buzz(1_500)),
            partial(access_buying.donate, actor=ines, version_id=gated, amount=buzz(400)),
        ]
    return deeds


async def _at(house: House, ago: int, deed: Deed) -> None:
    """Do something as if it were so many days ago; today's is done now."""
    with clock.held_at(_moment(ago)):
        async with house.database.unit() as session:
            await deed(session)


def _moment(ago: int) -> datetime:
    now = clock.now()
    return now if ago == 0 else (now - timedelta(days=ago)).replace(hour=7 + ago % 13, minute=ago * 7 % 60)


async def _settle(house: House) -> None:
    if not await settled(house.context(), expected=house.background):
        await drain(house.context())


async def _buy(session: AsyncSession, who: Actor, pack: str) -> None:
    key = f"demo:{who.id}:{clock.now().date()}"
    made = await purchases.begin(session, who, key=key, provider=CARD, pack=pack)
    await settling.learn(session, made.id, PaymentFacts(paid_cents=made.cents, seen_cents=made.cents))


async def _gift(session: AsyncSession, who: Actor, colour: Currency, amount: int) -> None:
    person = who.require()
    await posting.post(
        session,
        posting.Entry(
            key=f"demo-gift:{person}",
            type=EntryType.INCENTIVE,
            legs=posting.transfer(house(Purpose.MINT, colour), wallet(person, colour), buzz(amount)),
            description="A welcome from the demo",
        ),
    )


async def _join_tier(session: AsyncSession, who: Actor, tier: str) -> None:
    order = await orders.subscribe(
        session, who, tier=tier, billing=Billing.MONTHLY, provider=CARD.key, colour=CARD.colour
    )
    await orders.settle(session, order.id, reference=f"demo:{order.id}", cents=order.cents)


async def _join_programme(session: AsyncSession, maker: Actor) -> None:
    await _scored(session, maker)
    await participation.join(session, maker, accept_terms=True)


async def _scored(session: AsyncSession, maker: Actor) -> None:
    """Give the score that a door asks for; the next count of real models takes it away again."""
    await scoring.set_part(session, part="models", points={maker.require(): SCORE})


async def _tip(
    session: AsyncSession, giver: Actor, taker: Actor, amount: int, colour: Currency, words: str
) -> None:
    await tips.give(
        session,
        giver,
        subject=Subject("user", taker.require()),
        amount=buzz(amount),
        colour=colour,
        message=words,
        key=f"demo:{clock.now().date()}",
    )


async def _used(session: AsyncSession, cast: Cast, maker: Actor, ago: int) -> None:
    """A friend generates with what the maker published; the maker's part is put down for the night."""
    person, friend = maker.require(), cast.friends[ago % len(cast.friends)]
    versions = cast.versions.get(person, ())
    if not versions:
        return
    cost = buzz(40 + (ago * 37 + person * 11) % 160)
    key = f"demo-job:{person}:{clock.now().date()}"
    posted = await posting.charge(
        session,
        posting.Entry(key, EntryType.GENERATION, (), "Pictures made in the demo", actor_id=friend.id),
        source=wallet(friend.require(), GREEN),
        target=house(Purpose.REVENUE, GREEN),
        colours=(GREEN, YELLOW),
        total=cost,
    )
    used = [
        Resource(version, person, base=place == 0)
        for place, version in enumerate((versions[0], versions[ago % len(versions)]))
    ]
    await compensation.accrue(
        session, job_key=key, cost=posted.parts, resources=used[: 1 + (used[0] != used[1])]
    )


async def _sell_plate(session: AsyncSession, maker: Actor, buyer: Actor) -> None:
    item = await creators.submit(
        session,
        maker,
        item=Submission(
            CosmeticType.NAME_PLATE, "Tide", "Blue going green, as over a shallow bay.", buzz(600),
            quantity=50, plate="ocean",
        ),
    )  # fmt: skip
    await session.execute(
        update(Cosmetic).where(Cosmetic.id == item.cosmetic_id).values(key=f"demo-tide-{item.id}")
    )
    await creators.review(
        session, SYSTEM, item_id=item.id, status=ItemStatus.PUBLISHED, note="Fine for the demo"
    )
    await session.flush()
    await sales.buy(session, buyer, item_id=item.id, key="demo")


async def _wear(session: AsyncSession, who: Actor, plate: str) -> None:
    """Buy one of the demo's plates and put it on."""
    item = await session.scalar(
        select(ShopItem)
        .join(Cosmetic, Cosmetic.id == ShopItem.cosmetic_id)
        .where(Cosmetic.key == plate, ShopItem.status == ItemStatus.PUBLISHED)
        .limit(1)
    )
    if item is None:
        return
    bought = await sales.buy(session, who, item_id=item.id, key=f"demo:{plate}")
    await cosmetics.wear(session, who, cosmetic_id=bought.cosmetic_id)


async def _bank(session: AsyncSession, maker: Actor, most: int) -> None:
    """Bank some of what was earned; in the last days of a month, as if it had been before they began."""
    rules = economy.current().programme
    last = calendar(month_of(clock.now()), rules).extraction_opens - timedelta(hours=1)
    has = (await banking.in_wallet(session, maker.require())).get(GREEN, 0)
    amount = min(has // money.QUARTERS, most) * money.QUARTERS
    if amount >= quarters(rules.least_bank):
        with clock.held_at(min(clock.now(), last)):
            await banking.bank(session, maker, amounts={GREEN: amount}, key=f"demo:{maker.id}")
