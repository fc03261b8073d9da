"""`bouba shop` from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bouba.apps.shop import ImportReport
from bouba.cli import commands
from bouba.errors import BoubaError


@pytest.fixture
def run(tmp_path: Path, tiny_model_folder: Path, clothes: Path) -> Any:
    """run("search", "red") in a shop of clothes; what it printed."""
    gallery = ["--gallery", str(tmp_path / "g.bouba")]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(commands, ["shop", *arguments, *gallery], catch_exceptions=True)

    done = run("import", str(clothes), "--model", str(tiny_model_folder))
    assert done.exit_code == 0, done.output
    assert "7 added; 7 products in the shop; 7 pictures encoded" in done.output
    assert "1 products without a picture" in done.output
    return run


def test_search_prints_filters_notes_and_products(run: Any) -> None:
    out = run("search", "red dress", "under 10").output
    assert out.splitlines()[0] == "Filters: [colour Red]  [category Dresses]  [price < 10 EUR]"
    assert "Let go of: price < 10 EUR" in out
    assert "30.00 EUR  Acme dress" in out
    assert "45.00 to 55.00 EUR  Bolt dress  (2 variants)" in out
    assert "category: Apparel 3" in run("search", "--facets").output


def test_search_as_json(run: Any, paint: Any) -> None:
    found = json.loads(run("search", "--image", str(paint("yellow", seed=77)), "shoes", "--json").output)
    assert found["products"][0]["id"] == "s2"
    assert found["chips"][0]["label"] == "category Shoes"
    assert set(found) >= {"found", "total", "matches", "chips", "relaxed", "facets", "products"}


def test_problems_are_told_and_written(run: Any, write: Any, tmp_path: Path) -> None:
    feed = write("more.csv", "id,title,price\n", "x,Thing,5 EUR\n", "y,,5 EUR\n", "z,Other,soon\n")
    done = run("import", str(feed), "--report", str(tmp_path / "problems.jsonl"))
    assert done.exit_code == 0
    assert "line 3, y: no title." in done.output
    lines = [json.loads(line) for line in (tmp_path / "problems.jsonl").read_text("utf-8").splitlines()]
    assert [one["line"] for one in lines] == [3, 4]
    bad = write("bad.csv", "id,title,price\n", "y,,1\n", "z,Z,no\n")
    failed = run("import", str(bad))
    assert isinstance(failed.exception, BoubaError)
    assert str(failed.exception) == "Nothing could be imported."


def test_import_as_json_has_all_of_the_report(run: Any, clothes: Path) -> None:
    made = json.loads(run("import", str(clothes), "--json").output)
    assert set(made) == {*ImportReport().to_dict(), "products"}
    assert (made["unchanged"], made["encoded"]) == (7, 0)


def test_columns_are_pairs(run: Any, clothes: Path) -> None:
    assert run("import", str(clothes), "--column", "colour").exit_code == 2


def test_related_products_and_info(run: Any) -> None:
    assert "Acme dress" not in run("similar", "d1").output
    assert {one["id"] for one in json.loads(run("goes-with", "d1", "--json").output)["products"]} == {"s1", "s3"}
    assert isinstance(run("similar", "nope").exception, BoubaError)
    assert "products         7" in run("info").output
    assert json.loads(run("info", "--json").output)["currency"] == "EUR"


def test_rules_from_the_terminal(run: Any) -> None:
    out = run("rules", "add", "pin", "--product", "s3", "--words", "gift", "--note", "Xmas").output
    assert out == "Rule 1: pin s3 at place 1 for “gift”.\n"
    assert "Bolt boots  [pinned]" in run("search", "gift").output
    assert "(Xmas)  used 1 times" in run("rules", "list").output
    assert isinstance(run("rules", "add", "hide", "--product", "s3").exception, BoubaError)
    assert json.loads(run("rules", "remove", "1", "--json").output)["removed"]["id"] == 1
    assert "None yet" in run("rules", "list").output
    actions = [one["action"] for one in json.loads(run("rules", "log", "--json").output)["log"]]
    assert actions == ["remove", "add"]
