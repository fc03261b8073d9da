"""The figures of one direction on the page: headline, metrics, comparisons, slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bouba.evaluation.report.charts import interval_bar, scale_top
from bouba.evaluation.report.labels import (
    capitalised,
    change,
    escape,
    figure,
    headline_metrics,
    interval,
    is_rank,
    is_worse,
    meaning,
    reference_metric,
    spoken,
)
from bouba.evaluation.results import Direction, Interval, Slice


def headline(direction: Direction) -> str:
    cards = "".join(_card(name, direction.metrics[name]) for name in headline_metrics(direction.metrics))
    return f'<h3>{escape(spoken(direction.name))}</h3><dl class="cards">{cards}</dl>' if cards else ""


def _card(metric: str, found: Interval) -> str:
    unit = "" if is_rank(metric) else "<small>%</small>"
    return (
        f'<div class="card"><dt>{escape(metric)}</dt><dd class="large">{figure(metric, found.value)}{unit}</dd>'
        f'<dd class="range">{interval(metric, found)}</dd></div>'
    )


def measures(direction: Direction, others: Sequence[tuple[str, Direction]]) -> str:
    """Every metric with what it says and its interval, and a column for each model compared with."""
    columns = ["Value", "95 % interval", *(escape(model) for model, _ in others)]
    heads = "".join(f'<th scope="col" class="number">{column}</th>' for column in columns)
    rows = "".join(_measure(name, found, [o for _, o in others]) for name, found in direction.metrics.items())
    return (
        '<h3>All metrics</h3><div class="wide" role="region" aria-label="All metrics" tabindex="0">'
        f'<table class="measures"><thead><tr><th scope="col">Metric</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _measure(metric: str, found: Interval, others: Sequence[Direction]) -> str:
    values = [other.metrics.get(metric) for other in others]
    cells = "".join(f'<td class="number">{figure(metric, v.value) if v else "–"}</td>' for v in values)
    return (
        f'<tr><th scope="row"><code>{escape(metric)}</code> <small>{escape(meaning(metric))}</small></th>'
        f'<td class="number strong">{figure(metric, found.value)}</td>'
        f'<td class="number quiet">{interval(metric, found)}</td>{cells}</tr>'
    )


def comparisons(direction: Direction) -> str:
    entries = "".join(
        f'<li><p dir="auto">{escape(c.sentence)}</p><p class="quiet"><code>{escape(c.metric)}</code>, '
        f"permutation test: {_p(c.p_value)}</p></li>"
        for c in direction.comparisons
    )
    return f'<h3>Compared</h3><ul class="comparisons">{entries}</ul>' if entries else ""


def _p(value: float) -> str:
    return "p &lt; 0.001" if value < 0.001 else f"p = {value:.3f}"


def slices(direction: Direction) -> str:
    """A bar with whiskers for each slice, by group, under the bar of the whole."""
    metric = reference_metric(direction)
    if not direction.slices or metric is None:
        return ""
    whole = direction.metrics[metric]
    top = scale_top([whole.high, *(part.metrics[metric].high for part in direction.slices)])
    order = list(dict.fromkeys(part.group for part in direction.slices))
    groups = sorted(direction.slices, key=lambda part: order.index(part.group))
    bodies = "".join(
        _group(name, list(parts), metric, whole, top) for name, parts in groupby(groups, lambda part: part.group)
    )
    end = figure(metric, top).removesuffix(".0")
    return (
        '<h3>Other forms of the same queries</h3><table class="slices">'
        f"<caption><code>{escape(metric)}</code>: bars from 0 to {end}. Whiskers are "
        "95 % intervals, the dashed line is the whole; a change is red where the whole interval is worse than it."
        "</caption>"
        '<thead><tr><th scope="col">Queries</th><th scope="col"><span class="hidden">Bar</span></th>'
        '<th scope="col" class="number">Value</th><th scope="col" class="number">Change</th></tr></thead>'
        f"<tbody>{_row('As they are', direction.queries, metric, whole, whole, top, None)}</tbody>{bodies}</table>"
    )


def _group(name: str, parts: Sequence[Slice], metric: str, whole: Interval, top: float) -> str:
    rows = "".join(
        _row(
            p.name,
            p.queries,
            metric,
            p.metrics[metric],
            whole,
            top,
            change(metric, p.metrics[metric].value, whole.value),
        )
        for p in parts
    )
    return (
        f'<tbody><tr class="group"><th scope="rowgroup" colspan="4">{escape(capitalised(name))}</th></tr>{rows}</tbody>'
    )


def _row(
    name: str, queries: int, metric: str, found: Interval, whole: Interval, top: float, changed: str | None
) -> str:
    shade = " worse" if is_worse(metric, found, whole.value) else ""
    return (
        f'<tr><th scope="row" dir="auto">{escape(name)}<small>{queries:,} queries</small></th>'
        f"<td>{interval_bar(name, metric, found, whole.value, top)}</td>"
        f'<td class="number strong">{figure(metric, found.value)}<small>{interval(metric, found)}</small></td>'
        f'<td class="number{shade}">{(changed or "").replace("-", "−")}</td></tr>'
    )
