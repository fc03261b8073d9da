from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bouba.evaluation import uncertainty
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval, compare, contrast, sentence

DRAWS = 1000  # of samples, in the simulations of coverage


def covered(samples: list[tuple[np.ndarray, np.ndarray | None]], statistic: str, truth: float) -> float:
    """Share of the samples whose 95 % interval holds the truth."""
    intervals = [
        bootstrap_interval(values, statistic, draws=500, seed=seed, groups=groups)  # type: ignore[arg-type]
        for seed, (values, groups) in enumerate(samples)
    ]
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def test_intervals_of_means_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    chance = 0.2
    truth = -chance * np.log(chance) / (1 - chance)  # the mean of 1 / rank where ranks are geometric
    samples = [(1 / rng.geometric(chance, 200), None) for _ in range(DRAWS)]
    assert 0.93 <= covered(samples, "mean", truth) <= 0.97


def test_intervals_of_medians_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    samples = [(rng.exponential(100, 201), None) for _ in range(DRAWS)]
    assert 0.93 <= covered(samples, "median", 100 * np.log(2)) <= 0.97


def captions_of_pictures(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hits of 200 pictures with 1 to 5 captions each; some pictures are easy and some are hard."""
    pictures = np.repeat(np.arange(200), rng.integers(1, 6, 200))
    return (rng.random(len(pictures)) < rng.beta(0.6, 0.4, 200)[pictures]).astype(float), pictures


def test_intervals_by_groups_cover_the_truth_where_plain_ones_do_not() -> None:
    rng = np.random.default_rng(2)
    samples = [captions_of_pictures(rng) for _ in range(DRAWS)]
    assert 0.93 <= covered(samples, "mean", 0.6) <= 0.97
    assert covered([(values, None) for values, _ in samples], "mean", 0.6) < 0.9


@pytest.mark.parametrize("values", [np.arange(40.0), np.repeat([0.0, 1.0, 5.0], [7, 20, 14])])
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_interval_is_that_of_plain_resampling(values: np.ndarray, statistic: str) -> None:
    drawn = np.random.default_rng(5).choice(values, (20_000, len(values)))
    edges = np.quantile(getattr(np, statistic)(drawn, axis=1), [0.05, 0.95])
    interval = bootstrap_interval(values, statistic, level=0.9, draws=20_000)  # type: ignore[arg-type]
    assert interval.value == getattr(np, statistic)(values)
    assert [interval.low, interval.high] == pytest.approx(edges, abs=0.15)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_groups_of_one_are_plain_resampling(statistic: str) -> None:
    values = np.random.default_rng(6).random(150)
    plain = bootstrap_interval(values, statistic, draws=4000)  # type: ignore[arg-type]
    grouped = bootstrap_interval(values, statistic, draws=4000, groups=np.arange(150)[::-1])  # type: ignore[arg-type]
    assert [grouped.low, grouped.high] == pytest.approx([plain.low, plain.high], abs=0.01)


def test_repeating_every_query_in_its_group_adds_no_certainty() -> None:
    values = np.random.default_rng(7).random(100)
    once = bootstrap_interval(values, draws=4000)
    fivefold = bootstrap_interval(np.repeat(values, 5), draws=4000, groups=np.repeat(np.arange(100), 5))
    assert fivefold.high - fivefold.low == pytest.approx(once.high - once.low, rel=0.05)


def test_the_seed_settles_the_interval_and_the_size_of_chunks_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(8).random(50)
    first = bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) == first
    assert bootstrap_interval(values, seed=4) != first
    monkeypatch.setattr(uncertainty, "CHUNK_CELLS", 120)
    sizes = [len(counts) for counts in uncertainty._resampled(np.ones(50, np.int64), 5, 50, np.random.default_rng())]
    assert sizes == [2, 2, 1]


def test_one_query_gives_a_point() -> None:
    assert bootstrap_interval(np.array([0.25])) == Interval(0.25, 0.25, 0.25)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one query"):
        bootstrap_interval(np.empty(0))
    with pytest.raises(ValueError, match="figure of query 1 is NaN"):
        bootstrap_interval(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match=r"groups \(2,\) and figures \(3,\)"):
        bootstrap_interval(np.zeros(3), groups=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="level is 95"):
        bootstrap_interval(np.zeros(3), level=95)
    with pytest.raises(ValueError, match="draws is 0"):
        bootstrap_interval(np.zeros(3), draws=0)
    with pytest.raises(ValueError, match="for the same queries"):
        compare(np.zeros(3), np.zeros(2))


def test_the_p_value_is_that_of_all_flips() -> None:
    a, b = np.array([0.9, 0.8, 0.3, 0.7, 0.6, 0.5]), np.array([0.4, 0.9, 0.1, 0.2, 0.5, 0.3])
    sums = [abs(np.dot(signs, a - b)) for signs in product([-1, 1], repeat=6)]
    exact = np.mean([total >= abs((a - b).sum()) - 1e-12 for total in sums])
    difference, p_value = compare(a, b, draws=20_000)
    assert difference.value == pytest.approx((a - b).mean())
    assert p_value == pytest.approx(exact, abs=0.01)


def test_models_that_are_alike_are_found_different_one_time_in_twenty() -> None:
    rng = np.random.default_rng(9)
    pictures = np.repeat(np.arange(60), 5)
    p_values = []
    for seed in range(400):
        shared = rng.normal(size=(2, 60))[:, pictures]  # a picture helps or hurts all of its captions
        a, b = shared + 0.5 * rng.normal(size=(2, 300))
        p_values.append(compare(a, b, groups=pictures, draws=300, seed=seed)[1])
    # 5 % of 400, give or take 3 standard deviations of 1.1 %.
    assert abs(np.mean(np.array(p_values) < 0.05) - 0.05) < 0.033


def test_equal_models_have_p_one_and_unequal_ones_the_least_there_is() -> None:
    a = np.random.default_rng(10).random(200)
    assert compare(a, a) == (Interval(0, 0, 0), 1.0)
    difference, p_value = compare(a + 0.1, a, draws=999)
    assert difference.low == pytest.approx(0.1)
    assert p_value == 0.001


def test_the_sentence_names_the_better_one() -> None:
    difference = Interval(-0.018, -0.027, -0.009)
    words = "B is better by 1.8 points of hit_rate@10 (95 % interval 0.9 to 2.7)."
    assert sentence("hit_rate@10", "A", "B", difference, 0.001) == words
    assert sentence("mAP", "A", "B", Interval(0.02, 0.01, 0.03), 0.001).startswith("A is better by 2.0 points of mAP")


def test_the_contrast_says_which_way_is_worse() -> None:
    words = "Speech is worse than the written captions by 2.1 points of hit_rate@10 (95 % interval 0.3 to 4.0)."
    asked = ("hit_rate@10", "speech", "the written captions")
    assert contrast(*asked, Interval(-0.021, -0.04, -0.003), 0.01) == words
    assert " is better than " in contrast(*asked, Interval(0.021, 0.003, 0.04), 0.01)
    assert contrast(*asked, Interval(-0.021, -0.04, 0.003), 0.2).startswith(
        "No difference could be shown: speech minus"
    )


@pytest.mark.parametrize(
    ("difference", "p"), [(Interval(0.004, -0.006, 0.014), 0.01), (Interval(0.004, 0.001, 0.01), 0.2)]
)
def test_the_sentence_claims_nothing_that_was_not_shown(difference: Interval, p: float) -> None:
    words = sentence("MRR", "A", "B", difference, p)
    assert words.startswith("No difference could be shown: A minus B is 0.4 points of MRR (95 % interval ")
    assert words.endswith(f"p = {p}).")


def test_a_median_has_no_sentence() -> None:
    with pytest.raises(ValueError, match="median_rank"):
        sentence("median_rank", "A", "B", Interval(1, 0.5, 2), 0.01)
