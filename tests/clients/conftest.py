"""Classifiers to load: two that were trained, and one with the operators that those have not."""

from pathlib import Path

import pytest
from clients import classifiers
from clients.classifiers import Classifier
from e2e.conftest import mobiledeploy


@pytest.fixture(scope="session", params=["v1", "v2", "gated"])
def classifier(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Classifier:
    """MobileNet V1 and V2 on handwritten digits, and `gated`."""
    if request.param == "gated":
        return classifiers.untrained()
    folder: Path = tmp_path_factory.mktemp("trained")
    options = ("--epochs", "8", "--qat-steps", "0", "--threads", "2")
    mobiledeploy("build", "--arch", request.param, *options, cwd=folder)
    return classifiers.trained(folder / "build")
