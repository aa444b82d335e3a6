"""Clients of the Orchestration API as published, unchanged, against the live site: what they submit, see, and are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.compat.clients import (
    CIVITAI_CLIENT_JS,
    CIVITAI_JOBS_JS,
    CIVITAI_JOBS_PY,
    STANDARD_WEBHOOKS,
    NodeClient,
)
from tests.compat.conftest import Install
from tests.compat.easel import Easel
from tests.compat.server import HOOKS_HOST, HOOKS_LOG
from tests.compat.world import World
from tests.factories.bytes import picture

MODEL = "urn:air:sd1:checkpoint:civitai:4385@130001"
InstallNode = Callable[[NodeClient], NodeClient]


def run_node(
    world: World, client: NodeClient, home: Path, program: str, *arguments: str, seconds: float = 90
) -> Any:
    """What a program prints as its last line, as JSON."""
    bundle = client.bundle(program, home)
    done = world.run("node", bundle, *arguments, home=home, timeout=seconds)
    assert done.returncode == 0, done.stdout[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


# @civitai/client 0.2.0-beta.86, the official one, made of the API's own document.

WORKFLOWS = """
import * as api from '@civitai/client';
const client = api.createCivitaiClient({ auth: process.argv[2], env: 'production' });
const told = {};
const ask = async (name, promise) => {
  const { data, error, response } = await promise;
  told[name] = { status: response.status, data, error };
  return data;
};
const span = new api.TimeSpan(0, 5, 0).toString();
const echo = (message, more) => ({ $type: 'echo', input: { message }, ...more });
const steps = [
  echo({ $ref: '$arguments', path: 'words[0]' }, { name: 'first', timeout: span, priority: 'high', metadata: { n: 1 } }),
  echo({ $ref: 'first', path: 'output.message' }),
];
const body = { steps, arguments: { words: ['hello'] }, tags: ['gen', 'compat'], metadata: { a: 1 }, currencies: [] };
await ask('whatif', api.submitWorkflow({ client, body, query: { whatif: true } }));
const made = await ask('submit', api.submitWorkflow({ client, body, query: { wait: 30 } }));
const path = { workflowId: made.id };
await ask('get', api.getWorkflow({ client, path, query: { wait: 5 } }));
await ask('step', api.getWorkflowStep({ client, path: { ...path, stepName: 'first' } }));
await ask('query', api.queryWorkflows({ client, query: { tags: ['gen', 'compat'], take: 1, hideMatureContent: false } }));
await ask('none', api.queryWorkflows({ client, query: { tags: ['gen', 'nothing'] } }));
const patch = new api.JsonPatchFactory();
patch.addOperation({ op: 'add', path: 'metadata/images', value: {} });
patch.addOperation({ op: 'add', path: 'metadata/images/x', value: { feedback: 'liked' } });
await ask('patch', api.patchWorkflow({ client, path, body: patch.operations }));
await ask('tag', api.addWorkflowTag({ client, path, body: 'favorite' }));
await ask('untag', api.removeWorkflowTag({ client, path: { ...path, tag: 'gen' } }));
await ask('patched', api.getWorkflow({ client, path }));
await ask('update', api.updateWorkflow({ client, path, body: { tags: ['only'] } }));
await ask('updateStep', api.updateWorkflowStep({ client, path: { ...path, stepName: 'first' }, body: { metadata: { n: 2 } } }));
await ask('late', api.updateWorkflow({ client, path, body: { status: 'canceled' } }));
await ask('recipe', api.invokeEchoStepTemplate({ client, body: { message: 'hi' } }));
await ask('wrong', api.submitWorkflow({ client, body: { steps: [echo(7)], currencies: [] } }));
await ask('deleted', api.deleteWorkflow({ client, path }));
await ask('gone', api.getWorkflow({ client, path }));
const stranger = api.createCivitaiClient({ auth: 'nonsense', env: 'production' });
await ask('stranger', api.queryWorkflows({ client: stranger }));
await ask('services', api.listServices({ client, query: { category: 'image', limit: 100 } }));
await ask('resource', api.getResource({ client, path: { air: 'urn:air:sd1:checkpoint:civitai:4385@130001' } }));
console.log(JSON.stringify(told));
"""


def test_the_official_client_submits_and_manages_workflows(
    world: World, install_node: InstallNode, tmp_path: Path
) -> None:
    client = install_node(CIVITAI_CLIENT_JS)
    with world.watching() as seen:
        told = run_node(world, client, tmp_path, WORKFLOWS, world.key("painter"))
    status = {name: one["status"] for name, one in told.items()}
    assert status == {
        "whatif": 200, "submit": 200, "get": 200, "step": 200, "query": 200, "none": 200, "patch": 204, "tag": 204,
        "untag": 204, "patched": 200, "update": 204, "updateStep": 204, "late": 409, "recipe": 200, "wrong": 400,
        "deleted": 204, "gone": 404, "stranger": 401, "services": 200, "resource": 200,
    }, json.dumps(told)[:3000]  # fmt: skip
    assert (
        told["whatif"]["data"]["transactions"]["insufficientBuzz"] is False
        and "id" not in told["whatif"]["data"]
    )
    made = told["submit"]["data"]
    assert made["status"] == "succeeded" and made["steps"][1]["output"] == {"message": "hello"}
    assert made["steps"][0]["timeout"] == "00:05:00"
    assert told["query"]["data"]["items"][0]["id"] == made["id"] and told["none"]["data"]["items"] == []
    patched = told["patched"]["data"]
    assert patched["metadata"] == {"a": 1, "images": {"x": {"feedback": "liked"}}}
    assert patched["tags"] == ["compat", "favorite"]
    assert told["recipe"]["data"] == {"message": "hi"}
    assert told["wrong"]["error"]["errors"] == {"steps[0].input.message": ["Must be text."]}
    assert told["resource"]["data"]["resourceName"] == "Paper Harbour"
    assert {one["id"] for one in told["services"]["data"]["items"]} >= {"image/textToImage"}
    assert all(request.host == "orchestration.civitai.com" for request in seen.requests)


IMAGES = """
import * as api from '@civitai/client';
const client = api.createCivitaiClient({ auth: process.argv[2], env: 'production' });
const model = process.argv[3], hook = process.argv[4];
const input = { model, prompt: 'a paper boat', seed: 3, cfgScale: 7, quantity: 2, width: 512, height: 512, steps: 20 };
const body = {
  steps: [{ $type: 'textToImage', name: 'draw', input },
          { $type: 'convertImage', input: { image: { $ref: 'draw', path: 'output.images[0].url' }, output: { format: 'png' } } }],
  callbacks: [{ url: hook, type: ['workflow:*', 'step:succeeded'], detailed: true }], currencies: ['yellow'],
};
const { data: made } = await api.submitWorkflow({ client, body, query: { wait: 60 }, throwOnError: true });
const image = made.steps[0].output.images[0];
const seen = await fetch(image.url);
const bytes = new Uint8Array(await seen.arrayBuffer());
const { response: head } = await api.headBlob({ client, path: { blobId: image.id } });
const { data: fresh } = await api.refreshBlob({ client, path: { blobId: image.id } });
const { data: link } = await api.getConsumerBlobUploadUrl({ client });
const put = await fetch(link.uploadUrl, { method: 'POST', body: bytes, headers: { 'Content-Type': 'image/png' } });
const uploaded = await put.json();
const { data: own } = await api.uploadConsumerBlob({
  client, body: new Blob([bytes], { type: 'image/png' }), bodySerializer: null, headers: { 'Content-Type': 'image/png' } });
