"""Times that `benchmark_model` prints are read, and infinite ones refused."""

import pytest

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.device import benchmark_model


def test_mean_median_and_percentile_of_the_timed_runs_are_read() -> None:
    warm_up = "count=10 first=9 avg=9\n"
    times = benchmark_model.read(f"{warm_up}count=50 avg=4.5 median=4 p95=6e0\n", threads=2)
    assert (times.runs, times.threads) == (50, 2)
    assert (times.mean_us, times.median_us, times.p95_us) == (4.5, 4.0, 6.0)


def test_infinite_times_are_refused() -> None:
    with pytest.raises(DeviceError, match="an infinite avg"):
        benchmark_model.read("count=50 avg=1e999 median=3", threads=1)
