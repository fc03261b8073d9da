"""Queries as people really give them: the same question with typos, in capitals, cropped, blurred, ...

Each change draws from a generator of its own, seeded by seed and query number, so what happens to a query does not
depend on its neighbours. Pillow is enough for the pictures: albumentations and imgaug bring OpenCV (and SciPy) along,
60 MB and more, for changes that are one to ten lines here. To add one: a function, and a line in a table below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from bouba.evaluation.perturb import picture, sound, text, words
from bouba.media.audio import RATE
from bouba.media.loudness import normalise_loudness

if TYPE_CHECKING:
    from bouba.types import Samples


def query_rng(seed: int, index: int) -> np.random.Generator:
    """The generator of one query."""
    return np.random.default_rng((seed, index))


@dataclass(frozen=True, slots=True)
class TextSlice:
    """All text queries, changed."""

    name: str
    about: str  # one line: what is done, with its numbers
    change: Callable[[str, np.random.Generator], str]
    group: Literal["text"] = "text"

    def apply(self, texts: Sequence[str], seed: int = 0) -> list[str]:
        """The changed texts; one that nothing would be left of stays as it is."""
        changed = (self.change(t, query_rng(seed, i)) for i, t in enumerate(texts))
        return [new if new.strip() else old for new, old in zip(changed, texts, strict=True)]


@dataclass(frozen=True, slots=True)
class TextSubset:
    """The text queries that have something in common, unchanged."""

    name: str
    about: str
    holds: Callable[[str], bool]
    group: Literal["subset"] = "subset"

    def select(self, texts: Sequence[str]) -> list[int]:
        """The indices of the queries that belong."""
        return [i for i, t in enumerate(texts) if self.holds(t)]


@dataclass(frozen=True, slots=True)
class PictureSlice:
    """All picture queries, changed."""

    name: str
    about: str
    change: Callable[[Image.Image, np.random.Generator], Image.Image]
    group: Literal["picture"] = "picture"

    def apply(self, image: Image.Image, index: int, seed: int = 0) -> Image.Image:
        """The changed picture of query `index`, as RGB; the one given is left alone."""
        return self.change(image.convert("RGB"), query_rng(seed, index))


@dataclass(frozen=True, slots=True)
class SoundSlice:
    """All recordings, changed."""

    name: str
    about: str
    change: Callable[[Samples, np.random.Generator], Samples]
    group: Literal["sound"] = "sound"

    def apply(self, samples: Samples, index: int, seed: int = 0) -> Samples:
        """The changed recording of query `index`, brought to the loudness that every recording is brought to; mono
        samples [n] at 16 kHz in, as many or fewer out."""
        return normalise_loudness(self.change(samples, query_rng(seed, index)), RATE)


TEXT_SLICES = (
    TextSlice("typos", "a slip of the keyboard in 25 % of words of 4+ letters, and in at least one", text.typos),
    TextSlice("upper case", "all letters capital", text.upper_case),
    TextSlice("plain", "lower case, no punctuation", text.plain),
    TextSlice("word order", "words shuffled", text.shuffled),
    TextSlice(
        "paraphrase", f"put into one of {len(words.PHRASES)} phrases such as 'a picture showing ...'", text.paraphrased
    ),
    TextSlice("keywords", f"lower case, no punctuation, none of {len(words.STOP_WORDS)} stop words", text.keywords),
    TextSlice("long", "43 to 46 more words that say nothing about the picture, half before and half after", text.long),
    TextSlice(
        "recogniser errors",
        "lower case, no punctuation; 50 % of words with a homophone replaced, 25 % of function words dropped, "
        "5 % of words merged with the next",
        text.misheard,
    ),
)

TEXT_SUBSETS = (
    TextSubset(
        "counting", "has a number from 2 up, as a word to twelve or in digits, or pair, both, dozen", text.counts
    ),
    TextSubset("colour", f"has one of {len(words.COLOURS)} colour words", text.names_colour),
    TextSubset("negation", "has no, not, -n't, without, never, none, nobody, nothing, neither or nor", text.negates),
)

PICTURE_SLICES = (
    PictureSlice("crop", "middle 70 % of each side", picture.crop),
    PictureSlice("blur", "Gaussian, radius 2 % of the shorter side", picture.blur),
    PictureSlice("jpeg", "JPEG quality 20", picture.jpeg),
    PictureSlice("greyscale", "no colour", picture.greyscale),
    PictureSlice("rotation", "15 degrees to either side, corners filled with mid-grey", picture.rotated),
    PictureSlice(
        "screenshot", "rounded, on white, 5 % margins, light bars of 12 % above and below", picture.screenshot
    ),
    PictureSlice("small", "longer side scaled down to 64 pixels", picture.small),
)

SOUND_SLICES = (
    *(
        SoundSlice(
            f"noise {level} dB", f"white noise, signal to noise {level} dB", partial(sound.noisy, decibels=level)
        )
        for level in (20, 10, 0)
    ),
    SoundSlice("clipping", "the loudest 10 % of samples cut off", sound.clipped),
    SoundSlice("one second", "only the loudest second", sound.loudest_second),
    SoundSlice("quiet", "20 dB down in 16 bits, then brought to the loudness of all", sound.quiet),
    SoundSlice("loud", "6 dB up in 16 bits, cut off at full scale, then brought to the loudness of all", sound.loud),
    SoundSlice("telephone", "only 300 to 3,400 Hz", sound.telephone),
)

__all__ = [
    "PICTURE_SLICES",
    "SOUND_SLICES",
    "TEXT_SLICES",
    "TEXT_SUBSETS",
    "PictureSlice",
    "SoundSlice",
    "TextSlice",
    "TextSubset",
    "query_rng",
]
