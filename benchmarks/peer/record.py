"""What a way hands back: the files it made, and what every step of it cost."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Literal, TypeAlias

Step: TypeAlias = Literal["import", "read", "calibrate", "convert", "verify"]
STEPS: tuple[Step, ...] = ("import", "read", "calibrate", "convert", "verify")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds.

    Attributes:
        wall: On the clock.
        cpu: Of all threads of the process.
    """

    wall: float
    cpu: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(wall=self.wall + other.wall, cpu=self.cpu + other.cpu)


NOTHING = Cost(wall=0.0, cpu=0.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model file.

    Attributes:
        file: Its name in the task's folder.
        scale: Real units a step of the input tensor; None if the input is float32.
        zero_point: The input code of real 0.
        mean: Subtracted from a pixel to get the real input.
        std: Divides the difference.
    """

    file: str
    scale: float | None = None
    zero_point: int = 0
    mean: float = 127.5
    std: float = 127.5


class Stopwatch:
    """Adds up what each step costs."""

    def __init__(self) -> None:
        self.costs: dict[Step, Cost] = {}

    @contextlib.contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Time a block; blocks of one name are added."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        spent = Cost(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        self.costs[name] = self.costs.get(name, NOTHING) + spent
