"""How time grows with the number of items: the slope of the straight line through log(time) against log(items)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.compare import Row

MEASURES = {"p50_ms": "a query, ms", "insert_ms": "an inserted item, ms", "exact_p50_ms": "an exact scan, ms"}
Report = dict[str, dict[str, Any]]


def report(grown: Mapping[int, Mapping[str, Row]], plot: Path | None) -> Report:
    """Of each contender its rows by size, and the slope of each measure that it has at two sizes or more."""
    names = dict.fromkeys(name for rows in grown.values() for name in rows)
    made: Report = {}
    for name in names:
        sizes = {items: rows[name] for items, rows in grown.items() if name in rows}
        series = {key: points for key in MEASURES if len(points := _points(sizes, key)) > 1}
        slopes = {key: slope(points) for key, points in series.items()}
        made[name] = {"sizes": {str(items): row for items, row in sizes.items()}, "slopes": slopes}
    if plot is not None:
        _draw(made, plot)
    return made


def slope(points: Mapping[int, float]) -> float:
    """1: twice the items take twice the time; 0: the number of items does not matter."""
    items, times = np.array(list(points), float), np.array(list(points.values()))
    return float(np.polyfit(np.log(items), np.log(times), 1)[0])


def table(made: Report) -> str:
    lines = []
    for key, label in MEASURES.items():
        lines.append(f"{label:<24}{'slope':>8}   at items")
        for name, row in made.items():
            points = _points({int(items): one for items, one in row["sizes"].items()}, key)
            cells = "".join(f"{f'{items:,}: {ms:.3g}':>18}" for items, ms in points.items())
            held = row["slopes"].get(key)
            lines.append(f"  {name:<22}" + (f"{held:>8.2f}" if held is not None else f"{'':>8}") + cells)
    return "\n".join(lines)


def _points(sizes: Mapping[int, Row], key: str) -> dict[int, float]:
    return {items: row[key] for items, row in sizes.items() if key in row}


def _draw(made: Report, place: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No plot: it needs matplotlib. pip install 'bouba[train]'", file=sys.stderr)
        return
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, 2), list(MEASURES.items())[:2], strict=True):
        for name, row in made.items():
            points = _points({int(items): one for items, one in row["sizes"].items()}, key)
            if key in row["slopes"]:
                axes.loglog(list(points), list(points.values()), "o-", label=f"{name}, slope {row['slopes'][key]:.2f}")
        axes.set(xlabel="items", ylabel=label)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    figure.savefig(place)
