"""A checkpoint is restored unchanged, and only by the run that wrote it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import StorageError
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.training.checkpoint import Checkpoint, Checkpoints

STATE = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "done": np.array(4)}


def test_state_is_restored_bit_for_bit(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "deep" / "state.npz", key="k")
    checkpoint.save(STATE)
    restored = checkpoint.restore(like=STATE)
    assert restored is not None
    for name, array in STATE.items():
        np.testing.assert_array_equal(restored[name], array, strict=True)


@pytest.mark.parametrize(
    "like",
    [
        {**STATE, "more": np.zeros(1)},
        {"weights": STATE["weights"]},
        {**STATE, "weights": np.zeros((3, 2), np.float32)},
        {**STATE, "weights": np.zeros((2, 3))},
    ],
    ids=["missing", "unknown", "shape", "dtype"],
)
def test_state_with_other_shapes_is_not_restored(
    tmp_path: Path, like: dict[str, np.ndarray]
) -> None:
    checkpoint = Checkpoint(path=tmp_path / "state.npz", key="k")
    checkpoint.save(STATE)
    assert checkpoint.restore(like=like) is None


def test_state_under_another_key_is_not_restored(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    Checkpoint(path=path, key="k").save(STATE)
    assert Checkpoint(path=path, key="other").restore(like=STATE) is None


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_damaged_file_is_not_restored(tmp_path: Path, keep: int) -> None:
    checkpoint = Checkpoint(path=tmp_path / "state.npz", key="k")
    checkpoint.save(STATE)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:keep])
    assert checkpoint.restore(like=STATE) is None


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "state.npz", key="k")
    np.savez(checkpoint.path, key=np.array("k"), weights=np.array([{}], object), done=np.array(4))
    assert checkpoint.restore(like=STATE) is None


def test_saving_is_due_after_the_interval(tmp_path: Path) -> None:
    assert Checkpoint(path=tmp_path / "s.npz", key="k", seconds=0).due()
    checkpoint = Checkpoint(path=tmp_path / "s.npz", key="k", seconds=60)
    checkpoint.save(STATE)
    assert not checkpoint.due()


def test_a_path_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        Checkpoint(path=tmp_path / "file" / "state.npz", key="k").save(STATE)


def test_different_inputs_give_different_keys(
    tmp_path: Path, network: Network, images: Images
) -> None:
    checkpoints = Checkpoints(folder=tmp_path)
    other_pixels = images.pixels.copy()
    other_pixels[-1, -1, -1, -1] ^= 1
    kernel = network.weights["logits"].kernel * np.float32(1.0001)
    head = dataclasses.replace(network.weights["logits"], kernel=kernel)
    inputs = [
        (images, network, 1),
        (images, network, 2),
        (dataclasses.replace(images, pixels=other_pixels), network, 1),
        (dataclasses.replace(images, labels=images.labels[::-1]), network, 1),
        (images, dataclasses.replace(network, weights={**network.weights, "logits": head}), 1),
    ]
    keys = [checkpoints.of("run", *each).key for each in inputs]
    assert len(set(keys)) == len(keys)
    assert keys == [checkpoints.of("run", *each).key for each in inputs]
