"""The guard against overfitting: how far to go from the old model to the new one.

WiSE-FT (Wortsman et al. 2022): the weights between a model that works and its fine-tuned version often keep what the
first knew and most of what the second learned. The share is chosen on validation pairs, yours and general ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

State = Mapping[str, Tensor]
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Blend:
    """One point between the old model (share 0) and the new one (share 1)."""

    share: float
    own: float  # the run's metric on its validation
    general: tuple[float, ...]  # and on every general set


def blended(old: State, new: State, share: float) -> dict[str, Tensor]:
    """(1 - share) x old + share x new; whole numbers are taken from the new."""
    return {
        name: old[name].lerp(tensor, share) if tensor.is_floating_point() else tensor for name, tensor in new.items()
    }


def choose(measure: Callable[[float], tuple[float, tuple[float, ...]]], max_loss: float) -> tuple[Blend, list[Blend]]:
    """The share that is best on its own set while no general set loses more than `max_loss`; and all that was tried.

    Share 0 loses nothing, so there is always an answer."""
    tried = [Blend(share, *measure(share)) for share in SHARES]
    allowed = [b for b in tried if all(g >= old - max_loss for g, old in zip(b.general, tried[0].general, strict=True))]
    return max(allowed, key=lambda blend: (blend.own, -blend.share)), tried
