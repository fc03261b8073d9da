"""`bouba audit`: which pairs of a file are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import bouba
from bouba.cli.base import commands, json_option, print_json, short

if TYPE_CHECKING:
    from bouba.training.noise.audit import Audit, Judged


@commands.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "-m", metavar="DIR", help="The model folder to look with. [default: the built-in model]")
@click.option("--split", metavar="NAME", help="Only these rows, for example train. [default: all]")
@click.option(
    "--text-column", metavar="NAME", help="The column with the texts. [default: captions, caption, text, ...]"
)
@click.option("--image-root", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Where relative image paths start. [default: the file's folder]")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write audit.html, audit.jsonl and clean.jsonl there.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Suspects to show.")
@json_option
def audit(
    pairs: Path, model: str | None, split: str | None, text_column: str | None, image_root: Path | None,
    out: Path | None, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """List the pairs of PAIRS that are most likely wrong, and how many there are.

    Each pair is judged by what the other pairs of the file teach, and by the model. It needs some hundreds of pairs to
    be reliable.

    \b
    Examples:
      bouba audit pairs.jsonl
      bouba audit pairs.jsonl --split train --out audit --limit 200
    """
    from tqdm import tqdm

    from bouba.evaluation.data import read_set
    from bouba.evaluation.embeddings import Embeddings, default_cache
    from bouba.training.noise.audit import audit as audited
    from bouba.training.noise.page import write_audit

    data = read_set(pairs, split=split, text_column=text_column, image_root=image_root)
    with tqdm(unit=" vectors", delay=2, disable=None, dynamic_ncols=True) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        found = audited(data, Embeddings(bouba.load_model(model), default_cache(), advance))
    if out is not None:
        write_audit(found, out, limit)
    if as_json:
        print_json(found.to_dict(limit))
        return
    click.echo(_table(found, limit))
    if out is not None:
        click.echo(f"\nReport: {out / 'audit.html'}   Without them: {out / 'clean.jsonl'}")


def _table(found: Audit, limit: int) -> str:
    share, suspects = found.wrong, [pair for pair in found.pairs if pair.believed_wrong]
    lines = [
        f"{found.data}: {len(suspects):,} of {len(found.pairs):,} pairs are believed wrong; "
        f"about {share.value:.1%} are ({share.low:.1%} to {share.high:.1%}).",
        *(f"note: {note}" for note in found.notes),
    ]
    return "\n".join([*lines, *(_line(pair) for pair in suspects[:limit])])


def _line(pair: Judged) -> str:
    better = f"\n       better: {pair.better}" if pair.better else ""
    return f"{pair.p_right:>5.0%}  {short(str(pair.picture))}: {pair.text}{better}"
