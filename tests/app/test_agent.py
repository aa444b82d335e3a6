"""The agent's settings and engines, and the token of the one beside the site."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from civitas.app import agent, own_agent
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.dispatch import agents
from civitas.engines.diffusers import serving
from civitas.infra.agent_settings import AgentSettings, OpenAISettings
from civitas.infra.db.database import Database
from civitas.infra.settings import Settings
from civitas.kit.errors import Invalid


def test_every_engine_that_can_work_here_is_run() -> None:
    here = {"media", "diffusers"} if serving.installed() else {"media"}
    assert {engine.name for engine in agent.engines(AgentSettings())} == here
    given = AgentSettings(openai=OpenAISettings(base_url="http://127.0.0.1:1/v1"))
    assert {engine.name for engine in agent.engines(given)} == here | {"openai"}
    assert [engine.name for engine in agent.engines(AgentSettings(engines=["media"]))] == ["media"]


@pytest.mark.parametrize(("names", "says"), [(["meda"], "no engine 'meda'"), (["openai"], "not set up")])
def test_engines_that_there_are_not(names: list[str], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        agent.engines(AgentSettings(engines=names))


def test_where_the_token_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(Invalid, match="admin agents add"):
        agent.token_of(AgentSettings())
    with pytest.raises(Invalid, match="cannot be read"):
        agent.token_of(AgentSettings(token_file=file))
    file.write_text("civa_file\n")
    assert agent.token_of(AgentSettings(token_file=file)) == "civa_file"
    assert agent.token_of(AgentSettings(token_file=file, token=SecretStr("civa_given"))) == "civa_given"


def test_the_command_line_is_laid_over_the_settings(tmp_path: Path) -> None:
    chosen = agent.chosen(
        AgentSettings(name="box", slots=5), {"slots": 3, "token": "civa_x", "cache": tmp_path}
    )
    settings = Settings(home=tmp_path / "home", agent=chosen)
    habits = agent.habits(settings)
    assert (habits.name, habits.slots, habits.token, habits.cache) == ("box", 3, "civa_x", tmp_path)
    assert "civa_x" not in repr(habits) and "civa_x" not in repr(chosen)
    assert habits.ends_on_wish


async def test_the_agent_beside_the_site_has_a_token_of_its_own(own_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / own_agent.FILE

    async def ensured() -> str:
        await own_agent.ensure(own_dsn, tmp_path)
        return file.read_text().strip()

    first = await ensured()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await ensured() == first
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            (entry,) = await agents.listed(session, SYSTEM)
            assert "beside the site" in entry.name
            await agents.revoke(session, SYSTEM, agent_id=entry.id)
        second = await ensured()
        assert second != first
        async with database.unit() as session:
            assert len(await agents.listed(session, SYSTEM)) == 1
    finally:
        await database.close()
    file.write_text("civa_of_another_site")
    assert await ensured() not in {first, second}
