"""An intact file of another kind is named as such and not called damaged."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from graphs import assorted_graph

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.formats import file_kind, model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.lint import inspection
from mobiledeploy.targets import onnx, tflite


def archive(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for member in members:
            file.writestr(member, "x")
    return buffer.getvalue()


def hdf5(write: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def whole(file: Any) -> None:
    file.attrs["model_config"] = "{}"


def weights(file: Any) -> None:
    file["layers/conv2d/vars/0"] = np.ones(3)


def old_weights(file: Any) -> None:
    file.create_group("conv1").attrs["weight_names"] = np.array([b"kernel:0"])


def measurements(file: Any) -> None:
    file["measurements"] = np.ones(3)


KINDS = {
    "a Keras model (.keras": archive("metadata.json", "config.json", "model.weights.h5"),
    "a Keras model (HDF5": hdf5(whole),
    "a Keras weights file": hdf5(weights),
    "a Keras weights file (HDF5, ": hdf5(old_weights),
    "that Keras did not write": hdf5(measurements),
    "a PyTorch checkpoint": archive("archive/data.pkl", "archive/version"),
    "a TorchScript module": archive("m/data.pkl", "m/constants.pkl"),
    "a Python pickle": pickle.dumps({"a": 1}),
    "a zip archive with a TensorFlow SavedModel": archive("m/saved_model.pb"),
    "a zip archive that holds model.tflite": archive("model.tflite"),
    "an Android package": archive("AndroidManifest.xml", "assets/model.tflite"),
    "an archive of NumPy arrays": archive("a.npy"),
    "a NumPy array": b"\x93NUMPY\x01\0",
    "a JPEG image": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "a PNG image": b"\x89PNG\r\n\x1a\n",
    "a JSON file": json.dumps({"a": 1}).encode(),
    "a web page": b"<!DOCTYPE html><title>404</title>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a safetensors file": struct.pack("<Q", 20) + b'{"a":{"dtype":"F32"}}',
    "a gzip archive": b"\x1f\x8b\x08\0",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".keras", ".onnx", ".tflite", ""])
def test_a_file_of_another_kind_is_refused_and_its_kind_named(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"theirs{suffix}"
    path.write_bytes(KINDS[kind])
    with pytest.raises(RequestError) as caught:
        inspection.inspect(path)
    assert kind in str(caught.value)
    assert caught.value.hint
    with pytest.raises(RequestError) as caught:
        model_file.read(path)
    assert kind in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("a Keras")])
def test_for_a_keras_file_the_hint_names_the_command_that_takes_it(kind: str) -> None:
    kind_of_file = file_kind.kind_of("m.h5", KINDS[kind])
    assert kind_of_file is not None
    command = "build --weights" if "weights file" in kind else "quantize"
    assert f"mobiledeploy {command}" in str(kind_of_file.hint)


def test_a_saved_model_folder_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    with pytest.raises(RequestError, match=r"received the folder .*: a TensorFlow SavedModel"):
        inspection.inspect(tmp_path)
    with pytest.raises(RequestError, match="is a TensorFlow SavedModel"):
        inspection.inspect(tmp_path / "saved_model.pb")


def test_text_is_recognised_unless_the_file_is_named_like_a_model() -> None:
    text = "Füchse\nHunde\n".encode()
    with pytest.raises(RequestError, match="is a text file"):
        file_kind.require_model("labels.txt", text)
    file_kind.require_model("model.onnx", text)


def test_a_truncated_archive_is_reported_as_damaged() -> None:
    data = KINDS["a Keras model (.keras"]
    with pytest.raises(CorruptFileError, match=r"zip archive, such as a .* damaged"):
        file_kind.require_model("m.keras", data[: len(data) // 2])


def test_models_and_unknown_bytes_are_left_to_the_parsers() -> None:
    graph = assorted_graph()
    for data in (
        tflite.write(graph), onnx.write(graph, certify(graph)), b"\0\x01\x02", b"\x08\x07",
    ):  # fmt: skip
        assert file_kind.kind_of("model", data) is None
        file_kind.require_model("model", data)


def test_an_empty_file_is_damaged_whatever_its_name() -> None:
    for name in ("model.onnx", "model.tflite", "notes.txt"):
        with pytest.raises(CorruptFileError, match=f"^{name} is empty$"):
            file_kind.require_model(name, b"")
