from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.stores import Store
from bouba.stores.lexemes import variants
from bouba.stores.memory import MemoryStore
from bouba.stores.words import MARKED_S, Words, followed
from bouba.types import AttributeValue, Item

VECTOR = np.ones((1, 4), np.float32) / 2


def item(name: str, path: str = "", **attributes: AttributeValue) -> Item:
    return Item(name, path, 1, 1, 1, "image/jpeg", attributes=attributes)


def add(store: Store, *items: Item) -> None:
    store.upsert(items, np.repeat(VECTOR, len(items), axis=0))


@pytest.fixture
def words(tmp_path: Path) -> Words:
    return Words(tmp_path / "words.sqlite")


def ids(words: Words, text: str) -> set[str]:
    return set(words.ask(text).ids)


def test_titles_attributes_lists_and_paths_are_found(words: Words) -> None:
    words.put(
        [
            item("a", "/pictures/holiday/IMG_1234.jpg", title="A Red Bicycle"),
            item("b", "/pictures/Crème brûlée.jpg", tags=("sweet", "dessert")),
            item("c", "https://shop.example/green-tea/large%20cup.png?size=big", colour="green", price=4.0),
        ]
    )
    assert ids(words, "bicycles") == {"a"}
    assert ids(words, "CREME desserts") == {"b"}
    assert ids(words, "holiday") == {"a"}
    assert ids(words, "cup") == {"c"}
    assert not ids(words, "size big example img the a with")


def test_words_say_how_many_items_have_them(words: Words) -> None:
    words.put([item(str(n), title="red shoe" if n % 2 else "blue shoes") for n in range(6)])
    asked = words.ask("Red shoes of nobody")
    assert asked.words == (("red", "reds"), ("shoes", "shoe"), ("nobody", "nobodies"))
    assert asked.items == (3, 3, 0)
    assert (asked.texts, asked.mean_length) == (6, 3.0)  # two words and the name "title"


@pytest.mark.parametrize("query", ["AB-1234/X", "ab1234x", "sku ab 1234 x", "ab_1234.X please", "find AB 1234-x now"])
def test_a_code_is_found_however_it_is_written(words: Words, query: str) -> None:
    words.put([item("a", sku="AB-1234/X"), item("b", sku="AB-1235/X"), item("c", title="Adapter AB-1234/X")])
    assert set(words.ask(query).coded) == {"a", "c"}


def test_a_near_miss_is_no_code_and_has_no_words_in_common(words: Words) -> None:
    words.put([item("a", sku="AB-1234/X")])
    for query in ("AB-1235/X", "AB-1234", "AB-1234/XY", "1234"):
        asked = words.ask(query)
        assert not asked.coded
        assert not asked.ids


def test_numbers_are_codes_where_their_name_says_so(words: Words) -> None:
    words.put([item("a", ean=4006381333931.0, width_cm=80010.0), item("b", "/shop/8001090.jpg")])
    assert words.ask("4006381333931").coded == ("a",)
    assert words.ask("04006381333931").coded == ("a",)
    assert words.ask("8001090").coded == ("b",)
    assert not words.ask("80010").coded


def test_what_many_items_share_is_no_code(words: Words) -> None:
    words.put([item(str(n), code="A-100") for n in range(60)])
    assert not words.ask("A-100").coded


def test_quantities_and_hashes_are_no_codes(words: Words) -> None:
    words.put([item("a", f"/x/{'3fa9' * 8}.jpg", title="Milk 500ml, 10x15cm, 2nd bottle")])
    for query in ("500ml", "10x15cm", "3fa9" * 8):
        assert not words.ask(query).coded


def test_text_without_spaces_is_found_by_pairs_of_characters(words: Words) -> None:
    words.put([item("a", title="穿红色裙子的小女孩"), item("b", title="黑色的狗")])
    assert ids(words, "红色裙子") == {"a"}
    assert ids(words, "黑色") == {"b"}


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_is_too_odd(title: str, query: str) -> None:
    words = Words(None)
    words.put([item("a", title, title=title, tags=(query,), sku=query)])
    words.ask(query)
    words.remove(["a"])
    assert not words.ask(title).ids
    assert not words.vocabulary()


