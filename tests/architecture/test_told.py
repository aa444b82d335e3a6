"""Every fact that names a person is told to somebody, or stands here with the reason why it is not."""

from __future__ import annotations

import dataclasses
import inspect
from types import ModuleType

from civitas.contracts.events import accounts, blobs, buzz, catalog, community, gallery, orchestration
from civitas.domains.community.notifications.listeners import READS

NAMES = {"person_id", "owner_id", "target_id", "source_person_id", "by", "by_id", "after", "winners"}
OWN = "they did it themselves"
QUIET = {
    accounts.PersonJoined: OWN,
    accounts.PersonVerified: OWN,
    accounts.PersonRenamed: OWN,
    accounts.ProfileChanged: OWN,
    accounts.OnboardingStepTaken: OWN,
    accounts.BrowsingChanged: OWN,
    accounts.PersonDeleted: OWN,
    accounts.PersonRestored: OWN,
    accounts.PersonForgotten: "nobody is there any more",
    accounts.PersonBanned: "they cannot sign in; the sign-in says why",
    accounts.Unfollowed: "nobody needs to hear that they are left",
    accounts.Blocked: "whoever is blocked is not told of it",
    accounts.Unblocked: "whoever was blocked was not told of it",
    blobs.BlobVerified: "the page that uploads shows it",
    blobs.UploadFailed: "the page that uploads shows it",
    buzz.MembershipPaid: "the start and every change of a membership are told",
    buzz.MembershipCodeRedeemed: OWN,
    buzz.RewardGiven: "there are many a day; the wallet lists them",
    catalog.ModelEngaged: "whom one favours or mutes is one's own affair; collecting is told",
    catalog.ReviewRequested: "it concerns staff, who have a list",
    catalog.LicenceFeeChanged: OWN,
    community.CommentRemoved: "the comment's place in the thread says it",
    community.CommentRestored: "the comment is in its place again",
    community.ReviewChanged: "the review says so where it stands",
    community.ArticleChanged: OWN,
    community.ArticleRemoved: OWN,
    community.ChatMessaged: "chat has its own count and its own live list",
    gallery.ImageAdded: OWN,
    gallery.ImageReady: "the page that posts shows it",
    gallery.ImageRemoved: "the fact does not say whether staff did it",
    gallery.PostChanged: OWN,
    gallery.PostRemoved: "the fact does not say whether staff did it",
    gallery.ReactionWithdrawn: "nobody needs to hear that a reaction is gone",
    gallery.Uncollected: "nobody needs to hear that a bookmark is gone",
    gallery.CollectionChanged: OWN,
    gallery.CollectionDeleted: OWN,
    gallery.VersionsShown: "the owner is rewarded, and finds the pictures on the model's page",
    orchestration.VersionsUsed: "owners are told what they were paid for it, once a day",
}


def _facts(module: ModuleType) -> set[type]:
    return {
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and dataclasses.is_dataclass(found)
        and found.__module__ == module.__name__
        and NAMES & {one.name for one in dataclasses.fields(found)}
    }


def test_whoever_a_fact_concerns_is_told_or_there_is_a_reason() -> None:
    modules = (accounts, blobs, buzz, catalog, community, gallery, orchestration)
    named = set().union(*(_facts(module) for module in modules))
    assert {one.__name__ for one in named - READS.keys() - QUIET.keys()} == set()
    assert {one.__name__ for one in QUIET.keys() - named} == set()
    assert {one.__name__ for one in QUIET.keys() & READS.keys()} == set()
