"""Schemathesis reads the Orchestration API's own document and asks odd things of every operation: never a mistake of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from tests.factories.accounts import make_key, make_person
from tests.factories.live import Live, living

from civitas.app.house import House
from civitas.infra.settings import Settings

EXAMPLES = 3
# All recipes are one handler with another schema: these have media, models, texts and choices in their inputs.
RECIPES = {"echo", "textToImage", "convertImage", "chatCompletion", "repeat", "blobArchive"}
PREFIX = "/v2/consumer/recipes/"


@pytest.fixture
def live(own_dsn: str, tmp_path: Path) -> Iterator[Live]:
    settings = Settings(home=tmp_path)
    settings.limits.enabled = False
    with living(settings, own_dsn) as site:
        yield site


async def _key(house: House) -> str:
    async with house.database.unit() as session:
        return await make_key(session, await make_person(session))


def test_no_operation_breaks(live: Live) -> None:
    headers = {"Authorization": f"Bearer {live.do(_key)}"}
    answer = httpx.get(f"{live.url}/v2/openapi.json", timeout=60)
    assert answer.status_code == 200
    schema = schemathesis.openapi.from_dict(answer.json())
    schema.config.update(base_url=live.url)
    load_all_checks()
    checks = [CHECKS.get_one("not_a_server_error"), CHECKS.get_one("unsupported_method")]
    failures: dict[str, str] = {}
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.startswith(PREFIX) and operation.path.removeprefix(PREFIX) not in RECIPES:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:

                @hypothesis_settings(
                    max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=list(HealthCheck), derandomize=True,
                )  # fmt: skip
                @given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    nonlocal asked
                    asked += 1
                    # Nobody is to wait for work that no agent does.
                    case.query = (
                        {**(case.query or {}), "wait": "0"} if "wait" in (case.query or {}) else case.query
                    )
                    case.call_and_validate(headers=headers, checks=checks)

                ask()
            except Unsatisfiable:
                continue
            except (FailureGroup, Failure) as found:
                failures[f"{operation.label} {mode}"] = "\n".join(
                    str(e) for e in getattr(found, "exceptions", [found])
                )
    assert asked > 50
    assert not failures, "\n\n".join(f"{name}:\n{told[:1500]}" for name, told in failures.items())
