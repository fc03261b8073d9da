from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from bouba.evaluation.metrics import (
    METRICS,
    average_precision,
    average_precision_at_k,
    average_precision_at_r,
    first_rank,
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    reciprocal_rank,
    summary,
)
from bouba.evaluation.ranks import Ranks, Relevance, rank_scores, rank_vectors

# Query 0: relevant at ranks 2 and 3 of 4. Query 1: relevant at rank 4.
SCORES = np.array([[0.9, 0.5, 0.7, 0.1], [0.2, 0.8, 0.3, 0.4]])
RELEVANT = np.array([[False, True, True, False], [True, False, False, False]])


@pytest.fixture
def ranks() -> Ranks:
    return rank_scores(SCORES, Relevance.of_matrix(RELEVANT))


@pytest.mark.parametrize(("k", "rates"), [(1, [0, 0]), (2, [1, 0]), (3, [1, 0]), (4, [1, 1]), (9, [1, 1])])
def test_hit_rate(ranks: Ranks, k: int, rates: list[float]) -> None:
    assert hit_rate_at_k(ranks, k).tolist() == rates


@pytest.mark.parametrize(("k", "shares"), [(1, [0, 0]), (2, [0.5, 0]), (3, [1, 0]), (4, [1, 1])])
def test_recall(ranks: Ranks, k: int, shares: list[float]) -> None:
    assert recall_at_k(ranks, k).tolist() == shares


@pytest.mark.parametrize(("k", "shares"), [(1, [0, 0]), (2, [1 / 2, 0]), (4, [2 / 4, 1 / 4]), (8, [2 / 8, 1 / 8])])
def test_precision(ranks: Ranks, k: int, shares: list[float]) -> None:
    assert precision_at_k(ranks, k).tolist() == shares


def test_average_precision(ranks: Ranks) -> None:
    assert average_precision(ranks) == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 4])


@pytest.mark.parametrize(("k", "expected"), [(1, 0), (2, (1 / 2) / 2), (3, (1 / 2 + 2 / 3) / 2)])
def test_average_precision_at_k(ranks: Ranks, k: int, expected: float) -> None:
    assert average_precision_at_k(ranks, k)[0] == pytest.approx(expected)


def test_a_perfect_order_has_average_precision_one_at_any_k() -> None:
    perfect = rank_scores(np.array([[4.0, 3.0, 2.0, 1.0]]), Relevance.of_lists([[0, 1, 2]], 4))
    assert [average_precision_at_k(perfect, k)[0] for k in (1, 2, 3, 4)] == pytest.approx([1, 1, 1, 1])


def test_average_precision_and_precision_at_r(ranks: Ranks) -> None:
    # Query 0 has R = 2: rank 2 counts with 1/2, rank 3 is beyond. Query 1 has R = 1.
    assert average_precision_at_r(ranks).tolist() == [(1 / 2) / 2, 0]
    assert r_precision(ranks).tolist() == [1 / 2, 0]


def test_ndcg_weighs_the_grades() -> None:
    # Shown: grade 1, nothing, grade 3. Best: grade 3, grade 1.
    graded = rank_scores(np.array([[3.0, 2.0, 1.0]]), Relevance.of_matrix(np.array([[1, 0, 3]])))
    best = 3 / np.log2(2) + 1 / np.log2(3)
    assert ndcg_at_k(graded, 10) == pytest.approx([(1 / np.log2(2) + 3 / np.log2(4)) / best])
    assert ndcg_at_k(graded, 2) == pytest.approx([(1 / np.log2(2)) / best])
    assert ndcg_at_k(graded, 1) == pytest.approx([1 / 3])


def test_first_rank_and_its_reciprocal(ranks: Ranks) -> None:
    assert first_rank(ranks).tolist() == [2, 4]
    assert reciprocal_rank(ranks).tolist() == [1 / 2, 1 / 4]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_ties_go_against_the_system(place: int) -> None:
    alike = rank_scores(np.zeros((1, 3)), Relevance.of_lists([[place]], 3))
    assert hit_rate_at_k(alike, 2).tolist() == [0]
    assert average_precision(alike) == pytest.approx([1 / 3])


