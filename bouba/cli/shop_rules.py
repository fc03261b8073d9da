"""A shop's rules: what its answers show first, last, at a place or not at all."""

from __future__ import annotations

from typing import Any

import click

from bouba.cli.base import gallery_option, json_option, print_json
from bouba.cli.shop import opened_shop, shop


@shop.group()
def rules() -> None:
    """What is shown first, last, at a place or not at all, for some questions and for some time.

    \b
    Examples:
      bouba shop rules add pin --product dress-17 --words "summer dress" --place 1 --ends 2027-08-31
      bouba shop rules add boost --field brand --value Acme --factor 3
      bouba shop rules add hide --product recalled-4
    """


@rules.command("add")
@click.argument("kind", type=click.Choice(["boost", "bury", "pin", "hide"]))
@gallery_option
@click.option("--product", "products", multiple=True, metavar="ID", help="Which product; repeatable.")
@click.option("--field", default="", help="Or all products with a value: category, brand, colour or gender.")
@click.option("--value", default="", help="The value of --field.")
@click.option("--words", default="", help="Only for questions that have all of these words.")
@click.option("--category", default="", help="Only for questions that ask for this category.")
@click.option("--factor", type=float, default=2.0, show_default=True, help="Of boost and bury: how strongly.")
@click.option("--place", type=int, default=1, show_default=True, help="Of pin: at which place.")
@click.option("--starts", default="", metavar="DATE", help="First day, e.g. 2026-11-27.")
@click.option("--ends", default="", metavar="DATE", help="Last day.")
@click.option("--note", default="", help="Why.")
@json_option
def add_rule(uri: str, as_json: bool, **given: Any) -> None:
    """Add a rule. One that says the opposite of another is refused."""
    from bouba.apps.shop import Rule

    with opened_shop(uri) as one:
        rule = one.rules.add(Rule(**given), who="command")
    if as_json:
        print_json(rule.to_dict())
    else:
        click.echo(f"Rule {rule.id}: {rule.told()}.")


@rules.command("list")
@gallery_option
@json_option
def list_rules(uri: str, as_json: bool) -> None:
    """List them, with how many answers each has changed."""
    with opened_shop(uri) as one:
        all_rules, uses = one.rules.all(), one.rules.uses()
    if as_json:
        print_json({"rules": [{**rule.to_dict(), "used": uses.get(rule.id, 0)} for rule in all_rules]})
        return
    for rule in all_rules:
        note = f"  ({rule.note})" if rule.note else ""
        click.echo(f"{rule.id:>4}  {rule.told()}{note}  used {uses.get(rule.id, 0):,} times")
    if not all_rules:
        click.echo("None yet. Add one: bouba shop rules add boost --field brand --value NAME")


@rules.command("remove")
@click.argument("id", type=int)
@gallery_option
@json_option
def remove_rule(id: int, uri: str, as_json: bool) -> None:
    """Remove a rule by its number. The log keeps it."""
    with opened_shop(uri) as one:
        rule = one.rules.remove(id, who="command")
    if as_json:
        print_json({"removed": rule.to_dict()})
    else:
        click.echo(f"Removed rule {rule.id}: {rule.told()}.")


@rules.command("log")
@gallery_option
@click.option("-n", "most", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@json_option
def log(uri: str, most: int, as_json: bool) -> None:
    """Who changed which rule and when, the latest first."""
    with opened_shop(uri) as one:
        lines = one.rules.log(most)
    if as_json:
        print_json({"log": lines})
        return
    for line in lines:
        click.echo(
            f"{line['time']}  {line['action']:<7} rule {line['rule']}  {line['told']}  ({line['who'] or 'unknown'})"
        )
