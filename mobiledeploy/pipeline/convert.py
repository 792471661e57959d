"""Convert a finished int8 file to the other format, so that no code of its outputs changes.

    read -> integer graph -> certify -> write -> verify

A file of integers has nothing to calibrate: its weights, zero points and scales are kept. What the
other format's kernels round otherwise is written in another form that gives the same codes: an
addition in integers, a table of all codes. What has no such form is refused, all of it at once.
"""

import dataclasses
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base import files
from mobiledeploy.base.codec import OMIT
from mobiledeploy.base.errors import ConversionError, ParityError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import class_names
from mobiledeploy.formats import file_kind, model_file
from mobiledeploy.formats.model import Format
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.graph import IntegerGraph, head_of
from mobiledeploy.integer.symmetric_kernels import symmetric_kernels
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified, CertifiedOnX86
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.divided_input import is_divided
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.stored import StoredLayer, StoredTensor
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.pipeline.carried_metadata import Carried, Said, carry
from mobiledeploy.pipeline.integer_graph import GraphOfReading, Obstacle, OtherForm, graph_of
from mobiledeploy.reading import INPUT, Reading
from mobiledeploy.runtimes import table as runtimes
from mobiledeploy.runtimes.child import Children
from mobiledeploy.spec.config import Io, require_licence
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.layers.float_biases import with_integer_biases
from mobiledeploy.verify.layers.tables_of_elements import not_read, with_operators, with_tables
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import open_file
from mobiledeploy.verify.proof.certificate import in_floats as in_floats_of
from mobiledeploy.verify.report import VerifyReport

VERSION: Final = 1
NOTHING: Final = Said()
FORMATS: Final[Mapping[str, Format]] = {".tflite": "tflite", ".onnx": "onnx"}
"""Formats by the endings of file names."""

