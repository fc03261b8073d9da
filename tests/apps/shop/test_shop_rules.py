"""Rules of a shop: what they do, for which questions, until when, and what was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bouba.apps.shop import Ask, Rule, RuleConflict, Shop, rule_of
from bouba.apps.shop.rules import ranked
from bouba.errors import QueryError

TODAY = datetime.now(UTC).date()


def keys(shop: Shop, text: str = "", **more: Any) -> list[str]:
    return [one.product.key for one in shop.search(Ask(text, **more)).products]


def test_a_pin_stands_at_its_place_for_its_words(stocked: Shop) -> None:
    stocked.rules.add(Rule("pin", ("s1",), words="summer dresses", place=2))
    answer = stocked.search("summer dress red")
    assert "s1" not in keys(stocked, "red dress")
    assert [one.product.key for one in answer.products][1:2] != ["s1"]  # a pin obeys the filters: these are dresses
    stocked.rules.add(Rule("pin", ("d3", "d1"), words="summer", place=1))
    answer = stocked.search("dress for the summer")
    assert [one.product.key for one in answer.products][:2] == ["d3", "d1"]
    assert answer.rules == (2,)


def test_a_pin_brings_in_what_was_not_found(stocked: Shop) -> None:
    stocked.rules.add(Rule("pin", ("n1",), words="gift"))
    answer = stocked.search("a gift")
    assert answer.products[0].product.key == "n1"
    assert answer.products[0].why == ("pinned",)


def test_boost_and_bury_move_and_hide_leaves_out(stocked: Shop) -> None:
    order = keys(stocked, "shoes")
    last, first = order[-1], order[0]
    boost = stocked.rules.add(Rule("boost", (last,), factor=5))
    assert keys(stocked, "shoes")[0] == last
    stocked.rules.remove(boost.id)
    assert keys(stocked, "shoes") == order
    bury = stocked.rules.add(Rule("bury", (first,), category="shoes", factor=5))
    assert keys(stocked, "shoes")[-1] == first
    assert keys(stocked, "cheapest shoes") == ["s2", "s1", "s3"]  # an order that was asked for stays
    stocked.rules.remove(bury.id)
    stocked.rules.add(Rule("hide", field="brand", value="bolt", category="Shoes"))
    assert keys(stocked, "shoes") == ["s2"]
    assert "s1" in keys(stocked)


@pytest.mark.parametrize(
    ("starts", "ends", "runs"),
    [(0, 0, True), (-3, -1, False), (1, 9, False), (-1, None, True), (None, 0, True)],
)
def test_rules_run_between_their_days(stocked: Shop, starts: int | None, ends: int | None, runs: bool) -> None:
    days = ["" if n is None else (TODAY + timedelta(days=n)).isoformat() for n in (starts, ends)]
    stocked.rules.add(Rule("hide", ("s1",), starts=days[0], ends=days[1]))
    assert ("s1" not in keys(stocked)) is runs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rule("pin", ("s1",)), Rule("hide", ("s1",))),
        (Rule("boost", ("s1", "s2")), Rule("bury", ("s2",), words="red")),
        (Rule("boost", field="brand", value="Acme"), Rule("hide", field="brand", value="ACME")),
        (Rule("pin", ("s1",), words="red", place=3), Rule("pin", ("s2",), words="red dress", place=3)),
    ],
)
def test_contradictions_are_refused_with_both_named(stocked: Shop, one: Rule, other: Rule) -> None:
    kept = stocked.rules.add(one)
    with pytest.raises(RuleConflict, match=rf"Rule {kept.id} says: {one.kind} .*Remove it first"):
        stocked.rules.add(other)
    assert len(stocked.rules.all()) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rule("pin", ("s1",), words="red"), Rule("hide", ("s1",), words="blue")),
        (Rule("boost", ("s1",), ends="2026-01-31"), Rule("hide", ("s1",), starts="2026-02-01")),
        (Rule("boost", ("s1",), category="Shoes"), Rule("hide", ("s1",), category="Dresses")),
        (Rule("boost", ("s1",)), Rule("hide", ("s2",))),
    ],
)
def test_what_can_both_be_followed_is_kept(stocked: Shop, one: Rule, other: Rule) -> None:
    stocked.rules.add(one)
    stocked.rules.add(other)
    assert len(stocked.rules.all()) == 2


def test_hide_wins_where_questions_happen_to_have_both(stocked: Shop) -> None:
    stocked.rules.add(Rule("pin", ("s1",), words="party"))
    stocked.rules.add(Rule("hide", ("s1",), words="office"))
    assert keys(stocked, "for a party")[0] == "s1"
    assert "s1" not in keys(stocked, "for an office party")


def test_every_change_is_logged_and_uses_are_counted(stocked: Shop) -> None:
    rule = stocked.rules.add(Rule("pin", ("s1",), words="party", note="Friday"), who="anna")
    for _ in range(3):
        stocked.search("party")
    stocked.search("work")
    assert stocked.rules.uses() == {rule.id: 3}
    stocked.rules.remove(rule.id, who="ben")
    told = [(one["action"], one["who"], one["rule"]) for one in stocked.rules.log()]
    assert told == [("remove", "ben", rule.id), ("add", "anna", rule.id)]
    assert "pin s1 at place 1 for “party”" in stocked.rules.log()[0]["told"]
    with pytest.raises(QueryError, match=f"no rule {rule.id}"):
        stocked.rules.remove(rule.id)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "lift"}, "is no rule"),
        ({"kind": "hide"}, "give one of the two"),
        ({"kind": "hide", "products": ["a"], "field": "brand", "value": "b"}, "give one of the two"),
        ({"kind": "hide", "field": "brand"}, "a field with a value"),
        ({"kind": "hide", "field": "price", "value": "3"}, "cannot be ruled by"),
        ({"kind": "pin", "field": "brand", "value": "x"}, "Only products"),
        ({"kind": "boost", "products": ["a"], "factor": 1.0}, "above 1"),
        ({"kind": "pin", "products": ["a"], "place": 0}, "places 1 to 50"),
        ({"kind": "hide", "products": ["a"], "starts": "soon"}, "is no date"),
        ({"kind": "hide", "products": ["a"], "starts": "2026-02-01", "ends": "2026-01-01"}, "before it starts"),
        ({"kind": "hide", "products": ["a"], "words": "!"}, "no word"),
        ({"kind": "hide", "products": ["a"], "colour": "red"}, "is nothing that a rule has"),
    ],
)
def test_wrong_rules_say_why(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        rule_of(wrong)


def test_a_factor_of_two_takes_the_62nd_to_the_first_place() -> None:
    order = list(range(1, 101))
    rule = Rule("boost", ("x",), factor=2.01)
    assert ranked(order, {62: [rule]})[0] == 62
    assert ranked(order, {80: [rule]})[0] == 1
    assert ranked(order, {}) == order
