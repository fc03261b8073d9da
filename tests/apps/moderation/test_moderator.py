"""A guideline on a gallery, from the first scan to thresholds that people's labels have set."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bouba
from bouba.apps.moderation import Moderator, Policy, PolicyError
from bouba.apps.moderation.policy import Promise
from bouba.apps.moderation.reading import load_policy, parse_policy
from bouba.apps.moderation.testing import judging_alone, run_tests
from bouba.encoders import Model
from bouba.errors import GalleryBroken, MediaError, QueryError

POLICY = """
name = "colours"
[[rules]]
name = "red"
flag = ["red"]
fine = ["yellow"]
severity = "high"
action = "block"
threshold = 0.35
[[rules]]
name = "green"
flag = ["green"]
threshold = 0.35
[[rules]]
name = "blue"
flag = ["blue"]
action = "allow"
threshold = 0.35
"""


def policy(old: str = "", new: str = "") -> Policy:
    """With something in place of something else."""
    return parse_policy(POLICY.replace(old, new) if old else POLICY, "test")


@pytest.fixture
def pictures(tmp_path: Path, tiny_model: Model, photos: Path) -> Iterator[bouba.Gallery]:
    """Two pictures of each of six colours."""
    with bouba.open(tmp_path / "pictures.bouba", tiny_model) as gallery:
        gallery.add(photos)
        yield gallery


@pytest.fixture
def moderator(pictures: bouba.Gallery) -> Iterator[Moderator]:
    with Moderator(pictures, policy()) as opened:
        yield opened


def named(gallery: bouba.Gallery, colour: str) -> list[str]:
    return sorted(item.id for item in gallery.items() if Path(item.path).stem == colour)


def test_a_scan_decides(moderator: Moderator, pictures: bouba.Gallery) -> None:
    done = moderator.scan()
    assert dict(done.decisions) == {"allow": 8, "block": 2, "review": 2}
    assert dict(done.broken) == {"red": 2, "green": 2, "blue": 2}
    flags, waiting = moderator.queue()
    assert waiting == 4  # blue is noted, and waits for nobody
    assert [flag.rule for flag in flags] == ["red", "red", "green", "green"]
    assert sorted(flag.item for flag in flags[:2]) == named(pictures, "red")
    assert moderator.queue("green", limit=1, offset=1)[0][0].item in named(pictures, "green")
    with pytest.raises(PolicyError, match="no rule 'pink'"):
        moderator.queue("pink")


def test_only_what_changed_is_judged_again(moderator: Moderator, pictures: bouba.Gallery, paint: Callable) -> None:
    first = moderator.scan()
    again = moderator.scan()
    assert (again.judged, again.changed, again.decisions) == (0, 0, first.decisions)
    pictures.add(paint("red", seed=9))
    more = moderator.scan()
    assert (more.judged, more.changed, more.items) == (1, 1, 13)
    assert moderator.scan(everything=True).judged == 13
    gone = named(pictures, "red")[0]
    pictures.delete([gone])
    assert moderator.scan().removed == 1
    assert gone not in [flag.item for flag in moderator.queue()[0]]


def test_a_change_of_the_policy_encodes_nothing(
    moderator: Moderator, pictures: bouba.Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    moderator.scan()

    def never(*_: object) -> None:
        raise AssertionError("a picture was encoded")

    monkeypatch.setattr(type(pictures.model), "encode_image", never)
    monkeypatch.setattr(type(pictures.model), "encode_pixels", never)
    with Moderator(pictures, policy('"green"]', '"white"]')) as new:
        done = new.scan()
        assert (done.judged, done.changed) == (12, 4)  # green passes now, white is looked at
        assert sorted(flag.item for flag in new.queue("green")[0]) == named(pictures, "white")


def test_a_filter_leaves_the_rest_as_it_was(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    done = moderator.scan('path like "%red%"', everything=True)
    assert (done.items, done.removed, moderator.queue()[1]) == (2, 0, 4)


def test_reviews_stand_above_the_machine(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    first, second = named(pictures, "red")
    assert moderator.review(first, "red", breaks=False).decision == "allow"
    accepted = moderator.review(second, "red", breaks=True)
    assert (accepted.decision, accepted.findings[0].by_person) == ("block", True)
    assert moderator.queue("red")[1] == 0
    again = moderator.scan(everything=True)
    assert (again.decisions["block"], again.changed) == (1, 0)
    assert moderator.judge_item(pictures.get([first])[0]).decision == "allow"
    drift = moderator.drift("red")
    assert (drift.reviewed, drift.overturned) == (2, 1)
    for item, rule in ((first, "green"), ("0" * 32, "red")):
        with pytest.raises(QueryError, match="nothing to review"):
            moderator.review(item, rule, breaks=True)
    green = named(pictures, "green")[0]
    assert moderator.review(green, "green", breaks=True).decision == "block"  # whatever the rule does by itself


def test_labels_stand_above_the_machine_too(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    black, white = named(pictures, "black")[0], named(pictures, "white")[0]
    moderator.label("red", [black], breaks=True)
    moderator.label("green", [white], breaks=True, source="random")
    done = moderator.scan()
    assert (done.judged, done.changed, done.decisions["block"]) == (2, 2, 4)
    assert moderator.queue()[1] == 4  # who labelled them has looked at them


def test_a_review_while_a_scan_runs_is_not_undone(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    item = named(pictures, "red")[0]

    def meanwhile(done: int, total: int) -> None:
        if moderator.queue("red")[1] == 2:
            moderator.review(item, "red", breaks=False)

    moderator.scan(everything=True, progress=meanwhile)
    assert moderator.records.decisions("colours")[item][0] == 0
    assert moderator.records.flags("colours", [item]) == {}


def test_the_log_tells_what_was_decided(moderator: Moderator, pictures: bouba.Gallery, photos: Path) -> None:
    moderator.scan()
    moderator.judge(photos / "red.png")
    moderator.review(named(pictures, "green")[0], "green", breaks=False)
    events = moderator.audit.tail(100)[::-1]
    assert [event["action"] for event in events] == ["policy", *["decision"] * 4, "scan", "decision", "review"]
    scan, upload, review = events[-3:]
    assert scan["decisions"] == {"allow": 8, "block": 2, "review": 2}
    assert upload["picture"] == pictures.find(str(photos / "red.png"))[0].id  # the hash of the file
    assert (upload["version"], upload["model"]) == (moderator.policy.version, pictures.model.fingerprint)
    assert (review["decision"], review["overturned"], review["by"]) == ("allow", True, "person")
    assert "photos" not in moderator.audit.path.read_text()  # no paths
    assert moderator.verify().fault == ""
    lines = moderator.audit.path.read_text().splitlines(keepends=True)
    moderator.audit.path.write_text("".join(lines[:-1]))
    assert "gone" in moderator.verify().fault


def test_pictures_that_are_not_in_the_gallery(moderator: Moderator, tmp_path: Path) -> None:
    red = Image.new("RGB", (40, 40), "red")
    judged = moderator.judge(red)
    assert (judged.decision, judged.findings[0].matched[0][0]) == ("block", "red")
    assert judged.to_dict()["probabilities"]["green"] < 0.35
    exhibit = moderator.exhibit(judged, red)
    assert exhibit.heat is not None
    assert (exhibit.png(64) or b"").startswith(b"\x89PNG")
    passed = moderator.judge(Image.new("RGB", (40, 40), "black"))
    assert moderator.exhibit(passed, Image.new("RGB", (40, 40), "black")).png(64) is None
    (tmp_path / "notes.png").write_text("none")
    with pytest.raises(MediaError):
        moderator.judge(tmp_path / "notes.png")


def test_the_nearest_that_were_judged(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    first, second = named(pictures, "red")
    moderator.label("red", [first], breaks=True)
    moderator.label("red", named(pictures, "black"), breaks=False)
    item = pictures.get([second])[0]
    found = moderator.exhibit(moderator.judge_item(item), item, heat=False).nearest["red"]
    assert (found[0].name, found[0].breaks) == (first, True)
    assert [one.breaks for one in found] == [True, False, False]
    with pytest.raises(QueryError, match="no items of the gallery"):
        moderator.label("red", ["0" * 32], breaks=True)


def test_labels_of_a_sample_make_promises(pictures: bouba.Gallery, paint: Callable) -> None:
    pictures.add([paint(colour, seed=seed) for colour in ("red", "yellow", "blue") for seed in range(10, 40)])
    guarantee = "guarantee = { miss = 0.1, false_alarm = 0.1, confidence = 0.9 }"
    with Moderator(pictures, policy('action = "block"', f'action = "block"\n{guarantee}')) as moderator:
        before = moderator.calibrations()["red"]
        assert (before.miss.threshold, before.act_from) == (None, np.inf)
        assert moderator.scan().decisions["block"] == 0  # before few false alarms can be promised
        drawn = moderator.sample("red", 1000)
        assert len(drawn) == 102
        assert drawn[:10] == moderator.sample("red", 10)
        reds = {item.id for item in pictures.items() if Path(item.path).stem.startswith("red")}
        for breaks in (True, False):
            moderator.label("red", [one for one in drawn if (one in reds) == breaks], breaks, "random")
        assert moderator.new_labels() == 102
        red = moderator.calibrate()["red"]
        assert (red.fitted, red.breaking, red.miss.labels, red.miss.errors) == (True, 32, 32, 0)
        assert red.false_alarm.errors <= 3
        assert moderator.new_labels() == 0
        assert moderator.calibrations()["red"] == red  # as it was kept
        chances = red.probabilities(np.array([-20.0, red.act_from, 20.0]))
        assert (np.diff(chances) > 0).all()
        done = moderator.scan()
        assert (done.judged, done.decisions["block"]) == (102, 32)
        strict = moderator.calibrate(Promise(miss=0.01, confidence=0.99))["red"]
        assert (strict.miss.threshold, strict.miss.needed) == (None, 459)


def test_examples_turn_a_rule(pictures: bouba.Gallery, paint: Callable) -> None:
    """Pictures that somebody names change what is found, and nothing that is promised."""
    pictures.add([paint("yellow", seed=seed) for seed in range(5)])
    text = 'name = "warm"\n[[rules]]\nname = "warm"\nflag = ["red"]\n'
    with Moderator(pictures, parse_policy(text, "test")) as moderator:
        yellow = named(pictures, "yellow")[0]
        before = moderator.judge_item(pictures.get([yellow])[0]).probabilities["warm"]
        moderator.label("warm", named(pictures, "yellow0") + named(pictures, "yellow1"), breaks=True)
        moderator.label("warm", named(pictures, "blue"), breaks=False)
        assert moderator.calibrate()["warm"].breaking == 0  # examples are no sample
        assert moderator.judge_item(pictures.get([yellow])[0]).probabilities["warm"] > before


def test_examples_of_the_policy_and_its_tests(tmp_path: Path, pictures: bouba.Gallery, paint: Callable) -> None:
    for name in ("yellow", "blue"):
        paint(name, f"{name}.png", seed=77).rename(tmp_path / f"{name}.png")
    case = '[[tests]]\npicture = "{}.png"\nname = "{}"\n{}\n'
    (tmp_path / "p.toml").write_text(
        'name = "warm"\n[[rules]]\nname = "warm"\nflag = ["red"]\nthreshold = 0.2\n'
        'pictures = ["yellow.png"]\nfine_pictures = ["blue.png"]\n'
        + case.format("yellow", "one", 'rules = ["warm"]')
        + case.format("blue", "two", 'decision = "block"')
    )
    read = load_policy(tmp_path / "p.toml")
    with Moderator(pictures, read) as moderator:
        outcomes = list(run_tests(read, moderator.judging()))
        assert [bool(one.fault) for one in outcomes] == [False, True]
        assert "expected block, got allow (warm 0." in outcomes[1].fault
        item = pictures.get([named(pictures, "red")[0]])[0]
        moderator.label("warm", [item.id], breaks=True)
        nearest = moderator.exhibit(moderator.judge_item(item), item, heat=False).nearest["warm"]
        told = {(one.kind, one.name, one.breaks) for one in nearest}
        assert told == {("policy", "yellow.png", True), ("policy", "blue.png", False)}
    (tmp_path / "yellow.png").unlink()
    with Moderator(pictures, "warm") as kept:  # with its pictures, wherever the file is now
        assert kept.policy == read
        kept.scan()
    with pytest.raises(PolicyError, match="No policy called 'cold' was used on this gallery; there are: warm"):
        Moderator(pictures, "cold")


def test_tests_without_a_gallery(tiny_model: Model) -> None:
    none = parse_policy(POLICY, "test")
    with pytest.raises(PolicyError, match="has no tests"):
        list(run_tests(none, judging_alone(none, tiny_model)))


def test_exceptions_lower_it(pictures: bouba.Gallery) -> None:
    green = '[[rules]]\nname = "green"'
    exempt = policy(green, f'[[rules.exceptions]]\nwhen = ["red white"]\n{green}')
    item = pictures.get([named(pictures, "red")[0]])[0]
    with Moderator(pictures, policy()) as plain:
        before = plain.judge_item(item).probabilities["red"]
    with Moderator(pictures, exempt) as spared:
        assert spared.judge_item(item).probabilities["red"] < before


def test_two_processes_and_a_damaged_file(moderator: Moderator, pictures: bouba.Gallery) -> None:
    moderator.scan()
    with Moderator(pictures, "colours") as other:
        item = other.queue()[0][0].item
        other.review(item, "red", breaks=False)
    assert item not in [flag.item for flag in moderator.queue()[0]]
    path = Path(pictures.folder or "") / "moderation.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(GalleryBroken, match="written by a newer bouba"):
        Moderator(pictures, "colours")
    with bouba.open("memory://", pictures.model) as nowhere, pytest.raises(QueryError, match="in memory"):
        Moderator(nowhere, policy())
