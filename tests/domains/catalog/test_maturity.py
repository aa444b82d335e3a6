"""One meaning of mature: said by the creator, or nothing of it is safe to show."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.catalog import make_model, make_version

from civitas.contracts.subjects import Subject, resolve
from civitas.domains.accounts.types import PG, PG13, XXX, R
from civitas.domains.catalog.maturity import is_mature


@pytest.mark.parametrize(
    ("nsfw", "level", "mature"),
    [(False, 0, False), (False, PG, False), (False, PG13 | XXX, False), (False, R, True), (True, PG, True), (True, 0, True)],
)  # fmt: skip
async def test_tips_and_access_ask_the_same(
    session: AsyncSession, nsfw: bool, level: int, mature: bool
) -> None:
    assert is_mature(nsfw, level) is mature
    model = await make_model(
        session, await make_person(session), status="Published", nsfw=nsfw, nsfw_level=level
    )
    version = await make_version(session, model, status="Published", nsfw_level=level)
    for subject in (Subject("model", model), Subject("model_version", version)):
        found = await resolve(session, subject)
        assert found is not None and found.mature is mature