@pytest.mark.parametrize(
    ("singular", "plural"), [("shirt", "shirts"), ("dress", "dresses"), ("berry", "berries"), ("box", "boxes")]
)
def test_singular_and_plural_find_each_other(singular: str, plural: str) -> None:
    assert plural in variants(singular)
    assert singular in variants(plural)


def test_changes_are_followed(words: Words) -> None:
    store = MemoryStore(4)
    inside = followed(store, words)
    add(inside, item("a", title="cat"), item("b", title="dog"))
    add(inside, item("a", title="horse"))
    assert inside.delete(["b", "never there"]) == 1
    assert words.follow(store)
    assert ids(words, "cat dog horse") == {"a"}
    assert words.texts(["a", "b"]) == {"a": ("horse", "title", "")}
    assert inside.count() == 1


def test_a_store_older_than_its_words_is_read(words: Words) -> None:
    store = MemoryStore(4)
    add(store, item("a", title="cat"), item("b", title="dog"))
    words.follow(store)
    assert ids(words, "cat") == {"a"}
    store.delete(["a"])
    words.follow(store)
    assert not ids(words, "cat")


def test_an_empty_gallery_makes_no_file(tmp_path: Path) -> None:
    words = Words(tmp_path / "none" / "words.sqlite")
    assert not words.follow(MemoryStore(4))
    assert not (tmp_path / "none").exists()


def test_a_writer_that_died_leaves_a_mark_that_is_settled(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(4)
    add(followed(store, words), item("a", title="cat"), item("b", title="dog"))
    words.mark(["a", "b"])
    add(store, item("a", title="horse"))  # and then it is killed
    words.follow(store)
    assert ids(words, "cat") == {"a"}  # it may still be at work
    monkeypatch.setattr("bouba.stores.words.MARKED_S", -MARKED_S)
    words.follow(store)
    assert ids(words, "horse dog") == {"a", "b"}
    assert not ids(words, "cat")


def test_a_store_is_not_read_again_and_again_in_vain(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(4)
    add(store, item("a", title="cat"))
    monkeypatch.setattr(store, "count", lambda: 7)
    scans = []
    scan = store.scan
    monkeypatch.setattr(store, "scan", lambda: scans.append(1) or scan())
    for _ in range(3):
        words.follow(store)
    assert len(scans) == 1


def test_damage_costs_a_reading_and_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    store = MemoryStore(4)
    add(followed(store, Words(path)), item("a", title="cat"))
    path.write_bytes(b"not a database at all" * 400)
    words = Words(path)
    words.follow(store)
    assert ids(words, "cat") == {"a"}


def test_words_of_another_version_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    store = MemoryStore(4)
    add(followed(store, Words(path)), item("a", title="cat"))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    words = Words(path)
    words.follow(store)
    assert ids(words, "cat") == {"a"}


def test_where_no_file_can_be_written_words_are_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = MemoryStore(4)
    add(store, item("a", title="cat"))
    words = Words(tmp_path / "file" / "words.sqlite")
    words.follow(store)
    assert ids(words, "cat") == {"a"}


def test_two_processes_see_each_others_words(tmp_path: Path) -> None:
    first, second = Words(tmp_path / "words.sqlite"), Words(tmp_path / "words.sqlite")
    first.put([item("a", title="cat")])
    assert second.holds("cats")
    second.put([item("b", title="dog")])
    assert ids(first, "dog") == {"b"}


def test_threads_may_write_at_once(words: Words) -> None:
    def fill(name: str) -> None:
        for n in range(20):
            words.put([item(f"{name}{n}", title=f"{name} thing")])

    threads = [threading.Thread(target=fill, args=(name,)) for name in ("cat", "dog")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert words.ask("cat dog").items == (20, 20)
