"""What `bouba medical` finds and refuses, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bouba.errors import MediaMissing

if TYPE_CHECKING:
    from bouba.apps.medical.answers import ReportHit, StudyHit
    from bouba.apps.medical.importing import Refusal

SHOWN = 10  # refusals


def print_study(hit: StudyHit) -> None:
    about = " ".join(str(one) for one in _told(hit.about) if one)
    place = f"  slice {hit.slice.number} of {hit.slice.slices}, {hit.slice.item[:12]}" if hit.slice else ""
    click.echo(f"{hit.rank:3d}  {hit.score:5.2f}  {hit.study}  {about}{place}")
    if hit.sentence:
        click.echo(f"       {hit.sentence.section}: {hit.sentence.sentence}")


def print_report(hit: ReportHit) -> None:
    about = " ".join(str(one) for one in _told(hit.about) if one)
    click.echo(f"{hit.rank:3d}  {hit.score:5.2f}  {hit.study}  {about}{'  (of its own study)' if hit.own else ''}")
    for one in hit.sentences:
        click.echo(f"       {one.section}: {one.sentence}")


def _told(about: Any) -> tuple[str, ...]:
    age = "" if about["age"] is None else f"{about['age']:g} y"
    return about["modality"], about["body_part"], about["date"], age, about["sex"]


def print_refused(refused: Sequence[Refusal]) -> None:
    for one in refused[:SHOWN]:
        click.echo(f"  {one.name}: {one.reason}", err=True)
    if len(refused) > SHOWN:
        click.echo(f"  and {len(refused) - SHOWN:,} more: --json or --report FILE has all.", err=True)


def write_lines(path: Path, refused: Sequence[Refusal]) -> None:
    try:
        path.write_text("".join(json.dumps(one.to_dict(), ensure_ascii=False) + "\n" for one in refused), "utf-8")
    except OSError as error:
        raise MediaMissing(f"The report cannot be written to {path}: {error.strerror}.") from error
