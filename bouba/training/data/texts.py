"""Other forms of a text, so that what is learned does not hang on how captions are written. English only."""

from __future__ import annotations

from dataclasses import dataclass

from bouba.evaluation.perturb.text import keywords
from bouba.training.data.chance import generator


@dataclass(frozen=True, slots=True)
class TextVariety:
    """Probabilities, 0 to 1."""

    keywords: float = 0.0  # that only the words with content stay, as people type into a search box
    lower_case: float = 0.0

    @property
    def changes(self) -> bool:
        return self.keywords > 0 or self.lower_case > 0


def varied(text: str, variety: TextVariety, *, seed: int, view: int) -> str:
    """The same seed, text and view give the same form."""
    if not variety.changes:
        return text
    rng = generator(seed, f"text {text}", view)
    shortened, lowered = rng.random(2)
    if shortened < variety.keywords:
        text = keywords(text, rng) or text  # "the who" has no other words
    return text.lower() if lowered < variety.lower_case else text
