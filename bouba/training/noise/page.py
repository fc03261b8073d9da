"""An audit as files: every pair as JSON lines, the suspects as a page with pictures, the rest as a clean pair file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from bouba.errors import StoreUnavailable
from bouba.evaluation.report.labels import escape
from bouba.evaluation.report.pictures import Show, exhibit
from bouba.training.noise.audit import Audit, Judged

JUDGED, PAGE, CLEAN = "audit.jsonl", "audit.html", "clean.jsonl"

# Beside the report's own style: a suspect is one small picture and two texts.
_STYLE = """\
.suspect { grid-template-columns: 160px minmax(0, 1fr); gap: 8px 28px; }
.suspect h4:not(:first-child) { margin-top: .9rem; }
.suspect .asked small { display: block; margin-top: .35rem; }
@media (max-width: 480px) { .suspect { grid-template-columns: minmax(0, 1fr); } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_audit(audit: Audit, folder: Path, limit: int = 100) -> None:
    """`audit.jsonl` (every pair), `audit.html` (the first `limit` suspects, self-contained) and `clean.jsonl`.

    Pictures are named by absolute path, so that the files can be read from anywhere. Raises StoreUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / JUDGED, _lines(pair.to_dict() for pair in audit.pairs))
        _write(folder / CLEAN, _lines(clean_records(audit)))
        _write(folder / PAGE, page(audit, limit))
    except OSError as error:
        raise StoreUnavailable(
            f"{folder} cannot be written: {error.strerror or error}. Check permission and free space, or name another "
            "folder."
        ) from error


def clean_records(audit: Audit) -> list[dict[str, Any]]:
    """{"image", "captions"} of the pairs that are not believed wrong; a picture with none left is left out."""
    kept: dict[Path, list[str]] = {}
    for pair in sorted(audit.pairs, key=lambda pair: str(pair.picture)):
        if not pair.believed_wrong:
            kept.setdefault(pair.picture, []).append(pair.text)
    return [{"image": os.path.abspath(picture), "captions": texts} for picture, texts in kept.items()]


def page(audit: Audit, limit: int) -> str:
    """The whole document; it needs no network, no other file and no script."""
    style = (files("bouba.evaluation.report") / "style.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Audit: {escape(audit.data)}</title>\n<style>\n{style}{_STYLE}</style>\n</head>\n<body>\n"
        f"{_header(audit)}\n<main>\n{_suspects(audit, limit)}{_notes(audit)}</main>\n</body>\n</html>\n"
    )


def _header(audit: Audit) -> str:
    share = audit.wrong
    facts = {
        "Data": escape(audit.data),
        "Model": escape(audit.model),
        "Pictures": f"{audit.pictures:,}",
        "Pairs": f"{len(audit.pairs):,}",
        "Believed wrong": f"{audit.believed_wrong:,}",
        "Estimated share wrong": f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})",
    }
    rows = "".join(f'<div><dt>{name}</dt><dd dir="auto">{value}</dd></div>' for name, value in facts.items())
    return (
        '<header class="masthead"><p class="eyebrow">bouba audit</p>'
        f'<h1>Which pairs are wrong?</h1><dl class="facts">{rows}</dl></header>'
    )


def _suspects(audit: Audit, limit: int) -> str:
    suspects = [pair for pair in audit.pairs if pair.believed_wrong]
    show = cache(exhibit)
    shown = "".join(_suspect(pair, show) for pair in suspects[:limit])
    about = f"The {limit:,} most suspicious of {len(suspects):,}. " if len(suspects) > limit else ""
    about += f"{JUDGED} lists every pair, {CLEAN} those to keep." if suspects else "No pair is believed wrong."
    return (
        '<section aria-labelledby="suspects"><h2 id="suspects">Suspects</h2>'
        f'<p class="aside">{about}</p>{shown}</section>\n'
    )


def _suspect(pair: Judged, show: Show) -> str:
    better = f"<h4>Of the set's texts, this one fits better</h4>{_words(pair.better)}" if pair.better else ""
    chance = f"{pair.p_right:.0%}" if pair.p_right >= 0.005 else "under 1%"
    return (
        f'<article class="example suspect"><div class="asked">{show(str(pair.picture))}'
        f'<small dir="auto">{escape(pair.picture.name)}</small></div>'
        f'<div class="answered"><h4>Believed wrong <small>{chance} likely to be right</small></h4>'
        f"{_words(pair.text)}{better}</div></article>"
    )


def _words(text: str) -> str:
    return f'<p class="words" dir="auto">{escape(text)}</p>'


def _notes(audit: Audit) -> str:
    if not audit.notes:
        return ""
    entries = "".join(f'<li dir="auto">{escape(note)}</li>' for note in audit.notes)
    return f'<section aria-labelledby="notes"><h2 id="notes">Notes</h2><ul class="notes">{entries}</ul></section>\n'


def _lines(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(text.encode("utf-8", "backslashreplace"))  # a file name can hold bytes that are not UTF-8
    partial.replace(path)
