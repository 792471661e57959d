"""The real interval that each activation takes: what calibration and QAT hand to quantisation."""

from collections.abc import Mapping
from typing import TypeAlias

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""By tensor name, `layers.INPUT` and every layer but the softmax: (lowest, highest) value, with
lowest <= 0 <= highest so that zero has a code."""
