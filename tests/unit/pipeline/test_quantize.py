"""A model file becomes a build folder that takes pixels as the file was trained with."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import accuracy_networks
import grey_levels
import numpy as np
import onnx
import pytest
import small_floats
from onnx import helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.base import codec
from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.evaluation import read as read_evaluation
from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.formats import model_file
from mobiledeploy.integer import tflite_reader
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.ops.conv import Conv
from mobiledeploy.pipeline import input_range, quantise_images
from mobiledeploy.pipeline.prepare import _unsupported, read_model
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.channel_scaling import SCALINGS, named
from mobiledeploy.spec.config import WEIGHTS_PER, ImportConfig
from mobiledeploy.spec.contract import Contract
from mobiledeploy.spec.results import BuildReport
from mobiledeploy.targets import float_tflite
from mobiledeploy.verify import build
from mobiledeploy.verify.outputs import golden

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_levels.photos(tmp_path_factory.mktemp("photos"), NAMES)


def right(report: BuildReport) -> list[tuple[int, int]]:
    return [(line.test.correct, line.test.total) for line in report.scores]


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ((103.939, 116.779, 123.68), (1.0,) * 3),
        ((0.0,), (255.0,)),
    ],
)
def test_a_mean_and_std_per_channel_become_a_layer_of_both_files(
    mean: tuple[float, ...], std: tuple[float, ...], photos: Path, tmp_path: Path
) -> None:
    scaling = named(mean, std)
    model = grey_levels.classifier(tmp_path / "model.onnx", scaling, len(NAMES))
    out = tmp_path / "build"
    report = quantize(model, out, data=photos, scaling=scaling)
    assert report.holds
    assert right(report) == [(8, 8)] * 3
    config = manifest.read(out).config
    assert isinstance(config, ImportConfig)
    assert (config.mean, config.std) == (mean, std)
    # Whatever the scaling, an app's code of a pixel is `pixel - 128`, which the contract states.
    assert config.preprocessing is not None
    assert config.preprocessing.scaling == (0, 1 if len(mean) == 3 else 255)
    logits = read_evaluation(out / "evaluation.npz").float_logits
    assert np.ptp(logits.argmax(axis=1)) == 3


def test_another_mean_is_not_up_to_date(photos: Path, tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["torchvision"], len(NAMES))
    files = []
    for mean in ((123.675, 116.28, 103.53), (120.0, 116.28, 103.53)):
        scaling = named(mean, SCALINGS["torchvision"].std)
        quantize(model, tmp_path / "build", data=photos, scaling=scaling)
        files.append((tmp_path / "build/model.tflite").read_bytes())
    assert files[0] != files[1]


def test_without_photos_the_options_that_say_the_scaling_are_named(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    with pytest.raises(RequestError, match="does not say how pixels") as caught:
        quantize(model, tmp_path / "build")
    assert caught.value.hint == input_range.not_known("").hint
    assert "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375" in (caught.value.hint or "")


def test_folders_that_keep_photos_from_deciding_the_range_are_named(
    photos: Path, tmp_path: Path
) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    labels = ("other", *NAMES[1:])
    with pytest.raises(RequestError, match=r"do not decide it: 1 of .* not named like") as caught:
        quantize(model, tmp_path / "build", data=photos, labels=labels)
    assert f"`{NAMES[0]}`" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "outputs", "last", "task"),
    [
        ((24, 40, 1), 1, "logistic", "binary"),
        ((32, 20, 3), 4, "logistic", "multi-label"),
        pytest.param((16, 16, 1), 2, "", "regression", marks=pytest.mark.slow),
    ],
)
def test_grey_and_oblong_images_and_other_heads_are_in_the_contract(
    shape: tuple[int, int, int], outputs: int, last: str, task: Any, tmp_path: Path
) -> None:
    model = small_floats.file(tmp_path / "a.tflite", shape, outputs, last=last)
    out = tmp_path / "build"
    given = task if not last else None
    report = quantize(model, out, scaling=named((100.0,), (50.0,)), task=given)
    assert report.holds
    contract = codec.from_json(Contract, (out / "contract.json").read_bytes(), where="contract")
    assert contract.for_photos().shape == shape
    assert (contract.task, contract.outputs) == (task, outputs)
    assert contract.classes == (2 if task == "binary" else outputs)
    # Whatever the scaling, the code of a golden pixel is `pixel - 128`.
    pixels, _, answers = golden.read(out / "golden.npz")
    outputs_of = litert.load((out / "model.tflite").read_bytes()).run(to_int8(pixels))[0]
    np.testing.assert_array_equal(
        outputs_of, answers.logits if answers.scores is None else answers.scores
    )
    assert build.verify(out).holds


def test_one_sigmoid_decides_between_two_folders(tmp_path: Path) -> None:
    folder = grey_levels.photos(tmp_path / "photos", ("dark", "light"))
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], 2)
    proto = onnx.load(model)
    # The difference of the two logits is what a single sigmoid sees.
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name in {"weight", "bias"}:
            tensor.CopyFrom(numpy_helper.from_array(array[1:] - array[:1], tensor.name))
    proto.graph.node.append(onnx.helper.make_node("Sigmoid", ["logits"], ["scores"]))
    proto.graph.output[0].name = "scores"
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(proto, model)
    out = tmp_path / "build"
    report = quantize(model, out, data=folder, scaling=SCALINGS["0..1"])
    assert report.holds
    assert [line.test.top1 for line in report.scores] == [1.0] * 3
    assert (out / "labels.txt").read_text().split() == ["dark", "light"]
    assert [score.labels.top1 for score in build.verify(out, data=folder).scores] == [1.0] * 2


def test_many_layers_with_one_fault_are_named_in_one_line() -> None:
    nodes = [
        FloatNode(
            name=f"wrapped_{number}", op="unsupported", inputs=("input",), kind="Wrapper",
            attributes={"reason": "take it off"},
        )
        for number in range(6)
    ]  # fmt: skip
    odd = FloatNode(
        name="odd", op="unsupported", inputs=tuple(node.name for node in nodes), kind="Lambda",
        attributes={"reason": "it is code"},
    )  # fmt: skip
    graph = FloatGraph(name="net", input_shape=(4, 4, 3), nodes=(*nodes, odd), output="odd")
    names = ", ".join(f"`{node.name}`" for node in nodes)
    assert list(_unsupported(Imported(graph=graph, source="keras"))) == [
        f"6 layers Wrapper: take it off: {names}",
        "`odd` (Lambda): it is code",
    ]


@pytest.mark.parametrize("last", ["depthwise", "conv"])
def test_a_convolution_of_a_single_pixel_stays_one_before_it_is_flattened(
    last: str, tmp_path: Path
) -> None:
    """As in Keras's MobileNet for images of 32 pixels."""
    rng = np.random.default_rng(0)
    arrays = {
        "stem": rng.normal(0, 0.05, (8, 3, 16, 16)),
        "single": rng.normal(0, 1, (8, 1 if last == "depthwise" else 8, 3, 3)),
        "weight": rng.normal(0, 1, (8, 4)),
    }
    group = 8 if last == "depthwise" else 1
    nodes = [
        helper.make_node("Conv", ["input", "stem"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "single"], ["c"], pads=[1, 1, 1, 1], group=group),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "weight"], ["logits"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("input", [1, 3, 16, 16]), ("logits", [1, 4]))
    ]
    constants = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "pixel", ends[:1], ends[1:], constants)
    model = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), model)
    assert quantize(model, tmp_path / "build", scaling=SCALINGS["-1..1"]).holds


