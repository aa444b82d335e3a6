"""What a file is, by its bytes, and whether its name agrees."""

from __future__ import annotations

from typing import Final

from civitas.infra.scanners.inspection.views import View
from civitas.kit import gguf, safetensors

HEAD: Final = 4096

_MAGIC: Final = (
    (b"PK\x03\x04", 0, "zip"),
    (b"PK\x05\x06", 0, "zip"),
    (b"PK\x07\x08", 0, "zip"),
    (gguf.MAGIC, 0, "gguf"),
    (b"\x93NUMPY", 0, "npy"),
    (b"\x89HDF\r\n\x1a\n", 0, "hdf5"),
    (b"7z\xbc\xaf\x27\x1c", 0, "7z"),
    (b"Rar!\x1a\x07", 0, "rar"),
    (b"\x1f\x8b", 0, "gzip"),
    (b"\xfd7zXZ\x00", 0, "xz"),
    (b"BZh", 0, "bzip2"),
    (b"\x28\xb5\x2f\xfd", 0, "zstd"),
    (b"\x04\x22\x4d\x18", 0, "lz4"),
    (b"MSCF", 0, "cab"),
    (b"ustar", 257, "tar"),
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"\xff\xd8\xff", 0, "jpeg"),
    (b"GIF87a", 0, "gif"),
    (b"GIF89a", 0, "gif"),
    (b"WEBP", 8, "webp"),
    (b"ftyp", 4, "mp4"),
    (b"\x1aE\xdf\xa3", 0, "webm"),
    (b"ID3", 0, "mp3"),
    (b"fLaC", 0, "flac"),
    (b"OggS", 0, "ogg"),
    (b"WAVE", 8, "wav"),
    (b"%PDF-", 0, "pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "ole"),
    (b"\x7fELF", 0, "program"),
    (b"\xcf\xfa\xed\xfe", 0, "program"),
    (b"\xce\xfa\xed\xfe", 0, "program"),
    (b"\xca\xfe\xba\xbe", 0, "program"),
    (b"\xfe\xed\xfa\xce", 0, "program"),
    (b"\xfe\xed\xfa\xcf", 0, "program"),
    (b"\x00asm", 0, "program"),
    (b"\x4c\x00\x00\x00\x01\x14\x02\x00", 0, "program"),
    (b"#!", 0, "script"),
)

MEDIA: Final = frozenset({"png", "jpeg", "gif", "webp", "mp4", "webm", "mp3", "flac", "ogg", "wav"})
# Known, but nobody here looks inside.
OPAQUE: Final = frozenset({"hdf5", "7z", "rar", "gzip", "xz", "bzip2", "zstd", "lz4", "cab", "tar"})

_TEXT: Final = frozenset({"text", "empty"})
_WEIGHTS: Final = frozenset({"zip", "pickle"})
EXPECTED: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys((".safetensors", ".sft"), frozenset({"safetensors"})),
    **dict.fromkeys((".ckpt", ".pt", ".pth", ".bin", ".th", ".pth.tar"), _WEIGHTS),
    **dict.fromkeys((".pkl", ".pickle", ".dat", ".data", ".joblib"), frozenset({"pickle"})),
    ".gguf": frozenset({"gguf"}),
    ".onnx": frozenset({"protobuf"}),
    ".npy": frozenset({"npy"}),
    **dict.fromkeys((".npz", ".zip"), frozenset({"zip"})),
    **dict.fromkeys(
        (".json", ".yaml", ".yml", ".txt", ".csv", ".md", ".toml", ".ini", ".caption", ".prompt"), _TEXT
    ),
    ".png": frozenset({"png"}),
    ".jpg": frozenset({"jpeg"}),
    ".jpeg": frozenset({"jpeg"}),
    ".webp": frozenset({"webp"}),
    ".gif": frozenset({"gif"}),
    **dict.fromkeys((".mp4", ".mov", ".m4a", ".avif", ".heic"), frozenset({"mp4"})),
    **dict.fromkeys((".webm", ".mkv"), frozenset({"webm"})),
    ".mp3": frozenset({"mp3"}),
    ".wav": frozenset({"wav"}),
    ".flac": frozenset({"flac"}),
    ".ogg": frozenset({"ogg"}),
}
# Files whose readers unpickle them.
PICKLED: Final = frozenset(
    {
        ".ckpt",
        ".pt",
        ".pth",
        ".bin",
        ".th",
        ".pkl",
        ".pickle",
        ".dat",
        ".data",
        ".joblib",
        ".npy",
        ".model",
        "",
    }
)
PROGRAMS: Final = frozenset(
    {
        ".py", ".pyc", ".pyd", ".pyw", ".so", ".dll", ".exe", ".com",
        ".scr", ".msi", ".bat", ".cmd", ".ps1", ".psm1", ".sh", ".bash",
        ".vbs", ".js", ".mjs", ".wsf", ".jar", ".class", ".lnk", ".reg",
        ".html", ".htm", ".svg", ".hta", ".php", ".rb", ".pl", ".command",
        ".app", ".apk", ".dylib", ".ipynb", ".whl", ".egg",
    }
)  # fmt: skip


def ending(name: str) -> str:
    """The lower-case ending of a file name with its dot, or nothing."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
    stem, dot, end = base.rpartition(".")
    return f".{end}" if dot and stem else ""


def sniff(view: View) -> str:
    """The kind of a file by its first bytes; `unknown` when they say nothing."""
    head = view.at(0, HEAD)
    if not head:
        return "empty"
    if safetensors.looks_like(head[:9], view.length):
        return "safetensors"
    for magic, offset, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    if head[:2] == b"MZ" and b"PE\0\0" in head:
        return "program"
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "pickle"
    return "text" if _is_text(head, view.length) else "unknown"


def _is_text(head: bytes, size: int) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut in two.
        if size <= HEAD or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return not any(ord(ch) < 32 and ch not in "\t\n\r\f\x1b" for ch in text)


def zip_end(view: View) -> int | None:
    """Where the zip end record at the end of any file lies, when it really has a directory before it."""
    reach = min(view.length, 65535 + 22)
    tail = view.at(view.length - reach, reach)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        record = tail[at : at + 22]
        if len(record) == 22:
            position = view.length - reach + at
            size = int.from_bytes(record[12:16], "little")
            entries = int.from_bytes(record[10:12], "little")
            wide = tail[max(0, at - 20) : at].startswith(b"PK\x06\x07")
            if (
                wide
                or (entries and view.at(position - size, 4) == b"PK\x01\x02")
                or (not entries and not size)
            ):
                return position
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return None
