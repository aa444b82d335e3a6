"""Hostile and harmless files, made when the tests run; nothing here is ever loaded."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from typing import Any

MAGIC = 0x1950A86A20F9469CFC6C


class Call:
    """Pickles as a call of `module.name(*arguments)`, without importing anything."""

    def __init__(self, module: str, name: str, *arguments: str) -> None:
        self.parts = module, name, arguments


def text(value: str) -> bytes:
    """SHORT_BINUNICODE, or BINUNICODE when it is long."""
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def call(module: str, name: str, *arguments: str, protocol: int = 2) -> bytes:
    """A pickle that calls `module.name`."""
    given = b"(" + b"".join(map(text, arguments)) + b"t"
    if protocol < 2:
        plain = b"(" + b"".join(f"S'{argument}'\n".encode() for argument in arguments) + b"t"
        return f"c{module}\n{name}\n".encode() + plain + b"R."
    if protocol < 4:
        return bytes([0x80, protocol]) + f"c{module}\n{name}\n".encode() + given + b"R."
    return bytes([0x80, protocol]) + text(module) + text(name) + b"\x93" + given + b"R."


OS_SYSTEM = call("os", "system", "true")


def through_memo() -> bytes:
    """The module's name is kept in the memo, something else is pushed and popped, then it is fetched."""
    return (
        b"\x80\x04" + text("os") + b"\x94" + text("innocent") + b"\x940" + b"0"
        + b"h\x00" + text("system") + b"\x94\x93" + text("true") + b"\x85R."
    )  # fmt: skip


def wrong_memo_count() -> bytes:
    """MEMOIZE counts entries, PUT sets any: a reader that counts opcodes takes the wrong text."""
    return (
        b"\x80\x04" + text("os") + b"q\x05" + b"0" + text("collections") + b"\x94" + b"0"
        + b"h\x05" + text("system") + b"\x93" + text("true") + b"\x85R."
    )  # fmt: skip


def through_dup() -> bytes:
    """The same text twice by DUP: `code.code`."""
    return b"\x80\x04" + text("code") + b"2\x93" + b")R."


def hidden_in_tuple() -> bytes:
    """Module and name lie under something that a reader of the last two opcodes takes for them."""
    return (
        b"\x80\x04" + text("builtins") + text("eval") + text("collections") + b"0" + b"\x93" + text("1") + b"\x85R."
    )  # fmt: skip


def computed() -> bytes:
    """The module's name is the result of a call."""
    return (
        b"\x80\x04" + text("_codecs") + text("encode") + b"\x93" + text("bf") + text("rot13") + b"\x86R"
        + text("system") + b"\x93" + text("true") + b"\x85R."
    )  # fmt: skip


def by_inst() -> bytes:
    """INST imports and calls in one."""
    return b"(S'true'\nios\nsystem\n."


def by_obj() -> bytes:
    """OBJ calls the class after the mark."""
    return b"(cos\nsystem\nS'true'\no."


def by_extension() -> bytes:
    """EXT1 names something registered elsewhere."""
    return b"\x80\x02\x82\x05)R."


def dotted() -> bytes:
    """Protocol 4 walks the dots of a name."""
    return b"\x80\x04" + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93."


def tensors(rebuild: str = "_rebuild_tensor_v2") -> bytes:
    """The data.pkl of an honest checkpoint with one float tensor of two elements, as torch.save writes it."""
    storage = (
        b"(" + b"X\x07\x00\x00\x00storage" + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x02tQ"
    )
    tensor = f"ctorch._utils\n{rebuild}\n".encode() + b"(" + storage + b"K\x00K\x02\x85K\x01\x85\x89"
    tensor += b"ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}q\x00" + b"X\x0a\x00\x00\x00state_dict" + b"q\x01}q\x02" + text("w") + tensor + b"ss."


def torch_zip(data: bytes | None = None, **more: bytes) -> bytes:
    """A checkpoint in PyTorch's zip form."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", tensors() if data is None else data)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", bytes(8))
        archive.writestr("archive/version", "3\n")
        for name, content in more.items():
            archive.writestr(name, content)
    return out.getvalue()


def torch_legacy(data: bytes | None = None, tail: bytes = bytes(24)) -> bytes:
    """A checkpoint in PyTorch's form before 1.6: five pickles and raw storages."""
    parts = [
        pickle.dumps(MAGIC, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2),
        tensors() if data is None else data,
        pickle.dumps(["0"], 2),
    ]
    return b"".join(parts) + tail


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A plain zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return out.getvalue()


def linked() -> bytes:
    """A zip with a symbolic link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        made.writestr(info, "/etc/passwd")
    return out.getvalue()


def encrypted() -> bytes:
    """A zip whose member says that it is encrypted."""
    data = bytearray(archive({"model.pkl": OS_SYSTEM}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def overlapping() -> bytes:
    """Two members that share their bytes, the trick of quadratic bombs."""
    data = archive({"a": bytes(5000)}, zipfile.ZIP_DEFLATED)
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    record = data[start:end]
    directory = record + record[:46] + b"b" + record[47:]
    return (
        data[:start]
        + directory
        + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)
    )


def lying_size() -> bytes:
    """A deflated member that holds more than both headers declare."""
    data = bytearray(archive({"a.txt": b"x" * 9000}))
    start = data.index(b"PK\x01\x02")
    data[22:26] = data[start + 24 : start + 28] = struct.pack("<I", 10)
    return bytes(data)


def lying_name() -> bytes:
    """The local header calls the member something else."""
    data = bytearray(archive({"a.txt": b"words"}))
    data[30:35] = b"a.pkl"
    return bytes(data)


def nested(depth: int, inner: bytes = b"words", name: str = "a.txt") -> bytes:
    """A zip in a zip in a zip."""
    data = archive({name: inner})
    for _ in range(depth):
        data = archive({"more.zip": data})
    return data


def bomb(size: int = 80 * 1024 * 1024) -> bytes:
    """A small zip that unpacks to `size` zeros; made without holding them."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk, crc, packed = bytes(1024 * 1024), 0, b""
    for _ in range(size // len(chunk)):
        packed += squeeze.compress(chunk)
        crc = zlib.crc32(chunk, crc)
    packed += squeeze.flush()
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, 1, 0)
    local = b"PK\x03\x04" + fields + b"a" + packed
    directory = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(local), 0)
    return local + directory + end


def safetensors(header: dict[str, Any] | None = None, data: bytes = bytes(8)) -> bytes:
    """A safetensors file."""
    tree = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}} if header is None else header
    raw = json.dumps(tree).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def gguf(template: str = "{{ messages }}") -> bytes:
    """A GGUF file with a chat template and no tensors."""

    def written(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    head += written("tokenizer.chat_template") + struct.pack("<I", 8) + written(template)
    return head + bytes(-len(head) % 32)


def array(descr: str, shape: str, data: bytes) -> bytes:
    """A .npy file."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protocol buffer field; the length is below 16384."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def onnx(location: str | None = None, operator: str = "Conv") -> bytes:
    """An ONNX model with one node and, when a location is given, one tensor kept in that file."""
    graph = field(1, field(4, operator.encode()))
    if location is not None:
        entry = field(1, b"location") + field(2, location.encode())
        graph += field(5, field(13, entry))
    return b"\x08\x08" + field(2, b"pytorch") + field(7, graph)
