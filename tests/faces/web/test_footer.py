"""The footer: where the source is, and the operator's line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.http import make_settings, serving

from civitas.infra.db.database import BoundDatabase
from civitas.infra.settings import SiteSettings


@pytest.mark.parametrize(
    ("site", "shown"),
    [
        ({}, False),
        ({"source_url": "https://code.example.org/hub?a=1&b=2", "region_note": "Run by <us>"}, True),
    ],
)
async def test_the_source_is_linked_when_the_operator_says_where(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path, site: dict[str, str], shown: bool
) -> None:
    async with serving(units, connection, make_settings(tmp_path, site=SiteSettings(**site))) as client:  # type: ignore[arg-type]
        for path in ("/", "/login", "/nowhere-at-all"):
            page = (await client.page(path)).text
            assert ("Source code" in page) is shown
            assert ('href="https://code.example.org/hub?a=1&amp;b=2"' in page) is shown
            assert ("Run by &lt;us&gt;" in page) is shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "code.example.org", "https://a b", "//x"])
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        SiteSettings(source_url=url)
