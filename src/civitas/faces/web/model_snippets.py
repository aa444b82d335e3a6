"""`Use this model`: lines to copy that fetch a version's main file and prove that it is the right one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.faces.web.model_files import PageFile

# Where ComfyUI looks for each type, below its own folder (ComfyUI's folder_paths).
COMFYUI_FOLDERS: Final[Mapping[str, str]] = {
    "Checkpoint": "models/checkpoints",
    "TextualInversion": "models/embeddings",
    "Hypernetwork": "models/hypernetworks",
    "LORA": "models/loras",
    "LoCon": "models/loras",
    "DoRA": "models/loras",
    "Controlnet": "models/controlnet",
    "Upscaler": "models/upscale_models",
    "MotionModule": "models/animatediff_models",
    "VAE": "models/vae",
    "TextEncoder": "models/text_encoders",
    "CLIP": "models/text_encoders",
    "CLIPVision": "models/clip_vision",
    "UNet": "models/diffusion_models",
    "Workflows": "user/default/workflows",
    "ComfyWorkflows": "user/default/workflows",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to use a model."""

    key: str
    label: str
    code: str
    language: str
    note: str = ""


def snippets(
    document: Mapping[str, Any], version: Mapping[str, Any], file: PageFile, *, base: str
) -> tuple[Snippet, ...]:
    """The ways for this file. `base` is `https://host`; private downloads take a key from the environment."""
    url = f"{base}/api/download/models/{version['id']}"
    if not file.primary:
        url = f"{base}{file.href}"
    needs_key = bool(version["requireAuth"])
    made = [
        Snippet(
            "cli",
            "Civitas CLI",
            _cli(version["id"], file),
            "sh",
            "Resumes, checks the SHA-256 and sorts the file in.",
        ),
        Snippet(
            "curl", "curl", _curl(url, file, needs_key), "sh", "The second line fails when a byte is wrong."
        ),
        Snippet(
            "python", "Python", _python(url, file, needs_key), "python", "The standard library is enough."
        ),
    ]
    folder = COMFYUI_FOLDERS.get(document["type"])
    if folder is not None:
        made.append(
            Snippet(
                "comfyui", "ComfyUI", f"ComfyUI/{folder}/{file.safe_name}", "", _comfy_note(document["type"])
            )
        )
    return tuple(made)


def _cli(version_id: int, file: PageFile) -> str:
    chosen = "" if file.primary else f" --file-id {file.id}"
    return f"civitas download @{version_id}{chosen} --layout comfyui --root ~/ComfyUI"


def _curl(url: str, file: PageFile, needs_key: bool) -> str:
    name = shlex.quote(file.safe_name)
    key = ' -H "Authorization: Bearer $CIVITAS_KEY"' if needs_key else ""
    lines = [f"curl -fL -C -{key} -o {name} {shlex.quote(url)}"]
    if file.sha256:
        lines.append(f"echo {shlex.quote(f'{file.sha256.lower()}  {file.safe_name}')} | sha256sum -c -")
    return "\n".join(lines)


def _python(url: str, file: PageFile, needs_key: bool) -> str:
    head = (
        ["import hashlib"]
        + (["import os"] if needs_key else [])
        + ["import shutil", "import urllib.request", ""]
    )
    body = [f"url = {url!r}", f"name = {file.safe_name!r}"]
    if needs_key:
        body.append(
            'request = urllib.request.Request(url, headers={"Authorization": f"Bearer {os.environ[\'CIVITAS_KEY\']}"})'
        )
    asked = "request" if needs_key else "url"
    body += [
        f'with urllib.request.urlopen({asked}) as source, open(name, "wb") as target:',
        "    shutil.copyfileobj(source, target)",
    ]
    if file.sha256:
        body += [
            'with open(name, "rb") as target:',
            '    digest = hashlib.file_digest(target, "sha256").hexdigest()',
            f"assert digest == {file.sha256.lower()!r}, digest",
        ]
    else:
        head.remove("import hashlib")
    return "\n".join(head + body)


def _comfy_note(kind: str) -> str:
    loaders = {
        "Checkpoint": "Choose it in Load Checkpoint.",
        "LORA": "Choose it in Load LoRA, between the checkpoint and the sampler.",
        "LoCon": "Choose it in Load LoRA, between the checkpoint and the sampler.",
        "DoRA": "Choose it in Load LoRA, between the checkpoint and the sampler.",
        "TextualInversion": "Write embedding: and the file's name in a prompt.",
        "VAE": "Choose it in Load VAE.",
        "Controlnet": "Choose it in Load ControlNet Model.",
        "Upscaler": "Choose it in Load Upscale Model.",
        "ComfyWorkflows": "Open it with Workflow, Open; or drop the file on the canvas.",
        "Workflows": "Open it with Workflow, Open; or drop the file on the canvas.",
    }
    return loaders.get(kind, "Reload the page of ComfyUI after adding it.")
