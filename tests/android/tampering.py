"""Bundles that are wrong in one way: the app must notice."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.base import codec
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.contract import MODELS, Contract, Int8Grid
from mobiledeploy.spec.results import File
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.outputs import golden

Json = dict[str, Any]


def copied(assets: Path, folder: Path) -> Path:
    """Return a copy of a bundle that may be changed."""
    shutil.copytree(assets, folder)
    return folder


def with_contract(assets: Path, change: Callable[[Json], object]) -> Path:
    """Change the contract of a copied bundle."""
    path = assets / "contract.json"
    contract = json.loads(path.read_text())
    change(contract)
    path.write_text(json.dumps(contract))
    return assets


def with_graph(assets: Path, graph: IntegerGraph) -> Path:
    """Put another model into a copied bundle, with a contract that fits, and the old answers."""
    contract = codec.from_json(
        Contract, (assets / "contract.json").read_bytes(), where="contract.json"
    )
    io, head = contract.input.dtype, contract.head
    files = {
        "model.tflite": tflite.write(graph, io=io, head=head),
        "model.onnx": onnx.write(graph, certify(graph), io=io, head=head),
    }
    for name, data in files.items():
        (assets / name).write_bytes(data)
    logits = Int8Grid(scale=float(graph.logits.scale), zero_point=graph.logits.zero_point)
    fitting = dataclasses.replace(
        contract,
        logits=logits,
        output=contract.output
        if head == "softmax"
        else dataclasses.replace(contract.output, grid=logits),
        files=tuple(File.of(assets, assets / name) for name in MODELS),
        taps=(
            edit.tap_recipe(parse(files["model.tflite"])).tap("model.tflite"),
            onnx_edit.tap_recipe(parse_onnx(files["model.onnx"])).tap("model.onnx"),
        )
        if head == "softmax"
        else (),
    )
    (assets / "contract.json").write_bytes(codec.to_json(fitting))
    return with_golden_grids(assets)


def with_golden_grids(assets: Path) -> Path:
    """Let the golden file of a copied bundle tell the contract's grids, whatever they are."""
    contract = json.loads((assets / "contract.json").read_text())
    told = [contract["input"]["grid"], contract["output"]["grid"], contract["logits"]]
    with np.load(assets / "golden.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    arrays["grids"] = np.array([(grid["scale"], grid["zero_point"]) for grid in told])
    np.savez(assets / "golden.npz", allow_pickle=False, **arrays)
    return assets


def sibling(build: Path) -> IntegerGraph:
    """Return another model of the same shape: the candidate that was not shipped."""
    shipped = (build / "model.tflite").read_bytes()
    ours = tflite_reader.read_file(shipped)
    for name in ("qat.tflite", "ptq.tflite"):
        graph = tflite_reader.read_file((build / "quantise" / name).read_bytes())
        pairs = zip(ours.nodes, graph.nodes, strict=True)
        if any(
            isinstance(a, Conv | Dense)
            and isinstance(b, Conv | Dense)
            and not np.array_equal(a.weights.kernel, b.weights.kernel)
            for a, b in pairs
        ):
            return graph
    raise AssertionError("both candidates have the weights of the shipped model")


def with_one_more(build: Path) -> IntegerGraph:
    """Return the model with 1 added to one bias, the first that golden images can tell.

    A bias counts in steps of the accumulator, hundreds of which may be one step of the output:
    most such changes are rounded away on 16 images, for Python as for the phone.
    """
    graph = tflite_reader.read_file((build / "model.tflite").read_bytes())
    pixels, _, answers = golden.read(build / "golden.npz")
    codes = (pixels ^ np.uint8(128)).view(np.int8)
    for index in reversed(range(len(graph.nodes))):
        node = graph.nodes[index]
        if not isinstance(node, Conv | Dense):
            continue
        for channel in range(min(40, len(node.weights.bias))):
            bias = node.weights.bias.copy()
            bias[channel] += 1
            weights = dataclasses.replace(node.weights, bias=bias)
            changed = dataclasses.replace(node, weights=weights)
            nodes = (*graph.nodes[:index], changed, *graph.nodes[index + 1 :])
            candidate = dataclasses.replace(graph, nodes=nodes)
            session = litert.load(tflite.write(candidate, head="logits"))
            if not np.array_equal(session.run(codes)[0], answers.logits):
                return candidate
    raise AssertionError("no bias makes a difference of one step on a golden image")
