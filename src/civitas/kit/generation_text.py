"""The text that image generators write beside a picture, read into and written from Civitai's `meta` fields.

The format is the one AUTOMATIC1111's web UI introduced: the prompt, then a line `Negative prompt: ...`, then one
line of `Key: value` pairs that begins with `Steps: `. Forge, reForge and Civitai's own generator write it too.
Reading is linear in the length of the text, never raises, and keeps whatever could be understood.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

MAX_TEXT: Final = 2 * 1024 * 1024
"""Characters that are read; the rest is ignored."""
MAX_PAIRS: Final = 400
MAX_VALUE: Final = 64 * 1024
MAX_DEPTH: Final = 64
MAX_RESOURCES: Final = 200
MAX_JSON: Final = 128 * 1024
_MAX_MISSES: Final = 3
_MAX_BRACKETS: Final = 20_000

_KEY = re.compile(r"[A-Za-z][\w \-/.()+&]{0,79}", re.ASCII)
_STEPS_LINE = re.compile(r"^Steps: ?\d", re.MULTILINE)
_STEPS_INLINE = re.compile(r"(?:^|[\s,])(Steps: ?\d)")
_NEGATIVE_LINE = re.compile(r"^Negative prompt:", re.MULTILINE)
_NEGATIVE_INLINE = re.compile(r"(?:^|\s)Negative prompt:")
_BRACKET = re.compile(r'["\\{}\[\]]')
_SEPARATOR = re.compile(r"[,\n]")
_ENDS = re.compile(r"[ \t]*(?:[,\n]|$)")
_NEEDS_QUOTES = re.compile(r'[,\n:"]')
_SIZE = re.compile(r"\s*(\d{1,6})\s*[xX\u00d7]\s*(\d{1,6})\s*")
_INTEGER = re.compile(r"[+-]?\d{1,20}")
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?")
_NETWORK = re.compile(r"<(lora|lyco|hypernet):([^<>:\n]{1,200}):([^<>\n]{0,80})>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

_INTEGERS: Final = {"Steps": "steps", "Seed": "seed", "Clip skip": "clipSkip"}
_NUMBERS: Final = {"CFG scale": "cfgScale", "Denoising strength": "denoise"}
_WORDS: Final = {"Sampler": "sampler", "Schedule type": "scheduler"}
_JSON: Final = {"Civitai resources": "civitaiResources", "Civitai metadata": "extra", "Hashes": "hashes"}
_TO_TEXT: Final = {
    field: key for table in (_INTEGERS, _NUMBERS, _WORDS, _JSON) for key, field in table.items()
}
_ORDER: Final = (
    "steps",
    "sampler",
    "scheduler",
    "cfgScale",
    "seed",
    "Size",
    "Model hash",
    "Model",
    "VAE hash",
    "VAE",
)
_LAST: Final = ("hashes", "Version", "civitaiResources", "extra")
_KNOWN: Final = {*_INTEGERS, *_NUMBERS, *_JSON, "Size"}
_NOT_PAIRS: Final = {"prompt", "negativePrompt", "width", "height", "resources", "comfy"}


def clean_text(text: str) -> str:
    """The text without NUL, other control characters and lone surrogates, with `\\n` line ends: safe to store."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def load_json(text: str, *, limit: int = MAX_TEXT) -> Any:
    """Tolerant JSON of strangers: NaN and Infinity become None, strings are cleaned, depth and size are bounded.

    Raises ValueError when it is not JSON, is longer than `limit` characters or nested deeper than `MAX_DEPTH`.
    """
    if len(text) > limit:
        raise ValueError("the JSON text is too long")
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return _bounded(value, 0)


def parse_parameters(text: str, faults: list[str] | None = None) -> dict[str, Any]:
    """Civitai `meta` fields found in an A1111 text; `{}` when there are none. Never raises.

    Gives prompt, negativePrompt, steps, sampler, scheduler, cfgScale, seed, clipSkip, denoise, Size with width and
    height, hashes, civitaiResources, extra (Civitai metadata) and resources; any other key stays under its own
    name as text. A field that cannot be read is left out and never loses the others; `faults` gets a sentence for each.
    """
    text = clean_text(text[:MAX_TEXT])
    head, tail = _split(text)
    prompt, negative = _prompts(head, inline="\n" not in text.strip())
    meta: dict[str, Any] = {}
    if prompt:
        meta["prompt"] = prompt
    if negative:
        meta["negativePrompt"] = negative
    for key, value in _pairs(tail):
        before = len(meta)
        _take(meta, key, value)
        if faults is not None and len(meta) == before and key in _KNOWN and key not in _seen(meta):
            faults.append(f"{key}: {str(value)[:60]!r} cannot be read.")
    _gather_hashes(meta)
    resources = resources_of(meta)
    if resources:
        meta["resources"] = resources
    return meta


