"""The app's engines and golden runner, with real runtimes, say what Python says of any bundle."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from android import proving, tampering
from android.proving import Proof, Prover

from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.runtimes import litert
from mobiledeploy.verify.outputs import golden

pytestmark = [pytest.mark.android, pytest.mark.timeout(900)]

FILES = ("model.tflite", "model.onnx")
V1, V2 = ("--arch", "v1"), ("--arch", "v2")
INT8 = [
    V2,
    (*V2, "--io", "uint8"),
    (*V2, "--io", "float32"),
    (*V2, "--head", "logits"),
    (*V2, "--io", "float32", "--head", "logits"),
    V1,
    (*V1, "--io", "float32"),
    (*V1, "--io", "uint8", "--head", "logits"),
]


def test_every_kind_of_file_gives_the_golden_logits(
    prover: Prover, built: Callable[..., Path], bundled: Callable[[Path], Path], tmp_path: Path
) -> None:
    builds = [built(*options) for options in INT8]
    for build, proof in zip(builds, prover([bundled(b) for b in builds], tmp_path), strict=True):
        assert proof.complaints() == ""
        _, names, expected = golden.read(build / "golden.npz")
        for file in FILES:
            engine = proof.engine(file)
            assert engine["comparison"]["exact_logits"] == len(names)
            assert np.array_equal(proving.answers(engine, "logits"), expected.logits)
            assert np.abs(proving.answers(engine, "scores") - expected.scores).max() <= 1


def test_a_float_build_holds(
    prover: Prover, built: Callable[..., Path], bundled: Callable[[Path], Path], tmp_path: Path
) -> None:
    (proof,) = prover([bundled(built(*V2, "--float"))], tmp_path)
    assert proof.complaints() == ""
    assert proof.verdict is not None
    assert proof.verdict["unit"] == "relative"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tampered:
    """A wrong bundle.

    Attributes:
        options: Of the build.
        change: What is done to a copy of its bundle; the second argument is the build.
        says: Words of the app's complaint about each engine; empty where it must not complain.
    """

    options: tuple[str, ...]
    change: Callable[[Path, Path], object]
    says: tuple[str, str]


def _another_scale(contract: tampering.Json) -> None:
    contract["logits"]["scale"] *= 1.01
    if contract["head"] == "logits":
        contract["output"]["grid"] = contract["logits"]


def _another_mean(contract: tampering.Json) -> None:
    contract["preprocessing"] |= {"mean": 127.0, "std": 127.0}
    contract["input"]["grid"] = {"scale": 1 / 127, "zero_point": -1}


def _contract_and_golden(
    change: Callable[[tampering.Json], object],
) -> Callable[[Path, Path], object]:
    """A contract with other grids, and a golden file that agrees with it: the model does not."""

    def changed(assets: Path, build: Path) -> None:
        tampering.with_golden_grids(tampering.with_contract(assets, change))

    return changed


def _files_of_sibling(*names: str) -> Callable[[Path, Path], object]:
    """The files of another model, and nothing else."""

    def change(assets: Path, build: Path) -> None:
        other = tampering.copied(assets, assets.with_name(f"{assets.name}-other"))
        tampering.with_graph(other, tampering.sibling(build))
        for name in names:
            shutil.copyfile(other / name, assets / name)

    return change


WRONG = "by the contract"
DIFFER = "logits differ on"
TAMPERED = {
    "another model": Tampered(
        options=V2,
        change=lambda assets, build: tampering.with_graph(assets, tampering.sibling(build)),
        says=(DIFFER, DIFFER),
    ),
    "another model, under the old contract": Tampered(
        options=V2, change=_files_of_sibling(*FILES), says=(WRONG, WRONG)
    ),
    "another .onnx": Tampered(options=V2, change=_files_of_sibling(FILES[1]), says=("", WRONG)),
    "one bias, plus 1": Tampered(
        options=V2,
        change=lambda assets, build: tampering.with_graph(assets, tampering.with_one_more(build)),
        says=(DIFFER, DIFFER),
    ),
    "another scale, in real numbers": Tampered(
        options=(*V2, "--io", "float32", "--head", "logits"),
        change=_contract_and_golden(_another_scale),
        says=("not on the contract's grid", "not on the contract's grid"),
    ),
    # Of codes only LiteRT tells the grid. ONNX Runtime's answers are the golden ones, and are.
    "another scale, in codes": Tampered(
        options=(*V2, "--head", "logits"),
        change=_contract_and_golden(_another_scale),
        says=(WRONG, ""),
    ),
    "another scale of the tapped logits": Tampered(
        options=V2, change=_contract_and_golden(_another_scale), says=(WRONG, "")
    ),
    "another mean, in real numbers": Tampered(
        options=(*V2, "--io", "float32"),
        change=_contract_and_golden(_another_mean),
        says=(DIFFER, DIFFER),
    ),
    "another mean, in codes": Tampered(
        options=V2, change=_contract_and_golden(_another_mean), says=(WRONG, "")
    ),
    "a damaged file": Tampered(
        options=V2,
        change=lambda assets, build: (assets / "model.tflite").write_bytes(b"\0" * 99),
        says=("expected", ""),
    ),
}


@pytest.fixture(scope="module")
def tampered(
    prover: Prover,
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Path, Proof]]:
    """Every wrong bundle, and what the app says of it."""
    work = tmp_path_factory.mktemp("tampered")
    folders = []
    for number, case in enumerate(TAMPERED.values()):
        build = built(*case.options)
        folders.append(tampering.copied(bundled(build), work / str(number)))
        case.change(folders[-1], build)
    proofs = prover(folders, work / "no photos")
    return dict(zip(TAMPERED, zip(folders, proofs, strict=True), strict=True))


@pytest.mark.parametrize("name", TAMPERED)
def test_the_self_test_detects_a_tampered_bundle(
    name: str, tampered: dict[str, tuple[Path, Proof]]
) -> None:
    _, proof = tampered[name]
    assert proof.verdict is not None, proof.refused
    assert not proof.verdict["holds"]
    for file, says in zip(FILES, TAMPERED[name].says, strict=True):
        engine = proof.engine(file)
        assert engine["holds"] == (not says), engine["reason"]
        assert says in engine["reason"]


@pytest.mark.parametrize("name", ["another model", "one bias, plus 1"])
def test_the_app_counts_the_same_differences_as_python(
    name: str, tampered: dict[str, tuple[Path, Proof]]
) -> None:
    folder, proof = tampered[name]
    pixels, names, expected = golden.read(folder / "golden.npz")
    session = litert.load(edit.tap(parse((folder / "model.tflite").read_bytes())))
    logits = session.run((pixels ^ np.uint8(128)).view(np.int8))[-1].astype(np.int16)
    steps = np.abs(logits - expected.logits).max(axis=1)
    for file in FILES:
        compared = proof.engine(file)["comparison"]
        assert np.array_equal(proving.answers(proof.engine(file), "logits"), logits)
        assert compared["exact_logits"] == (steps == 0).sum()
        assert compared["max_logits"] == steps.max() > 0
        assert steps[names.index(compared["worst"])] == steps.max()


@pytest.mark.parametrize("change", [_another_scale, _another_mean])
def test_golden_vectors_with_other_scales_are_refused(
    change: Callable[[tampering.Json], object],
    prover: Prover,
    digits: Path,
    bundled: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    assets = tampering.copied(bundled(digits), tmp_path / "assets")
    (proof,) = prover([tampering.with_contract(assets, change)], tmp_path)
    assert "it is another model's" in proof.refused["golden"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("labels.txt", "one\ntwo\n", "labels.txt: expected 10 labels"),
        ("labels.txt", "1\n0\n2\n3\n4\n5\n6\n7\n8\n9\n", "labels.txt: expected SHA-256"),
        ("contract.json", "{}", "ContractException"),
        ("contract.json", '{"format": 3', "ContractException"),
    ],
)
def test_a_contradictory_bundle_is_refused(
    name: str,
    text: str,
    says: str,
    prover: Prover,
    digits: Path,
    bundled: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    assets = tampering.copied(bundled(digits), tmp_path / "assets")
    (assets / name).write_text(text)
    (proof,) = prover([assets], tmp_path)
    assert says in proof.refused["bundle"]
    assert proof.verdict is None
    assert not proof.guesses
