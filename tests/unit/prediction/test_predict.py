"""Answers are those of the runtimes, for what a file states; what it does not state is refused."""

import dataclasses
from pathlib import Path
from typing import Any

import graphs
import grey_levels
import numpy as np
import pytest
import small_floats
from PIL import Image

from mobiledeploy.base import fork_server
from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.data.preprocess import decode, preprocess, to_float32, to_int8
from mobiledeploy.integer.certify import certify
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.prediction import classifiers, picture
from mobiledeploy.prediction.classifiers import Said
from mobiledeploy.prediction.predict import BATCH, TILE, predict
from mobiledeploy.reading import StoredTensor
from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec.channel_scaling import RANGES, SCALINGS
from mobiledeploy.spec.config import Head, Io, Preprocessing
from mobiledeploy.targets import onnx, tflite

SIZE = 32
GRAPH = graphs.mobilenet("v1", alpha=0.25, image_size=SIZE)
OTHER = graphs.mobilenet("v1", alpha=0.25, image_size=SIZE, seed=1)
SEEN = Preprocessing(image_size=SIZE, mean=128, std=128)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos of noise."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def ask(photos: Path, *files: Path, top: int = 5, **said: Any) -> Any:
    return predict([photos], files, said=Said(**said), top=top).report


@pytest.mark.parametrize(("io", "head"), [("int8", "logits"), ("float32", "softmax")])
def test_answers_are_the_outputs_of_the_runtime(
    pictures: Path, tmp_path: Path, io: Io, head: Head
) -> None:
    data = tflite.write(GRAPH, io=io, head=head)
    both = onnx.write(GRAPH, certify(GRAPH), io=io, head=head)
    files = write(tmp_path, "a.tflite", data), write(tmp_path, "b.onnx", both)
    report = ask(pictures, *files, top=3)
    seen = np.stack(
        [preprocess(decode(p.read_bytes(), p.name), SEEN) for p in sorted(pictures.iterdir())]
    )
    given = to_int8(seen) if io == "int8" else to_float32(seen, SEEN.scaling)
    (expected,) = litert_xnnpack.load(data).run(given)
    end = GRAPH.output if head == "softmax" else GRAPH.logits
    real = expected if io == "float32" else (expected - float(end.zero_point)) * end.scale
    assert [file.values for file in report.files] == [
        "scores" if head == "softmax" else "outputs"
    ] * 2
    for photo, row in zip(report.photos, real, strict=True):
        assert photo.equal
        assert photo.difference.codes == 0
        assert photo.top[0] == photo.top[1]
        order = np.argsort(-row, kind="stable")[:3]
        assert [candidate.number for candidate in photo.top[0]] == order.tolist()
        assert [candidate.value for candidate in photo.top[0]] == pytest.approx(row[order])
        assert all(
            (candidate.code - end.zero_point) * end.scale == pytest.approx(candidate.value)
            for candidate in photo.top[0]
        )
        assert all(candidate.label is None for candidate in photo.top[0])


def test_a_difference_is_a_fact_of_the_photo_and_red_in_the_picture(
    pictures: Path, tmp_path: Path
) -> None:
    files = [
        write(tmp_path, f"{name}.tflite", tflite.write(graph))
        for name, graph in (("a", GRAPH), ("b", OTHER))
    ]
    predicted = predict([pictures], files, picture=True)
    report = predicted.report
    assert report.differing == 4
    assert [file.title for file in report.files] == [
        "LiteRT XNNPACK of a.tflite",
        "LiteRT XNNPACK of b.tflite",
    ]
    for photo in report.photos:
        assert photo.equal is False
        assert photo.difference is not None
        assert photo.difference.codes is not None
        assert photo.difference.codes > 0
        assert photo.difference.values == pytest.approx(photo.difference.codes / 256)
    write(tmp_path, "out.png", picture.draw(predicted))
    drawn = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    assert drawn.shape[1] >= 2 * TILE
    below = drawn[8 + TILE : 8 + TILE + 32, 8 : 8 + TILE]
    assert (below[..., 0] - below[..., 1] > 100).any()
    assert np.array_equal(drawn[8 : 8 + TILE, 8 : 8 + TILE], predicted.tiles[0])


def test_a_hundred_photos_take_one_process_for_each_runtime(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Any, ...]] = []
    start = fork_server.start

    def counted(*words: Any, **more: Any) -> Any:
        started.append(words)
        return start(*words, **more)

    monkeypatch.setattr(fork_server, "start", counted)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(100):
        (many / f"{number:03}.png").write_bytes((pictures / f"{number % 4}.png").read_bytes())
    report = ask(many, write(tmp_path, "a.tflite", tflite.write(GRAPH)))
    assert len(report.photos) == 100 > BATCH
    assert report.photos[0].top == report.photos[96].top
    assert len(started) == 1


