"""moderation: what people say of pictures that a guideline judges: labels, thresholds, reviews, the audit log."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option, json_option, opened, print_json, short
from bouba.cli.gallery import one_item
from bouba.errors import ManifestError

if TYPE_CHECKING:
    from bouba.apps.moderation import Moderator, Policy
    from bouba.apps.moderation.calibration import Calibrated
    from bouba.apps.moderation.guarantee import Bound
    from bouba.gallery import Gallery

ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
policy_argument = click.argument("policy", metavar="POLICY")


@commands.group()
def moderation() -> None:
    """What people say of pictures: labels, thresholds with promises, the review queue, the audit log.

    \b
    Examples:
      bouba moderation sample policies/alcohol.toml alcohol -n 200 --out label-me.csv
      bouba moderation label policies/alcohol.toml --from label-me.csv
      bouba moderation calibrate policies/alcohol.toml
      bouba moderation queue alcohol
      bouba moderation review alcohol alcohol 3f9a2c41 --overturn
      bouba moderation audit
    """


@moderation.command()
@policy_argument
@click.argument("rule")
@gallery_option
@click.option("-n", "count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.csv",
              help="Write a table with an empty column `breaks` to be filled in with yes and no.")  # fmt: skip
@json_option
def sample(policy: str, rule: str, uri: str, count: int, out: Path | None, as_json: bool) -> None:
    """Draw the next pictures of a random sample to be labelled: only such labels count for promises."""
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        items = gallery.get(moderator.sample(rule, count))
    if out is not None:
        rows = [[rule, item.id, short(item.path), ""] for item in items]
        _write_csv(out, [["rule", "item", "path", "breaks"], *rows])
    if as_json:
        print_json({"rule": rule, "items": [{"id": item.id, "path": item.path} for item in items]})
    elif out is None:
        for item in items:
            click.echo(f"{item.id}  {short(item.path)}")
    if not items:
        click.echo("All pictures that were scanned are labelled; scan first: bouba moderate POLICY", err=True)
    elif out is not None and not as_json:
        click.echo(
            f"Wrote {len(items):,} rows to {out}. Fill in `breaks`: bouba moderation label {policy!r} --from {out}"
        )


@moderation.command()
@policy_argument
@click.option("--from", "table", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.csv",
              help="A table as `sample --out` writes it; rows without an answer are left out.")  # fmt: skip
@click.option("--rule", metavar="RULE", help="With --breaks and --fine: which rule.")
@click.option("--breaks", multiple=True, metavar="ITEM", help="Breaks the rule: an id, its first digits, or a path.")
@click.option("--fine", multiple=True, metavar="ITEM", help="Does not break it.")
@gallery_option
@json_option
def label(
    policy: str, table: Path | None, rule: str | None, breaks: tuple[str, ...], fine: tuple[str, ...], uri: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Say of pictures whether they break a rule.

    Rows of a drawn sample (--from) set probabilities and promises. Pictures that you pick (--breaks, --fine) are
    examples of what is meant, and count for nothing else.

    \b
    Examples:
      bouba moderation label alcohol --from label-me.csv
      bouba moderation label alcohol --rule alcohol --breaks photos/bar.jpg --fine photos/lemonade.jpg
    """
    if (table is None) == (rule is None) or (rule is None and (breaks or fine)):
        raise click.UsageError("Give --from FILE.csv, or --rule RULE with --breaks and --fine.")
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        if table is not None:
            counts = _labels_of(table, moderator)
        else:
            chosen = {word: [one_item(gallery, name).id for name in names]
                      for word, names in ((True, breaks), (False, fine))}  # fmt: skip
            counts = [moderator.label(rule or "", items, word) for word, items in chosen.items()]
    if as_json:
        print_json({"breaking": counts[0], "fine": counts[1]})
    else:
        click.echo(
            f"{counts[0]:,} break the rule, {counts[1]:,} do not. To use them: bouba moderation calibrate {policy!r}"
        )


