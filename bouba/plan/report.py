"""A plan, and what became of it, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bouba.plan.check import Check
from bouba.plan.curves import Range
from bouba.plan.planner import Option, Plan

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
HEAD = ("", "memory", "disk", "p95", "recall@10", "machines", "$ a year")


def plan_text(made: Plan) -> str:
    wish = made.wish
    asked = f"{wish.items:,} items of {wish.dims} dimensions, p95 under {wish.p95_ms:g} ms, recall@10 {wish.recall:g}"
    rows = [HEAD, *(_row(option, option is made.best) for option in made.options)]
    beside = f"{size(made.beside_bytes)} of thumbnails and file records"
    return "\n".join(
        [
            f"Plan for {asked}",
            "",
            *_aligned(rows),
            "",
            _recommended(made),
            *_grouped((option.name, note) for option in made.options for note in (option.basis, *option.notes)),
            f"Beside it: {beside}; encoding takes {made.encoding_days:,.1f} days of one machine.",
            f"Prices: {made.prices}",
        ]
    )


def _recommended(made: Plan) -> str:
    if made.best is None:
        return "Nothing here is likely to do that: take a longer time, a lower recall, or measure (--curves)."
    sure = "" if made.best.meets(made.wish) else " That is likely, not sure."
    return f"Recommended: {made.best.name} ({made.best.uri}) on {made.best.machines}.{sure}"


def _grouped(told: Iterable[tuple[str, str]]) -> list[str]:
    """What is said of several options is said once."""
    names: dict[str, list[str]] = {}
    for name, note in told:
        names.setdefault(note, []).append(name)
    return [f"  {', '.join(some)}: {note}" for note, some in names.items()]


def check_text(done: Check) -> str:
    rows: list[Sequence[str]] = [("", "predicted", "measured", "ratio", "")]
    for figure in done.figures:
        shown = [_figure(figure.name, value) for value in (figure.predicted.low, figure.predicted.high)]
        held = "held" if figure.held else "DID NOT HOLD"
        span = f"{shown[0]} to {shown[1]}"
        rows.append((figure.name, span, _figure(figure.name, figure.measured), f"{figure.ratio:.2f}", held))
    head = f"Checked with {done.store}, {done.point.items:,} synthetic items, built in {done.point.build_s:.1f} s"
    return "\n".join([head, *_aligned(rows)])


def size(count: float) -> str:
    """Bytes with a unit."""
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} B"


def milliseconds(value: float) -> str:
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms" if value >= 100 else f"{value:.2g} ms"


def _figure(name: str, value: float) -> str:
    if name.endswith("bytes"):
        return size(value)
    return milliseconds(value) if name.endswith("ms") else f"{value:.3f}"


def _row(option: Option, best: bool) -> tuple[str, ...]:
    kept = option.memory_bytes.likely > 0
    return (
        ("* " if best else "  ") + option.name,
        _span(option.memory_bytes, "bytes") if kept else "theirs",
        _span(option.disk_bytes, "bytes") if kept else "theirs",
        _span(option.p95_ms, "ms"),
        _span(option.recall, "recall"),
        option.machines,
        "-" if option.year is None else f"{option.year:,.0f}",
    )


def _span(one: Range | None, name: str) -> str:
    if one is None:
        return "?"
    low, high = _figure(name, one.low), _figure(name, one.high)
    return low if low == high else f"{low} to {high}"


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
