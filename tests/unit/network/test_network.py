"""A network's file holds all of it."""

import dataclasses
from pathlib import Path

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.network import Network, load_network, save_network
from mobiledeploy.spec.config import WEIGHTS_PER, WeightsPer


@pytest.fixture
def network() -> Network:
    return graphs.random_network(graphs.assorted())[0]


@pytest.mark.parametrize("weights_per", WEIGHTS_PER)
def test_a_network_comes_back_as_it_was(
    network: Network, weights_per: WeightsPer, tmp_path: Path
) -> None:
    path = tmp_path / "network.npz"
    save_network(path, dataclasses.replace(network, weights_per=weights_per))
    loaded = load_network(path)
    assert loaded.weights_per == weights_per
    assert loaded.architecture == network.architecture
    for name, weights in network.weights.items():
        np.testing.assert_array_equal(loaded.weights[name].kernel, weights.kernel)


def test_an_unknown_kind_of_scales_is_a_damaged_file(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.npz"
    save_network(path, dataclasses.replace(network, weights_per="row"))  # type: ignore[arg-type]
    with pytest.raises(CorruptFileError, match="expected weights per"):
        load_network(path)
