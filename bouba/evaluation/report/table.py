"""An evaluation as plain text for a terminal, at most 100 columns wide."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator

from bouba.evaluation.report.labels import (
    change,
    figure,
    heard_in_words,
    interval,
    main_metrics,
    plain,
    reference_metric,
)
from bouba.evaluation.results import Direction, Evaluation

WIDTH = 100  # columns
_NAME = 34


def table(evaluation: Evaluation) -> str:
    """Per direction the main metrics with their intervals, the slices with their change against the whole,
    and the comparisons in words. Shares are in percent, changes in points; ends without a line break."""
    return "\n".join([*_head(evaluation), *(line for d in evaluation.directions for line in _direction(d))])


def _head(evaluation: Evaluation) -> Iterator[str]:
    split = f", split {evaluation.split}" if evaluation.split else ""
    yield from _wrapped(f"{evaluation.model} on {evaluation.data}{split} (seed {evaluation.seed})", "")
    yield "Shares in percent, ranks from 1; 95 % bootstrap intervals over queries."
    for note in evaluation.notes:
        yield from _wrapped(f"Note: {note}", "")


def _direction(direction: Direction) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"{direction.name}: {direction.queries:,} queries, {direction.items:,} items", "")
    if direction.heard:
        yield from _wrapped(f"Recordings {heard_in_words(direction.heard)}", "  ")
    yield f"  {_cell('metric', _NAME)} {'value':>10}   {'95 % interval':>18}"
    for name in main_metrics(direction.metrics):
        found = direction.metrics[name]
        yield f"  {_cell(name, _NAME)} {figure(name, found.value):>10}   {interval(name, found):>18}"
    yield from _slices(direction)
    if direction.comparisons:
        yield ""
    for comparison in direction.comparisons:
        yield from _wrapped(comparison.sentence, "  ")


def _slices(direction: Direction) -> Iterator[str]:
    metric = reference_metric(direction)
    if not direction.slices or metric is None:
        return
    yield ""
    head = f"  {_cell(f'slice, by {metric}', _NAME)} {'value':>10}   {'95 % interval':>18}"
    yield f"{head} {'change':>9} {'queries':>11}"
    whole = direction.metrics[metric].value
    for part in direction.slices:
        found = part.metrics[metric]
        row = f"  {_cell(part.name, _NAME)} {figure(metric, found.value):>10}   {interval(metric, found):>18}"
        yield f"{row} {change(metric, found.value, whole):>9} {part.queries:>11,}"


def _cell(text: str, columns: int) -> str:
    text = plain(text)
    if _columns(text) > columns:
        while text and _columns(text) >= columns:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - _columns(text))


def _columns(text: str) -> int:
    """How many terminal columns a text takes: two for wide characters (UAX 11), none for combining marks."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def _wrapped(text: str, indent: str) -> list[str]:
    text = plain(text)
    width = WIDTH if _columns(text) <= len(text) else WIDTH // 2  # textwrap counts characters
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ")
