"""What is recommended, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bouba.errors import PlanError
from bouba.plan import Wish, plan
from bouba.plan.engines import ENGINES, stored_length
from bouba.plan.machines import HOURS, cheapest, read_prices
from bouba.plan.report import milliseconds, plan_text, size
from bouba.ranking.hubness import row_length

Measured = Callable[..., Path]


def test_what_was_measured_and_is_sure_is_recommended(curves: Measured) -> None:
    made = plan(Wish(1_000_000, p95_ms=50), curves=curves("c.json"))
    assert made.best is not None
    assert made.best.name == "lance IVF_RQ"
    assert made.best.meets(made.wish)
    assert made.best.memory_bytes.likely == pytest.approx(3e8)
    assert made.best.disk_bytes.likely == pytest.approx(2.4e9)
    assert made.encoding_days == pytest.approx(1e4 / 86_400)


def test_beyond_what_was_measured_published_figures_win_over_a_guess(curves: Measured) -> None:
    made = plan(Wish(1_000_000_000, p95_ms=50), curves=curves("c.json"))
    assert made.best is not None
    assert made.best.name == "milvus DISKANN"
    assert "published" in made.best.basis
    assert "+ cluster" in made.best.machines
    (lance,) = (option for option in made.options if option.name == "lance IVF_RQ")
    assert any("1,000 times as many" in note for note in lance.notes)


def test_what_likely_does_it_is_said_to_be_likely(curves: Measured) -> None:
    made = plan(Wish(1_000_000, p95_ms=2.2), curves=curves("c.json", p95_ms=2.0))
    assert made.best is not None
    assert not made.best.meets(made.wish)
    assert "That is likely, not sure." in plan_text(made)


def test_where_nothing_will_do_nothing_is_recommended(curves: Measured) -> None:
    made = plan(Wish(1_000_000, p95_ms=0.5, recall=0.999), curves=curves("c.json"))
    assert made.best is None
    assert "Nothing here is likely to do that" in plan_text(made)
    assert made.to_dict()["recommended"] is None


def test_fewer_dimensions_take_less(curves: Measured) -> None:
    file = curves("c.json")
    whole, small = (plan(Wish(10_000_000, dims=dims), curves=file) for dims in (512, 128))
    for one, other in zip(whole.options, small.options, strict=True):
        if one.memory_bytes.likely:
            assert other.memory_bytes.likely < one.memory_bytes.likely
    assert next(o.year or 0 for o in small.options if "performance" in o.name) == pytest.approx(
        10 * 65 * 12 * 1.5 / 7.5
    )


def test_an_index_that_was_not_measured_has_no_latency() -> None:
    """And is not recommended, however cheap."""
    made = plan(Wish(1_000_000, p95_ms=1e9, recall=0.01))
    unknown = [option for option in made.options if option.p95_ms is None]
    assert not any(option.meets(made.wish) for option in unknown)


def test_memory_alone_keeps_nothing_and_is_not_recommended(curves: Measured) -> None:
    made = plan(Wish(1000, p95_ms=1e9, recall=0.01), curves=curves("c.json", largest=10_000))
    assert made.best is not None
    assert made.best.durable


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"items": 0}, "0 items cannot be planned"),
        ({"items": 10**12}, "1 to 100,000,000,000"),
        ({"items": 1, "recall": 1.5}, "recall 1.5 is none"),
        ({"items": 1, "p95_ms": 0}, "p95 0 ms"),
        ({"items": 1, "dims": 4}, "4 dimensions"),
    ],
)
def test_a_wish_that_makes_no_sense(wish: dict[str, float], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        Wish(**wish)  # type: ignore[arg-type]


@pytest.mark.parametrize("dims", [64, 128, 256, 512, 768])
def test_rows_are_as_long_as_galleries_make_them(dims: int) -> None:
    assert stored_length(dims) == row_length(dims)


def test_bytes_of_a_vector_by_index() -> None:
    each = {engine.name: (engine.memory(520), engine.disk(520)) for engine in ENGINES}
    assert each["memory exact"][0] > 4 * 520
    assert each["lance IVF_RQ"][0] == 520 / 2 + 24
    assert each["milvus HNSW"][0] == 4 * 520 + 192 + 300
    assert each["milvus IVF_SQ8"][0] < each["milvus HNSW"][0] / 2
    assert each["milvus DISKANN"][0] < each["milvus IVF_SQ8"][0]
    assert each["milvus DISKANN"][1] == 4096 + 4 * 520 + 600  # a node of 2,308 bytes has a sector to itself


def test_the_cheapest_machine_that_holds_it() -> None:
    prices = read_prices()
    small = cheapest(prices, 4e9, 10e9, most=1)
    assert small is not None
    assert small.machine.name == "m6i.large"
    assert small.year == pytest.approx(0.096 * HOURS + 10 / 0.75 * 0.08 * 12)
    assert cheapest(prices, 2e12, 0, most=1) is None
    assert cheapest(prices, 4e9, 1e15, most=1, local_disk=True) is None
    cluster = cheapest(prices, 2e12, 0, least_gb=64)
    assert cluster is not None
    assert cluster.count * cluster.machine.memory_gb * 0.75 >= 2000


def test_what_is_read_from_disk_wants_nvme_unless_memory_holds_it() -> None:
    prices = read_prices()
    cached, read = (cheapest(prices, 1e9, disk, most=1, local_disk=True) for disk in (3e9, 300e9))
    assert cached is not None
    assert read is not None
    assert not cached.machine.disk_gb
    assert read.machine.disk_gb * 0.75 >= 300


def test_another_price_list(tmp_path: Path) -> None:
    text = (Path(plan.__code__.co_filename).parent / "prices.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace("hour = 0.096", "hour = 0.192"))
    usual, dear = (plan(Wish(10_000), prices=file).options[0].year for file in (None, tmp_path / "mine.toml"))
    assert usual is not None
    assert dear is not None
    assert dear > usual
    (tmp_path / "bad.toml").write_text("date = 1\n")
    with pytest.raises(PlanError, match=r"bad\.toml is no price list"):
        plan(Wish(10_000), prices=tmp_path / "bad.toml")


def test_the_price_list_says_when_and_where() -> None:
    prices = read_prices()
    assert prices.date > "2026"
    assert "https://" in prices.source
    assert all(one.source.startswith("https://") for one in prices.managed)


def test_a_managed_cluster_has_an_end() -> None:
    made = plan(Wish(1_000_000_000))
    (performance,) = (option for option in made.options if option.name == "Zilliz Cloud performance")
    assert performance.machines == "445 units"
    assert performance.year is None
    assert performance.notes == ("445 units; a cluster can have 256.",)


@pytest.mark.parametrize(
    ("count", "said"), [(12, "12 B"), (2400, "2.4 kB"), (3.2e8, "320 MB"), (5e9, "5 GB"), (1.25e12, "1.25 TB")]
)
def test_sizes_have_units(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(("value", "said"), [(2.34, "2.3 ms"), (23.4, "23 ms"), (234, "234 ms"), (2340, "2.34 s")])
def test_times_have_units(value: float, said: str) -> None:
    assert milliseconds(value) == said
