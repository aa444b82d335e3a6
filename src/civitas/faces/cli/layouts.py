"""Where the programs that people generate with look for their files, and names that every disk can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath

from civitas.faces.cli.records import RemoteFile
from civitas.kit.text import clean_line


class Layout(StrEnum):
    """A program whose folders are known."""

    COMFYUI = "comfyui"
    A1111 = "a1111"
    FORGE = "forge"
    INVOKE = "invoke"
    SWARM = "swarm"


_COMFYUI = {
    "Checkpoint": "models/checkpoints",
    "TextualInversion": "models/embeddings",
    "Hypernetwork": "models/hypernetworks",
    "AestheticGradient": "models/embeddings",
    "LORA": "models/loras",
    "LoCon": "models/loras",
    "DoRA": "models/loras",
    "Controlnet": "models/controlnet",
    "Upscaler": "models/upscale_models",
    "MotionModule": "models/animatediff_models",
    "VAE": "models/vae",
    "TextEncoder": "models/text_encoders",
    "CLIP": "models/text_encoders",
    "UNet": "models/diffusion_models",
    "CLIPVision": "models/clip_vision",
    "Detection": "models/ultralytics",
    "VisionLanguage": "models/LLM",
    "LLM": "models/LLM",
    "Poses": "input/poses",
    "Wildcards": "wildcards",
    "Workflows": "user/default/workflows",
    "ComfyWorkflows": "user/default/workflows",
    "Other": "models/other",
}
_A1111 = {
    "Checkpoint": "models/Stable-diffusion",
    "TextualInversion": "embeddings",
    "Hypernetwork": "models/hypernetworks",
    "AestheticGradient": "extensions/stable-diffusion-webui-aesthetic-gradients/aesthetic_embeddings",
    "LORA": "models/Lora",
    "LoCon": "models/Lora",
    "DoRA": "models/Lora",
    "Controlnet": "models/ControlNet",
    "Upscaler": "models/ESRGAN",
    "MotionModule": "extensions/sd-webui-animatediff/model",
    "VAE": "models/VAE",
    "TextEncoder": "models/text_encoder",
    "CLIP": "models/text_encoder",
    "UNet": "models/Stable-diffusion",
    "CLIPVision": "models/clip_vision",
    "Detection": "models/adetailer",
    "VisionLanguage": "models/LLM",
    "LLM": "models/LLM",
    "Poses": "models/Poses",
    "Wildcards": "extensions/sd-dynamic-prompts/wildcards",
    "Workflows": "models/Workflows",
    "ComfyWorkflows": "models/Workflows",
    "Other": "models/Other",
}
_INVOKE = {
    "Checkpoint": "autoimport/main",
    "UNet": "autoimport/main",
    "TextualInversion": "autoimport/embedding",
    "LORA": "autoimport/lora",
    "LoCon": "autoimport/lora",
    "DoRA": "autoimport/lora",
    "Controlnet": "autoimport/controlnet",
    "VAE": "autoimport/vae",
    "TextEncoder": "autoimport/text_encoder",
    "CLIP": "autoimport/text_encoder",
    "CLIPVision": "autoimport/clip_vision",
    "Upscaler": "autoimport/upscaler",
    "Workflows": "workflows",
    "ComfyWorkflows": "workflows",
    "Other": "autoimport/other",
}
_SWARM = {
    "Checkpoint": "Models/Stable-Diffusion",
    "TextualInversion": "Models/Embeddings",
    "Hypernetwork": "Models/hypernetworks",
    "AestheticGradient": "Models/Embeddings",
    "LORA": "Models/Lora",
    "LoCon": "Models/Lora",
    "DoRA": "Models/Lora",
    "Controlnet": "Models/controlnet",
    "Upscaler": "Models/upscale_models",
    "MotionModule": "Models/animatediff_models",
    "VAE": "Models/VAE",
    "TextEncoder": "Models/text_encoders",
    "CLIP": "Models/text_encoders",
    "UNet": "Models/diffusion_models",
    "CLIPVision": "Models/clip_vision",
    "Detection": "Models/yolov8",
    "VisionLanguage": "Models/LLM",
    "LLM": "Models/LLM",
    "Poses": "Data/Poses",
    "Wildcards": "Data/Wildcards",
    "Workflows": "Data/Workflows",
    "ComfyWorkflows": "Data/Workflows",
    "Other": "Models/Other",
}
FOLDERS: Mapping[Layout, Mapping[str, str]] = {
    Layout.COMFYUI: _COMFYUI,
    Layout.A1111: _A1111,
    Layout.FORGE: {**_A1111, "MotionModule": "extensions/sd-forge-animatediff/model"},
    Layout.INVOKE: _INVOKE,
    Layout.SWARM: _SWARM,
}
# What a file is weighs more than what its model is: a checkpoint's own VAE belongs to the other VAEs.
_BY_FILE_TYPE = {
    "VAE": "VAE",
    "Text Encoder": "TextEncoder",
    "Vision Encoder": "CLIPVision",
    "CLIPVision": "CLIPVision",
    "ControlNet": "Controlnet",
    "Diffusion Model": "UNet",
    "UNet": "UNet",
    "Upscaler": "Upscaler",
    "Workflow": "Workflows",
    "Negative": "TextualInversion",
    "Enhancement LoRA": "LORA",
}
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
MAX_NAME = 180


def folder(layout: Layout, model_type: str, file: RemoteFile) -> PurePosixPath:
    """The folder below the program's root for this file of a model of this type.

    A GGUF checkpoint holds only the diffusion network, so it goes where that is looked for.
    """
    kind = _BY_FILE_TYPE.get(file.type, model_type)
    if kind == "Checkpoint" and (file.format.upper() == "GGUF" or file.name.lower().endswith(".gguf")):
        kind = "UNet"
    known = {name.lower(): place for name, place in FOLDERS[layout].items()}
    return PurePosixPath(known.get(kind.lower(), FOLDERS[layout]["Other"]))


def place(root: Path, layout: Layout, model_type: str, file: RemoteFile) -> Path:
    """The folder on this disk. A root that is itself the program's `models` folder is understood."""
    below = folder(layout, model_type, file)
    if root.name.lower() == "models" and below.parts[0].lower() == "models":
        return root.joinpath(*below.parts[1:])
    return root.joinpath(*below.parts)


def safe_name(name: str, fallback: str) -> str:
    """A file name without folders, signs that some system forbids, leading dots or reserved words.

    At most 180 bytes of UTF-8; the extension survives the cut. `fallback` is used when nothing is left.
    """
    base = _FORBIDDEN.sub("_", clean_line(name.replace("\\", "/").rsplit("/", 1)[-1])).strip(" .")
    stem, dot, extension = base.rpartition(".")
    if not dot or len(extension) > 20:
        stem, extension = base, ""
    stem = stem.strip(" .") or fallback
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    tail = f".{extension}" if extension else ""
    room = MAX_NAME - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + tail
