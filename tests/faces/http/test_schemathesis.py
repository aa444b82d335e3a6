"""Schemathesis reads our OpenAPI document and asks odd things of every operation, as a stranger and with a key."""

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
from tests.factories.catalog import make_published_model
from tests.factories.live import Live, living

from civitas.app.house import House
from civitas.domains.catalog import rebuilding
from civitas.infra.settings import Settings

EXAMPLES = 6
LEFT_OUT = {
    # need two accounts or something stored: test_write_everybody asks these of every operation
    "use_after_free", "ensure_resource_availability", "object_level_authorization",
    # a cursor that was made up, or a version that is not there, is right by the schema and wrong all the same
    "positive_data_acceptance",
}  # fmt: skip


@pytest.fixture
def live(own_dsn: str, tmp_path: Path) -> Iterator[Live]:
    settings = Settings(home=tmp_path)
    settings.limits.enabled = False
    with living(settings, own_dsn) as site:
        yield site


async def _fill(house: House) -> str:
    async with house.database.unit() as session:
        person = await make_person(session, "somebody")
        model_id, _ = await make_published_model(session, person, name="Something")
        await rebuilding.rebuild(session, [model_id])
        return await make_key(session, person)


@pytest.mark.parametrize("viewer", ["stranger", "full key"])
def test_every_operation_answers_as_the_document_says(live: Live, viewer: str) -> None:
    key = live.do(_fill)
    headers = {"Authorization": f"Bearer {key}"} if viewer == "full key" else {}
    document = httpx.get(f"{live.url}/api/v1/openapi.json", timeout=60).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=live.url)
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in LEFT_OUT]
    failures: dict[str, str] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)

                @hypothesis_settings(
                    max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=list(HealthCheck), derandomize=True,
                )  # fmt: skip
                @given(case=strategy)
                def ask(case: schemathesis.Case) -> None:
                    case.call_and_validate(headers=headers, checks=checks)

                ask()
            except Unsatisfiable:
                continue  # nothing of this operation can be wrong
            except (FailureGroup, Failure) as found:
                failures[f"{operation.label} {mode}"] = "\n".join(
                    str(e) for e in getattr(found, "exceptions", [found])
                )
    assert not failures, "\n\n".join(f"{name}:\n{told[:1500]}" for name, told in failures.items())