@pytest.mark.parametrize("name", ["0..1", "torchvision"])
def test_a_float_file_is_asked_with_the_range_that_a_user_says(tmp_path: Path, name: str) -> None:
    scaling = SCALINGS[name]
    names = ("dark", "middle", "light")
    photos = grey_levels.photos(tmp_path / "photos", names, each=2)
    model = grey_levels.classifier(tmp_path / "m.onnx", scaling, 3)
    with pytest.raises(RequestError, match="does not say how pixels become its input") as caught:
        ask(photos, model)
    assert "--input-range" in str(caught.value.hint)
    report = ask(photos, model, scaling=scaling, labels=names)
    for photo in report.photos:
        assert photo.top[0][0].label == Path(photo.name).parent.name
        assert photo.top[0][0].code is None
        assert (photo.equal, photo.difference) == (None, None)
    with pytest.raises(RequestError, match="expected 3 labels, one for each output, received 2"):
        ask(photos, model, scaling=scaling, labels=names[:2])


def test_labels_beside_a_file_name_its_classes_or_are_refused(
    pictures: Path, tmp_path: Path
) -> None:
    model = write(tmp_path, "m.tflite", tflite.write(GRAPH))
    (tmp_path / "m_labels.txt").write_text("".join(f"class of {i}\n" for i in range(10)))
    report = ask(pictures, model, top=20)
    assert report.labels_by == "neighbour"
    assert {(c.number, c.label) for c in report.photos[0].top[0]} == {
        (i, f"class of {i}") for i in range(10)
    }
    (tmp_path / "m_labels.txt").write_text("one\ntwo\n")
    with pytest.raises(RequestError, match=r"expected 10 labels.*received 2 \(neighbour\)"):
        ask(pictures, model)


def test_an_input_that_is_not_square_gets_the_part_of_its_proportions_or_the_whole(
    pictures: Path, tmp_path: Path
) -> None:
    model = write(tmp_path, "m.tflite", tflite.write(graphs.assorted_graph()))
    assert ask(pictures, model).image_size == (13, 10)
    assert ask(pictures, model, crop="stretch").image_size == (13, 10)
    wrong = write(tmp_path, "n.tflite", tflite.write(GRAPH))
    with pytest.raises(ParityError, match="takes 13 x 10 and has 5 outputs; n"):
        ask(pictures, model, wrong, crop="stretch")


def tensor(scale: float | None, zero: int | None) -> StoredTensor:
    return StoredTensor(
        name="input",
        shape=(8, 8, 3),
        dtype="int8",
        scale=None if scale is None else np.float32(scale),
        zero_point=zero,
    )


@pytest.mark.parametrize(
    ("scale", "zero", "name"),
    [
        (1 / 128, 0, "-1..1"),
        (2 / 255, -1, "-1..1"),
        (2 / 255, 0, "-1..1"),
        (1 / 255, -128, "0..1"),
        (1, -128, "0..255"),
        (4.76 / 255, -15, "torchvision"),
        (1 / 127, 0, None),  # symmetric: of a network of 0..1 just as well
        (2.64 / 127, 0, None),
        (3.94 / 255, -12, None),  # CLIP's mean and std
        (0.9 / 128, 0, None),
        (2, -128, None),
        (None, None, None),
    ],
)
def test_a_grid_states_a_range_that_it_covers_from_end_to_end(
    scale: float | None, zero: int | None, name: str | None
) -> None:
    expected = None if name is None else SCALINGS[name]
    assert classifiers._of_grid(tensor(scale, zero)) == expected


def test_the_values_of_floats_are_compared_where_there_are_no_codes(tmp_path: Path) -> None:
    photos = grey_levels.photos(tmp_path / "photos", ("dark", "light"), each=2)
    scaling = SCALINGS["0..1"]
    files = [grey_levels.classifier(tmp_path / f"{n}.onnx", scaling, 2) for n in "ab"]
    report = ask(photos, *files, scaling=scaling)
    assert [dataclasses.astuple(p.difference) for p in report.photos] == [(True, None, 0.0)] * 4
    assert report.differing == 0


def test_one_sigmoid_of_grey_photos_answers_with_two_classes(
    pictures: Path, tmp_path: Path
) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (16, 20, 1), 1, last="logistic")
    out = tmp_path / "build"
    quantize(model, out, scaling=RANGES["0..1"], labels=("no", "yes"))
    report = ask(pictures, out / "model.tflite", out / "model.onnx")
    assert report.photos
    for photo in report.photos:
        first, second = photo.top
        assert first == second
        assert {choice.label for choice in first} == {"no", "yes"}
        assert sum(choice.value for choice in first) == 1
