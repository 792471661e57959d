"""Quantised integers do not change: they equal golden/integers.json."""

import json
from collections.abc import Callable

import graphs

from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import digest

GRAPHS = {
    "assorted": graphs.assorted_graph(),
    "v1_0.25_32": graphs.mobilenet("v1", alpha=0.25, image_size=32),
    "v2_0.35_32": graphs.mobilenet("v2", alpha=0.35, image_size=32),
}


def test_digests_and_certified_scales_are_the_recorded_ones(
    golden: Callable[[str, str], None],
) -> None:
    digests = {
        name: {
            "digest": digest(graph),
            "certified": {
                layer: [[float(scale).hex() for scale in held.scales], held.differing_before]
                for layer, held in certify(graph).items()
            },
        }
        for name, graph in GRAPHS.items()
    }
    golden("integers.json", json.dumps(digests, indent=1) + "\n")