def test_summary_is_the_mean_and_for_ranks_the_median(ranks: Ranks) -> None:
    figures = summary(ranks)
    assert list(figures) == list(METRICS)
    assert figures["MRR"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert figures["median_rank"] == 3.0
    assert summary(ranks, ["mAP@R"]) == {"mAP@R": pytest.approx(1 / 8)}


def test_summary_refuses_unknown_names_and_no_queries(ranks: Ranks) -> None:
    with pytest.raises(ValueError, match="no metric is called 'recall@7'"):
        summary(ranks, ["recall@7"])
    with pytest.raises(ValueError, match="no queries"):
        summary(rank_scores(np.empty((0, 3)), Relevance.of_lists([], 3)))


@pytest.mark.parametrize("name", METRICS)
def test_a_query_without_relevant_items_is_refused_by_number(name: str) -> None:
    unanswerable = rank_scores(SCORES, Relevance.of_lists([[0], []], 4))
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        METRICS[name](unanswerable)


def test_k_counts_from_one(ranks: Ranks) -> None:
    for metric in (hit_rate_at_k, recall_at_k, precision_at_k, average_precision_at_k, ndcg_at_k):
        with pytest.raises(ValueError, match="k is 0"):
            metric(ranks, 0)


ORACLE = {
    "map": "mAP",
    "Rprec": "R-precision",
    "recip_rank": "MRR",
    "P_10": "precision@10",
    "recall_10": "recall@10",
    "ndcg_cut_10": "nDCG@10",
    "success_1": "hit_rate@1",
    "success_5": "hit_rate@5",
    "success_10": "hit_rate@10",
}


def judged_by_trec_eval(scores: np.ndarray, grades: np.ndarray) -> dict[str, float]:
    """trec_eval breaks ties by document name, backwards; these names have it go against the system, as we do."""
    names = [f"{chr(ord('z') - grade)}{item}" for item, grade in enumerate(grades.tolist())]
    cut = ",".join(map(str, range(1, len(names) + 1)))
    measures = {"map", "Rprec", "recip_rank", "P.10", "recall.10", "ndcg_cut.10", "success", f"map_cut.{cut}"}
    qrel = {"q": dict(zip(names, grades.tolist(), strict=True))}
    run = {"q": dict(zip(names, scores.tolist(), strict=True))}
    return dict(pytrec_eval.RelevanceEvaluator(qrel, measures).evaluate(run)["q"])


@pytest.mark.parametrize("ties", [False, True])
def test_the_figures_are_those_of_trec_eval_in_1000_random_cases(ties: bool) -> None:
    rng = np.random.default_rng(7 + ties)
    for _ in range(1000):
        width = int(rng.integers(1, 60))
        scores = rng.integers(0, 6, width).astype(float) if ties else rng.permutation(width).astype(float)
        grades = rng.integers(1, 5, width) * (rng.random(width) < rng.random())
        grades[rng.integers(width)] = 2  # something is relevant
        oracle = judged_by_trec_eval(scores, grades)
        ours = {k: v[0] for k, v in all_metrics(rank_scores(scores[None], Relevance.of_matrix(grades[None]))).items()}
        relevant = int((grades > 0).sum())
        theirs = {ours_: oracle[theirs_] for theirs_, ours_ in ORACLE.items()}
        theirs["mAP@R"] = oracle[f"map_cut_{relevant}"]
        # map_cut divides by R where mAP@k divides by min(R, k).
        theirs["mAP@10"] = oracle[f"map_cut_{min(10, width)}"] * relevant / min(relevant, 10)
        theirs["median_rank"] = 1 / oracle["recip_rank"]
        assert theirs.keys() == ours.keys()
        assert ours == pytest.approx(theirs, abs=1e-12), (scores, grades)


def all_metrics(ranks: Ranks) -> dict[str, np.ndarray]:
    return {name: metric(ranks) for name, metric in METRICS.items()}


def test_the_retrieval_protocol_of_clip_benchmark_by_hand() -> None:
    """Five captions a picture; recall@k there is `(positives among the first k) > 0`, averaged over queries."""
    # Rows: pictures A, B. Columns: captions A1..A5, B1..B5.
    scores = np.array(
        [
            [0.90, 0.20, 0.30, 0.40, 0.50, 0.10, 0.60, 0.70, 0.05, 0.00],
            [0.80, 0.25, 0.10, 0.45, 0.95, 0.15, 0.55, 0.75, 0.85, 0.02],
        ]
    )
    pairs = Relevance.of_lists([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], 10)
    # Text to image, does the own picture score higher? A1 yes, A2 no, A3 yes, A4 no, A5 no,
    # B1 yes, B2 no, B3 yes, B4 yes, B5 yes: 6 of 10 at 1, all at 2.
    to_image = rank_scores(scores.T, pairs.transposed())
    assert hit_rate_at_k(to_image, 1).tolist() == [1, 0, 1, 0, 0, 1, 0, 1, 1, 1]
    assert summary(to_image, ["hit_rate@1", "hit_rate@5"]) == {"hit_rate@1": 0.6, "hit_rate@5": 1.0}
    # Image to text: A's best is A1: hit at 1. B is shown A5 0.95, B4 0.85, ...: missed at 1, hit at 2.
    to_text = rank_scores(scores, pairs)
    assert hit_rate_at_k(to_text, 1).tolist() == [1, 0]
    assert hit_rate_at_k(to_text, 2).tolist() == [1, 1]
    # What IR calls recall@5 is another number. A shows A1 B3 B2 A5 A4: 3 of 5. B shows A5 B4 A1 B3 B2: 3 of 5.
    assert recall_at_k(to_text, 5).tolist() == [3 / 5, 3 / 5]


def test_a_shuffled_model_scores_at_chance() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((2000, 32)).astype(np.float32)
    own = Relevance.of_lists([[item] for item in range(2000)], 2000)
    assert summary(rank_vectors(_unit(vectors), _unit(vectors), own))["MRR"] == 1.0
    shuffled = summary(rank_vectors(_unit(vectors), _unit(rng.permutation(vectors)), own))
    # Chance is 10 of 2000 for hit_rate@10: 10 hits of 2000 queries, give or take 3 standard deviations of 3.2.
    assert abs(shuffled["hit_rate@10"] - 0.005) < 3 * 0.0016
    # The first rank is uniform over 1 to 2000: its median is 1000, give or take 3 times 2000 / (2 sqrt(2000)).
    assert abs(shuffled["median_rank"] - 1000.5) < 3 * 22.4


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
