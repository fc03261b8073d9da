"""What an evaluation found, as values: everything that the table, `metrics.json` and the HTML report show."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its bootstrap interval over queries. Shares lie in [0, 1]; ranks count from 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One item in a query's answer."""

    item: str  # path of a picture, or a text
    score: float
    relevant: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One query, the rank at which its first relevant item came, and its first answers."""

    query: str  # a text, the path of a picture, or a recording's name and what was heard
    rank: int
    wanted: str  # its first relevant item
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """An item that turns up in the first ten of many queries."""

    item: str
    count: int  # queries that have it in their first ten
    expected: float  # how many would, if answers were spread evenly


@dataclass(frozen=True, slots=True)
class Slice:
    """The same queries in another form: with typos, in another language, cropped, ..."""

    name: str  # "typos"
    group: str  # "text", "subset", "prompt", "language", "picture", "sound"
    about: str  # one line: what was done to the queries, with its numbers
    queries: int
    metrics: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B on the same queries of one direction: two models, or two ways of asking."""

    metric: str
    other: str  # B: a model's name, or "the written captions"
    difference: Interval  # A minus B
    p_value: float  # paired permutation test
    sentence: str  # plain words


@dataclass(frozen=True, slots=True)
class Heard:
    """What the recordings of a direction were taken for, and how well their words were recognised."""

    speech: int
    sound: int
    both: int
    nothing: int  # no words were recognised where only words count: these find nothing
    word_error_rate: float | None = None  # errors in all transcripts per word in all texts; may be above 1
    words: int = 0  # in those texts


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of asking: `text_to_image`, `image_to_text`, `audio_to_image`."""

    name: str
    queries: int
    items: int
    metrics: dict[str, Interval]  # "hit_rate@1", "recall@10", "mAP", "mAP@R", "nDCG@10", "MRR", "median_rank", ...
    hit_curve: tuple[tuple[int, float], ...]  # (k, hit_rate@k)
    slices: tuple[Slice, ...] = ()
    best: tuple[Example, ...] = ()
    worst: tuple[Example, ...] = ()
    hubs: tuple[Hub, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    heard: Heard | None = None  # where recordings ask


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything about one model on one set of pairs."""

    model: str  # "bouba-base 1.0.0"
    fingerprint: str
    data: str  # the file
    split: str | None
    seed: int
    directions: tuple[Direction, ...]
    seconds: float
    notes: tuple[str, ...] = field(default_factory=tuple)  # rows left out and why, what a slice could not have

    def to_dict(self) -> dict[str, Any]:
        """`{"text_to_image": {"hit_rate@1": ..., "intervals": {"hit_rate@1": [low, high]}, "slices": {...}}, ...}`."""
        head = {"model": self.model, "fingerprint": self.fingerprint, "data": self.data, "split": self.split}
        body = {direction.name: _direction(direction) for direction in self.directions}
        return {**head, "seed": self.seed, "seconds": round(self.seconds, 1), **body, "notes": list(self.notes)}


def _direction(direction: Direction) -> dict[str, Any]:
    return {
        **_figures(direction.metrics),
        "queries": direction.queries,
        "items": direction.items,
        **({"heard": asdict(direction.heard)} if direction.heard else {}),
        "slices": {
            s.name: {"group": s.group, "about": s.about, "queries": s.queries, **_figures(s.metrics)}
            for s in direction.slices
        },
        "comparisons": [
            {"metric": c.metric, "other": c.other, "difference": c.difference.value,
             "interval": [c.difference.low, c.difference.high], "p_value": c.p_value, "sentence": c.sentence}
            for c in direction.comparisons
        ],
    }  # fmt: skip


def _figures(metrics: dict[str, Interval]) -> dict[str, Any]:
    values = {name: interval.value for name, interval in metrics.items()}
    return {**values, "intervals": {name: [interval.low, interval.high] for name, interval in metrics.items()}}
