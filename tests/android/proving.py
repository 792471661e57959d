"""Run the app's own core and engines on bundles, in a JVM, and read what they say."""

import base64
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema
import numpy as np
import numpy.typing as npt
from android import jvm

SOURCES: Final = jvm.DEMO / "ci/engines"
SCHEMA: Final = jvm.ROOT / "docs/schemas/selftest.schema.json"
_ORIENTATION: Final = 0x0112


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A class that a photo may show."""

    index: int
    label: str
    score: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the app says of one bundle.

    Attributes:
        verdict: The self-test's document; None if it was refused.
        guesses: By engine and photo, likeliest first.
        refused: What was refused, and with which message.
    """

    verdict: dict[str, Any] | None
    guesses: dict[tuple[str, str], list[Guess]]
    refused: dict[str, str]

    def engine(self, file: str) -> dict[str, Any]:
        """Return the verdict of the engine that reads a file."""
        assert self.verdict is not None, self.refused
        verdict: dict[str, Any]
        (verdict,) = [engine for engine in self.verdict["engines"] if engine["file"] == file]
        return verdict

    def complaints(self) -> str:
        """Return all that is wrong, in the app's words; empty if the bundle is proven."""
        lines = [f"{what}: {message}" for what, message in self.refused.items()]
        if self.verdict is not None:
            lines += [] if self.verdict["resize_holds"] else ["the resize is wrong"]
            engines = self.verdict["engines"]
            lines += [f"{e['file']}: {e['reason']}" for e in engines if not e["holds"]]
            wrong = len(lines) > len(self.refused)
            assert self.verdict["holds"] != wrong, "the verdict contradicts its own parts"
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """The compiled program.

    Attributes:
        class_path: Of the program, the engines, core and the runtimes.
        natives: For `java.library.path`.
    """

    class_path: tuple[Path, ...]
    natives: Path

    def __call__(
        self, assets: Sequence[Path], photos: Path, *, instead: Sequence[Path] = ()
    ) -> list[Proof]:
        """Return what the app says of each folder of assets.

        Args:
            assets: Folders with a bundle's five files.
            photos: A folder with `.argb` files; others are not read.
            instead: Folders of classes that take the place of the app's.
        """
        done = jvm.java(
            "dev.mobiledeploy.ci.ProveKt",
            [photos, *assets],
            [*instead, *self.class_path],
            properties={"java.library.path": self.natives},
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        proofs = _read(done.stdout.splitlines())
        assert len(proofs) == len(assets), done.stderr[-4000:]
        return proofs


def answers(engine: dict[str, Any], key: str) -> npt.NDArray[Any]:
    """Return the `logits` or `scores` of an engine's verdict, shape (images, classes): codes."""
    rows = [row[key] or row["logits"] for row in engine["comparison"]["answers"]]
    return np.stack([np.frombuffer(base64.b64decode(row), np.int8) for row in rows])


def write_photo(path: Path, data: bytes) -> None:
    """Write an image file as the program reads photos: as stored, with its orientation."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    orientation = image.getexif().get(_ORIENTATION, 1)
    rgba = np.asarray(image.convert("RGBA")).astype(np.uint32)
    red, green, blue, alpha = (rgba[..., channel] for channel in range(4))
    argb = alpha << 24 | red << 16 | green << 8 | blue
    header = np.array([image.width, image.height, orientation], ">u4")
    path.write_bytes(header.tobytes() + argb.astype(">u4").tobytes())


def _read(lines: Sequence[str]) -> list[Proof]:
    proofs: list[Proof] = []
    for line in lines:
        kind, *fields = line.split("\t")
        match kind:
            case "bundle":
                proofs.append(Proof(verdict=None, guesses={}, refused={}))
            case "verdict":
                verdict = json.loads(fields[0])
                jsonschema.validate(verdict, json.loads(SCHEMA.read_text()))
                proofs[-1] = dataclasses.replace(proofs[-1], verdict=verdict)
            case "guess":
                engine, photo, rank, index, label, score = fields
                guesses = proofs[-1].guesses.setdefault((engine, photo), [])
                assert len(guesses) == int(rank)
                guesses.append(Guess(index=int(index), label=label, score=float(score)))
            case "refused":
                proofs[-1].refused[fields[0]] = fields[1]
            case _:
                raise AssertionError(line)
    return proofs
