"""`civitas.toml`: what is to be published, written by a person, by `--init`, or made of flags and file headers."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civitas.faces.cli.exits import UsageFault
from civitas.faces.cli.headers import Suggestions, suggest
from civitas.kit.errors import NotFound

FILENAME = "civitas.toml"
WEIGHTS = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx"})
EXTRAS = {".yaml": "Config", ".yml": "Config", ".zip": "Archive"}
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif"})
_FORMATS = {".safetensors": "SafeTensor", ".sft": "SafeTensor", ".gguf": "GGUF", ".onnx": "ONNX"}
_PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})
Level = Annotated[int, Field(ge=1, le=32)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ManifestFile(_Part):
    """One file of a version."""

    path: Path
    type: str = "Model"
    format: str | None = None
    size: Literal["full", "pruned"] | None = None
    fp: str | None = None
    quant: str | None = None
    primary: bool = False
    visibility: str | None = None

    def body(self, upload_id: str) -> dict[str, Any]:
        """What `POST /model-versions/{id}/files` takes."""
        return _filled(
            uploadId=upload_id,
            name=self.path.name,
            type=self.type,
            format=self.format or guessed_format(self.path),
            size=self.size,
            fp=self.fp,
            quantType=self.quant,
            primary=self.primary or None,
            visibility=self.visibility,
        )


class ManifestImage(_Part):
    """One preview image of a version; `meta` holds generation data under Civitai's names."""

    path: Path
    meta: dict[str, Any] = {}
    nsfw_level: Level | None = None

    def body(self, upload_id: str) -> dict[str, Any]:
        """What `POST /model-versions/{id}/images` takes."""
        return _filled(uploadId=upload_id, meta=self.meta or None, nsfwLevel=self.nsfw_level)


class ManifestVersion(_Part):
    """One version with its files and images."""

    name: str = "v1.0"
    base_model: str = ""
    base_model_type: str | None = None
    description: str = ""
    trained_words: tuple[str, ...] = ()
    steps: int | None = None
    epochs: int | None = None
    clip_skip: int | None = None
    strength: float | None = None
    min_strength: float | None = None
    max_strength: float | None = None
    usage_control: str | None = None
    require_auth: bool | None = None
    file: tuple[ManifestFile, ...] = ()
    image: tuple[ManifestImage, ...] = ()

    def body(self) -> dict[str, Any]:
        """What `POST /models/{id}/versions` takes."""
        strengths = _filled(
            strength=self.strength, minStrength=self.min_strength, maxStrength=self.max_strength
        )
        return _filled(
            name=self.name,
            baseModel=self.base_model,
            baseModelType=self.base_model_type,
            description=self.description or None,
            trainedWords=list(self.trained_words),
            steps=self.steps,
            epochs=self.epochs,
            clipSkip=self.clip_skip,
            settings=strengths or None,
            usageControl=self.usage_control,
            requireAuth=self.require_auth,
        )


class ManifestSource(_Part):
    """Where a model was first published, and by whom."""

    url: str
    creator: str | None = None
    platform: str | None = None


class ManifestModel(_Part):
    """A model with its permissions."""

    name: str = ""
    type: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    category: str | None = None
    nsfw: bool = False
    poi: bool = False
    minor: bool = False
    allow_no_credit: bool | None = None
    allow_commercial_use: tuple[str, ...] | None = None
    allow_derivatives: bool | None = None
    allow_different_license: bool | None = None
    license_tier: str | None = None
    license_text: str | None = None
    checkpoint_type: str | None = None
    availability: str | None = None
    source: ManifestSource | None = None

    def body(self) -> dict[str, Any]:
        """What `POST /models` takes."""
        commercial = None if self.allow_commercial_use is None else list(self.allow_commercial_use)
        return _filled(
            name=self.name,
            type=self.type,
            description=self.description,
            tags=list(self.tags),
            category=self.category,
            nsfw=self.nsfw,
            poi=self.poi,
            minor=self.minor,
            allowNoCredit=self.allow_no_credit,
            allowCommercialUse=commercial,
            allowDerivatives=self.allow_derivatives,
            allowDifferentLicense=self.allow_different_license,
            licenseTier=self.license_tier,
            licenseText=self.license_text,
            checkpointType=self.checkpoint_type,
            availability=self.availability,
            source=None if self.source is None else self.source.model_dump(exclude_none=True),
        )


class Manifest(_Part):
    """A model and the versions to publish of it; `folder` is what relative paths start from."""

    model: ManifestModel = ManifestModel()
    version: tuple[ManifestVersion, ...] = ()


