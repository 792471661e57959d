"""Any network of hard swishes, products and sums is one function in both of our files."""

import comparing
import product_networks
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from unit.verify.proofs import proofs

from mobiledeploy.base.errors import ConversionError

OPERATORS = {"hard_swish": 1, "mul": 2, "add": 2, "conv": 1}


@st.composite
def middles(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Layers each of which reads the one before it, and perhaps an earlier one."""
    tensors = ["stem"]
    layers: dict[str, tuple[str, ...]] = {}
    operators = st.sampled_from(["hard_swish", "hard_swish", "mul", "mul", "add", "conv"])
    for number, op in enumerate(draw(st.lists(operators, min_size=2, max_size=6))):
        sources = [tensors[-1]]
        if OPERATORS[op] == 2:
            sources.append(draw(st.sampled_from(tensors)))
        name = f"{op} {number}"
        layers[name] = (op, *draw(st.permutations(sources)))
        tensors.append(name)
    return layers


@settings(max_examples=15)
@given(middles(), st.integers(0, 2**16), st.data())
def test_it_is_the_same_and_proven_and_a_changed_number_is_found(
    middle: dict[str, tuple[str, ...]], seed: int, data: st.DataObject
) -> None:
    try:
        files = product_networks.written(product_networks.architecture(middle), seed=seed)
    except ConversionError:
        assume(False)
    first, second = product_networks.readings(*files)
    event(f"unstated: {sum(layer.output.unstated for layer in second.layers)}")
    for one, other in ((first, second), (second, first), (second, second)):
        report = comparing.compare(one, other)
        assert report.same, report.cause
    assert {proof.status for proof in proofs(*files).values()} == {"proven"}

    faults = list(product_networks.faults(files[1], middle))
    if not faults:
        return
    _, name, changed = data.draw(st.sampled_from(faults))
    report = comparing.compare(*product_networks.readings(files[0], changed))
    assert report.first is not None
    assert report.first.layer == name, report.cause
