"""What is noted for those who listen: which events, in which order, in which shape."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.media import make_job, make_step, make_workflow

from civitas.domains.orchestration import callbacks, checking
from civitas.domains.orchestration.callback_tables import CallbackChain, CallbackDelivery
from civitas.domains.orchestration.delivering import addresses, payloads
from civitas.domains.orchestration.errors import BadTemplate
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.templates import Callback, StepTemplate, Template
from civitas.domains.orchestration.types import Status
from civitas.kit import clock
from civitas.kit.errors import Invalid

HOOK = "https://hooks.example.org/a"
OTHER = "https://hooks.example.org/b"


async def listening(session: AsyncSession, *callbacks: dict[str, Any]) -> Workflow:
    person = await make_person(session)
    return await make_workflow(session, person, callbacks=addresses.checked(callbacks))


async def noted(session: AsyncSession) -> list[CallbackDelivery]:
    rows = await session.scalars(select(CallbackDelivery).order_by(CallbackDelivery.id))
    return list(rows)


async def note(session: AsyncSession, workflow: Workflow, status: Status, **more: Any) -> None:
    scope = "job" if "job" in more else "step" if "step" in more else "workflow"
    await callbacks.note(session, workflow=workflow, scope=scope, status=status, at=clock.now(), **more)


async def test_events_are_numbered_for_each_address(session: AsyncSession) -> None:
    workflow = await listening(
        session, {"url": HOOK, "type": ["workflow:*"]}, {"url": OTHER, "type": ["workflow:succeeded"]}
    )
    for status in (Status.PREPARING, Status.PROCESSING, Status.SUCCEEDED):
        await note(session, workflow, status)
    rows = await noted(session)
    chains = {chain.id: chain.url for chain in await session.scalars(select(CallbackChain))}
    assert [
        (chains[row.chain_id], row.number, row.event) for row in rows if chains[row.chain_id] == HOOK
    ] == [
        (HOOK, 1, "workflow:preparing"),
        (HOOK, 2, "workflow:processing"),
        (HOOK, 3, "workflow:succeeded"),
    ]
    assert [row.number for row in rows if chains[row.chain_id] == OTHER] == [1]


async def test_nobody_listens_and_nothing_is_noted(session: AsyncSession) -> None:
    workflow = await listening(session, {"url": HOOK, "type": ["step:failed"]})
    await note(session, workflow, Status.FAILED)
    assert await noted(session) == []


async def test_an_address_named_twice_is_told_once_with_details(session: AsyncSession) -> None:
    workflow = await listening(
        session,
        {"url": HOOK, "type": ["workflow:succeeded"]},
        {"url": HOOK, "type": ["workflow:*"], "detailed": True},
    )
    await make_step(session, workflow, name="one", output={"images": [{"$blob": "B"}]}, price=6)
    await note(session, workflow, Status.SUCCEEDED)
    (row,) = await noted(session)
    step = row.payload["details"]["steps"][0]
    assert (step["name"], step["cost"], step["output"]) == ("one", 1.5, {"images": [{"$blob": "B"}]})


async def test_steps_and_jobs_have_their_own_shapes(session: AsyncSession) -> None:
    workflow = await listening(session, {"url": HOOK, "type": ["step:*", "job:*"], "detailed": True})
    step = await make_step(session, workflow, name="one")
    job = await make_job(session, step, workflow.person_id, progress=0.5)
    await note(session, workflow, Status.PROCESSING, step=step)
    await note(session, workflow, Status.PROCESSING, step=step, job=job)
    of_step, of_job = await noted(session)
    assert of_step.payload["$type"] == "step" and of_step.payload["name"] == "one"
    assert of_step.payload["details"]["retries"] == 0
    assert of_job.payload == {
        "$type": "job",
        "workflowId": workflow.id,
        "stepName": "one",
        "jobId": job.id,
        "status": "processing",
        "progress": 0.5,
        "reason": None,
        "blockedReason": None,
    }


async def test_details_that_are_too_large_are_cut_down(session: AsyncSession) -> None:
    workflow = await listening(session, {"url": HOOK, "type": ["workflow:*"], "detailed": True})
    await make_step(session, workflow, input={"prompt": "x" * payloads.LARGEST}, output={"ok": True})
    await note(session, workflow, Status.SUCCEEDED)
    (row,) = await noted(session)
    assert row.payload["details"]["steps"][0]["output"] == {"ok": True}
    assert "input" not in row.payload["details"]["steps"][0]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
        "https://localhost:8443/", "https://2130706433/", "https://0x7f.1/", "https://user:pw@example.org/", "ftp://example.org/",
        "https://", "https://exam ple.org/", "https://example.org:99999/", "https://example.org/" + "x" * 3000, 7, None,
        "https://metadata.internal/", "https://example.org/\r\nX-Evil: 1",
    ],
)  # fmt: skip
def test_addresses_that_are_refused_at_once(url: Any) -> None:
    with pytest.raises(Invalid) as refused:
        addresses.checked([{"url": url, "type": ["workflow:*"]}])
    assert list(refused.value.fields) == ["callbacks[0].url"]


def test_events_that_do_not_exist_are_named_by_their_path() -> None:
    with pytest.raises(Invalid) as refused:
        addresses.checked(
            [{"url": HOOK, "type": ["workflow:*", "workflow:exploded"]}, {"url": HOOK, "type": []}]
        )
    assert set(refused.value.fields) == {"callbacks[0].type[1]", "callbacks[1].type"}
    with pytest.raises(Invalid):
        addresses.checked([{"url": HOOK, "type": ["job:*"]}] * 11)


def test_an_operator_may_allow_hosts_of_their_own() -> None:
    with addresses.using({"dev.test"}):
        assert addresses.checked([{"url": "http://dev.test:9000/x", "type": ["job:*"]}])
    with pytest.raises(Invalid):
        addresses.checked([{"url": "http://dev.test:9000/x", "type": ["job:*"]}])


def test_a_submission_names_addresses_that_are_refused() -> None:
    template = Template(
        steps=(StepTemplate(type="echo", input={"message": "x"}),),
        callbacks=(Callback(url="http://10.0.0.1/", types=("workflow:*",)),),
    )
    with pytest.raises(BadTemplate) as refused:
        checking.check(template)
    assert list(refused.value.fields) == ["callbacks[0].url"]
