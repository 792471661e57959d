"""`mobiledeploy cost`, as its users and their scripts see it."""

import json
from pathlib import Path

import accuracy_networks
import jsonschema
import pytest
from typer.testing import CliRunner
from unit.cli.conftest import check

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.targets import float_tflite, tflite


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("arch", ["v1", "v2"])
@pytest.mark.parametrize("layers", [(), ("--layers",)])
def test_json_follows_its_schema(arch: str, layers: tuple[str, ...]) -> None:
    document = json.loads(run("--arch", arch, "--alpha", "0.5", "--json", *layers))
    check(document, "cost")
    assert ("layers" in document) == bool(layers)
    document["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        check(document, "cost")


def test_a_float_file_is_counted_as_it_is_quantised(tmp_path: Path) -> None:
    graph = accuracy_networks.residual_graph()
    path = tmp_path / "model.tflite"
    path.write_bytes(float_tflite.write(graph))
    document = json.loads(run(str(path), "--json", "--layers"))
    check(document, "cost")
    sizes = {layer["name"]: layer["macs"] for layer in document["layers"]}
    assert sizes["stem"] == 9 * 8 * 27 * 8
    assert sizes["depthwise"] == 9 * 8 * 9 * 16
    assert sizes["logits"] == 80
    assert document["macs"] == sum(sizes.values())
    assert (document["input_shape"], document["classes"]) == ([9, 8, 3], 10)
    with pytest.raises(RequestError, match="`--arch` cannot be used with a file"):
        run(str(path), "--arch", "v1")


def test_a_file_that_cannot_be_counted_says_which_command_does(tmp_path: Path) -> None:
    path = tmp_path / "int8.tflite"
    graph = accuracy_networks.residual_graph()
    integers = accuracy_networks.quantised(graph, accuracy_networks.images())[2]
    path.write_bytes(tflite.write(integers, head="logits"))
    with pytest.raises(ConversionError, match="quantised already") as caught:
        run(str(path))
    assert "`mobiledeploy inspect` counts" in str(caught.value.hint)


def test_the_table_shows_the_totals() -> None:
    text = run("--arch", "v2", "--alpha", "0.35", "--image-size", "224")
    assert "mobilenet_v2_0.35_224" in text
    assert "1,691,208" in text
    assert "block_1_depthwise" in text
    assert "Conv_1" not in text


def test_layers_show_both_ways_to_convolve() -> None:
    text = run("--arch", "v1", "--alpha", "1", "--image-size", "224", "--layers")
    row = next(line for line in text.splitlines() if line.startswith("conv_dw_1 "))
    assert row.split()[-3:] == ["231,211,008", "29,302,784", "0.127"]


def test_small_images_are_counted_with_the_stem_that_a_build_gives_them() -> None:
    small = json.loads(run("--alpha", "0.35", "--image-size", "64", "--layers", "--json"))
    large = json.loads(run("--alpha", "0.35", "--image-size", "65", "--layers", "--json"))
    assert small["layers"][0]["output_shape"] == [64, 64, 16]
    assert large["layers"][0]["output_shape"] == [33, 33, 16]


def test_an_impossible_width_is_refused() -> None:
    with pytest.raises(RequestError, match=r"0\.35, 0\.5, 0\.75, 1\.0, 1\.3, 1\.4"):
        CliRunner().invoke(app, ["cost", "--alpha", "0.3"], catch_exceptions=False)
