"""Commands on a gallery: each turns arguments into one call and prints what comes back."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import (
    commands,
    gallery_option,
    json_option,
    model_option,
    opened,
    print_json,
    progress_bar,
    short,
    where_option,
)
from bouba.errors import MediaMissing, QueryError

if TYPE_CHECKING:
    from bouba.gallery import Gallery
    from bouba.ingest import Report
    from bouba.types import Item


@commands.command()
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@gallery_option
@model_option
@click.option("--dims", type=int, metavar="N",
              help="Of a new gallery: keep N dimensions of each vector. [default: all]")  # fmt: skip
@click.option("--prune", is_flag=True, help="Drop pictures whose file is gone from the folders named.")
@click.option("--fetch", is_flag=True, help="Allow http(s) URLs, also from a manifest, and buckets.")
@click.option("--image-column", metavar="NAME", help="The manifest's column with the pictures, their paths or URLs.")
@click.option("--workers", type=click.IntRange(1), metavar="N",
              help="Read and encode by N processes. [default: threads of one process]")  # fmt: skip
@click.option("--ray", metavar="ADDRESS", help="Read and encode on a Ray cluster; 'local' starts one here.")
@click.option("--report", "report_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a JSON line for each source that could not be used.")  # fmt: skip
@json_option
def add(
    sources: tuple[str, ...], uri: str, model: str | None, dims: int | None, prune: bool, fetch: bool,
    image_column: str | None, workers: int | None, ray: str | None, report_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Add folders, pictures, manifests (.jsonl .csv .tsv .parquet), shards (.tar, .parquet) or buckets (s3:// gs:// hf://).

    What is in the gallery already is not encoded again; run it as often as you like.

    \b
    Examples:
      bouba add ~/Pictures
      bouba add ~/Pictures --prune
      bouba add catalogue.csv --image-column photo --gallery shop.bouba
      bouba add 'laion/{00000..00099}.tar' --workers 8
      bouba add s3://bucket/shards/ --fetch --ray auto
    """
    with opened(uri, model, must_exist=False, dims=dims) as gallery:
        with progress_bar() as progress:
            report = gallery.add(
                sources, prune=prune, fetch=fetch, image_column=image_column, workers=workers, ray=ray,
                progress=progress,
            )  # fmt: skip
        if report_file is not None:
            _write_lines(report_file, [failure.to_dict() for failure in report.failures])
        if as_json:
            print_json({**report.to_dict(), "items": len(gallery)})
        else:
            _print_report(report, len(gallery), report_file)
    if report.failures and not report.ids:
        raise MediaMissing("Nothing could be added.")


@commands.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@gallery_option
@model_option
def watch(folder: Path, uri: str, model: str | None) -> None:
    """Keep a gallery in step with a folder until Ctrl-C.

    \b
    Example:
      bouba watch ~/Pictures
    """
    from bouba.watch import watch as watch_folder

    with opened(uri, model, must_exist=False) as gallery:
        click.echo(f"Watching {folder}. Ctrl-C ends it.", err=True)
        watch_folder(gallery, folder.absolute(), lambda report: _print_report(report, len(gallery), None))


@commands.command()
@gallery_option
@json_option
def info(uri: str, as_json: bool) -> None:
    """What a gallery holds and which model made it."""
    with opened(uri) as gallery:
        facts = gallery.info()
    if as_json:
        print_json(facts)
        return
    model = facts["model"]
    click.echo(f"gallery   {facts['gallery']}")
    click.echo(f"items     {facts['items']:,}")
    click.echo(f"on disk   {facts['bytes'] / 1e6:,.1f} MB")
    click.echo(f"model     {model['name']} {model['version']} ({model['dim']} dimensions, {model['licence']})")
    for name, kind in facts["attributes"].items():
        click.echo(f"attribute {name}: {kind}")


