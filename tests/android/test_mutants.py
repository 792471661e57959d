"""Mistakes in the app's code, made on purpose one at a time: the self-test notices each.

A mutant is one file of `core` with one place changed, compiled and put before the original. The
models have seen grey digits only: what shows swapped channels is the coloured golden image.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from android import jvm
from android.proving import Prover

pytestmark = [pytest.mark.android, pytest.mark.timeout(900)]

CORE = jvm.DEMO / "library/src/main/kotlin/dev/mobiledeploy/core"
CODES, REALS = ("--arch", "v2"), ("--arch", "v2", "--io", "float32")
RESIZE, LOGITS = "the resize is wrong", "logits differ on"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A mistake: where, what stands there, what stands there instead, and what notices it.

    Attributes:
        file: Of `core`.
        old: What stands there.
        new: What stands there instead.
        says: Words of the self-test's complaint.
        options: Of the build that notices it.
    """

    file: str
    old: str
    new: str
    says: str
    options: tuple[str, ...] = CODES


MUTANTS = {
    "BGR into the model": Mutant(
        file="Preprocessor.kt",
        old="(pixels[index] - 128).toByte()",
        new="(pixels[index + 2 - 2 * (index % 3)] - 128).toByte()",
        says=LOGITS,
    ),
    "BGR into the model, in real numbers": Mutant(
        file="Preprocessor.kt",
        old="floats[pixels[index]]",
        new="floats[pixels[index + 2 - 2 * (index % 3)]]",
        says=LOGITS,
        options=REALS,
    ),
    "BGR out of the photo": Mutant(
        file="Resize.kt",
        old="red += weight * (rgb ushr 16 and 255)",
        new="red += weight * (rgb and 255)",
        says=RESIZE,
    ),
    "unsigned pixels": Mutant(
        file="Preprocessor.kt",
        old="(pixels[index] - 128).toByte()",
        new="pixels[index].toByte()",
        says=LOGITS,
    ),
    "nearest pixel": Mutant(
        file="Triangles.kt",
        old="val reach = 2 * max(n, m)",
        new="val reach = m + 0 * max(n, m) + 1",
        says=RESIZE,
    ),
    "no antialias": Mutant(
        file="Triangles.kt",
        old="val reach = 2 * max(n, m)",
        new="val reach = 2 * max(m, m)",
        says=RESIZE,
    ),
    "half a pixel off": Mutant(
        file="Triangles.kt",
        old="val centre = (2L * i + 1) * n",
        new="val centre = (2L * i) * n",
        says=RESIZE,
    ),
    "rounded down": Mutant(
        file="Resize.kt",
        old="((2 * sums[index] + divisor) / (2 * divisor))",
        new="(sums[index] / divisor)",
        says=RESIZE,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_self_test_detects_a_mistake_in_the_code(
    name: str,
    compilers: jvm.Compilers,
    core: Path,
    prover: Prover,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    mutant = MUTANTS[name]
    text = (CORE / mutant.file).read_text()
    assert mutant.old in text, f"{mutant.file} has changed: make the mistake anew"
    source = tmp_path / mutant.file
    source.write_text(text.replace(mutant.old, mutant.new))
    classes = jvm.compiled(compilers, [source], [core], friends=[core])
    (proof,) = prover([bundled(built(*mutant.options))], tmp_path, instead=[classes])
    assert mutant.says in proof.complaints()