Form: TypeAlias = Literal[
    "operator", "table", "clamp", "scores", "convolution", "inexact",
    "integers", "moved scales", "shifted weights", "copied channels", "quantised bias",
    "corrected axis",
]  # fmt: skip
"""What an operator became. `operator`: the same one. `table`: one of all codes, or of all pairs of
codes. `clamp`: with an operator of its own that clips codes. `scores`: its output is on TFLite's
grid of scores. `convolution`: a mean, or a line of each channel's codes, as a depthwise one.
`integers`: nodes that compute XNNPACK's integers. `moved scales`: one that reads its inputs, or
copies of them, by scales that are some units in the last place off. `shifted weights`: one whose
weights lost their zero point. `copied channels`: one that reads several copies of its input, since
its weights have nine bits. `quantised bias`: one with the integers that ONNX Runtime makes of its
float bias. `corrected axis`: the same one, of whose bias the source names a quantised dimension
that there is not; LiteRT runs a copy that names the first. `inexact`: an operator that gives other
codes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedFile:
    """A file that was read or written.

    Attributes:
        name: As the user named it.
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
    """

    name: str
    format: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedOperator:
    """An operator of the source that became another form, or another function on other CPUs.

    Attributes:
        index: Its number among the source's operators, from 0.
        operator: Its name in the source's format, such as `ADD`.
        layer: Name of the tensor that it writes.
        form: What it became.
        cases: How many of its inputs were tried: codes, pairs or sums; 0 if none had to be.
        differing: How many of them the usual form would give other codes for.
        lsb: By how much at most.
        by_cpu: How many of them the source's own runtime gives other codes for on other CPUs.
        in_floats: Whether the source's own runtime computes it in float32, although the file
            describes integers: its codes may then miss these by one, on some inputs.
    """

    index: int
    operator: str
    layer: str
    form: Form
    cases: int = 0
    differing: int = 0
    lsb: int = 0
    by_cpu: int = 0
    in_floats: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConvertReport:
    """The result of a conversion.

    Attributes:
        version: Version of this document.
        source: The file that was read.
        target: The file that was written.
        io: Type of the target's input.
        exact: Whether the logits of both files are equal for every input, as far as is known:
            every operator gives the same codes, and all images gave equal logits.
        images: Images on which both files ran.
        equal_images: Images on which all logits are equal.
        max_logits_lsb: Largest difference of a logit, in steps of the source's grid.
        same_top1: Images on which the highest logit is the same class.
        operators: Operators of the source that are no plain operators in the target, or whose
            function depends on the CPU.
        failures: Why it is not exact, a sentence each.
        verification: The comparison of both files.
        metadata: What the metadata of a `.tflite` state, and where that comes from; None, and
            absent from the JSON, if there are none.
    """

    version: int
    source: ConvertedFile
    target: ConvertedFile
    io: Io
    exact: bool
    images: int
    equal_images: int
    max_logits_lsb: float
    same_top1: int
    operators: tuple[ConvertedOperator, ...]
    failures: tuple[str, ...]
    verification: VerifyReport
    metadata: Carried | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Converted:
    """A file in the other format, not compared yet.

    Attributes:
        data: Its bytes.
        io: Type of its input.
        operators: See `ConvertReport`.
        loadable: A copy of the source that LiteRT loads, where it does not load the source itself.
        metadata: See `ConvertReport`.
    """

    data: bytes
    io: Io
    operators: tuple[ConvertedOperator, ...]
    loadable: bytes | None = None
    metadata: Carried | None = None


def convert(
    source: files.Name,
    target: files.Name,
    *,
    io: Io | None = None,
    allow_inexact: bool = False,
    data: str | None = None,
    samples: int | None = None,
    labels: tuple[str, ...] = (),
    licence: str = "",
    threads: int = 1,
    progress: Progress = silent,
) -> ConvertReport:
    """Convert an int8 file, write it if it is exact, and compare the two files.

    Args:
        source: An int8 or uint8 `.tflite`, or a QDQ or QOperator `.onnx`.
        target: The file to write, whose name ends in `.tflite` or `.onnx`.
        io: Type of the target's input and output; None for those of the source.
        allow_inexact: Whether to write also what is not exact.
        data: Photos to compare on, see `data.sources.open_dataset`; None for synthetic images.
        samples: How many images to compare on; None for all photos, or the default.
        labels: Names of the classes, for the metadata of a `.tflite`; empty for those in the
            source, or in a file of labels beside it.
        licence: Under which a `.tflite` may be used, likewise; empty for the source's.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Returns:
        The report. The target is written if it is exact, or if that need not be.

    Raises:
        RequestError: There is no such file, the target's name has another ending, or labels or a
            licence were given that do not fit it.
        ConversionError: The source is no int8 network, or has operators that the target's format
            cannot express exactly; the message names all of them.
        CorruptFileError: The source is damaged.
        ParityError: The source takes no images, or its outputs do not vary.
        StorageError: The target cannot be written.
    """
    path, out = files.user_path(source), files.user_path(target)
    wanted = _wanted(path, out)
    require_licence(licence)
    if wanted == "onnx" and (labels or licence):
        raise RequestError(
            f"`{'--labels' if labels else '--license'}` is for the metadata of a .tflite; "
            f"{files.printable(out.name)} has none",
            hint="leave it out",
        )
    if out.parent.is_dir():
        files.check_writable(out.parent)
    progress(Event("convert", "reading the file"))
    file_kind.require_file(path, hint="name a finished .tflite, or a quantised .onnx")
    file = model_file.read(path)
    named = class_names.beside(path) if wanted == "tflite" else ()
    said = Said(labels=labels, beside=named, licence=licence)
    converted = to_format(file, wanted, io=io, allow_inexact=allow_inexact, said=said)
    floats = _in_floats(file)
    if floats:
        count = f"{len(floats)} operator{'s' * (len(floats) > 1)}"
        words = f"the source's runtime computes {count} in float32: codes may miss by 1"
        progress(Event("convert", words))
        converted = to_format(
            file, wanted, io=io, allow_inexact=allow_inexact, in_floats=floats, said=said
        )
    # What the other kernels of both runtimes give says nothing about the conversion. Which layer
    # differs is known already if the source's runtime computes some in floats.
    locate: Literal["never", "differing"] = "never" if floats else "differing"
    options = Options(threads=threads, only_main=True, locate=locate)
    with tempfile.TemporaryDirectory() as folder:
        beside, compared = Path(folder) / out.name, path
        beside.write_bytes(converted.data)
        if converted.loadable is not None:
            compared = Path(folder) / "source" / path.name
            compared.parent.mkdir()
            compared.write_bytes(converted.loadable)
        verification = pair.verify(
            compared, beside, data=data, samples=samples, options=options, progress=progress
        )
        written = model_file.read(beside)
    report = _report(file, written, converted, verification)
    if report.exact or allow_inexact:
        files.write_atomic(out, converted.data)
    return report


def _in_floats(file: ModelFile) -> frozenset[str]:
    """Return what layers write that the source's runtime computes in floats.

    Raises:
        CorruptFileError: The runtime refuses the source.
        RuntimeDiedError: It crashes on it.
    """
    if file.format != "onnx":
        return frozenset()
    with Children(runtimes.running(file.format)) as children:
        return in_floats_of(open_file(file, children))


def _with_floats(
    file: ModelFile,
    layers: Reading,
    operators: Sequence[ConvertedOperator],
    in_floats: Collection[str],
) -> tuple[ConvertedOperator, ...]:
    """Return operators, and those that the source's runtime computes in floats, marked."""
    marked = {each.index: each for each in operators}
    for place, layer in enumerate(layers.layers):
        if layer.name not in in_floats:
            continue
        index, operator, name = _operator_of(file, layers, place)
        plain = ConvertedOperator(index=index, operator=operator, layer=name, form="operator")
        marked[index] = dataclasses.replace(marked.get(index, plain), in_floats=True)
    others = [each for each in operators if marked[each.index].layer != each.layer]
    return tuple(sorted((*marked.values(), *others), key=lambda each: each.index))


