"""Which pairs are wrong: each pair's probability of being right, from the pairs themselves.

A wrong pair looks like a picture with a text drawn from another picture, and such pairs can be made at will. So nothing
need be known of what right pairs look like: evidence (`evidence.py`) is gathered for the real and for mismatched pairs,
and how much rarer it is among the real ones says how many of those are wrong, and which (`mixture.py`). No pair is
scored by anything that was fitted to it. Arrays in, arrays out, and no torch.
"""

from bouba.training.noise.mixture import Share
from bouba.training.noise.pairs import PairSet
from bouba.training.noise.scores import Scores, score_pairs
from bouba.training.noise.trust import Rematch, estimate_trust, rematch, trust_from_losses

__all__ = [
    "PairSet",
    "Rematch",
    "Scores",
    "Share",
    "estimate_trust",
    "rematch",
    "score_pairs",
    "trust_from_losses",
]
