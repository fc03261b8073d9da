"""A shop's products: imported from a feed and found in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bouba.cli.base import commands, gallery_option, json_option, model_option, opened, print_json, progress_bar
from bouba.errors import ManifestError

if TYPE_CHECKING:
    from bouba.apps.shop import Answer, Found, ImportReport, Shop

CLOSEST = 3  # products to show where nothing matches
PROBLEMS = 5  # that are printed without --report
_F = TypeVar("_F", bound=Callable[..., Any])


@commands.group()
def shop() -> None:
    """Find a shop's products in plain words: text, picture, both, with filters read from the sentence.

    \b
    Examples:
      bouba shop import products_export.csv --images photos --gallery shop.bouba
      bouba shop search "red dress under 50" --gallery shop.bouba
    """


@contextmanager
def opened_shop(uri: str, model: str | None = None, must_exist: bool = True) -> Iterator[Shop]:
    """The shop of a gallery, closed at the end."""
    from bouba.apps.shop import Shop

    with opened(uri, model, must_exist=must_exist) as gallery, Shop(gallery) as one:
        yield one


@shop.command("import")
@click.argument("feed", type=click.Path(dir_okay=False, path_type=Path))
@gallery_option
@model_option
@click.option("--images", type=click.Path(file_okay=False, exists=True, path_type=Path), metavar="FOLDER",
              help="Where relative paths of pictures begin. [default: the feed's folder]")  # fmt: skip
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN",
              help="Where a field stands that has another name, e.g. colour=baseColour; repeatable.")  # fmt: skip
@click.option("--fetch", is_flag=True, help="Allow http(s) addresses of pictures.")
@click.option("--prune", is_flag=True, help="Remove products that the feed no longer has, and their pictures.")
@click.option("--report", "report_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a JSON line for each row or picture that could not be used.")  # fmt: skip
@json_option
def import_(
    feed: Path, uri: str, model: str | None, images: Path | None, columns: tuple[str, ...], fetch: bool, prune: bool,
    report_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Import a catalogue: Shopify's CSV, Google's feed (TSV, CSV, XML) or JSON lines; or prices and stock alone.

    Run it as often as you like: pictures that are known are not read again, and new prices and stock encode nothing.

    \b
    Examples:
      bouba shop import products_export.csv --fetch
      bouba shop import catalogue.jsonl --images photos --column category=masterCategory,articleType
      bouba shop import stock.csv
      bouba shop import google.xml --fetch --prune
    """
    chosen = dict(_pair(one) for one in columns)
    with opened_shop(uri, model, must_exist=False) as one:
        with progress_bar() as progress:
            report = one.import_feed(feed, columns=chosen, images=images, fetch=fetch, prune=prune, progress=progress)
        products = one.info()["products"] if one.is_there else 0
    if report_file is not None:
        _write(report_file, report)
    if as_json:
        print_json({**report.to_dict(), "products": products})
    else:
        _print_report(report, products, report_file)
    if report.problems and not (report.added or report.updated or report.unchanged or report.removed):
        raise ManifestError("Nothing could be imported.")


