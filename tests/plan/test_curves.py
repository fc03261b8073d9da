"""What follows from measured points, and how sure it is."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bouba.errors import PlanError
from bouba.plan.curves import FAR, SPREAD, Curve, Point, Range, read_curves, slope


def point(items: int, **changed: float) -> Point:
    usual = Point(items, items / 1e4, 2000.0 * items, 200e6 + 90.0 * items, 1.0, math.sqrt(items) / 50, 0.98, 900.0)
    return replace(usual, **changed)


def curve(*items: int) -> Curve:
    return Curve("lance", "IVF_RQ", 512, "2026-01-01", "a command", "a machine", tuple(map(point, items)))


def test_a_slope_is_the_power_that_a_measure_grows_by() -> None:
    assert slope([0, 1, 2], [5, 7, 9]) == pytest.approx(2)
    one = curve(10_000, 100_000, 1_000_000)
    assert one.slope("p95_ms") == pytest.approx(0.5)
    assert one.slope("disk_bytes") == pytest.approx(1.0)
    assert curve(10_000).slope("p95_ms") is None


def test_within_what_was_measured_it_is_read_off_the_line() -> None:
    told = curve(10_000, 1_000_000).at("p95_ms", 100_000)
    assert told.likely == pytest.approx(math.sqrt(100_000) / 50)
    assert (told.low, told.high) == pytest.approx((told.likely / SPREAD, told.likely * SPREAD))


def test_below_the_smallest_it_is_as_at_the_smallest() -> None:
    assert curve(10_000, 1_000_000).at("p95_ms", 100).likely == pytest.approx(2.0)


def test_beyond_the_largest_it_follows_the_slope_and_widens() -> None:
    one = curve(10_000, 100_000, 1_000_000)
    near, far = one.at("p95_ms", 10_000_000), one.at("p95_ms", 1_000_000_000)
    assert near.likely == pytest.approx(math.sqrt(1e7) / 50)
    assert far.likely == pytest.approx(math.sqrt(1e9) / 50)
    assert near.high / near.likely == pytest.approx(SPREAD**2)
    assert far.high / far.likely == pytest.approx(SPREAD**4)


def test_slopes_that_differ_are_the_two_ends() -> None:
    """A curve that bends upwards: of the last two points the slope is 1, of all of them less."""
    bent = replace(curve(10_000), points=tuple(point(n, p95_ms=max(1.0, n / 1e5)) for n in (10**4, 10**5, 10**6)))
    told = bent.at("p95_ms", 10_000_000)
    assert told.high == pytest.approx(100 * SPREAD**2)
    assert told.low < 100 / SPREAD**2
    assert told.low < told.likely < told.high


def test_no_search_grows_faster_than_the_items() -> None:
    """A measurement on a busy machine may say so."""
    points = point(10**4, p95_ms=1.0, build_s=1.0), point(10**5, p95_ms=50.0, build_s=50.0)
    steep = replace(curve(10_000), points=points)
    assert steep.at("p95_ms", 10**6).likely == pytest.approx(500)
    assert steep.at("build_s", 10**6).likely == pytest.approx(2500)


def test_of_one_point_it_is_known_only_that_it_grows_no_faster_than_the_items() -> None:
    told = curve(10_000).at("p95_ms", 100_000)
    assert told.low == pytest.approx(2 / SPREAD**2)
    assert told.high == pytest.approx(20 * SPREAD**2)


def test_recall_is_by_what_is_missed() -> None:
    points = tuple(point(n, recall_at_10=1 - missed) for n, missed in ((10**4, 0.005), (10**5, 0.01), (10**6, 0.02)))
    told = replace(curve(10_000), points=points).recall(10**7)
    assert told.likely == pytest.approx(0.96)
    assert told.low < told.likely < told.high < 1
    assert 0 <= replace(curve(10_000), points=points).recall(10**11).low < 0.9


def test_bytes_are_a_sum_and_a_share_of_each_item() -> None:
    assert curve(10_000, 1_000_000).bytes_each("rss_bytes") == pytest.approx((200e6, 90.0))
    assert curve(10_000).bytes_each("rss_bytes") is None
    assert curve(10_000, 20_000).bytes_each("rss_bytes") is None


def test_a_range_scales() -> None:
    assert Range(1, 2, 3).times(2).to_dict() == {"low": 2, "likely": 4, "high": 6}


def test_the_curves_that_ship_name_their_command_and_machine() -> None:
    curves, item = read_curves()
    assert {one.store for one in curves} >= {"lance", "memory"}
    for one in curves:
        assert one.command
        assert one.machine
        assert one.measured > "2026"
        assert [point.items for point in one.points] == sorted({point.items for point in one.points})
        assert all(0 < point.recall_at_10 <= 1 and point.p50_ms <= point.p95_ms for point in one.points)
    assert item["ledger_bytes"] > 0
    assert FAR > 1


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9, "curves": [], "item": {}}', '{"format": 1}'])
def test_what_holds_no_curves_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(PlanError, match=r"mine\.json holds no measured curves.*benchmarks\.curves"):
        read_curves(tmp_path / "mine.json")


def test_a_curve_without_points_is_none(tmp_path: Path) -> None:
    texts = {name: "x" for name in ("store", "index", "measured", "command", "machine")}
    record = {
        "format": 1,
        "item": {"ledger_bytes": 1, "encoded_per_s": 1},
        "curves": [{**texts, "dim": 8, "points": []}],
    }
    (tmp_path / "mine.json").write_text(json.dumps(record))
    with pytest.raises(PlanError, match="x x has no points"):
        read_curves(tmp_path / "mine.json")
