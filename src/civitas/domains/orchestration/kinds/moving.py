"""Video, sound and bodies in space."""

from __future__ import annotations

from typing import Final

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.orchestration.kinds.images import IMAGE
from civitas.domains.orchestration.kinds.kind import MEDIA_FIELDS, Input, JobPlan, Kind

VIDEO: Final = (MediaKind.VIDEO,)
AUDIO: Final = (MediaKind.AUDIO,)
MODEL: Final = (MediaKind.MODEL_3D,)
# Frames of one extraction when the caller sets no bound, and at most.
FRAMES, MOST_FRAMES = 100, 500


def video_engine(input: Input) -> str:
    """`videoGen/ltx2`: by engine."""
    return f"videoGen/{str(input.get('engine') or 'any').lower()}"


def videos(input: Input) -> list[JobPlan]:
    """One job for each video; those of an engine that draws several at once stay one."""
    count = input.get("quantity")
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        return [JobPlan(dict(input), VIDEO * 2)]
    return [JobPlan({**input, "quantity": 1, "turn": place}, VIDEO * 2) for place in range(count)]


def frames(input: Input) -> list[JobPlan]:
    """One job with a slot for every frame that may come."""
    wanted = input.get("maxFrames")
    count = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0 else FRAMES
    return [JobPlan(dict(input), IMAGE * min(count, MOST_FRAMES))]


def composed(input: Input) -> list[JobPlan]:
    """A sound when nothing but sound is asked for, else a video; either comes in its slot."""
    return [JobPlan(dict(input), (MediaKind.VIDEO, MediaKind.AUDIO))]


def speech_engine(input: Input) -> str:
    """`textToSpeech/custom`: by engine."""
    return f"textToSpeech/{str(input.get('engine') or 'custom').lower()}"


def poly_engine(input: Input) -> str:
    """`polyGen/comfy`: by engine."""
    return f"polyGen/{str(input.get('engine') or 'any').lower()}"


KINDS: Final = (
    Kind(
        "videoGen",
        "agents, by engine",
        rushed=True,
        capability=video_engine,
        jobs=videos,
        outline="video",
        timeout_s=7_200,
    ),
    Kind("videoUpscaler", "agents with the media engine", slots=VIDEO, outline="video", cached=True),
    Kind(
        "videoInterpolation",
        "agents with the media engine, by motion compensation",
        slots=VIDEO,
        outline="video",
        cached=True,
    ),
    Kind("videoEnhancement", "agents with the media engine", slots=VIDEO, outline="video", cached=True),
    Kind(
        "videoBackgroundRemoval",
        "agents with a segmentation model",
        slots=VIDEO,
        outline="video",
        cached=True,
    ),
    Kind("videoMetadata", "agents with the media engine", cached=True),
    Kind("videoFrameExtraction", "agents with the media engine", jobs=frames, cached=True),
    Kind("transcode", "agents with the media engine", slots=VIDEO, cached=True),
    Kind(
        "composeMedia",
        "agents with the media engine",
        jobs=composed,
        media=MEDIA_FIELDS | {"url"},
        cached=True,
    ),
    Kind(
        "textToSpeech",
        "agents with the openai engine, or a speech model",
        capability=speech_engine,
        slots=AUDIO,
        outline="audioBlob",
    ),
    Kind("transcription", "agents with the openai engine, or a listening model", cached=True),
    Kind("audioCaptioning", "agents with a listening model", cached=True),
    Kind("aceStepAudio", "agents with that model", slots=AUDIO, outline="blob", cached=True, seeded=True),
    Kind("miniMaxMusic3", "agents with that model", slots=AUDIO, outline="blob", cached=True, seeded=True),
    Kind(
        "polyGen", "agents, by engine", capability=poly_engine, slots=MODEL * 6 + IMAGE * 2, timeout_s=7_200
    ),
    Kind(
        "model3DPreview",
        "agents with a renderer",
        slots=IMAGE * 16,
        media=MEDIA_FIELDS | {"model"},
        airs=frozenset(),
        cached=True,
    ),
)
