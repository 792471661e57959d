"""The app's resources, as far as they can be judged without drawing them."""

import io
import re
import runpy
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "android_demo"
ANDROID = "{http://schemas.android.com/apk/res/android}"
RES = DEMO / "app/src/main/res"
TEXT_ON = {
    "text_primary": ("background", "surface"),
    "text_secondary": ("background", "surface", "bar_track"),
    "on_accent": ("accent",),
    "on_accent_container": ("accent_container",),
    "on_bad_container": ("bad_container",),
    "good": ("surface",),
    "bad": ("surface",),
}


@pytest.mark.parametrize("folder", ["values", "values-night"])
def test_text_has_contrast(folder: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    colours = _colours(folder)
    for text, grounds in TEXT_ON.items():
        for ground in grounds:
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    # 1.4.11: what says which engine is chosen, and how long a bar is.
    assert _contrast(colours["accent"], colours["surface"]) >= 3
    assert _contrast(colours["accent"], colours["bar_track"]) >= 3


def test_the_dark_theme_has_every_colour() -> None:
    assert _colours("values").keys() == _colours("values-night").keys()


def test_no_layout_holds_a_text_or_a_size_of_text_in_dp() -> None:
    for path in [*RES.glob("layout*/*.xml"), *RES.glob("values*/styles.xml")]:
        for name, value in _attributes(path):
            if name in {"text", "contentDescription", "hint"}:
                assert value.startswith("@string/"), (path, value)
            if name == "textSize":
                assert value.endswith("sp"), (path, value)


def test_every_string_is_used_and_every_reference_exists() -> None:
    defined = {
        node.get("name", "")
        for node in ET.parse(RES / "values/strings.xml").getroot()
        if node.tag in {"string", "plurals"}
    }
    sources = "".join(
        path.read_text(encoding="utf-8") for path in DEMO.glob("app/src/*/kotlin/**/*.kt")
    )
    xml = "".join(path.read_text(encoding="utf-8") for path in DEMO.glob("app/src/**/*.xml"))
    used = set(re.findall(r"\bR\.(?:string|plurals)\.(\w+)", sources))
    used |= set(re.findall(r'"@string/(\w+)"', xml))
    assert used == defined


def test_every_plural_has_one_and_other() -> None:
    for node in ET.parse(RES / "values/strings.xml").getroot().iter("plurals"):
        assert {item.get("quantity") for item in node} == {"one", "other"}, node.get("name")


@pytest.mark.parametrize("language", ["de"])
def test_every_string_is_translated_with_the_same_placeholders(language: str) -> None:
    english, other = _texts("values"), _texts(f"values-{language}")
    assert other.keys() == english.keys()
    for name, text in other.items():
        placeholders = [
            sorted(re.findall(r"%(?:\d\$)?[sd]", each)) for each in (english[name], text)
        ]
        assert placeholders[0] == placeholders[1], name
        assert not set(text) & set("\"'"), f"{name}: quotes need a backslash"


def test_the_samples_are_what_their_script_draws() -> None:
    script = runpy.run_path(str(DEMO / "ci/samples/draw.py"))
    samples = {path.name: path for path in (RES / "raw").glob("sample_*.png")}
    assert samples.keys() == {f"sample_{digit}.png" for digit in script["STROKES"]}
    for digit in script["STROKES"]:
        path = samples[f"sample_{digit}.png"]
        assert path.stat().st_size < 4096
        assert _pixels(path.read_bytes()) == _pixels(script["draw"](digit))


def _pixels(png: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return image.tobytes()


def _texts(folder: str) -> dict[str, str]:
    """Translatable texts by name; a plural's by name and quantity."""
    texts = {}
    for node in ET.parse(RES / folder / "strings.xml").getroot():
        if node.get("translatable") == "false":
            continue
        for each in node.iter("item") if node.tag == "plurals" else [node]:
            name = f"{node.get('name')} {each.get('quantity', '')}".strip()
            texts[name] = "".join(each.itertext())
    return texts


def _attributes(path: Path) -> Iterator[tuple[str, str]]:
    for node in ET.parse(path).getroot().iter():
        for name, value in node.attrib.items():
            yield name.removeprefix(ANDROID), value
        if node.tag == "item" and node.text:
            yield node.get("name", "").removeprefix("android:"), node.text


def _colours(folder: str) -> dict[str, str]:
    root = ET.parse(RES / folder / "colors.xml").getroot()
    return {node.get("name", ""): node.text or "" for node in root}


def _contrast(first: str, second: str) -> float:
    """WCAG's ratio of relative luminances."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
