"""`bouba moderate` and `bouba moderation`, as they are typed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bouba.cli import main

POLICY = """
name = "no red"
guarantee = { miss = 0.4, confidence = 0.6 }
[[rules]]
name = "red"
flag = ["red"]
fine = ["yellow"]
severity = "high"
action = "block"
threshold = 0.35
[[tests]]
name = "a red wall"
picture = "wall.png"
decision = "WANTED"
"""

Command = Callable[..., str]


@pytest.fixture
def command(
    tmp_path: Path,
    photos: Path,
    tiny_model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """command("moderate", "p.toml"): what it prints; with `code` 1 also the message. A gallery is there."""

    def command(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["bouba", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == code, printed
        return printed.out + (printed.err if code else "")

    Image.new("RGB", (40, 40), "red").save(tmp_path / "wall.png")
    (tmp_path / "p.toml").write_text(POLICY.replace("WANTED", "block"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOUBA_GALLERY", str(tmp_path / "gallery"))
    command("add", photos, "--model", tiny_model_folder)
    return command


def test_a_scan(command: Command) -> None:
    told = command("moderate", "p.toml")
    assert "12 pictures: 10 allow, 0 review, 2 block" in told
    assert '2 wait for a person: bouba moderation queue "no red"' in told
    assert "needs 2 randomly drawn pictures that break the rule; there are 0" in told
    again = json.loads(command("moderate", "no red", "--json"))  # by its name
    assert (again["judged"], again["decisions"]) == (0, {"allow": 10, "review": 0, "block": 2})
    assert json.loads(command("moderate", "p.toml", "--all", "--where", 'path like "%red%"', "--json"))["judged"] == 2


def test_tests_are_run_like_unit_tests(command: Command, tmp_path: Path, tiny_model_folder: Path) -> None:
    run = ("moderate", "--test", "p.toml", "--model", tiny_model_folder)
    assert command(*run) == "passed  a red wall\n1 passed, 0 failed.\n"
    (tmp_path / "p.toml").write_text(POLICY.replace("WANTED", "allow"))
    told = command(*run, code=1)
    assert "FAILED  a red wall: expected allow, got block (red 0." in told
    assert "0 passed, 1 failed." in told
    record = json.loads(command(*run, "--json", code=1))
    assert (record["passed"], record["failed"], record["tests"][0]["passed"]) == (0, 1, False)


def test_pictures_that_are_not_in_the_gallery(command: Command, tmp_path: Path) -> None:
    told = command("moderate", "p.toml", "--picture", "wall.png", "--heat", "heat.png")
    assert "block   wall.png" in told
    assert "red (high): red" in told
    assert Image.open(tmp_path / "heat.png").size == (40, 40)
    both = json.loads(command("moderate", "p.toml", "--picture", "wall.png", "--picture", "none.png", "--json"))
    assert [one["decision"] for one in both["pictures"]] == ["block"]
    assert both["failures"][0]["kind"] == "MediaMissing"
    assert "Nothing could be judged" in command("moderate", "p.toml", "--picture", "none.png", code=1)


def test_from_labels_to_a_promise(command: Command, tmp_path: Path) -> None:
    command("moderate", "p.toml")
    command("moderation", "sample", "no red", "red", "-n", "50", "--out", "labels.csv")
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows[1:]:
        row["breaks"] = "yes" if "red" in row["path"] else "no"
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["rule", "item", "path", "breaks"])
        writer.writeheader()
        writer.writerows(rows)
    counts = json.loads(command("moderation", "label", "no red", "--from", "labels.csv", "--json"))
    assert counts["breaking"] + counts["fine"] == 11  # the row without an answer is left out
    told = command("moderation", "calibrate", "no red")
    assert "red: probabilities from the model's own calibration: too few labels" in told
    assert "at most 40.0% missed, with confidence 60%" in told
    made = json.loads(command("moderation", "calibrate", "no red", "--miss", "0.5", "--json"))
    assert made["rules"]["red"]["miss"]["needed"] == 1


def test_the_queue(command: Command, photos: Path) -> None:
    command("moderate", "p.toml")
    listed = json.loads(command("moderation", "queue", "no red", "--json"))
    assert (listed["waiting"], listed["flags"][0]["rule"]) == (2, "red")
    assert listed["drift"]["red"]["found"] is False
    assert "block" in command("moderation", "review", "no red", "red", photos / "red.png", "--accept")
    other = next(one["item"] for one in listed["flags"] if not one["path"].endswith("red.png"))
    assert "allow" in command("moderation", "review", "no red", "red", other, "--overturn")
    assert "Nothing waits." in command("moderation", "queue", "no red")
    assert "nothing to review" in command("moderation", "review", "no red", "red", other, "--accept", code=1)


def test_the_audit_log(command: Command, tmp_path: Path) -> None:
    command("moderate", "p.toml")
    assert "4 lines; head " in command("moderation", "audit", "no red")
    log = tmp_path / "gallery" / "moderation-audit.jsonl"
    log.write_text(log.read_text().replace("block", "allow", 1))
    assert "not as it was written: line" in command("moderation", "audit", "no red", code=1)
    assert json.loads(command("moderation", "audit", "no red", "--json", code=1).splitlines()[0])["whole"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("moderate", "none.toml"), 1, "cannot be read"),
        (("moderate", "unknown"), 1, "No policy called 'unknown'"),
        (("moderate", "p.toml", "--heat", "x.png"), 2, "name it with --picture"),
        (("moderation", "label", "p.toml"), 2, "Give --from"),
        (("moderation", "label", "p.toml", "--rule", "blue", "--fine", "wall.png"), 1, "no such item"),
        (("moderation", "calibrate", "p.toml", "--confidence", "0.9"), 2, "give --miss"),
        (("moderation", "review", "p.toml", "red", "wall.png"), 2, "--accept or --overturn"),
        (("moderation", "sample", "p.toml", "pink"), 1, "has no rule 'pink'"),
    ],
)
def test_what_cannot_be_done_is_said(command: Command, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in command(*arguments, code=code)


@pytest.mark.parametrize(
    "row", ["red,{item},x,perhaps", "red,,x,yes", ",{item},x,no", "red,0000,x,yes", "pink,{item},x,no"]
)
def test_a_bad_table_keeps_nothing(command: Command, tmp_path: Path, row: str) -> None:
    command("moderate", "p.toml")
    item = json.loads(command("list", "--json"))["items"][0]["id"]
    good = f"red,{item},x,no"
    (tmp_path / "t.csv").write_text("\n".join(["rule,item,path,breaks", good, row.format(item=item)]))
    command("moderation", "label", "no red", "--from", "t.csv", code=1)
    left = json.loads(command("moderation", "sample", "no red", "red", "-n", "50", "--json"))
    assert len(left["items"]) == 12