const { data: second } = await api.submitWorkflow({ client, query: { wait: 60 }, body: { currencies: [],
  steps: [{ $type: 'convertImage', input: { image: uploaded.id, output: { format: 'png' } } }] } });
const waiting = await api.submitWorkflow({ client, body: { currencies: [], steps: [{ $type: 'videoGen', name: 'v', input: {
  engine: 'wan', version: 'v2.6', provider: 'fal', operation: 'text-to-video', prompt: 'x', duration: 5 } }] } });
const id = waiting.data?.id;
const cancel = id ? await api.updateWorkflow({ client, path: { workflowId: id }, body: { status: 'canceled' } }) : null;
const canceled = id ? await api.getWorkflow({ client, path: { workflowId: id } }) : null;
console.log(JSON.stringify({ made, status: seen.status, type: seen.headers.get('content-type'), size: bytes.length,
  head: head.status, fresh, put: put.status, uploaded, own, second,
  waiting: waiting.response.status, waitingError: waiting.error, cancel: cancel?.response.status, canceled: canceled?.data }));
"""


def test_the_official_client_gets_pictures_and_uploads_its_own(
    world: World, install: Install, install_node: InstallNode, tmp_path: Path
) -> None:
    client = install_node(CIVITAI_CLIENT_JS)
    verifier = install(STANDARD_WEBHOOKS)
    key = {"authorization": f"Bearer {world.key('painter')}"}
    with world.browser(headers=key) as site:
        issued = site.post("/api/v1/callbacks/secrets")
        assert issued.status_code == 201, issued.text
    with Easel(world):
        told = run_node(
            world,
            client,
            tmp_path,
            IMAGES,
            world.key("painter"),
            MODEL,
            f"https://{HOOKS_HOST}/once",
            seconds=150,
        )
    made = told["made"]
    assert made["status"] == "succeeded", made
    assert [step["status"] for step in made["steps"]] == ["succeeded", "succeeded"]
    assert len(made["steps"][0]["output"]["images"]) == 2 and len(made["steps"][0]["jobs"]) == 2
    assert made["cost"]["total"] > 0 and {one["accountType"] for one in made["transactions"]["list"]} == {
        "yellow"
    }
    assert (told["status"], told["type"], told["size"]) == (200, "image/png", len(picture(colour="navy")))
    assert (told["head"], told["put"]) == (204, 201) and told["fresh"]["url"].startswith("https://")
    assert told["uploaded"]["available"] is True and told["own"]["available"] is True
    assert told["second"]["status"] == "succeeded", told["second"]
    assert (told["waiting"], told["cancel"]) == (202, 204), told["waitingError"]
    assert told["canceled"]["status"] == "canceled"
    hooks = _hooks(world, made["id"], "succeeded")
    _in_order_and_signed(world, verifier.program("python"), hooks, issued.json()["secret"], tmp_path)


def _hooks(world: World, workflow: str, last: str) -> list[dict[str, Any]]:
    """What the receiver got for a workflow, once its last event has arrived."""
    path = world.folder / HOOKS_LOG
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        mine = [line for line in lines if json.loads(line["body"])["workflowId"] == workflow]
        if any(
            line["answered"] == 204 and json.loads(line["body"]).get("$type") == "workflow"
            and json.loads(line["body"])["status"] == last
            for line in mine
        ):  # fmt: skip
            return mine
        time.sleep(0.5)
    raise AssertionError(
        f"the last event of {workflow} did not arrive: {path.read_text() if path.exists() else ''}"
    )


VERIFY = """
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
hook, good, bad = Webhook(sys.argv[1]), 0, 0
for line in open(sys.argv[2]):
    one = json.loads(line)
    hook.verify(one["body"], one["headers"]); good += 1
    try:
        hook.verify(one["body"].replace("workflow", "workfl0w"), one["headers"])
    except WebhookVerificationError:
        bad += 1
