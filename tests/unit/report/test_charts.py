"""Charts stay in their box."""

import dataclasses

from mobiledeploy.report import charts


def test_bars_stay_in_their_box_and_keep_their_order() -> None:
    bars = charts.bars([0, None, 5, 10, 20], 10)
    assert [bar.height for bar in bars] == [0, 0, 50, 100, 100]
    assert all(bar.y + bar.height == 100 for bar in bars)
    assert all(bar.x + bar.width <= 100 for bar in bars)
    assert charts.bars([1, 2], 0)[0].height == 0
    assert dataclasses.asdict(charts.intervals([(0.5, 0.5, 0.5)])[0])["value"] == 4