@commands.command("list")
@gallery_option
@where_option
@click.option("-n", "limit", type=click.IntRange(0), default=100, show_default=True, help="How many at most; 0: all.")
@json_option
def list_items(uri: str, where: str | None, limit: int, as_json: bool) -> None:
    """List items, a line each.

    \b
    Example:
      bouba list --where 'taken >= 2024-07-01 and width > 2000'
    """
    with opened(uri) as gallery:
        total = gallery.count(where)
        items = list(islice(gallery.items(where), limit or None))
    if as_json:
        print_json({"total": total, "items": [item.to_dict() for item in items]})
        return
    for item in items:
        click.echo(f"{item.id[:12]}  {f'{item.width}x{item.height}':>11}  {short(item.path)}")
    if total > len(items):
        click.echo(f"... and {total - len(items):,} more; -n 0 lists all.")


@commands.command()
@click.argument("name", metavar="ID")
@gallery_option
@json_option
def show(name: str, uri: str, as_json: bool) -> None:
    """Everything about one item, named by its id (or its first digits) or its path."""
    with opened(uri) as gallery:
        item = one_item(gallery, name)
    record = item.to_dict()
    if as_json:
        print_json(record)
        return
    attributes = record.pop("attributes")
    for key, value in {**record, **attributes}.items():
        click.echo(f"{key:<12}{', '.join(value) if isinstance(value, list) else value}")


@commands.command()
@click.argument("names", nargs=-1, metavar="[ID...]")
@gallery_option
@where_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(names: tuple[str, ...], uri: str, where: str | None, yes: bool, as_json: bool) -> None:
    """Remove items from the gallery, by id, path or filter. The files are not touched.

    \b
    Examples:
      bouba remove 3f9a2c41 old/scan.png
      bouba remove --where 'media_type = "image/gif"' --yes
    """
    if bool(names) == (where is not None):
        raise click.UsageError("Name the items, or describe them with --where.")
    with opened(uri) as gallery:
        items = [one_item(gallery, name) for name in names] if names else list(gallery.items(where))
        if where is not None and items and not yes and not _agreed(f"Remove {len(items):,} of {len(gallery):,} items?"):
            raise QueryError("Nothing was removed. --yes removes without asking.")
        removed = gallery.delete([item.id for item in items])
        left = len(gallery)
    if as_json:
        print_json({"removed": removed, "items": left})
    else:
        click.echo(f"Removed {removed:,}; {left:,} left.")


@commands.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.parquet")
@gallery_option
@where_option
@json_option
def export(out: Path, uri: str, where: str | None, as_json: bool) -> None:
    """Write records and vectors to a Parquet file.

    `bouba copy OUT.parquet PLACE` makes a gallery of it again. To keep thumbnails too: `bouba copy`.

    \b
    Example:
      bouba export new.parquet --where 'taken >= 2024-07-01'
    """
    from bouba.export import export_parquet

    with opened(uri) as gallery:
        count = export_parquet(gallery, out, where)
    if as_json:
        print_json({"items": count, "path": str(out.absolute())})
    else:
        click.echo(f"Wrote {count:,} items to {out}.")


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # nobody there to answer
        return False


def one_item(gallery: Gallery, name: str) -> Item:
    found = gallery.find(name)
    if len(found) != 1:
        many = ", ".join(item.id[:12] for item in found[:5])
        raise QueryError(
            f"{name}: {len(found)} items ({many}); give more digits." if found else f"{name}: no such item."
        )
    return found[0]


def _print_report(report: Report, items: int, report_file: Path | None) -> None:
    counts = {**report.to_dict(), "failed": 0}
    told = [
        f"{counts[k]:,} {k}" for k in ("added", "unchanged", "moved", "duplicates", "updated", "removed") if counts[k]
    ]
    rate = f" ({report.added / report.seconds:,.0f} pictures/s)" if report.added > 1 else ""
    click.echo(f"{', '.join(told) or 'nothing to add'}; {items:,} in the gallery; {report.seconds:.1f} s{rate}.")
    if report.failures:
        click.echo(f"{report.failed:,} could not be used:", err=True)
        for failure in report.failures[:5]:
            named = failure.message.startswith(failure.source)
            click.echo("  " + (failure.message if named else f"{short(failure.source)}: {failure.message}"), err=True)
        if report.failed > 5 or report_file:
            click.echo(f"  all of them: {report_file or '--report FILE'}", err=True)


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    try:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise MediaMissing(f"The report cannot be written to {path}: {error.strerror}.") from error
