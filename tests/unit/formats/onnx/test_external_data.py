"""External data of an `.onnx` is read once, and only from its folder."""

import hashlib
import os
from pathlib import Path

import graphs
import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.onnx import external_data, parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import ort
from mobiledeploy.targets import onnx as target

GRAPH = graphs.assorted_graph()
WHOLE = target.write(GRAPH, certify(GRAPH))


def model_at(folder: Path) -> Path:
    """A model whose tensors are in `weights/all.bin` next to it."""
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


def outside(path: Path) -> tuple[onnx.ModelProto, list[TensorProto]]:
    model = onnx.load(path, load_external_data=False)
    stored = model.graph.initializer
    return model, [t for t in stored if external_data_helper.uses_external_data(t)]


def relocated(path: Path, **entries: str) -> None:
    """Change the location that the first external tensor states."""
    model, tensors = outside(path)
    for entry in tensors[0].external_data:
        entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())


def test_a_model_with_external_tensors_gives_the_same_outputs(tmp_path: Path) -> None:
    file = model_file.read(model_at(tmp_path / "m"))
    images = graphs.extremes(GRAPH.input.shape)
    for got, expected in zip(
        ort.load(file.data).run(images), ort.load(WHOLE).run(images), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert file.size == (tmp_path / "m/model.onnx").stat().st_size
    assert file.onnx.outside == (tmp_path / "m/weights/all.bin").stat().st_size


def test_each_file_beside_a_model_is_named_once_with_its_size_and_digest(tmp_path: Path) -> None:
    file = model_file.read(model_at(tmp_path / "m"))
    weights = (tmp_path / "m/weights/all.bin").read_bytes()
    (beside,) = file.external
    assert (beside.name, beside.size) == ("weights/all.bin", len(weights))
    assert beside.sha256 == hashlib.sha256(weights).hexdigest()
    assert model_file.of_bytes("whole.onnx", WHOLE).external == ()


def test_a_huge_file_beside_a_model_is_not_hashed(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    os.truncate(tmp_path / "m/weights/all.bin", 2**40)  # a hole: it takes no room on the disk
    with pytest.raises(
        CorruptFileError, match=r"^model\.onnx: expected at most .* beside the model"
    ):
        model_file.read(path)


def test_constants_are_the_same_whether_internal_or_external(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    external = parse(path.read_bytes(), folder=path.parent)
    for one, other in zip(external.tensors, parse(WHOLE).tensors, strict=True):
        assert (one.name, one.dtype, one.shape) == (other.name, other.dtype, other.shape)
        np.testing.assert_array_equal(one.data, other.data)
    assert onnx.load_from_string(external.whole()) == onnx.load_from_string(WHOLE)


def test_a_model_without_external_tensors_is_returned_unchanged() -> None:
    assert parse(WHOLE).whole() is WHOLE


def test_without_a_folder_the_error_names_the_file_that_is_needed(tmp_path: Path) -> None:
    data = model_at(tmp_path / "m").read_bytes()
    with pytest.raises(RequestError, match=r"is in another file, `weights/all\.bin`"):
        parse(data)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("../secret.bin", "in the model's folder, received the path"),
        ("/etc/hostname", "in the model's folder, received the path"),
        ("weights/../../secret.bin", "in the model's folder, received the path"),
        ("", "in the model's folder, received the path"),
        ("C:secret", "in the model's folder, received the path"),
        ("..\\secret", "in the model's folder, received the path"),
        ("link.bin", "in the model's folder, received the path"),
        ("a\0b", "in the model's folder, received the path"),
        ("x" * 300, "in the model's folder, received the path"),
        ("weights", "weights, which is not a file"),
        ("missing.bin", r"missing\.bin, which is not there"),
    ],
)
def test_locations_that_are_not_files_in_the_models_folder_are_refused(
    tmp_path: Path, location: str, said: str
) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    path = model_at(tmp_path / "m")
    (tmp_path / "m/link.bin").symlink_to(tmp_path / "secret.bin")
    relocated(path, location=location, offset="0", length="4")
    with pytest.raises(CorruptFileError, match=said) as caught:
        model_file.read(path)
    assert "damaged" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    os.mkfifo(tmp_path / "m/pipe")
    relocated(path, location="pipe")
    with pytest.raises(CorruptFileError, match="which is not a file"):
        model_file.read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_read_permission_is_not_reported_as_damage(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    (tmp_path / "m/weights/all.bin").chmod(0)
    with pytest.raises(RequestError, match="cannot read"):
        model_file.read(path)


@pytest.mark.parametrize(
    "entries", [{"offset": "99999999"}, {"length": "99999999"}, {"offset": "-4"}, {"offset": "x"}]
)
def test_offsets_beyond_the_external_file_are_refused(
    tmp_path: Path, entries: dict[str, str]
) -> None:
    path = model_at(tmp_path / "m")
    relocated(path, **entries)
    with pytest.raises(CorruptFileError, match="constant `"):
        model_file.read(path)


def test_tensors_that_overlap_in_an_external_file_are_refused(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    model, tensors = outside(path)
    largest = max(tensors, key=lambda tensor: int(tensor.external_data[2].value))
    for number in range(1, 40):
        copy = model.graph.initializer.add()
        copy.CopyFrom(largest)
        copy.name = f"copy {number}"
        offset, length = (int(largest.external_data[place].value) for place in (1, 2))
        copy.external_data[1].value = str(offset + number)
        copy.external_data[2].value = str(length - number)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CorruptFileError, match="overlap"):
        parse(path.read_bytes(), folder=path.parent)


def test_tensors_that_share_their_bytes_share_the_memory(tmp_path: Path) -> None:
    path = model_at(tmp_path / "m")
    model, tensors = outside(path)
    for number in range(40):
        copy = model.graph.initializer.add()
        copy.CopyFrom(tensors[0])
        copy.name = f"copy {number}"
    path.write_bytes(model.SerializeToString())
    read = parse(path.read_bytes(), folder=path.parent)
    last = model.graph.initializer[-1]
    assert read.external.of(tensors[0]) is read.external.of(last)
    assert read.outside == (tmp_path / "m/weights/all.bin").stat().st_size


def test_external_data_above_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model_at(tmp_path / "m")
    monkeypatch.setattr(external_data, "MOST_BYTES", 100)
    with pytest.raises(CorruptFileError, match="at most 100 bytes in other files"):
        parse(path.read_bytes(), folder=path.parent)


def test_external_tensors_in_attributes_are_checked(tmp_path: Path) -> None:
    model = onnx.load_from_string(WHOLE)
    tensor = TensorProto(name="t", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret.bin")
    node = onnx.helper.make_node("Constant", [], ["unused"], value=tensor)
    model.graph.node.append(node)
    with pytest.raises(CorruptFileError, match="secret"):
        parse(model.SerializeToString(), folder=tmp_path)


def test_external_tensors_of_inner_graphs_are_checked(tmp_path: Path) -> None:
    model = onnx.load_from_string(WHOLE)
    tensor = TensorProto(name="t", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret.bin")
    branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
    node = onnx.helper.make_node("If", [""], ["unused"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    with pytest.raises(CorruptFileError, match="secret"):
        parse(model.SerializeToString(), folder=tmp_path)


def test_graphs_nested_too_deeply_are_refused() -> None:
    graph = onnx.helper.make_graph([], "innermost", [], [])
    for _ in range(external_data.DEEPEST):
        node = onnx.helper.make_node("If", [""], ["unused"], then_branch=graph)
        graph = onnx.helper.make_graph([node], "outer", [], [])
    with pytest.raises(CorruptFileError, match="graphs nested at most 32 deep"):
        external_data.read(onnx.ModelProto(graph=graph), None)


def test_external_data_too_large_for_one_protobuf_is_not_reported_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model_at(tmp_path / "m")
    model = parse(path.read_bytes(), folder=path.parent)
    monkeypatch.setattr(external_data, "MOST_INSIDE", 100)
    with pytest.raises(ConversionError, match="at most 100 bytes of external data"):
        model.whole()
