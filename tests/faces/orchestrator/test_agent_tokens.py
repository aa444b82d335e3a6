"""Tokens of agents are remembered for a moment; one that was revoked is worth nothing all the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.factories.http import Client
from tests.factories.orchestration import MadeAgent, make_agent, make_job

from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.dispatch import agents
from civitas.kit.errors import Unauthorised

DONE = {"outcome": "succeeded", "output": {}, "seconds": 1}


def bearer(agent: MadeAgent) -> dict[str, str]:
    return {"authorization": f"Bearer {agent.token}"}


async def made(client: Client) -> MadeAgent:
    async with client.house.database.unit() as session:
        await make_job(session, "convertImage")
        return await make_agent(session, "convertImage")


async def said(client: Client, agent: MadeAgent, path: str, words: Any) -> Any:
    return await client.post(f"/v2/agents/{path}", headers=bearer(agent), json=words)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("register", {"name": "again", "capabilities": ["convertImage"], "slots": 1}),
        ("heartbeat", {"claims": []}),
        ("claims", {"free": 1, "waitS": 0}),
        ("claims/{claim}/progress", {"fraction": 0.5}),
        ("claims/{claim}/result", {"result": DONE}),
    ],
)
async def test_a_token_that_is_revoked_while_it_is_remembered_is_refused(
    client: Client, path: str, words: Any
) -> None:
    agent = await made(client)
    (job,) = (await said(client, agent, "claims", {"free": 1, "waitS": 0})).json()["jobs"]
    async with client.house.database.unit() as session:
        await agents.revoke(session, SYSTEM, agent_id=agent.id)
    answer = await said(client, agent, path.format(claim=job["claim"]), words)
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_agent_token"


async def test_nothing_is_taken_of_results_told_together_by_one_that_was_revoked(client: Client) -> None:
    agent = await made(client)
    (job,) = (await said(client, agent, "claims", {"free": 1, "waitS": 0})).json()["jobs"]
    async with client.house.database.unit() as session:
        await agents.revoke(session, SYSTEM, agent_id=agent.id)
    answer = await said(client, agent, "results", {"results": [{"claim": job["claim"], "result": DONE}]})
    assert [(one["status"], one["code"]) for one in answer.json()["results"]] == [(410, "claim_ended")]


async def test_a_fault_of_a_token_that_holds_stays_what_it_is(client: Client) -> None:
    agent = await made(client)
    answer = await said(client, agent, "claims/999999/progress", {"fraction": 0.5})
    assert (answer.status_code, answer.json()["code"]) == (410, "claim_ended")


async def test_a_token_is_looked_up_once_in_a_while(client: Client) -> None:
    agent = await made(client)
    tokens = agents.Tokens(client.house.reads)
    found = await tokens.agent(agent.token)
    async with client.house.database.unit() as session:
        await agents.revoke(session, SYSTEM, agent_id=agent.id)
    assert await tokens.agent(agent.token) == found
    with pytest.raises(Unauthorised):
        await tokens.again(agent.token)
    # What was refused is not remembered.
    with pytest.raises(Unauthorised):
        await tokens.agent(agent.token)
