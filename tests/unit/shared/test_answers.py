"""Golden files that Kotlin reads as well: from a file's outputs to the best classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from golden_text import one_case_a_line

from mobiledeploy.spec.contract import SOFTMAX, Int8Grid


def probabilities(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def best(values: npt.NDArray[np.float64]) -> list[int]:
    """Highest first; of equal ones the lower index."""
    return sorted(range(len(values)), key=lambda index: (-values[index], index))[:5]


def case(what: str, codes: list[int], grid: Int8Grid, *, head: str) -> dict[str, Any]:
    values = (np.array(codes, np.float64) - grid.zero_point) * grid.scale
    scores = probabilities(values) if head == "logits" else values
    return {
        "what": what,
        "head": head,
        "scale": grid.scale,
        "zero_point": grid.zero_point,
        "codes": codes,
        "best": best(values),
        "scores": scores.tolist(),
    }


def test_golden_vectors(golden: Callable[[str, str], None]) -> None:
    rng = np.random.default_rng(4)
    logits = Int8Grid(scale=float(np.float32(0.11)), zero_point=-20)
    steep = Int8Grid(scale=float(np.float32(9.5)), zero_point=3)
    many = rng.integers(-128, 128, 1000).tolist()
    document = {
        "of": "codes are int8; equal values stand in the order of their indices",
        "answers": [
            case("scores", [-128, 100, -128, -101, -127], SOFTMAX, head="softmax"),
            case("equal scores", [-77, -77, -26, -77, -26, -77, -128], SOFTMAX, head="softmax"),
            case("one certain class", [-128, -128, 127], SOFTMAX, head="softmax"),
            case("two classes", [5, 6], logits, head="logits"),
            case("equal logits", [7] * 6, logits, head="logits"),
            case("the whole range", [-128, 127, 0, 64, -64, 127], logits, head="logits"),
            case("scores that vanish", [127, -128, -127, -127, -128], steep, head="logits"),
            case("many classes", many, logits, head="logits"),
        ],
    }
    golden("answers.json", one_case_a_line(document))
