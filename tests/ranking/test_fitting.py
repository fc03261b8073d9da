from __future__ import annotations

import numpy as np

from bouba.ranking.calibration import Asked, Background, calibration_error
from bouba.ranking.fitting import Judged, asked_twice, fit_calibration, surroundings

DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def made(seed: int, noise: float, pictures: int = 300, each: int = 1) -> Judged:
    """Pictures, and queries near them, or near a centre that `each` of them share."""
    draw = np.random.default_rng(seed)
    centres = unit(draw.normal(size=(pictures // each, DIM)))
    about = np.arange(pictures) // each
    there = unit(centres[about] + noise * draw.normal(size=(pictures, DIM)))
    queries = unit(centres + noise * draw.normal(size=centres.shape))
    right = about[None, :] == np.arange(len(centres))[:, None]
    return Judged(queries, (5,) * len(queries), there, np.zeros(pictures, np.float32), right)


def test_what_is_fitted_on_some_pairs_holds_for_others() -> None:
    calibration = fit_calibration([made(0, 0.15), made(1, 0.25)])
    said, right = [], []
    for one in (made(2, 0.15), made(3, 0.25)):
        for query, scores in enumerate(one.scores(np.arange(len(one.queries)))):
            best = np.argsort(-scores)[:20]
            said.append(calibration.probabilities(scores[best], Asked(Background.of(scores), len(scores), 5)))
            right.append(one.right[query, best])
    assert calibration_error(np.concatenate(said), np.concatenate(right)) < 0.05


def test_what_has_no_answer_is_told_from_what_has_one() -> None:
    calibration = fit_calibration([made(0, 0.15)])
    with_answer, without = asked_twice(made(5, 0.15), np.random.default_rng(0))
    refused = calibration.found(with_answer) < calibration.threshold
    told = calibration.found(without) < calibration.threshold
    assert refused.mean() < 0.15
    assert told.mean() > 0.6


def test_a_set_that_says_nothing_does_not_make_clear_questions_be_refused() -> None:
    calibration = fit_calibration([made(0, 0.15), made(1, 3.0)])
    with_answer, without = asked_twice(made(5, 0.15), np.random.default_rng(0))
    assert (calibration.found(with_answer) < calibration.threshold).mean() < 0.1
    assert calibration.found(with_answer).mean() > calibration.found(without).mean() + 0.3


def test_with_a_name_its_pictures_go_with_a_caption_those_of_like_captions_too() -> None:
    named = made(0, 0.1, each=10)
    assert surroundings(named, 3).tolist() == named.right[3].tolist()
    captions = made(0, 0.1)
    captions.queries[7] = captions.queries[3]  # the same words about another picture
    gone = surroundings(captions, 3)
    assert gone[[3, 7]].all()
    assert 20 <= gone.sum() <= 40  # a tenth of 300


def test_a_picture_that_asks_never_finds_itself() -> None:
    one = made(0, 0.1, each=10)
    asks = Judged(one.pictures, (0,) * 300, one.pictures, one.bias, one.right[np.arange(300) // 10], tuple(range(300)))
    assert np.isneginf(np.diag(asks.scores(np.arange(300)))).all()
    calibration = fit_calibration([asks])
    assert np.isfinite(calibration.match.weights).all()
    assert np.isfinite(calibration.found.weights).all()


def test_where_every_picture_is_right_nothing_is_ever_refused() -> None:
    one = made(0, 0.1, pictures=10, each=10)
    calibration = fit_calibration([one])
    assert calibration.confidence(np.array([-1.0]), Asked(Background(0, 1), 10, 1)) >= calibration.threshold
