"""`report.html`: a report as a page that opens offline.

Names in it come from untrusted files, so Jinja escapes all of them. Every number is in a `<data>`
element whose `value` is a number of `report.json`, or the quotient of two.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mobiledeploy.report import charts
from mobiledeploy.report.document import Activation, Classification, Confusion, Report
from mobiledeploy.verify.report import LayerRow, VerifyReport

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MOST_CLASSES: Final = 20
"""With more classes, the most frequent confusions are listed instead of the matrix."""
MOST_PAIRS: Final = 30
"""Most confusions that are listed."""
SPACE: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"


def render(report: Report) -> str:
    """Return the page of a report; equal reports give equal pages."""
    return _environment().get_template("report.html").render(r=report, v=report.verify)


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobiledeploy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "n": _number,
        "percent": _percent,
        "ratio": _ratio,
        "kilo": _kilo,
        "label": _label,
        "layer": _layer,
        "words": _words,
        "sentence": _sentence,
    }
    environment.globals |= {
        "bars": charts.bars,
        "outline": charts.outline,
        "intervals": charts.intervals,
        "steps": charts.steps,
        "table_of": _table,
        "confusions": _confusions,
        "heading": _heading,
        "others": _others,
        "lsb_tips": lsb_tips,
        "noise_tips": noise_tips,
        "MOST_CLASSES": MOST_CLASSES,
    }
    return environment


def _data(value: str, text: str) -> "Markup":
    from markupsafe import Markup

    return Markup('<data value="{}">{}</data>').format(value, text)


def _number(value: float, digits: int = 3) -> "Markup":
    return _data(repr(value), _plain(value, digits))


def _plain(value: float, digits: int = 3) -> str:
    """Return a whole number in groups of three digits, another one to `digits` digits."""
    if value == int(value):
        text = f"{int(value):,}"
    elif abs(value) >= 10**digits:
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", MINUS)


def _percent(value: float, digits: int = 1) -> "Markup":
    return _data(repr(value), f"{value * 100:.{digits}f}{SPACE}%")


def _ratio(part: int, whole: int, digits: int = 1) -> "Markup":
    """Return the quotient of two numbers as a percentage."""
    share = part / whole if whole else 0.0
    return _data(f"{part}/{whole}", f"{share * 100:.{digits}f}{SPACE}%")


def _kilo(value: int, unit: str = "B") -> "Markup":
    """Return a number of bytes or operations with a decimal prefix."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return _data(repr(value), f"{value / size:.3g}{SPACE}{prefix}{unit}".strip())
    return _data(repr(value), f"{value}{SPACE}{unit}".strip())


def _layer(name: str) -> str:
    """Return a layer's name, the first of several that a converter joined by `;`."""
    return name.partition(";")[0]


def _words(text: str) -> "Markup":
    """Return a sentence of the document, with the names between backticks as code."""
    from markupsafe import Markup

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a single backtick is part of a name
        return Markup.escape(text)
    pieces = [
        Markup("<code>{}</code>").format(part) if number % 2 else Markup.escape(part)
        for number, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def _sentence(text: str) -> "Markup":
    """Return a sentence of the document that begins with a capital letter."""
    return _words(text[:1].upper() + text[1:])


def _label(number: int, classification: Classification | None) -> "str | Markup":
    """Return the name of a class, or its number."""
    if classification is not None and number < len(classification.class_names):
        return classification.class_names[number]
    from markupsafe import Markup

    return Markup("class ") + _number(number)


def _table(classification: Classification) -> list[list[int]]:
    """Return the confusion matrix: rows are true classes, columns predicted ones."""
    counts = [[0] * classification.classes for _ in range(classification.classes)]
    for cell in classification.confusion:
        counts[cell.label][cell.predicted] = cell.images
    return counts


def _confusions(classification: Classification) -> list[Confusion]:
    """Return the confusions of classes, the most frequent first."""
    wrong = [cell for cell in classification.confusion if cell.label != cell.predicted]
    return sorted(wrong, key=lambda cell: -cell.images)[:MOST_PAIRS]


def _heading(report: VerifyReport) -> str:
    """Return the verdict in a line, which says "the same function" only if that was proven."""
    if report.float_comparisons:
        how = "agree within" if report.holds else "differ by more than"
        return f"The two files {how} float rounding"
    if report.holds and report.proven:
        return "The two files are the same function"
    if report.holds:
        return "The two files give the same answers"
    if all(pair.exact_logits == pair.images for pair in report.comparisons):
        return "The two files are not the same function"
    return "The two files do not give the same answers"


def _others(report: VerifyReport) -> list[str]:
    """Return the failures that neither the verdict nor the first diverging layer states."""
    divergence, structure = report.divergence, report.structure
    same = divergence and structure and divergence.reason == structure.reason
    return [text for text in report.failures[1:] if not (same and text == report.by_integers)]


def lsb_tips(rows: Sequence[LayerRow]) -> list[str]:
    """Return the tooltip of each bar in the chart of differences."""
    return [
        f"{_layer(row.layer)}: {_plain(row.max_lsb)} LSB"
        + ("" if row.alone_max_lsb is None else f", alone {_plain(row.alone_max_lsb)} LSB")
        for row in rows
    ]


def noise_tips(tensors: Sequence[Activation]) -> list[str]:
    """Return the tooltip of each bar in the chart of noise."""
    return [
        f"{_layer(tensor.name)}: no noise"
        if tensor.sqnr is None
        else f"{_layer(tensor.name)}: {_plain(tensor.sqnr)} dB"
        + (f", {_plain(tensor.sqnr_worst)} dB on {tensor.worst}" if tensor.sqnr_worst else "")
        for tensor in tensors
    ]
