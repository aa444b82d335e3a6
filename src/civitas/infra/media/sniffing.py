"""What bytes are, by themselves: the types that are taken, whether their structure holds, and what else they could be.

ISO base media (ISO/IEC 14496-12), Matroska and WebM (RFC 9559), RIFF/WAVE, FLAC (RFC 9639), Ogg (RFC 3533), MPEG audio,
ADTS, binary glTF 2.0, ZIP.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from civitas.infra.imaging import headers, heif
from civitas.infra.media.arrived import Kind
from civitas.kit.errors import Unprocessable, Unsupported

_MAX_BOXES: Final = 100_000
_BOXES: Final = frozenset(
    b"ftyp styp moov moof mdat free skip wide uuid meta mfra sidx ssix prft emsg pdin udta pnot PICT mvex".split()
)
_VIDEO_BRANDS: Final = re.compile(
    rb"iso[0-9m]|mp4[12]|avc1|dash|M4V |f4v |3gp.|3g2.|MSNV|hvc1|av01|mmp4|XAVC"
)
_MARKUP_ANYWHERE: Final = {"image/gif", "audio/mpeg", "video/webm", "video/x-matroska", "application/zip"}
TAKEN: Final = (
    "Send a picture (PNG, JPEG, WebP, AVIF, GIF), a video (MP4, WebM, MOV), a sound (MP3, WAV, FLAC, Ogg, M4A), "
    "a GLB model or a ZIP."
)
# What clients call the same thing.
_SAME: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/heif": "image/heic",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heic",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/opus": "audio/ogg",
    "audio/vorbis": "audio/ogg",
    "application/ogg": "audio/ogg",
    "audio/aacp": "audio/aac",
    "video/x-m4v": "video/mp4",
    "video/mkv": "video/x-matroska",
    "audio/webm": "video/webm",
    "application/x-zip-compressed": "application/zip",
}
_SAYS_NOTHING: Final = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"}
)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file is."""

    kind: Kind
    media_type: str


def sniff(path: Path) -> Sniffed:
    """Judge a file by its bytes. Blocking; reads little of it.

    Raises Unsupported (`blob_type`) for types that are not taken, Unprocessable (`blob_broken`, `blob_polyglot`).
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _named(data)
        if found.kind != "image":
            # Pictures are judged by their own reader, all of them and in a sandbox.
            _check_structure(data, found)
            markup = found.media_type in _MARKUP_ANYWHERE
            other = headers.reads_also_as(data, markup=markup)
            if other and not (found.media_type == "application/zip" and other == "a ZIP archive"):
                raise Unprocessable(
                    f"The file is {found.media_type} and {other} at once. Export it again and send the new file.",
                    code="blob_polyglot",
                )
        return found


def check_claim(claimed: str | None, found: Sniffed) -> None:
    """Raise unless a file is what its sender says: Unsupported for types never taken, Unprocessable (`blob_type_lies`)."""
    said = (claimed or "").partition(";")[0].strip().lower()
    said = _SAME.get(said, said)
    if said in _SAYS_NOTHING or said == found.media_type:
        return
    if said == "multipart/form-data" or said.startswith("text/"):
        raise Unsupported(f"{said} is not taken as a blob. {TAKEN}", code="blob_type")
    raise Unprocessable(
        f"The bytes are {found.media_type}, and not {said[:60]} as the Content-Type says. Send the true type, or none.",
        code="blob_type_lies",
        details={"is": found.media_type, "said": said[:60]},
    )


def _named(data: mmap.mmap) -> Sniffed:
    head = data[:64]
    for magic, media_type in (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
    ):
        if head.startswith(magic):
            return Sniffed("image", media_type)
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        return Sniffed("image", "image/webp") if head[8:12] == b"WEBP" else Sniffed("audio", "audio/wav")
    if head[4:8] == b"ftyp":
        return _brand(data)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Sniffed("video", "video/webm" if b"webm" in head else "video/x-matroska")
    if head.startswith(b"fLaC"):
        return Sniffed("audio", "audio/flac")
    if head.startswith(b"OggS"):
        return Sniffed("video", "video/ogg") if b"\x80theora" in data[:512] else Sniffed("audio", "audio/ogg")
    if head.startswith(b"glTF"):
        return Sniffed("model3d", "model/gltf-binary")
    if head.startswith(b"PK\x03\x04"):
        return Sniffed("file", "application/zip")
    if head.startswith(b"ID3") or _is_mpeg_audio(head):
        return Sniffed("audio", "audio/mpeg")
    if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Sniffed("audio", "audio/aac")
    raise Unsupported(f"These bytes are of a type that is not taken. {TAKEN}", code="blob_type")


def _brand(data: mmap.mmap) -> Sniffed:
    length = min(max(int.from_bytes(data[:4], "big"), 16), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    if {b"avif", b"avis"} & set(brands):
        return Sniffed("image", "image/avif")
    if brands[0] in heif.BRANDS:
        return Sniffed("image", "image/heic")
    if brands[0] in (b"M4A ", b"M4B ", b"M4P "):
        return Sniffed("audio", "audio/mp4")
    if brands[0] == b"qt  ":
        return Sniffed("video", "video/quicktime")
    if any(_VIDEO_BRANDS.fullmatch(brand) for brand in brands):
        return Sniffed("video", "video/mp4")
    raise Unsupported(f"These bytes are of a type that is not taken. {TAKEN}", code="blob_type")


def _is_mpeg_audio(head: bytes) -> bool:
    """A frame header with a layer, a bit rate and a sampling rate that exist."""
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x18 != 0x08
        and head[1] & 0x06 != 0
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )


def _check_structure(data: mmap.mmap, found: Sniffed) -> None:
    holds = True
    if found.media_type in ("video/mp4", "video/quicktime", "audio/mp4"):
        holds = _boxes_tile(data)
    elif found.media_type == "audio/wav":
        # Writers that stream leave the size open.
        said = int.from_bytes(data[4:8], "little")
        holds = said in (0, 0xFFFFFFFF, 0x7FFFFFFF) or abs(said + 8 - len(data)) <= 1
    elif found.media_type == "model/gltf-binary":
        holds = data[4:8] == b"\x02\0\0\0" and int.from_bytes(data[8:12], "little") == len(data)
    elif found.media_type == "application/zip":
        holds = headers.reads_also_as(data, markup=False) == "a ZIP archive"
    if not holds:
        raise Unprocessable(
            f"The file begins like {found.media_type} and is cut off, damaged or has something after its end.",
            code="blob_broken",
        )


def _boxes_tile(data: mmap.mmap) -> bool:
    """Whether known boxes fill the file from end to end, and one of them describes what is in it."""
    at, size, described = 0, len(data), False
    for _ in range(_MAX_BOXES):
        if at == size:
            return described
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        elif length == 0:
            length = size - at
        if length < 8 or at + length > size or kind not in _BOXES:
            return False
        described |= kind == b"moov"
        at += length
    return False
