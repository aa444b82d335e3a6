"""One real decoder pool for the session, and pictures made on the spot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.settings import ImagingSettings


@pytest.fixture(scope="session")
async def imaging() -> AsyncIterator[PillowImaging]:
    async with PillowImaging(ImagingSettings(processes=1)) as made:
        yield made