print(json.dumps([good, bad]))
"""


def _in_order_and_signed(
    world: World, python: Path, hooks: list[dict[str, Any]], secret: str, home: Path
) -> None:
    """Each event failed once and came again; together they are in order, once each, and their signatures hold."""
    arrived = [hook for hook in hooks if hook["answered"] == 204]
    ids = [hook["headers"]["webhook-id"] for hook in arrived]
    assert len(set(ids)) == len(ids), "every event arrives once"
    assert {hook["headers"]["webhook-id"] for hook in hooks if hook["answered"] == 500} == set(ids), (
        "after one failure"
    )
    bodies = [json.loads(hook["body"]) for hook in arrived]
    steps = [body["name"] for body in bodies if body["$type"] == "step"]
    assert steps == ["draw", "1"], steps
    whole = [body["status"] for body in bodies if body["$type"] == "workflow"]
    assert whole[-1] == "succeeded" and whole.count("succeeded") == 1 and whole[0] == "unassigned"
    assert bodies[-1]["$type"] == "workflow"
    images = bodies[-1]["details"]["steps"][0]["output"]["images"]
    assert "/v2/consumer/blobs/" in images[0]["url"] and images[0]["available"] is True
    kept = home / "arrived.jsonl"
    kept.write_text("".join(json.dumps(hook) + "\n" for hook in arrived))
    done = world.run(python, "-c", VERIFY, secret, kept, home=home)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == [len(arrived), len(arrived)]


# civitai 0.1.15 (npm) and civitai-py 0.1.10: the older API of jobs.

OLDER_JS = """
import * as pkg from 'civitai';
const log = console.log; console.log = () => {};
const Civitai = pkg.Civitai ?? pkg.default?.Civitai ?? pkg.default;
const civitai = new Civitai({ auth: process.argv[2] });
const input = { model: process.argv[3], params: { prompt: 'a boat', negativePrompt: 'ugly', scheduler: 'EulerA', steps: 20,
  cfgScale: 7, width: 512, height: 512, clipSkip: 2, seed: -1 }, properties: { order: 'js' } };
