"""Run a layer of a file on its own: cut out, in the file's own runtime, on given codes.

So an error does not go on into the next layer, and codes come into reach that no image brings
about. The cut-out holds what the runtime fuses with the layer (padding, activation, the pairs
around it); see `formats.tflite.edit` and `formats.onnx.edit`. A layer that reads the image takes
the file's own input, with what the file does to it first.
"""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.formats.tflite import schema
from mobiledeploy.reading import INPUT, Layer, Tensor
from mobiledeploy.runtimes import TensorInfo
from mobiledeploy.verify import layer_codes
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.side import Side
from mobiledeploy.verify.tapped import Tapped


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutOut:
    """A layer as a model of its own.

    Attributes:
        side: The file that it was cut from.
        layer: As the file describes it.
        sources: Indices of the layers that it reads, or `INPUT`; each once.
        inputs: Of the model, one a source.
        model: The bytes, in the file's format.
    """

    side: Side
    layer: Layer
    sources: tuple[int, ...]
    inputs: tuple[TensorInfo, ...]
    model: bytes

    def run(self, codes: Mapping[int, Codes]) -> Codes:
        """Return the layer's codes.

        Args:
            codes: Of each source.

        Raises:
            ConversionError: Codes are missing, or of another shape than the layer reads.
            CorruptFileError: The runtime refuses the model.
            RuntimeDiedError: The runtime dies of it.
        """
        missing = [source for source in self.sources if source not in codes]
        if missing:
            raise ConversionError(f"`{self.layer.name}` reads what has no codes")
        arrays = [
            layer_codes.write(codes[source], tensor_of(self.side, source), info)
            for source, info in zip(self.sources, self.inputs, strict=True)
        ]
        name = f"`{self.layer.name}`, cut out of {self.side.file.name},"
        outputs = self.side.place.once(self.side.primary, self.model, arrays, name=name)
        return layer_codes.read(outputs[0], self.layer.output)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cutter:
    """A file that layers are cut out of.

    Attributes:
        side: The file.
        sizes: Of one image, of tensors by name, as the runtime found them.
        runtime: With version.
    """

    side: Side
    sizes: Mapping[str, tuple[int, ...]]
    runtime: str

    def cut(self, index: int) -> CutOut:
        """Return a layer as a model of its own.

        Raises:
            ConversionError: It reads or writes floats, or something that cannot be cut out.
            CorruptFileError: The file is damaged.
        """
        layer = self.side.reading.layers[index]
        sources = tuple(dict.fromkeys(read.source for read in layer.reads))
        tensors = [tensor_of(self.side, source) for source in sources]
        for tensor in (*tensors, layer.output):
            if tensor.scale is None:
                raise ConversionError(f"`{tensor.name}` has no codes")
        if self.side.file.format == "tflite":
            inputs, model = self._tflite(tensors, layer.name)
        else:
            inputs, model = self._onnx(tensors, layer.name)
        return CutOut(side=self.side, layer=layer, sources=sources, inputs=inputs, model=model)

    def _tflite(self, tensors: list[Tensor], output: str) -> tuple[tuple[TensorInfo, ...], bytes]:
        inputs, parsed = [], self.side.file.tflite
        for tensor in tensors:
            found = parsed.tensors[tflite_edit.named(parsed, tensor.name)]
            dtype = schema.numpy_type(found.dtype)
            if dtype is None:
                raise ConversionError(f"`{tensor.name}` is of {found.dtype}")
            info = TensorInfo(name=tensor.name, dtype=dtype, shape=found.fixed_shape[1:])
            inputs.append(info)
        model = tflite_edit.cut(parsed, [info.name for info in inputs], output)
        return tuple(inputs), model

    def _onnx(self, tensors: list[Tensor], output: str) -> tuple[tuple[TensorInfo, ...], bytes]:
        for tensor in tensors:
            if tensor.dtype not in onnx_edit.TYPES:
                raise ConversionError(f"`{tensor.name}` is of {tensor.dtype}")
        starts = [
            onnx_edit.Start(name=tensor.name, dtype=tensor.dtype, sizes=self._sizes(tensor))
            for tensor in tensors
        ]
        model = onnx_edit.cut(self.side.file.onnx, starts, output)
        inputs = tuple(
            TensorInfo(name=start.name, dtype=np.dtype(start.dtype), shape=start.sizes)
            for start in starts
        )
        return inputs, model

    def _sizes(self, tensor: Tensor) -> tuple[int, ...]:
        found = self.sizes.get(tensor.name, ())
        if found and min(found) > 0:
            return found
        # What the runtime does not know, as behind operators of its own, the file's layers say.
        image = (1, 1, *tensor.shape) if len(tensor.shape) == 1 else tensor.shape
        sizes = dict(zip("HWC", image, strict=True)) if len(image) == 3 else {}
        if not set(tensor.axes) - {"N"} <= set(sizes) or math.prod(image) == 0:
            raise ConversionError(f"the shape of `{tensor.name}` is not known")
        return tuple(sizes[axis] for axis in tensor.axes[1:])


def cutter(run: Tapped) -> Cutter:
    """Return a file to cut layers out of.

    Args:
        run: The file, with the layers tapped whose outputs the cut-outs read.

    Raises:
        CorruptFileError: The file is damaged.
    """
    side = run.side
    infos = (*run.session.inputs, *run.session.outputs)
    return Cutter(
        side=side,
        sizes={info.name: info.shape for info in infos},
        runtime=run.session.runtime,
    )


def tensor_of(side: Side, source: int) -> Tensor:
    """Return what a source writes: a layer's output, or the file's input."""
    return side.reading.input if source == INPUT else side.reading.layers[source].output