def require(report: ConvertReport, *, allow_inexact: bool) -> None:
    """Check that a conversion is exact, if it has to be.

    Raises:
        ParityError: It is not: nothing was written.
    """
    if not report.exact and not allow_inexact:
        floats = any(operator.in_floats for operator in report.operators)
        raise ParityError(
            f"{report.target.name} was not written: {report.failures[0]}",
            hint=_QUANTISE_AGAIN if floats else _WRITE_ANYWAY,
        )


_WRITE_ANYWAY: Final = "`--allow-inexact` writes it, and says how far it is off"
_QUANTISE_AGAIN: Final = (
    "quantise the network with uint8 activations (`activation_type=QuantType.QUInt8`), after "
    "`quant_pre_process`, so that ONNX Runtime computes in integers; or take `--allow-inexact`: "
    "it writes the file, and says how far it is off"
)
_PROCESS_BEFORE: Final = (
    "`quant_pre_process` of onnxruntime.quantization.shape_inference, called before "
    "`quantize_static`, folds shapes that the network computes while it runs"
)
_QUANTISE_ALL: Final = (
    "quantise the whole network: QuantizeLinear has to follow each layer, the last one included"
)
_NORMALISE_BEFORE: Final = (
    "normalise the input before the network, or quantise it first: what comes before the first "
    "QuantizeLinear is computed in floats"
)
_OF_SHAPES: Final = frozenset({"Expand", "Gather", "Pad", "Reshape", "Resize", "Slice", "Split"})
"""Operators that read shapes or bounds, which an exporter may leave to be computed."""


def _wanted(path: Path, out: Path) -> Format:
    """Return the format to write.

    Raises:
        RequestError: There is none of that ending, or the source would be replaced.
    """
    if out.suffix.lower() not in FORMATS:
        raise RequestError(
            f"expected a name that ends in {' or '.join(FORMATS)}, received {out.name}",
            hint="the ending decides what is written",
        )
    if out.exists() and path.exists() and out.samefile(path):
        raise RequestError(
            f"{files.printable(out.name)} is the file that is converted",
            hint="name another file with `--out`",
        )
    if out.is_dir():
        raise RequestError(
            f"expected a file, received the folder {files.printable(out)}",
            hint="name the file to write with `--out`",
        )
    return FORMATS[out.suffix.lower()]