@shop.command()
@click.argument("text", nargs=-1, metavar="[TEXT...]")
@gallery_option
@click.option("--image", "-i", metavar="FILE", help="Look for products like the one in this picture.")
@click.option("--fetch", is_flag=True, help="Allow an http(s) address as the picture.")
@click.option("-k", "limit", type=click.IntRange(1, 100), default=12, show_default=True, help="How many products.")
@click.option("--offset", type=click.IntRange(0, 1000), default=0, help="From which place on.")
@click.option("--exact", is_flag=True, help="Take the words as they are: no filters read, nothing corrected.")
@click.option("--facets", is_flag=True, help="Show what the products can be filtered by, with counts.")
@json_option
def search(
    text: tuple[str, ...], uri: str, image: str | None, fetch: bool, limit: int, offset: int, exact: bool,
    facets: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find products by words, a picture, or both. Prices, colours, sizes and the like in the words become filters.

    \b
    Examples:
      bouba shop search "red dress under 50"
      bouba shop search --image sofa.jpg "in blue, cheaper than 900"
      bouba shop search "AB-1234" --json
    """
    from bouba.apps.shop import Ask

    with opened_shop(uri) as one:
        ask = Ask(" ".join(text), image, (), limit, offset, exact, facets, fetch=fetch)
        answer = one.search(ask)
    if as_json:
        print_json(answer.to_dict())
    else:
        _print_answer(answer)


def _related_options(command: _F) -> _F:
    limit = click.option(
        "-k", "limit", type=click.IntRange(1, 50), default=12, show_default=True, help="How many products."
    )
    return click.argument("product")(gallery_option(limit(json_option(command))))


@shop.command()
@_related_options
def similar(product: str, uri: str, limit: int, as_json: bool) -> None:
    """Products that look like one, by its id or code."""
    with opened_shop(uri) as one:
        _print_related(one.similar(product, limit), as_json)


@shop.command("goes-with")
@_related_options
def goes_with(product: str, uri: str, limit: int, as_json: bool) -> None:
    """Products of other kinds that go with one: what the feed names, then by looks, colour and for whom they are."""
    with opened_shop(uri) as one:
        _print_related(one.goes_with(product, limit), as_json)


@shop.command()
@gallery_option
@json_option
def info(uri: str, as_json: bool) -> None:
    """What the shop holds."""
    with opened_shop(uri) as one:
        facts = one.info()
    if as_json:
        print_json(facts)
        return
    for name in ("gallery", "products", "variants", "pictures", "without_picture", "currency", "rules"):
        click.echo(f"{name:<16} {facts[name] or ('-' if name == 'currency' else facts[name])}")
    for name, count in facts["fields"].items():
        click.echo(f"{'field':<16} {name}: {count:,} values")


def _pair(text: str) -> tuple[str, str]:
    field, _, column = text.partition("=")
    if not field or not column:
        raise click.UsageError(f"--column {text}: say FIELD=COLUMN, e.g. colour=baseColour.")
    return field.strip(), column.strip()


def _print_report(report: ImportReport, products: int, report_file: Path | None) -> None:
    counts = {name: getattr(report, name) for name in ("added", "updated", "unchanged", "removed")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to import"
    pictures = f"{report.encoded:,} pictures encoded, {report.told:,} described anew"
    click.echo(f"{told}; {products:,} products in the shop; {pictures}; {report.seconds:.1f} s.")
    if report.without_picture:
        click.echo(f"{report.without_picture:,} products without a picture: found by words and filters alone.")
    if report.problems:
        click.echo(f"{len(report.problems):,} rows or pictures could not be used:", err=True)
        for problem in report.problems[:PROBLEMS]:
            click.echo(f"  line {problem.line}, {problem.product or 'no id'}: {problem.reason}", err=True)
        if len(report.problems) > PROBLEMS or report_file:
            click.echo(f"  all of them: {report_file or '--report FILE'}", err=True)


def _write(path: Path, report: ImportReport) -> None:
    lines = (json.dumps(problem.to_dict(), ensure_ascii=False) for problem in report.problems)
    try:
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"The report cannot be written to {path}: {error.strerror}.") from error


def _print_answer(answer: Answer) -> None:
    if answer.parsed.chips:
        click.echo("Filters: " + "  ".join(f"[{chip.filter.label(answer.currency)}]" for chip in answer.parsed.chips))
    for note in answer.notes:
        click.echo(note)
    if not answer.products:
        click.echo("No products: the shop is empty, or the filters leave nothing.")
    shown = answer.products if answer.found else answer.products[:CLOSEST]
    for found in shown:
        click.echo(_line(found, answer.currency))
    if answer.products:
        click.echo(f"{answer.total:,} products{' fit the filters' * bool(answer.parsed.filters)}.")
    for facet in answer.facets:
        counts = ", ".join(f"{value} {count:,}" for value, count in facet.values[:12])
        click.echo(f"{facet.field}: " + (f"{facet.range[0]:g} to {facet.range[1]:g}" if facet.range else counts))


def _print_related(products: list[Found], as_json: bool) -> None:
    if as_json:
        print_json({"products": [one.to_dict() for one in products]})
        return
    for one in products:
        click.echo(_line(one, ""))
    if not products:
        click.echo("None: the product has no picture, or nothing is near it.")


def _line(found: Found, currency: str) -> str:
    record = found.to_dict()
    price = record["price"]
    low, high = (price["min"], price["max"]) if price else (None, None)
    cost = "" if low is None else f"{low:,.2f}" if low == high else f"{low:,.2f} to {high:,.2f}"
    chance = "" if found.probability is None else f"{found.probability:.0%}"
    more = f"  ({len(record['variants'])} variants)" if len(record["variants"]) > 1 else ""
    stock = "" if record["in_stock"] else "  sold out"
    why = f"  [{', '.join(found.why)}]" if found.why else ""
    return f"{chance:>4}  {cost:>10} {currency:<3}  {found.product.title}{more}{stock}{why}  {found.product.key}"
