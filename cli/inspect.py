"""`mobiledeploy inspect`."""

import dataclasses
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mobiledeploy.cli import _options, _output

if TYPE_CHECKING:
    from mobiledeploy.lint.inputs_outputs import InputOrOutput
    from mobiledeploy.lint.mediapipe import Refusal
    from mobiledeploy.lint.report import FileReport, Inspection, KerasReport, QuantizeReport
    from mobiledeploy.lint.required_runtime import RequiredRuntime
    from mobiledeploy.lint.rule import Finding
    from mobiledeploy.network.importers.imported import Notice, NoticeKind
    from mobiledeploy.ops.tensors import Shape

PLACES: Final = 3
"""Most places of a finding that are printed; `--json` has all of them."""
SINGLY: Final = 5
"""Most layers that are refused for one reason and named; `--json` has all of them."""

NOTICES: Final[Mapping["NoticeKind", str]] = {
    "float16": "it computes in float16; here in float32",
    "bfloat16": "it computes in bfloat16; here in float32",
    "float64": "it computes in float64; here in float32",
    "mixed_precision": "it computes in 16 bits with float32 weights; here in float32",
    "dequantised_weights": "weights are stored as integers, which are taken as they are",
    "fixed_batch": "it is made for a batch of",
    "layout_by_size": "it does not say whether its input is NCHW or NHWC: the sizes decided",
    "labels_do_not_fit": "labels and classes differ in number, so the labels are not used:",
    "unread_inputs": "nothing reads the input",
    "log_scores": "it gives logarithms of scores (log_softmax): int8 files give the scores",
}
"""What a notice says, before its names."""
NAMED: Final = frozenset({"fixed_batch", "labels_do_not_fit", "unread_inputs"})
"""Notices whose names are printed."""
DECIDED: Final = frozenset({"classification", "binary"})
"""Tasks whose photos, in a folder a class, can decide the input range."""
HEADS: Final = {"none": "no softmax or sigmoid", "unknown": ""}
"""Heads that are not called by their own names."""


