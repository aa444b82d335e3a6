from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.domains.catalog import headers
from civitas.kit.errors import Invalid


def file(metadata: dict[str, str] | None = None) -> bytes:
    tree: dict[str, Any] = {
        "__metadata__": metadata or {},
        "up": {"dtype": "F16", "shape": [8, 4], "data_offsets": [0, 64]},
        "alpha": {"dtype": "F32", "shape": [], "data_offsets": [64, 68]},
    }
    raw = json.dumps(tree).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(68)


def read(metadata: dict[str, str] | None = None) -> headers.ModelHeader:
    data = file(metadata)
    return headers.read(data[: headers.needed(data[:8], len(data))], len(data))


KOHYA = {
    "ss_sd_model_name": "ponyDiffusionV6XL.safetensors",
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_network_module": "networks.lora",
    "ss_network_dim": "32",
    "ss_network_alpha": "16.0",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
    "ss_learning_rate": "0.0004",
    "ss_unet_lr": "None",
    "ss_epoch": "10",
    "ss_num_epochs": "12",
    "ss_steps": "2400",
    "ss_resolution": "(1024, 768)",
    "ss_clip_skip": "2",
    "ss_seed": "42",
    "ss_num_train_images": "600",
    "ss_training_finished_at": "1700000000.5",
    "ss_dataset_dirs": json.dumps({"10_a": {"n_repeats": 10, "img_count": 30}, "5_b": {"img_count": 12}}),
    "ss_tag_frequency": json.dumps(
        {"10_a": {"1girl": 30, " red  hair ": 5}, "5_b": {"1girl": 12, "bad": -1}}
    ),
    "modelspec.title": "A style",
    "modelspec.trigger_phrase": "sty, sty, other word",
    "modelspec.thumbnail": "data:image/jpeg;base64,AAAA",
}


def test_tensors_and_counts() -> None:
    header = read()
    assert header.tensor_count == 2
    assert header.parameters == 33
    assert header.dtypes == {"F16": 32, "F32": 1}
    assert header.training is None


def test_training_parameters() -> None:
    found = read(KOHYA).training
    assert found is not None
    assert (found.rank, found.alpha, found.learning_rate, found.unet_learning_rate) == (32, 16, 0.0004, None)
    assert (found.epochs, found.steps, found.seed, found.clip_skip) == (10, 2400, 42, 2)
    assert found.resolution == (1024, 768)
    assert (found.images, found.dataset_images, found.datasets) == (600, 42, 2)
    assert found.finished_at == datetime(2023, 11, 14, 22, 13, 20, 500000, UTC)
    assert found.tags == (("1girl", 42), ("red hair", 5))
    assert found.base_model == "ponyDiffusionV6XL.safetensors"


def test_descriptions() -> None:
    header = read(KOHYA)
    assert header.modelspec == {"title": "A style", "trigger_phrase": "sty, sty, other word"}
    assert header.trigger_words == ("sty", "other word")


def test_datasets_in_the_newer_form() -> None:
    datasets = [{"subsets": [{"img_count": 3}, {"img_count": 4}, "x"]}, 5]
    found = read({"ss_datasets": json.dumps(datasets)}).training
    assert found is not None
    assert found.dataset_images == 7


def test_metadata_is_bounded() -> None:
    header = read({f"k{n}": "v" * 20_000 for n in range(600)})
    assert header.cut
    assert len(header.metadata) <= headers.MAX_KEYS
    assert sum(map(len, header.metadata.values())) <= headers.MAX_TOTAL
    assert not read({"a": "b"}).cut


def test_text_that_a_database_refuses_is_cleaned() -> None:
    header = read({"ss_output_name": "a\x00b\ud800", "modelspec.title": "\x00\udfff"})
    assert header.training is not None
    assert header.training.output_name == "ab?"
    assert header.modelspec["title"] == "?"


def test_tags_are_the_most_frequent_ones() -> None:
    frequency = {"a": {f"tag {n}": n for n in range(1, 1000)}}
    found = read({"ss_tag_frequency": json.dumps(frequency)}).training
    assert found is not None
    assert len(found.tags) == headers.MAX_TAGS
    assert found.tags[0] == ("tag 999", 999)


@given(
    st.dictionaries(
        st.sampled_from(sorted(KOHYA)),
        st.text(max_size=40)
        | st.sampled_from(
            [
                "nan",
                "inf",
                "1e400",
                "[]",
                "{}",
                "[" * 5000,
                '{"a": {"b": 1e999}}',
                '{"a": {"b": true}}',
                "9" * 400,
                "-1",
            ]
        ),
    )
)
def test_any_metadata_is_read_and_told(metadata: dict[str, str]) -> None:
    header = read(metadata)
    assert orjson.dumps(headers.summary(header, tensors=True))


def test_the_summary_leaves_out_what_is_not_known() -> None:
    told = headers.summary(read({"ss_network_dim": "8", "ss_resolution": "512"}))
    assert told["training"] == {"rank": 8.0, "resolution": [512, 512]}
    assert "tensors" not in told


def test_gguf() -> None:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2)
    head += text("general.architecture") + struct.pack("<I", 8) + text("flux")
    head += text("general.numbers") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2)
    head += text("img_in.weight") + struct.pack("<IQQIQ", 2, 64, 3072, 8, 0)
    data = head + bytes(-len(head) % 32) + bytes(64 * 3072 // 32 * 34)
    header = headers.read(data[: headers.needed(data[:8], len(data))], len(data))
    assert header.format == "gguf"
    assert header.modelspec == {"architecture": "flux"}
    assert header.metadata["general.numbers"] == "1, 2"
    assert header.tensors[0].shape == (3072, 64)


def test_damage_is_refused_with_the_code_of_the_container() -> None:
    data = file()
    with pytest.raises(Invalid) as caught:
        headers.read(data, len(data) + 1)
    assert caught.value.code == "tail_bytes"
    with pytest.raises(Invalid) as caught:
        headers.needed(b"\xff" * 8, 100)
    assert caught.value.code == "header_too_long"
    assert headers.is_container(data[:9], len(data))
    assert not headers.is_container(b"PK\x03\x04" + bytes(10), 14)