def to_format(
    file: ModelFile,
    wanted: Format,
    *,
    io: Io | None = None,
    allow_inexact: bool = False,
    in_floats: Collection[str] = (),
    said: Said = NOTHING,
) -> Converted:
    """Return a file in a format, without running it.

    Args:
        file: The file.
        wanted: The format.
        io: See `convert`.
        allow_inexact: See `convert`.
        in_floats: What layers write that the file's runtime computes in floats.
        said: What the metadata of a `.tflite` say besides those of the file.

    Raises:
        RequestError: See `convert`.
        ConversionError: See `convert`.
        CorruptFileError: The file is damaged.
    """
    whole, biased, close = with_integer_biases(file)
    layers = _read(whole)
    given = whole
    whole, tables = with_tables(given, not_read(layers))
    replaced = whole is not given
    layers = with_operators(_read(whole), tables) if replaced else layers
    made = _graph(whole, layers, tables=replaced, inexact=allow_inexact, in_floats=in_floats)
    graph, places = made.graph, made.places
    rounded = tuple(_of_float_sums(file, layers, close))
    if graph is None or (rounded and not allow_inexact):
        raise _refusal(file, layers, wanted, (*made.obstacles, *rounded))
    certificates: dict[str, Certificate] = {}
    by_cpu: dict[str, int] = {}
    if wanted == "onnx":
        certificates, by_cpu, failed = _certificates(graph, inexact=allow_inexact)
        if failed and not allow_inexact:
            found = [
                Obstacle(layer=places.get(name, INPUT), reason=said, inexact=True)
                for name, said in failed
            ]
            raise _refusal(file, layers, wanted, found)
    kind = _io(layers.input) if io is None else io
    out = _io(layers.output) if io is None else io
    head = head_of(graph)
    copies: dict[str, int] = {}
    carried: Carried | None = None
    if wanted == "onnx":
        data = onnx.write(graph, certificates, io=kind, out=out, head=head, divided=_divides(file))
    else:
        symmetric = symmetric_kernels(graph)
        graph, copies = symmetric.graph, symmetric.copies
        attached, carried = carry(file, layers, said)
        data = tflite.write(
            graph, io=kind, out=out, head=head, divided=_divides(file), attached=attached
        )
    operators = (
        *(
            _of_form(file, layers, form)
            for form in made.forms
            if form.form != "operator" or form.name not in by_cpu  # which its certificate tells
        ),
        *_of_certificates(file, layers, places, certificates.values(), by_cpu),
        *_of_kernels(file, layers, places, copies),
        *_of_biases(file, layers, biased, "quantised bias"),
        *_of_biases(file, layers, close, "inexact"),
    )
    loadable = None
    if file.format == "tflite":
        mended, changed = tflite_edit.with_possible_axes(file.tflite)
        if changed:
            loadable = mended
            operators = (*operators, *_of_axes(file, changed))
    return Converted(
        data=data,
        io=kind,
        operators=_with_floats(file, layers, operators, in_floats),
        loadable=loadable,
        metadata=carried,
    )


def _of_axes(file: ModelFile, changed: frozenset[int]) -> Iterator[ConvertedOperator]:
    """Yield the operators that read tensors whose quantised dimension there is not."""
    for index, operator in enumerate(file.tflite.operators):
        if not changed.isdisjoint(operator.inputs):
            yield ConvertedOperator(
                index=index,
                operator=operator.builtin,
                layer=file.tflite.tensors[operator.output(0)].unique_name,
                form="corrected axis",
            )


def _with_writers(
    file: ModelFile, layers: Reading, outputs: Collection[str]
) -> Iterator[tuple[int, int]]:
    """Yield each layer that a node with one of some outputs computes, and the node's number.

    Args:
        file: An `.onnx`.
        layers: Its layers.
        outputs: Names of tensors that nodes write.
    """
    parsed = file.parsed
    for place in range(len(layers.layers)) if outputs else ():
        number, _, _ = _operator_of(file, layers, place)
        written = parsed.operators[number].output(0) if number >= 0 else -1
        if written >= 0 and parsed.tensors[written].name in outputs:
            yield place, number


def _of_biases(
    file: ModelFile, layers: Reading, outputs: Collection[str], form: Form
) -> Iterator[ConvertedOperator]:
    """Yield the operators that have float biases, and write certain outputs."""
    for place, number in _with_writers(file, layers, outputs):
        layer = layers.layers[place]
        yield ConvertedOperator(
            index=number,
            operator=layer.op,
            layer=layer.name,
            form=form,
            lsb=int(form == "inexact"),
        )


def _of_float_sums(
    file: ModelFile, layers: Reading, outputs: Collection[str]
) -> Iterator[Obstacle]:
    """Yield the layers to which ONNX Runtime adds a float bias in float32."""
    for place, _ in _with_writers(file, layers, outputs):
        yield Obstacle(
            layer=place,
            reason="its bias is float32 and its input not quantised behind a Reshape or Flatten, "
            "so that its runtime adds in float32: codes may miss its by 1",
            inexact=True,
        )


