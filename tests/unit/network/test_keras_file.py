"""Keras files are read without Keras; damaged and hostile files are refused.

The files here are written by hand, as small as they can be, and most are read in this process.
That the real writers' files are read is tested in test_keras_applications.py.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_mobilenet import (
    V1,
    Row,
    config_of,
    rows,
    write_archive,
    write_h5,
    write_legacy,
    write_new,
)

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network import keras_file, weight_matching
from mobiledeploy.network.keras_variables import KerasFile
from mobiledeploy.network.keras_weights import KerasWeights, from_bytes, to_bytes
from mobiledeploy.network.weight_matching import (
    MatchedWeights,
    Stored,
    WholeModel,
    match_weights,
)

EMPTY = KerasWeights(origin="nothing", kernels=(), norms=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "theirs"


def stored(path: Path) -> Stored:
    """Return what a file holds, read in this process."""
    whole = keras_file._whole_model(path)
    if whole is None:
        return keras_file.read_weights_in_this_process(path)
    return WholeModel(file=whole)


def load(path: Path) -> MatchedWeights:
    return match_weights(stored(path), V1)


def check(path: Path, *, epsilon: float = 1e-3) -> None:
    """Check that each layer has its own weights; those of a whole model are folded."""
    matched = load(path)
    assert matched.head
    for index, layer in enumerate(V1.layers):
        if layer.has_weights:
            variables = matched.variables[layer.name]
            norm = variables.batch_norm
            factor = 1.0
            if norm:
                assert (norm.variance == index).all()
                assert norm.epsilon == epsilon
            elif layer.op != "dense":
                factor = index / (index + epsilon) ** 0.5
            assert variables.kernel == pytest.approx(index * factor, rel=1e-6)


@pytest.mark.parametrize("prefix", ["", "conv2d_"])
@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies"])
@pytest.mark.parametrize("names", [True, False])
def test_weights_in_groups_named_by_class_are_read(
    path: Path, prefix: str, root: str, names: bool
) -> None:
    with h5py.File(path, "w") as file:
        write_new(file, rows(prefix=prefix), root=root, names=names)
        # What an optimizer leaves behind is no layer.
        file["optimizer/vars/0"] = np.ones(3)
    check(path)


@pytest.mark.parametrize("prefix", ["", "conv2d_"])
def test_weights_in_groups_named_by_layer_are_read(path: Path, prefix: str) -> None:
    with h5py.File(path, "w") as file:
        write_legacy(file, rows(prefix=prefix))
    check(path)


def test_epsilons_come_from_the_configuration(path: Path) -> None:
    model = rows(epsilon=0.01)
    check(write_h5(path, model), epsilon=0.01)
    check(write_archive(path, model, names=False), epsilon=0.01)


def test_gamma_is_one_where_the_configuration_has_no_scale(path: Path) -> None:
    model = rows(gamma=False)
    layer, index = "conv_dw_1", next(i for i, one in enumerate(V1.layers) if one.op == "depthwise")
    for written in (write_archive, write_h5):
        written(path, model)
        kernel = load(path).variables[layer].kernel
        assert kernel == pytest.approx(index / (index + 1e-3) ** 0.5, rel=1e-6)
    with h5py.File(path, "w") as file:
        write_legacy(file, model)
    norm = load(path).variables[layer].batch_norm
    assert norm is not None
    assert (norm.gamma == 1).all()
    with h5py.File(path, "w") as file:
        write_new(file, model)
    with pytest.raises(RequestError, match=r"`conv1_bn`.* received 3 variables"):
        stored(path)


def test_counters_of_other_layers_are_ignored(path: Path) -> None:
    counted = Row("Normalization", "scaled", {"count": np.ones(1, np.int64)}, {})
    with h5py.File(path, "w") as file:
        write_legacy(file, [counted, *rows()])
    check(path)


def test_weights_of_a_nested_model_are_read(path: Path) -> None:
    trunk, dense = rows()[:-1], rows()[-1:]
    inner = json.loads(config_of(trunk))
    outer = json.loads(config_of(dense))
    outer["config"]["layers"][:0] = [
        json.loads(config_of(trunk[:1]))["config"]["layers"][0],
        {**inner, "name": "trunk"},
    ]
    with h5py.File(path, "w") as file:
        write_new(file, trunk, root="layers/functional/layers", names=False)
        write_new(file, dense, names=False)
    check(path)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(outer)
        weights = file.create_group("model_weights")
        write_legacy(weights, dense)
        weights.attrs["layer_names"] = ["trunk", dense[0].name]
        group = weights.create_group("trunk")
        # As Keras does: first what can be trained, then the moving statistics.
        weights = [(row, role) for row in trunk for role in row.arrays]
        weights.sort(key=lambda item: item[1].startswith("moving"))
        group.attrs["weight_names"] = [f"{row.name}/{role}:0" for row, role in weights]
        for row, role in weights:
            group[f"{row.name}/{role}:0"] = row.arrays[role]
    check(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        keras_file.read(tmp_path / "nothing.h5")
    with pytest.raises(RequestError, match="expected a file, received the folder"):
        keras_file.read(tmp_path)


def test_a_file_is_read_in_a_child_process(path: Path) -> None:
    """The result is the same, errors with their hints included."""
    with h5py.File(path, "w") as file:
        write_legacy(file, rows())
    here, elsewhere = stored(path), keras_file.read(path)
    assert isinstance(here, KerasWeights)
    assert isinstance(elsewhere, KerasWeights)
    assert to_bytes(here) == to_bytes(elsewhere)
    write_archive(path, rows())
    whole = keras_file.read(path)
    assert isinstance(whole, KerasFile)
    assert whole.config == config_of(rows())
    assert weight_matching.load(path, V1).head
    path.write_bytes(b"hello")
    with pytest.raises(CorruptFileError, match="not a Keras weights file") as caught:
        keras_file.read(path)
    assert caught.value.hint is not None
    assert ".weights.h5" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"PK", to_bytes(EMPTY)[:-20]])
def test_damaged_bytes_from_the_child_process_are_refused(data: bytes) -> None:
    assert from_bytes(to_bytes(EMPTY)).origin == "nothing"
    with pytest.raises(CorruptFileError, match="read by the child process are damaged"):
        from_bytes(data)


def replace(path: Path, **members: bytes | None) -> None:
    """Rewrite the archive with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        entries: dict[str, bytes | None] = {n: archive.read(n) for n in archive.namelist()}
    entries.update({name.replace("_", "."): data for name, data in members.items()})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            if data is not None:
                archive.writestr(name, data)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"config_json": None}, "holds no config.json"),
        ({"model_weights_h5": None}, "holds no model.weights.h5"),
        ({"config_json": b"not json"}, "configuration is damaged"),
        ({"config_json": b"[" * 100_000}, "configuration is damaged"),
        ({"config_json": b"[1, 2]"}, "configuration is damaged"),
        ({"config_json": b'{"config": {"layers": [{"class_name": 3}]}}'}, "configuration is dam"),
        ({"config_json": bytes(keras_file.MAX_CONFIG_BYTES + 1)}, "unpacks to more than"),
        ({"model_weights_h5": b"hello"}, "not a Keras weights file"),
    ],
)
def test_damaged_archives_are_refused(
    path: Path, members: dict[str, bytes | None], message: str
) -> None:
    write_archive(path, rows())
    replace(path, **members)
    with pytest.raises(CorruptFileError, match=message):
        load(path)


