"""NaN never passes: wherever floats are compared, it fails, and the error names the image."""

from pathlib import Path

import graphs
import numpy as np
import pytest
from float_onnx import float_onnx
from onnx import numpy_helper

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, ParityError
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.evaluation import read as read_evaluation
from mobiledeploy.data.evaluation import to_bytes as evaluation_bytes
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.reading import StoredTensor
from mobiledeploy.runtimes import Array, TensorInfo
from mobiledeploy.targets import tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.layers import layer_outputs
from mobiledeploy.verify.outputs import answers, float_files, golden, image_sets
from mobiledeploy.verify.outputs.answers import FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.float_files import FloatFile
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.report import VerifyReport

NETWORK, RANGES = graphs.random_network(graphs.assorted())
IMAGES, CLASSES = 5, 3
NOT_NUMBERS = pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])


class Told:
    """A runtime that gives rows of a table, in order."""

    options: tuple[str, ...] = ()
    inputs: tuple[TensorInfo, ...] = (
        TensorInfo(name="image", dtype=np.dtype(np.float32), shape=(1, 1, 1)),
    )
    outputs: tuple[TensorInfo, ...] = (
        TensorInfo(name="logits", dtype=np.dtype(np.float32), shape=(CLASSES,)),
    )

    def __init__(self, rows: Array, name: str) -> None:
        self.rows, self.runtime = rows, name

    @property
    def input(self) -> TensorInfo:
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("logits",)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        (batch,) = batches
        return (self.rows[batch[:, 0, 0, 0].astype(int)],)


def rows() -> Array:
    return np.arange(IMAGES * CLASSES, dtype=np.float32).reshape(IMAGES, CLASSES)


def numbered() -> ImageSet:
    pixels = np.arange(IMAGES, dtype=np.uint8)[:, None, None, None]
    return ImageSet(
        name="numbers",
        names=[f"image {number}" for number in range(IMAGES)],
        pixels=lambda start, stop: pixels[start:stop],
        labels=np.zeros(IMAGES, np.int64),
    )


def compared(first: Array, second: Array) -> VerifyReport:
    files = (
        FloatFile(name="a.onnx", session=Told(first, "one 1.0"), feed=lambda p: p),
        FloatFile(name="b.onnx", session=Told(second, "two 2.0"), feed=lambda p: p),
    )
    return float_files.compare(files, [numbered()])[0]


@NOT_NUMBERS
@pytest.mark.parametrize("which", [0, 1])
def test_float_files_that_give_no_numbers_fail_by_file_and_image(value: float, which: int) -> None:
    both = [rows(), rows()]
    both[which][3, 1] = value
    named = ["a.onnx in one 1.0", "b.onnx in two 2.0"][which]
    with pytest.raises(ParityError, match=f"^{named} gives (NaN|infinite values) for `image 3`"):
        compared(*both)


@NOT_NUMBERS
def test_two_files_that_both_give_nan_or_infinity_are_not_equal(value: float) -> None:
    same = rows()
    same[0] = value
    with pytest.raises(ParityError, match="`image 0`"):
        compared(same, same.copy())


def test_differences_beyond_float32_fail_in_a_report_that_can_be_written() -> None:
    first, second = rows(), rows()
    first[2, 0], second[2, 0] = 3e38, -3e38
    report = compared(first, second)
    assert not report.holds
    codec.to_json(report)
    first, second = np.zeros_like(rows()), np.zeros_like(rows())
    first[0, 0], second[0, 0] = 1e-45, 3e38
    report = compared(first, second)
    assert not report.holds
    codec.to_json(report)


def test_one_file_that_gives_zeros_only_is_not_equal_to_another() -> None:
    one = ImageSet(
        name="one", names=["image 0"], pixels=lambda start, stop: np.zeros((1, 1, 1, 1), np.uint8)
    )
    zeros, other = np.zeros((1, CLASSES), np.float32), np.ones((1, CLASSES), np.float32)
    files = (
        FloatFile(name="a", session=Told(zeros, "one"), feed=lambda p: p),
        FloatFile(name="b", session=Told(other, "two"), feed=lambda p: p),
    )
    report = float_files.compare(files, [one])[0]
    assert not report.holds
    codec.to_json(report)