def _read(file: ModelFile) -> Reading:
    """Return the layers of a file.

    Raises:
        ConversionError: Its activations are no 8-bit integers.
    """
    if file.format == "tflite":
        layers = reading.read_tflite(file.tflite)
    else:
        layers = reading.read_onnx(file.onnx)
    kind = reading.arithmetic(layers)
    if kind != "codes":
        raise ConversionError(
            f"{file.name} computes with {'floats' if kind == 'floats' else 'wider integers'}, not "
            "with 8-bit integers",
            hint="`mobiledeploy quantize` makes int8 files of a float network",
        )
    return layers


def _graph(
    file: ModelFile,
    layers: Reading,
    *,
    tables: bool,
    inexact: bool,
    in_floats: Collection[str],
) -> GraphOfReading:
    """Return the graph of a file, of which each table is said if it got some here."""
    if file.format == "tflite" and not tables:
        try:
            graph = tflite_reader.read(file.tflite)
        except ConversionError:
            pass  # the reading takes more, and says all that it does not take
        else:
            places = {layer.name: index for index, layer in enumerate(layers.layers)}
            return GraphOfReading(graph=graph, places=places, forms=(), obstacles=())
    made = graph_of(layers, inexact=inexact, in_floats=in_floats)
    others = tuple(_of_other_kernels(file, layers))
    if not others:
        return made
    return dataclasses.replace(made, graph=None, obstacles=(*made.obstacles, *others))


def _of_other_kernels(file: ModelFile, layers: Reading) -> Iterator[Obstacle]:
    """Yield the layers of a `.tflite` that XNNPACK leaves to a kernel that rounds otherwise."""
    if file.format != "tflite":
        return
    axes = {tensor.unique_name: tensor.axis for tensor in file.tflite.tensors if tensor.grid}
    types = {tensor.unique_name: tensor.dtype for tensor in file.tflite.tensors}
    for index, layer in enumerate(layers.layers):
        name = "" if layer.weights is None else layer.weights.name
        if types.get(name) == "uint8" and axes.get(name):
            said = "XNNPACK takes uint8 weights of quantised dimension 0 only"
            yield Obstacle(layer=index, reason=f"{said}, received {axes[name]}")


def _certificates(
    graph: IntegerGraph, *, inexact: bool
) -> tuple[dict[str, Certificate], dict[str, int], list[tuple[str, str]]]:
    """Return certificates by name, what depends on the CPU, and why there are no others.

    What depends on the CPU is how many cases of a node LiteRT computes otherwise on arm64. The
    certificate is then that of x86.
    """
    certificates, by_cpu, failed, tensors = {}, dict[str, int](), [], graph.tensors()
    for node in graph.nodes:
        operator: object = table.of_node(node)
        if not isinstance(operator, Certified):
            continue
        name, inputs = node.output.name, [tensors[read] for read in node.inputs]
        try:
            certificates[name] = operator.certify(node, inputs)
        except ConversionError as error:
            certificate = Certificate(
                name=name,
                scales=tuple(each.scale for each in inputs),
                cases=0,
                differing_before=0,
                differing_after=0,
            )
            here: object = operator
            if isinstance(here, CertifiedOnX86):
                certificates[name] = here.certify_x86(node, inputs)
                by_cpu.update(_by_cpu(operator, node, inputs))
                continue
            elsewhere = _only_elsewhere(operator, node, inputs)
            if elsewhere:
                certificates[name], by_cpu[name] = certificate, elsewhere
                continue
            failed.append((name, str(error)))
            if inexact:
                certificates[name] = dataclasses.replace(certificate, differing_after=1)
    return certificates, by_cpu, failed


def _by_cpu(operator: Certified, node: Node, inputs: Sequence[QTensor]) -> dict[str, int]:
    """Return for how many cases LiteRT gives other codes on other CPUs, by the node's name."""
    x86, *others = operator.litert_cases(node, inputs, operator.all_cases(node, inputs))
    count = int((np.stack([x86, *others]) != x86).any(axis=0).sum())
    return {node.output.name: count} if count else {}


