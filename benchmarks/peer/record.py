"""The result of a tool: the files that it made, and the time of each step."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from mobiledeploy.spec.config import Scaling

Step: TypeAlias = Literal["import", "read", "calibrate", "convert", "verify"]
STEPS: tuple[Step, ...] = ("import", "read", "calibrate", "convert", "verify")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The time of a step in seconds.

    Attributes:
        wall: Time on the clock.
        cpu: CPU time of all threads of the process.
    """

    wall: float
    cpu: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(wall=self.wall + other.wall, cpu=self.cpu + other.cpu)


NOTHING = Cost(wall=0.0, cpu=0.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model file that a tool made.

    Attributes:
        file: Name of the file in the task's folder.
        scale: Real units a step of the input tensor; None if the input is float32.
        zero_point: The input code of real 0.
        scaling: Mean and std of the real input; None: those of the task.
    """

    file: str
    scale: float | None = None
    zero_point: int = 0
    scaling: Scaling | None = None


class Stopwatch:
    """Adds up the times of each step."""

    def __init__(self) -> None:
        self.costs: dict[Step, Cost] = {}

    @contextlib.contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Time a block; blocks of one name are added."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        spent = Cost(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        self.costs[name] = self.costs.get(name, NOTHING) + spent


def describe_tflite(tflite: Path, *, file: str | None = None) -> Made:
    """Return a `.tflite`, or a file made from it, with scale and zero point of the input."""
    from ai_edge_litert.interpreter import Interpreter

    scale, zero_point = Interpreter(str(tflite)).get_input_details()[0]["quantization"]
    return Made(file=file or tflite.name, scale=scale or None, zero_point=zero_point)