def write_parameters(meta: Mapping[str, Any]) -> str:
    """The A1111 text of Civitai `meta` fields: `parse_parameters(write_parameters(m))` gives `m` back.

    That holds when `m` has `steps`, its texts are clean and stripped, and no line of the prompt begins with
    `Negative prompt:` (such a line is moved right by one space, because the format cannot quote it).
    `resources` is derived from the prompt and the hashes, so it is not written; `comfy` is not either.
    """
    lines = []
    prompt = clean_text(str(meta.get("prompt") or "")).strip()
    negative = clean_text(str(meta.get("negativePrompt") or "")).strip()
    lines.append(_NEGATIVE_LINE.sub(" Negative prompt:", prompt))
    if negative:
        lines.append(f"Negative prompt: {negative}")
    pairs = [f"{key}: {value}" for key, value in _written(meta)]
    if pairs:
        lines.append(", ".join(pairs))
    return "\n".join(lines)


def resources_of(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Models named by a prompt's `<lora:name:weight>` words and by `hashes`: `{type, name?, weight?, hash?}` each."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    hashes = meta.get("hashes")
    hashes = hashes if isinstance(hashes, Mapping) else {}
    name = meta.get("Model")
    model_hash = hashes.get("model") or meta.get("Model hash")
    if isinstance(name, str) or isinstance(model_hash, str):
        found["model", ""] = {"type": "model", "name": name, "hash": model_hash}
    for match in _NETWORK.finditer(str(meta.get("prompt") or "")):
        kind, called = match[1], match[2].strip()
        weight = _number(match[3].split(":")[0].strip())
        found.setdefault(
            (kind, called), {"type": kind, "name": called, "weight": 1 if weight is None else weight}
        )
        if len(found) >= MAX_RESOURCES:
            break
    for key, value in hashes.items():
        kind, colon, called = str(key).partition(":")
        if not isinstance(value, str) or kind == "model" or len(found) >= MAX_RESOURCES:
            continue
        entry = found.setdefault((kind, called), {"type": kind, "name": called if colon else None})
        entry["hash"] = value
    return [{k: v for k, v in entry.items() if v is not None and v != ""} for entry in found.values()]


def _split(text: str) -> tuple[str, str]:
    for pattern, group in ((_STEPS_LINE, 0), (_STEPS_INLINE, 1)):
        starts = [match.start(group) for match in pattern.finditer(text)]
        if starts:
            return text[: starts[-1]], text[starts[-1] :]
    head, newline, line = text.rstrip().rpartition("\n")
    known = {*_INTEGERS, *_NUMBERS, *_WORDS, *_JSON, "Size", "Model", "Model hash", "Version"}
    if len({key for key, _ in _pairs(line)} & known) >= 2:
        return head + newline, line
    return text, ""


def _prompts(head: str, *, inline: bool) -> tuple[str, str]:
    match = (_NEGATIVE_INLINE if inline else _NEGATIVE_LINE).search(head)
    if match is None:
        return head.strip(" \n\t,") if inline else head.strip(), ""
    return head[: match.start()].strip(), head[match.end() :].strip(" \n\t,") if inline else head[
        match.end() :
    ].strip()


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    """`Key: value` pairs in one pass; a value is JSON or plain, and a plain one ends at a comma that a key follows."""
    decoder = json.JSONDecoder(
        parse_constant=lambda _: None, parse_float=_finite, parse_int=_whole, strict=False
    )
    at, misses, count = 0, 0, 0
    key, parts = "", list[str]()
    while at < len(text):
        while at < len(text) and text[at] in ", \n\t":
            at += 1
        match = _KEY.match(text, at)
        if match is None or not text.startswith(":", match.end()):
            end = _next_comma(text, at)
            if key:
                parts.append(text[at:end].strip())
            at = end
            continue
        if key:
            yield key, ", ".join(parts)
        count += 1
        if count > MAX_PAIRS:
            return
        key, parts = match[0].strip(), []
        at = match.end() + 1
        while at < len(text) and text[at] in " \t":
            at += 1
        if at < len(text) and text[at] in '"{[' and misses < _MAX_MISSES:
            end, value = _json_at(decoder, text, at)
            if end > at:
                if value is not None:
                    yield key, value
                key, at = "", end
                continue
            misses += 1
        end = _next_comma(text, at)
        parts.append(text[at:end].strip())
        at = end
    if key:
        yield key, ", ".join(parts)


def _next_comma(text: str, at: int) -> int:
    match = _SEPARATOR.search(text, at)
    return len(text) if match is None else match.start()


def _json_at(decoder: json.JSONDecoder, text: str, at: int) -> tuple[int, Any]:
    """Where the JSON at `at` ends, with its value; a value of None when only its end is known, `at` when neither."""
    piece = text[at : at + MAX_JSON]
    try:
        value, length = decoder.raw_decode(piece)
    except (ValueError, RecursionError):
        return (at + _balanced(piece) if piece[0] != '"' else at), None
    if not _ENDS.match(piece, length):
        return at, None
    try:
        return at + length, _bounded(value, 0)
    except ValueError:
        return at + length, None


def _balanced(piece: str) -> int:
    """Length of the bracketed text that `piece` begins with, strings minded; 0 when it does not close in bounds."""
    depth, quoted, skip = 0, False, -1
    for count, match in enumerate(_BRACKET.finditer(piece)):
        mark, at = match[0], match.start()
        if count > _MAX_BRACKETS or depth > MAX_DEPTH:
            break
        if at == skip:
            continue
        if mark == "\\":
            skip = at + 1
        elif mark == '"':
            quoted = not quoted
        elif not quoted:
            depth += 1 if mark in "{[" else -1
            if depth == 0:
                return match.end()
    return 0


def _take(meta: dict[str, Any], key: str, value: Any) -> None:
    if key in _INTEGERS or key in _NUMBERS:
        number = _number(str(value).strip())
        if number is not None and (key in _NUMBERS or number == int(number)):
            meta[_NUMBERS.get(key) or _INTEGERS[key]] = number if key in _NUMBERS else int(number)
    elif key in _WORDS:
        if isinstance(value, str) and value:
            meta[_WORDS[key]] = value[:MAX_VALUE]
    elif key in _JSON:
        kept = _KEEPERS[key](value)
        if kept:
            meta[_JSON[key]] = kept
    elif key == "Size":
        size = _SIZE.fullmatch(str(value)[:40])
        if size:
            meta["width"], meta["height"] = int(size[1]), int(size[2])
            meta["Size"] = f"{meta['width']}x{meta['height']}"
    elif key not in _NOT_PAIRS and key not in _TO_TEXT:
        meta[key] = value[:MAX_VALUE] if isinstance(value, str) else value


def _seen(meta: Mapping[str, Any]) -> set[str]:
    """The keys of fields that were read already; a second value of one is no fault."""
    return {_TO_TEXT.get(field, field) for field in meta}


def _only_hashes(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    kept = {str(k)[:300]: v[:200] for k, v in value.items() if isinstance(v, str) and k and v}
    return dict(list(kept.items())[:MAX_RESOURCES])


def _only_resources(value: Any) -> list[dict[str, Any]]:
    return (
        [entry for entry in value if isinstance(entry, dict)][:MAX_RESOURCES]
        if isinstance(value, list)
        else []
    )


def _only_mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_KEEPERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Hashes": _only_hashes,
    "Civitai resources": _only_resources,
    "Civitai metadata": _only_mapping,
}


def _gather_hashes(meta: dict[str, Any]) -> None:
    hashes: dict[str, str] = dict(meta.get("hashes") or {})
    for key, kind in (("Model hash", "model"), ("VAE hash", "vae")):
        value = meta.get(key)
        if isinstance(value, str) and value:
            hashes.setdefault(kind, value[:200])
    for key, kind in (("Lora hashes", "lora"), ("TI hashes", "embed")):
        value = meta.get(key)
        for pair in value.split(",")[:MAX_RESOURCES] if isinstance(value, str) else ():
            name, colon, digest = pair.rpartition(":")
            if colon and name.strip() and digest.strip():
                hashes.setdefault(f"{kind}:{name.strip()[:290]}", digest.strip()[:200])
    if hashes:
        meta["hashes"] = hashes


def _written(meta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fields = dict(meta)
    if (
        "Size" not in fields
        and isinstance(fields.get("width"), int)
        and isinstance(fields.get("height"), int)
    ):
        fields["Size"] = f"{fields['width']}x{fields['height']}"
    others = [
        field for field in fields if field not in _ORDER and field not in _LAST and field not in _NOT_PAIRS
    ]
    for field in (*_ORDER, *others, *_LAST):
        value = fields.get(field)
        key = _TO_TEXT.get(field, field)
        named = _KEY.fullmatch(key) and key == key.strip()
        if value is None or not named or (key in _TO_TEXT.values() and field not in _TO_TEXT):
            continue
        try:
            yield key, _value_text(value)
        except ValueError:
            continue


def _value_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return json.dumps(_bounded(value, 0), ensure_ascii=False, default=str)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    text = clean_text(str(value))
    plain = not _NEEDS_QUOTES.search(text) and text == text.strip() and text[:1] not in ("{", "[")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _number(text: str) -> int | float | None:
    if _INTEGER.fullmatch(text):
        return _whole(text)
    return _finite(text) if _NUMBER.fullmatch(text) else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | float | None:
    # Larger ones are kept by nothing that stores JSON.
    number = int(text) if len(text) <= 40 else None
    return number if number is not None and -(2**63) <= number < 2**64 else _finite(text)


def _bounded(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("the JSON is nested too deeply")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(k)): _bounded(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(v, depth + 1) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
