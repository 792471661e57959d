"""Keras files are read without Keras; damaged and hostile files are refused.

The files here are written by hand, as small as they can be, and most are read in this process.
That the real writers' files are read is tested in test_keras_applications.py.
"""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.models import registry
from mobiledeploy.network import keras_file
from mobiledeploy.network.keras_config import snake_case
from mobiledeploy.network.keras_weights import KerasWeights, from_bytes, to_bytes
from mobiledeploy.network.network import Float
from mobiledeploy.network.weight_matching import MatchedWeights, match_weights

V1 = registry.architecture("v1", alpha=0.25, image_size=32, classes=3)


EMPTY = KerasWeights(origin="nothing", kernels=(), norms=())


class Row(NamedTuple):
    class_name: str
    name: str
    arrays: dict[str, Float]
    settings: dict[str, Any]


def rows(*, prefix: str = "", epsilon: float = 1e-3, gamma: bool = True) -> list[Row]:
    """Return V1 as rows of a Keras model; the values of each layer are unique."""
    model = [Row("InputLayer", "image", {}, {"batch_shape": [None, 32, 32, 3]})]
    for index, layer in enumerate(V1.layers):
        if layer.op == "mean":
            model.append(Row("GlobalAveragePooling2D", "pooled", {}, {}))
        if not layer.has_weights:
            continue
        kernel = {"kernel": np.full(layer.kernel_shape, index, np.float32)}
        full = np.full(layer.out_channels, index, np.float32)
        name = prefix + layer.name
        match layer.op:
            case "dense":
                model.append(Row("Dense", name, {**kernel, "bias": full}, {"units": 3}))
            case op:
                class_name = "Conv2D" if op == "conv" else "DepthwiseConv2D"
                window = {
                    "filters": layer.out_channels, "kernel_size": list(layer.kernel),
                    "strides": list(layer.strides), "padding": "same",
                }  # fmt: skip
                roles = ("gamma", "beta", "moving_mean", "moving_variance")[not gamma :]
                model += (
                    Row(class_name, name, kernel, window),
                    Row(
                        "BatchNormalization",
                        f"{name}_bn",
                        dict.fromkeys(roles, full),
                        {"epsilon": epsilon, "scale": gamma},
                    ),
                    Row("ReLU", f"{name}_relu", {}, {"max_value": 6.0}),
                )
    return model


def config_of(model: list[Row]) -> str:
    layers = [
        {"class_name": row.class_name, "config": {"name": row.name, **row.settings}}
        for row in model
    ]
    return json.dumps({"class_name": "Functional", "config": {"layers": layers}})


def write_new(file: Any, model: list[Row], *, root: str = "layers", names: bool = True) -> None:
    used: Counter[str] = Counter()
    for row in model:
        stem = snake_case(row.class_name)
        group = file.create_group(
            f"{root}/{stem}_{used[stem]}/vars" if used[stem] else f"{root}/{stem}/vars"
        )
        used[stem] += 1
        if names:
            group.attrs["name"] = row.name
        for index, array in enumerate(row.arrays.values()):
            group[str(index)] = array


def write_legacy(file: Any, model: list[Row]) -> None:
    file.attrs["layer_names"] = np.array([row.name.encode() for row in model])
    for row in model:
        group = file.create_group(row.name)
        paths = [f"{row.name}/{role}:0" for role in row.arrays]
        group.attrs["weight_names"] = np.array([path.encode() for path in paths], "S")
        for path, array in zip(paths, row.arrays.values(), strict=True):
            group[path] = array


def write_archive(path: Path, model: list[Row], **options: Any) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_new(file, model, **options)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", config_of(model))
        archive.writestr("model.weights.h5", buffer.getvalue())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "theirs"


def image_size(weights: KerasWeights) -> object:
    return weights.graph and weights.graph.image_size


def load(path: Path) -> MatchedWeights:
    return match_weights(keras_file.read_in_this_process(path), V1)


