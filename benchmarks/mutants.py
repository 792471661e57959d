"""Test the comparison of files with every fault in every layer.

Each fault of `tests/mutants/faults.py` is made in each layer of the `.tflite` and of the `.onnx`
of MobileNet V1 and V2 (random weights), and of a small network with every kind of layer. The
faulty file is compared with the correct one of the other format, without running them. Then the
faulty file and the correct one of its format are run on noise and extremes, to check the result:
if an output differs that was called equivalent, the benchmark fails. Faulty files run in a process
of their own, in case a runtime crashes. From the repository's root:

    python benchmarks/mutants.py [--step 1] [--write docs/mutants.md]

Exits with 1 if a mutant that changes an output was not found, if one that was called equivalent
changes one, or if less than 95 % of the layers were named correctly.
"""

import argparse
import collections
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import graphs  # noqa: E402
from mutants.faults import FAULTS  # noqa: E402
from mutants.instrument import Instrument, Mutant, mutants  # noqa: E402

from mobiledeploy.base.errors import MobileDeployError  # noqa: E402
from mobiledeploy.integer.certify import certify  # noqa: E402
from mobiledeploy.integer.graph import IntegerGraph  # noqa: E402
from mobiledeploy.runtimes import table  # noqa: E402
from mobiledeploy.runtimes.child import Children  # noqa: E402
from mobiledeploy.targets import onnx, tflite  # noqa: E402

NAMED = 0.95
"""Share of layers that must be named correctly."""
COLUMNS = (
    "mutants",
    "seen",
    "layer named",
    "may change an output",
    "shown by the images",
    "shown equivalent",
    "the same numbers",
    "refused as damaged",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=1, help="take every so many-th mutant")
    parser.add_argument("--write", type=Path, help="where to write the table")
    options = parser.parse_args()
    networks = {
        "MobileNet V1 0.25, 32 px": graphs.mobilenet("v1", alpha=0.25, image_size=32),
        "MobileNet V2 0.35, 32 px": graphs.mobilenet("v2", alpha=0.35, image_size=32),
        "MobileNet V2 0.35, 32 px, stem with stride 2": graphs.mobilenet(
            "v2", alpha=0.35, image_size=32, stem_stride=2
        ),
        "every kind of layer, activations that the grid does not imply": graphs.assorted_graph(),
    }
    start = time.perf_counter()
    with Children() as children:
        tables = {
            name: Table(name, graph, options.step, children) for name, graph in networks.items()
        }
    total = sum((table.total for table in tables.values()), collections.Counter())
    failures = [failure for table in tables.values() for failure in table.failures]
    head = _head(total, step=options.step, wrong=len(failures))
    text = "\n".join((*head, *(line for table in tables.values() for line in table.lines())))
    print(text)
    print(*failures, sep="\n", file=sys.stderr)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if options.write:
        options.write.write_text(text + "\n")
    judged = total["seen"] - total["refused as damaged"]
    return int(bool(failures) or total["layer named"] < NAMED * judged)


class Table:
    """What became of the mutants of one network, by fault and file."""

    def __init__(self, name: str, graph: IntegerGraph, step: int, children: Children) -> None:
        files = tflite.write(graph), onnx.write(graph, certify(graph))
        self.name, self.failures = name, list[str]()
        self._children = children
        self._taps = [graph.logits.name] if graph.logits != graph.output else []
        self.rows: dict[tuple[str, str], collections.Counter[str]] = {}
        self._instrument = Instrument(*files)
        self._images = graphs.extremes(graph.input.shape)
        self._sound = {
            kind: self._run(kind, data)
            for kind, data in zip(("tflite", "onnx"), files, strict=True)
        }
        for number, mutant in enumerate(mutants(*files)):
            if number % step == 0:
                self._add(mutant)

    @property
    def total(self) -> collections.Counter[str]:
        return sum(self.rows.values(), collections.Counter())

    def _add(self, mutant: Mutant) -> None:
        answer = self._instrument.ask(mutant)
        row = self.rows.setdefault((mutant.fault, mutant.format), collections.Counter())
        row["mutants"] += 1
        row["seen"] += answer.kind != "same"
        row["layer named"] += self._instrument.is_right(mutant, answer)
        what = {
            "changed": "may change an output",
            "equivalent": "shown equivalent",
            "same": "the same numbers",
            "damaged": "refused as damaged",
        }[answer.kind]
        row[what] += 1
        if answer.kind == "damaged":
            return
        differs = self._differs(mutant)
        row["shown by the images"] += differs
        if differs and answer.kind != "changed":
            self.failures.append(
                f"{self.name}: {mutant.fault} in layer {mutant.layer} of the {mutant.format} "
                f"changes an output, and was called {answer.kind}: {answer.said}"
            )

    def _differs(self, mutant: Mutant) -> bool:
        """Return whether an image shows the fault; so does a file that its runtime refuses."""
        try:
            outputs = self._run(mutant.format, mutant.data)
        except MobileDeployError:
            return True
        sound = self._sound[mutant.format]
        return any(
            a.shape != b.shape or not np.array_equal(a, b)
            for a, b in zip(outputs, sound, strict=True)
        )

    def _run(self, kind: Any, data: bytes) -> tuple[np.ndarray, ...]:
        runtime = table.primary(kind)
        tapped = self._children.tapped(runtime, data, self._taps)
        session = self._children.load(runtime, tapped)
        outputs = session.run(self._images)
        session.close()
        return outputs

    def lines(self) -> list[str]:
        lines = ["", f"## {self.name}", "", *_columns()]
        lines.extend(
            f"| {fault} | {kind} | {' | '.join(str(row[name]) for name in COLUMNS)} |"
            for (fault, kind), row in self.rows.items()
        )
        return lines


def _columns() -> list[str]:
    return [f"| fault | file | {' | '.join(COLUMNS)} |", f"|---|---|{'---:|' * len(COLUMNS)}"]


def _head(total: collections.Counter[str], *, step: int, wrong: int) -> list[str]:
    judged = total["seen"] - total["refused as damaged"]
    of_all = "Every mutant was tried." if step == 1 else f"One mutant in {step} was tried."
    named = total["layer named"] / max(judged, 1)
    return f"""\
# Faults with which the comparison of files was tested

Written by `benchmarks/mutants.py`. Each fault is made in each layer of one file, which is then
compared with the correct file of the other format, by the numbers in the files.
{of_all}

* {total["mutants"]} mutants of {len(FAULTS)} faults, in both formats.
* {total["seen"]} were seen. The other {total["the same numbers"]} hold the same numbers in the
  common form: an activation that the output's range implies, a stride over one pixel.
* The correct layer was named for {total["layer named"]} of {judged} ({named:.1%}) that are
  readable.
* {total["may change an output"]} may change an output. Noise and extremes showed it for
  {total["shown by the images"]} of them: comparing outputs alone would have missed the others.
* {total["shown equivalent"]} were proven to change nothing, by trying all possible sums or pairs
  of codes.
* {total["refused as damaged"]} were refused as damaged before a runtime saw them.

Mutants called equivalent or the same that an image shows to differ: {wrong}.""".splitlines()


if __name__ == "__main__":
    sys.exit(main())
