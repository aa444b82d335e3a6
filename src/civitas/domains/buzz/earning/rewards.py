"""What is rewarded: declared objects over the numbers of `economy.toml`, each driven by facts of other rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.events.accounts import Followed, OnboardingStepTaken
from civitas.contracts.events.catalog import ModelEngaged
from civitas.contracts.events.gallery import Collected, PostPublished, Reacted, VersionsShown
from civitas.contracts.events.studio import OutputRated
from civitas.contracts.subjects import Subject
from civitas.domains.buzz.economy import economy
from civitas.kit import clock


@dataclass(frozen=True, slots=True)
class Earned:
    """Somebody did something worth a reward. `about` and `by_id` make it pay once; `subject` has a cap of its own."""

    reward: str
    person_id: int
    about: str
    by_id: int | None = None
    subject: Subject | None = None
    times: int = 1


Reading = Callable[[AsyncSession, Any], Awaitable[Sequence[Earned]]]


@dataclass(frozen=True, slots=True)
class Reward:
    """One kind of reward; amounts, caps and words are in the rules under the same name.

    `paid` and `once` say for people who gets it and what is rewarded only once. `reads` turns each event that
    drives it into what was earned. `awaits` names the events of rooms that do not state them yet. `claimed` is one
    that a person asks for, or that is folded from counts.
    """

    name: str
    paid: str
    once: str
    reads: Mapping[type, Reading] = field(default_factory=dict)
    awaits: tuple[str, ...] = ()
    claimed: bool = False


async def _onboarded(_: AsyncSession, event: OnboardingStepTaken) -> Sequence[Earned]:
    return (Earned("onboarding", event.person_id, "account"),) if event.complete else ()


async def _followed(_: AsyncSession, event: Followed) -> Sequence[Earned]:
    return (Earned("first_daily_follow", event.person_id, f"user:{event.target_id}"),)


async def _rated(_: AsyncSession, event: OutputRated) -> Sequence[Earned]:
    return (Earned("generation_feedback", event.person_id, f"generation:{event.workflow_id}"),)


async def _favoured(session: AsyncSession, event: ModelEngaged) -> Sequence[Earned]:
    if event.kind != "favourite" or not event.on:
        return ()
    return await _kept(session, Subject("model", event.model_id), event.person_id)


async def _collected(session: AsyncSession, event: Collected) -> Sequence[Earned]:
    return await _kept(session, Subject(event.kind, event.subject_id), event.person_id)


async def _kept(session: AsyncSession, thing: Subject, by_id: int) -> Sequence[Earned]:
    """A favourite and a place in a collection are one and the same: whoever does both pays its owner once."""
    found = await subjects.resolve(session, thing)
    if found is None or not found.public or found.owner_id in (None, by_id):
        return ()
    return (Earned("collected_content", found.owner_id or 0, f"{thing.kind}:{thing.id}", by_id, thing),)


async def _reacted(session: AsyncSession, event: Reacted) -> Sequence[Earned]:
    if event.reaction == "dislike" or event.owner_id is None or event.owner_id == event.person_id:
        return ()
    about = f"{event.kind}:{event.subject_id}"
    return (Earned("encouragement", event.person_id, about),)


async def _appreciated(session: AsyncSession, event: Reacted) -> Sequence[Earned]:
    if event.reaction == "dislike" or event.owner_id is None or event.owner_id == event.person_id:
        return ()
    found = await subjects.resolve(session, Subject(event.kind, event.subject_id))
    days = economy.current().rewards["good_content"].content_days
    if found is None or not found.public:
        return ()
    if days is not None and found.since is not None and found.since < clock.now() - timedelta(days=days):
        return ()
    about = f"{event.kind}:{event.subject_id}"
    return (Earned("good_content", event.owner_id, about, event.person_id, found.subject),)


async def _posted(_: AsyncSession, event: PostPublished) -> Sequence[Earned]:
    return (Earned("first_daily_post", event.person_id, f"post:{event.post_id}"),)


async def _shown(_: AsyncSession, event: VersionsShown) -> Sequence[Earned]:
    return tuple(
        Earned(
            "image_posted_to_model",
            owner_id,
            f"image:{image_id}:{version_id}",
            event.person_id,
            Subject("model_version", version_id),
        )
        for image_id, version_id, _, owner_id in event.shown
        if owner_id != event.person_id
    )


REWARDS = (
    Reward("onboarding", "the new person", "an account", {OnboardingStepTaken: _onboarded}),
    Reward("daily_boost", "whoever claims it", "a day", claimed=True),
    Reward("encouragement", "whoever reacts", "a reaction to one thing", {Reacted: _reacted}),
    Reward(
        "good_content",
        "the owner of what others react to",
        "a reaction of one person to one thing",
        {Reacted: _appreciated},
    ),
    Reward("first_daily_post", "whoever posts", "a day", {PostPublished: _posted}),
    Reward("first_daily_follow", "whoever follows", "a person followed", {Followed: _followed}),
    Reward("generation_feedback", "whoever rates", "a generation", {OutputRated: _rated}),
    Reward(
        "collected_content",
        "the owner of what others collect",
        "a thing and a collector",
        {ModelEngaged: _favoured, Collected: _collected},
    ),
    Reward(
        "image_posted_to_model",
        "the creator of a model that others post with",
        "a picture and a version",
        {VersionsShown: _shown},
    ),
    Reward("report_accepted", "whoever reported", "a report", awaits=("moderation.ReportAccepted",)),
    Reward("ad_impression", "whoever sees an advert", "an advert's ticket", claimed=True),
    Reward("ad_watched", "whoever watches an advert", "an advert's ticket", awaits=("adverts.AdWatched",)),
    Reward("app_review", "whoever reviews an app", "an app", awaits=("link.AppReviewed",)),
    Reward("referee_created", "whoever joins by a link", "an account", awaits=("buzz.LegacyReferral",)),
    Reward("user_referred", "whoever invited them", "a new person", awaits=("buzz.LegacyReferral",)),
)

BY_NAME = {reward.name: reward for reward in REWARDS}


async def earned_by(session: AsyncSession, event: Any) -> list[Earned]:
    """All that a fact earns whom, by every reward that hears it."""
    found: list[Earned] = []
    for reward in REWARDS:
        reads = reward.reads.get(type(event))
        if reads is not None:
            found += await reads(session, event)
    return found
