"""Words about pictures: prompts made better, and captions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from civitas.contracts.wire.jobs import Job, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.openai.chatting import streamed
from civitas.engines.openai.looking import Eyes
from civitas.engines.openai.server import Caller, Server

ATTEMPTS: Final = 2
_SEVERITIES: Final = frozenset({"info", "warning", "error"})

# How prompts of a family are written.
_STYLES: Final = {
    "tags": "Write comma-separated tags and short phrases, the most important first, quality words included.",
    "prose": "Write flowing, concrete sentences as if describing the finished picture; no lists of tags.",
    "video": "Write a short paragraph: subject, motion, camera, light, and how it changes over the clip.",
}
_TAGS: Final = ("sd1", "sdxl", "pony", "illustrious", "noob", "anima")
_VIDEO: Final = (
    "ltx",
    "wan",
    "hunyuan",
    "kling",
    "veo",
    "sora",
    "mochi",
    "vidu",
    "minimax",
    "seedance",
    "cogvideo",
)

_ENHANCE: Final = """You improve prompts for a generator of the family "{ecosystem}". {style}
Keep what the person wants: subject, mood, names, and anything in brackets or weights. Judge the prompt, then rewrite it.
Answer with one JSON object and nothing else:
{{"issues": [{{"description": "...", "severity": "info|warning|error"}}], "recommendations": ["..."],
"enhancedPrompt": "...", "enhancedNegativePrompt": {negative}}}"""

_CAPTION: Final = (
    "Describe {what} for somebody who wants to make one like it: subject, setting, composition, light, colours, style. "
    "Write one paragraph of plain sentences, without introduction."
)

_SHAPE: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "enhancement",
        "schema": {
            "type": "object",
            "properties": {
                "issues": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "description": {"type": "string"},
                            "severity": {"enum": sorted(_SEVERITIES)},
                        },
                        "required": ["description", "severity"],
                        "additionalProperties": False,
                    },
                },
                "recommendations": {"type": "array", "items": {"type": "string"}},
                "enhancedPrompt": {"type": "string"},
                "enhancedNegativePrompt": {"type": ["string", "null"]},
            },
            "required": ["issues", "recommendations", "enhancedPrompt", "enhancedNegativePrompt"],
            "additionalProperties": False,
        },
    },
}


async def enhance(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """`promptEnhancement`. An answer that is not the JSON asked for is asked for once more, then it fails."""
    given = job.input
    said: dict[str, Any] = {
        "model": server.chat_model,
        "messages": await _asked(given, desk, server=server, eyes=eyes),
        "temperature": 0.7 if given.get("temperature") is None else given["temperature"],
        "response_format": _SHAPE,
        "stream": True,
    }
    if given.get("images"):
        said["model"] = server.vision_model
    for _ in range(ATTEMPTS):
        made = _read((await streamed(caller, said, desk)).text(), bool(given.get("negativePrompt")))
        if made is not None:
            return desk.done(made)
    raise JobFailed("The model's answer could not be understood.", transient=True)


async def _asked(given: Mapping[str, Any], desk: Desk, *, server: Server, eyes: Eyes) -> list[dict[str, Any]]:
    ecosystem = str(given["ecosystem"])
    negative = '"..."' if given.get("negativePrompt") else "null"
    system = _ENHANCE.format(ecosystem=ecosystem, style=_style(ecosystem), negative=negative)
    text = f"Prompt: {given['prompt']}"
    if given.get("negativePrompt"):
        text += f"\nNegative prompt: {given['negativePrompt']}"
    if given.get("instruction"):
        text += f"\nInstruction: {given['instruction']}"
    content: Any = text
    if images := given.get("images"):
        if server.vision_model is None:
            raise JobRejected("The server behind this agent has no model that looks at pictures.")
        content = [{"type": "text", "text": text + "\nThe pictures show what it should be like."}]
        for word in images:
            seen = (await eyes.look(desk, word))[0]
            content.append({"type": "image_url", "image_url": {"url": seen}})
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def _style(ecosystem: str) -> str:
    name = ecosystem.lower()
    if name.startswith(_TAGS):
        return _STYLES["tags"]
    return _STYLES["video" if name.startswith(_VIDEO) else "prose"]


def _read(text: str, negative: bool) -> dict[str, Any] | None:
    """The JSON object in an answer, in the API's shape; None when there is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        said = json.loads(text[start : end + 1])
        prompt = str(said["enhancedPrompt"]).strip()
        issues = [_issue(one) for one in said.get("issues") or []]
        recommendations = [str(one) for one in said.get("recommendations") or []]
    except (ValueError, KeyError, TypeError):
        return None
    if not prompt:
        return None
    made = {"issues": issues, "recommendations": recommendations, "enhancedPrompt": prompt}
    return made | {
        "enhancedNegativePrompt": (said.get("enhancedNegativePrompt") or None) if negative else None
    }


def _issue(one: Any) -> dict[str, str]:
    if isinstance(one, str):
        return {"description": one, "severity": "info"}
    severity = str(one.get("severity") or "info").lower()
    return {
        "description": str(one["description"]),
        "severity": severity if severity in _SEVERITIES else "info",
    }


async def caption(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """`mediaCaptioning` of a picture, or of a video by some of its frames."""
    given = job.input
    if given.get("model") == "ideogram4":
        raise JobRejected("This agent writes captions in sentences, not as Ideogram's JSON.")
    seen = await eyes.look(desk, given["mediaUrl"])
    what = "the picture" if len(seen) == 1 else f"the video from which these {len(seen)} frames are, in order"
    text = _CAPTION.format(what=what)
    if given.get("customInstructions"):
        text += f" {given['customInstructions']}"
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    content += [{"type": "image_url", "image_url": {"url": one}} for one in seen]
    said = {
        "model": server.vision_model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.5 if given.get("temperature") is None else given["temperature"],
        "max_tokens": int(given.get("maxNewTokens") or 300),
        "stream": True,
    }
    desk.warn(f"The caption is by {server.vision_model}.")
    text = (await streamed(caller, said, desk)).text().strip()
    if not text:
        raise JobFailed("The model said nothing about it.", transient=True)
    return desk.done({"caption": text})
