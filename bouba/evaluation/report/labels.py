"""Metrics, figures and names in the words and digits that a reader sees, the same in the table and on the page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping

from bouba.evaluation.results import Direction, Heard, Interval

# Most telling first.
_HEADLINE = ("hit_rate@1", "hit_rate@5", "hit_rate@10", "accuracy@1", "accuracy@5", "mAP", "median_rank")
_MAIN = (*_HEADLINE[:6], "mAP@R", "nDCG@10", "MRR", "median_rank")
_REFERENCE = ("hit_rate@10", "accuracy@1", "recall@10", "mAP")

_JOINERS = "\u200c\u200d\u200e\u200f"

_MEANINGS: Mapping[str, str] = {
    "hit_rate": "queries with a right answer among the first {k}; CLIP papers call it recall@{k}",
    "recall": "of all right answers, the share among the first {k}",
    "precision": "of the first {k} answers, the share that is right",
    "accuracy": "queries whose class is among the first {k}",
    "mAP": "precision at every right answer, averaged over the query and then over queries",
    "mAP@R": "mAP cut after as many answers as are right, as ECCV Caption has it",
    "R_precision": "share that is right of as many answers as there are right ones",
    "nDCG": "gain of the answers, less the later they come, against the best order",
    "MRR": "one over the rank of the first right answer, averaged",
    "median_rank": "rank of the first right answer in the middle query; 1 is best",
    "mean_rank": "rank of the first right answer, averaged; 1 is best",
}


def meaning(metric: str) -> str:
    """One line on what a metric says, empty for one that is not known here."""
    family, _, k = metric.partition("@")
    return _MEANINGS.get(metric, _MEANINGS.get(family, "")).format(k=k or "k")


def headline_metrics(metrics: Mapping[str, Interval]) -> list[str]:
    return _present(_HEADLINE, metrics)[:5]


def main_metrics(metrics: Mapping[str, Interval]) -> list[str]:
    return _present(_MAIN, metrics)


def reference_metric(direction: Direction) -> str | None:
    """The metric by which slices are set against the whole: the first of the usual ones that both have."""
    shared = [name for name in direction.metrics if all(name in s.metrics for s in direction.slices)]
    found = [name for name in _REFERENCE if name in shared] or [name for name in shared if not is_rank(name)]
    return next(iter(found + shared), None)


def _present(preferred: Iterable[str], metrics: Mapping[str, Interval]) -> list[str]:
    return [name for name in preferred if name in metrics] or list(metrics)


def is_rank(metric: str) -> bool:
    return metric.endswith("rank")


def figure(metric: str, value: float) -> str:
    """A share in percent with one decimal ("61.2"), a rank as it is ("4", "4.5"), "–" for what has no value."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.1f}".removesuffix(".0") if is_rank(metric) else f"{100 * value:.1f}"


def interval(metric: str, found: Interval) -> str:
    return f"{figure(metric, found.low)} to {figure(metric, found.high)}"


def change(metric: str, value: float, whole: float) -> str:
    """What a slice gains or loses against the whole: "-6.1" points or ranks."""
    # Between the figures as shown, so that a reader who subtracts finds the same.
    difference = _shown(metric, value) - _shown(metric, whole)
    if not math.isfinite(difference):
        return "–"
    return "0.0" if abs(difference) < 0.05 else f"{difference:+.1f}"


def _shown(metric: str, value: float) -> float:
    return round(value if is_rank(metric) else 100 * value, 1)


def is_worse(metric: str, found: Interval, whole: float) -> bool:
    """Whether a slice's whole interval lies on the bad side of the whole."""
    return found.low > whole if is_rank(metric) else found.high < whole


def spoken(direction: str) -> str:
    """`text_to_image` as a heading: "Text to image"."""
    return capitalised(direction.replace("_", " "))


def heard_in_words(heard: Heard) -> str:
    """What recordings were taken for: "taken for speech: 110, a sound: 3; word error rate 12.3 % of 1,204 words"."""
    counts = (("speech", heard.speech), ("a sound", heard.sound), ("both", heard.both), ("no words", heard.nothing))
    text = "taken for " + ", ".join(f"{name}: {count:,}" for name, count in counts if count)
    if heard.word_error_rate is None:
        return text
    return f"{text}; word error rate {100 * heard.word_error_rate:.1f} % of {heard.words:,} words"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]  # str.capitalize would also lower the rest: "JPEG"


def plain(text: str) -> str:
    """Safe to print and to encode: control characters and lone surrogates are spelt out."""
    return text if text.isprintable() else "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character.isspace():
        return " "
    # Joiners and marks of direction carry meaning in several scripts; overrides of direction can only mislead.
    return character if character.isprintable() or character in _JOINERS else ascii(character)[1:-1]


def escape(text: str) -> str:
    """For element content and quoted attributes."""
    return html.escape(plain(text), quote=True)