def test_an_epsilon_that_is_not_a_number_is_refused(path: Path) -> None:
    write_archive(path, rows(epsilon=-1.0))
    with pytest.raises(CorruptFileError, match=r"expected an epsilon, received -1\.0"):
        load(path)


def test_an_archive_that_states_too_large_a_size_is_not_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(path, rows())
    monkeypatch.setattr(keras_file, "MAX_WEIGHTS_BYTES", 1000)
    with pytest.raises(CorruptFileError, match="more than 1,000 bytes"):
        load(path)


def test_an_archive_of_zeros_is_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(path, rows())
    replace(path, model_weights_h5=bytes(1 << 20))
    monkeypatch.setattr(keras_file, "SMALL", 1 << 19)
    with pytest.raises(CorruptFileError, match="more than 100 times its bytes"):
        keras_file.read_to_bytes(str(path))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: data[:-30], id="no end"),
        pytest.param(lambda data: data.replace(b"\x89HDF", b"\x89XXX"), id="other magic"),
    ],
)
def test_truncated_and_overwritten_files_are_refused(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    write_archive(path, rows())
    archive = path.read_bytes()
    with h5py.File(path, "w") as file:
        write_legacy(file, rows())
    for whole in (archive, path.read_bytes()):
        path.write_bytes(change(whole))
        with pytest.raises(CorruptFileError):
            load(path)


def test_an_hdf5_file_without_layers_is_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["measurements"] = np.ones(10)
    with pytest.raises(CorruptFileError, match="holds no Keras layers"):
        load(path)


def test_layers_that_are_listed_but_missing_are_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        write_legacy(file, rows())
        del file["conv_dw_1"]
    with pytest.raises(CorruptFileError, match="`conv_dw_1` is listed"):
        load(path)
    with h5py.File(path, "w") as file:
        write_new(file, rows())
        del file["layers/conv2d_1/vars/0"]
    with pytest.raises(CorruptFileError, match="`layers/conv2d_1` lacks its weights"):
        load(path)