def test_two_photos_a_class_are_enough_and_two_in_all_are_refused_before_the_work(
    tmp_path: Path,
) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    two = grey_levels.photos(tmp_path / "two", NAMES, each=2)
    report = quantize(model, tmp_path / "build", data=two, scaling=SCALINGS["0..1"])
    assert report.holds
    one = grey_levels.photos(tmp_path / "one", NAMES[:2], each=1)
    with pytest.raises(RequestError, match="at least 4 different images, received 2") as caught:
        quantize(model, tmp_path / "none", data=one, scaling=SCALINGS["0..1"])
    assert "some hundred images" in (caught.value.hint or "")
    assert not (tmp_path / "none").exists()


def test_an_open_size_and_several_outputs_are_asked_for(tmp_path: Path) -> None:
    path = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    proto = onnx.load(path)
    for axis, name in ((2, "height"), (3, "width")):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    proto.graph.output.append(helper.make_tensor_value_info("flat", 1, [1, 3]))
    onnx.save(proto, path)
    with pytest.raises(RequestError, match="size open") as size:
        read_model(path)
    assert "--image-size" in (size.value.hint or "")
    with pytest.raises(RequestError, match="expected one output, received 2") as output:
        read_model(path, image_size=(16, 24))
    assert "--output" in (output.value.hint or "")
    imported = read_model(path, image_size=(16, 24), output="logits")
    assert imported.graph.input_shape == (16, 24, 3)
    assert imported.classes == len(NAMES)


