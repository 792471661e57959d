"""How sure one can be of an accuracy, and of a difference between two.

Both formulas are closed and short, and the standard library has what they need. SciPy, which has
them too, would add a hundred megabytes to a base installation; the tests hold them against it.
"""

import math
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion.

    Args:
        correct: Successes, 0..total.
        total: Trials, at least one.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927). It keeps its promise near 0 and 1, where accuracies are.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, weight = correct / total, z * z / total
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / total / 4)
    # At the ends the interval touches 0 or 1 exactly; floats would miss them by a hair.
    return (
        0.0 if correct == 0 else max(0.0, centre - half),
        1.0 if correct == total else min(1.0, centre + half),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value of a paired test: are two classifiers equally good?

    Under the null hypothesis each image on which exactly one of them is right falls to either
    with probability 1/2. The exact test never claims more than it may; it is a little more
    careful than the mid-p variant.

    Args:
        only_first: Images on which the first alone is right.
        only_second: Images on which the second alone is right.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions", Psychometrika 12 (1947).
    """
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    outcomes, ways = 0, 1
    for count in range(fewer + 1):
        outcomes += ways
        ways = ways * (discordant - count) // (count + 1)
    return min(1.0, 2 * outcomes / (1 << discordant))
