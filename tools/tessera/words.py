"""Tessera's tokenizer: CLIP's byte-level BPE with a small vocabulary of its own, and its text encoder.

Every word of the world is one token; anything else falls apart into letters, so that any prompt can be read.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path

from tools.tessera import scenes
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
FILLERS = (
    "a picture of", "a drawing of", "an image of", "a photo of", "a painting of", "an illustration of",
)  # fmt: skip
PRAISE = (
    "masterpiece",
    "best quality",
    "detailed",
    "beautiful",
    "high quality",
    "simple",
    "cute",
    "colorful",
)
MORE = (
    "in", "with", "by", "to", "is", "it", "from", "under", "over", "near", "next", "one", "big", "little", "day", "night",
    "light", "dark", "bright", "sky", "sun", "water", "ground", "style", "art", "ink", "mosaic", "pixel", "dusk", "low",
    "bad", "worst", "blurry", "ugly", "no", "not", "very", "black", "grey", "gray", "turquoise", "teal",
    "white", "snow", "ring", "rings", "tree", "trees",
)  # fmt: skip
LENGTH = 77


def byte_letters() -> list[str]:
    """The printable stand-ins of the 256 bytes, as CLIP's byte-level BPE orders them."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in kept]
    letters += [chr(256 + i) for i in range(256 - len(kept))]
    return letters


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """BPE merges, most frequent pair first, until every word is a single token."""
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for split in pieces.values() for pair in itertools.pairwise(split))
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, split in pieces.items():
            pieces[word] = _merged(split, best)


def _merged(split: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(split):
        if i + 1 < len(split) and (split[i], split[i + 1]) == pair:
            out.append(split[i] + split[i + 1])
            i += 2
        else:
            out.append(split[i])
            i += 1
    return out


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """Make vocab.json, merges.txt and the configuration in `folder`."""
    words = {w for text in (*scenes.words_of_world(), *FILLERS, *PRAISE, *MORE) for w in text.split()} - {","}
    merges = learn_merges(sorted(words))
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    vocab = {token: i for i, token in enumerate(tokens)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH, pad_token=END)
    tokenizer.save_pretrained(folder)
    return tokenizer


def new_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
            projection_dim=128,
        )
    )


def spoken(scene: scenes.Scene, rng: random.Random) -> str:
    """The caption as a person might put it: at times with an opening, words of praise, or no ground; 1 in 10 empty."""
    if rng.random() < 0.1:
        return ""
    words = scene.words if rng.random() < 0.08 else scene.caption
    if rng.random() < 0.12:
        words = f"{rng.choice(FILLERS)} {words}"
    if rng.random() < 0.1:
        words = f"{words}, {rng.choice(PRAISE)}"
    return words
