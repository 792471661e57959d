"""`SingleLayers`: corresponding layers of two files, each cut out of its file, on the same codes.

Errors of earlier layers have no effect, and a layer can run on codes that no image produces. A
cut-out includes what the runtime fuses with the layer (padding, activation, its QDQ pairs); see
`formats.tflite.edit` and `formats.onnx.edit`. A layer that reads the image takes the file's own
input, together with the operators before it.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.compare.align import Alignment
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.formats.tflite import schema
from mobiledeploy.reading import INPUT, StoredLayer, StoredTensor
from mobiledeploy.runtimes import TensorInfo
from mobiledeploy.verify.layers import layer_outputs
from mobiledeploy.verify.layers.layer_outputs import LayerCodes, LayerOutputs, clipped, to_grid
from mobiledeploy.verify.outputs.opened_file import OpenFile


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SingleLayer:
    """A layer as a separate model.

    Attributes:
        opened: The file that it was cut from.
        layer: The layer as the file describes it.
        sources: Indices of the layers that it reads, or `INPUT`; each once.
        inputs: Inputs of the model, one for each source.
        model: Bytes of the model, in the file's format.
    """

    opened: OpenFile
    layer: StoredLayer
    sources: tuple[int, ...]
    inputs: tuple[TensorInfo, ...]
    model: bytes

    def run(self, codes: Mapping[int, LayerCodes]) -> LayerCodes:
        """Return the layer's output codes.

        Args:
            codes: Codes of each source.

        Raises:
            ConversionError: Codes are missing, or have another shape than the layer reads.
            CorruptFileError: The runtime refuses the model.
            RuntimeDiedError: The runtime crashes on it.
        """
        missing = [source for source in self.sources if source not in codes]
        if missing:
            raise ConversionError(f"`{self.layer.name}` reads what has no codes")
        arrays = [
            layer_outputs.write_codes(codes[source], tensor_of(self.opened, source), info)
            for source, info in zip(self.sources, self.inputs, strict=True)
        ]
        name = f"`{self.layer.name}`, cut out of {self.opened.file.name},"
        outputs = self.opened.place.once(self.opened.primary, self.model, arrays, name=name)
        return layer_outputs.read_codes(outputs[0], self.layer.output)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCutter:
    """A file that layers are cut out of.

    Attributes:
        opened: The file.
        sizes: Shapes of tensors for one image, by name, as the runtime found them.
        runtime: Name and version of the runtime.
    """

    opened: OpenFile
    sizes: Mapping[str, tuple[int, ...]]
    runtime: str

    def cut(self, index: int) -> SingleLayer:
        """Return a layer as a separate model.

        Raises:
            ConversionError: It reads or writes floats, or cannot be cut out.
            CorruptFileError: The file is damaged.
        """
        layer = self.opened.reading.layers[index]
        sources = tuple(dict.fromkeys(read.source for read in layer.reads))
        tensors = [tensor_of(self.opened, source) for source in sources]
        for tensor in (*tensors, layer.output):
            if not tensor.holds_codes:
                raise ConversionError(f"`{tensor.name}` has no codes")
        if self.opened.file.format == "tflite":
            inputs, model = self._tflite(tensors, layer.name)
        else:
            inputs, model = self._onnx(tensors, layer.name)
        return SingleLayer(
            opened=self.opened, layer=layer, sources=sources, inputs=inputs, model=model
        )

    def _tflite(
        self, tensors: list[StoredTensor], output: str
    ) -> tuple[tuple[TensorInfo, ...], bytes]:
        inputs, parsed = [], self.opened.file.tflite
        for tensor in tensors:
            raw = parsed.tensors[tflite_edit.named(parsed, tensor.name)]
            dtype = schema.numpy_type(raw.dtype)
            if dtype is None:
                raise ConversionError(f"`{tensor.name}` is of {raw.dtype}")
            info = TensorInfo(name=tensor.name, dtype=dtype, shape=raw.fixed_shape[1:])
            inputs.append(info)
        model = tflite_edit.cut(parsed, [info.name for info in inputs], output)
        return tuple(inputs), model

    def _onnx(
        self, tensors: list[StoredTensor], output: str
    ) -> tuple[tuple[TensorInfo, ...], bytes]:
        for tensor in tensors:
            if tensor.dtype not in onnx_edit.TYPES:
                raise ConversionError(f"`{tensor.name}` is of {tensor.dtype}")
        starts = [
            onnx_edit.Start(name=tensor.name, dtype=tensor.dtype, sizes=self._sizes(tensor))
            for tensor in tensors
        ]
        model = onnx_edit.cut(self.opened.file.onnx, starts, output)
        inputs = tuple(
            TensorInfo(name=start.name, dtype=np.dtype(start.dtype), shape=start.sizes)
            for start in starts
        )
        return inputs, model

    def _sizes(self, tensor: StoredTensor) -> tuple[int, ...]:
        known = self.sizes.get(tensor.name, ())
        if known and min(known) > 0:
            return known
        # The runtime does not know shapes behind its own fused operators; the file's layers do.
        image = (1, 1, *tensor.shape) if len(tensor.shape) == 1 else tensor.shape
        sizes = dict(zip("HWC", image, strict=True)) if len(image) == 3 else {}
        if not set(tensor.axes) - {"N"} <= set(sizes) or math.prod(image) == 0:
            raise ConversionError(f"the shape of `{tensor.name}` is not known")
        return tuple(sizes[axis] for axis in tensor.axes[1:])


def cutter(run: LayerOutputs) -> LayerCutter:
    """Return a file to cut layers out of.

    Args:
        run: The file, with every layer tapped that a cut-out reads.

    Raises:
        CorruptFileError: The file is damaged.
    """
    opened = run.opened
    infos = (*run.session.inputs, *run.session.outputs)
    return LayerCutter(
        opened=opened,
        sizes={info.name: info.shape for info in infos},
        runtime=run.session.runtime,
    )


def tensor_of(opened: OpenFile, source: int) -> StoredTensor:
    """Return the tensor of a source: a layer's output, or the file's input."""
    return opened.reading.input if source == INPUT else opened.reading.layers[source].output


MOST_PARTS: Final = 1024
"""Most layers cut out of both files together: several times what mobile networks have."""
RunPair: TypeAlias = Callable[
    [tuple[int, int], Mapping[int, LayerCodes]], tuple[LayerCodes, LayerCodes]
]
"""`SingleLayers.run`, with `whole` given already."""
Whole: TypeAlias = tuple[Mapping[int, LayerCodes], Mapping[int, LayerCodes]]
"""Codes of each file's layers by their index, and of its input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SingleLayers:
    """Two files whose corresponding layers are run on their own.

    Attributes:
        cutters: The two files.
        alignment: Which layers correspond.
        parts: Cut-outs so far, by file (0 or 1) and layer.
    """

    cutters: tuple[LayerCutter, LayerCutter]
    alignment: Alignment
    parts: dict[tuple[int, int], SingleLayer] = dataclasses.field(default_factory=dict)

    def run(
        self, pair: tuple[int, int], codes: Mapping[int, LayerCodes], whole: Whole
    ) -> tuple[LayerCodes, LayerCodes]:
        """Return the output codes of a layer and its counterpart, on each file's own grid.

        Args:
            pair: Indices of the layers, in the first and in the second file.
            codes: Codes of the first file's layers (and input, under `INPUT`): at least those
                that the layers read. The second file's cut-out gets the same codes, requantised
                where its grids are different.
            whole: Codes of each file's layers for some images, run end to end. The cut-outs have
                to give the same codes; otherwise other kernels run them than in the whole file.

        Raises:
            ConversionError: A layer cannot be cut out, reads a tensor without codes or of another
                shape, or gives other codes than in the whole file.
            CorruptFileError: A runtime refuses a cut-out.
            RuntimeDiedError: A runtime crashes on it.
        """
        given = codes, self.for_second(pair[1], codes)
        one, two = (
            _checked(self.part(file, index), given[file], whole[file], index)
            for file, index in enumerate(pair)
        )
        return one, two

    def for_second(self, index: int, codes: Mapping[int, LayerCodes]) -> dict[int, LayerCodes]:
        """Return the codes that a layer of the second file reads, from codes of the first file.

        Raises:
            ConversionError: It reads a tensor without a counterpart in the first file.
        """
        reads = self.cutters[1].opened.reading.layers[index].reads
        return {read.source: self._counterpart(read.source, codes) for read in reads}

    def part(self, file: int, index: int) -> SingleLayer:
        """Return a layer cut out of the first file (0) or the second (1).

        Raises:
            ConversionError: It cannot be cut out, or `MOST_PARTS` layers were cut out already.
        """
        place = file, index
        if place not in self.parts:
            if len(self.parts) >= MOST_PARTS:
                raise ConversionError(f"expected at most {MOST_PARTS} layers to cut out")
            self.parts[place] = self.cutters[file].cut(index)
        return self.parts[place]

    def _counterpart(self, source: int, codes: Mapping[int, LayerCodes]) -> LayerCodes:
        first, second = (cutter.opened for cutter in self.cutters)
        like = self.alignment.seen_from_second(second.reading, source)
        own, grid = tensor_of(second, source), tensor_of(first, INPUT if like is None else like)
        if like is None or like not in codes or own.shape != grid.shape:
            raise ConversionError(f"what `{own.name}` holds has no counterpart in the first file")
        return clipped(to_grid(codes[like], grid, own))


