"""Golden files that Kotlin reads as well: contracts, and broken ones that nobody may accept."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden_text import one_case_a_line

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.data import test_card as card
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.spec.contract import (
    SOFTMAX,
    Contract,
    ContractTensor,
    Int8Grid,
    Patch,
    Tap,
    Tolerance,
)
from mobiledeploy.spec.results import File

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs/schemas/contract.schema.json").read_text())

INPUT = Int8Grid(scale=1 / 128, zero_point=0)
LOGITS = Int8Grid(scale=0.0625, zero_point=-20)
BASE = Contract(
    name="mobilenet_v2_0.35_96",
    classes=10,
    head="softmax",
    preprocessing=Preprocessing(image_size=96),
    resize_check=card.resized_digest(Preprocessing(image_size=96)),
    input=ContractTensor(dtype="int8", shape=(1, 96, 96, 3), grid=INPUT),
    output=ContractTensor(dtype="int8", shape=(1, 10), grid=SOFTMAX),
    logits=LOGITS,
    tolerance=Tolerance(),
    files=(
        File(path="model.tflite", size=700_000, sha256="0a" * 32),
        File(path="model.onnx", size=710_000, sha256="f9" * 32),
    ),
    labels=File(path="labels.txt", size=20, sha256="1b" * 32),
    taps=(
        Tap(
            path="model.tflite",
            output="logits",
            dtype="int8",
            patch=Patch(offset=724, bytes="9ce60700"),
            append="02000000ac000000a9000000",
        ),
        Tap(path="model.onnx", output="logits", dtype="uint8", patch=None, append="3a026200"),
    ),
)
OBLONG = Preprocessing(image_size=64, image_width=96, colour="grey", mean=0, std=1)
CODES = Int8Grid(scale=0.03125, zero_point=-7)
VALID = {
    "int8 softmax": BASE,
    "uint8 logits": dataclasses.replace(
        BASE,
        head="logits",
        input=dataclasses.replace(BASE.input, dtype="uint8"),
        output=ContractTensor(dtype="uint8", shape=(1, 10), grid=LOGITS),
        taps=(),
    ),
    "float32 outside, stretched": dataclasses.replace(
        BASE,
        preprocessing=Preprocessing(image_size=96, crop="stretch"),
        resize_check=card.resized_digest(Preprocessing(image_size=96, crop="stretch")),
        input=dataclasses.replace(BASE.input, dtype="float32"),
        output=dataclasses.replace(BASE.output, dtype="float32"),
    ),
    "pixels as 0..1": dataclasses.replace(
        BASE,
        preprocessing=Preprocessing(image_size=96, mean=0, std=255),
        input=dataclasses.replace(BASE.input, grid=Int8Grid(scale=1 / 255, zero_point=-128)),
    ),
    "a float model": dataclasses.replace(
        BASE,
        preprocessing=Preprocessing(image_size=96, mean=123.675, std=58.395),
        input=dataclasses.replace(BASE.input, dtype="float32", grid=None),
        output=dataclasses.replace(BASE.output, dtype="float32", grid=None),
        logits=None,
        tolerance=None,
        taps=(),
    ),
    "grey, not square, one sigmoid": dataclasses.replace(
        BASE,
        classes=2,
        task="binary",
        preprocessing=OBLONG,
        resize_check=card.resized_digest(OBLONG),
        input=ContractTensor(
            dtype="int8", shape=(1, 64, 96, 1), grid=Int8Grid(scale=1, zero_point=-128)
        ),
        output=ContractTensor(dtype="int8", shape=(1, 1), grid=SOFTMAX),
    ),
    "several sigmoids": dataclasses.replace(BASE, task="multi-label"),
    "numbers of values": dataclasses.replace(
        BASE,
        classes=1,
        task="regression",
        head="logits",
        preprocessing=None,
        resize=None,
        resize_check=None,
        input=ContractTensor(dtype="float32", shape=(1, 640), grid=CODES),
        output=ContractTensor(dtype="float32", shape=(1, 1), grid=LOGITS),
        taps=(),
    ),
}
GONE = "(gone)"
BROKEN: tuple[tuple[str, list[str | int], object, str], ...] = (
    ("int8 softmax", ["format"], 2, "format"),
    ("int8 softmax", ["format"], 4, "format"),
    ("int8 softmax", ["format"], "3", "format"),
    ("int8 softmax", ["format"], GONE, "format"),
    ("int8 softmax", ["colour"], "red", "colour"),
    ("int8 softmax", ["name"], None, "name"),
    ("int8 softmax", ["name"], GONE, "name"),
    ("int8 softmax", ["classes"], 1, "classes"),
    ("int8 softmax", ["classes"], 11, "output.shape"),
    ("int8 softmax", ["classes"], 10.0, "classes"),
    ("int8 softmax", ["classes"], "10", "classes"),
    ("int8 softmax", ["classes"], True, "classes"),
    ("int8 softmax", ["head"], "sigmoid", "head"),
    ("int8 softmax", ["head"], "logits", "output.grid"),
    ("int8 softmax", ["preprocessing"], [96, "center"], "preprocessing"),
    ("int8 softmax", ["preprocessing", "image_size"], 15, "image_size"),
    ("int8 softmax", ["preprocessing", "image_size"], 2000, "image_size"),
    ("int8 softmax", ["preprocessing", "image_size"], 224, "input.shape"),
    ("int8 softmax", ["preprocessing", "crop"], "centre", "crop"),
    ("int8 softmax", ["preprocessing", "mean"], 127.5, "input.grid"),
    ("int8 softmax", ["preprocessing", "mean"], None, "mean"),
    ("int8 softmax", ["preprocessing", "std"], 0, "std"),
    ("int8 softmax", ["preprocessing", "std"], -128, "std"),
    ("int8 softmax", ["preprocessing", "gamma"], 2.2, "gamma"),
    ("int8 softmax", ["resize"], "bilinear", "resize"),
    ("int8 softmax", ["resize_check"], "0A" * 32, "resize_check"),
    ("int8 softmax", ["resize_check"], "0a" * 31, "resize_check"),
    ("int8 softmax", ["input", "dtype"], "int16", "dtype"),
    ("int8 softmax", ["input", "dtype"], "uint8", "output.dtype"),
    ("int8 softmax", ["input", "shape"], [1, 3, 96, 96], "input.shape"),
    ("int8 softmax", ["input", "shape"], [], "input.shape"),
    ("int8 softmax", ["input", "shape", 0], 0, "input.shape"),
    ("int8 softmax", ["input", "grid"], None, "input.grid"),
    ("int8 softmax", ["input", "grid", "scale"], 0.00390625, "input.grid"),
    ("int8 softmax", ["input", "grid", "scale"], 0, "input.grid.scale"),
    ("int8 softmax", ["input", "grid", "zero_point"], 1, "input.grid"),
    ("int8 softmax", ["input", "grid", "zero_point"], 300, "input.grid.zero_point"),
    ("int8 softmax", ["output", "shape"], [10], "output.shape"),
    ("int8 softmax", ["output", "grid", "scale"], 0.0078125, "output.grid"),
    ("int8 softmax", ["output", "grid", "zero_point"], 0, "output.grid"),
    ("int8 softmax", ["logits"], None, "logits"),
    ("int8 softmax", ["logits", "scale"], "0.06", "logits.scale"),
    ("int8 softmax", ["tolerance"], None, "input.grid"),
    ("int8 softmax", ["tolerance", "logits"], 1, "tolerance.logits"),
    ("int8 softmax", ["tolerance", "scores"], 2, "tolerance.scores"),
    ("int8 softmax", ["files"], [], "files"),
    ("int8 softmax", ["files", 1], GONE, "files"),
    ("int8 softmax", ["files", 1, "path"], "model.tflite", "files"),
    ("int8 softmax", ["files", 0, "path"], "../model.tflite", "files[0].path"),
    ("int8 softmax", ["files", 0, "size"], -1, "files[0].size"),
    ("int8 softmax", ["files", 0, "sha256"], "none", "files[0].sha256"),
    ("int8 softmax", ["labels"], GONE, "labels"),
    ("int8 softmax", ["labels"], None, "labels"),
    ("int8 softmax", ["labels", "path"], "names.txt", "labels.path"),
    ("int8 softmax", ["labels", "size"], 0, "labels.size"),
    ("int8 softmax", ["labels", "sha256"], "1B" * 32, "labels.sha256"),
    ("int8 softmax", ["labels", "sha256"], GONE, "sha256"),
    ("int8 softmax", ["taps"], [], "taps"),
    ("int8 softmax", ["taps", 0], GONE, "taps"),
    ("int8 softmax", ["taps", 0, "append"], "", "taps[0].append"),
    ("int8 softmax", ["taps", 0, "append"], "020", "taps[0].append"),
    ("int8 softmax", ["taps", 0, "append"], "zz", "taps[0].append"),
    ("int8 softmax", ["taps", 0, "dtype"], "float32", "taps[0].dtype"),
    ("int8 softmax", ["taps", 0, "output"], 7, "taps[0].output"),
    ("int8 softmax", ["taps", 0, "patch", "offset"], 699_997, "taps"),
    ("int8 softmax", ["taps", 0, "patch", "offset"], -1, "taps[0].patch.offset"),
    ("int8 softmax", ["taps", 0, "patch", "bytes"], "9ce6", "taps[0].patch.bytes"),
    ("uint8 logits", ["taps"], [codec.dump(BASE.taps[0])], "taps"),
    ("uint8 logits", ["logits", "scale"], 0.125, "output.grid"),
    ("uint8 logits", ["output", "grid", "zero_point"], 108, "output.grid"),
    ("uint8 logits", ["output", "dtype"], "int8", "output.dtype"),
    ("float32 outside, stretched", ["input", "dtype"], "int8", "output.dtype"),
    ("a float model", ["input", "grid"], codec.dump(INPUT), "input.grid"),
    ("a float model", ["logits"], codec.dump(LOGITS), "logits"),
    ("int8 softmax", ["task"], "ranking", "task"),
    ("int8 softmax", ["task"], "binary", "output.shape"),
    ("int8 softmax", ["preprocessing"], None, "resize"),
    ("int8 softmax", ["preprocessing", "colour"], "gray", "colour"),
    ("int8 softmax", ["preprocessing", "colour"], "grey", "input.shape"),
    ("int8 softmax", ["preprocessing", "image_width"], 128, "input.shape"),
    ("int8 softmax", ["preprocessing", "image_width"], 8, "image_width"),
    ("grey, not square, one sigmoid", ["classes"], 1, "classes"),
    ("grey, not square, one sigmoid", ["task"], GONE, "output.shape"),
    ("grey, not square, one sigmoid", ["output", "grid", "scale"], 0.5, "output.grid"),
    ("numbers of values", ["resize"], "triangle-v1", "resize"),
    ("numbers of values", ["resize_check"], "0a" * 32, "resize_check"),
    ("numbers of values", ["input", "grid"], None, "input.grid"),
    ("numbers of values", ["input", "shape"], [], "input.shape"),
    ("numbers of values", ["input", "shape"], [2, 640], "input.shape"),
    ("a float model", ["tolerance"], codec.dump(Tolerance()), "expected a grid"),
)
TEXTS = ("", "{", "[]", "null", "{}", '{"format": 3', '{"format": 3} {}', "{'format': 2}")


def broken(of: str, at: list[str | int], value: object) -> Any:
    document = json.loads(codec.to_json(VALID[of]))
    place = document
    for step in at[:-1]:
        place = place[step]
    if value == GONE:
        del place[at[-1]]
    else:
        place[at[-1]] = copy.deepcopy(value)
    return document


def refused(text: str) -> bool:
    """Return whether the codec or the schema refuses: an app has one reader for both."""
    try:
        codec.from_json(Contract, text.encode(), where="contract.json")
        jsonschema.validate(json.loads(text), SCHEMA)
    except (CorruptFileError, jsonschema.ValidationError):
        return True
    return False


def test_golden_contracts(golden: Callable[[str, str], None]) -> None:
    document = {
        "valid": [
            {"what": what, "contract": json.loads(codec.to_json(contract))}
            for what, contract in VALID.items()
        ],
        "broken": [
            {"of": of, "at": at, "value": value, "says": says} for of, at, value, says in BROKEN
        ],
        "texts": list(TEXTS),
    }
    golden("contracts.json", one_case_a_line(document))


@pytest.mark.parametrize("what", list(VALID))
def test_valid_contracts_are_accepted(what: str) -> None:
    text = codec.to_json(VALID[what])
    jsonschema.validate(json.loads(text), SCHEMA)
    assert codec.from_json(Contract, text, where="contract.json") == VALID[what]


@pytest.mark.parametrize(("of", "at", "value", "says"), BROKEN)
def test_broken_contracts_are_refused(
    of: str, at: list[str | int], value: object, says: str
) -> None:
    assert refused(json.dumps(broken(of, at, value)))


@pytest.mark.parametrize("text", TEXTS)
def test_other_texts_are_refused(text: str) -> None:
    assert refused(text)


def test_a_contradictory_contract_is_refused_with_our_message() -> None:
    text = json.dumps(broken("int8 softmax", ["classes"], 11))
    with pytest.raises(CorruptFileError, match=r"output\.shape: expected \(1, 11\) by 11 classes"):
        codec.from_json(Contract, text.encode(), where="contract.json")
