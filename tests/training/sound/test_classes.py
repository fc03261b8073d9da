from __future__ import annotations

from pathlib import Path

import pytest

from bouba.errors import TrainingError
from bouba.training.sound.classes import SoundClass, parse_classes, read_classes

HEADER = "class\tkind\tweight\tseen\n"


def test_every_class_of_yamnet_in_its_order(shared: Path):
    labels = (shared.parent / "models" / "yamnet" / "labels.txt").read_text().splitlines()
    assert [found.name for found in read_classes()] == [label for label in labels if label]


def test_the_table():
    classes = {found.name: found for found in read_classes()}
    assert len(classes) == 521
    assert {found.kind for found in classes.values()} == {"speech", "sound", "music", "none"}
    assert classes["Helicopter"].seen == ("a helicopter", "a helicopter in the sky")
    assert classes["Speech"].kind == "speech"
    assert classes["Silence"] == SoundClass("Silence", "none", 0.0, ())
    assert all(found.weight <= 0.2 for found in classes.values() if found.kind == "none")


def test_phrases_are_short_and_not_repeated():
    for found in read_classes():
        assert len(found.seen) <= 3, found
        assert len(set(found.seen)) == len(found.seen), found
        assert all(len(phrase.split()) <= 10 for phrase in found.seen), found


def test_a_row():
    [found] = parse_classes(HEADER + "Bow-wow\tsound\t0.5\ta dog | a dog barking\n")
    assert found == SoundClass("Bow-wow", "sound", 0.5, ("a dog", "a dog barking"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Dog\tsound\t1\n", r"line 2: 3 columns, not 4"),
        ("Dog\tnoise\t1\ta dog\n", r"line 2: kind 'noise' is none of speech, sound, music, none"),
        ("Dog\tsound\t1.5\ta dog\n", r"line 2: weight 1\.5 is not between 0 and 1"),
        ("Dog\tsound\tnan\ta dog\n", r"line 2: weight nan is not between 0 and 1"),
        ("Dog\tsound\tmuch\ta dog\n", r"line 2: could not convert string to float: 'much'"),
        ("Dog\tsound\t1\t\n", r"line 2: weight 1 with 0 phrases"),
        ("Hum\tnone\t0\ta fridge\n", r"line 2: weight 0 with 1 phrases"),
        ("Dog\tsound\t1\ta dog |  a puppy\n", r"line 2: a name or a phrase is empty or has spaces"),
        ("\tsound\t1\ta dog\n", r"line 2: a name or a phrase is empty"),
        ("Dog\tsound\t1\ta dog\nDog\tsound\t1\ta dog\n", r"line 3: 'Dog' is there twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(rows, said):
    with pytest.raises(TrainingError, match=r"seen\.tsv " + said):
        parse_classes(HEADER + rows)


def test_other_columns():
    with pytest.raises(TrainingError, match=r"seen\.tsv line 1: the columns are \['class', 'weight'\]"):
        parse_classes("class\tweight\n")
