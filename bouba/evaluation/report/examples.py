"""Single queries with their answers, and the items that answer too much."""

from __future__ import annotations

from collections.abc import Sequence

from bouba.evaluation.report.labels import escape
from bouba.evaluation.report.pictures import Show, is_picture
from bouba.evaluation.results import Direction, Example, Hub, Shown

_ANSWERS = 5  # shown of each query


def examples(title: str, found: Sequence[Example], show: Show) -> str:
    """A fold of queries: each with what was wanted and its first answers, the right ones outlined."""
    entries = "".join(_example(example, show) for example in found)
    if not entries:
        return ""
    return f'<details open class="examples"><summary><h3>{escape(title)}</h3></summary>{entries}</details>'


def _example(example: Example, show: Show) -> str:
    answers = "".join(_answer(rank, shown, show) for rank, shown in enumerate(example.shown[:_ANSWERS], 1))
    kind = "pictures" if all(is_picture(shown.item) for shown in example.shown[:_ANSWERS]) else "texts"
    return (
        f'<article class="example"><div class="asked"><h4>Asked</h4>{show(example.query)}'
        f"<h4>Wanted</h4>{show(example.wanted)}</div>"
        f'<div class="answered"><h4>Found <span class="rank">first right answer at rank {example.rank:,}</span></h4>'
        f'<ol class="answers {kind}">{answers}</ol></div></article>'
    )


def _answer(rank: int, shown: Shown, show: Show) -> str:
    mark = ' <strong class="mark">✓ right</strong>' if shown.relevant else ""
    right = ' class="right"' if shown.relevant else ""
    return (
        f"<li{right}><figure>{show(shown.item)}<figcaption>"
        f'{rank} <span class="quiet">{shown.score:.3f}</span>{mark}</figcaption></figure></li>'
    )


def hubs(direction: Direction, show: Show) -> str:
    """Items that stand among the first ten answers more often than their share."""
    entries = "".join(_hub(hub, show) for hub in direction.hubs)
    if not entries:
        return ""
    kind = "pictures" if all(is_picture(hub.item) for hub in direction.hubs) else "texts"
    return (
        '<h3>Hubs</h3><p class="aside">Items that turn up among the first ten answers too often, '
        f'whatever is asked.</p><ol class="answers hubs {kind}">{entries}</ol>'
    )


def _hub(hub: Hub, show: Show) -> str:
    times = f", {hub.count / hub.expected:,.1f} times that" if hub.expected > 0 else ""
    return (
        f"<li><figure>{show(hub.item)}<figcaption><strong>{hub.count:,}</strong> queries "
        f"<small>expected {hub.expected:,.1f}{times}</small></figcaption></figure></li>"
    )
