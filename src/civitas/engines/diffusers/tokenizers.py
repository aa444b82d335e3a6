"""CLIP's tokenizer for Stable Diffusion and SDXL, from the list of merges that is in `configs/clip`."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path
from typing import Any, Final

from civitas.engines.diffusers.families import CONFIGS

START, END = "<|startoftext|>", "<|endoftext|>"
_MERGES: Final = CONFIGS / "clip" / "merges.txt.gz"


def letters() -> list[str]:
    """The printable stand-ins of the 256 bytes in CLIP's order: those that print first, then the others from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in kept] + [chr(256 + i) for i in range(256 - len(kept))]


@functools.cache
def _words(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        pairs = [tuple(line.split()) for line in file]
    merges = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    alphabet = letters()
    tokens = [*alphabet, *(a + "</w>" for a in alphabet), *(a + b for a, b in merges), START, END]
    return {token: i for i, token in enumerate(tokens)}, merges


def clip_tokenizer(*, pad: str = END) -> Any:
    """A transformers tokenizer with CLIP's 49,408 tokens; SDXL's second one pads with `!`."""
    from transformers import CLIPTokenizer

    vocab, merges = _words(_MERGES)
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=77)
