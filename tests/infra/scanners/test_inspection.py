from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.infra.scanners import corpus as make

from civitas.infra.scanners import sandbox
from civitas.infra.scanners.inspection.globals import judge
from civitas.infra.scanners.report import Verdict, worst

NONE: frozenset[str] = frozenset()


def scan(tmp_path: Path, name: str, data: bytes, **limits: Any) -> dict[str, Any]:
    path = tmp_path / "file"
    path.write_bytes(data)
    request = {
        "name": name, "size": len(data), "members": 1000, "unpacked": 1 << 30, "ratio": 50.0, "depth": 3,
        "nested": 1 << 24, "allowed": [], **limits,
    }  # fmt: skip
    with path.open("rb") as file:
        answer = sandbox.run(file.fileno(), request)
    answer["verdict"] = worst([Verdict(check["verdict"]) for check in answer["checks"]])
    return answer


def verdict(tmp_path: Path, name: str, data: bytes, **limits: Any) -> str:
    return str(scan(tmp_path, name, data, **limits)["verdict"])


CLEAN = {
    "zip.ckpt": make.torch_zip(),
    "zip.pt": make.torch_zip(make.tensors("_rebuild_parameter")),
    "legacy.ckpt": make.torch_legacy(),
    "legacy.bin": make.torch_legacy(tail=b"\x80\x02\xff\xff garbage of a storage"),
    "plain.pkl": pickle.dumps({"a": [1, 2.5, "b", None, {3}]}, 4),
    "ordered.pkl": pickle.dumps(OrderedDict(a=1), 2),
    "old.pkl": pickle.dumps(OrderedDict(a=1), 0),
    "two.pkl": pickle.dumps(1) + pickle.dumps(2),
    "model.safetensors": make.safetensors(),
    "model.gguf": make.gguf("{% for m in messages %}{{ m['content'] }}{% endfor %}"),
    "model.onnx": make.onnx("weights.bin"),
    "a.npy": make.array("'<f4'", "(2,)", bytes(8)),
    "a.npz": make.archive({"x.npy": make.array("'<f4'", "(2,)", bytes(8))}),
    "pictures.zip": make.archive({"1.png": b"\x89PNG\r\n\x1a\n" + bytes(20), "1.txt": b"a cat", "sub/": b""}),
    "words.txt": "Ein Märchen\n".encode(),
    "empty.txt": b"",
    "flow.json": b'{"nodes": []}',
}


@pytest.mark.parametrize("name", CLEAN)
def test_harmless_files_are_clean(tmp_path: Path, name: str) -> None:
    answer = scan(tmp_path, name, CLEAN[name])
    assert [c for c in answer["checks"] if c["verdict"] != "clean"] == []
    assert answer["verdict"] == Verdict.CLEAN


