"""Who may see, change and download what, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor
from tests.factories.catalog import make_file, make_model, make_published_model, make_version, set_status

from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, SAFE_MASK, Actor, Role, Scope
from civitas.domains.catalog import policy
from civitas.domains.catalog.policy import DownloadFacts, require_download
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion
from civitas.kit import clock
from civitas.kit.errors import Fault, Forbidden

OPEN = DownloadFacts(
    owner_id=1,
    model_status="Published",
    model_mode=None,
    model_availability="Public",
    version_status="Published",
    version_availability="Public",
    usage_control="Download",
    require_auth=False,
    early_access_ends_at=None,
    visibility="Public",
    scan_status="clean",
    removed=False,
)
OWNER, OTHER, STAFF = actor_for(1), actor_for(2), actor_for(3, role=Role.MODERATOR)
SOON, PAST = clock.now() + timedelta(days=1), clock.now() - timedelta(days=1)

# What differs from an open file: codes for a stranger and for another person; owner and staff always may.
RULES: list[tuple[dict[str, object], str | None, str | None]] = [
    ({}, None, None),
    ({"require_auth": True}, "sign_in_needed", None),
    ({"usage_control": "Generation"}, "downloads_disabled", "downloads_disabled"),
    ({"usage_control": "InternalGeneration"}, "downloads_disabled", "downloads_disabled"),
    ({"usage_control": "ExternalGeneration"}, "downloads_disabled", "downloads_disabled"),
    ({"early_access_ends_at": SOON}, "early_access", "early_access"),
    ({"early_access_ends_at": PAST}, None, None),
    ({"model_mode": "Archived"}, "archived", "archived"),
    ({"model_mode": "TakenDown"}, "taken_down", "taken_down"),
    ({"model_availability": "Private"}, "file_not_found", "file_not_found"),
    ({"version_availability": "Private"}, "file_not_found", "file_not_found"),
    ({"model_availability": "Unsearchable"}, None, None),
    ({"model_status": "Draft"}, "file_not_found", "file_not_found"),
    ({"model_status": "Scheduled"}, "file_not_found", "file_not_found"),
    ({"model_status": "Unpublished"}, "file_not_found", "file_not_found"),
    ({"model_status": "UnpublishedViolation"}, "file_not_found", "file_not_found"),
    ({"version_status": "Draft"}, "file_not_found", "file_not_found"),
    ({"model_status": "Deleted"}, "deleted", "deleted"),
    ({"version_status": "Deleted"}, "deleted", "deleted"),
    ({"model_status": "Deleted", "was_public": False}, "file_not_found", "file_not_found"),
    ({"visibility": "Private"}, "file_not_found", "file_not_found"),
    ({"visibility": "Sensitive"}, "file_not_found", "file_not_found"),
    ({"scan_status": "pending"}, "file_not_scanned", "file_not_scanned"),
    ({"scan_status": "error"}, "file_not_scanned", "file_not_scanned"),
    ({"scan_status": "suspicious"}, "file_unsafe", "file_unsafe"),
    ({"scan_status": "dangerous"}, "file_unsafe", "file_unsafe"),
]


def _code(actor: Actor, facts: DownloadFacts) -> str | None:
    try:
        require_download(actor, facts)
    except Fault as fault:
        return fault.code
    return None


@pytest.mark.parametrize(("change", "stranger", "other"), RULES)
def test_download_rules(change: dict[str, object], stranger: str | None, other: str | None) -> None:
    facts = replace(OPEN, **change)  # type: ignore[arg-type]
    assert _code(ANONYMOUS, facts) == stranger
    assert _code(OTHER, facts) == other
    assert _code(OWNER, facts) is None
    assert _code(STAFF, facts) is None


def test_removed_bytes_are_gone_for_everybody() -> None:
    facts = replace(OPEN, removed=True)
    assert [_code(actor, facts) for actor in (ANONYMOUS, OTHER, OWNER, STAFF)] == ["file_removed"] * 4


def test_early_access_names_its_deadline() -> None:
    with pytest.raises(Forbidden) as caught:
        require_download(OTHER, replace(OPEN, early_access_ends_at=SOON))
    assert caught.value.details["deadline"] == clock.rfc3339(SOON)


STATUSES = [
    ("Published", True, True),
    ("Draft", False, True),
    ("Training", False, True),
    ("Scheduled", False, True),
    ("Unpublished", False, True),
    ("UnpublishedViolation", False, True),
    ("GatherInterest", False, True),
    ("Deleted", False, False),
]


@pytest.mark.parametrize(("status", "others", "owner"), STATUSES)
async def test_who_sees_a_model(session: AsyncSession, status: str, others: bool, owner: bool) -> None:
    creator = await make_actor(session)
    model_id, [version_id] = await make_published_model(session, creator.id)
    await set_status(session, model_id, status)
    expected = [(ANONYMOUS, others), (await make_actor(session), others), (creator, owner), (STAFF, owner)]
    for actor, seen in expected:
        assert (await _sees(session, actor, model_id), await _sees_version(session, actor, version_id)) == (
            seen,
            seen,
        )


async def _sees(session: AsyncSession, actor: Actor, model_id: int) -> bool:
    found = await session.scalar(select(Model.id).where(Model.id == model_id, policy.visible_to(actor)))
    return found is not None


async def _sees_version(session: AsyncSession, actor: Actor, version_id: int) -> bool:
    query = select(ModelVersion.id).join(Model, Model.id == ModelVersion.model_id)
    found = await session.scalar(
        query.where(ModelVersion.id == version_id, policy.versions_visible_to(actor))
    )
    return found is not None


@pytest.mark.parametrize(
    ("level", "mask", "seen"),
    [
        (0, SAFE_MASK, True),
        (1, SAFE_MASK, True),
        (5, SAFE_MASK, True),
        (4, SAFE_MASK, False),
        (28, SAFE_MASK, False),
        (28, ALL_MASK, True),
        (32, ALL_MASK, False),
    ],
)
async def test_levels_decide_what_others_see(
    session: AsyncSession, level: int, mask: int, seen: bool
) -> None:
    creator = await make_actor(session)
    model_id, _ = await make_published_model(session, creator.id, nsfw_level=level)
    assert await _sees(session, replace(await make_actor(session), mask=mask), model_id) is seen
    assert await _sees(session, replace(creator, mask=SAFE_MASK), model_id)


async def test_private_models_are_their_owners_alone(session: AsyncSession) -> None:
    creator = await make_actor(session)
    model_id, _ = await make_published_model(session, creator.id, availability="Private")
    unlisted, _ = await make_published_model(session, creator.id, availability="Unsearchable")
    stranger = await make_actor(session)
    assert await _sees(session, creator, model_id)
    assert not await _sees(session, stranger, model_id)
    assert await _sees(session, ANONYMOUS, unlisted)


@pytest.mark.parametrize(
    ("file", "version", "model", "others"),
    [
        ({}, {}, {}, True),
        ({"visibility": "Private"}, {}, {}, False),
        ({}, {"usage_control": "Generation"}, {}, False),
        ({}, {}, {"mode": "Archived"}, False),
        ({}, {"status": "Draft"}, {}, False),
        ({"scan_status": "pending"}, {}, {}, True),
    ],
)
async def test_who_knows_of_a_file(
    session: AsyncSession,
    file: dict[str, object],
    version: dict[str, object],
    model: dict[str, object],
    others: bool,
) -> None:
    creator = await make_actor(session)
    model_id = await make_model(session, creator.id, **({"status": "Published", "nsfw_level": 1} | model))
    version_id = await make_version(session, model_id, **({"status": "Published"} | version))
    file_id = await make_file(session, version_id, **file)
    for actor, seen in ((ANONYMOUS, others), (creator, True), (STAFF, True)):
        found = await session.scalar(
            select(ModelFile.id)
            .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
            .join(Model, Model.id == ModelVersion.model_id)
            .where(ModelFile.id == file_id, policy.files_visible_to(actor))
        )
        assert (found is not None) is seen


@pytest.mark.parametrize(
    ("status", "owner_edits", "owner_publishes"),
    [
        ("Draft", True, True),
        ("Published", True, True),
        ("Unpublished", True, True),
        ("UnpublishedViolation", True, False),
        ("Deleted", False, False),
    ],
)
def test_who_edits_and_publishes(status: str, owner_edits: bool, owner_publishes: bool) -> None:
    model = Model(person_id=1, status=status, cannot_publish=False)
    assert policy.can_edit(OWNER, model) is owner_edits
    assert policy.can_publish(OWNER, model) is owner_publishes
    assert policy.can_edit(STAFF, model)
    assert policy.can_publish(STAFF, model)
    assert not policy.can_edit(OTHER, model)
    assert not policy.can_edit(ANONYMOUS, model)


def test_a_barred_model_is_published_by_staff_only() -> None:
    model = Model(person_id=1, status="Draft", cannot_publish=True)
    assert not policy.can_publish(OWNER, model)
    assert policy.can_publish(STAFF, model)


def test_staff_rights_need_a_person() -> None:
    assert not policy.can_moderate(ANONYMOUS)
    assert not policy.can_moderate(Actor(id=None, role=Role.MODERATOR, scopes=Scope.FULL))
    assert policy.can_moderate(STAFF)
