"""search and listen: a question of any kind -> hits."""

from __future__ import annotations

import operator
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bouba.cli.base import commands, gallery_option, json_option, model_option, print_json, short, where_option
from bouba.cli.concept import item_ids
from bouba.cli.remote import asked, server_options
from bouba.types import Not, Query, Question, Result

if TYPE_CHECKING:
    from bouba.gallery import Gallery
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
        server_options,
        click.option("-k", "k", type=click.IntRange(1, 10_000), default=12, show_default=True, help="How many hits."),
        where_option,
        click.option("--min-probability", type=click.FloatRange(0, 1), metavar="P",
                     help="Only hits that are a match with at least this probability."),
        click.option("--all", "everything", is_flag=True, help="The k nearest, whether they match or not."),
        click.option("--diverse", is_flag=True, help="Hits that are unlike, chosen among three times as many."),
        click.option("--raw", is_flag=True, help="Rank by cosine alone: no probability, nothing corrected or folded."),
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
@click.option("--concept", "-c", metavar="NAME", help="Look for a saved concept: `bouba concept`.")
@click.option("--like", multiple=True, metavar="ITEM", help="More like this hit: its id, first digits of it, or path.")
@click.option("--unlike", multiple=True, metavar="ITEM", help="Less like this hit.")
@click.option("--and", "and_", multiple=True, metavar="TEXT", help="And this as well, judged on its own; repeatable.")
@click.option("--or", "or_", multiple=True, metavar="TEXT",
              help="Or this instead: the TEXT with every --and is one side, each --or another.")  # fmt: skip
@click.option("--not", "not_", multiple=True, metavar="TEXT", help="But nothing that shows this, in any case.")
@click.option("--exact", is_flag=True, help='Take the text as it is: "without people" is no --not then.')
@_weight("text", "text")
@_weight("image", "picture")
@_weight("audio", "recording")
@_weight("concept", "concept")
@click.option("--fetch", is_flag=True, help="Allow http(s) URLs as the picture or the recording.")
@_result_options
def search(
    text: tuple[str, ...], image: str | None, audio: str | None, transcript: str | None, concept: str | None,
    like: tuple[str, ...], unlike: tuple[str, ...], and_: tuple[str, ...], or_: tuple[str, ...], not_: tuple[str, ...],
    text_weight: float, image_weight: float, audio_weight: float, concept_weight: float, heard_as: HeardAs | None,
    fetch: bool, exact: bool, **results: Any,
) -> None:  # fmt: skip
    """Find the pictures nearest to a text, a picture, a recording, or several of them.

    \b
    Examples:
      bouba search a dog running on the beach
      bouba search --image sofa.jpg "in green leather" -k 5 --sheet out.png
      bouba search --audio bark.ogg "in the snow"
      bouba search a green sofa --like 3f9a2c41 --like b07e55d2 --unlike 91c0aa37
      bouba search a beach without people
      bouba search beach --or lake --not people --not boats
      bouba search --image dress.jpg --and blue
      bouba search shoes --where 'price < 50 and brand in ("A", "B")' --json
      bouba search a red car --server https://pictures.example.org --gallery press
    """
    if audio is None and (heard_as or transcript or results["window"]):
        raise click.UsageError("--as, --transcript and --window are about a recording: name it with --audio.")
    recording: AudioSource | None = sys.stdin.buffer if audio == "-" else audio
    query = Query(
        " ".join(text) if text else None, image, recording, text_weight, image_weight, audio_weight,
        heard_as or "auto", transcript, concept, concept_weight, like, unlike,
    )  # fmt: skip
    _answer(_composed(query, and_, or_, not_), fetch=fetch, exact=exact, **results)


def _composed(query: Query, and_: Sequence[str], or_: Sequence[str], not_: Sequence[str]) -> Question:
    """(query AND and_) OR or_, in any case NOT not_."""
    sides = [query, *map(Query, and_)] if query != Query() else [*map(Query, and_)]
    whole = [reduce(operator.and_, sides)] if sides else []
    whole += map(Query, or_)
    wanted = [reduce(operator.or_, whole)] if whole else []
    parts: list[Question] = [*wanted, *(Not(Query(text)) for text in not_)]
    return reduce(operator.and_, parts) if parts else query


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
    query: Question, *, uri: str, model: str | None, server: str | None, key_file: Path | None, k: int,
    where: str | None, min_probability: float | None, everything: bool, raw: bool, window: bool, sheet: Path | None,
    show: bool, as_json: bool, fetch: bool = False, exact: bool = False, diverse: bool = False,
) -> None:  # fmt: skip
    with asked(uri, model, server, key_file) as gallery:
        query = _with_ids(query, gallery)
        result = gallery.search(
            query, k=k, where=where, fetch=fetch, min_probability=min_probability, raw=raw, exact=exact, diverse=diverse
        )
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
    parts = "".join(f"  {'' if one.wanted else 'not '}{one.asked} {one.probability:.0%}" for one in hit.parts)
    copies = f"  (+{len(hit.duplicates)})" if hit.duplicates else ""
    return f"{hit.rank:3d}  {hit.score:6.3f}{chance}{at}  {short(hit.path) or hit.id}{copies}{parts}"


def _with_ids(question: Question, gallery: Gallery) -> Question:
    """Items that were named by a path or the first digits of their id, by their ids."""
    match question:
        case Query():
            return replace(question, like=item_ids(gallery, question.like), unlike=item_ids(gallery, question.unlike))
        case Not(part):
            return Not(_with_ids(part, gallery))
    return replace(question, parts=tuple(_with_ids(part, gallery) for part in question.parts))


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


def _title(query: Question, heard: Hearing | None) -> str:
    if not isinstance(query, Query):
        from bouba.query.composition import named

        return named(query)
    said = heard and (heard.transcript or (heard.tags[0][0] if heard.tags else "a recording"))
    image = str(query.image) if query.image is not None else None
    return " + ".join(part for part in (query.text, image, said, query.concept) if part)
