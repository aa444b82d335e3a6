"""Two versions side by side: what their creators say, their files, what is in them, and samples of one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import lineage, policy
from civitas.domains.catalog.tables import FileHeader, Model, ModelFile, ModelVersion, VersionPreview

MAX_LISTED = 200
MAX_SAMPLES = 20
_FIELDS = (
    ("baseModel", "base_model"),
    ("baseModelType", "base_model_type"),
    ("trainedWords", "trained_words"),
    ("steps", "steps"),
    ("epochs", "epochs"),
    ("clipSkip", "clip_skip"),
    ("strength", "strength"),
    ("minStrength", "min_strength"),
    ("maxStrength", "max_strength"),
    ("usageControl", "usage_control"),
    ("publishedAt", "published_at"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two; `changelog` is Markdown."""

    version_id: int
    version_name: str
    model_id: int
    model_name: str
    model_type: str
    changelog: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on both sides, JSON-ready; None where a side has it not."""

    name: str
    left: Any
    right: Any

    @property
    def equal(self) -> bool:
        """Whether both sides say the same."""
        return bool(self.left == self.right)


@dataclass(frozen=True, slots=True)
class FilePair:
    """Files that play the same part; `identical` when their bytes are the same."""

    left: Mapping[str, Any] | None
    right: Mapping[str, Any] | None
    identical: bool


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A tensor that both have in another shape or type."""

    name: str
    left_dtype: str
    right_dtype: str
    left_shape: tuple[int, ...]
    right_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """Tensors of the main files. Lists hold the first two hundred; the counts are complete."""

    same: int
    added: int
    removed: int
    changed: int
    added_names: tuple[str, ...]
    removed_names: tuple[str, ...]
    changes: tuple[TensorChange, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture of one side."""

    image_id: int
    key: str
    name: str
    width: int
    height: int
    blurhash: str | None
    nsfw_level: int


@dataclass(frozen=True, slots=True)
class SamplePair:
    """Pictures of one prompt, and of one seed when `same_seed`."""

    prompt: str
    same_seed: bool
    left: Sample
    right: Sample


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything about two versions. `tensors` is None when one of the main files has no readable header."""

    left: Side
    right: Side
    fields: tuple[Difference, ...]
    files: tuple[FilePair, ...]
    training: tuple[Difference, ...]
    metadata: tuple[Difference, ...]
    tensors: TensorDifference | None
    samples: tuple[SamplePair, ...]


async def compare(session: AsyncSession, actor: Actor, *, left_id: int, right_id: int) -> Comparison:
    """Compare two versions that the actor may see; eight statements. Raises NotFound."""
    left_model, left = await lineage.visible_version(session, actor, version_id=left_id)
    right_model, right = await lineage.visible_version(session, actor, version_id=right_id)
    left_files = await _files(session, actor, left_id)
    right_files = await _files(session, actor, right_id)
    left_header = await _header(session, left_files)
    right_header = await _header(session, right_files)
    samples = await _samples(session, actor, left_id, right_id)
    return Comparison(
        left=_side(left_model, left),
        right=_side(right_model, right),
        fields=_fields(left, right),
        files=_pair_files(left_files, right_files),
        training=_keys(_training(left_header), _training(right_header)),
        metadata=_keys(_metadata(left_header), _metadata(right_header)),
        tensors=_tensors(left_header, right_header),
        samples=samples,
    )


def _side(model: Model, version: ModelVersion) -> Side:
    return Side(version.id, version.name, model.id, model.name, model.type, version.description)


def _fields(left: ModelVersion, right: ModelVersion) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, getattr(left, attribute), getattr(right, attribute)) for name, attribute in _FIELDS
    )


async def _files(session: AsyncSession, actor: Actor, version_id: int) -> list[ModelFile]:
    found = await session.scalars(
        select(ModelFile)
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelFile.version_id == version_id, policy.files_visible_to(actor))
        .order_by(ModelFile.is_primary.desc(), ModelFile.id)
    )
    return list(found.all())


def _facts(file: ModelFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "name": file.name,
        "type": file.type,
        "format": file.format,
        "size": file.size,
        "precision": file.precision,
        "quantisation": file.quantisation,
        "scan": file.scan_status,
    }


