"""The page as a whole: one HTML file that needs no network, no other file and no script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from bouba.evaluation.report.charts import Line, hit_curve
from bouba.evaluation.report.examples import examples, hubs
from bouba.evaluation.report.labels import escape, heard_in_words, spoken
from bouba.evaluation.report.measures import comparisons, headline, measures, slices
from bouba.evaluation.report.pictures import Show, exhibit
from bouba.evaluation.results import Direction, Evaluation

# Nothing may be loaded or run, whatever a caption or a file name holds.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(evaluation: Evaluation, others: Sequence[Evaluation] = ()) -> str:
    """The whole document. Sections that have nothing to show are left out."""
    show = cache(exhibit)  # a hub turns up many times, and is decoded once
    title = f"{escape(evaluation.model)} on {escape(evaluation.data)}"
    sections = "".join(
        _direction(number, direction, others, show) for number, direction in enumerate(evaluation.directions, 1)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Evaluation: {title}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f"{_header(evaluation, others)}\n<main>\n{_overview(evaluation, others)}{sections}"
        f"{_changes(evaluation)}{_notes(evaluation)}</main>\n</body>\n</html>\n"
    )


def _style() -> str:
    return (files(__package__) / "style.css").read_text(encoding="utf-8")


def _header(evaluation: Evaluation, others: Sequence[Evaluation]) -> str:
    split = [("Split", escape(evaluation.split))] if evaluation.split else []
    against = [("Against", escape(", ".join(other.model for other in others)))] if others else []
    facts = [
        ("Model", escape(evaluation.model)),
        *against,
        ("Data", escape(evaluation.data)),
        *split,
        ("Fingerprint", f"<code>{escape(evaluation.fingerprint)}</code>"),
        ("Seed", str(evaluation.seed)),
        ("Time", f"{evaluation.seconds:,.1f} s"),
    ]
    rows = "".join(f'<div><dt>{name}</dt><dd dir="auto">{value}</dd></div>' for name, value in facts)
    return (
        '<header class="masthead"><p class="eyebrow">bouba evaluation</p>'
        f'<h1>Does it find the right one?</h1><dl class="facts">{rows}</dl>{_contents(evaluation)}</header>'
    )


def _contents(evaluation: Evaluation) -> str:
    links = [(f"direction-{number}", spoken(d.name)) for number, d in enumerate(evaluation.directions, 1)]
    links += [("changes", "What was changed")] if _altered(evaluation) else []
    links += [("notes", "Notes")] if evaluation.notes else []
    entries = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in links)
    return f'<nav aria-label="Contents"><ul>{entries}</ul></nav>' if links else ""


def _overview(evaluation: Evaluation, others: Sequence[Evaluation]) -> str:
    heads = "".join(headline(direction) for direction in evaluation.directions)
    curve = hit_curve(_lines(evaluation, others))
    plot = f"<h3>Right answer among the first k</h3>{curve}" if curve else ""
    return (
        f'<section aria-labelledby="overview"><h2 id="overview">At a glance</h2>{heads}{plot}'
        '<p class="aside">Ranges are 95 % bootstrap intervals over queries. Shares are in percent.</p></section>\n'
    )


def _lines(evaluation: Evaluation, others: Sequence[Evaluation]) -> list[Line]:
    colours = {direction.name: n % 5 + 1 for n, direction in enumerate(evaluation.directions)}
    lines = []
    for number, model in enumerate((evaluation, *others)):
        for direction in model.directions:
            name = f"{spoken(direction.name)}, {model.model}" if others else spoken(direction.name)
            if direction.name in colours:
                lines.append(Line(name, direction.hit_curve, colours[direction.name], number > 0))
    return lines


def _direction(number: int, direction: Direction, others: Sequence[Evaluation], show: Show) -> str:
    compared = [(other.model, found) for other in others for found in other.directions if found.name == direction.name]
    anchor = f"direction-{number}"
    heard = f'<p class="aside">Recordings {escape(heard_in_words(direction.heard))}.</p>' if direction.heard else ""
    return (
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(spoken(direction.name))}</h2>'
        f'<p class="aside"><code>{escape(direction.name)}</code>: {direction.queries:,} queries, '
        f"{direction.items:,} items</p>{heard}"
        f"{measures(direction, compared)}{comparisons(direction)}{slices(direction)}"
        f"{examples('Best queries', direction.best, show)}{examples('Worst queries', direction.worst, show)}"
        f"{hubs(direction, show)}</section>\n"
    )


def _altered(evaluation: Evaluation) -> dict[tuple[str, str, str], None]:
    """(group, name, about) of every slice, each once, in order."""
    return {(part.group, part.name, part.about): None for d in evaluation.directions for part in d.slices}


def _changes(evaluation: Evaluation) -> str:
    rows = "".join(
        f'<div><dt>{escape(name)} <small>{escape(group)}</small></dt><dd dir="auto">{escape(about)}</dd></div>'
        for group, name, about in _altered(evaluation)
    )
    if not rows:
        return ""
    return (
        '<section aria-labelledby="changes"><h2 id="changes">What was changed</h2>'
        f'<p class="aside">Drawn from seed {evaluation.seed}: the same queries, altered as follows.</p>'
        f'<dl class="changes">{rows}</dl></section>\n'
    )


def _notes(evaluation: Evaluation) -> str:
    if not evaluation.notes:
        return ""
    entries = "".join(f'<li dir="auto">{escape(note)}</li>' for note in evaluation.notes)
    return f'<section aria-labelledby="notes"><h2 id="notes">Notes</h2><ul class="notes">{entries}</ul></section>\n'
