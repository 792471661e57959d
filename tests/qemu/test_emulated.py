"""A build's golden vectors on CPUs that this machine is not, in the real runtimes under QEMU."""

import platform
import subprocess
from pathlib import Path

import pytest
from e2e.conftest import SMALL, mobiledeploy, printed

from mobiledeploy.emulation import qemu

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emulated")
    mobiledeploy(*SMALL, cwd=folder)
    return folder / "build"


def test_arm64_gives_every_logit_of_the_golden_vectors(build: Path) -> None:
    done = mobiledeploy("verify", build, "--arm64", "--json", cwd=build.parent, timeout=850)
    report = printed(done, "emulated")
    assert report["holds"]
    assert len(report["runs"]) == 6
    for run in report["runs"]:
        assert run["exact_logits"] == run["images"] >= 2
        if "LiteRT" in run["runtime"]:
            assert run["scores_as_predicted"] == run["images"]


def test_x86_without_vnni_saturates_only_without_the_option(build: Path) -> None:
    done = mobiledeploy("verify", build, "--no-vnni", "--json", cwd=build.parent, timeout=850)
    report = printed(done, "emulated")
    assert report["holds"]
    litert, without, with_option = report["runs"]
    assert litert["exact_logits"] == with_option["exact_logits"] == with_option["images"]
    assert with_option["precise"]
    assert not without["required"]
    assert without["differing_logits"] > 0, "the check shows no saturation: it cannot fail"


def test_an_emulated_cpu_is_known_to_saturate_whatever_its_system_reports() -> None:
    """QEMU shows a program the flags of the machine outside, VNNI included."""
    code = "from mobiledeploy.runtimes.saturation import this_cpu_saturates as f; print(f())"
    command = [*qemu.x86_without_vnni(platform.machine()).command, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "True\n"
