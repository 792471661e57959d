"""MediaPipe's ImageClassifier gives LiteRT's scores, bit for bit, and names the classes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from clients import classifiers
from clients.classifiers import Classifier
from clients.installing import PROGRAMS, Answers, answers, python
from e2e.conftest import mobiledeploy, printed
from PIL import Image
from unit.lint.test_metadata_rules import FAULTS, SIZE, deflated, of, ours, with_input

from mobiledeploy.formats.tflite import metadata_writer
from mobiledeploy.formats.tflite.metadata import Normalisation
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec.config import Io, Preprocessing
from mobiledeploy.targets import tflite

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

PACKAGES = (
    "mediapipe==1.2.3", "absl-py==2.5.1", "flatbuffers==25.12.19", "certifi==2026.10.19.post1",
    "numpy==2.4.6",
)  # fmt: skip
"""A third of what pip would install: the rest draws pictures and records sound."""


def client() -> tuple[str, ...]:
    return python(*PACKAGES, alone=True)


def in_mediapipe(classifier: Classifier, io: Io, folder: Path) -> Answers:
    model = classifier.tflite(io)
    return answers(client(), "mediapipe_tasks.py", model, classifier.pixels, folder)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_every_score_is_exact_and_has_its_name(
    classifier: Classifier, io: Io, tmp_path: Path
) -> None:
    expected = classifier.expected(litert_xnnpack.load, classifier.tflite(io), io)
    tasks = in_mediapipe(classifier, io, tmp_path)
    assert tasks.version == "1.2.3"
    assert tasks.difference(expected / 256 if io == "uint8" else expected) == 0
    assert tasks.names == classifier.names


def test_int8_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        in_mediapipe(classifier, "int8", tmp_path)
    assert "Requested one of these types: uint8/float32, got INT8" in refusal.value.stderr


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_predict_gives_the_same_class_and_name_for_photos_of_the_inputs_size(
    classifier: Classifier, io: Io, tmp_path: Path
) -> None:
    model, photos = tmp_path / "network.tflite", tmp_path / "photos"
    model.write_bytes(classifier.tflite(io))
    photos.mkdir()
    for number, pixels in enumerate(classifier.pixels):
        Image.fromarray(pixels).save(photos / f"{number:03}.png")
    done = mobiledeploy("predict", model, photos, "--top", "1", "--json", cwd=tmp_path)
    document = printed(done, "predict")
    assert document["labels_by"] == "metadata"
    tasks = in_mediapipe(classifier, io, tmp_path)
    best = [photo["top"][0][0] for photo in document["photos"]]
    assert [each["value"] for each in best] == tasks.outputs.max(axis=1).tolist()
    assert {each["label"] == classifier.names[each["number"]] for each in best} == {True}
    places = [each["number"] for each in best]
    assert tasks.outputs[np.arange(len(best)), places].tolist() == [e["value"] for e in best]


def test_a_photo_is_stretched_and_not_cropped(classifier: Classifier, tmp_path: Path) -> None:
    """Beside each picture lies another one, twice: the centre says nothing about the edges."""
    edges = np.roll(classifier.pixels, len(classifier.pixels) // 2, axis=0)
    wide = np.concatenate([edges, classifier.pixels, edges], axis=2)
    model = classifier.tflite("uint8")
    centre = in_mediapipe(classifier, "uint8", tmp_path)
    tasks = answers(client(), "mediapipe_tasks.py", model, wide, tmp_path)
    assert tasks.agreement(centre.outputs) < 0.9


def grey() -> IntegerGraph:
    def layer(name: str, op: str, source: str, ins: int, outs: int, **more: Any) -> Layer:
        return Layer(
            name=name, op=op, inputs=(source,), in_channels=ins, out_channels=outs, **more
        )

    layers = (
        layer("stem", "conv", INPUT, 1, 8, kernel=(3, 3), strides=(2, 2)),
        layer("pool", "mean", "stem", 8, 8),
        layer("logits", "dense", "pool", 8, 10),
        layer("scores", "softmax", "logits", 10, 10),
    )
    architecture = Architecture(name="grey", input_shape=(SIZE, SIZE, 1), layers=layers)
    return quantise(*graphs.random_network(architecture))


def test_what_we_say_of_mediapipe_is_what_it_does(tmp_path: Path, without_children: None) -> None:
    """Each file that `inspect` says is refused is refused, and no other."""
    cases: dict[str, tuple[Attachment | None, Io]] = {
        **{name: (attached, "uint8") for name, (attached, _, _) in FAULTS.items()},
        "float": (ours(), "float32"),
        "int8": (ours(), "int8"),
        "float without metadata": (None, "float32"),
        "uint8 without metadata": (None, "uint8"),
        "float without normalisation": (with_input(ours(), normalisation=None), "float32"),
        "uint8 without normalisation": (with_input(ours(), normalisation=None), "uint8"),
        "float by channel": (of((128.0, 127.0, 128.0), (128.0,) * 3), "float32"),
        "uint8 by channel": (of((128.0, 127.0, 128.0), (128.0,) * 3), "uint8"),
        "float thrice the same": (of((128.0,) * 3, (128.0,) * 3), "float32"),
        "float of std 0": (of((128.0,), (0.0,)), "float32"),
        "compressed": (Attachment(metadata=ours().metadata), "uint8"),
    }
    one_channel = ours(preprocessing=Preprocessing(image_size=SIZE, colour="grey"))
    cases |= {"one channel": (one_channel, "uint8"), "one channel, plain": (None, "uint8")}
    three, one = classifiers.untrained().graph, grey()
    files, ours_say = [], {}
    for number, (name, (attached, io)) in enumerate(cases.items()):
        path = tmp_path / f"{number}.tflite"
        network = one if name.startswith("one channel") else three
        path.write_bytes(tflite.write(network, io=io, attached=attached))
        if name == "compressed":
            deflated(path)
        files.append(path)
        ours_say[name] = inspect_file(path).mediapipe
    reasons: list[str | None] = []
    while len(reasons) < len(files):
        done = subprocess.run(
            [*client(), PROGRAMS / "mediapipe_refusals.py", *files[len(reasons) :]],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        reasons += json.loads(done.stdout.splitlines()[-1])
    they_say = dict(zip(cases, reasons, strict=True))
    wrong = {
        name: (said, they_say[name])
        for name, said in ours_say.items()
        if bool(said) != (they_say[name] is not None)
    }
    assert wrong == {}


def test_their_code_of_the_schema_reads_what_we_wrote(tmp_path: Path) -> None:
    photo = Preprocessing(image_size=24, image_width=40, colour="grey")
    attached = ours(preprocessing=photo, license="Apache-2.0")
    channels = with_input(
        attached, normalisation=Normalisation(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    )
    path = tmp_path / "entry"
    path.write_bytes(metadata_writer.entry(channels.metadata))
    done = subprocess.run(
        [*client(), PROGRAMS / "mediapipe_schema.py", path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    image, scores = attached.metadata.inputs[0], attached.metadata.outputs[0]
    assert json.loads(done.stdout) == {
        "name": "network",
        "description": "Tells which class photos are of.",
        "license": "Apache-2.0",
        "minParserVersion": "1.0.0",
        "subgraphMetadata": [
            {
                "inputTensorMetadata": [
                    {
                        "name": "image",
                        "description": image.description,
                        "content": {
                            "contentPropertiesType": 2,
                            "contentProperties": {
                                "colorSpace": 2,
                                "defaultSize": {"width": 40, "height": 24},
                            },
                        },
                        "processUnits": [
                            {"optionsType": 1, "options": {"mean": [1, 2, 3], "std": [4, 5, 6]}}
                        ],
                    }
                ],
                "outputTensorMetadata": [
                    {
                        "name": "scores",
                        "description": scores.description,
                        "content": {"contentPropertiesType": 1, "contentProperties": {}},
                        "associatedFiles": [
                            {
                                "name": "labels.txt",
                                "description": "A name for each output.",
                                "type": 2,
                            }
                        ],
                    }
                ],
            }
        ],
    }
