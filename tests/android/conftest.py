"""What the Android tests share: compilers and compiled modules."""

import os
from pathlib import Path

import pytest
from android import jvm
from android.parts import Parts, in_folder


@pytest.fixture(scope="session")
def parts() -> Parts:
    """The downloads; until the product's toolchain fetches them, from a folder that is named."""
    return in_folder(Path(os.environ["MOBILEDEPLOY_ANDROID_PARTS"]))


@pytest.fixture(scope="session")
def compilers(parts: Parts, request: pytest.FixtureRequest) -> jvm.Compilers:
    """The compilers, with a cache that outlives the session."""
    return jvm.Compilers(
        kotlin=parts.kotlin, stdlib=parts.stdlib, cache=request.config.cache.mkdir("jvm-classes")
    )


@pytest.fixture(scope="session")
def core(compilers: jvm.Compilers) -> Path:
    """The classes of android_demo/core."""
    return jvm.compiled(compilers, jvm.sources(jvm.DEMO / "core/src/main"), ())
