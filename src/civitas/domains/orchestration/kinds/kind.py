"""What a step type is: who runs it, what its jobs are, what they may deliver, and what becomes of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from civitas.contracts.wire.jobs import MediaKind

Input = Mapping[str, Any]
Output = dict[str, Any]

# Fields that hold media wherever they stand in an input: a text, or a list of texts.
MEDIA_FIELDS: Final = frozenset(
    {
        "image",
        "images",
        "imageUrl",
        "imageUrls",
        "mediaUrl",
        "mediaUrls",
        "video",
        "videoUrl",
        "sourceUrl",
        "sourceImage",
        "sourceImages",
        "sourceImageUrl",
        "sourceVideo",
        "sourceAudio",
        "audioUrl",
        "mask",
        "maskImage",
        "startImage",
        "endImage",
        "endSourceImage",
        "firstFrame",
        "lastFrame",
        "firstFrameImage",
        "lastFrameImage",
        "frontalImage",
        "referenceImage",
        "referenceImages",
        "referenceVideos",
        "referenceVideoUrls",
        "referenceAudios",
        "refAudioUrl",
        "textureImageUrl",
        "subjectUrl",
        "subjectMaskUrl",
        "garmentUrl",
        "draftCache",
        "mesh",
        "trainingData",
    }
)
# Fields that are an AIR even when it is written without `urn:air:`.
AIR_FIELDS: Final = frozenset(
    {
        "model",
        "diffuserModel",
        "diffusionModel",
        "modelAir",
        "vaeModel",
        "vae",
        "clipModel",
        "languageModel",
        "textEncoder",
        "resource",
        "continueFrom",
    }
)


GGUF: Final = ".gguf"


class Runner(StrEnum):
    """Who does the work of a step."""

    # Agents, by jobs.
    AGENT = "agent"
    # The platform, at once and in the same transaction.
    INLINE = "inline"
    # The platform, as a task in the background.
    TASK = "task"
    # Nobody: it stands for its turns.
    LOOP = "loop"

    @property
    def has_jobs(self) -> bool:
        """Whether there may be jobs below a step: of its own, or of its turns."""
        return self in (Runner.AGENT, Runner.LOOP)


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job of a step: its input, what may be delivered, and its share of the work."""

    input: Output
    slots: tuple[MediaKind, ...] = ()
    share: float = 1.0


def alone(input: Input, slots: tuple[MediaKind, ...]) -> list[JobPlan]:
    """A step that is one job."""
    return [JobPlan(dict(input), slots)]


def merged(outputs: Sequence[Mapping[str, Any]]) -> Output:
    """The outputs of a step's jobs as one: lists one after another, of everything else the first."""
    made: Output = {}
    for output in outputs:
        for key, value in output.items():
            known = made.get(key)
            if isinstance(known, list) and isinstance(value, list):
                made[key] = known + value
            elif known is None:
                made[key] = value
    return made


@dataclass(frozen=True, slots=True)
class Kind:
    """A step type, declared.

    `capability` may look at the input; `jobs` splits it; `cached` says whether the same input gives the same output,
    so that it need not be done twice. `outline` is where the blobs of its slots stand in the output (`images[]`,
    `blob`), for those who look before it has ended.
    """

    type: str
    # Who runs it, for people: one line of the table in docs/orchestration.md.
    run_by: str
    runner: Runner = Runner.AGENT
    capability: Callable[[Input], str] | None = None
    jobs: Callable[[Input], list[JobPlan]] | None = None
    slots: tuple[MediaKind, ...] = ()
    outline: str | None = None
    cached: bool = False
    # Whether chance decides, unless the input fixes it with a seed.
    seeded: bool = False
    # Whether it succeeds with what some of its jobs made when others failed (the output names `errors`).
    partial: bool = False
    media: frozenset[str] = MEDIA_FIELDS
    airs: frozenset[str] = AIR_FIELDS
    # A text that is no medium stays as it is (workflows of ComfyUI name their own files).
    lenient: bool = False
    timeout_s: int = 3_600
    retries: int = 2
    activity: str = "generation"
    # Whether a priority costs something (FEATURES G9).
    rushed: bool = False
    # Whether the container of the models' files decides who can run it, too.
    packed: bool = False
    # How many entries lists of the input have at most, where each is a job.
    longest: Mapping[str, int] = field(default_factory=dict)

    def asks_for(self, input: Input, files: Iterable[str] = ()) -> str:
        """The capability that a job of this input needs; the type alone where nothing else decides.

        `files` are the names of the models' files: GGUF is not read by everybody, so `textToImage/flux1.gguf` is another.
        """
        asked = self.capability(input) if self.capability else self.type
        if self.packed and any(name.lower().endswith(GGUF) for name in files):
            return asked + GGUF
        return asked

    def split(self, input: Input) -> list[JobPlan]:
        """The jobs of this input; at least one."""
        return self.jobs(input) if self.jobs else alone(input, self.slots)
