"""Damage a file in the ways in which files get damaged, or are made to harm."""

import math
import random
import struct
from collections.abc import Iterator
from typing import Any

import onnx
from tflite_editor import TfliteFile

VALUES = (0, 1, 2, 3, 7, 127, 128, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
SMALL = (-(2**31), -7, -1, 0, 1, 2, 5, 2**16, 2**31 - 1)


def damaged(data: bytes, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged copies, the same ones for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            _damage(copy, rng)
        yield bytes(copy)


def contradictory_tflite(data: bytes, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yield sound flatbuffers whose numbers contradict each other."""
    rng = random.Random(seed)
    for _ in range(count):
        file = TfliteFile(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            _contradict_tflite(file.graph, file.model, rng)
        yield file.bytes()


def contradictory_onnx(data: bytes, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yield sound protobufs whose numbers and names contradict each other."""
    rng = random.Random(seed)
    for _ in range(count):
        model = onnx.ModelProto.FromString(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            _contradict_onnx(model, rng)
        yield model.SerializeToString(deterministic=True)


def _contradict_tflite(graph: Any, model: Any, rng: random.Random) -> None:
    tensor, operator = rng.choice(graph.tensors), rng.choice(graph.operators)
    number = rng.choice((*SMALL, len(graph.tensors) - 1))
    match rng.randrange(11):
        case 9:
            code = rng.choice(model.operatorCodes)
            code.version = number
        case 10:
            operator.outputs = rng.choice(([], [-1]))
        case 0:
            tensor.shape = [
                rng.choice((0, 1, 2, 3, 17, 2**20, -1)) for _ in range(rng.randrange(6))
            ]
        case 1:
            tensor.buffer = rng.randrange(len(model.buffers))
        case 2:
            tensor.type = rng.randrange(20)
        case 3 if tensor.quantization is not None:
            tensor.quantization.scale = [rng.choice((0.0, -1.0, 1e-38, 1e38, math.nan, math.inf))]
        case 4 if tensor.quantization is not None:
            tensor.quantization.zeroPoint = [number] * rng.randrange(4)
        case 5:
            operator.inputs = [rng.randrange(-1, len(graph.tensors)) for _ in operator.inputs]
        case 6:
            operator.outputs = [rng.randrange(len(graph.tensors)) for _ in operator.outputs]
        case 7:
            operator.opcodeIndex = rng.randrange(len(model.operatorCodes))
        case _:
            options = operator.builtinOptions
            fields = [
                name for name, value in vars(options or object).items() if type(value) is int
            ]
            if fields:
                name = rng.choice(fields)
                wide = any(word in name.lower() for word in ("stride", "dilation", "filter"))
                setattr(options, name, number if wide else rng.choice((0, 1, 2, 3, 5, 99)))


def _contradict_onnx(model: Any, rng: random.Random) -> None:
    graph = model.graph
    node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    match rng.randrange(10):
        case 8 if node.attribute:
            rng.choice(node.attribute).type = rng.randrange(14)
        case 9:
            rng.choice(model.opset_import).version = rng.choice((*SMALL, 2**63 - 1))
        case 0 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 1:
            node.output[0] = rng.choice(names)
        case 2:
            node.op_type = rng.choice([other.op_type for other in graph.node])
        case 3:
            del tensor.dims[:]
            tensor.dims.extend(
                rng.choice((0, 1, 3, 8, 2**31, -1)) for _ in range(rng.randrange(5))
            )
        case 4:
            tensor.data_type = rng.randrange(20)
        case 5:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 6 if node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice(SMALL)
            attribute.ints[:] = [rng.choice(SMALL) for _ in range(rng.randrange(5))]
        case _:
            del graph.node[rng.randrange(len(graph.node))]


def _damage(data: bytearray, rng: random.Random) -> None:
    if len(data) < 16:
        return
    place = rng.randrange(len(data) - 8)
    match rng.randrange(8):
        case 0:
            data[place : place + 1] = bytes([rng.randrange(256)])
        case 1:
            data[place : place + 1] = bytes([data[place] ^ 1 << rng.randrange(8)])
        case 2 | 3:  # a word that may be an offset, a length, a shape or an index
            struct.pack_into("<I", data, place // 4 * 4, rng.choice(VALUES))
        case 4:
            word = struct.unpack_from("<I", data, place // 4 * 4)[0]
            struct.pack_into(
                "<I", data, place // 4 * 4, (word + rng.choice((-4, -1, 1, 4))) % 2**32
            )
        case 5:
            source = rng.randrange(max(len(data) - 64, 1))
            length = rng.randrange(1, 64)
            data[place : place + length] = data[source : source + length]
        case 6:
            del data[place : place + rng.randrange(1, 16)]
        case _:
            if rng.random() < 0.2:
                del data[place:]
            else:
                data[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