def with_nan(path: Path) -> Path:
    model = float_onnx(NETWORK)
    bias = next(
        constant for constant in reversed(model.graph.initializer) if len(constant.dims) == 1
    )
    values = numpy_helper.to_array(bias).copy()
    values[0] = np.nan
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("other", ["float", "int8"])
def test_a_file_with_nan_among_its_weights_does_not_hold(tmp_path: Path, other: str) -> None:
    broken = with_nan(tmp_path / "broken.onnx")
    sound = tmp_path / ("sound.onnx" if other == "float" else "sound.tflite")
    sound.write_bytes(
        float_onnx(NETWORK).SerializeToString()
        if other == "float"
        else tflite.write(quantise(NETWORK, RANGES))
    )
    for paths in ((sound, broken), (broken, sound)):
        with pytest.raises(ParityError, match=r"^broken\.onnx in ONNX Runtime .* gives NaN"):
            pair.verify(*paths, samples=2)
    with pytest.raises(ParityError, match=r"^\S*broken\.onnx in ONNX Runtime .* gives NaN"):
        pair.verify(broken, broken, samples=2)


def test_a_float_file_can_be_compared_with_itself(tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    path.write_bytes(float_onnx(NETWORK).SerializeToString())
    assert pair.verify(path, path, samples=2).holds


@NOT_NUMBERS
@pytest.mark.parametrize("grid", [None, OutputGrid(scale=0.5, zero_point=0)])
def test_outputs_that_are_not_finite_are_refused(value: float, grid: OutputGrid | None) -> None:
    ends = FileOutputs(taps=(), logits=grid, scores=None, softmax=False)
    outputs = rows()
    outputs[1, 1] = value
    with pytest.raises(
        ParityError, match=r"^a file gives (NaN|infinite values) for 1 of 5 images"
    ):
        answers.read([outputs], ends, OutputGrid(scale=0.25, zero_point=3), who="a file")


def test_outputs_too_large_to_count_in_steps_are_refused() -> None:
    ends = FileOutputs(taps=(), logits=None, scores=None, softmax=False)
    with pytest.raises(ParityError, match="a file gives values of up to 1e"):
        answers.read([rows() + 1e20], ends, OutputGrid(scale=1e-30, zero_point=3), who="a file")


def test_a_layer_that_gives_nan_has_no_code() -> None:
    tensor = StoredTensor(
        name="inner", scale=np.float32(0.5), zero_point=0, shape=(3,), dtype="float32"
    )
    assert layer_outputs.read_codes(rows(), tensor)[0].tolist() == [0, 2, 4]
    outputs = rows()
    outputs[0, 0] = np.inf
    assert layer_outputs.read_codes(outputs, tensor)[0, 0] == layer_outputs.FAR
    outputs[0, 0] = np.nan
    with pytest.raises(ParityError, match="NaN for the layer `inner`"):
        layer_outputs.read_codes(outputs, tensor)


def evaluation(float_logits: Array) -> Evaluation:
    return Evaluation(
        pixels=np.zeros((IMAGES, 8, 8, 3), np.uint8),
        labels=np.zeros(IMAGES, np.int64),
        names=tuple(f"image {number}" for number in range(IMAGES)),
        float_logits=float_logits,
    )


@NOT_NUMBERS
def test_held_back_images_with_logits_that_are_not_finite_are_refused_by_name(
    value: float, tmp_path: Path
) -> None:
    outputs = rows()
    outputs[4, 2] = value
    path = tmp_path / "evaluation.npz"
    path.write_bytes(evaluation_bytes(evaluation(outputs)))
    with pytest.raises(CorruptFileError, match="1 images, such as `image 4`"):
        read_evaluation(path)


@NOT_NUMBERS
def test_golden_vectors_that_are_not_finite_are_neither_written_nor_read(
    value: float, tmp_path: Path
) -> None:
    extremes = len(image_sets.synthetic_extremes((8, 8, 3)))
    table = np.arange((IMAGES + extremes) * CLASSES, dtype=np.float32).reshape(-1, CLASSES)

    def answered(table: Array) -> list[Answers]:
        return [Answers(logits=part, scores=None) for part in (table[:IMAGES], table[IMAGES:])]

    data = golden.to_bytes(evaluation(rows()), answered(table))
    path = tmp_path / "golden.npz"
    path.write_bytes(data)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["scores"][2, 0] = value
    np.savez(path, **arrays)
    with pytest.raises(CorruptFileError, match=r"received scores with .* for `image 2`"):
        golden.read(path)
    table[1, 0] = value
    with pytest.raises(ParityError, match=r"the model gives .* for `image 1`"):
        golden.to_bytes(evaluation(rows()), answered(table))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_json_with_nan_or_infinity_is_refused(text: str) -> None:
    document = f'{{"scale": {text}, "zero_point": 0}}'.encode()
    with pytest.raises(CorruptFileError, match="finite number"):
        codec.from_json(OutputGrid, document, where="x.json")
