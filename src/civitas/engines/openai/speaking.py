"""Speech: text read aloud, and what is said written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.openai.looking import Eyes
from civitas.engines.openai.server import Caller, Server

# The languages that servers name by code most often; others keep their code.
_LANGUAGES: Final = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


async def speak(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """`textToSpeech` in a voice of the server's. Raises JobRejected for the voice of a recording."""
    given = job.input
    if given.get("refAudioUrl"):
        raise JobRejected("The server behind this agent copies no voices; name a speaker instead.")
    speaker = given.get("speaker")
    voice = server.voices.get(str(speaker)) if speaker else None
    if speaker and voice is None:
        desk.warn(f"The speaker {speaker} is not here; the voice is {server.voice}.")
    said: dict[str, Any] = {
        "model": server.speech_model,
        "input": str(given["text"]),
        "voice": voice or server.voice,
        "response_format": "mp3",
    }
    wishes = [str(given["instruct"])] if given.get("instruct") else []
    if (language := given.get("language")) and str(language).lower() != "auto":
        wishes.append(f"Speak {language}.")
    if wishes:
        said["instructions"] = " ".join(wishes)
    await desk.progress(0.05)
    data, _ = await caller.bytes("POST", "/audio/speech", json=said)
    facts = await eyes.measured(desk, data)
    blob = await desk.deliver(
        0, data, kind=MediaKind.AUDIO, media_type=facts.media_type, duration_s=facts.seconds
    )
    return desk.done({"audioBlob": blob, "modelType": "custom_voice", "speaker": speaker or server.voice})


async def transcribe(job: Job, desk: Desk, *, caller: Caller, server: Server, eyes: Eyes) -> Succeeded:
    """`transcription` of sound, or of the sound of a video, with times where the server gives them."""
    given, began = job.input, time.monotonic()
    sound = await eyes.sound(desk, given["mediaUrl"])
    stamps = given.get("returnTimeStamps", True)
    fields: dict[str, Any] = {"model": server.transcription_model, "response_format": "verbose_json"}
    if given.get("language"):
        fields["language"] = given["language"]
    if given.get("context"):
        fields["prompt"] = given["context"]
    if stamps:
        fields["timestamp_granularities[]"] = ["word", "segment"]
    data = await asyncio.to_thread(sound.read_bytes)
    await desk.progress(0.1)
    said = await caller.json(
        "POST", "/audio/transcriptions", data=fields, files={"file": ("sound.mp3", data, "audio/mpeg")}
    )
    if not isinstance(said.get("text"), str):
        raise JobFailed("The server's answer holds no text.", transient=True)
    times = _times(said) if stamps else []
    if stamps and not times and said["text"].strip():
        desk.warn("The server gave no times.")
    return desk.done(
        {
            "text": said["text"].strip(),
            "language": _language(said.get("language") or given.get("language")),
            "timeStamps": times,
            "elapsedSeconds": round(time.monotonic() - began, 3),
        }
    )


def _times(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Words with their times, else whole phrases."""
    for name, text in (("words", "word"), ("segments", "text")):
        found = [
            {"text": str(one[text]).strip(), "startTime": float(one["start"]), "endTime": float(one["end"])}
            for one in said.get(name) or []
            if {text, "start", "end"} <= set(one)
        ]
        if found:
            return found
    return []


def _language(said: object) -> str:
    """`English`, however the server says it."""
    text = str(said or "").strip()
    return _LANGUAGES.get(text.lower(), text[:1].upper() + text[1:]) if text else "Unknown"
