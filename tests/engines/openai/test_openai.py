"""The openai engine against a small server that speaks the protocol."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.media.made import TestDesk, job, picture, saved, sound, video
from tests.engines.openai.server import Spoken, running

from civitas.contracts.wire.jobs import Succeeded
from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.openai.engine import OpenAIEngine
from civitas.engines.openai.server import Server

Do = Callable[..., Awaitable[tuple[Succeeded, TestDesk]]]


@pytest.fixture
async def spoken() -> AsyncIterator[Spoken]:
    async with running(Spoken()) as spoken:
        yield spoken


def server(url: str, **changed: Any) -> Server:
    given: dict[str, Any] = {
        "base_url": url,
        "api_key": "sk-test",
        "chat_model": "tiny-chat",
        "vision_model": "vendor/seeing",
        "image_models": {"gpt-image-1": "painter", "dall-e-3": "painter"},
        "speech_model": "speaker",
        "voices": {"ryan": "onyx"},
        "transcription_model": "listener",
        "timeout_s": 5.0,
        **changed,
    }
    return Server(**given)


@pytest.fixture
async def do(spoken: Spoken, tmp_path: Path) -> AsyncIterator[Do]:
    engine = OpenAIEngine(server(spoken.url))
    await engine.open()

    async def done(
        step_type: str, given: dict[str, Any], *data: bytes, slots: int = 1
    ) -> tuple[Succeeded, TestDesk]:
        files = {f"media:{number}": each for number, each in enumerate(data)}
        desk = TestDesk(tmp_path, files, slots)
        return await engine.run(job(step_type, given, files, slots), desk), desk

    yield done
    await engine.close()


def chat(content: Any = "Hi", **given: Any) -> dict[str, Any]:
    return {"model": "openai/tiny-chat", "messages": [{"role": "user", "content": content}], **given}


@pytest.mark.parametrize("streams", [True, False])
async def test_a_chat(do: Do, spoken: Spoken, streams: bool) -> None:
    spoken.streams = streams
    given = chat(temperature=0, topP=1, maxTokens=50, presencePenalty=0.5, stop=["x"], seed=3)
    result, desk = await do("chatCompletion", given)
    said = spoken.asked[0][1]
    assert said["model"] == "tiny-chat" and said["stream"] is True
    assert (said["temperature"], said["max_tokens"], said["presence_penalty"]) == (0, 50, 0.5)
    assert "top_p" not in said and said["seed"] == 3 and said["stop"] == ["x"]
    output = result.output
    assert output["choices"][0]["message"]["content"].strip() == "Hello there."
    assert output["choices"][0]["finishReason"] == "stop"
    assert output["usage"] == {"promptTokens": 7, "completionTokens": 3, "totalTokens": 10}
    assert (output["id"], output["object"], output["created"]) == (
        "chatcmpl-1",
        "chat.completion",
        1_700_000_000,
    )
    assert output["systemFingerprint"] == "fp"
    assert all(0 < fraction < 1 for fraction in desk.told)


async def test_several_choices_tools_and_json(do: Do, spoken: Spoken) -> None:
    spoken.texts = ['{"a": 1}']
    spoken.message = {
        "tool_calls": [
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"x":'},
            },
            {"index": 0, "function": {"arguments": " 1}"}},
        ]
    }
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    shape = {"type": "json_schema", "jsonSchema": {"name": "s", "schema": {}, "strict": True}}
    result, _ = await do("chatCompletion", chat(n=2, tools=tools, tool_choice="auto", responseFormat=shape))
    said = spoken.asked[0][1]
    assert said["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {}, "strict": True},
    }
    assert said["tools"] == tools
    assert [choice["index"] for choice in result.output["choices"]] == [0, 1]
    calls = result.output["choices"][0]["message"]["tool_calls"]
    assert calls == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
    ]
    assert result.output["parsed"] == {"a": 1}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "media:0", "detail": "low"}},
        {"type": "imageUrl", "imageUrl": {"url": "media:0"}},
    ],
)
async def test_a_chat_with_a_picture(do: Do, spoken: Spoken, part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "What is it?"}, part]
    await do("chatCompletion", chat(content), saved(picture(3000, 900), "WEBP"))
    sent = spoken.asked[0][1]["messages"][0]["content"]
    assert sent[0] == {"type": "text", "text": "What is it?"}
    seen = Image.open(io.BytesIO(base64.b64decode(sent[1]["image_url"]["url"].partition(",")[2])))
    assert (seen.format, max(seen.size)) == ("JPEG", 1024)


async def test_pictures_in_an_answer_go_into_slots(do: Do, spoken: Spoken) -> None:
    url = "data:image/png;base64," + base64.b64encode(saved(picture(32, 16))).decode()
    spoken.message = {"images": [{"type": "image_url", "image_url": {"url": url}}]}
    result, desk = await do("chatCompletion", chat(modalities=["image", "text"]), slots=4)
    assert desk.blobs[0] == saved(picture(32, 16))
    assert (result.delivered[0].width, result.delivered[0].media_type) == (32, "image/png")
    images = result.output["choices"][0]["message"]["images"]
    assert images == [{"type": "image_url", "image_url": {"url": {"$blob": 0, "field": "url"}}}]


async def test_a_model_that_is_not_there(do: Do, spoken: Spoken, tmp_path: Path) -> None:
    result, _ = await do("chatCompletion", chat() | {"model": "openai/gpt-9"})
    assert "tiny-chat answered" in result.warnings[0]
    with pytest.raises(JobRejected, match="no model"):
        await do("chatCompletion", chat() | {"model": "urn:air:qwen:checkpoint:civitai:1@2"})
    bare = OpenAIEngine(server(spoken.url, chat_model=None))
    await bare.open()
    with pytest.raises(JobRejected, match="no model"):
        await bare.run(job("chatCompletion", chat() | {"model": "gpt-9"}, {}), TestDesk(tmp_path, {}))
    await bare.close()


@pytest.mark.parametrize(
    ("status", "code", "says", "transient", "blocked"),
    [
        (400, "bad", "too long", False, None),
        (400, "content_policy_violation", "forbid", False, "content_policy_violation"),
        (429, "rate", "refused", True, None),
        (503, "busy", "refused", True, None),
    ],
)
async def test_what_refusals_mean(
    do: Do, spoken: Spoken, status: int, code: str, says: str, transient: bool, blocked: str | None
) -> None:
    spoken.refusal = (status, {"error": {"message": "too long", "code": code}})
    with pytest.raises(JobFailed, match=says) as failed:
        await do("chatCompletion", chat())
    assert (failed.value.transient, failed.value.blocked_reason) == (transient, blocked)


async def test_a_stream_that_breaks_off_fails_for_now(do: Do, spoken: Spoken) -> None:
    spoken.breaks_off = True
    with pytest.raises(JobFailed) as failed:
        await do("chatCompletion", chat())
    assert failed.value.transient


async def test_a_server_that_is_not_there_costs_no_attempt(tmp_path: Path) -> None:
    engine = OpenAIEngine(server("http://127.0.0.1:9/v1"))
    await engine.open()
    assert "chatCompletion" in engine.capabilities()
    with pytest.raises(JobRejected, match="does not answer"):
        await engine.run(job("chatCompletion", chat(), {}), TestDesk(tmp_path, {}))
    await engine.close()


async def test_a_key_that_is_refused_keeps_the_engine_out(spoken: Spoken) -> None:
    engine = OpenAIEngine(server(spoken.url, api_key="wrong"))
    with pytest.raises(JobRejected, match="key"):
        await engine.open()
    await engine.close()


def test_only_what_is_set_up_is_offered() -> None:
    assert OpenAIEngine(Server("http://x")).capabilities() == ["chatCompletion"]
    assert OpenAIEngine(server("http://x")).capabilities() == [
        "chatCompletion",
        "promptEnhancement",
        "mediaCaptioning",
        "imageGen/openai",
        "textToSpeech/custom",
        "transcription",
    ]


async def test_a_prompt_made_better(do: Do, spoken: Spoken) -> None:
    answer = {
        "issues": [{"description": "vague", "severity": "WARNING"}, "short"],
        "recommendations": ["say more"],
        "enhancedPrompt": "a cat, sitting",
        "enhancedNegativePrompt": "blurry",
    }
    spoken.texts = ["Certainly! no json", f"```json\n{json.dumps(answer)}\n```"]
    given = {
        "ecosystem": "sdxl",
        "prompt": "cat",
        "negativePrompt": "bad",
        "instruction": "short",
        "temperature": 0.1,
    }
    result, _ = await do("promptEnhancement", given)
    assert result.output == {
        "issues": [
            {"description": "vague", "severity": "warning"},
            {"description": "short", "severity": "info"},
        ],
        "recommendations": ["say more"],
        "enhancedPrompt": "a cat, sitting",
        "enhancedNegativePrompt": "blurry",
    }
    system, user = spoken.asked[0][1]["messages"]
    assert "tags" in system["content"] and "Instruction: short" in user["content"]
    assert spoken.asked[0][1]["temperature"] == 0.1
    spoken.texts = [json.dumps({"enhancedPrompt": "a cat walks", "enhancedNegativePrompt": "x"})]
    plain, _ = await do(
        "promptEnhancement", {"ecosystem": "ltx2", "prompt": "cat", "images": ["media:0"]}, saved(picture())
    )
    assert plain.output["enhancedNegativePrompt"] is None
    assert spoken.asked[-1][1]["model"] == "vendor/seeing"
    spoken.texts = ["no"]
    with pytest.raises(JobFailed, match="understood") as failed:
        await do("promptEnhancement", {"ecosystem": "flux1", "prompt": "cat"})
    assert failed.value.transient


async def test_captions_of_pictures_and_videos(do: Do, spoken: Spoken) -> None:
    given = {"mediaUrl": "media:0", "maxNewTokens": 99, "customInstructions": "In rhymes."}
    result, _ = await do("mediaCaptioning", given, saved(picture()))
    assert result.output == {"caption": "Hello there."}
    said = spoken.asked[0][1]
    assert (said["model"], said["max_tokens"], said["temperature"]) == ("vendor/seeing", 99, 0.5)
    assert "In rhymes." in said["messages"][0]["content"][0]["text"]
    await do("mediaCaptioning", {"mediaUrl": "media:0"}, video(2.0))
    content = spoken.asked[-1][1]["messages"][0]["content"]
    assert len(content) == 5 and "4 frames" in content[0]["text"]
    with pytest.raises(JobRejected):
        await do("mediaCaptioning", {"mediaUrl": "media:0", "model": "ideogram4"}, saved(picture()))


@pytest.mark.parametrize("by_url", [False, True])
async def test_pictures_are_made(do: Do, spoken: Spoken, by_url: bool) -> None:
    spoken.picture, spoken.pictures_by_url = saved(picture(64, 32)), by_url
    given = {
        "engine": "openai", "model": "gpt-image-1", "operation": "createImage", "prompt": "a cat",
        "size": "1536x1024", "quality": "auto", "background": "opaque", "outputFormat": "png", "quantity": 2,
    }  # fmt: skip
    result, desk = await do("imageGen", given, slots=2)
    assert result.output == {"images": [{"$blob": 0}, {"$blob": 1}], "errors": None}
    assert desk.blobs == {0: spoken.picture, 1: spoken.picture}
    assert (result.delivered[1].width, result.delivered[1].height) == (64, 32)
    path, said = spoken.asked[0]
    assert path == "/v1/images/generations"
    assert said == {
        "model": "painter", "n": 2, "prompt": "a cat", "size": "1536x1024", "background": "opaque",
        "output_format": "png",
    }  # fmt: skip


async def test_pictures_are_edited(do: Do, spoken: Spoken) -> None:
    spoken.picture = saved(picture(64, 32))
    given = {
        "engine": "openai", "model": "gpt-image-1", "operation": "editImage", "prompt": "a dog",
        "images": ["media:0", "media:1"], "mask": "media:2",
    }  # fmt: skip
    first, second, mask = saved(picture()), saved(picture(30, 30)), saved(picture(10, 10))
    await do("imageGen", given, first, second, mask)
    assert spoken.asked[0][0] == "/v1/images/edits"
    assert spoken.files == [("image[]", first), ("image[]", second), ("mask", mask)]
    with pytest.raises(JobRejected, match="dall-e-2"):
        await do("imageGen", given | {"model": "dall-e-2"}, first, second, mask)
    spoken.picture = b"junk"
    with pytest.raises(JobFailed, match="neither"):
        await do("imageGen", given, first, second, mask)


async def test_speech(do: Do, spoken: Spoken) -> None:
    spoken.speech = sound(0.5)
    given = {
        "engine": "custom",
        "text": "Hello",
        "speaker": "ryan",
        "instruct": "slowly",
        "language": "English",
    }
    result, desk = await do("textToSpeech", given)
    assert result.output == {"audioBlob": {"$blob": 0}, "modelType": "custom_voice", "speaker": "ryan"}
    said = spoken.asked[0][1]
    assert (said["voice"], said["input"], said["instructions"]) == ("onyx", "Hello", "slowly Speak English.")
    assert result.delivered[0].duration_s == 0.5 and desk.blobs[0] == spoken.speech
    other, _ = await do("textToSpeech", {"engine": "custom", "text": "Hello", "speaker": "vivian"})
    assert "alloy" in other.warnings[0]
    with pytest.raises(JobRejected, match="copies no voices"):
        await do("textToSpeech", {"engine": "custom", "text": "Hello", "refAudioUrl": "media:0"}, sound(0.2))


async def test_transcripts(do: Do, spoken: Spoken) -> None:
    spoken.transcript = {
        "text": " Hello world. ",
        "language": "english",
        "words": [{"word": "Hello", "start": 0.1, "end": 0.4}, {"word": "world", "start": 0.5, "end": 0.9}],
        "segments": [{"text": " Hello world.", "start": 0.1, "end": 0.9}],
    }
    result, _ = await do(
        "transcription", {"mediaUrl": "media:0", "language": "en", "context": "greetings"}, video(1.0)
    )
    assert result.output["text"] == "Hello world."
    assert result.output["language"] == "English"
    assert result.output["timeStamps"][0] == {"text": "Hello", "startTime": 0.1, "endTime": 0.4}
    fields = spoken.asked[0][1]
    assert ("prompt", "greetings") in fields and ("timestamp_granularities[]", "word") in fields
    assert spoken.files[0][0] == "sound.mp3"
    spoken.transcript = {"text": "Hallo", "language": "de"}
    plain, _ = await do("transcription", {"mediaUrl": "media:0", "returnTimeStamps": False}, sound(0.5))
    assert plain.output["timeStamps"] == [] and plain.output["language"] == "German"
    with pytest.raises(JobFailed, match="neither"):
        await do("transcription", {"mediaUrl": "media:0"}, b"not sound at all")