def _filled(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def guessed_format(path: Path) -> str:
    """The file format by the extension: SafeTensor, PickleTensor, GGUF, ONNX or Other (FEATURES B8)."""
    suffix = path.suffix.lower()
    return "PickleTensor" if suffix in _PICKLES else _FORMATS.get(suffix, "Other")


def load(path: Path) -> Manifest:
    """Read a manifest; paths become absolute. Raises UsageFault with the place and the reason of every mistake."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest.model_validate(tree)
    except FileNotFoundError:
        raise NotFound(f"There is no {path}; write one with `civitas publish --init`.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFault(f"{path}: {error}.") from None
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(str(place) for place in mistake['loc'])}: {mistake['msg']}"
            for mistake in error.errors()
        ]
        raise UsageFault(f"{path}: " + "; ".join(mistakes[:10])) from None
    return _anchored(manifest, path.resolve().parent)


def _anchored(manifest: Manifest, folder: Path) -> Manifest:
    versions = tuple(
        version.model_copy(
            update={
                "file": tuple(f.model_copy(update={"path": folder / f.path}) for f in version.file),
                "image": tuple(i.model_copy(update={"path": folder / i.path}) for i in version.image),
            }
        )
        for version in manifest.version
    )
    return manifest.model_copy(update={"version": versions})


def from_paths(path: Path) -> Manifest:
    """A manifest for one file, or for a folder of files of one version, filled from safetensors headers.

    Images in the folder, or of the same name as the file, become previews. Raises NotFound when there is nothing.
    """
    path = path.resolve()
    if path.is_dir():
        found = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        images = [item for item in found if item.suffix.lower() in IMAGES]
    else:
        if not path.is_file():
            raise NotFound(f"There is no file {path}.")
        found = [path]
        images = sorted(
            item
            for item in path.parent.iterdir()
            if item.suffix.lower() in IMAGES and item.stem.removesuffix(".preview") == path.stem
        )
    weights = [item for item in found if item.suffix.lower() in WEIGHTS]
    extras = [item for item in found if item.suffix.lower() in EXTRAS]
    if not weights and not extras:
        raise NotFound(f"{path} holds no model file ({', '.join(sorted(WEIGHTS | EXTRAS.keys()))}).")
    hints = suggest(weights[0]) if weights else Suggestions()
    files = [
        ManifestFile(path=item, fp=suggest(item).fp, primary=position == 0)
        for position, item in enumerate(weights)
    ] + [ManifestFile(path=item, type=EXTRAS[item.suffix.lower()]) for item in extras]
    model = ManifestModel(
        name=hints.title or (weights or extras)[0].stem,
        type=hints.model_type or "",
        tags=hints.tags[:5],
    )
    version = ManifestVersion(
        base_model=hints.base_model or "",
        trained_words=hints.trained_words,
        steps=hints.steps,
        epochs=hints.epochs,
        clip_skip=hints.clip_skip if hints.clip_skip and 1 <= hints.clip_skip <= 12 else None,
        file=tuple(files),
        image=tuple(ManifestImage(path=item) for item in images),
    )
    return Manifest(model=model, version=(version,))


def check(manifest: Manifest, *, existing_model: bool, draft: bool = False) -> None:
    """Raise UsageFault that names everything a publish still lacks, NotFound for files that are not there.

    What only a public model needs (a tag or category, a preview image) is not asked of a draft. Better to know
    before a large upload than after it.
    """
    lacking: list[str] = []
    if not existing_model:
        lacking += [f"model.{key}" for key in ("name", "type") if not getattr(manifest.model, key)]
        if not draft and not manifest.model.tags and not manifest.model.category:
            lacking.append("a tag (--tag) or a category")
    if not manifest.version:
        lacking.append("a [[version]]")
    for number, version in enumerate(manifest.version, 1):
        if not version.base_model:
            lacking.append(f"base_model of version {number}")
        if not version.file:
            lacking.append(f"a [[version.file]] of version {number}")
        if not version.image and not draft:
            lacking.append(f"a preview image of version {number} (--image)")
        for path in [file.path for file in version.file] + [image.path for image in version.image]:
            if not path.is_file():
                raise NotFound(f"There is no file {path}.")
            if path.stat().st_size == 0:
                raise UsageFault(f"{path} is empty.")
    if lacking:
        raise UsageFault(
            "Still missing: "
            + ", ".join(lacking)
            + "; give it by flags or in a manifest, or upload a --draft."
        )


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(values: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(value) for value in values) + "]"


def template(manifest: Manifest, folder: Path, hints: Mapping[str, object]) -> str:
    """A commented manifest as TOML text, with `manifest` filled in and paths relative to `folder`."""
    model = manifest.model
    version = manifest.version[0] if manifest.version else ManifestVersion()
    lines = [
        "# What `civitas publish` sends. Uncomment what you need; everything can be changed later.",
        "",
        "[model]",
        f"name = {_quoted(model.name)}",
        f"type = {_quoted(model.type)}  # Checkpoint, LORA, LoCon, TextualInversion, VAE, Controlnet, Upscaler, ...",
        'description = """',
        '"""',
        f"tags = {_listed(model.tags)}",
        '# category = "character"',
        "nsfw = false   # it makes explicit images",
        "poi = false    # it shows a real person",
        "minor = false  # it shows minors",
        "# allow_no_credit = true",
        '# allow_commercial_use = ["Image"]  # None, Image, RentCivit, Rent, Sell',
        "# allow_derivatives = true",
        "# allow_different_license = true",
        '# license_tier = "Open"  # Open, Creator, Restricted, Custom',
        "",
        "# [model.source]  # when it was published elsewhere first",
        '# url = "https://example.org/models/1"',
        '# creator = "name"',
        "",
        "[[version]]",
        f"name = {_quoted(version.name)}",
        f"base_model = {_quoted(version.base_model)}  # SD 1.5, SDXL 1.0, Pony, Illustrious, Flux.1 D, ...",
        f"trained_words = {_listed(version.trained_words)}",
        '# description = "what is new"',
        "# strength = 1.0",
    ]
    lines += [
        f"{key} = {value}"
        for key, value in (
            ("steps", version.steps),
            ("epochs", version.epochs),
            ("clip_skip", version.clip_skip),
        )
        if value
    ]
    lines += [f"# {key}: {value}" for key, value in hints.items() if value]
    for file in version.file:
        lines += [
            "",
            "[[version.file]]",
            f"path = {_quoted(_relative(file.path, folder))}",
            f"type = {_quoted(file.type)}",
        ]
        lines += [f"fp = {_quoted(file.fp)}"] if file.fp else []
        lines += ["primary = true"] if file.primary else []
    for image in version.image or (ManifestImage(path=folder / "preview.png"),):
        mark = "" if version.image else "# "
        lines += ["", f"{mark}[[version.image]]", f"{mark}path = {_quoted(_relative(image.path, folder))}"]
    return "\n".join(lines) + "\n"


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
