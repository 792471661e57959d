"""LiteRT with XNNPACK, its CPU delegate: the runtime of a `.tflite` on phones.

XNNPACK runs the operators that it has kernels for, LiteRT the rest; `delegated` returns which.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from mobiledeploy.base import quiet
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.runtimes import FileLayer, Runtime, Session, litert


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    """Return a session; see `runtimes.Load`."""
    return litert.load(
        model, kernels="xnnpack", threads=threads, inner_threads=inner_threads, inputs=inputs
    )


def kernel_reasons(model: bytes, layers: Sequence[FileLayer]) -> list[tuple[str, ...]]:
    """Return why layers run in other kernels than the proven ones; see `runtimes.Runtime`.

    Raises:
        CorruptFileError: LiteRT cannot load the file.
    """
    # Not needed to run files, and the children that do so start faster without.
    from mobiledeploy.ops import table
    from mobiledeploy.ops.capabilities import MovesCodes

    own = {
        name
        for operator in table.OPERATORS
        for name, form in operator.TFLITE.items()
        if form.litert_own
    }
    taken = delegated(model)
    return [
        ()
        if (layer.name in taken) != (layer.operator in own)
        # Any kernel moves codes alike.
        or isinstance(table.of_kind(layer.kind), MovesCodes)
        else (
            f"LiteRT gives {layer.operator} to XNNPACK"
            if layer.operator in own
            else f"XNNPACK does not take {layer.operator}, and LiteRT's own kernels round "
            "otherwise",
        )
        for layer in layers
    ]


def delegated(model: bytes) -> frozenset[str]:
    """Return the names of all tensors that XNNPACK computes, inner ones included.

    Names that several tensors share are left out.

    Raises:
        CorruptFileError: LiteRT cannot load the file.
    """
    from ai_edge_litert import interpreter

    try:
        with quiet.native_stderr():
            loaded: Any = interpreter.Interpreter(model_content=model, num_threads=1)
            loaded.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise CorruptFileError(f"LiteRT cannot load the model: {error}") from error
    # Only this private method shows the delegate's part; it lists replaced operators too.
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
    return frozenset(name for name in known if count[name] == 1)


RUNTIME: Final = Runtime(
    name="litert-xnnpack",
    module=__name__,
    title="LiteRT XNNPACK",
    engine="LiteRT",
    kernels="XNNPACK",
    format="tflite",
    primary=True,
    exact=True,
    load=load,
    kernel_reasons=kernel_reasons,
)
