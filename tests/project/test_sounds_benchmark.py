"""The list of pictures that answer sounds is what its rules say, and the benchmark counts right."""

from __future__ import annotations

import json
import wave
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.sounds.__main__ import (
    MIN_RELEVANT,
    Clip,
    Found,
    Topic,
    encode_sounds,
    hears,
    held_out,
    means,
    read_clips,
    read_topics,
    search,
    table,
)
from benchmarks.sounds.relevance import FOLDER, QRELS, RULES, Rule, as_text, judged, relevance, val_rows
from bouba.evaluation.data import read_qrels

MODEL = SimpleNamespace(name="tiny", version="1")


def test_the_list_is_what_the_rules_say(shared: Path) -> None:
    assert as_text(relevance(shared)) == QRELS.read_text(encoding="utf-8")


def test_every_listed_picture_is_in_the_collection(shared: Path) -> None:
    collection = {path for path, _ in val_rows(shared)}
    assert len(collection) == 2_970
    assert {path for pictures in read_qrels(QRELS).values() for path in pictures} <= collection


def test_topics_name_the_clips_of_fold_five_and_no_other(shared: Path) -> None:
    topics = read_topics()
    clips = read_clips(shared, topics)
    for number, topic in enumerate(topics):
        assert set(topic.audio) == {clip.path for clip in clips if clip.topic == number and clip.fold == 5}
    assert len(topics) == 10
    assert [topic.id for topic in topics] == list(RULES)


def test_every_decision_has_a_reason_and_is_in_the_list() -> None:
    listed, rows = read_qrels(QRELS), judged()
    assert len({(row["topic"], row["picture"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["why"].strip()
        assert listed[row["topic"]][row["picture"]] == float(row["grade"])


def test_the_readme_counts_what_is_listed() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for topic, pictures in read_qrels(QRELS).items():
        counts = Counter(path.split("/")[0] for path, grade in pictures.items() if grade)
        assert f"| {topic} | {counts['objects']} | {counts['flickr8k']} |" in readme
    assert all(f"**{word}" in readme for word in ("rooster", "helicopter", "chainsaw", "person sneezing"))


def test_a_rule_counts_captions_that_name_the_thing() -> None:
    rule = Rule("dogs?", captions=2, classes=frozenset({"n1"}))
    assert rule.holds({"captions": ["A dog .", "Two DOGS run", "A doghouse"]})
    assert not rule.holds({"captions": ["A dog with a dog .", "A dogma", "hotdog"]})
    assert rule.holds({"wnid": "n1"})
    assert not rule.holds({"wnid": "n2"})


def test_a_fire_hydrant_is_no_fire() -> None:
    assert not RULES["fire"].holds({"captions": ["a red fire hydrant", "a fire escape", "dogs at a fire hydrant"]})
    assert RULES["fire"].holds({"captions": ["people around a campfire", "a fire at night"]})


def topic(name: str, *clips: str) -> Topic:
    return Topic(name, f"a {name}", name, name, clips)


def test_each_way_of_asking_is_ranked_against_the_same_list() -> None:
    pictures, vectors = ["a", "b", "c", "d"], np.eye(4, dtype=np.float32)
    order = np.array([[4, 3, 2, 1], [1, 2, 3, 4], [3, 4, 1, 2], [4, 1, 2, 3]], np.float32)  # scores of the pictures
    judged = {"dog": {"a": 1.0, "b": 1.0, "d": 0.0}, "sneeze": {"c": 0.0}}
    topics = [topic("dog"), topic("sneeze")]
    texts, nouns = order[[0, 0]], order[[1, 1]]
    (found,) = search(topics, pictures, vectors, texts, nouns, {"dog": order[[2, 3]]}, judged)
    assert (found.topic, found.relevant, found.counts) == ("dog", 2, False)
    assert found.text == 1.0
    assert found.noun == pytest.approx((1 / 3 + 2 / 4) / 2)  # a and b are last
    assert found.sound == pytest.approx((1.0, (1 + 2 / 4) / 2))


def test_topics_with_few_answers_are_shown_but_not_in_the_mean() -> None:
    pictures = [str(number) for number in range(8)]
    vectors = np.eye(8, dtype=np.float32)
    rising = np.arange(8, dtype=np.float32)[None]
    judged = {
        "dog": dict.fromkeys(pictures[-MIN_RELEVANT:], 1.0),
        "hen": {"0": 1.0},
    }
    topics = [topic("dog"), topic("hen")]
    words = np.concatenate([rising, rising])
    found = search(topics, pictures, vectors, words, words, {"dog": -rising, "hen": -rising}, judged)
    assert [one.counts for one in found] == [True, False]
    averages = means(found)
    assert averages["text"].value == 1.0
    assert averages["sound_minus_text"].value == pytest.approx(averages["sound"].value - 1)
    assert averages["sound"].value < 1
    printed = table(MODEL, found, {}, topics)
    assert "(hen)" in printed
    assert "no sound tower" in printed


def test_a_clip_is_right_where_its_own_words_are_nearest() -> None:
    texts = np.eye(2, dtype=np.float32)
    sounds = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.6, 0.4]], np.float32)
    clips = [Clip("1", 0, 5, "r1"), Clip("2", 0, 5, "r2"), Clip("3", 1, 5, "r3"), Clip("4", 0, 1, "r4")]
    counted = hears(clips, sounds, texts)
    assert counted["held_out"]["per_topic"] == ["1/2", "1/1"]
    assert counted["held_out"]["share"].value == pytest.approx(2 / 3)
    assert counted["all_folds"]["per_topic"] == ["2/3", "1/1"]
    assert "hears, held out" in table(MODEL, [Found("dog", 9, 0.5, 0.5)], counted, [topic("dog"), topic("hen")])


@dataclass
class Ear:
    """Hears whether a recording is high or low."""

    def encode_sound(self, samples: np.ndarray) -> SimpleNamespace:
        crossings = np.count_nonzero(np.diff(np.signbit(samples))) / len(samples) * 16_000 / 2
        return SimpleNamespace(vector=np.array([1, 0] if crossings > 1_000 else [0, 1], np.float32))


def test_clips_are_read_from_files_and_held_out_by_their_topic(tmp_path: Path) -> None:
    rows = []
    for name, label, hertz in (("5-7-A", "high", 2_000), ("5-8-A", "low", 200), ("1-7-A", "high", 3_000)):
        path = tmp_path / "sounds" / "clips" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tone(path, hertz)
        rows.append({"audio": f"clips/{name}.wav", "label": label, "fold": int(name[0])})
    (tmp_path / "sounds" / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    topics = [topic("high", "sounds/clips/5-7-A.wav"), topic("low", "sounds/clips/5-8-A.wav")]
    clips = read_clips(tmp_path, topics)
    assert [clip.recording for clip in clips] == ["7", "8", "7"]
    sounds = encode_sounds(Ear(), [tmp_path / clip.path for clip in clips])
    assert held_out(topics, clips, sounds)["low"].tolist() == [[0, 1]]
    assert hears(clips, sounds, np.eye(2, dtype=np.float32))["all_folds"]["per_topic"] == ["2/2", "1/1"]


def write_tone(path: Path, hertz: int) -> None:
    tone = 8_000 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone.astype("<i2").tobytes())
