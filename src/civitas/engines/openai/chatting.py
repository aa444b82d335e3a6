"""Chats: the API's words into the server's, the stream into one answer."""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from civitas.contracts.wire.jobs import MEDIA, Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.openai.looking import Eyes
from civitas.engines.openai.server import Caller, Server

# The API's names beside the protocol's.
_NAMES: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "n": "n",
    "stop": "stop",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "seed": "seed",
    "logprobs": "logprobs",
    "topLogprobs": "top_logprobs",
    "chatTemplateKwargs": "chat_template_kwargs",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "modalities": "modalities",
    "image_config": "image_config",
}
# What servers assume when it is not said; some refuse what they do not know.
_USUAL: Final = {"n": 1, "presencePenalty": 0, "frequencyPenalty": 0, "topP": 1}
_EXPECTED_TOKENS: Final = 400.0


async def chat(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """`chatCompletion`. The names of models are the server's, with or without what stands before their slash."""
    given = job.input
    model = await chosen(str(given["model"]), desk, caller=caller, server=server)
    said: dict[str, Any] = {
        "model": model,
        "messages": [await _message(message, desk, eyes) for message in given["messages"]],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for ours, theirs in _NAMES.items():
        if (value := given.get(ours)) is not None and value != _USUAL.get(ours):
            said[theirs] = value
    if shape := given.get("responseFormat"):
        said["response_format"] = _format(shape)
    answer = await streamed(caller, said, desk)
    output = answer.output(model)
    for choice in output["choices"]:
        if images := choice["message"].get("images"):
            choice["message"]["images"] = await _delivered(images, job, desk, eyes)
    if said.get("response_format", {}).get("type", "text") != "text":
        output["parsed"] = _parsed(output["choices"][0]["message"].get("content"))
    return desk.done(output)


async def chosen(name: str, desk: Desk, *, caller: Caller, server: Server) -> str:
    """The server's model for a name. Raises JobRejected when it has none and none is set in its stead."""
    models = await caller.models()
    short = name.rpartition("/")[2]
    for model in (name, short):
        if model in models:
            return model
    for model in models:
        if model.rpartition("/")[2] == short:
            return model
    if server.chat_model is None or name.startswith("urn:air:"):
        raise JobRejected(f"The server behind this agent has no model {name:.100}.")
    desk.warn(f"The model {name} is not here; {server.chat_model} answered.")
    return server.chat_model


async def streamed(caller: Caller, said: Mapping[str, Any], desk: Desk) -> Answer:
    """Ask, and gather what comes, telling how far it is by what was asked for at most."""
    answer, most = Answer(), said.get("max_tokens")
    async for event in caller.events("/chat/completions", said):
        answer.add(event)
        if most:
            fraction = answer.pieces / most
        else:
            fraction = 1 - math.exp(-answer.pieces / _EXPECTED_TOKENS)
        await desk.progress(min(0.99, fraction), f"{answer.pieces} tokens")
    if not answer.choices:
        raise JobFailed("The server gave no answer.", transient=True)
    return answer


async def _message(message: Mapping[str, Any], desk: Desk, eyes: Eyes) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if value is not None and name != "images"}
    content = message.get("content")
    if isinstance(content, list):
        kept["content"] = [await _part(part, desk, eyes) for part in content]
    return kept


async def _part(part: Mapping[str, Any], desk: Desk, eyes: Eyes) -> dict[str, Any]:
    picture = part.get("image_url") or part.get("imageUrl")
    if picture is None:
        return {"type": "text", "text": str(part.get("text") or "")}
    url = str(picture.get("url") if isinstance(picture, Mapping) else picture)
    if not url.startswith(MEDIA):
        raise JobFailed("A picture in a message did not come with the job.")
    seen = (await eyes.look(desk, url))[0]
    shown: dict[str, Any] = {"url": seen}
    if isinstance(picture, Mapping) and picture.get("detail"):
        shown["detail"] = picture["detail"]
    return {"type": "image_url", "image_url": shown}


def _format(shape: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": shape["type"]}
    schema = shape.get("jsonSchema") or shape.get("json_schema")
    if schema:
        made["json_schema"] = {name: value for name, value in schema.items() if value is not None}
    return made


def _parsed(content: Any) -> Any:
    """The content as JSON; None when it is none."""
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None


async def _delivered(images: Sequence[Any], job: Job, desk: Desk, eyes: Eyes) -> list[dict[str, Any]]:
    """Pictures of an answer go into slots, where they are looked at like all others before anybody sees them."""
    made: list[dict[str, Any]] = []
    for slot, image in enumerate(images[: job.slots]):
        url = str((image.get("image_url") or {}).get("url") or "")
        head, _, body = url.partition(",")
        if not head.startswith("data:"):
            raise JobFailed("The server gave a picture without its bytes.")
        try:
            data = base64.b64decode(body, validate=True)
        except binascii.Error:
            raise JobFailed("The server gave a picture that cannot be read.") from None
        facts = await eyes.measured(desk, data)
        blob = await desk.deliver(
            slot,
            data,
            kind=MediaKind.IMAGE,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
        )
        made.append({"type": "image_url", "image_url": {"url": {**blob, "field": "url"}}})
    if len(images) > job.slots:
        desk.warn(f"Of {len(images)} pictures {job.slots} were kept.")
    return made


class Answer:
    """A completion put together from its pieces."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.choices: dict[int, dict[str, Any]] = {}
        self.usage: Mapping[str, Any] | None = None
        self.pieces = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """One event of the stream, or the whole answer at once."""
        for name in ("id", "created", "model", "system_fingerprint"):
            if event.get(name) is not None:
                self.head.setdefault(name, event[name])
        if isinstance(event.get("usage"), Mapping):
            self.usage = event["usage"]
        for piece in event.get("choices") or []:
            self._add(piece)

    def _add(self, piece: Mapping[str, Any]) -> None:
        choice = self.choices.setdefault(
            int(piece.get("index") or 0), {"content": None, "refusal": None, "calls": {}, "images": []}
        )
        delta = piece.get("delta") or piece.get("message") or {}
        self.pieces += 1
        for name in ("content", "refusal"):
            if isinstance(delta.get(name), str):
                choice[name] = (choice[name] or "") + delta[name]
        choice["images"] += delta.get("images") or []
        for place, call in enumerate(delta.get("tool_calls") or []):
            _add_call(choice["calls"], int(call.get("index", place)), call)
        if piece.get("finish_reason"):
            choice["finish"] = piece["finish_reason"]
        if logprobs := piece.get("logprobs"):
            _add_logprobs(choice, logprobs)

    def text(self) -> str:
        """What the first choice says."""
        return str(self.choices[min(self.choices)]["content"] or "")

    def output(self, model: str) -> dict[str, Any]:
        """The completion in the API's words."""
        made = {
            "id": str(self.head.get("id") or "chatcmpl"),
            "object": "chat.completion",
            "created": int(self.head.get("created") or time.time()),
            "model": str(self.head.get("model") or model),
            "choices": [_choice(index, self.choices[index]) for index in sorted(self.choices)],
        }
        if self.usage is not None:
            prompt, completion = (
                int(self.usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")
            )
            made["usage"] = {
                "promptTokens": prompt,
                "completionTokens": completion,
                "totalTokens": int(self.usage.get("total_tokens") or prompt + completion),
            }
        if fingerprint := self.head.get("system_fingerprint"):
            made["systemFingerprint"] = str(fingerprint)
        return made


def _add_call(calls: dict[int, dict[str, Any]], place: int, piece: Mapping[str, Any]) -> None:
    call = calls.setdefault(place, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call["id"] = piece.get("id") or call["id"]
    function = piece.get("function") or {}
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _add_logprobs(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    known = choice.setdefault("logprobs", {})
    for name, value in piece.items():
        known[name] = [*known.get(name, []), *value] if isinstance(value, list) else value


def _choice(index: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice["content"]}
    if choice["refusal"]:
        message["refusal"] = choice["refusal"]
    if choice["calls"]:
        message["tool_calls"] = [choice["calls"][place] for place in sorted(choice["calls"])]
    if choice["images"]:
        message["images"] = choice["images"]
    made: dict[str, Any] = {"index": index, "message": message, "finishReason": choice.get("finish")}
    if "logprobs" in choice:
        made["logprobs"] = choice["logprobs"]
    return made
