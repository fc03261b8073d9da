"""bouba medical: a radiology archive, scans and reports found by each other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bouba.cli.base import commands, gallery_option, json_option, opened, print_json, progress_bar
from bouba.cli.medical_text import print_refused, print_report, print_study, write_lines
from bouba.errors import MediaMissing, QueryError

if TYPE_CHECKING:
    from bouba.apps.medical.answers import Only
    from bouba.apps.medical.importing import Wish

_F = TypeVar("_F", bound=Callable[..., Any])


@commands.group()
def medical() -> None:
    """A radiology archive: scans found by reports, and reports by scans. Not for diagnosis.

    \b
    Examples:
      bouba medical import ~/dicom --gallery scans.bouba
      bouba medical search left pleural effusion --modality CT --gallery scans.bouba
      bouba medical reports scan.png --gallery scans.bouba
    """


def _privacy_options(command: _F) -> _F:
    options = (
        click.option("--dates", type=click.Choice(["shift", "remove", "keep"]), default="shift", show_default=True,
                     help="Of a patient's studies: all moved by one secret number of days, or removed, or kept."),
        click.option("--no-characteristics", is_flag=True, help="Remove age, sex, size and weight too."),
        click.option("--writing", type=click.Choice(["mask", "report", "refuse"]), default="mask", show_default=True,
                     help="What becomes of a picture in which writing is found."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _only_options(command: _F) -> _F:
    options = (
        click.option("--modality", default="", metavar="CODE", help="Only CT, MR, US, ... as DICOM names them."),
        click.option("--body-part", default="", metavar="TEXT", help="Only studies of it, or of a part named so."),
        click.option("--after", default="", metavar="DATE", help="Only studies of that day or later: 2024-03-31."),
        click.option("--before", default="", metavar="DATE", help="Only studies of that day or earlier."),
        click.option("--youngest", type=float, metavar="YEARS", help="Only patients of at least this age."),
        click.option("--oldest", type=float, metavar="YEARS", help="Only patients of at most this age."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@medical.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@gallery_option
@click.option("--model", "-m", metavar="DIR", help="A model folder for a new gallery. [default: the built-in one]")
@_privacy_options
@click.option("--slices", type=click.IntRange(1, 1000), default=3, show_default=True,
              help="How many slices stand for a series, evenly over it.")  # fmt: skip
@click.option("--report", "report_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a JSON line for each file that was refused.")  # fmt: skip
@json_option
def import_(
    sources: tuple[str, ...], uri: str, model: str | None, slices: int, report_file: Path | None, as_json: bool,
    **privacy: Any,
) -> None:  # fmt: skip
    """Import DICOM files, folders and ZIP archives of them, and manifests of pictures with reports (.csv .tsv .jsonl).

    Everything is de-identified on the way in; the originals are read and not copied. A second run skips what is there.

    \b
    Examples:
      bouba medical import ~/dicom
      bouba medical import studies.zip --writing report --dates remove
      bouba medical import cases.jsonl --slices 5 --report refused.jsonl
    """
    from bouba.apps.medical import BANNER, Archive

    with opened(uri, model, must_exist=False) as gallery, progress_bar() as progress:
        report = Archive(gallery).import_(sources, _wish(slices=slices, **privacy), progress=progress)
    if report_file is not None:
        write_lines(report_file, report.refused)
    if as_json:
        print_json({"banner": BANNER, **report.to_dict()})
    else:
        click.echo(
            f"{report.imported:,} files imported, {report.known:,} known, {len(report.refused):,} refused; "
            f"{len(report.studies):,} studies, {report.series:,} series, {report.pictures:,} pictures, "
            f"{report.reports:,} reports."
        )
        if report.written:
            click.echo(f"Writing in {report.written:,} pictures, masked in {report.masked:,}.")
        print_refused(report.refused)
        click.echo(BANNER)
    if report.refused and not report.imported and not report.known:
        raise MediaMissing("Nothing could be imported.")


@medical.command()
@click.argument("text", nargs=-1, metavar="[TEXT...]")
@gallery_option
@click.option("--report", "report_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Look for the scans of a report: a text file, - for standard input.")  # fmt: skip
@click.option("--image", "-i", metavar="FILE", help="Look for studies with scans like this one.")
@click.option("-k", "k", type=click.IntRange(1, 200), default=10, show_default=True, help="How many studies.")
@_only_options
@json_option
def search(
    text: tuple[str, ...], uri: str, report_file: Path | None, image: str | None, k: int, as_json: bool, **only: Any
) -> None:
    """Find studies by words, a report or a scan, each with the sentence and the slice that matched.

    What reports deny is kept apart: "effusion" finds no "no effusion", and "no effusion" finds only that.

    \b
    Examples:
      bouba medical search ring enhancing lesion
      bouba medical search nodule without calcification --modality CT --youngest 40
      bouba medical search --report report.txt
      bouba medical search --image scan.png "with midline shift"
    """
    from bouba.apps.medical import BANNER, Archive

    asked = " ".join(text) or None
    if report_file is not None:
        if asked is not None:
            raise click.UsageError("Give words or a report, not both.")
        asked = _text_of(report_file)
    with opened(uri) as gallery:
        answer = Archive(gallery).search(asked, image=image, k=k, only=_only(**only))
    if as_json:
        print_json(answer.to_dict())
        return
    for note in answer.notes:
        click.echo(note)
    for hit in answer.hits:
        print_study(hit)
    if not answer.hits:
        click.echo("Nothing found.")
    if answer.ruled_out:
        click.echo(f"--- {len(answer.ruled_out)} whose reports rule it out ---")
        for hit in answer.ruled_out:
            print_study(hit)
    click.echo(BANNER)


@medical.command()
@click.argument("scan", metavar="SCAN")
@gallery_option
@click.option("-k", "k", type=click.IntRange(1, 200), default=5, show_default=True, help="How many reports.")
@_only_options
@json_option
def reports(scan: str, uri: str, k: int, as_json: bool, **only: Any) -> None:
    """Find the reports that a scan may belong to. SCAN is a picture, or the id of one in the gallery.

    \b
    Examples:
      bouba medical reports scan.png
      bouba medical reports 9f86d081884c7d659a2feaa0c55ad015 --modality MR
    """
    from bouba.apps.medical import BANNER, Archive

    with opened(uri) as gallery:
        answer = Archive(gallery).reports(scan, k=k, only=_only(**only))
    if as_json:
        print_json(answer.to_dict())
        return
    for hit in answer.hits:
        print_report(hit)
    if not answer.hits:
        click.echo("Nothing found: the archive has no report that fits.")
    click.echo(BANNER)


@medical.command()
@click.argument("name", metavar="STUDY")
@gallery_option
@json_option
def show(name: str, uri: str, as_json: bool) -> None:
    """A study: its series, their slices, its reports with what each sentence says. STUDY may be its first characters.

    \b
    Example:
      bouba medical show S-02900c4e2c72
    """
    from bouba.apps.medical import BANNER, Archive

    with opened(uri) as gallery:
        study = Archive(gallery).study(name)
    if as_json:
        print_json({"banner": BANNER, **study})
        return
    for key in ("id", "patient", "date", "age", "sex"):
        click.echo(f"{key:<9}{'' if study[key] is None else study[key]}")
    for series in study["series"]:
        click.echo(f"series   {series['id']}  {series['modality']} {series['body_part']}, {series['slices']} slices")
        for picture in series["pictures"]:
            click.echo(f"           {picture['item']}  slice {picture['number']}")
    for report in study["reports"]:
        for sentence in report["sentences"]:
            said = ", ".join(f"{one['status']}: {one['text']}" for one in sentence["says"])
            click.echo(f"{sentence['section']:<9}{sentence['text']}\n           {said}")
    click.echo(BANNER)


@medical.command()
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path), metavar="OUT")
@_privacy_options
@click.option("--key", "key_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A file with a secret of 16 bytes or more: the same secret gives the same pseudonyms. "
                   "[default: a new one, thrown away]")  # fmt: skip
@json_option
def deidentify(sources: tuple[str, ...], out: Path, key_file: Path | None, as_json: bool, **privacy: Any) -> None:
    """Write DICOM files without what says whose they are: DICOM PS3.15, basic profile.

    \b
    Example:
      bouba medical deidentify ~/dicom cleaned --dates remove --key secret.bin
    """
    from bouba.apps.medical import BANNER
    from bouba.apps.medical.deidentify import Pseudonyms
    from bouba.apps.medical.files import clean_files

    with progress_bar() as progress:
        report = clean_files(sources, out, Pseudonyms(_key(key_file)), _wish(**privacy), progress)
    if as_json:
        print_json({"banner": BANNER, **report.to_dict()})
    else:
        click.echo(f"{report.written:,} files written to {out}, {len(report.refused):,} refused.")
        if report.masked or report.with_writing:
            click.echo(f"Writing masked in {report.masked:,} files, left in {report.with_writing:,}.")
        print_refused(report.refused)
    if report.refused and not report.written:
        raise MediaMissing("Nothing could be de-identified.")


@medical.command("info")
@gallery_option
@json_option
def print_info(uri: str, as_json: bool) -> None:
    """What an archive holds."""
    from bouba.apps.medical import BANNER, Archive

    with opened(uri) as gallery:
        facts = Archive(gallery).info()
    if as_json:
        print_json({"banner": BANNER, **facts})
        return
    for key in ("studies", "series", "pictures", "reports", "with_writing"):
        click.echo(f"{key.replace('_', ' '):<14}{facts[key]:,}")
    for key in ("modalities", "body_parts"):
        values = ", ".join(f"{one['value']} {one['studies']:,}" for one in facts[key])
        click.echo(f"{key.replace('_', ' '):<14}{values}")
    click.echo(f"{'statements':<14}" + ", ".join(f"{name} {count:,}" for name, count in facts["statements"].items()))
    click.echo(BANNER)


def _wish(dates: Any, no_characteristics: bool, writing: Any, slices: int = 3) -> Wish:
    from bouba.apps.medical import Options, Wish

    return Wish(Options(dates, not no_characteristics), writing, slices)


def _only(**given: Any) -> Only:
    from bouba.apps.medical import Only

    return Only(**given)


def _text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaMissing(f"{path}: it cannot be read as UTF-8 text ({type(error).__name__}).") from None


def _key(path: Path | None) -> bytes:
    import secrets

    if path is None:
        return secrets.token_bytes(32)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise MediaMissing(f"{path}: it cannot be read: {error.strerror}.") from None
    if len(key) < 16:
        raise QueryError(f"{path}: a key of {len(key)} bytes; 16 are needed: head -c 32 /dev/urandom > {path}")
    return key
