"""External weights are read only from the model's folder."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto
from unit.lint.onnx_forms import convolution

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.lint.inspection import inspect_file

pytestmark = pytest.mark.usefixtures("without_children")


def stored_outside(folder: Path, location: str) -> Path:
    """A model whose kernel is in another file."""
    model = convolution()
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    (folder / "weights.bin").write_bytes(b"unrelated" + kernel.raw_data)
    kernel.data_location = TensorProto.EXTERNAL
    places = {"location": location, "offset": "9", "length": str(len(kernel.raw_data))}
    for key, value in places.items():
        kernel.external_data.add(key=key, value=value)
    kernel.ClearField("raw_data")
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_the_models_folder_are_read(tmp_path: Path) -> None:
    report = inspect_file(stored_outside(tmp_path, "weights.bin"))
    assert {finding.rule for finding in report.findings} == {"MD013", "MD410"}
    (kernel,) = (tensor for tensor in report.tensors if tensor.name == "kernel")
    assert kernel.stored == 6 * 5 * 9
    assert report.macs == 6 * 5 * 9 * 36


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/hostname", "link/weights.bin", "a\0b", "x" * 300, ""]
)
def test_weights_outside_the_models_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(CorruptFileError, match="in the model's folder"):
        inspect_file(stored_outside(folder, location))


def test_missing_external_weights_are_reported_as_a_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="is not there"):
        inspect_file(stored_outside(tmp_path, "lost.bin"))


def test_overlapping_external_weights_are_reported_as_a_damaged_file(tmp_path: Path) -> None:
    path = stored_outside(tmp_path, "weights.bin")
    model = onnx.load(path, load_external_data=False)
    (kernel,) = (tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    model.graph.initializer.append(kernel)
    second = model.graph.initializer[-1]
    second.name, second.external_data[1].value = "second", "8"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptFileError, match="overlap"):
        inspect_file(path)
