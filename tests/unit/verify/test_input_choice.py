"""Which scaling is chosen by how often the class is right with each."""

import numpy as np
import pytest

from mobiledeploy.verify.outputs import input_choice

TRUTH = np.arange(100) % 10


def answers(right: int) -> np.ndarray:
    """Return answers of which so many are right, the first ones."""
    return np.where(np.arange(100) < right, TRUTH, -1)


@pytest.mark.parametrize(
    ("right", "chosen", "best", "second"),
    [
        # The order of the colours hardly matters: red, green, blue, as without the other order.
        ({"-1..1": 20, "0..1": 60, "0..1-bgr": 60}, "0..1", "0..1", "-1..1"),
        ({"-1..1": 20, "0..1": 60, "0..1-bgr": 58}, "0..1", "0..1", "-1..1"),
        ({"-1..1": 20, "0..1": 60, "0..1-bgr": 64}, "0..1", "0..1", "-1..1"),
        ({"-1..1": 20, "0..1": 60, "-1..1-bgr": 58}, "0..1", "0..1", "-1..1"),
        ({"0..255": 20, "caffe": 60, "0..255-bgr": 62}, "caffe", "caffe", "0..255"),
        # It matters.
        ({"-1..1": 20, "0..1": 60, "0..1-bgr": 80}, "0..1-bgr", "0..1-bgr", "0..1"),
        ({"-1..1": 60, "0..1": 60, "0..1-bgr": 80}, "0..1-bgr", "0..1-bgr", "-1..1"),
        # Not plain.
        ({"-1..1": 58, "0..1": 60, "0..1-bgr": 64}, "", "0..1", "-1..1"),
        ({"0..1": 50, "0..1-bgr": 80, "-1..1-bgr": 78, "-1..1": 9}, "", "0..1-bgr", "-1..1-bgr"),
    ],
)
def test_blue_green_red_is_chosen_only_if_it_is_plainly_better(
    right: dict[str, int], chosen: str, best: str, second: str
) -> None:
    predicted = {name: answers(count) for name, count in right.items()}
    choice = input_choice.decide(predicted, [TRUTH], classes=10)
    assert (choice.chosen, choice.best, choice.second) == (chosen, best, second)
    assert f"; {best} against {second} p = " in input_choice.words(choice)
    most = choice.candidates[0]
    assert most.right.correct == max(right.values())
    assert (f"{most.name} is not plainly better than {best}" in input_choice.words(choice)) == (
        most.name != best
    )