def test_folders_count_one_label_each_where_several_may_hold(photos: Path, tmp_path: Path) -> None:
    side = grey_levels.SIDE
    model = small_floats.file(tmp_path / "m.tflite", (side, side, 3), 4, last="logistic")
    out = tmp_path / "build"
    report = quantize(model, out, data=photos, labels=NAMES, scaling=SCALINGS["0..1"])
    assert report.scores == ()
    assert [line.decisions.total for line in report.label_scores] == [32] * 3
    assert [line.present.total for line in report.label_scores] == [8] * 3
    verified = build.verify(out, data=photos)
    assert verified.scores == ()


def spread(graph: FloatGraph) -> FloatGraph:
    """Return the same function, with channels of `expansion` and `projection` apart."""
    factors = (2.0 ** np.linspace(-5, 5, 16)).astype(np.float32)
    nodes = []
    for node in graph.nodes:
        arrays = dict(node.arrays)
        if node.name == "depthwise":
            arrays = {name: array * factors for name, array in arrays.items()}
        if node.name == "projection":
            arrays["kernel"] = arrays["kernel"] / factors[:, np.newaxis]
        nodes.append(dataclasses.replace(node, arrays=arrays))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def test_weights_per_tensor_have_one_scale_after_every_technique(tmp_path: Path) -> None:
    graph = spread(accuracy_networks.residual_graph(shape=(16, 16, 3)))
    model = tmp_path / "model.tflite"
    model.write_bytes(float_tflite.write(graph))
    contracts, sqnr, equalised = [], {}, False
    for per in WEIGHTS_PER:
        out = tmp_path / per
        report = quantize(
            model,
            out,
            scaling=SCALINGS["-1..1"],
            effort="default",
            weights_per=per,
            calibration_images=40,
        )
        assert report.holds
        sqnr[per] = [rung.sqnr for rung in report.rungs]
        equalised = any(rung.name == "equalisation" and rung.kept for rung in report.rungs)
        integers = tflite_reader.read_file(out / "model.tflite")
        convolutions = [node for node in integers.nodes if isinstance(node, Conv)]
        scales = [len(np.unique(node.weights.kernel_scale)) for node in convolutions]
        assert len(scales) == 4
        assert (max(scales) == 1) == (per == "tensor")
        contract = json.loads((out / "contract.json").read_text())
        contracts.append([sorted(contract), contract["input"]])
    assert equalised
    assert contracts[0] == contracts[1]
    assert max(sqnr["tensor"]) > sqnr["tensor"][0] + 3


@pytest.mark.parametrize("option", ["effort", "weights_per", "io", "crop"])
def test_a_choice_that_there_is_not_is_refused_before_anything_is_read(
    option: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="received other"):
        quantize(tmp_path / "none.onnx", tmp_path / "build", **{option: "other"})  # type: ignore[arg-type]


