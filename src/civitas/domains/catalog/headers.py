"""What the header of a model file tells: its tensors, how it was trained, and what its maker wrote about it.

Layouts are read and checked by `civitas.kit.safetensors` and `civitas.kit.gguf`; here they get their meaning.
Training parameters are the `ss_*` entries that kohya's scripts write (and most trainers after them), descriptions
the `modelspec.*` entries of the Stability AI Model Metadata Standard. Every text is hostile: all of it is cut.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson

from civitas.kit import gguf, safetensors

MAX_KEYS: Final = 512
MAX_KEY: Final = 200
MAX_TEXT: Final = 16 * 1024
MAX_TOTAL: Final = 1024 * 1024
MAX_JSON: Final = 16 * 1024 * 1024
MAX_TAGS: Final = 200
MAX_TAG: Final = 120
MAX_DATASETS: Final = 1000
MAX_SPEC: Final = 4096


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor; `size` is in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def count(self) -> int:
        """Elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Training:
    """How a model was trained, as far as its file says. `tags` are the most frequent captions' parts with counts."""

    base_model: str | None = None
    base_version: str | None = None
    output_name: str | None = None
    network_module: str | None = None
    rank: float | None = None
    alpha: float | None = None
    optimiser: str | None = None
    learning_rate: float | None = None
    unet_learning_rate: float | None = None
    text_encoder_learning_rate: float | None = None
    scheduler: str | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    resolution: tuple[int, int] | None = None
    clip_skip: int | None = None
    seed: int | None = None
    mixed_precision: str | None = None
    images: int | None = None
    dataset_images: int | None = None
    datasets: int | None = None
    finished_at: datetime | None = None
    comment: str | None = None
    tags: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """The meaning of one header. `dtypes` counts parameters by dtype; `cut` says that metadata was shortened."""

    format: Literal["safetensors", "gguf"]
    metadata: Mapping[str, str]
    tensors: tuple[TensorInfo, ...]
    training: Training | None = None
    modelspec: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def tensor_count(self) -> int:
        """How many tensors there are."""
        return len(self.tensors)

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(tensor.count for tensor in self.tensors)

    @property
    def dtypes(self) -> Mapping[str, int]:
        """Parameters by dtype, the most first."""
        counted: Counter[str] = Counter()
        for tensor in self.tensors:
            counted[tensor.dtype] += tensor.count
        return MappingProxyType(dict(counted.most_common()))

    @property
    def trigger_words(self) -> tuple[str, ...]:
        """What the maker says to write in the prompt."""
        phrase = self.modelspec.get("trigger_phrase", "")
        words = (word.strip()[:MAX_TAG] for word in phrase.split(","))
        return tuple(dict.fromkeys(word for word in words if word))[:50]


def needed(prefix: bytes, file_size: int) -> int:
    """How many first bytes of the file `read` needs, told by its first eight.

    Raises Invalid: header_truncated, header_too_long.
    """
    if prefix[:4] == gguf.MAGIC:
        return min(file_size, gguf.MAX_PREFIX)
    return safetensors.header_end(prefix, file_size)


def read(prefix: bytes, file_size: int) -> ModelHeader:
    """Read the header of a safetensors or GGUF file of `file_size` bytes from its first `needed` bytes.

    Raises Invalid with the codes of `kit.safetensors.parse` and `kit.gguf.parse`.
    """
    if prefix[:4] == gguf.MAGIC:
        return _gguf(gguf.parse(prefix, file_size))
    layout = safetensors.parse(prefix, file_size)
    kept, cut = _bounded(layout.metadata)
    return ModelHeader(
        format="safetensors",
        metadata=kept,
        tensors=tuple(TensorInfo(t.name, t.dtype, t.shape, t.size) for t in layout.tensors),
        training=training(layout.metadata),
        modelspec=_modelspec(layout.metadata),
        cut=cut,
    )


def _gguf(layout: gguf.GgufLayout) -> ModelHeader:
    texts = {key: _plain(value) for key, value in layout.values.items()}
    kept, cut = _bounded(texts)
    spec = {
        name: texts[key][:MAX_SPEC]
        for name, key in (
            ("architecture", "general.architecture"),
            ("title", "general.name"),
            ("author", "general.author"),
            ("license", "general.license"),
            ("description", "general.description"),
        )
        if key in texts
    }
    tensors = tuple(TensorInfo(t.name, t.dtype, t.shape, t.size) for t in layout.tensors)
    return ModelHeader("gguf", kept, tensors, None, MappingProxyType(spec), cut)


