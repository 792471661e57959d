"""The table of runtimes: names are unique, and each format has one that apps use."""

import importlib
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from mobiledeploy import runtimes
from mobiledeploy.base.errors import RequestError
from mobiledeploy.runtimes import Budget, Format, Runtime, table


@pytest.mark.parametrize("field", ["name", "title", "module"])
def test_no_two_runtimes_share_a_name_a_title_or_a_module(field: str) -> None:
    count = Counter(getattr(runtime, field) for runtime in table.RUNTIMES)
    assert set(count.values()) == {1}


@pytest.mark.parametrize("file", get_args(Format))
def test_every_format_has_exactly_one_primary_runtime_and_it_is_exact(file: Format) -> None:
    runtimes = table.running(file)
    assert [runtime.primary for runtime in runtimes] == [True] + [False] * (len(runtimes) - 1)
    assert table.primary(file) is runtimes[0]
    assert {runtime.format for runtime in runtimes} == {file}
    assert runtimes[0].exact
    assert runtimes[0].budget is None


@pytest.mark.parametrize("runtime", table.RUNTIMES, ids=lambda runtime: runtime.name)
def test_every_runtime_can_be_found_by_its_module(runtime: Runtime) -> None:
    assert importlib.import_module(runtime.module).RUNTIME is runtime
    assert table.named(runtime.name) is runtime


def test_every_module_that_holds_a_runtime_is_in_the_table() -> None:
    folder = Path(runtimes.__file__).parent
    holding = {path.stem for path in folder.glob("*.py") if "\nRUNTIME: " in path.read_text()}
    assert holding == {runtime.module.rpartition(".")[2] for runtime in table.RUNTIMES}


def test_an_unknown_runtime_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(
        RequestError, match=r"expected one of the runtimes litert-xnnpack, .*`tpu`"
    ):
        table.named("tpu")


@pytest.mark.parametrize(
    ("macs", "factor", "images"),
    [(0, 1, 64), (1, 1, 64), (10, 1, 10), (1000, 1, 4), (10, 10, 100), (1, 10, 640)],
)
def test_a_budget_allows_fewer_images_of_larger_networks(
    macs: int, factor: int, images: int
) -> None:
    assert Budget(macs=100).images(macs, factor=factor) == images