DANGEROUS = {
    "zip.ckpt": make.torch_zip(make.OS_SYSTEM),
    "zip.bin": make.torch_zip(make.OS_SYSTEM),
    "zip renamed.safetensors": make.torch_zip(make.OS_SYSTEM),
    "legacy.ckpt": make.torch_legacy(make.OS_SYSTEM),
    "magic computed.pt": make.call("builtins", "eval", "1") + make.torch_legacy(),
    "raw.pt": make.OS_SYSTEM,
    "protocol 0.ckpt": make.call("os", "system", "true", protocol=0),
    "protocol 0 text.bin": make.by_inst(),
    "protocol 5.pkl": make.call("posix", "system", "true", protocol=5),
    "python 2.pkl": make.call("__builtin__", "eval", "1", protocol=0),
    "import_module.pkl": make.call("importlib", "import_module", "os"),
    "attrgetter.pkl": make.call("operator", "attrgetter", "system", protocol=4),
    "memo.pkl": make.through_memo(),
    "memo count.pkl": make.wrong_memo_count(),
    "dup.pkl": make.through_dup(),
    "under.pkl": make.hidden_in_tuple(),
    "computed.pkl": make.computed(),
    "obj.pkl": make.by_obj(),
    "dotted.pkl": make.dotted(),
    "second.pkl": pickle.dumps(1) + make.OS_SYSTEM,
    "truncated.pkl": make.OS_SYSTEM[:-1],
    "broken tail.pkl": make.OS_SYSTEM[:-1] + b"\xff\xff",
    "nested load.pkl": make.call("torch.storage", "_load_from_bytes", "x"),
    "nested zip.zip": make.nested(1, make.OS_SYSTEM, "model.pkl"),
    "storage that is a pickle.ckpt": make.torch_zip(**{"archive/data/1": make.OS_SYSTEM}),
    "object array.npy": make.array("'|O'", "()", make.OS_SYSTEM),
    "object field.npy": make.array("[('a', '<f4'), ('b', '|O')]", "()", make.OS_SYSTEM),
    "array in zip.npz": make.archive({"x.npy": make.array("'|O'", "()", make.OS_SYSTEM)}),
    "slip.zip": make.archive({"../../etc/cron.d/x": b"x"}),
    "absolute.zip": make.archive({"/etc/x": b"x"}),
    "drive.zip": make.archive({"C:x": b"x"}),
    "backslash.zip": make.archive({"a\\..\\..\\x": b"x"}),
    "link.zip": make.linked(),
    "overlap.zip": make.overlapping(),
    "liar.zip": make.lying_size(),
    "two names.zip": make.lying_name(),
    "bomb.zip": make.bomb(),
    "nesting.zip": make.nested(6),
    "prefix.zip": b"GIF89a" + bytes(20) + make.archive({"a.txt": b"x"}),
    "comment.zip": make.archive({"a.txt": b"x"}) + b"more bytes",
    "zip tail.safetensors": make.safetensors() + make.archive({"x.pkl": make.OS_SYSTEM}),
    "zip tail.gguf": make.gguf() + make.archive({"x.pkl": make.OS_SYSTEM}),
    "zip tail.ckpt": make.torch_legacy(tail=make.torch_zip(make.OS_SYSTEM)),
    "program.bin": b"\x7fELF" + bytes(60),
    "program.zip": make.archive({"setup.txt": b"\x7fELF" + bytes(60)}),
    "outside.onnx": make.onnx("../../../etc/passwd"),
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_attacks_are_dangerous(tmp_path: Path, name: str) -> None:
    assert verdict(tmp_path, name, DANGEROUS[name]) == Verdict.DANGEROUS


SUSPICIOUS = {
    "unknown import.ckpt": make.torch_zip(make.call("pytorch_lightning.callbacks", "ModelCheckpoint")),
    "extension.pkl": make.by_extension(),
    "renamed.safetensors": make.torch_zip(),
    "renamed.ckpt": make.safetensors(),
    "tail.safetensors": make.safetensors() + b"tail",
    "overlap.safetensors": make.safetensors(
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        }
    ),
    "template.gguf": make.gguf("{{ x.__class__.__mro__[1].__subclasses__() }}"),
    "page.html": b"<script>alert(1)</script>",
    "picture.svg": b"<svg onload='alert(1)'/>",
    "code.zip": make.archive({"node.py": b"print()"}),
    "python.onnx": make.onnx(operator="PyOp"),
    "document.txt": b"%PDF-1.7",
    "odd name.zip": make.archive({"a\u202etxt.exe.png": b"\x89PNG\r\n\x1a\n"}),
    "length.npy": make.array("'<f4'", "(2,)", bytes(80)),
}


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_what_is_not_known_to_be_harmless_is_suspicious(tmp_path: Path, name: str) -> None:
    assert verdict(tmp_path, name, SUSPICIOUS[name]) == Verdict.SUSPICIOUS


