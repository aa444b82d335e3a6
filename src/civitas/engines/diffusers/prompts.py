"""Prompts as people write them for Stable Diffusion, and what the text encoders make of them.

`(word)` is 1.1 times as strong, `(word:1.3)` as strong as it says, `[word]` 1/1.1; `\\(` is a bracket. `BREAK` begins a
new chunk. Prompts of any length are encoded 75 tokens at a time. An embedding's word stands for its vectors.
`<lora:name:1>` marks are taken out: which adapters are used is the request's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

CHUNK: Final = 75
MAX_CHUNKS: Final = 24
"""Longer prompts are cut: 1,800 tokens."""
_COMMA_REACH: Final = 20
_LIMIT: Final = (0.0, 10.0)

_MARKS = re.compile(r"\\\\|\\\(|\\\)|\\\[|\\\]|\\|\(|\[|:\s*([+-]?[\d.]{1,12})\s*\)|\)|\]|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_NETWORK = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{1,300}>")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of one strength; a `BREAK` is a piece of its own."""

    text: str
    weight: float = 1.0
    breaks: bool = False


@dataclass(slots=True)
class Chunk:
    """Up to 75 tokens with their strengths; `vectors` replaces tokens by vectors of embeddings, by position."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    vectors: dict[int, Any] = field(default_factory=dict)


def parse(text: str) -> list[Piece]:
    """The pieces of a prompt. Unclosed brackets are closed at the end; nothing raises."""
    text = _NETWORK.sub("", text)
    pieces: list[Piece] = []
    rounds: list[int] = []
    squares: list[int] = []

    def scale(start: int, by: float) -> None:
        for i in range(start, len(pieces)):
            piece = pieces[i]
            weight = min(_LIMIT[1], max(_LIMIT[0], piece.weight * by))
            pieces[i] = Piece(piece.text, weight, piece.breaks)

    for match in _MARKS.finditer(text):
        mark, number = match[0], match[1]
        if mark.startswith("\\") and len(mark) == 2:
            pieces.append(Piece(mark[1]))
        elif mark == "(":
            rounds.append(len(pieces))
        elif mark == "[":
            squares.append(len(pieces))
        elif number is not None and rounds:
            scale(rounds.pop(), _number(number))
        elif mark == ")" and rounds:
            scale(rounds.pop(), 1.1)
        elif mark == "]" and squares:
            scale(squares.pop(), 1 / 1.1)
        else:
            pieces.extend(_parts(mark))
    for start in rounds:
        scale(start, 1.1)
    for start in squares:
        scale(start, 1 / 1.1)
    return _joined(pieces)


def plain(text: str) -> str:
    """The prompt without weights, for models whose encoders do not know them."""
    return "".join(" " if piece.breaks else piece.text for piece in parse(text)).strip()


def weighted(text: str) -> bool:
    """Whether a prompt asks for strengths or chunks."""
    pieces = parse(text)
    return any(piece.weight != 1 or piece.breaks for piece in pieces)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _parts(text: str) -> Iterator[Piece]:
    for i, part in enumerate(_BREAK.split(text)):
        if i:
            yield Piece("", breaks=True)
        if part:
            yield Piece(part)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        if out and not piece.breaks and not out[-1].breaks and out[-1].weight == piece.weight:
            out[-1] = Piece(out[-1].text + piece.text, piece.weight)
        else:
            out.append(piece)
    return out


def chunks(text: str, tokenizer: Any, embeddings: Mapping[str, Any]) -> tuple[list[Chunk], bool]:
    """The chunks of a prompt for one tokenizer, and whether it had to be cut; at least one chunk.

    `embeddings` maps words, in small letters, to a tensor of vectors each.
    """
    finder = _finder(embeddings)
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    done: list[Chunk] = []
    now = Chunk()
    last_comma = -1

    def close() -> None:
        nonlocal now, last_comma
        done.append(now)
        now, last_comma = Chunk(), -1

    def room(need: int) -> None:
        nonlocal now, last_comma
        if len(now.tokens) + need <= CHUNK:
            return
        cut = last_comma + 1
        if last_comma < 0 or len(now.tokens) - cut > _COMMA_REACH or any(at >= cut for at in now.vectors):
            close()
            return
        rest = Chunk(now.tokens[cut:], now.weights[cut:])
        now.tokens, now.weights = now.tokens[:cut], now.weights[:cut]
        close()
        now = rest

    for piece in parse(text):
        if piece.breaks:
            close()
            continue
        for words, vectors in _spans(piece.text, finder, embeddings):
            if vectors is not None:
                count = min(len(vectors), CHUNK)
                room(count)
                for i in range(count):
                    now.vectors[len(now.tokens)] = vectors[i]
                    now.tokens.append(tokenizer.eos_token_id)
                    now.weights.append(piece.weight)
                continue
            for token in tokenizer(
                words, add_special_tokens=False, truncation=False, verbose=False
            ).input_ids:
                room(1)
                if token == comma:
                    last_comma = len(now.tokens)
                now.tokens.append(token)
                now.weights.append(piece.weight)
        if len(done) >= MAX_CHUNKS:
            return done[:MAX_CHUNKS], True
    if now.tokens or not done:
        close()
    return done[:MAX_CHUNKS], len(done) > MAX_CHUNKS


def _finder(embeddings: Mapping[str, Any]) -> re.Pattern[str] | None:
    if not embeddings:
        return None
    words = "|".join(re.escape(word) for word in sorted(embeddings, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)


def _spans(
    text: str, finder: re.Pattern[str] | None, embeddings: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    at = 0
    for match in finder.finditer(text) if finder else ():
        if text[at : match.start()].strip():
            yield text[at : match.start()], None
        yield match[0], embeddings[match[0].lower()]
        at = match.end()
    if text[at:].strip():
        yield text[at:], None


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the U-Net is given for one prompt; `pooled` for SDXL."""

    states: torch.Tensor
    pooled: torch.Tensor | None


