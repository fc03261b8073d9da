from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.query.negation import Reading, read_negation

# Sentence, what is wanted, what is not.
NEGATIONS = [
    ("a beach without people", "a beach", "people"),
    ("beach with no people", "beach", "people"),
    ("a beach without any people at all", "a beach", "people"),
    ("a beach without people at sunset", "a beach at sunset", "people"),
    ("a beach at sunset without people", "a beach at sunset", "people"),
    ("A BEACH WITHOUT PEOPLE", "A BEACH", "PEOPLE"),
    ("without people a beach", "a beach", "people"),
    ("beach w/o people", "beach", "people"),
    ("beach sans people", "beach", "people"),
    ("beach minus people", "beach", "people"),
    ("beach -people", "beach", "people"),
    ("-people beach", "beach", "people"),
    ("beach -people -dogs", "beach", "people|dogs"),
    ("beach -well-dressed", "beach", "well-dressed"),
    ('dog -"red leash" park', "dog park", "red leash"),
    ("beach, sunset, no people, palm trees", "beach, sunset, palm trees", "people"),
    ("street without people or cars", "street", "people|cars"),
    ("street without people and cars", "street", "people|cars"),
    ("street without people, cars or bikes", "street", "people|cars|bikes"),
    ("street without people, cars, bikes, or dogs", "street", "people|cars|bikes|dogs"),
    ("street with no people and no cars", "street", "people|cars"),
    ("street with no dogs and cats", "street", "dogs|cats"),
    ("street with no cars, bikes or buses", "street", "cars|bikes|buses"),
    ("no dogs and no cats", "", "dogs|cats"),
    ("a room with neither windows nor doors", "a room", "windows|doors"),
    ("neither cats nor dogs", "", "cats|dogs"),
    ("no people", "", "people"),
    ("without people", "", "people"),
    ("no people on a beach", "a beach", "people"),
    ("No people are on the beach.", "the beach", "people"),
    ("nobody on the beach", "the beach", "people"),
    ("a beach with nobody on it", "a beach", "people"),
    ("a beach with no one in sight", "a beach", "people"),
    ("a beach without anyone", "a beach", "people"),
    ("a beach without a soul", "a beach", "people"),
    ("there is no dog in the park", "the park", "dog"),
    ("a street where there are no cars", "a street", "cars"),
    ("There isn't a single car on the street", "the street", "car"),
    ("a street, there are no cars", "a street", "cars"),
    ("a room that doesn't have windows", "a room", "windows"),
    ("a room that doesn’t have any windows", "a room", "windows"),
    ("a room which has no windows", "a room", "windows"),
    ("I don't want people, show me a lake", "show me a lake", "people"),
    ("a lake, please don't show people", "a lake", "people"),
    ("a man not wearing a hat", "a man", "hat"),
    ("a man who isn't wearing a hat", "a man", "hat"),
    ("a man who isn't smiling", "a man", "smiling"),
    ("a woman not looking at the camera", "a woman", "looking at the camera"),
    ("a cat that is not black", "a cat", "black"),
    ("a cat not on a sofa", "a cat", "on a sofa"),
    ("a dog but not a puppy", "a dog", "puppy"),
    ("dogs, not cats", "dogs", "cats"),
    ("dogs and not cats", "dogs", "cats"),
    ("a red car but not a red truck", "a red car", "red truck"),
    ("animals other than dogs", "animals", "dogs"),
    ("fruit except apples and pears", "fruit", "apples|pears"),
    ("fruit, except for apples", "fruit", "apples"),
    ("animals excluding birds", "animals", "birds"),
    ("animals, not including birds", "animals", "birds"),
    ("a girl instead of a boy", "a girl", "boy"),
    ("a park rather than a street", "a park", "street"),
    ("a lake free of boats", "a lake", "boats"),
    ("a plain devoid of trees", "a plain", "trees"),
    ("a tree lacking leaves", "a tree", "leaves"),
    ("a car missing a wheel", "a car", "wheel"),
    ("anything but a dog", "", "dog"),
    ("a man with no shirt", "a man", "shirt"),
    ("man with no shirt on climbing rocks", "man climbing rocks", "shirt"),
    ("A boy without a shirt on is jumping in the air", "A boy is jumping in the air", "shirt"),
    ("A man wearing no shirt rides a skateboard", "A man rides a skateboard", "shirt"),
    ("A dog with no tail runs in the dirt .", "A dog runs in the dirt", "tail"),
    ("A large horse , but no rider .", "A large horse", "rider"),
    ("a man with a hat, and no shoes lies down", "a man with a hat lies down", "shoes"),
    ("a girl with no shoes and a lunchbox", "a girl and a lunchbox", "shoes"),
    ("a boy with no shirt and white shorts", "a boy and white shorts", "shirt"),
    ("cake without candles and with strawberries", "cake and with strawberries", "candles"),
    ("a street with no people walking", "a street", "people walking"),
    ("a plate without any food on it", "a plate", "food"),
    ("a lawn without a cup of tea", "a lawn", "cup of tea"),
    ("a house without a red roof in the snow", "a house in the snow", "red roof"),
    ("a dog in a room with no food in its dish", "a dog in a room", "food in its dish"),
    ("a park, no people please", "a park", "people"),
    ("a street with no buildings in the background", "a street", "buildings"),
]  # fmt: skip

