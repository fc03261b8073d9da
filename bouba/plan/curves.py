"""What was measured of each store at several sizes, and what follows for other sizes.

A measure grows like a power of the number of items: a straight line on a log-log plot. Between two sizes it is read off
that line; beyond the largest it is prolonged by the slope, and the range widens with the distance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from bouba.errors import PlanError

FORMAT = 1
SPREAD = 1.25  # of a figure within what was measured, to each side: another machine, another day
ITEM = ("ledger_bytes", "encoded_per_s")  # of every item beside its vector
STEEPEST = {"p50_ms": 1.0, "p95_ms": 1.0}  # no search takes longer than to look at everything
FAR = 10.0  # times the largest size that was measured, beyond which a figure is no more than a guess


@dataclass(frozen=True, slots=True)
class Range:
    """A figure with its uncertainty."""

    low: float
    likely: float
    high: float

    @classmethod
    def about(cls, likely: float, spread: float = SPREAD) -> Range:
        return cls(likely / spread, likely, likely * spread)

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.likely * factor, self.high * factor)

    def to_dict(self) -> dict[str, float]:
        return {"low": self.low, "likely": self.likely, "high": self.high}


@dataclass(frozen=True, slots=True)
class Point:
    """One size."""

    items: int
    build_s: float  # all items in, the index made
    disk_bytes: float
    rss_bytes: float  # of the process that serves searches
    p50_ms: float  # of the 10 nearest
    p95_ms: float
    recall_at_10: float  # against an exact search
    inserts_per_s: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One store and kind of index."""

    store: str
    index: str
    dim: int  # of the vectors; the stored rows are somewhat longer
    measured: str  # date
    command: str  # that measured it
    machine: str
    points: tuple[Point, ...]  # by size

    @property
    def largest(self) -> int:
        return self.points[-1].items

    def at(self, name: str, items: float) -> Range:
        """A measure of `Point` at another size."""
        xs = [math.log(point.items) for point in self.points]
        ys = [math.log(max(float(getattr(point, name)), 1e-9)) for point in self.points]
        x = math.log(items)
        if len(xs) == 1 or x <= xs[0]:
            beyond = max(0.0, x - xs[-1])  # of one point nothing is known but that it grows no faster than the items
            return _widened(ys[-1] if x > xs[0] else ys[0], 0.0, 1.0, beyond)
        if x <= xs[-1]:
            right = next(n for n, known in enumerate(xs) if x <= known)
            share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
            return Range.about(math.exp(ys[right - 1] + share * (ys[right] - ys[right - 1])))
        slopes = [min(one, STEEPEST.get(name, one)) for one in (slope(xs, ys), slope(xs[-2:], ys[-2:]))]
        return _widened(ys[-1], min(slopes), max(slopes), x - xs[-1])

    def bytes_each(self, name: str) -> tuple[float, float] | None:
        """Of a measure in bytes: without items, and for each. None where the points are too few or too near."""
        first, last = (float(getattr(self.points[n], name)) for n in (0, -1))
        if self.largest < 4 * self.points[0].items or last <= first:
            return None
        each = (last - first) / (self.largest - self.points[0].items)
        return max(0.0, first - each * self.points[0].items), each

    def recall(self, items: float) -> Range:
        """At another size: the share that is missed follows a power, too."""
        missed = Curve.at(self._of_missed(), "recall_at_10", items)
        return Range(*(1.0 - min(1.0, share) for share in (missed.high, missed.likely, missed.low)))

    def slope(self, name: str) -> float | None:
        """Of a measure on the log-log plot: 1 grows with the items, 0 not at all. None of a single point."""
        if len(self.points) < 2:
            return None
        xs = [math.log(point.items) for point in self.points]
        return slope(xs, [math.log(max(float(getattr(point, name)), 1e-9)) for point in self.points])

    def _of_missed(self) -> Curve:
        points = (replace(point, recall_at_10=max(1 - point.recall_at_10, 5e-4)) for point in self.points)
        return replace(self, points=tuple(points))


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line through the points, by least squares."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


def _widened(y: float, low: float, high: float, beyond: float) -> Range:
    """From the last point on by two slopes; the spread grows as much again with every factor of ten."""
    spread = math.log(SPREAD) * (1 + beyond / math.log(10))
    ends = y + low * beyond - spread, y + (low + high) / 2 * beyond, y + high * beyond + spread
    return Range(*(math.exp(end) for end in ends))


def read_curves(path: Path | None = None) -> tuple[list[Curve], Mapping[str, float]]:
    """Curves and what is known of every item beside its vector, from a file or those that bouba ships.

    Raises PlanError for a file that cannot be read."""
    source = path or files("bouba.plan") / "curves.json"
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']!r}; this bouba reads {FORMAT}")
        return [_curve(one) for one in record["curves"]], {name: float(record["item"][name]) for name in ITEM}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(
            f"{source} holds no measured curves ({type(error).__name__}: {error}). "
            "Make it with: python -m benchmarks.curves SCALE.json..."
        ) from error


def _curve(record: Mapping[str, Any]) -> Curve:
    names = [field.name for field in fields(Point)]
    points = [Point(**{name: one[name] for name in names}) for one in record["points"]]
    if not points or any(point.items < 1 for point in points):
        raise ValueError(f"{record['store']} {record['index']} has no points")
    texts = {name: str(record[name]) for name in ("store", "index", "measured", "command", "machine")}
    return Curve(dim=int(record["dim"]), points=tuple(sorted(points, key=lambda point: point.items)), **texts)