def encode(
    encoder: Any, tokenizer: Any, parts: Sequence[Chunk], *, skip: int, normed: bool, pad: int
) -> Encoded:
    """Encode chunks and lay them end to end. `skip` 1 is the last layer, 2 the one before; `normed` applies the final norm.

    Strengths multiply the states and the mean is restored afterwards, as A1111 does.
    """
    import torch

    device = encoder.device
    eos, bos = tokenizer.eos_token_id, tokenizer.bos_token_id
    rows, strengths, replaced = [], [], []
    for index, part in enumerate(parts):
        fill = CHUNK - len(part.tokens)
        rows.append([bos, *part.tokens, eos, *([pad] * fill)])
        strengths.append([1.0, *part.weights, *([1.0] * (fill + 1))])
        replaced += [(index, at + 1, vector) for at, vector in part.vectors.items()]
    ids = torch.tensor(rows, device=device)
    handle = _with_vectors(encoder, replaced)
    try:
        with torch.no_grad():
            out = encoder(ids, output_hidden_states=True)
    finally:
        if handle is not None:
            handle.remove()
    states = out.hidden_states[-skip] if skip > 1 or not normed else out.last_hidden_state
    inner = getattr(encoder, "text_model", encoder)
    if normed and skip > 1:
        with torch.no_grad():
            states = inner.final_layer_norm(states)
    scale = torch.tensor(strengths, device=device, dtype=states.dtype)[..., None]
    if not bool((scale == 1).all()):
        before = states.float().mean((1, 2), keepdim=True)
        states = states * scale
        after = states.float().mean((1, 2), keepdim=True)
        ratio = torch.where(after.abs() > 1e-6, before / after, torch.ones_like(after))
        states = states * ratio.clamp(-10, 10).to(states.dtype)
    pooled = getattr(out, "text_embeds", None)
    return Encoded(states.reshape(1, -1, states.shape[-1]), None if pooled is None else pooled[:1])


def _with_vectors(encoder: Any, replaced: Sequence[tuple[int, int, Any]]) -> Any:
    if not replaced:
        return None
    table = encoder.get_input_embeddings()

    def replace(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        for row, at, vector in replaced:
            output[row, at] = vector.to(output)
        return output

    return table.register_forward_hook(replace)