def check(path: Path, *, epsilon: float = 1e-3) -> None:
    matched = load(path)
    assert matched.head
    for index, layer in enumerate(V1.layers):
        if layer.has_weights:
            variables = matched.variables[layer.name]
            assert (variables.kernel == index).all()
            if variables.batch_norm:
                assert (variables.batch_norm.variance == index).all()
                assert variables.batch_norm.epsilon == epsilon


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


def test_epsilons_and_the_image_size_come_from_the_configuration(path: Path) -> None:
    model = rows(epsilon=0.01)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config_of(model)
        write_legacy(file.create_group("model_weights"), model)
        file.create_group("optimizer_weights")
    check(path, epsilon=0.01)
    assert image_size(keras_file.read_in_this_process(path)) == (32, 32)
    write_archive(path, model, names=False)
    check(path, epsilon=0.01)
    assert image_size(keras_file.read_in_this_process(path)) == (32, 32)


def test_gamma_is_one_where_the_configuration_has_no_scale(path: Path) -> None:
    model = rows(gamma=False)
    write_archive(path, model)
    norm = load(path).variables["conv_dw_1"].batch_norm
    assert norm is not None
    assert (norm.gamma == 1).all()
    assert (norm.beta == 1).all()
    with h5py.File(path, "w") as file:
        write_legacy(file, model)
    norm = load(path).variables["conv_dw_1"].batch_norm
    assert norm is not None
    assert (norm.gamma == 1).all()
    with h5py.File(path, "w") as file:
        write_new(file, model)
    with pytest.raises(RequestError, match=r"`conv1_bn`.* received 3 variables"):
        keras_file.read_in_this_process(path)


def test_counters_of_other_layers_are_ignored(path: Path) -> None:
    counted = Row("Normalization", "scaled", {"count": np.ones(1, np.int64)}, {})
    with h5py.File(path, "w") as file:
        write_legacy(file, [counted, *rows()])
    check(path)


def test_weights_of_a_nested_model_are_read(path: Path) -> None:
    trunk, dense = rows()[:-1], rows()[-1:]
    inner = json.loads(config_of(trunk))
    outer = json.loads(config_of(dense))
    outer["config"]["layers"].insert(0, {**inner, "name": "trunk"})
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
    write_archive(path, rows())
    here, elsewhere = keras_file.read_in_this_process(path), keras_file.read(path)
    assert to_bytes(here) == to_bytes(elsewhere)
    assert image_size(elsewhere) == (32, 32)
    assert keras_file.load(path, V1).head
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
        keras_file.read_in_this_process(path)


def test_an_epsilon_that_is_not_a_number_is_refused(path: Path) -> None:
    write_archive(path, rows(epsilon=-1.0))
    with pytest.raises(CorruptFileError, match=r"expected an epsilon, received -1\.0"):
        keras_file.read_in_this_process(path)


def test_an_archive_that_states_too_large_a_size_is_not_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(path, rows())
    monkeypatch.setattr(keras_file, "MAX_WEIGHTS_BYTES", 1000)
    with pytest.raises(CorruptFileError, match="more than 1,000 bytes"):
        keras_file.read_in_this_process(path)


def test_an_archive_of_zeros_is_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(path, rows())
    replace(path, model_weights_h5=bytes(1 << 20))
    monkeypatch.setattr(keras_file, "SMALL", 1 << 19)
    with pytest.raises(CorruptFileError, match="more than 100 times its bytes"):
        keras_file.read_in_this_process(path)


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
        keras_file.read_in_this_process(path)


def test_layers_that_are_listed_but_missing_are_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        write_legacy(file, rows())
        del file["conv_dw_1"]
    with pytest.raises(CorruptFileError, match="`conv_dw_1` is listed"):
        keras_file.read_in_this_process(path)
    with h5py.File(path, "w") as file:
        write_new(file, rows())
        del file["layers/conv2d_1/vars/0"]
    with pytest.raises(CorruptFileError, match="`layers/conv2d_1` lacks its weights"):
        keras_file.read_in_this_process(path)
