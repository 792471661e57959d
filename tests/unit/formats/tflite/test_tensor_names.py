"""Tensors of a `.tflite` have unique names, even if the file repeats or omits them."""

import graphs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.formats.tflite.parser import unique_names
from mobiledeploy.runtimes import Array, litert_xnnpack
from mobiledeploy.targets import tflite


@given(st.lists(st.sampled_from(["", "a", "b", "#0", "a#1", "a#1'", "a#2"]), max_size=9))
def test_every_tensor_gets_a_unique_name_and_keeps_one_that_is_already_unique(
    names: list[str],
) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    assert "" not in unique
    for place, (name, own) in enumerate(zip(names, unique, strict=True)):
        assert own.startswith(name)
        assert (own == name) == (name != "" and name not in names[:place])


def named(data: bytes, name: str) -> bytes:
    """A `.tflite` with one name for all its tensors."""
    file = TfliteFile(data)
    for tensor in file.graph.tensors:
        tensor.name = name
    return file.bytes()


def outputs(data: bytes) -> list[Array]:
    """A file's outputs for extreme images, with its logits tapped by name."""
    logits = reading.read_tflite(parse(data)).logits
    assert logits is not None
    session = litert_xnnpack.load(edit.tap(parse(data), [logits.name]))
    return list(session.run(graphs.extremes(session.input.shape)))


def test_logits_can_be_tapped_though_all_tensors_share_one_name() -> None:
    data = tflite.write(graphs.assorted_graph())
    for one, other in zip(outputs(data), outputs(named(data, "a")), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_with_a_custom_operator_can_be_tapped() -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    file.insert("RELU6", "stem")
    data = file.bytes()
    logits = reading.read_tflite(parse(data)).logits
    assert logits is not None
    recipe = edit.tap_recipe(parse(data), [logits.name])
    assert recipe.outputs == (logits.name,)
