"""From a folder of photos to the top 5: build, bundle, and the app says what Python says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from android import photos, pictures, proving, tampering
from android.proving import Proof, Prover

pytestmark = [pytest.mark.android, pytest.mark.timeout(1200)]

LSB = 1 / 256
Trained = Callable[[int], tuple[str, ...]]
V1, V2 = ("--arch", "v1", "--alpha", "0.25"), ("--arch", "v2", "--alpha", "0.35")
FILES = [
    ("--io", "int8"),
    ("--io", "uint8"),
    ("--io", "float32"),
    ("--io", "int8", "--head", "logits"),
    ("--io", "uint8", "--head", "logits"),
    ("--io", "float32", "--head", "logits"),
]


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """20 photos, and beside them their pixels as the program reads them."""
    folder = tmp_path_factory.mktemp("asked") / "photos"
    paths = pictures.write_photos(folder)
    assert len(paths) == 20
    for path in paths:
        proving.write_photo(path.with_name(f"{path.name}.argb"), path.read_bytes())
    return paths


def check(build: Path, proof: Proof, asked: list[Path]) -> None:
    """Hold the app's top 5 of every photo against Python's, and require that they vary."""
    assert proof.complaints() == ""
    labels = (build / "labels.txt").read_text().splitlines()
    expected = photos.scores(build, asked)
    assert len(proof.guesses) == len(expected) == 2 * len(asked)
    assert len({tuple(scores) for scores in expected.values()}) > len(asked) / 2
    for (engine, name), scores in expected.items():
        guesses = proof.guesses[engine, name]
        best = photos.best(scores)
        assert [guess.index for guess in guesses] == best, (engine, name)
        assert [guess.label for guess in guesses] == [labels[index] for index in best]
        for guess in guesses:
            assert abs(guess.score - scores[guess.index]) <= LSB


def run(
    arch: tuple[str, ...],
    side: int,
    prover: Prover,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    trained: Trained,
    asked: list[Path],
) -> None:
    builds = [built(*trained(side), *arch, *files) for files in FILES]
    proofs = prover([bundled(build) for build in builds], asked[0].parent)
    for build, proof in zip(builds, proofs, strict=True):
        check(build, proof, asked)


def test_the_app_predicts_what_python_predicts(
    prover: Prover,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    trained: Trained,
    asked: list[Path],
) -> None:
    run(V2, 96, prover, built, bundled, trained, asked)


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "side"), [(V1, 96), (V1, 224), (V2, 224)])
def test_the_app_predicts_what_python_predicts_for_any_network(
    arch: tuple[str, ...],
    side: int,
    prover: Prover,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    trained: Trained,
    asked: list[Path],
) -> None:
    run(arch, side, prover, built, bundled, trained, asked)


def test_a_shifted_list_of_labels_is_detected(
    prover: Prover,
    digits: Path,
    bundled: Callable[[Path], Path],
    asked: list[Path],
    tmp_path: Path,
) -> None:
    assets = tampering.copied(bundled(digits), tmp_path / "assets")
    labels = (assets / "labels.txt").read_text().splitlines()
    (assets / "labels.txt").write_text("".join(f"{name}\n" for name in [*labels[1:], labels[0]]))
    (proof,) = prover([assets], asked[0].parent)
    with pytest.raises(AssertionError):
        check(digits, proof, asked)