def _pair_files(left: Sequence[ModelFile], right: Sequence[ModelFile]) -> tuple[FilePair, ...]:
    """Equal bytes first, then files of the same type, format and precision; the rest stays alone."""
    pairs: list[FilePair] = []
    waiting = list(right)
    alone: list[ModelFile] = []

    def take(file: ModelFile, same: Any) -> ModelFile | None:
        match = next((other for other in waiting if same(file, other)), None)
        if match is not None:
            waiting.remove(match)
        return match

    for file in left:
        match = take(file, lambda a, b: a.blob_id is not None and a.blob_id == b.blob_id)
        if match is not None:
            pairs.append(FilePair(_facts(file), _facts(match), True))
        else:
            alone.append(file)
    for file in alone:
        match = take(file, lambda a, b: (a.type, a.format, a.precision) == (b.type, b.format, b.precision))
        match = match or take(file, lambda a, b: a.type == b.type)
        pairs.append(FilePair(_facts(file), _facts(match) if match else None, False))
    pairs += [FilePair(None, _facts(file), False) for file in waiting]
    return tuple(pairs)


async def _header(session: AsyncSession, files: Sequence[ModelFile]) -> FileHeader | None:
    if not files:
        return None
    return await session.get(FileHeader, files[0].id)


def _training(header: FileHeader | None) -> Mapping[str, Any]:
    return header.training or {} if header is not None else {}


def _metadata(header: FileHeader | None) -> Mapping[str, Any]:
    return header.metadata_ if header is not None else {}


def _keys(left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every key of either side that differs, then those that are equal, two hundred at most."""
    found = [Difference(key, left.get(key), right.get(key)) for key in sorted({*left, *right})]
    return tuple(sorted(found, key=lambda one: one.equal)[:MAX_LISTED])


def _tensors(left: FileHeader | None, right: FileHeader | None) -> TensorDifference | None:
    if left is None or right is None or not left.tensors or not right.tensors:
        return None
    before = {tensor["name"]: (tensor["dtype"], tuple(tensor["shape"])) for tensor in left.tensors}
    after = {tensor["name"]: (tensor["dtype"], tuple(tensor["shape"])) for tensor in right.tensors}
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = [name for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    return TensorDifference(
        same=len(before.keys() & after.keys()) - len(changed),
        added=len(added),
        removed=len(removed),
        changed=len(changed),
        added_names=tuple(added[:MAX_LISTED]),
        removed_names=tuple(removed[:MAX_LISTED]),
        changes=tuple(
            TensorChange(name, before[name][0], after[name][0], before[name][1], after[name][1])
            for name in changed[:MAX_LISTED]
        ),
    )


async def _samples(
    session: AsyncSession, actor: Actor, left_id: int, right_id: int
) -> tuple[SamplePair, ...]:
    rows = await session.scalars(
        select(VersionPreview)
        .where(
            VersionPreview.version_id.in_([left_id, right_id]),
            VersionPreview.nsfw_level.op("&")(actor.mask) != 0,
            VersionPreview.meta.is_not(None),
        )
        .order_by(VersionPreview.position, VersionPreview.image_id)
    )
    pictures = [(row, *_recipe(row.meta)) for row in rows.all()]
    left = [entry for entry in pictures if entry[0].version_id == left_id and entry[1]]
    right = [entry for entry in pictures if entry[0].version_id == right_id and entry[1]]
    pairs: list[SamplePair] = []
    used: set[int] = set()
    for seeded in (True, False):
        for picture, prompt, seed in left:
            if picture.image_id in used:
                continue
            for other, other_prompt, other_seed in right:
                same_seed = seed is not None and seed == other_seed
                if other.image_id not in used and other_prompt == prompt and (same_seed or not seeded):
                    used |= {picture.image_id, other.image_id}
                    pairs.append(SamplePair(prompt, same_seed, _sample(picture), _sample(other)))
                    break
    return tuple(pairs[:MAX_SAMPLES])


def _recipe(meta: Mapping[str, Any] | None) -> tuple[str, str | None]:
    prompt, seed = (meta or {}).get("prompt"), (meta or {}).get("seed")
    words = " ".join(prompt.split()) if isinstance(prompt, str) else ""
    return words, str(seed) if isinstance(seed, int | str) else None


def _sample(row: VersionPreview) -> Sample:
    return Sample(row.image_id, row.key, row.name, row.width, row.height, row.blurhash, row.nsfw_level)