@moderation.command()
@policy_argument
@click.option("--miss", type=click.FloatRange(0, 1, True, True), metavar="SHARE",
              help="Promise that at most this share of what breaks a rule passes. [default: the policy's]")  # fmt: skip
@click.option("--false-alarm", type=click.FloatRange(0, 1, True, True), metavar="SHARE",
              help="Promise that on at most this share of what is fine a rule acts by itself.")  # fmt: skip
@click.option("--confidence", type=click.FloatRange(0, 1, True, True), metavar="P",
              help="How sure the promises are. [default: kept on average]")  # fmt: skip
@gallery_option
@json_option
def calibrate(
    policy: str, miss: float | None, false_alarm: float | None, confidence: float | None, uri: str, as_json: bool
) -> None:
    """Set probabilities and thresholds by the labels there are, and say which promises they allow.

    \b
    Example:
      bouba moderation calibrate alcohol --miss 0.05 --confidence 0.9
    """
    from bouba.apps.moderation.policy import Promise

    promise = Promise(miss, false_alarm, confidence)
    if confidence is not None and not promise:
        raise click.UsageError("--confidence is of a promise: give --miss, --false-alarm or both.")
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        made = moderator.calibrate(promise or None)
    if as_json:
        print_json({"rules": {name: one.to_dict() for name, one in made.items()}})
        return
    for name, one in made.items():
        _print_calibrated(name, one)


@moderation.command()
@policy_argument
@click.option("--rule", metavar="RULE", help="Only what this rule flags.")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@gallery_option
@json_option
def queue(policy: str, rule: str | None, limit: int, uri: str, as_json: bool) -> None:
    """List what waits for a person, the most severe and likeliest first; the page shows the pictures."""
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        flags, total = moderator.queue(rule, limit)
        drifts = {one.name: moderator.drift(one.name) for one in moderator.policy.rules}
        paths = {item.id: item.path for item in gallery.get(list({flag.item for flag in flags}))}
    if as_json:
        rows = [{"item": flag.item, "path": paths.get(flag.item, ""), "rule": flag.rule,
                 "probability": round(flag.probability, 4)} for flag in flags]  # fmt: skip
        print_json({"waiting": total, "flags": rows, "drift": {name: one.to_dict() for name, one in drifts.items()}})
        return
    for flag in flags:
        click.echo(f"{flag.item[:12]}  {flag.probability:4.0%}  {flag.rule:<24} {short(paths.get(flag.item, ''))}")
    click.echo(f"{total:,} wait." if total else "Nothing waits.")
    for name, one in drifts.items():
        if one.found:
            click.echo(f"bouba: {name}: {one.message}", err=True)


@moderation.command()
@policy_argument
@click.argument("rule")
@click.argument("names", nargs=-1, required=True, metavar="ITEM...")
@click.option("--accept/--overturn", "accepted", default=None, help="The rule is broken, or it is not.")
@gallery_option
@json_option
def review(policy: str, rule: str, names: tuple[str, ...], accepted: bool | None, uri: str, as_json: bool) -> None:
    """Accept or overturn what a rule flagged. An accepted picture is blocked, an overturned one passes."""
    if accepted is None:
        raise click.UsageError("Say --accept or --overturn.")
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        done = [moderator.review(one_item(gallery, name).id, rule, accepted) for name in names]
    if as_json:
        print_json({"reviewed": [{"item": one.picture, "decision": one.decision} for one in done]})
    else:
        for one in done:
            click.echo(f"{one.picture[:12]}  {one.decision}")


