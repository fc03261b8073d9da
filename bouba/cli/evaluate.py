"""`bouba evaluate`: how well a model finds pictures, with error bars."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

import bouba
from bouba.cli.base import commands, json_option, print_json
from bouba.errors import QueryError

if TYPE_CHECKING:
    from bouba.evaluation.results import Evaluation
    from bouba.types import HeardAs

BELOW = 3  # the exit code of a missed --fail-under


@commands.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "-m", metavar="DIR", help="The model folder to judge. [default: the built-in model]")
@click.option("--gallery", "-g", metavar="PLACE", help="Judge this gallery: its stored vectors, all its pictures.")
@click.option("--against", metavar="DIR", help="A second model folder: is the first really better?")
@click.option("--split", metavar="NAME", help="Only these rows, for example val. [default: all]")
@click.option(
    "--text-column", metavar="NAME", help="The column with the texts. [default: captions, caption, text, ...]"
)
@click.option("--image-root", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Where relative image paths start. [default: the file's folder]")  # fmt: skip
@click.option("--qrels", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Graded relevance in TREC format; PAIRS then holds the topics.")  # fmt: skip
@click.option("--extra-positives", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="More right pairs, so that they do not count as wrong.")  # fmt: skip
@click.option("--as", "heard_as", type=click.Choice(["auto", "speech", "sound"]), multiple=True, default=("auto",),
              show_default=True, help="What recordings are; auto decides by what is heard. Several: one after another."
              )  # fmt: skip
@click.option("--slices/--no-slices", default=True, show_default=True, help="Typos, crops, noise, other languages, ...")
@click.option("--seed", type=int, default=0, show_default=True, help="For changed queries and intervals.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write metrics.json and report.html there.")  # fmt: skip
@click.option("--fail-under", multiple=True, metavar="DIRECTION.METRIC=VALUE",
              help="Exit with 3 if the figure is below, e.g. text_to_image.hit_rate@10=0.65.")  # fmt: skip
@json_option
def evaluate(
    pairs: Path, model: str | None, gallery: str | None, against: str | None, split: str | None,
    text_column: str | None, image_root: Path | None, qrels: Path | None, extra_positives: Path | None,
    heard_as: tuple[HeardAs, ...], slices: bool, seed: int, out: Path | None, fail_under: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Measure how well a model finds the pictures of PAIRS by their texts and recordings, and the texts by their
    pictures.

    PAIRS is JSON lines, CSV, Karpathy or COCO JSON, or a topics file with --qrels. Recordings stand in the column
    "audio" of JSON lines, CSV or topics, beside texts or instead of them.

    \b
    Examples:
      bouba evaluate pairs.jsonl --split val --out report
      bouba evaluate pairs.jsonl --model mine --against builtin
      bouba evaluate pairs.jsonl --gallery ~/shop.bouba
      bouba evaluate labels.csv --text-column label --fail-under text_to_image.mAP=0.5
      bouba evaluate spoken.jsonl --as speech --gallery ~/photos.bouba
      bouba evaluate sounds.jsonl --qrels sounds.qrels --as sound --fail-under sound_to_image.mAP=0.3
    """
    from bouba.evaluation.audio import hearable
    from bouba.evaluation.collection import StoredEmbeddings, within
    from bouba.evaluation.data import read_set
    from bouba.evaluation.embeddings import Embeddings, default_cache
    from bouba.evaluation.report import table, write_report
    from bouba.evaluation.retrieval import compared
    from bouba.evaluation.retrieval import evaluate as evaluated

    limits = [_limit(text) for text in fail_under]
    kinds = list(dict.fromkeys(heard_as))
    data = read_set(
        pairs, split=split, text_column=text_column, image_root=image_root, qrels=qrels, extra_positives=extra_positives
    )
    with _counter() as advance:
        if gallery is None:
            embeddings = Embeddings(bouba.load_model(model), default_cache(), advance)
        else:
            with bouba.open(gallery, model, must_exist=True) as opened:
                embeddings = StoredEmbeddings(opened, default_cache(), advance)
            data = within(data, embeddings)
        found = evaluated(data, embeddings, split=split, slices=slices, seed=seed, heard_as=kinds)
        others: list[Evaluation] = []
        if against:
            second = Embeddings(bouba.load_model(against), default_cache(), advance)
            heard = hearable(kinds, second.model)
            others.append(evaluated(data, second, split=split, slices=slices, seed=seed, heard_as=heard))
            found = compared(found, others[0], data, (embeddings, second))
    if out is not None:
        write_report(found, out, others)
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(table(found))
        if out is not None:
            click.echo(f"\nReport: {out / 'report.html'}")
    _check(found, limits)


def _limit(text: str) -> tuple[str, str, float]:
    match = re.fullmatch(r"(\w+)\.([\w@-]+)=([0-9.]+)", text)
    if not match:
        raise click.UsageError(f"--fail-under {text!r} is not DIRECTION.METRIC=VALUE.")
    return match[1], match[2], float(match[3])


def _check(evaluation: Evaluation, limits: list[tuple[str, str, float]]) -> None:
    directions = {direction.name: direction.metrics for direction in evaluation.directions}
    missed = []
    for direction, metric, least in limits:
        if metric not in directions.get(direction, {}):
            known = ", ".join(f"{d}.{m}" for d, metrics in directions.items() for m in metrics)
            raise QueryError(f"--fail-under: there is no {direction}.{metric}; there are {known}.")
        if (value := directions[direction][metric].value) < least:
            missed.append(f"{direction}.{metric} is {value:.4f}, below {least}")
    if missed:
        click.echo(f"bouba: {'; '.join(missed)}.", err=True)
        raise click.exceptions.Exit(BELOW)


@contextmanager
def _counter() -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    with tqdm(unit=" vectors", delay=2, disable=None, dynamic_ncols=True) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance
