"""Textual inversions: a word of the prompt stands for vectors. Nothing is added to tokenizer or encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from civitas.engines.diffusers.errors import ModelUnsupported
from civitas.engines.diffusers.requests import Embedding, Notice
from civitas.engines.diffusers.tensors import read_tensors

if TYPE_CHECKING:
    import torch

_XL: Final = ("clip_l", "clip_g")


def load(
    embeddings: Sequence[Embedding], widths: Sequence[int]
) -> tuple[list[dict[str, torch.Tensor]], tuple[Notice, ...]]:
    """The vectors by word (in small letters) for each text encoder, given their widths.

    Raises `WeightsCorrupt`, and `ModelUnsupported` when an embedding fits none of the encoders.
    """
    tables: list[dict[str, torch.Tensor]] = [{} for _ in widths]
    notices: list[Notice] = []
    for embedding in embeddings:
        tensors = read_tensors(embedding.path, embedding.title)
        fitted = 0
        for index, width in enumerate(widths):
            vectors = _for_encoder(tensors, index, width)
            if vectors is not None:
                tables[index][embedding.word.lower()] = vectors
                fitted += 1
        if not fitted:
            raise ModelUnsupported(f"The embedding {embedding.title} was made for another kind of model.")
        if fitted < len(widths):
            notices.append(
                Notice(
                    "embedding_partly",
                    f"The embedding {embedding.title} speaks to one of the text encoders only.",
                )
            )
    return tables, tuple(notices)


def _for_encoder(tensors: dict[str, Any], index: int, width: int) -> Any:
    named = tensors.get(_XL[index]) if index < len(_XL) else None
    found = [named] if named is not None else [v for k, v in tensors.items() if k not in _XL]
    for value in found:
        vectors = value if value.ndim == 2 else value[None] if value.ndim == 1 else None
        if vectors is not None and vectors.shape[1] == width:
            return vectors
    return None