@moderation.command()
@policy_argument
@click.option("-n", "count", type=click.IntRange(0, 10_000), default=5, show_default=True, help="Show the last lines.")
@gallery_option
@json_option
def audit(policy: str, count: int, uri: str, as_json: bool) -> None:
    """Check the audit log's chain of hashes; exit code 1 where a line was changed or is gone.

    Keep the head's hash elsewhere: who can write the gallery's folder can write a new log, but none with that head."""
    with opened(uri) as gallery, moderator_of(gallery, policy) as moderator:
        verified, events = moderator.verify(), moderator.audit.tail(count)
    if as_json:
        print_json({**verified.to_dict(), "last": events})
    else:
        for event in reversed(events):
            click.echo(f"{event.get('n', 0):>8}  {event.get('at', '')}  {event.get('action', ''):<10} "
                       f"{event.get('picture', '')[:12]:<12}  {event.get('decision', '')}")  # fmt: skip
        click.echo(f"{verified.head.lines:,} lines; head {verified.head.digest}")
    if verified.fault:
        click.echo(f"bouba: the audit log is not as it was written: {verified.fault}.", err=True)
        raise click.exceptions.Exit(1)


def policy_of(name: str) -> Policy | str:
    """A file where it looks like one; else the name of one that the gallery knows."""
    from bouba.apps.moderation import load_policy

    return load_policy(name) if name.endswith(".toml") or Path(name).is_file() else name


@contextmanager
def moderator_of(gallery: Gallery, policy: str) -> Iterator[Moderator]:
    from bouba.apps.moderation import Moderator

    with Moderator(gallery, policy_of(policy)) as moderator:
        yield moderator


def _labels_of(table: Path, moderator: Moderator) -> list[int]:
    """Labels from a filled-in table: how many break their rule, and how many do not. All rows are read before any is
    kept. Raises ManifestError, which names the row."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{table} cannot be read: {error}.") from error
    labels: dict[tuple[str, bool], list[str]] = {}
    for number, row in enumerate(rows, 2):
        answer = (row.get("breaks") or "").strip().casefold()
        if not answer:
            continue
        if answer not in ANSWERS or not row.get("rule") or not row.get("item"):
            raise ManifestError(
                f"{table}, line {number}: wants `rule`, `item`, and yes or no in `breaks`. Nothing is kept."
            )
        labels.setdefault((row["rule"], ANSWERS[answer]), []).append(row["item"])
    there = moderator.gallery.known([item for items in labels.values() for item in items])
    for (rule, _), items in labels.items():
        moderator.policy.rule(rule)
        if missing := [item for item in items if item not in there]:
            raise ManifestError(f"{table}: {missing[0]:.40} is no item of the gallery. Nothing is kept.")
    counts = [0, 0]
    for (rule, breaks), items in labels.items():
        counts[not breaks] += moderator.label(rule, items, breaks, "random")
    return counts


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    except OSError as error:
        raise ManifestError(f"{path} cannot be written: {error.strerror}.") from error


def _print_calibrated(name: str, one: Calibrated) -> None:
    told = one.to_dict()
    source = f"{one.breaking:,} + {one.fine:,} labels" if one.fitted else "the model's own calibration: too few labels"
    click.echo(f"{name}: probabilities from {source}")
    click.echo(f"  reviewed from {told['review_from']:.0%}, acted on from {told['act_from']:.0%}")
    for what, bound in (("missed", one.miss), ("false alarms", one.false_alarm)):
        if bound is not None:
            click.echo(f"  {promise_line(what, bound)}")


def promise_line(what: str, bound: Bound) -> str:
    """What is promised, or what it takes."""
    kind = "that break the rule" if what == "missed" else "that are fine"
    sure = f"with confidence {bound.confidence:.0%}" if bound.confidence else "on average"
    promise = f"at most {bound.rate:.1%} {what}, {sure}"
    if bound.threshold is not None:
        return f"promised: {promise} ({bound.errors} of {bound.labels:,} labels)"
    return (
        f"not possible with these labels: {promise}. That needs {bound.needed:,} randomly drawn pictures {kind}; "
        f"there are {bound.labels:,}."
    )