# Left as they are.
PLAIN = [
    "a beach", "people on a beach", "a no smoking sign", "no smoking", "no parking", "no entry", "no dogs allowed",
    "a no fly zone", "a no dogs sign", 'a sign saying "no people"', "a sign that says no dogs",
    "a book titled no angels",
    "No Man's Land", "No Country for Old Men poster", "a poster of No Time to Die", "Doctors Without Borders",
    "a dog and not only a cat", "not just dogs", "nothing but sand", "nothing except sand", "no longer open", "no more",
    "whether or not it rains", "knot in a rope", "a notebook", "a nobleman", "north", "No. 5 perfume", "no 5 bus",
    "minus 5 degrees", "t-shirt", "a black-and-white photo", "- dog -", "2 - 1", "a dog with no other dogs",
    "men on a boat and a man not on the boat", "a house not yet finished", "a player breaks free of an opponent",
    "kitchen without anything on the table", "without", "no", "not", "a beach without", "goes without saying", "",
    "a small but steep rock", "not many people", "not too big", "a man with none", "une plage sans", "--", "?!",
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "wanted", "unwanted"), NEGATIONS)
def test_what_is_ruled_out(sentence: str, wanted: str, unwanted: str) -> None:
    assert read_negation(sentence) == Reading(wanted, tuple(unwanted.split("|")))


@pytest.mark.parametrize("sentence", PLAIN)
def test_what_is_left_alone(sentence: str) -> None:
    assert read_negation(sentence) == Reading(sentence)


def test_quotes_keep_the_sentence() -> None:
    assert read_negation('"a beach without people"') == Reading("a beach without people")
    assert read_negation("“no people”") == Reading("no people")


def test_a_reading_in_words() -> None:
    assert str(read_negation("a beach without people or dogs")) == "looking for: a beach; without: people, dogs"
    assert str(read_negation("no people")) == "without: people"


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    reading = read_negation(text)
    assert reading.unwanted or reading.wanted.strip('"“”') in text
    assert all(one.strip() for one in reading.unwanted)


@given(st.lists(st.sampled_from([*"without no not - a people dogs and or , with in on it is walking".split(), '"'])))
def test_any_order_of_cues_is_read(words: list[str]) -> None:
    reading = read_negation(" ".join(words))
    assert all(one.strip() for one in reading.unwanted)


def test_captions_are_left_alone_but_for_real_negations(shared: Path) -> None:
    with open(shared / "flickr8k" / "pairs.jsonl") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == "val"]
    read = {caption: read_negation(caption) for row in rows for caption in row["captions"]}
    fired = {caption: reading for caption, reading in read.items() if reading.unwanted}
    assert len(fired) == 14  # of 5,000; each was looked at: all are right
    assert sorted({one for reading in fired.values() for one in reading.unwanted}) == [
        "attentive", "expression", "faces", "leaves", "pants", "shirt", "tail",
    ]  # fmt: skip
