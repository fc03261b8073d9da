"""Inline SVG that keeps its text readable at every width: coordinates in percent, so nothing is scaled but lengths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bouba.evaluation.report.labels import escape, figure
from bouba.evaluation.results import Interval

_TOPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: (k, share) points, a colour class from the style sheet, dashed for a model compared with."""

    name: str
    points: tuple[tuple[int, float], ...]
    colour: int
    dashed: bool = False


def scale_top(shares: Iterable[float]) -> float:
    """The upper end of an axis that starts at 0 and holds all shares."""
    highest = max((share for share in shares if math.isfinite(share)), default=1.0)
    return next((top for top in _TOPS if highest <= top), max(highest, 1.0))


def hit_curve(lines: Sequence[Line]) -> str:
    """Hit rate over k, k on a logarithmic axis, with a legend. Lines without points are left out."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    ks = sorted({k for line in drawn for k, _ in line.points})
    top = scale_top(share for line in drawn for _, share in line.points)
    body = _y_axis(top) + _x_axis(ks) + "".join(_curve(line, ks, top) for line in drawn)
    legend = "".join(_legend(line) for line in drawn)
    return (
        f'<figure class="curve"><ul class="legend">{legend}</ul><div class="plot">'
        f'<svg role="img" aria-label="Hit rate by number of answers"><title>Hit rate by number of answers</title>'
        f"<desc>{_in_words(drawn)}</desc>{body}</svg></div>"
        "<figcaption>k: answers looked at, logarithmic. Up: queries with a right answer among them, percent."
        "</figcaption></figure>"
    )


def _in_words(lines: Sequence[Line]) -> str:
    return " ".join(
        f"{escape(line.name)}: " + ", ".join(f"{figure('hit_rate', y)} % at {k}" for k, y in line.points) + "."
        for line in lines
    )


def _y_axis(top: float) -> str:
    steps = [(top * n / 4, f"{100 - 25 * n}%") for n in range(5)]
    return "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="-8" y="{y}" dy="4" text-anchor="end">{100 * share:g}</text>'
        for share, y in steps
    )


def _x_axis(ks: Sequence[int]) -> str:
    ticks = [k for k in ks if str(k)[0] in "125" and set(str(k)[1:]) <= {"0"}] or [ks[0], ks[-1]]
    return "".join(
        f'<text class="tick" x="{_across(k, ks):.2f}%" y="100%" dy="20" text-anchor="middle">{k:,}</text>'
        for k in dict.fromkeys(ticks)
    )


def _across(k: int, ks: Sequence[int]) -> float:
    span = math.log(ks[-1] / ks[0])
    return 100 * math.log(k / ks[0]) / span if span else 50.0


def _curve(line: Line, ks: Sequence[int], top: float) -> str:
    at = [(k, y, _across(k, ks), 100 - 100 * y / top) for k, y in line.points if math.isfinite(y)]
    path = " ".join(f"{x:.2f},{y:.2f}" for _, _, x, y in at)
    kind = f"c{line.colour}{' dashed' if line.dashed else ''}"
    dots = "".join(
        f'<circle class="{kind}" cx="{x:.2f}%" cy="{y:.2f}%" r="3.5">'
        f"<title>{escape(line.name)}, k = {k:,}: {figure('hit_rate', share)} %</title></circle>"
        for k, share, x, y in at
    )
    return (
        '<svg width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'<polyline class="{kind}" points="{path}" vector-effect="non-scaling-stroke"/></svg>{dots}'
    )


def _legend(line: Line) -> str:
    kind = f"c{line.colour}{' dashed' if line.dashed else ''}"
    sample = f'<svg width="28" height="10" aria-hidden="true"><line class="{kind}" x1="0" x2="28" y1="5" y2="5"/></svg>'
    return f"<li>{sample} {escape(line.name)}</li>"


def interval_bar(name: str, metric: str, found: Interval, whole: float, top: float) -> str:
    """A horizontal bar from 0 with its interval as whiskers, and the whole as a dashed upright line."""
    low, high, end, mark = (_along(value, top) for value in (found.low, found.high, found.value, whole))
    said = f"{escape(name)}: {figure(metric, found.value)}, 95 % interval {figure(metric, found.low)} to "
    said += f"{figure(metric, found.high)}; the whole: {figure(metric, whole)}"
    caps = "".join(f'<line class="whisker" x1="{x}" x2="{x}" y1="7" y2="17"/>' for x in (low, high))
    return (
        f'<svg class="bar" role="img" aria-label="{said}"><title>{said}</title>'
        f'<rect class="track" x="0" y="4" width="100%" height="16" rx="3"/>'
        f'<rect class="fill" x="0" y="4" width="{end}" height="16" rx="3"/>'
        f'<line class="reference" x1="{mark}" x2="{mark}" y1="0" y2="24"/>'
        f'<line class="whisker" x1="{low}" x2="{high}" y1="12" y2="12"/>{caps}</svg>'
    )


def _along(value: float, top: float) -> str:
    return f"{min(max(100 * value / top, 0), 100):.2f}%" if math.isfinite(value) else "0%"
