"""search and listen: a question of any kind -> hits."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bouba.cli.base import commands, gallery_option, json_option, model_option, opened, print_json, short, where_option
from bouba.types import Query, Result

if TYPE_CHECKING:
    from bouba.types import AudioSource, HeardAs, Hearing, Hit

CLOSEST = 3  # hits to show where nothing matches
_F = TypeVar("_F", bound=Callable[..., Any])


def _weight(part: str, what: str) -> Callable[[_F], _F]:
    return click.option(
        f"--{part}-weight", type=float, default=1.0, show_default=True, help=f"Weight of the {what} beside other parts."
    )


def _result_options(command: _F) -> _F:
    """What both commands can do with hits."""
    options = (
        gallery_option,
        model_option,
        click.option("-k", "k", type=click.IntRange(1, 10_000), default=12, show_default=True, help="How many hits."),
        where_option,
        click.option("--min-probability", type=click.FloatRange(0, 1), metavar="P",
                     help="Only hits that are a match with at least this probability."),
        click.option("--all", "everything", is_flag=True, help="The k nearest, whether they match or not."),
        click.option("--raw", is_flag=True, help="Rank by cosine alone: no probabilities, nothing corrected."),
        click.option("--as", "heard_as", type=click.Choice(["speech", "sound"]),
                     help="What the recording is. [default: decided by what is heard]"),
        click.option("--window", is_flag=True, help="Show which second of the recording fits each hit best."),
        click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.png",
                     help="Write the hits as one picture."),
        click.option("--open", "show", is_flag=True, help="Show the hits as one picture."),
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@commands.command()
@click.argument("text", nargs=-1, metavar="[TEXT...]")
@click.option("--image", "-i", metavar="FILE", help="Look for pictures like this one.")
@click.option("--audio", "-a", metavar="FILE",
              help="Look for what is said or heard in a recording, or in a video; - reads standard input.")  # fmt: skip
@click.option("--transcript", metavar="TEXT", help="What is said in the recording, where it was misheard.")
@_weight("text", "text")
@_weight("image", "picture")
@_weight("audio", "recording")
@click.option("--fetch", is_flag=True, help="Allow http(s) URLs as the picture or the recording.")
@_result_options
def search(
    text: tuple[str, ...], image: str | None, audio: str | None, transcript: str | None, text_weight: float,
    image_weight: float, audio_weight: float, heard_as: HeardAs | None, fetch: bool, **results: Any,
) -> None:  # fmt: skip
    """Find the pictures nearest to a text, a picture, a recording, or several of them.

    \b
    Examples:
      bouba search a dog running on the beach
      bouba search --image sofa.jpg "in green leather" -k 5 --sheet out.png
      bouba search --audio bark.ogg "in the snow"
      bouba search shoes --where 'price < 50 and brand in ("A", "B")' --json
    """
    if audio is None and (heard_as or transcript or results["window"]):
        raise click.UsageError("--as, --transcript and --window are about a recording: name it with --audio.")
    recording: AudioSource | None = sys.stdin.buffer if audio == "-" else audio
    query = Query(
        " ".join(text) if text else None, image, recording, text_weight, image_weight, audio_weight,
        heard_as or "auto", transcript,
    )  # fmt: skip
    _answer(query, fetch=fetch, **results)


@commands.command()
@click.option("--seconds", type=click.FloatRange(0.5, 60), default=5.0, show_default=True, help="How long to record.")
@_result_options
def listen(seconds: float, heard_as: HeardAs | None, **results: Any) -> None:
    """Record from the microphone, and find the pictures that fit what is said or heard.

    \b
    Examples:
      bouba listen
      bouba listen --seconds 10 --as sound --open
    """
    from bouba.cli.microphone import record

    _answer(Query(audio=record(seconds), audio_as=heard_as or "auto"), **results)


def _answer(
    query: Query, *, uri: str, model: str | None, k: int, where: str | None, min_probability: float | None,
    everything: bool, raw: bool, window: bool, sheet: Path | None, show: bool, as_json: bool, fetch: bool = False,
) -> None:  # fmt: skip
    with opened(uri, model) as gallery:
        result = gallery.search(query, k=k, where=where, fetch=fetch, min_probability=min_probability, raw=raw)
        if show and sheet is None:
            sheet = Path(tempfile.mkdtemp(prefix="bouba-")) / "hits.png"
        if sheet is not None:
            from bouba.sheet import save_sheet

            save_sheet(result, sheet, _title(query, result.heard))
        if show:
            click.launch(str(sheet))
    if as_json:
        print_json(result.to_dict())
        return
    if result.heard:
        _print_heard(result.heard)
    for note in result.notes:
        click.echo(note)
    _print_hits(result, everything, window)


def _print_hits(result: Result, everything: bool, window: bool) -> None:
    """What matches; where nothing does, the closest under a line."""
    if not result.hits:
        click.echo("Nothing found: the gallery is empty, or --where or --min-probability leaves nothing.")
        return
    shown = result.hits if everything else result.matches or result.hits[:CLOSEST]
    if not result.found:
        click.echo(f"Nothing matches (confidence {result.confidence:.0%}).")
        click.echo("--- the closest ---")
    for hit in shown:
        click.echo(_line(hit, window))
    if (less := len(result.hits) - len(shown)) > 0 and result.found:
        click.echo(f"     and {less} less likely: --all shows them")


def _line(hit: Hit, window: bool) -> str:
    chance = "" if hit.probability is None else f" {hit.probability:5.0%}"
    at = f"  {int(hit.second // 60)}:{hit.second % 60:04.1f}" if window and hit.second is not None else ""
    return f"{hit.rank:3d}  {hit.score:6.3f}{chance}{at}  {short(hit.path) or hit.id}"


def _print_heard(heard: Hearing) -> None:
    if heard.transcript:
        click.echo(f"Heard speech: “{heard.transcript}”  (misheard? --transcript TEXT; a sound? --as sound)")
        for text, weight in heard.readings[1:]:
            click.echo(f"     or {weight:4.0%}: “{text}”")
    if heard.kind != "speech":
        tags = ", ".join(f"{name} {score:.0%}" for name, score in heard.tags[:3]) or "nothing that has a name"
        click.echo(f"Heard {'also ' if heard.transcript else ''}a sound: {tags}")
    for note in heard.notes:
        click.echo(f"bouba: {note}", err=True)


def _title(query: Query, heard: Hearing | None) -> str:
    said = heard and (heard.transcript or (heard.tags[0][0] if heard.tags else "a recording"))
    image = str(query.image) if query.image is not None else None
    return " + ".join(part for part in (query.text, image, said) if part)
