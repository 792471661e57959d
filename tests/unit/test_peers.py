"""`benchmarks/peers.py` compares tools on the same function, image by image."""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.models.registry import architecture
from mobiledeploy.network.network import Network
from mobiledeploy.ops.weights import Weights
from mobiledeploy.pipeline.float_logits import float_logits

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

Import = Callable[[str], Any]


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Import:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return lambda name: importlib.import_module(f"peer.{name}")


def network() -> Network:
    random = np.random.default_rng(0)
    layers = architecture("v2", alpha=0.35, image_size=32, classes=5)
    weights = {}
    for layer in layers.layers:
        if layer.has_weights:
            kernel = random.standard_normal(layer.kernel_shape)
            fan_in = np.prod(layer.kernel_shape[: 2 if layer.op == "depthwise" else -1])
            weights[layer.name] = Weights(
                kernel=(2 * kernel / np.sqrt(fan_in)).astype(np.float32),
                bias=random.standard_normal(layer.out_channels).astype(np.float32),
            )
    return Network(architecture=layers, weights=weights)


@pytest.mark.parametrize("relu", [False, True])
def test_spread_channels_compute_the_same(peer: Import, relu: bool) -> None:
    module = peer("channel_spread")
    before = module.without_relu6(network()) if relu else network()
    after = module.spread(before, seed=0)
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), np.uint8)
    expected, received = (float_logits(each, images, threads=1) for each in (before, after))
    assert np.abs(received - expected).max() <= 1e-4 * np.abs(expected).max()
    for layer in before.architecture.layers:
        if not layer.has_weights:
            continue
        ratio = after.weights[layer.name].bias / before.weights[layer.name].bias
        clipped = layer.activation == "relu6"
        last = layer.name in ("Conv_1", before.architecture.logits.name)
        assert (ratio == 1).all() == (clipped or last), layer.name
        assert 1 / 8 <= ratio.min() <= ratio.max() <= 8


def test_paired_counts_are_of_the_images_on_which_two_files_differ(
    peer: Import, tmp_path: Path
) -> None:
    task = saved(peer, tmp_path, labels=[0, 0, 1, 1, 1, 1])
    outputs = {
        name: np.eye(2, dtype=np.float32)[classes]
        for name, classes in {
            "float.tflite": [0, 0, 1, 1, 1, 0],
            "ours_default.tflite": [0, 0, 1, 1, 1, 1],
            "ours_default.onnx": [0, 0, 1, 1, 1, 1],
            "other.tflite": [1, 1, 0, 0, 0, 0],
        }.items()
    }
    accuracy = peer("accuracy")
    scores = accuracy.score(task, outputs)
    assert scores["ours_default.tflite"] == {
        "images": 6, "correct": 6, "as_float": 5, "only_float": 0, "only_int8": 1, "p": 1.0,
    }  # fmt: skip
    assert scores["other.tflite"]["only_float"] == 5
    assert scores["other.tflite"]["p"] == 2 / 2**5
    assert accuracy.pairs(outputs) == [
        {
            "ours": "ours_default.tflite", "other": "other.tflite",
            "only_ours": 5, "only_other": 1, "p": 2 * (1 + 6) / 2**6,
        }
    ]  # fmt: skip


def test_the_best_of_the_other_tools_stands_first(peer: Import) -> None:
    counts = {"only_ours": 0, "only_other": 0, "p": 1.0}
    result = {
        "files": {"ours": {"as_float": 9}, "worse": {"as_float": 5}, "best": {"as_float": 8}},
        "pairs": [{"ours": "ours", "other": name, **counts} for name in ("worse", "best")],
    }
    lines = peer("table")._pairs(result)
    assert [line.split()[1] for line in lines[1:]] == ["best", "worse"]
    assert lines[1].split()[2:] == ["9,", "8", "0,", "0,", "1"]


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("weights.h5", False),
        ("calibration.npy", False),
        ("task.json", False),
        ("labels.npy", True),
    ],
)
def test_what_was_made_of_other_weights_or_images_is_made_again(
    peer: Import, tmp_path: Path, file: str, same: bool
) -> None:
    task = saved(peer, tmp_path, labels=[0, 1])
    task.weights.write_bytes(b"weights")
    made_of = peer("make").made_of
    before = made_of("ort_static_entropy", tmp_path)
    assert made_of("keras_ptq", tmp_path) != before
    path = tmp_path / file
    path.write_bytes(path.read_bytes() + b" ")
    assert (made_of("ort_static_entropy", tmp_path) == before) == same


@pytest.mark.parametrize(
    ("way", "changed", "taken"),
    [
        ("keras_ptq", "", True),
        ("ours_default", "", False),
        ("keras_ptq", "calibration.npy", False),
        ("keras_ptq", "keras_ptq.tflite", False),
    ],
)
def test_only_what_other_tools_made_of_the_same_is_taken(
    peer: Import,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    changed: str,
    taken: bool,
) -> None:
    saved(peer, tmp_path, labels=[0, 1]).weights.write_bytes(b"weights")
    files = [{"file": f"{way}.tflite"}]
    (tmp_path / f"{way}.tflite").write_bytes(b"file")
    record = {"files": files, "made_of": peer("make").made_of(way, tmp_path)}
    (tmp_path / f"{way}.json").write_text(json.dumps(record))
    if changed:
        (tmp_path / changed).rename(tmp_path / "gone")
    peers = importlib.import_module("peers")
    monkeypatch.setattr(peers, "_make", lambda way, folder: {"anew": f"{folder}/{way}"})
    received = peers._take_or_make(way, tmp_path, argparse.Namespace(reuse=True))
    assert received == ({**record, "reused": True} if taken else {"anew": f"{tmp_path}/{way}"})


def saved(peer: Import, folder: Path, labels: list[int]) -> Any:
    task = peer("task").Task(
        folder=folder, arch="v2", alpha=0.35, image_size=32, classes=2, trained=True
    )
    pixels = np.zeros((len(labels), 32, 32, 3), np.uint8)
    task.save_images(pixels[:1], pixels, np.array(labels, np.int64))
    task.save()
    return task
