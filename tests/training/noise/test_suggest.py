from __future__ import annotations

import numpy as np
import pytest
from made_pairs import Made, made_pairs

from bouba.training.noise import score_pairs
from bouba.training.noise.suggest import suggest_texts


def _own(made: Made) -> tuple[float, float]:
    """Share of the suspects that get a suggestion, and of suggestions that are texts of the picture."""
    captions = len(made.pairs) // len(made.pairs.images)
    scores = score_pairs(made.pairs)
    suspects = np.flatnonzero(scores.p_right < 0.5)
    found = suggest_texts(made.pairs, scores, suspects)
    some = found >= 0
    pictures = made.pairs.image[suspects]
    assert not made.pairs.linked(pictures[some], found[some]).any()  # never one that stands there already
    return some.mean(), float((found[some] // captions == pictures[some]).mean())


@pytest.mark.parametrize("captions", [1, 4])
def test_suggests_texts_of_the_picture(captions: int) -> None:
    suggested, own = _own(made_pairs(pictures=400 // captions, captions=captions, share=0.2))
    assert suggested > 0.5  # of the right texts a quarter is below the bar
    assert own > 0.9


def test_the_other_texts_of_a_picture_help() -> None:
    """Where a picture hardly says which text is its own."""
    beside = made_pairs(pictures=200, captions=4, share=0.2, blur=2.5)
    alone = made_pairs(pictures=800, captions=1, share=0.2, blur=2.5)
    assert _own(beside)[1] > 1.4 * _own(alone)[1]