const made = await civitai.image.fromText(input);
let found, tries = 0;
do { await new Promise(r => setTimeout(r, 500)); found = await civitai.jobs.getByToken(made.token); }
while (!found.jobs[0].result?.blobUrl && tries++ < 100);
const picture = await fetch(found.jobs[0].result.blobUrl);
const one = await civitai.jobs.getById(made.jobs[0].jobId);
const query = await civitai.jobs.getByQuery({ properties: { order: 'js' } }, true);
const waited = await civitai.image.fromText(input, true);
const coverage = await civitai.models.get(process.argv[3]);
const cancel = await civitai.jobs.cancel(made.jobs[0].jobId);
log(JSON.stringify({ made, found, picture: picture.status, one, query, waited, coverage, cancel }));
process.exit(0);
"""


def test_the_older_javascript_client_draws(world: World, install_node: InstallNode, tmp_path: Path) -> None:
    client = install_node(CIVITAI_JOBS_JS)
    with Easel(world):
        told = run_node(world, client, tmp_path, OLDER_JS, world.key("painter"), MODEL, seconds=150)
    (job,) = told["made"]["jobs"]
    assert job["scheduled"] is True and job["cost"] > 0 and job["result"]["available"] is False
    (found,) = told["found"]["jobs"]
    assert found["result"]["available"] is True and found["scheduled"] is False and told["picture"] == 200
    assert told["one"]["jobId"] == job["jobId"]
    assert job["jobId"] in [one["jobId"] for one in told["query"]["jobs"]]
    assert told["query"]["jobs"][0]["job"]["$type"] == "textToImage"
    assert told["waited"]["jobs"][0]["result"]
    assert told["coverage"][MODEL]["availability"] in ("Available", "Unavailable")
    assert told["cancel"]["status"] == 200


OLDER_PY = """
import json, sys
import civitai
made = civitai.image.create({
    "model": sys.argv[1], "quantity": 2, "properties": {"order": "py"},
    "params": {"prompt": "a boat", "scheduler": "EulerA", "steps": 20, "cfgScale": 7, "width": 512, "height": 512, "seed": 5},
}, wait=True)
found = civitai.jobs.get(token=made["token"])
query = civitai.jobs.query({"properties": {"order": "py"}}, detailed=True)
waiting = civitai.image.create({"model": sys.argv[1], "params": {"prompt": "x", "width": 512, "height": 512}})
civitai.jobs.cancel(job_id=waiting["jobs"][0]["jobId"])
after = civitai.jobs.get(token=waiting["token"])
print(json.dumps({"made": made, "found": found, "query": len(query.jobs), "after": after}))
"""


def test_the_older_python_client_draws(world: World, install: Install, tmp_path: Path) -> None:
    client = install(CIVITAI_JOBS_PY)
    with Easel(world):
        done = world.run(
            client.program("python"), "-c", OLDER_PY, MODEL, home=tmp_path, timeout=150,
            CIVITAI_API_TOKEN=world.key("painter"),
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(told["made"]["jobs"]) == 2
    assert all(job["result"]["blobUrl"].startswith("https://") for job in told["made"]["jobs"])
    assert [job["scheduled"] for job in told["found"]["jobs"]] == [False, False]
    assert told["query"] >= 2
    assert told["after"]["jobs"][0]["scheduled"] is False


def test_a_failure_is_told_and_paid_back(world: World, tmp_path: Path) -> None:
    key = {"authorization": f"Bearer {world.key('painter')}"}
    body = {
        "steps": [
            {"$type": "textToImage", "input": {"model": MODEL, "prompt": "x", "seed": 1, "cfgScale": 7}}
        ]
    }
    with (
        Easel(world, fails="the brush broke"),
        world.browser("orchestration.civitai.com", headers=key) as site,
    ):
        found = site.post("/v2/consumer/workflows", json=body, params={"wait": 20}).json()
    assert found["status"] == "failed" and found["steps"][0]["jobs"][-1]["reason"] == "the brush broke"
    spent = sum(
        one["amount"] if one["type"] == "debit" else -one["amount"] for one in found["transactions"]["list"]
    )
    assert spent == 0


@pytest.mark.parametrize(
    "name", ["orchestration.civitai.com", "orchestration-dev.civitai.com", "civitai.com"]
)
def test_the_api_answers_under_every_name(world: World, name: str) -> None:
    with world.browser(name) as site:
        answer = site.get("/v2/consumer/workflows")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == "*"