def _only_elsewhere(operator: Certified, node: Node, inputs: Sequence[QTensor]) -> int:
    """Return for how many cases only LiteRT's kernel for arm64 gives another code; 0 if others do.

    Args:
        operator: The node's.
        node: A node without a certificate.
        inputs: What it reads.
    """
    module = table.of_node(node)
    form = next(iter(module.TFLITE), "")
    if [*operator.litert_limits(node, inputs, form)]:
        return 0
    try:
        cases = operator.all_cases(node, inputs)
        x86, *others = operator.litert_cases(node, inputs, cases, form)
    except ConversionError:
        return 0
    kernels = len(others) + 1 == len(module.LITERT_KERNELS)
    ours = operator.ort_cases(node, inputs, cases)
    if not kernels or any((each != x86).any() for each in ours):
        return 0
    return int((np.stack(others) != x86).any(axis=0).sum()) if others else 0


def _io(tensor: StoredTensor) -> Io:
    """Return the type of a file's input or output.

    Raises:
        ConversionError: It is no type that a file can have here.
    """
    kinds: tuple[Io, ...] = get_args(Io)
    for kind in kinds:
        if tensor.dtype == kind:
            return kind
    raise ConversionError(
        f"`{tensor.name}`: expected {', '.join(kinds)}; received {tensor.dtype}",
        hint="`--io` gives the new file another type",
    )


def _divides(file: ModelFile) -> bool:
    """Whether a file quantises a float32 input by a division, as QuantizeLinear does."""
    if file.format == "tflite":
        return is_divided(file.tflite)
    parsed, source = file.parsed, file.parsed.inputs[0]
    for operator in parsed.operators:
        if operator.input(0) != source:
            continue
        if operator.kind not in _MOVES:
            return operator.kind == "QuantizeLinear"
        source = operator.output(0)
    return False


_MOVES: Final = frozenset({"Identity", "Reshape", "Transpose"})
"""ONNX operators that may come before an input is quantised."""


def _of_form(file: ModelFile, layers: Reading, form: OtherForm) -> ConvertedOperator:
    index, operator, name = _operator_of(file, layers, form.layer)
    return ConvertedOperator(
        index=index,
        operator=operator,
        layer=name,
        form=form.form,
        cases=form.cases,
        differing=form.differing,
        lsb=form.lsb,
        by_cpu=form.by_cpu,
    )


def _of_certificates(
    file: ModelFile,
    layers: Reading,
    places: Mapping[str, int],
    certificates: Iterable[Certificate],
    by_cpu: Mapping[str, int],
) -> Iterator[ConvertedOperator]:
    """Yield the operators that the `.onnx` has in another form than the usual one."""
    for certificate in certificates:
        form: Form | None = None
        if certificate.differing_after:
            form = "inexact"
        elif certificate.integers:
            form = "integers"
        elif certificate.table:
            form = "table"
        elif certificate.nudged:
            form = "moved scales"
        elif certificate.name in by_cpu:
            form = "operator"
        if form is None:
            continue
        index, operator, name = _operator_of(file, layers, places.get(certificate.name, INPUT))
        yield ConvertedOperator(
            index=index,
            operator=operator,
            layer=name or certificate.name,
            form=form,
            cases=certificate.cases,
            differing=certificate.differing_before,
            by_cpu=by_cpu.get(certificate.name, 0),
        )


def _of_kernels(
    file: ModelFile, layers: Reading, places: Mapping[str, int], copies: Mapping[str, int]
) -> Iterator[ConvertedOperator]:
    """Yield the operators whose weights had a zero point."""
    for name, count in copies.items():
        index, operator, layer = _operator_of(file, layers, places.get(name, INPUT))
        yield ConvertedOperator(
            index=index,
            operator=operator,
            layer=layer,
            form="copied channels" if count > 1 else "shifted weights",
        )


_MOST_BACK: Final = 6
"""Most nodes between one that writes a layer's codes and the one that computes it."""


def _operator_of(file: ModelFile, layers: Reading, place: int) -> tuple[int, str, str]:
    """Return an operator's number in the file, its kind, and the name of what it writes.

    Args:
        file: The file.
        layers: Its layers.
        place: Index of a layer; `INPUT` for the file's input, whose number is -1.
    """
    if place == INPUT:
        return -1, "", layers.input.name
    layer, parsed = layers.layers[place], file.parsed
    writers = {
        index: number for number, each in enumerate(parsed.operators) for index in each.outputs
    }
    names = {
        getattr(tensor, "unique_name", tensor.name): index
        for index, tensor in enumerate(parsed.tensors)
    }
    number = first = writers.get(names.get(layer.name, -1), -1)
    for _ in range(_MOST_BACK):
        if number < 0 or parsed.operators[number].kind == layer.op:
            break
        number = writers.get(parsed.operators[number].input(0), -1)
    return (first if number < 0 else number), layer.op, layer.name


