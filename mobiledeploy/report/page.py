"""`report.html`: a document as a page that needs nothing else.

Every name in it comes from files that may be anybody's: Jinja escapes all of them. Every number
stands in a `<data>` element whose `value` is the number in `report.json`, or the quotient of two.
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
"""With more, the confusion matrix gives way to the most frequent confusions."""
MOST_PAIRS: Final = 30
SPACE: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"


def render(report: Report) -> str:
    """Return the page; the same for the same document."""
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
        "spans": charts.spans,
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
    """Return whole numbers in groups of three digits, others to so many digits."""
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
    """Return a share as per cent, with both numbers that it comes from."""
    share = part / whole if whole else 0.0
    return _data(f"{part}/{whole}", f"{share * 100:.{digits}f}{SPACE}%")


def _kilo(value: int, unit: str = "B") -> "Markup":
    """Return a number of bytes or operations with a decimal prefix."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return _data(repr(value), f"{value / size:.3g}{SPACE}{prefix}{unit}".strip())
    return _data(repr(value), f"{value}{SPACE}{unit}".strip())


def _layer(name: str) -> str:
    """Return a layer's name; of the names that a converter joined the first says which it is."""
    return name.partition(";")[0]


def _words(text: str) -> "Markup":
    """Return a sentence of the document; what stands between backticks is a name."""
    from markupsafe import Markup

    parts = text.split("`")
    if len(parts) % 2 == 0:  # one is alone: part of a name
        return Markup.escape(text)
    pieces = [
        Markup("<code>{}</code>").format(part) if number % 2 else Markup.escape(part)
        for number, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def _sentence(text: str) -> "Markup":
    """Return a phrase of the document with a capital letter in front."""
    return _words(text[:1].upper() + text[1:])


def _label(number: int, found: Classification | None) -> "str | Markup":
    """Return the name of a class, or its number."""
    if found is not None and number < len(found.class_names):
        return found.class_names[number]
    from markupsafe import Markup

    return Markup("class ") + _number(number)


def _table(found: Classification) -> list[list[int]]:
    """Return the confusion matrix: a row a true class, a column a predicted one."""
    counts = [[0] * found.classes for _ in range(found.classes)]
    for cell in found.confusion:
        counts[cell.label][cell.predicted] = cell.images
    return counts


def _confusions(found: Classification) -> list[Confusion]:
    """Return what was taken for what, the most frequent first."""
    wrong = [cell for cell in found.confusion if cell.label != cell.predicted]
    return sorted(wrong, key=lambda cell: -cell.images)[:MOST_PAIRS]


def _heading(found: VerifyReport) -> str:
    """Return the finding in a line; two files are one function only where that was proven."""
    if found.float_comparisons:
        how = "agree within" if found.holds else "differ by more than"
        return f"The two files {how} float rounding"
    if found.holds and found.proven:
        return "The two files are the same function"
    if found.holds:
        return "The two files give the same answers"
    if all(pair.exact_logits == pair.images for pair in found.comparisons):
        return "The two files are not the same function"
    return "The two files do not give the same answers"


def _others(found: VerifyReport) -> list[str]:
    """Return what is wrong besides what the verdict and the first diverging layer say."""
    divergence, structure = found.divergence, found.structure
    same = divergence and structure and divergence.reason == structure.reason
    return [text for text in found.failures[1:] if not (same and text == found.by_integers)]


def lsb_tips(rows: Sequence[LayerRow]) -> list[str]:
    """Return what a bar of the chart of differences stands for."""
    return [
        f"{_layer(row.layer)}: {_plain(row.max_lsb)} LSB"
        + ("" if row.alone_max_lsb is None else f", alone {_plain(row.alone_max_lsb)} LSB")
        for row in rows
    ]


def noise_tips(tensors: Sequence[Activation]) -> list[str]:
    """Return what a bar of the chart of noise stands for."""
    return [
        f"{_layer(tensor.name)}: no noise"
        if tensor.sqnr is None
        else f"{_layer(tensor.name)}: {_plain(tensor.sqnr)} dB"
        + (f", {_plain(tensor.sqnr_worst)} dB on {tensor.worst}" if tensor.sqnr_worst else "")
        for tensor in tensors
    ]
