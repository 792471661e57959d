"""Tensors beside an ONNX file are read from its folder, and from nowhere else."""

import os
from pathlib import Path

import graphs
import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import ort
from mobiledeploy.targets import onnx as writer
from mobiledeploy.verify.external_data import embedded

GRAPH = graphs.assorted_graph()
WHOLE = writer.write(GRAPH, certify(GRAPH))


def model_at(folder: Path) -> Path:
    """A model whose tensors lie in `weights/all.bin` beside it."""
    (folder / "weights").mkdir(parents=True)
    model = onnx.load_from_string(WHOLE)
    onnx.save(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        location="weights/all.bin",
        size_threshold=0,
    )
    return folder / "model.onnx"


def relocated(path: Path, **entries: str) -> None:
    """Point the first tensor outside elsewhere."""
    model = onnx.load(path, load_external_data=False)
    tensor = next(t for t in model.graph.initializer if external_data_helper.uses_external_data(t))
    for entry in tensor.external_data:
        entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())


def test_a_model_with_tensors_beside_it_gives_the_same_answers(tmp_path: Path) -> None:
    found = model_file.read(model_at(tmp_path / "m"))
    images = graphs.extremes(GRAPH.input.shape)
    for got, expected in zip(
        ort.load(found.data).run(images), ort.load(WHOLE).run(images), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert found.size == (tmp_path / "m/model.onnx").stat().st_size


def test_a_model_with_its_tensors_inside_comes_back_as_it_is() -> None:
    assert embedded(WHOLE, None) is WHOLE


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/hostname", "weights/../../secret.bin", "", "C:secret", "..\\secret",
     "weights", "missing.bin", "link.bin", "a\0b"],
)  # fmt: skip
def test_other_places_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    path = model_at(tmp_path / "m")
    (tmp_path / "m/link.bin").symlink_to(tmp_path / "secret.bin")
    relocated(path, location=location, offset="0", length="4")
    with pytest.raises(CorruptFileError, match="which is no file in the model's folder"):
        model_file.read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    os.mkfifo(tmp_path / "m/pipe")
    relocated(path, location="pipe")
    with pytest.raises(CorruptFileError, match="no file in the model's folder"):
        model_file.read(path)


@pytest.mark.parametrize(
    "entries", [{"offset": "99999999"}, {"length": "99999999"}, {"offset": "-4"}, {"offset": "x"}]
)
def test_bytes_outside_of_the_file_are_refused(tmp_path: Path, entries: dict[str, str]) -> None:
    path = model_at(tmp_path / "m")
    relocated(path, **entries)
    with pytest.raises(CorruptFileError, match="tensor `"):
        model_file.read(path)


def test_tensors_in_attributes_are_looked_at_too(tmp_path: Path) -> None:
    model = onnx.load_from_string(WHOLE)
    outside = TensorProto(name="t", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../secret.bin")
    node = onnx.helper.make_node("Constant", [], ["unused"], value=outside)
    model.graph.node.append(node)
    with pytest.raises(CorruptFileError, match="secret"):
        embedded(model.SerializeToString(), tmp_path)
