import io
import json
import zipfile
from pathlib import Path

import h5py
import handmade_keras
import numpy as np
import pytest
import small_floats

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.network.importers import sources
from mobiledeploy.targets import float_tflite

EXPORTS = Path(__file__).parent / "exports"


def test_files_are_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    writer = TfliteWriter()
    source, output = (writer.activation(name, "float32", (1, 4, 4, 3)) for name in "xy")
    writer.operator("RELU", 1, [source], output)
    data = writer.finish(
        description="", min_runtime="1.5.0", inputs={"x": source}, outputs={"y": output}
    )
    (tmp_path / "a.onnx").write_bytes(data)
    assert sources.read(tmp_path / "a.onnx").source == "tflite"
    (tmp_path / "b.tflite").write_bytes((EXPORTS / "vgg.onnx").read_bytes())
    assert sources.read(tmp_path / "b.tflite").source == "onnx"


def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x80\x02}q\x01.")
    with pytest.raises(RequestError, match="Python pickle"):
        sources.read(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        sources.read(tmp_path / "none.onnx")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind", "hint"),
    [
        ("a.pt", zipped("m/data.pkl"), "a PyTorch checkpoint", "torch.onnx.export"),
        ("a.pt", zipped("m/data.pkl", "m/constants.pkl"), "a TorchScript module", "torch.onnx"),
        ("a.npz", zipped("a.npy"), "an archive of NumPy arrays", ".tflite"),
        ("a.zip", zipped("m/saved_model.pb"), "a TensorFlow SavedModel", "TFLiteConverter"),
        ("a.task", zipped("model.tflite"), "a zip archive that holds model.tflite", "unpack"),
        ("a.keras", zipped("config.json"), "a Keras archive without its `model.w", "model.save"),
        ("a.pb", b"\n\x1b\n\x05input", "a TensorFlow graph", "tf2onnx"),
        ("a.index", b"abc\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a TensorFlow checkpoint", "whole"),
        ("a.safetensors", b"\x0a" + bytes(7) + b'{"a": 1, "b": 2}', "a safetensors", "onnx"),
    ],
)
def test_an_intact_file_of_another_kind_is_not_called_damaged(
    name: str, data: bytes, kind: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RequestError, match=rf"{name} is .*{kind}.*, expected a \.keras") as caught:
        sources.read(path)
    assert hint in (caught.value.hint or "")
    assert "damaged" not in f"{caught.value} {caught.value.hint}"


def test_a_folder_is_called_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected a file, received the folder"):
        sources.read(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(RequestError, match=r"a TensorFlow SavedModel$") as caught:
        sources.read(tmp_path)
    assert "model.keras" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_a_file_that_was_cut_off_is_damaged(name: str, tmp_path: Path) -> None:
    data = zipped("config.json", "model.weights.h5")
    if name == "a.h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / name, "w") as file:
            file["a"] = range(5000)
        data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFileError, match="damaged"):
        sources.read(tmp_path / name)


def test_logarithms_of_scores_become_the_scores(tmp_path: Path) -> None:
    path = small_floats.file(tmp_path / "a.tflite", (8,), 3, last="log_softmax")
    imported = sources.read(path)
    assert imported.graph.nodes[-1].op == "softmax"
    assert [notice.kind for notice in imported.notices] == ["log_scores"]


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.tflite"])
def test_weights_that_are_no_numbers_are_named_with_their_layer(name: str, tmp_path: Path) -> None:
    if name == "a.tflite":
        graph = small_floats.graph((8,), 3)
        graph.nodes[-1].arrays["kernel"][0, 0] = known = np.float32(1234.5)
        data = float_tflite.write(graph).replace(known.tobytes(), np.float32(np.nan).tobytes())
        (tmp_path / name).write_bytes(data)
    else:
        handmade_keras.write(tmp_path / name, bad=np.inf)
    (node,) = sources.read(tmp_path / name).unsupported
    assert node.name in {"logits", "dense"}
    assert "`kernel` holds NaN or infinite values" in node.attributes["reason"]


def two_outputs(path: Path, *, legacy: bool) -> Path:
    """Write a model with the outputs `animal` and `where`, and a layer that only one reads."""
    handmade_keras.write(path)
    model = json.loads(handmade_keras.config())
    rows = model["config"]["layers"]
    rows.append(handmade_keras.layer("LayerNormalization", axis=[-1], epsilon=0.001))
    for row, source in zip(rows, (None, 0, 1, 2, 2), strict=True):
        row["name"] = row["config"]["name"]
        if source is None:
            row["inbound_nodes"] = []
            continue
        history = [rows[source]["name"], 0, 0]
        row["inbound_nodes"] = (
            [[[*history, {}]]]
            if legacy
            else [{
                "args": [{"class_name": "__keras_tensor__", "config": {"keras_history": history}}],
                "kwargs": {},
            }]
        )  # fmt: skip
    ends = [["dense", 0, 0], ["layernormalization", 0, 0]]
    model["class_name"] = "Functional"
    model["config"]["input_layers"] = [["inputlayer", 0, 0]]
    model["config"]["output_layers"] = (
        ends if legacy else dict(zip(("animal", "where"), ends, strict=True))
    )
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = json.dumps(model)
            file.attrs["keras_version"] = "2.15.0" if legacy else "3.9.0"
        return path
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, json.dumps(model) if name == "config.json" else data)
    return path


@pytest.mark.parametrize(
    ("name", "legacy", "chosen", "other"),
    [
        ("a.keras", False, "animal", "where"),
        ("a.h5", False, "animal", "where"),
        ("a.h5", True, "dense", "layernormalization"),
    ],
)
def test_of_several_outputs_of_a_keras_model_one_is_named(
    name: str, legacy: bool, chosen: str, other: str, tmp_path: Path
) -> None:
    path = two_outputs(tmp_path / name, legacy=legacy)
    with pytest.raises(
        RequestError, match=f"one output, received 2: {chosen}, {other}$"
    ) as caught:
        sources.read(path)
    assert "`--output`" in (caught.value.hint or "")
    with pytest.raises(RequestError, match=f"an output `x`, received {chosen}, {other}$"):
        sources.read(path, output="x")
    imported = sources.read(path, output=chosen)
    assert imported.classes == handmade_keras.CLASSES
    assert "layernormalization" not in {node.name for node in imported.graph.nodes}
    assert sources.read(path, output=other).unsupported


def test_the_only_output_of_a_keras_model_may_be_named(tmp_path: Path) -> None:
    path = handmade_keras.write(tmp_path / "a.keras")
    assert sources.read(path, output="dense").classes == handmade_keras.CLASSES


@pytest.mark.parametrize("name", ["a.keras", "a.tflite"])
def test_of_an_input_that_is_too_large_the_sizes_are_said(name: str, tmp_path: Path) -> None:
    shape = (5000, 5000, 3)
    if name == "a.tflite":
        path = small_floats.file(tmp_path / name, shape, 3)
    else:
        path = handmade_keras.write(tmp_path / name, shape=shape)
    with pytest.raises(ConversionError, match="is too large") as caught:
        sources.read(path)
    assert "16 to 1024 pixels" in (caught.value.hint or "")
