from __future__ import annotations

import numpy as np
from made_pairs import made_pairs

from bouba.training.noise import rematch, score_pairs
from bouba.training.noise.suggest import suggest_texts


def test_rematch_gives_exchanged_texts_back() -> None:
    made = made_pairs(pictures=200, captions=1, share=0.3, blur=0.2)
    scores = score_pairs(made.pairs)
    space = scores.canonical[0]
    found = rematch(space.images(scores.images), space.texts(scores.texts), made.pairs.pairs, scores.p_right)
    assert found.moved.sum() > 20
    moved = found.pairs[found.moved]
    assert (moved[:, 0] == moved[:, 1]).mean() > 0.9  # text i was written for picture i
    assert (found.pairs[~found.moved] == made.pairs.pairs[~found.moved]).all()
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert not found.moved[~made.wrong & (scores.p_right >= 0.5)].any()


def test_rematch_leaves_trusted_pairs_alone() -> None:
    made = made_pairs(pictures=50)
    unit = np.eye(50, 8, dtype=np.float32)
    found = rematch(unit, np.repeat(unit, 2, axis=0), made.pairs.pairs, np.ones(100))
    assert not found.moved.any()
    assert (found.pairs == made.pairs.pairs).all()


def test_suggestions_fit_the_picture() -> None:
    made = made_pairs(pictures=300, captions=1, share=0.2, blur=0.2)
    scores = score_pairs(made.pairs)
    suspects = np.flatnonzero(scores.p_right < 0.5)
    better = suggest_texts(made.pairs, scores, suspects)
    suggested = better >= 0
    assert suggested.mean() > 0.5
    assert (better[suggested] == made.right_text[suspects][suggested]).mean() > 0.8
    assert (better != made.pairs.text[suspects]).all()
