"""What an operator may set about an agent on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class OpenAISettings(BaseModel):
    """A server that speaks the OpenAI protocol, for the agent's `openai` engine."""

    base_url: str | None = Field(
        default=None,
        description="Its address, such as `http://127.0.0.1:11434/v1`. Empty: the agent has no such engine.",
    )
    api_key: SecretStr | None = Field(default=None, description="Its key, when it wants one.")
    chat_model: str | None = Field(
        default=None,
        description="The model for prompt enhancement, and for chats that ask for one that the server does not have. "
        "Empty: no prompt enhancement, and chats name their model.",
    )
    vision_model: str | None = Field(
        default=None, description="The model that looks at pictures and captions them. Empty: no captions."
    )
    image_models: dict[str, str] = Field(
        default_factory=dict,
        description="The server's model for each picture model of the API, such as `{gpt-image-1 = 'gpt-image-1'}`. "
        "Empty: no pictures are made.",
    )
    speech_model: str | None = Field(
        default=None, description="The model that reads aloud. Empty: nothing is."
    )
    voices: dict[str, str] = Field(
        default_factory=dict,
        description="The server's voice for each speaker of the API, such as `{ryan = 'onyx'}`.",
    )
    voice: str = Field(default="alloy", description="The voice of speakers for whom none is set.")
    transcription_model: str | None = Field(
        default=None, description="The model that writes down what is said. Empty: nothing is written down."
    )
    timeout_s: float = Field(
        default=300, gt=0, description="How long the server may be silent before a job fails."
    )


class DiffusersSettings(BaseModel):
    """Pictures made on this machine, for the agent's `diffusers` engine (the extra `generate`)."""

    device: str = Field(
        default="auto", description="`cuda`, `cuda:1`, `mps` or `cpu`; `auto` takes what there is."
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="Precision; `auto` is `float16` on a GPU and `float32` on a CPU."
    )
    memory_gb: float | None = Field(
        default=None, gt=0, description="Models kept in memory, in GiB. Empty: two thirds of what there is."
    )
    offload: bool = Field(
        default=False,
        description="Keep models in main memory and move each part to the GPU in its turn: slower, and larger models fit.",
    )
    threads: int = Field(default=0, ge=0, description="Threads on a CPU; 0 is as many as it has cores.")
    most_pixels: int = Field(
        default=16_777_216, ge=4096, description="Largest picture, in pixels; what is larger fails."
    )
    parts: Path | None = Field(
        default=None,
        description="A folder with parts that files of Stable Diffusion 3 and Flux lack: `clip_l.safetensors`, "
        "`clip_g.safetensors`, `t5xxl.safetensors`, `t5_tokenizer/tokenizer.json`, `ae.safetensors`. Flux needs it.",
    )


class ComfySettings(BaseModel):
    """ComfyUI servers, for the agent's `comfy` engine."""

    servers: list[str] = Field(
        default_factory=list,
        description="Their addresses, such as `['http://127.0.0.1:8188']`. Empty: the agent has no such engine.",
    )
    models: Path | None = Field(
        default=None,
        description="The folder in which they look for models, with `checkpoints`, `loras`, `vae`, `embeddings` and so on "
        "below it. Empty: jobs that need files of the catalogue go to others.",
    )
    place: Literal["link", "copy"] = Field(
        default="link",
        description="How files come there: as links into the agent's cache, or as copies for servers that do not see it.",
    )
    copies_gb: float = Field(default=50, gt=0, description="At most so much is copied there, in GiB.")
    families: list[str] = Field(
        default_factory=lambda: ["sd1", "sd2", "sdxl", "sdxldistilled"],
        description="Families of checkpoints (as AIRs have them) with which pictures are made.",
    )
    graphs: bool = Field(
        default=True,
        description="Whether graphs that people bring are run, with every node the servers have; else only pictures.",
    )
    images: list[str] = Field(
        default_factory=list,
        description="Container images that the servers were started from, as AIRs "
        "(`urn:air:oci:image:ghcr:owner/name@1.2`). Jobs that ask for one of them by `comfyImage` are run; all others go on "
        "to other agents.",
    )
    silent_s: float = Field(
        default=120, gt=0, description="How long a server may not answer before a job fails."
    )


class RaySettings(BaseModel):
    """A Ray cluster on whose machines the agent's engines run (the extra `ray`)."""

    address: str | None = Field(
        default=None,
        description="The cluster that this machine belongs to, such as `10.0.0.1:6379` or `auto`; `local` starts one on "
        "this machine alone. Empty: jobs run in the agent itself.",
    )
    cpus: float = Field(default=1, ge=0, description="What each actor takes of the cluster's cores.")
    gpus: float = Field(
        default=0, ge=0, description="What each actor takes of its GPUs; 0.5 puts two actors on each."
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        description="What each actor takes of its memory, in GiB. Empty: that is not counted.",
    )
    start_s: float = Field(
        default=120, gt=0, description="How long to wait for the cluster to have room for an actor."
    )


class AgentSettings(BaseModel):
    """The agent on this machine, `civitas agent`; `agents` is about how the site deals with all of them."""

    beside_site: bool = Field(
        default=True, description="Whether `civitas up` starts an agent, with a token of its own."
    )
    server: str = Field(default="http://127.0.0.1:8000", description="The address of the site to work for.")
    token: SecretStr | None = Field(
        default=None, description="The agent's token; `civitas admin agents add` makes one."
    )
    token_file: Path | None = Field(default=None, description="A file that holds the token instead.")
    name: str = Field(default="", max_length=80, description="What operators see. Empty: the machine's name.")
    engines: list[str] = Field(
        default_factory=list, description="Which engines to run. Empty: every one that can work here."
    )
    slots: int = Field(default=2, ge=1, le=1024, description="Jobs at the same time.")
    cache: Path | None = Field(
        default=None, description="Where model files are kept. Empty: `agent` in the data folder."
    )
    cache_gb: float = Field(default=50, gt=0, description="At most so much is kept there, in GiB.")
    most_media_mb: int = Field(
        default=2048, ge=1, description="Largest picture, video or sound to work on, in MiB."
    )
    drain_s: float = Field(
        default=60, ge=0, description="Told to end, an agent finishes what it has, but no longer than this."
    )
    status_port: int | None = Field(
        default=None, ge=1, le=65535, description="A page about the agent on 127.0.0.1. Empty: none."
    )
    media_seconds: float = Field(default=1800, gt=0, description="Longest work on pictures, video or sound.")
    media_memory_mb: int = Field(
        default=4096, ge=512, description="Memory for one such work, in MiB; what needs more fails."
    )
    comfy: ComfySettings = Field(default_factory=ComfySettings)
    diffusers: DiffusersSettings = Field(default_factory=DiffusersSettings)
    ray: RaySettings = Field(default_factory=RaySettings)
    openai: OpenAISettings = Field(default_factory=OpenAISettings)
