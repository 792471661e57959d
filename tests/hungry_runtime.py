"""A runtime whose `load` wants more memory than a child process may have."""

import dataclasses

import numpy as np

from mobiledeploy.runtimes import Session, litert_builtin


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    np.ones(1 << 40)
    raise AssertionError


RUNTIME = dataclasses.replace(litert_builtin.RUNTIME, name="hungry", module=__name__, load=load)