def inspect(
    path: Annotated[
        Path, typer.Argument(help="A .tflite, .onnx, .keras or .h5, or a build folder")
    ] = Path("build"),
    operators: Annotated[
        bool, typer.Option("--ops", help="Print every operator with its version and count")
    ] = False,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="Print every tensor (Keras: layer) with its shape")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 5 for warnings, too")
    ] = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Show what is in a model file, and what is wrong with it.

    It reads files of any tool without running them. Exit status 0: no errors. 2: a file of another
    kind. 5: at least one error, or a warning with `--strict`. 6: the file is damaged.
    docs/lint.md explains every finding.
    """
    from mobiledeploy.base.errors import ParityError
    from mobiledeploy.base.files import printable

    report = _report(path)
    if json:
        from mobiledeploy.base import codec

        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(_text(report, operators=operators, tensors=tensors))
    failing = ("error", "warning") if strict else ("error",)
    rules = dict.fromkeys(
        f.rule for file in report.files for f in file.findings if f.severity in failing
    )
    if rules:
        listed = ", ".join(rules)
        raise ParityError(
            f"{path}: the rule {listed} is broken"
            if len(rules) == 1
            else f"{path}: the rules {listed} are broken",
            hint="docs/lint.md explains each rule and how to fix it",
        )
    if not quiet and not json:
        _next(report, shlex.quote(printable(path)))


def _next(report: "Inspection", path: str) -> None:
    """Say what a user can do with the file."""
    if len(report.files) <= 1 and report.quantize and report.quantize[0].takes:
        outlook = report.quantize[0]
        data = "FOLDER" if outlook.image else "FILE.npy"
        if outlook.needs_input_range and outlook.task not in DECIDED:
            data += " --input-range RANGE"
        if outlook.task is None:
            data += " --task TASK"
        _output.message(f"\nnext: mobiledeploy quantize {path} --data {data} --out build")
    elif not report.keras:
        other = "" if len(report.files) > 1 else " OTHER, to compare it with another file"
        _output.message(f"\nnext: mobiledeploy verify {path}{other}")


def _report(path: Path) -> "Inspection":
    from mobiledeploy.formats import file_kind

    if file_kind.is_keras_model(path):
        from mobiledeploy.pipeline import inspect_float

        return inspect_float.inspect_keras(path)
    report = _linted(path)
    floats = [
        path / Path(file.file).name if path.is_dir() else path
        for file in report.files
        if file.kind.startswith("float")
    ]
    if not floats:
        return report
    from mobiledeploy.pipeline.inspect_float import quantize_report

    return dataclasses.replace(report, quantize=tuple(map(quantize_report, floats)))


def _linted(path: Path) -> "Inspection":
    from mobiledeploy.formats.onnx.checker import Checks

    onnx = [file for file in (path, path / "model.onnx") if file.suffix == ".onnx"]
    with Checks(file for file in onnx if file.is_file()) as checks:
        # Imported while the checker starts in its process: both take equally long.
        from mobiledeploy.lint.inspection import inspect as run

        return run(path, checks=checks)


def _text(report: "Inspection", *, operators: bool, tensors: bool) -> str:
    parts = []
    outlooks = {outlook.file: outlook for outlook in report.quantize}
    if report.keras is not None:
        parts.append(_keras(report.keras, report.quantize[0]))
        if operators:
            parts.append(_kinds(report.keras))
        if tensors:
            parts.append(_layers(report.keras))
    for file in report.files:
        outlook = outlooks.get(file.file)
        parts.append("\n".join([_summary(file), *([] if outlook is None else _outlook(outlook))]))
        parts.append(_findings(file))
        if operators:
            parts.append(_operators(file))
        if tensors:
            parts.append(_tensors(file))
    if report.across:
        parts.append(_across(report))
    return "\n\n".join(parts)


def _summary(file: "FileReport") -> str:
    needs = file.runtime
    reasons = [*needs.needed_by, *(f"{name} is in no table" for name in needs.unknown)]
    claim = "" if needs.claimed is None else f"; the file says {needs.claimed}"
    lines = [
        ("format", _format(file)),
        ("about", "; ".join(text for text in (file.description, file.producer) if text)),
        *(("input", _end(end)) for end in file.inputs),
        *(("output", _end(end)) for end in file.outputs),
        ("operators", f"{sum(o.count for o in file.operators)}: {_counts(file)}"),
        ("size", f"{file.size:,} bytes, {file.weight_bytes:,} of them stored values"),
        ("MACs", "unknown" if file.macs is None else f"{file.macs:,} for one image"),
        ("runs on", f"{_oldest(needs)} ({', '.join(reasons) or 'no operator'}){claim}"),
        *(("metadata", f"{name}: {text}") for name, text in file.metadata.items()),
        *_described(file),
        *(
            ("signature", f"{key}: {', '.join(ends['inputs'])} -> {', '.join(ends['outputs'])}")
            for key, ends in file.signatures.items()
        ),
    ]
    body = [_wrapped(name, text) for name, text in lines if text]
    return "\n".join([file.file, *body])


REFUSALS: Final[Mapping["Refusal", str]] = {
    "input type": "its input is neither uint8 nor float32 (write it with `--io uint8`)",
    "not an image": "the metadata call its input no image",
    "not three channels": "its input has not three channels",
    "not rgb": "the metadata do not call its input RGB",
    "no normalisation": "the metadata state no normalisation of its float input",
    "normalisation by channel": "its float input has a normalisation for each channel",
    "unusable normalisation": "nothing can be computed with its normalisation",
    "labels": "there are more or fewer labels than outputs",
    "missing file": "a file that the metadata name is not there",
    "compressed file": "a file behind the flatbuffer is compressed",
}
"""Why MediaPipe refuses a file."""


def _described(file: "FileReport") -> Iterator[tuple[str, str]]:
    """Yield what the metadata say at length, the labels, and whether MediaPipe takes the file."""
    if file.described is not None:
        ends = {"input": file.described.inputs, "output": file.described.outputs}
        for end, tensors in ends.items():
            for tensor in tensors:
                said = ": ".join(text for text in (tensor.name, tensor.description) if text)
                yield "says", f"{end} {said}" if said else ""
    if file.labels:
        more = " ..." if len(file.labels) > PLACES else ""
        yield "labels", f"{len(file.labels):,}: {', '.join(file.labels[:PLACES])}{more}"
    if file.mediapipe is not None:
        reasons = "; ".join(REFUSALS[reason] for reason in file.mediapipe)
        words = "ImageClassifier of MediaPipe Tasks"
        yield "clients", f"{words} refuses it: {reasons}" if reasons else f"{words} takes it"


def _keras(model: "KerasReport", outlook: "QuantizeReport") -> str:
    layout = model.input_layout if model.input_layout in {"NHWC", "NCHW"} else ""
    counts = _layers_by_kind(model)
    weights = sum(layer.weights for layer in model.layers)
    lines = [
        ("format", f"{model.producer or 'Keras'}, {', '.join(model.dtypes)} weights"),
        ("input", f"{_size(model.input_shape)} {layout and f'(the model: {layout})'}".rstrip()),
        ("output", _size(model.output_shape)),
        (
            "layers",
            f"{sum(n for _, n in counts)}: " + ", ".join(f"{n} {kind}" for kind, n in counts),
        ),
        ("size", f"{model.size:,} bytes; {weights:,} weights as imported"),
    ]
    return "\n".join([model.file, *(_wrapped(*line) for line in lines), *_outlook(outlook)])


def _outlook(outlook: "QuantizeReport") -> Iterator[str]:
    """Yield the lines that say what `quantize` does with a file."""
    from mobiledeploy.spec.channel_scaling import RANGES

    if outlook.classes:
        head = HEADS.get(outlook.head, outlook.head)
        names = f", named {', '.join(outlook.labels[:PLACES])} ..." if outlook.labels else ""
        values = f"{outlook.classes:,} value{'' if outlook.classes == 1 else 's'}"
        words = ", ".join(text for text in (head, f"{values}{names}") if text)
        task = f"; taken for a {outlook.task} task" if outlook.task else ""
        if outlook.takes and not outlook.task:
            task = "; say `--task regression` if they are its input again, as of an autoencoder"
        yield _wrapped("head", f"{words}{task}")
    if not outlook.image:
        yield _wrapped("values", "the input is no image: photos cannot decide its ranges")
    elif outlook.scaling == RANGES["0..255"]:
        yield _wrapped("pixels", "they are the input as they are, 0 to 255")
    elif outlook.scaling is not None:
        yield _wrapped(
            "pixels", f"the file says how they become the input: {outlook.scaling.name}"
        )
    elif outlook.needs_input_range:
        yield _wrapped("pixels", "the file does not say how they become the input")
    for notice in outlook.notices:
        yield _wrapped("notice", _notice(notice))
    if outlook.takes:
        yield _wrapped("quantize", f"takes it{_needed(outlook)}")
        return
    if outlook.refused:
        count = len(outlook.refused)
        yield _wrapped(
            "quantize",
            f"refuses it: {count} layer{' is' if count == 1 else 's are'} not supported",
        )
        reasons: dict[str, list[str]] = {}
        for layer in outlook.refused:
            reasons.setdefault(layer.reason, []).append(f"`{layer.name}` ({layer.kind})")
        for reason, layers in reasons.items():
            more = f" and {len(layers) - SINGLY} more" if len(layers) > SINGLY else ""
            yield _wrapped("", f"{', '.join(layers[:SINGLY])}{more}: {reason}")
        return
    yield _wrapped("quantize", f"refuses it: {outlook.reason}")
    if outlook.hint:
        yield _wrapped("", f"fix: {outlook.hint}")


def _needed(outlook: "QuantizeReport") -> str:
    """Return what `quantize` needs besides the file."""
    if not outlook.image:
        return ", with a file of values: `--data FILE.npy`"
    if not outlook.needs_input_range:
        return ""
    photos = ", or photos with a folder a class that decide it" if outlook.task in DECIDED else ""
    return f", once its input range is known: `--input-range`, or `--mean` and `--std`{photos}"


def _notice(notice: "Notice") -> str:
    names = f" {', '.join(notice.names[:PLACES])}" if notice.kind in NAMED else ""
    return f"{NOTICES[notice.kind]}{names}"


def _kinds(model: "KerasReport") -> str:
    rows = [("layer", "count")]
    rows += [(_cut(kind, 60), str(count)) for kind, count in _layers_by_kind(model)]
    return _output.table(rows, right=(1,))


def _layers_by_kind(model: "KerasReport") -> list[tuple[str, int]]:
    """Return the classes of layers with their numbers, the most frequent first."""
    layers = dict.fromkeys((layer.layer, layer.kind) for layer in model.layers)
    return Counter(kind for _, kind in layers).most_common()


def _layers(model: "KerasReport") -> str:
    rows = [("layer", "class", "computes", "output", "weights")]
    rows += [
        (
            _cut(layer.name, 30),
            _cut(layer.kind, 24),
            layer.operator,
            "?" if layer.shape is None else "x".join(map(str, layer.shape)),
            f"{layer.weights:,}" if layer.weights else "",
        )
        for layer in model.layers
    ]
    return _output.table(rows, right=(4,))


def _size(shape: "Shape | None") -> str:
    return "of unknown shape" if shape is None else " x ".join(map(str, shape))


def _oldest(needs: "RequiredRuntime") -> str:
    """Return the oldest release of the runtime that runs a file, as far as that is known."""
    if needs.minimum:
        return f"{needs.name} {needs.minimum} or newer"
    known = [] if needs.known is None else [f"not before {needs.known}"]
    return ", ".join([f"{needs.name}, release unknown", *known])


def _format(file: "FileReport") -> str:
    if file.format == "tflite":
        return f"TFLite, {file.kind}"
    sets = ", ".join(f"{domain} {version}" for domain, version in file.opsets.items())
    return f"ONNX, {file.kind}, IR version {file.ir_version}, operator sets {sets}"


def _end(end: "InputOrOutput") -> str:
    text = f"`{end.name}` {end.dtype} {_shape(end.shape)} {end.layout}".rstrip()
    if end.scale is not None:
        text += f", real = (code - {end.zero_point}) x {end.scale:.9g}"
    if end.low is not None and end.high is not None:
        text += f", from {end.low:.6g} to {end.high:.6g}"
    return text


def _counts(file: "FileReport") -> str:
    return ", ".join(f"{line.count} {line.kind}" for line in file.operators)


def _findings(file: "FileReport") -> str:
    if not file.findings:
        return "findings: none"
    counts = ", ".join(
        f"{file.count(severity)} {severity}{'' if file.count(severity) == 1 else 's'}"
        for severity in ("error", "warning", "note")
        if file.count(severity)
    )
    return "\n".join([f"findings: {counts}", *(_finding(finding) for finding in file.findings)])


def _finding(finding: "Finding") -> str:
    lines = [_wrapped(f"{finding.severity}", f"{finding.rule} {finding.title}")]
    printed = finding.places[:PLACES]
    lines += [_wrapped("", f"{place.where}: {place.found}") for place in printed]
    if finding.count > len(printed):
        lines.append(_wrapped("", f"and {finding.count - len(printed)} more"))
    lines.append(_wrapped("", f"expected: {printed[0].expected}"))
    lines.append(_wrapped("", f"fix: {finding.hint}"))
    return "\n".join(lines)


def _operators(file: "FileReport") -> str:
    rows = [("operator", "version", "count")]
    rows += [
        (_cut(f"{o.domain}.{o.kind}" if o.domain else o.kind, 60), str(o.version), str(o.count))
        for o in file.operators
    ]
    return _output.table(rows, right=(1, 2))


def _tensors(file: "FileReport") -> str:
    """Return one row per tensor; of several scales, the smallest and the largest."""
    rows = [("tensor", "type", "shape", "scales", "scale", "zero", "bytes")]
    for line in file.tensors:
        scale = zero = ""
        if line.scale is not None and line.zero_point is not None:
            scale, zero = _span(line.scale, "{:.3g}"), _span(line.zero_point, "{}")
        scales = f"{line.scales}" + ("" if line.axis is None else f" on {line.axis}")
        rows.append(
            (
                _cut(line.name, 26),
                line.dtype or "?",
                "?" if line.shape is None else _cut("x".join(map(str, line.shape)), 17),
                scales if line.scales else "",
                scale,
                zero,
                f"{line.stored:,}" if line.stored else "",
            )
        )
    return _output.table(rows, right=(6,))


def _across(report: "Inspection") -> str:
    same = [line.what for line in report.across if line.same]
    lines = ["the two files"]
    if same:
        lines.append(_wrapped("same", ", ".join(same)))
    for line in report.across:
        if not line.same:
            lines += [
                _wrapped("differ", f"{line.what}: {value} in {Path(file.file).name}")
                for file, value in zip(report.files, line.values, strict=True)
            ]
    return "\n".join(lines)


def _span(ends: tuple[float, float], form: str) -> str:
    low, high = (form.format(end) for end in ends)
    return low if low == high else f"{low}..{high}"


def _shape(shape: "tuple[int | str, ...] | None") -> str:
    return "[?]" if shape is None else f"[{', '.join(map(str, shape))}]"


def _wrapped(name: str, text: str) -> str:
    text, first = _printable(text), f"  {name:<9} "
    return "\n".join(_output.lines_of(text, first=first, rest=" " * 12))


def _cut(text: str, width: int) -> str:
    text = _printable(text)
    return (
        text if len(text) <= width else f"{text[: width // 2 - 1]}…{text[-(width - width // 2) :]}"
    )


def _printable(text: str) -> str:
    """Return a text without control characters, since names come from untrusted files."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