def _plain(value: gguf.Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _bounded(metadata: Mapping[str, str]) -> tuple[Mapping[str, str], bool]:
    """The part of the metadata that is kept, and whether anything was left out."""
    kept: dict[str, str] = {}
    room = MAX_TOTAL
    cut = len(metadata) > MAX_KEYS
    for key, value in metadata.items():
        if len(kept) == MAX_KEYS or room <= 0:
            cut = True
            break
        short = _clean(value)[: min(MAX_TEXT, room)]
        cut = cut or len(short) < len(value) or len(key) > MAX_KEY
        kept[_clean(key)[:MAX_KEY]] = short
        room -= len(short) + len(key)
    return MappingProxyType(kept), cut


def _clean(text: str) -> str:
    # PostgreSQL refuses NUL and lone surrogates in text; JSON allows both.
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _modelspec(metadata: Mapping[str, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for key, value in metadata.items():
        name = key.removeprefix("modelspec.")
        # The thumbnail is a picture as a data URL: nothing to read, and of any size.
        if name != key and name != "thumbnail" and len(found) < 64:
            found[_clean(name)[:MAX_KEY]] = _clean(value)[:MAX_SPEC]
    return MappingProxyType(found)


def training(metadata: Mapping[str, str]) -> Training | None:
    """The training parameters in safetensors metadata, None when no trainer has written any."""
    if not any(key.startswith("ss_") for key in metadata):
        return None
    given = _Given(metadata)
    images, datasets = _dataset_images(metadata)
    return Training(
        base_model=given.text("ss_sd_model_name"),
        base_version=given.text("ss_base_model_version"),
        output_name=given.text("ss_output_name"),
        network_module=given.text("ss_network_module"),
        rank=given.number("ss_network_dim"),
        alpha=given.number("ss_network_alpha"),
        optimiser=given.text("ss_optimizer"),
        learning_rate=given.number("ss_learning_rate"),
        unet_learning_rate=given.number("ss_unet_lr"),
        text_encoder_learning_rate=given.number("ss_text_encoder_lr"),
        scheduler=given.text("ss_lr_scheduler"),
        epochs=given.whole("ss_epoch", "ss_num_epochs"),
        steps=given.whole("ss_steps", "ss_max_train_steps"),
        batch_size=given.whole("ss_batch_size_per_device", "ss_total_batch_size"),
        resolution=_resolution(metadata),
        clip_skip=given.whole("ss_clip_skip"),
        seed=given.whole("ss_seed"),
        mixed_precision=given.text("ss_mixed_precision"),
        images=given.whole("ss_num_train_images"),
        dataset_images=images,
        datasets=datasets,
        finished_at=_moment(given.number("ss_training_finished_at")),
        comment=given.text("ss_training_comment"),
        tags=_tags(metadata),
    )


class _Given:
    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = metadata

    def text(self, key: str) -> str | None:
        value = _clean(self._metadata.get(key, "")[:500]).strip()
        return None if value in ("", "None", "null") else value

    def number(self, key: str) -> float | None:
        try:
            value = float(self._metadata.get(key, "")[:40])
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def whole(self, *keys: str) -> int | None:
        values = (self.number(key) for key in keys)
        return next((int(value) for value in values if value is not None and abs(value) < 2**53), None)


def _json(metadata: Mapping[str, str], key: str) -> Any:
    """The JSON held in a text of the metadata, None when there is none, or too much of it."""
    text = metadata.get(key, "")
    if len(text) > MAX_JSON:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _mappings(tree: Any) -> Iterable[dict[str, Any]]:
    values = list(tree.values())[:MAX_DATASETS] if isinstance(tree, dict) else []
    return [value for value in values if isinstance(value, dict)]


def _tags(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    counted: Counter[str] = Counter()
    for dataset in _mappings(_json(metadata, "ss_tag_frequency")):
        for tag, count in dataset.items():
            if type(count) is int and 0 < count < 2**31:
                counted[" ".join(tag.split())[:MAX_TAG]] += count
    del counted[""]
    # Sorted by name where counts are equal, so that the same file always tells the same.
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple((_clean(tag), count) for tag, count in ranked[:MAX_TAGS])


def _dataset_images(metadata: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Distinct images and the number of their folders; repeats are not counted."""
    folders = list(_mappings(_json(metadata, "ss_dataset_dirs")))
    if not folders:
        datasets = _json(metadata, "ss_datasets")
        listed = datasets[:MAX_DATASETS] if isinstance(datasets, list) else []
        for dataset in listed:
            subsets = dataset.get("subsets") if isinstance(dataset, dict) else None
            folders += [item for item in (subsets or [])[:MAX_DATASETS] if isinstance(item, dict)]
    counts = [folder.get("img_count") for folder in folders]
    known = [count for count in counts if type(count) is int and 0 <= count < 2**31]
    return (sum(known), len(folders)) if known else (None, None)


def _resolution(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    numbers = [int(number) for number in re.findall(r"[0-9]{1,5}", metadata.get("ss_resolution", "")[:60])]
    if not numbers:
        return None
    return numbers[0], numbers[1] if len(numbers) > 1 else numbers[0]


def _moment(seconds: float | None) -> datetime | None:
    # 2020 to 2100: anything else is no time of a training.
    if seconds is None or not 1_577_836_800 <= seconds <= 4_102_444_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def summary(header: ModelHeader, *, tensors: bool = False) -> dict[str, Any]:
    """A JSON-ready account of a header for viewers; with `tensors`, the list of all of them as well."""
    told: dict[str, Any] = {
        "format": header.format,
        "tensorCount": header.tensor_count,
        "parameters": header.parameters,
        "dtypes": dict(header.dtypes),
        "metadata": dict(header.metadata),
        "modelspec": dict(header.modelspec),
        "triggerWords": list(header.trigger_words),
        "cut": header.cut,
        "training": _told(header.training),
    }
    if tensors:
        told["tensors"] = [
            {"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "size": t.size} for t in header.tensors
        ]
    return told


def _told(found: Training | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told: dict[str, Any] = {}
    for name in Training.__dataclass_fields__:
        value = getattr(found, name)
        if value is None or value == ():
            continue
        head, *rest = name.split("_")
        key = head + "".join(word.capitalize() for word in rest)
        told[key] = value.isoformat() if isinstance(value, datetime) else value
    if found.tags:
        told["tags"] = [{"tag": tag, "count": count} for tag, count in found.tags]
    if found.resolution:
        told["resolution"] = list(found.resolution)
    return told


def is_container(prefix: bytes, file_size: int) -> bool:
    """Whether a file that begins so may be read by `read`."""
    return prefix[:4] == gguf.MAGIC or safetensors.looks_like(prefix, file_size)