def open_single_layers(
    runs: tuple[LayerOutputs, LayerOutputs], alignment: Alignment
) -> SingleLayers:
    """Return the layers of two files, given the files with every layer tapped.

    Raises:
        CorruptFileError: A file is damaged.
    """
    return SingleLayers(cutters=(cutter(runs[0]), cutter(runs[1])), alignment=alignment)


@dataclasses.dataclass(slots=True, eq=False)
class SingleLayerDifference:
    """How the cut-outs of a layer and its counterpart differ, over the images so far.

    Attributes:
        largest: Largest difference, in LSB of the first file's grid; None if they could not run.
        differing: How many elements differ.
        elements: How many elements were compared.
    """

    largest: int | None = None
    differing: int = 0
    elements: int = 0

    @property
    def share(self) -> float | None:
        """Share of elements that differ, 0..1; None if the cut-outs could not run."""
        return self.differing / self.elements if self.elements else None

    def add(self, single_layers: SingleLayers, pair: tuple[int, int], whole: Whole) -> None:
        """Run both cut-outs on the first file's codes; add nothing if they cannot run.

        Args:
            single_layers: The files.
            pair: Indices of the layers.
            whole: Codes of each file's layers for some images.
        """
        try:
            mine, other = single_layers.run(pair, whole[0], whole)
        except (ConversionError, CorruptFileError, RuntimeDiedError):
            return
        if mine.shape != other.shape:
            return
        grid, own = (
            tensor_of(cutter.opened, index)
            for cutter, index in zip(single_layers.cutters, pair, strict=True)
        )
        off = np.abs(to_grid(other, own, grid) - mine)
        self.largest = max(self.largest or 0, int(off.max()))
        self.differing += int((off > 0).sum())
        self.elements += off.size


def _checked(
    part: SingleLayer, codes: Mapping[int, LayerCodes], whole: Mapping[int, LayerCodes], index: int
) -> LayerCodes:
    """Return a cut-out's outputs, checking that it also reproduces those of the whole file."""
    name = part.layer.name
    missing = [source for source in part.sources if source not in codes or source not in whole]
    if missing or index not in whole:
        raise ConversionError(f"`{name}` reads or writes what has no codes")
    if any(codes[source].shape[1:] != whole[source].shape[1:] for source in part.sources):
        raise ConversionError(f"`{name}` reads codes of another shape")
    both = {source: np.concatenate([whole[source], codes[source]]) for source in part.sources}
    outputs = part.run(both)
    count = len(whole[index])
    if not np.array_equal(outputs[:count], whole[index]):
        raise ConversionError(f"`{name}`, cut out, gives other codes than in the whole file")
    return outputs[count:]
