"""The page is well-formed, self-contained, and has no number that report.json lacks."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import jsonschema
import pytest
import referencing

from mobiledeploy.base import codec
from mobiledeploy.compare.difference import Cause
from mobiledeploy.report import make_report, page
from mobiledeploy.report.document import Report

SCHEMAS = Path(__file__).resolve().parents[3] / "docs/schemas"
FIXED = ("90th", "95\N{NO-BREAK SPACE}%", "int8", "SHA-256")
"""Text of the templates that contains digits."""
CHOICES = {
    "field", "format", "kind", "level", "method", "png", "reference", "severity", "status", "why",
}  # fmt: skip
PREFIXES = {"k": 1e3, "M": 1e6, "G": 1e9, "%": 0.01}


@pytest.fixture(params=["labelled", "failing", "died"])
def report(request: pytest.FixtureRequest) -> Report:
    fixture: Report = request.getfixturevalue(request.param)
    return fixture


def parsed(html: str) -> Element:
    """Return the page's tree; raises where it is not well-formed HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree: Element = parser.parse(html)
    return tree


def document(report: Report) -> Any:
    return json.loads(codec.to_json(report))


def values(node: Any, kind: type | tuple[type, ...]) -> Iterator[Any]:
    """Yield every scalar of a kind in a JSON document."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from values(key, kind)
            yield from values(value, kind)
    elif isinstance(node, list):
        for value in node:
            yield from values(value, kind)
    elif isinstance(node, kind) and not isinstance(node, bool):
        yield node


def test_the_document_follows_its_schema(report: Report) -> None:
    schemas = {
        name: json.loads((SCHEMAS / name).read_text())
        for name in ("report.schema.json", "verify.schema.json")
    }
    registry = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    validator = jsonschema.Draft202012Validator(schemas["report.schema.json"], registry=registry)
    validator.validate(document(report))


def without_clauses(report: Report) -> Report:
    verify = report.verify
    if verify.divergence is None or verify.structure is None:
        return report
    bare = dataclasses.replace(
        verify,
        divergence=dataclasses.replace(verify.divergence, reason=Cause()),
        structure=dataclasses.replace(verify.structure, reason=Cause()),
        by_integers="",
    )
    return dataclasses.replace(report, verify=bare)


def test_the_page_is_made_from_the_document_alone(report: Report) -> None:
    """Except for the clauses of a cause, which JSON does not hold."""
    again = codec.from_json(Report, codec.to_json(report), where="report.json")
    assert again == report
    assert page.render(again) == page.render(without_clauses(report))


def test_every_number_on_the_page_is_in_the_document(report: Report) -> None:
    known = {float(number) for number in values(document(report), (int, float))} | {0.0}
    elements = list(parsed(page.render(report)).iter("data"))
    assert len(elements) > 200
    for element in elements:
        parts = [float(part) for part in element.attrib["value"].split("/")]
        assert set(parts) <= known, element.attrib
        value = parts[0] if len(parts) == 1 else parts[0] / parts[1]
        shown = re.fullmatch(
            r"([\N{MINUS SIGN}\d.,e+-]+)\N{NO-BREAK SPACE}?([kMG%]?)B?",
            "".join(element.itertext()),
        )
        assert shown is not None, "".join(element.itertext())
        number = float(shown[1].replace(",", "").replace("\N{MINUS SIGN}", "-"))
        size = PREFIXES.get(shown[2], 1.0)
        assert number * size == pytest.approx(value, rel=6e-3, abs=6e-4 if size < 1 else 1e-12)


def test_no_digit_is_on_the_page_that_is_not_in_the_document(report: Report) -> None:
    strings = {text for text in values(document(report), str) if text}
    strings |= {text[:1].upper() + text[1:] for text in strings}
    long = sorted((text for text in strings if len(text) > 3), key=len, reverse=True)

    tips = {*page.lsb_tips(report.verify.layers)}
    if report.activations is not None:
        tips |= {*page.noise_tips(report.activations.tensors)}

    def texts(node: Element) -> Iterator[str]:
        if node.tag not in {"data", "style"}:
            yield node.text or ""
            for child in node:
                yield from texts(child)
                yield child.tail or ""

    for text in texts(parsed(page.render(report))):
        if text in tips:
            continue
        rest = text.strip()
        if rest in strings or (
            len(rest) > 3 and any(rest.rstrip(".").lower() in said.lower() for said in long)
        ):
            continue
        for known in (*long, *FIXED):
            rest = rest.replace(known, "")
        assert not re.search(r"\d", rest), text


def test_the_page_loads_nothing(report: Report) -> None:
    tree = parsed(page.render(report))
    assert not list(tree.iter("script"))
    assert not list(tree.iter("link"))
    for element in tree.iter():
        for name in ("src", "href", "srcset", "action", "{http://www.w3.org/1999/xlink}href"):
            link = element.attrib.get(name, "#")
            assert link.startswith(("#", "data:image/png;base64,")), link
        assert not any(name.startswith("on") for name in element.attrib)
    assert "url(" not in page.render(report)
    assert "@import" not in page.render(report)


def test_links_lead_to_places_on_the_page_and_ids_are_unique(report: Report) -> None:
    elements = list(parsed(page.render(report)).iter())
    ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in elements:
        if element.attrib.get("href", "").startswith("#"):
            assert element.attrib["href"][1:] in ids
        for name in element.attrib.get("aria-labelledby", "").split():
            assert name in ids


def test_charts_have_names_and_tables_have_heads(report: Report) -> None:
    tree = parsed(page.render(report))
    charts = [element for element in tree.iter() if element.tag.endswith("svg")]
    assert len(charts) > 5
    for chart in charts:
        assert chart.attrib["role"] == "img"
        assert chart.attrib["aria-labelledby"]
    for table in tree.iter("table"):
        assert all(head.attrib.get("scope") in {"row", "col"} for head in table.iter("th"))


def test_hostile_names_appear_as_text(report: Report) -> None:
    """Every name in the document is replaced by an attack; the page gets no new tag."""
    attack = "\"'></title></style><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"

    def hostile(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: hostile(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [hostile(value, key) for value in node]
        names = isinstance(node, str) and node and key not in CHOICES
        return node + attack if names else node

    attacked = codec.load(Report, hostile(document(report)), where="report.json")
    before = parsed(page.render(without_clauses(report)))
    after = parsed(page.render(attacked))
    assert [element.tag for element in after.iter()] == [element.tag for element in before.iter()]
    assert "{{ 7*7 }}" in page.render(attacked)


def test_a_failure_names_the_layer_and_shows_the_image_with_the_largest_difference(
    failing: Report,
) -> None:
    html = page.render(failing)
    assert not failing.verify.holds
    assert "The two files do not give the same answers" in html
    assert failing.verify.divergence is not None
    assert failing.verify.divergence.layer in html
    assert "The first layer that differs" in html
    assert any(image.exact and image.difference > 0 for image in failing.shown)
    (shown,) = (image for image in failing.shown if image.why == "divergence")
    assert shown.name == failing.verify.divergence.image
    assert shown.difference == max(abs(n) for n, _ in failing.verify.divergence.histogram)


def test_the_first_screen_of_a_failure_names_the_layer_and_the_cause_once(failing: Report) -> None:
    divergence = failing.verify.divergence
    assert divergence is not None
    (box,) = (
        element
        for element in parsed(page.render(failing)).iter("div")
        if element.attrib.get("class") == "verdict bad"
    )
    said = "".join(box.itertext())
    assert (
        f"Layer {divergence.position} of {divergence.layers}, {divergence.layer}, is the first"
        in said
    )
    why = divergence.cause.partition("; ")[0].replace("`", "").lower()
    assert why in said.lower()
    first = page.render(failing).partition("<main")[0].lower()
    assert first.count(why.partition(":")[0]) == 1


def test_the_first_of_names_joined_by_a_converter_is_printed(failing: Report) -> None:
    assert failing.verify.divergence is not None
    joined = "mobilenet/block_1/Relu6;mobilenet/block_1/add_1;mobilenet/block_1/mul"
    divergence = dataclasses.replace(failing.verify.divergence, layer=joined)
    verified = dataclasses.replace(failing.verify, divergence=divergence)
    html = page.render(dataclasses.replace(failing, verify=verified))
    assert "<code>mobilenet/block_1/Relu6</code>" in html
    assert "block_1/mul" not in html


@pytest.mark.parametrize(
    ("holds", "proven", "exact", "heading"),
    [
        (True, ("all layers",), 4, "The two files are the same function"),
        (True, (), 4, "The two files give the same answers"),
        (False, (), 3, "The two files do not give the same answers"),
        (False, (), 4, "The two files are not the same function"),
    ],
)
def test_the_heading_claims_no_more_than_was_proven(
    failing: Report, holds: bool, proven: tuple[str, ...], exact: int, heading: str
) -> None:
    pair = dataclasses.replace(failing.verify.comparisons[0], images=4, exact_logits=exact)
    verified = dataclasses.replace(failing.verify, holds=holds, proven=proven, comparisons=(pair,))
    html = page.render(dataclasses.replace(failing, verify=verified))
    assert f"<h1>{heading}</h1>" in html


def test_a_runtime_that_failed_is_named_with_the_reason(died: Report) -> None:
    said = " ".join("".join(parsed(page.render(died)).itertext()).split())
    assert (
        "LiteRT reference died (SIGABRT) on image 3 of 29 synthetic extremes, checkerboard. "
        "It does not affect the verdict"
    ) in said
    assert "NumPy oracle took longer than 25 s while it loaded the file. It is one of" in said
    assert "LiteRT builtin refused the file (it has no kernel). It does not affect" in said


def test_a_runtime_that_did_not_fail_has_no_such_field(labelled: Report, died: Report) -> None:
    rows = {row["name"]: row for row in document(died)["verify"]["participants"]}
    assert rows["LiteRT reference"]["failure"] == {
        "kind": "signal", "detail": "SIGABRT", "inputs": "synthetic extremes", "images": 29,
        "number": 3, "image": "checkerboard",
    }  # fmt: skip
    assert "failure" not in rows["LiteRT XNNPACK"]
    assert not re.search(r'"failure":', codec.to_json(labelled.verify).decode())


def test_a_report_that_holds_has_every_layer_without_a_difference(labelled: Report) -> None:
    assert labelled.verify.holds
    assert labelled.verify.layers
    assert all(row.max_lsb == 0 for row in labelled.verify.layers if row.operator != "SOFTMAX")
    assert labelled.verify.divergence is None


def test_files_are_complete_and_an_older_certificate_is_deleted(
    labelled: Report, tmp_path: Path
) -> None:
    (tmp_path / make_report.CERTIFICATE).write_text("{}")
    make_report.write(tmp_path, labelled)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json"}
    assert (tmp_path / "report.json").read_bytes() == codec.to_json(labelled)
