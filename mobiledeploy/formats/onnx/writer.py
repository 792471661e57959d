"""Write an ONNX graph of quantise/dequantise pairs, in the order its nodes are added."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

OPSET: Final = 17
IR_VERSION: Final = 8
"""The IR version that ONNX Runtime 1.17, the oldest supported on phones, can read."""


class OnnxWriter:
    """An ONNX graph under construction; `finish` may be called once.

    Constants that are a single number are stored once for each value.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        """Begin an empty graph.

        Args:
            names: Names of the graph's own tensors, which constants and helper tensors avoid.
        """
        self._taken = set(names)
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self._scalars: dict[tuple[str, bytes], str] = {}

    def free(self, name: str) -> str:
        """Reserve this name, or a similar one if a tensor has it, and return it."""
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """Add an array of any rank; return its name: this one, or a similar one if taken."""
        from onnx import numpy_helper

        name = self.free(name)
        # Not `ascontiguousarray`, which turns rank 0 into rank 1.
        self._initializers.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def scalar(self, value: np.generic) -> str:
        """Return the name of a scalar constant (rank 0), which is added if it is new.

        Rank 0 matters: ONNX Runtime does not fuse an Add whose scales have rank 1.
        """
        from onnx import numpy_helper

        key = (value.dtype.name, value.tobytes())
        if key not in self._scalars:
            self._scalars[key] = self.free(f"c{len(self._scalars)}")
            tensor = numpy_helper.from_array(np.array(value), self._scalars[key])
            self._initializers.append(tensor)
        return self._scalars[key]

    def node(
        self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node; return the name of its output, which is made up if none is given."""
        from onnx import helper

        output = output or self.free(f"t{len(self._nodes)}")
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def dequantise(
        self, codes: str, scale: np.float32, zero_point: np.generic, output: str | None = None
    ) -> str:
        """Add a DequantizeLinear for one consumer; return the name of its real values.

        ONNX Runtime fuses a layer with the pairs around it only if no other layer shares them.
        """
        inputs = [codes, self.scalar(scale), self.scalar(zero_point)]
        return self.node("DequantizeLinear", inputs, output)

    def quantise(
        self, real: str, scale: np.float32, zero_point: np.generic, output: str | None = None
    ) -> str:
        """Add a QuantizeLinear; return the name of its codes."""
        inputs = [real, self.scalar(scale), self.scalar(zero_point)]
        return self.node("QuantizeLinear", inputs, output)

    def finish(
        self,
        name: str,
        *,
        inputs: Sequence[tuple[str, npt.DTypeLike, Sequence[int]]],
        outputs: Sequence[tuple[str, npt.DTypeLike, Sequence[int]]],
        producer_version: str,
        metadata: dict[str, str],
    ) -> bytes:
        """Return the file.

        Args:
            name: The graph's name.
            inputs: Name, type and shape for one image of each input; the batch is dynamic.
            outputs: Name, type and shape for one image of each output.
            producer_version: Version of the program that writes it.
            metadata: Strings that the file carries.
        """
        from onnx import helper

        def described(name: str, dtype: npt.DTypeLike, shape: Sequence[int]) -> Any:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, kind, ["batch", *shape])

        graph = helper.make_graph(
            self._nodes,
            name,
            [described(*tensor) for tensor in inputs],
            [described(*tensor) for tensor in outputs],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="mobiledeploy",
            producer_version=producer_version,
        )
        helper.set_model_props(model, metadata)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