def _refusal(
    file: ModelFile, layers: Reading, wanted: Format, obstacles: Sequence[Obstacle]
) -> ConversionError:
    lines = []
    for obstacle in obstacles:
        index, operator, name = _operator_of(file, layers, obstacle.layer)
        where = f"operator {index}, {operator} `{name}`" if index >= 0 else f"input `{name}`"
        lines.append(f"{where}: {obstacle.reason}")
    count = f"{len(lines)} place{'s' * (len(lines) != 1)}"
    return ConversionError(
        f"{file.name} cannot be written as .{wanted} exactly, because of {count}:\n"
        + "\n".join(files.printable(line) for line in lines),
        hint=_hint_of(file.format, layers, obstacles),
    )


def _hint_of(source: Format, layers: Reading, obstacles: Sequence[Obstacle]) -> str:
    """Return what helps a user whose file cannot be converted."""
    if obstacles and all(obstacle.inexact for obstacle in obstacles):
        return _WRITE_ANYWAY
    read = [layers.layers[each.layer] for each in obstacles if each.layer != INPUT]
    if source == "onnx":
        if layers.input.scale is None and len(read) < len(obstacles):
            return _NORMALISE_BEFORE
        if any(layer.op in _OF_SHAPES and _is_form(layer) for layer in read):
            return _PROCESS_BEFORE
        if any(layer.output.scale is None for layer in read):
            return _QUANTISE_ALL
    if any(layer.op == "CUSTOM" for layer in read):
        return (
            "convert the file from before it was compiled, if that is an accelerator's operator "
            "(Edge TPU, Ethos-U); otherwise leave it out of the network"
        )
    if any(
        layer.kind == "unknown" and all(fault.field == "mode" for fault in layer.faults)
        for layer in read
    ):
        return (
            "`docs/convert.md` names the operators that can be converted: leave the others out of "
            "the network, such as what it does behind its scores"
        )
    return (
        "make the file again from its float network: `mobiledeploy quantize` chooses scales with "
        "which both files are exact"
    )


def _is_form(layer: StoredLayer) -> bool:
    """Whether a layer of a known operator is not understood."""
    return layer.kind == "unknown" and {fault.field for fault in layer.faults} == {"form"}


def _report(
    file: ModelFile, written: ModelFile, converted: Converted, verification: VerifyReport
) -> ConvertReport:
    comparisons = verification.comparisons
    images = sum(each.images for each in comparisons)
    equal = sum(each.exact_logits for each in comparisons)
    failures = [
        f"operator {each.index}, {each.operator} `{each.layer}`, gives other codes"
        for each in converted.operators
        if each.form == "inexact"
    ]
    if not images:
        failures.append("no image was compared")
    if equal < images:
        failures.append(
            f"the logits differ on {images - equal} of {images} inputs{_why(converted)}"
        )
    structure = verification.structure
    # What stands for an operator that gives other codes is said to do so above.
    inexact = {each.layer for each in converted.operators if each.form == "inexact"}
    failures.extend(
        f"`{difference.name}`: {difference.detail}"
        for difference in (() if structure is None else structure.differences)
        if not difference.equivalent
        and difference.field != _NOT_DECIDED
        and difference.name not in inexact
    )
    failures = failures or [*verification.failures]
    return ConvertReport(
        version=VERSION,
        source=_described(file),
        target=_described(written),
        io=converted.io,
        exact=not failures,
        images=images,
        equal_images=equal,
        max_logits_lsb=max((each.max_logits_lsb for each in comparisons), default=0.0),
        same_top1=sum(each.same_top1 for each in comparisons),
        operators=converted.operators,
        failures=tuple(failures),
        verification=verification,
        metadata=converted.metadata,
    )


def _why(converted: Converted) -> str:
    """Return why logits differ, where that is known, as the end of a sentence."""
    floats = [each for each in converted.operators if each.in_floats]
    if not floats:
        return ""
    first = floats[0]
    return (
        f": {len(floats)} operators of the source are computed in float32 there, the first "
        f"number {first.index}, {first.operator} `{first.layer}`"
    )


_NOT_DECIDED: Final = "not comparable"


def _described(file: ModelFile) -> ConvertedFile:
    return ConvertedFile(name=file.name, format=file.format, size=file.size, sha256=file.sha256)
