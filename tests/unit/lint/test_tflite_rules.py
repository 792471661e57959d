"""A `.tflite` that breaks one rule is reported with that rule's id, and with no other."""

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from graphs import assorted_graph
from unit.integer.test_outer_buffers import moved_out
from unit.lint.tflite_faults import ALSO, FAULTS, File, lowest_code, scales

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.targets import tflite


def test_the_clean_file_breaks_no_rule(clean_tflite: bytes, ids: Callable[..., set[str]]) -> None:
    assert ids(clean_tflite) == set()
    assert ids(File(clean_tflite).bytes()) == set()


@pytest.mark.parametrize("rule", FAULTS)
def test_a_file_that_breaks_one_rule_is_reported_with_its_id(
    rule: str, clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = File(clean_tflite)
    FAULTS[rule](file)
    assert ids(file.bytes()) == {rule} | ALSO.get(rule, set())


def test_a_range_beyond_the_activation_has_dead_codes(ids: Callable[..., set[str]]) -> None:
    assert ids(tflite.write(assorted_graph())) == {"MD201"}


def test_a_dense_layer_per_channel_is_a_trap_unless_old_runtimes_refuse_it(
    clean_tflite: bytes, graph: IntegerGraph, ids: Callable[..., set[str]]
) -> None:
    file = File(clean_tflite)
    for name in ("logits/kernel", "logits/bias"):
        scales(file.grid(name), np.full(5, file.grid(name).scale[0]))
    file.claim("2.10.0")
    assert ids(file.bytes()) == {"MD303"}
    (dense,) = (
        code
        for code in file.model.operatorCodes
        if code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED
    )
    dense.version = 12
    file.claim("2.17.0")
    assert ids(file.bytes()) == set()


def test_weights_behind_the_flatbuffer_are_read_and_named(
    clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = File(clean_tflite)
    file.claim("2.14.0")
    lowest_code(file)
    assert ids(moved_out(file.bytes())) == {"MD013", "MD102"}
    file.claim("1.14.0")
    assert ids(moved_out(file.bytes())) == {"MD013", "MD102", "MD302"}
