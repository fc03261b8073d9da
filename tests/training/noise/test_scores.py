from __future__ import annotations

import numpy as np
import pytest
from made_pairs import made_pairs, precision_recall

from bouba.errors import TrainingError
from bouba.training.noise import PairSet, estimate_trust, score_pairs
from bouba.training.noise.canonical import fit_canonical
from bouba.training.noise.evidence import mismatched


@pytest.mark.parametrize(("captions", "share"), [(1, 0.2), (3, 0.2), (3, 0.4)])
def test_finds_exchanged_pairs(captions: int, share: float) -> None:
    made = made_pairs(captions=captions, share=share)
    scores = score_pairs(made.pairs)
    precision, recall = precision_recall(scores.p_right, made.wrong)
    assert min(precision, recall) > 0.9
    assert scores.wrong.value == pytest.approx(made.wrong.mean(), abs=0.08)


@pytest.mark.parametrize("captions", [1, 3])
def test_distrusts_hardly_any_clean_pair(captions: int) -> None:
    scores = score_pairs(made_pairs(captions=captions).pairs)
    assert (scores.p_right < 0.5).mean() < 0.02
    assert scores.wrong.low < 0.02


def test_takes_pairs_that_share_nothing_for_wrong() -> None:
    rng = np.random.default_rng(0)
    images, texts = (rng.normal(size=(400, 20)).astype(np.float32) for _ in range(2))
    scores = score_pairs(PairSet(images, texts, np.stack([np.arange(400)] * 2, axis=1)))
    assert scores.wrong.value > 0.7
    assert scores.wrong.high > 0.9


def test_is_deterministic() -> None:
    made = made_pairs(pictures=100, share=0.2)
    np.testing.assert_array_equal(score_pairs(made.pairs, seed=3).p_right, score_pairs(made.pairs, seed=3).p_right)


def test_a_pair_is_not_judged_by_what_saw_it() -> None:
    """Other texts for the pictures of one fold: what that fold is judged by stays the same."""
    made = made_pairs(pictures=80, captions=1)
    before = score_pairs(made.pairs)
    own = np.flatnonzero(before.folds[made.pairs.image] == 2)
    pairs = made.pairs.pairs.copy()
    pairs[own, 1] = np.roll(pairs[own, 1], 1)
    trusted = np.ones(len(pairs))
    outside = np.setdiff1d(np.arange(len(pairs)), own)
    first, second = (
        fit_canonical(before.images, before.texts, rows[outside], trusted[outside])
        for rows in (made.pairs.pairs, pairs)
    )
    np.testing.assert_array_equal(first.image_map, second.image_map)
    after = score_pairs(PairSet(made.pairs.images, made.pairs.texts, pairs))
    assert after.odds[own].mean() < before.odds[own].mean() - 2


def test_labels_that_many_pictures_share() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(6, size=400)
    names = rng.normal(size=(6, 24)).astype(np.float32)
    images = (names[classes] @ rng.normal(size=(24, 40)) + rng.normal(size=(400, 40))).astype(np.float32)
    wrong = rng.random(400) < 0.2
    labels = np.where(wrong, (classes + rng.integers(1, 6, size=400)) % 6, classes)
    p_right = estimate_trust(images, names, np.stack([np.arange(400), labels], axis=1))
    assert min(precision_recall(p_right, wrong)) > 0.9


def test_mismatched_pairs_are_of_different_pictures() -> None:
    made = made_pairs(pictures=30, captions=4)
    rows = np.arange(60)
    picture_of, text_of = mismatched(made.pairs, rows, 5, np.random.default_rng(0))
    assert len(picture_of) == 300
    assert not made.pairs.linked(made.pairs.image[picture_of], made.pairs.text[text_of]).any()


@pytest.mark.parametrize(
    ("images", "texts", "pairs", "words"),
    [
        (30, 30, [(i, i) for i in range(30)], "30 pairs are too few"),
        (3, 60, [(i % 3, i) for i in range(60)], "of 3 pictures and 60 texts"),
        (60, 1, [(i, 0) for i in range(60)], "of 60 pictures and 1 texts"),
        (20, 2, [(i, t) for i in range(20) for t in range(2)], "Every picture stands with every text"),
    ],
)
def test_refuses_what_cannot_be_judged(images: int, texts: int, pairs: list[tuple[int, int]], words: str) -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(n, 8)).astype(np.float32) for n in (images, texts))
    with pytest.raises(TrainingError, match=words):
        estimate_trust(*features, np.array(pairs))


def test_refuses_features_that_are_not_finite() -> None:
    made = made_pairs(pictures=40)
    made.pairs.images[7, 0] = np.nan
    with pytest.raises(TrainingError, match="picture 7"):
        PairSet(made.pairs.images, made.pairs.texts, made.pairs.pairs)