ERRORS = {
    "encrypted.zip": make.encrypted(),
    "truncated.pkl": pickle.dumps(list(range(100)))[:-20],
    "cut.ckpt": make.torch_zip()[:-40],
    "noise.bin": b"\x00\x01\x02\xf3\xf4" * 50,
    "noise.xyz": b"\x00\x01\x02\xf3\xf4" * 50,
    "empty.ckpt": b"",
    "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "a.7z": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "a.tar": bytes(257) + b"ustar" + bytes(300),
    "a.gz": b"\x1f\x8b" + bytes(50),
    "lzma.zip": make.archive({"a.txt": b"x" * 500}, zipfile.ZIP_LZMA),
    "cut.gguf": make.gguf()[:30],
    "cut.onnx": make.onnx()[:-3],
    "no graph.onnx": b"\x08\x08",
    "short.safetensors": make.safetensors()[:-4],
    "bad header.npy": make.array("'<f4'", "__import__('os')", bytes(8)),
    "tail.pkl": pickle.dumps(1) + b"\xff" * 40,
    "legacy cut.ckpt": make.torch_legacy(tail=b"")[:-9],
    "two kinds.json": b"\x00\x01\x02",
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_looked_into_is_never_a_pass(tmp_path: Path, name: str) -> None:
    assert verdict(tmp_path, name, ERRORS[name]) in (Verdict.ERROR, Verdict.SUSPICIOUS)


def test_limits_of_archives(tmp_path: Path) -> None:
    many = make.archive({f"{n}.txt": b"x" for n in range(11)})
    assert verdict(tmp_path, "a.zip", many) == Verdict.CLEAN
    assert verdict(tmp_path, "a.zip", many, members=10) == Verdict.DANGEROUS
    assert verdict(tmp_path, "a.zip", many, unpacked=10) == Verdict.DANGEROUS
    assert verdict(tmp_path, "a.zip", make.nested(2), depth=2) == Verdict.CLEAN
    assert verdict(tmp_path, "a.zip", make.nested(2), depth=1) == Verdict.DANGEROUS
    big = make.archive({"a.txt": bytes(range(256)) * 40})
    assert verdict(tmp_path, "a.zip", big, nested=1000) == Verdict.ERROR


def test_members_of_nested_archives_share_one_bound(tmp_path: Path) -> None:
    inner = make.archive({"a.txt": b"x" * 600})
    outer = make.archive({"1.zip": inner, "2.zip": inner})
    assert verdict(tmp_path, "a.zip", outer, unpacked=1300) == Verdict.DANGEROUS


def test_imports_are_listed_and_judged(tmp_path: Path) -> None:
    answer = scan(tmp_path, "a.ckpt", make.torch_zip())
    assert [list(item) for item in answer["imports"]] == [
        ["collections.OrderedDict", "clean"],
        ["torch.FloatStorage", "clean"],
        ["torch._utils._rebuild_tensor_v2", "clean"],
    ]
    bad = scan(tmp_path, "a.pkl", make.OS_SYSTEM)
    assert ["os.system", "dangerous"] in [list(item) for item in bad["imports"]]


def test_an_operator_may_trust_more(tmp_path: Path) -> None:
    data = make.torch_zip(make.call("torch.nn.modules.linear", "Linear"))
    assert verdict(tmp_path, "a.ckpt", data) == Verdict.SUSPICIOUS
    assert verdict(tmp_path, "a.ckpt", data, allowed=["torch.nn.modules.linear.Linear"]) == Verdict.CLEAN


def test_a_file_of_another_size_is_an_error(tmp_path: Path) -> None:
    assert verdict(tmp_path, "a.txt", b"words", size=4) == Verdict.ERROR


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("collections", "OrderedDict", Verdict.CLEAN),
        ("copy_reg", "_reconstructor", Verdict.CLEAN),
        ("__builtin__", "set", Verdict.CLEAN),
        ("torch", "BFloat16Storage", Verdict.CLEAN),
        ("numpy._core.multiarray", "_reconstruct", Verdict.CLEAN),
        ("os.path", "join", Verdict.DANGEROUS),
        ("importlib", "import_module", Verdict.DANGEROUS),
        ("torch.jit", "load", Verdict.DANGEROUS),
        ("builtins", "__import__", Verdict.DANGEROUS),
        ("collections", "OrderedDict.__reduce__", Verdict.DANGEROUS),
        ("__builtin__", "reduce", Verdict.DANGEROUS),
        ("commands", "getoutput", Verdict.DANGEROUS),
        ("numpy", "frombuffer", Verdict.SUSPICIOUS),
        ("osmium", "system", Verdict.SUSPICIOUS),
    ],
)
def test_judging_names(module: str, name: str, expected: Verdict) -> None:
    assert judge(module, name, NONE) is expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.sampled_from(
        [b"", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"GGUF\x03\0\0\0", b"\x93NUMPY\x01\0", b"\x08\x08"]
    ),
    st.binary(max_size=200),
    st.sampled_from(["a.pkl", "a.ckpt", "a.zip", "a.safetensors", "a.onnx", "a.npy", "a.gguf", "a.txt", "a"]),
)
def test_noise_never_crashes_it(tmp_path: Path, head: bytes, noise: bytes, name: str) -> None:
    assert scan(tmp_path, name, head + noise)["verdict"] in list(Verdict)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sampled_from(sorted(DANGEROUS.keys() - {"bomb.zip"})), st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_never_crashes_it(tmp_path: Path, name: str, place: int, value: int) -> None:
    data = bytearray(DANGEROUS[name])
    data[place % len(data)] = value
    assert scan(tmp_path, name, bytes(data))["verdict"] in list(Verdict)