def test_synthetic_images_judge_no_technique_unless_that_is_asked_for(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    given: dict[str, dict[str, Any]] = {"plain": {}, "asked": {"effort": "default"}}
    tried = {
        name: quantize(model, tmp_path / name, scaling=SCALINGS["0..1"], **options).rungs
        for name, options in given.items()
    }
    assert tried["plain"] == ()
    assert tried["asked"]


def test_photos_apart_from_the_data_calibrate(photos: Path, tmp_path: Path) -> None:
    scaling = SCALINGS["0..1"]
    model = grey_levels.classifier(tmp_path / "model.onnx", scaling, len(NAMES))
    dark = grey_levels.photos(tmp_path / "photos", ("anything",), seed=1, colours=np.array([32]))
    made = {}
    variants: dict[str, dict[str, Any]] = {
        "own": {},
        "few": {"calibration_images": 2},
        "dark": {"calibrate": dark, "calibration_images": 5},
    }
    for name, options in variants.items():
        out = tmp_path / name
        report = quantize(model, out, data=photos, scaling=scaling, effort="quick", **options)
        assert report.holds
        held = manifest.read(out)
        made[name] = tflite_reader.read_file(out / "model.tflite"), held
        assert not any("are among" in warning for warning in report.warnings)
        judging = len(read_evaluation(out / "evaluation.npz").names)
        assert judging == (48 if "calibrate" in options else 8)
        assert report.scores[0].test.total == judging
    (own, first), (_, few), (dark_graph, other) = made.values()
    assert isinstance(few.config, ImportConfig)
    assert isinstance(other.config, ImportConfig)
    assert (few.config.calibration_images, other.config.calibration_images) == (2, 5)
    assert other.config.calibrate == str(dark)
    assert first.data_digest == few.data_digest != other.data_digest
    # Photos of the darkest class only: the brighter ones are beyond the range.
    assert dark_graph.tensors()["conv"].scale < own.tensors()["conv"].scale / 2


@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_scores_can_be_left_out_and_are_not_added(head: Any, photos: Path, tmp_path: Path) -> None:
    values = tmp_path / "values.npy"
    np.save(values, np.random.default_rng(0).standard_normal((8, 7), np.float32))
    ends_in_scores = small_floats.file(tmp_path / "scores.tflite", (7,), 3, last="softmax")
    assert quantize(ends_in_scores, tmp_path / head, data=values, head=head).holds
    data = (tmp_path / head / "model.tflite").read_bytes()
    layers = reading.read_tflite(model_file.of_bytes("model.tflite", data).tflite).layers
    assert ("softmax" in {layer.kind for layer in layers}) == (head == "softmax")
    logits = grey_levels.classifier(tmp_path / "logits.onnx", SCALINGS["0..1"], len(NAMES))
    if head == "softmax":
        with pytest.raises(RequestError, match="ends in logits"):
            quantize(logits, tmp_path / "b", data=photos, scaling=SCALINGS["0..1"], head=head)


def test_the_photos_that_judge_do_not_calibrate(photos: Path, tmp_path: Path) -> None:
    scaling = SCALINGS["0..1"]
    model = grey_levels.classifier(tmp_path / "model.onnx", scaling, len(NAMES))
    with pytest.raises(RequestError, match="received 0: 48 of 48 are"):
        quantize(model, tmp_path / "b", data=photos, scaling=scaling, calibrate=photos)
    others = grey_levels.photos(tmp_path / "others", ("x",), seed=1, colours=np.array([32]))
    for number in range(5):
        shutil.copy(photos / "b" / f"{number}.png", others / "x" / f"as well {number}.png")
    out = tmp_path / "build"
    report = quantize(model, out, data=photos, scaling=scaling, calibrate=others)
    judging = read_evaluation(out / "evaluation.npz").names
    assert len(judging) == 43
    assert not {f"b/{number}.png" for number in range(5)} & set(judging)
    assert report.warnings[0] == (
        "5 photos of `--data` are among those of `--calibrate`, and do not judge: `b/0.png`, "
        "`b/1.png`, `b/2.png` and 2 more"
    )


def test_of_very_many_photos_that_judge_some_do(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise_images, "JUDGING_PHOTOS", 6)
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    others = grey_levels.photos(tmp_path / "others", ("x",), seed=1, colours=np.array([32]))
    report = quantize(
        model, tmp_path / "b", data=photos, scaling=SCALINGS["0..1"], calibrate=others
    )
    assert report.scores[0].test.total == 6
    assert "6 of 48 photos of `--data` judge" in report.note


@pytest.mark.tensorflow
@pytest.mark.slow
def test_photos_that_train_do_not_judge(photos: Path, tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    others = grey_levels.photos(tmp_path / "others", ("x",), seed=1, colours=np.array([32]))
    report = quantize(
        model, tmp_path / "b", data=photos, scaling=SCALINGS["0..1"], calibrate=others,
        fine_tuning=defaults.decide_fine_tuning(steps=2),
    )  # fmt: skip
    assert report.scores[0].test.total == 8


def test_photos_that_calibrate_need_photos_that_judge(photos: Path, tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    with pytest.raises(RequestError, match="received synthetic images"):
        quantize(model, tmp_path / "build", scaling=SCALINGS["0..1"], calibrate=photos)
    values = tmp_path / "values.npy"
    np.save(values, np.zeros((8, 7), np.float32))
    small = small_floats.file(tmp_path / "small.tflite", (7,), 3)
    with pytest.raises(RequestError, match="takes values, no pixels"):
        quantize(small, tmp_path / "build", data=values, calibrate=photos)
