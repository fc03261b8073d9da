"""What the radiology archive does well and what not.

    python -m benchmarks.medical [--model FOLDER] [--data FOLDER] [--cache FOLDER] [--json]

Four tables. *Captions and scans*: MedPix val, caption to image and image to caption, an answer being right where it is
of the same case; with --model (what `bouba train recipes/medical.toml` makes) both models, and what adapting gains.
*Titles and studies*: the title of each val case, its diagnosis, which the archive never sees, asked of an archive of
those cases with their findings as reports: by their pictures alone, by their reports alone, and by both. *Negation*:
sentences with a finding whose status was written down before the triggers were tuned (held out), and those that they
were tuned on. *Writing*: lines drawn into MedPix train pictures, and what is flagged in the middle of those pictures,
where there is none. Intervals are 95 %, by bootstrap over cases, sentences or pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.medical.linking import linking
from benchmarks.medical.negation import negation
from benchmarks.medical.retrieval import retrieval
from benchmarks.medical.writing import written
from benchmarks.sets import DEFAULT_DATA
from bouba.evaluation.embeddings import default_cache
from bouba.evaluation.results import Interval

Row = tuple[str, Mapping[str, Interval | str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="an adapted model folder, against the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with medpix/")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    medpix = arguments.data / "medpix"
    tables: dict[str, Sequence[Row]] = {
        "captions and scans": retrieval(medpix, arguments.cache, arguments.model),
        "titles and studies": linking(medpix, arguments.model),
        "negation": negation(),
        "writing": written(medpix),
    }
    if arguments.json:
        print(json.dumps({name: [_record(*row) for row in rows] for name, rows in tables.items()}, indent=2))
        return
    for name, rows in tables.items():
        _print(name, rows)


def _record(name: str, figures: Mapping[str, Interval | str]) -> dict[str, Any]:
    return {"name": name} | {key: asdict(v) if isinstance(v, Interval) else v for key, v in figures.items()}


def _print(name: str, rows: Sequence[Row]) -> None:
    columns = list(rows[0][1])
    print(f"\n{name}; %, with 95 % intervals")
    print(f"{'':34}" + "".join(f"{column:>26}" for column in columns))
    for title, figures in rows:
        print(f"{title:34}" + "".join(f"{_cell(figures[column]):>26}" for column in columns))


def _cell(one: Interval | str) -> str:
    if isinstance(one, str):
        return one
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


if __name__ == "__main__":
    main()
