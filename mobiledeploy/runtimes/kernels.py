"""Which kernels the runtimes of this machine take for a file's layers.

A file says what is to be computed; a runtime decides with what. LiteRT hands operators to XNNPACK
or keeps them, ONNX Runtime fuses quantise/dequantise pairs into integer kernels or computes in
float32. Both tell what they decided.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from mobiledeploy.base import child_process, quiet
from mobiledeploy.base.errors import CorruptFileError

MODULE = "mobiledeploy.runtimes.kernels"
_AS_UINT8: Final = "_s8_2_u8"


def xnnpack_tensors(model: bytes) -> frozenset[str]:
    """Return the names of the tensors that XNNPACK computes, on the way or as its outputs.

    Names that several tensors have are left out: they name nothing.

    Args:
        model: A `.tflite`; it is loaded in a child process.

    Raises:
        CorruptFileError: LiteRT cannot load it, or dies of it.
    """
    return frozenset(_elsewhere("read_xnnpack", model, "model.tflite"))


def ort_kernels(model: bytes) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return ONNX Runtime's kernels after all optimisation: operator, and names of its inputs.

    Args:
        model: An `.onnx`; it is loaded in a child process.

    Raises:
        CorruptFileError: ONNX Runtime cannot load it, or dies of it.
    """
    found = _elsewhere("read_ort", model, "model.onnx")
    return tuple((op, frozenset(inputs)) for op, inputs in found)


def _elsewhere(function: str, model: bytes, name: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(model)
        return json.loads(child_process.call(MODULE, function, str(path)))


def read_xnnpack(path: str) -> bytes:
    """Return `xnnpack_tensors` of a file as JSON; for the child."""
    from ai_edge_litert import interpreter

    try:
        with quiet.native_stderr():
            loaded: Any = interpreter.Interpreter(path, num_threads=1)
            loaded.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise CorruptFileError(f"LiteRT cannot load the model: {error}") from error
    # The only way to see the delegate's part from Python; it lists the replaced operators too.
    operators = loaded._get_ops_details()
    names = {detail["index"]: detail["name"] for detail in loaded.get_tensor_details()}
    writers = {}
    for operator in operators:
        if operator["op_name"] != "DELEGATE":
            writers.update({int(tensor): operator for tensor in operator["outputs"]})
    taken: set[int] = set()
    for operator in operators:
        if operator["op_name"] == "DELEGATE":
            given = {int(tensor) for tensor in operator["inputs"]}
            waiting = [int(tensor) for tensor in operator["outputs"]]
            while waiting:
                tensor = waiting.pop()
                if tensor not in given and tensor not in taken and tensor in writers:
                    taken.add(tensor)
                    waiting.extend(int(source) for source in writers[tensor]["inputs"])
    count = Counter(names.values())
    known = (names[tensor] for tensor in taken if tensor in names)
    return json.dumps(sorted(name for name in known if count[name] == 1)).encode()


def read_ort(path: str) -> bytes:
    """Return `ort_kernels` of a file as JSON; for the child."""
    import onnx

    from mobiledeploy.runtimes import ort

    optimised = Path(path).with_name("optimised.onnx")
    ort.load(Path(path).read_bytes(), save=optimised)
    own = {tensor.name for tensor in onnx.load(path).graph.initializer}
    nodes = onnx.load(optimised).graph.node
    found = [[node.op_type, [_original(name, own) for name in node.input]] for node in nodes]
    return json.dumps(found).encode()


def _original(name: str, own: set[str]) -> str:
    """Return the name that a constant has in the file, if ONNX Runtime wrote it anew.

    With `session.x64quantprecision` it turns int8 weights into uint8:
    onnxruntime/core/optimizer/qdq_transformer/s8_to_u8.cc.
    """
    before = name.removesuffix(_AS_UINT8)
    return before if before in own and name not in own else name
