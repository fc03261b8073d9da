"""What is looked for by examples, and kept under a name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import write_tiny_model

import bouba
from bouba import concepts as module
from bouba.encoders import Model
from bouba.errors import GalleryBroken, GalleryMissing, MediaEmpty, MediaTooLarge, QueryError
from bouba.migrate import migrate


@pytest.fixture
def filled(gallery: bouba.Gallery, photos: Path) -> bouba.Gallery:
    gallery.add(photos)
    return gallery


@pytest.fixture
def small(paint: Callable[..., Path], tiny_model: Model) -> Iterator[bouba.Gallery]:
    """Two pictures in memory, for what no store decides."""
    with bouba.open("memory://", tiny_model) as gallery:
        gallery.add([paint("red"), paint("blue")])
        yield gallery


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "other", "other", bias=90.0)


def id_of(gallery: bouba.Gallery, photos: Path, name: str) -> str:
    return gallery.find(str(photos / name))[0].id


def first(result: Any, count: int = 2) -> set[str]:
    return {Path(hit.path).stem for hit in result.hits[:count]}


def keep(gallery: bouba.Gallery, **record: Any) -> None:
    """What somebody else wrote into the description of a concept called sea."""
    meta = gallery._store.read_meta()
    assert meta is not None
    gallery._store.write_meta({**meta, "concepts": {"sea": {**meta["concepts"]["sea"], **record}}})


def test_hits_that_are_liked_turn_a_search(filled: bouba.Gallery, photos: Path) -> None:
    blue, red = (id_of(filled, photos, f"{colour}.png") for colour in ("blue", "red"))
    assert first(filled.search("red")) == {"red"}
    result = filled.search("red", like=[blue], unlike=[red], k=12)
    places = [Path(hit.path).stem for hit in result]
    assert places.index("blue") < places.index("red")
    assert all(-1 <= hit.score <= 1 for hit in result)
    alone = filled.search(bouba.Query(like=(blue,)))
    assert first(alone) == {"blue"}


def test_examples_turn_the_raw_ranking_too(filled: bouba.Gallery, photos: Path) -> None:
    blue = id_of(filled, photos, "blue.png")
    assert first(filled.search(like=[blue], raw=True)) == {"blue"}


def test_examples_of_the_query_and_of_the_call_count_together(filled: bouba.Gallery, photos: Path) -> None:
    blue, red = (id_of(filled, photos, f"{colour}.png") for colour in ("blue", "red"))
    once = filled.encode(bouba.Query("green", like=(blue,), unlike=(red,)))
    result = filled.search(bouba.Query("green", like=(blue,)), unlike=[red], k=1)
    _, vectors = next(iter(filled.batches()))
    assert result[0].score == pytest.approx(float((vectors @ once).max()), abs=1e-5)


@pytest.mark.parametrize(
    ("like", "unlike", "says"),
    [
        (("0" * 32,), (), "No item '0000"),
        ((), ("red.png",), "No item 'red.png'"),
        (("red",), ("red",), "like and unlike at once"),
        ((), ("red",), "Nothing is looked for"),
    ],
)
def test_examples_that_say_nothing_are_refused(
    filled: bouba.Gallery, photos: Path, like: tuple[str, ...], unlike: tuple[str, ...], says: str
) -> None:
    def ids(names: tuple[str, ...]) -> list[str]:
        return [id_of(filled, photos, "red.png") if name == "red" else name for name in names]

    with pytest.raises(QueryError, match=says):
        filled.search(like=ids(like), unlike=ids(unlike))
    with pytest.raises(QueryError, match=says):
        filled.concepts.save("sea", like=ids(like), unlike=ids(unlike))
    assert filled.concepts.names() == []


def test_a_concept_is_searched_by_its_name(filled: bouba.Gallery, photos: Path) -> None:
    blue, red = (id_of(filled, photos, f"{colour}.png") for colour in ("blue", "red"))
    saved = filled.concepts.save("  The  Sea ", "white", like=[blue, blue], unlike=[red])
    assert (saved.name, saved.text, saved.like, saved.unlike) == ("The Sea", "white", (blue,), (red,))
    assert filled.concepts.get("the SEA") == saved
    assert filled.concepts.list() == [saved]
    assert filled.concepts.names() == ["the sea"]
    asked = [hit.id for hit in filled.search("white", like=[blue], unlike=[red])]
    assert [hit.id for hit in filled.search(concept="the sea")] == asked


def test_a_concept_is_a_part_with_a_weight(filled: bouba.Gallery, photos: Path) -> None:
    filled.concepts.save("sea", like=[id_of(filled, photos, "blue.png")])
    for weight, colour in ((0.2, "yellow"), (5.0, "blue")):
        assert first(filled.search(bouba.Query("yellow", concept="sea", concept_weight=weight))) == {colour}


def test_a_concept_stands_beside_a_picture_and_examples(filled: bouba.Gallery, photos: Path) -> None:
    filled.concepts.save("warm", "red", like=[id_of(filled, photos, "yellow.png")])
    query = bouba.Query(image=photos / "black.png", concept="warm", like=(id_of(filled, photos, "red.png"),))
    assert np.linalg.norm(filled.encode(query)) == pytest.approx(1, abs=1e-5)
    assert len(filled.search(query)) == 12


def test_saving_again_replaces_and_removing_forgets(filled: bouba.Gallery) -> None:
    filled.concepts.save("sea", "blue")
    filled.concepts.save("SEA", "green")
    assert [one.text for one in filled.concepts.list()] == ["green"]
    filled.concepts.remove("Sea")
    assert filled.concepts.list() == []
    for lost in (filled.concepts.get, filled.concepts.remove, lambda name: filled.search(concept=name)):
        with pytest.raises(QueryError, match="No concept is called 'sea'; there are: none yet"):
            lost("sea")


@pytest.mark.parametrize("name", ["", " \n", "x" * 61, "a\x00b", "--like", "\ud800", None, 3])
def test_what_is_no_name_is_refused(small: bouba.Gallery, name: Any) -> None:
    for use in (lambda name: small.concepts.save(name, "red"), small.concepts.get, small.concepts.remove):
        with pytest.raises(QueryError, match="is no name of a concept"):
            use(name)


@pytest.mark.parametrize("name", ["x" * 60, "Meer & Küste (2024)", "海", "🏖 beach", "cafe\u0301"])
def test_names_in_any_script(small: bouba.Gallery, name: str) -> None:
    small.concepts.save(name, "red")
    assert small.concepts.get(name.upper()).text == "red"


def test_a_text_is_checked(small: bouba.Gallery) -> None:
    with pytest.raises(MediaEmpty):
        small.concepts.save("sea", " ")
    with pytest.raises(MediaTooLarge):
        small.concepts.save("sea", "x" * (module.MAX_TEXT_CHARACTERS + 1))


def test_there_is_a_limit_to_concepts(small: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONCEPTS", 2)
    small.concepts.save("one", "red")
    small.concepts.save("two", "red")
    with pytest.raises(QueryError, match="has 2 concepts, which is the limit"):
        small.concepts.save("three", "red")
    small.concepts.save("two", "green")
    assert small.concepts.get("two").text == "green"


def test_nothing_is_saved_before_there_is_a_gallery(gallery: bouba.Gallery) -> None:
    with pytest.raises(GalleryMissing, match="add pictures"):
        gallery.concepts.save("sea", "blue")
    assert gallery.concepts.list() == []
    gallery.add([])
    with pytest.raises(QueryError, match="Nothing is looked for"):
        gallery.concepts.save("sea")
    gallery.concepts.save("sea", "blue")
    assert len(gallery.search(concept="sea")) == 0


def test_concepts_stay_when_the_gallery_is_opened_again(tmp_path: Path, tiny_model_folder: Path, photos: Path) -> None:
    place = tmp_path / "kept"
    with bouba.open(place, tiny_model_folder) as gallery:
        gallery.add(photos)
        gallery.concepts.save("sea", "blue")
    with bouba.open(place) as gallery:
        assert first(gallery.search(concept="sea")) == {"blue"}


def test_deleted_examples_change_nothing_with_the_same_model(filled: bouba.Gallery, photos: Path) -> None:
    blue = id_of(filled, photos, "blue.png")
    filled.concepts.save("sea", "white", like=[blue])
    before = filled.encode(bouba.Query(concept="sea"))
    filled.delete([blue])
    assert np.array_equal(filled.encode(bouba.Query(concept="sea")), before)
    assert filled.search(concept="sea").notes == ()


def test_a_concept_goes_over_to_another_model(filled: bouba.Gallery, photos: Path, other: Path) -> None:
    blue, red = (id_of(filled, photos, f"{colour}.png") for colour in ("blue", "red"))
    filled.concepts.save("sea", "blue", like=[blue], unlike=[red])
    before = filled.encode(bouba.Query(concept="sea"))
    assert migrate(filled, other).switched
    result = filled.search(concept="sea")
    assert first(result) == {"blue"}
    assert result.notes == ()
    assert not np.allclose(filled.encode(bouba.Query(concept="sea")), before)
    fresh = filled.encode(bouba.Query("blue", like=(blue,), unlike=(red,)))
    assert filled.encode(bouba.Query(concept="sea")) == pytest.approx(fresh, abs=1e-6)


def test_what_is_left_of_a_recipe_makes_it_anew(filled: bouba.Gallery, photos: Path, other: Path) -> None:
    blue, red = (id_of(filled, photos, f"{colour}.png") for colour in ("blue", "red"))
    filled.concepts.save("sea", "blue", like=[blue], unlike=[red])
    filled.concepts.save("hot", like=[red], unlike=[blue])
    filled.delete([red])
    migrate(filled, other)
    result = filled.search(concept="sea")
    assert result.notes == ("The concept 'sea' does without 1 of its 2 examples, which are no longer there.",)
    assert first(result) == {"blue"}
    with pytest.raises(QueryError, match="'hot' was saved with another model"):
        filled.search(concept="hot")
    assert [one.name for one in filled.concepts.list()] == ["hot", "sea"]


@pytest.mark.parametrize(
    "damage",
    [{"vector": "AAAA"}, {"vector": "?"}, {"vector": None}, {"vector": ""}, {"like": 3}, {"text": 4}, {"model": None}],
)
def test_a_damaged_concept_says_so_and_can_be_removed(small: bouba.Gallery, damage: dict[str, Any]) -> None:
    small.concepts.save("sea", "blue")
    keep(small, **damage)
    with pytest.raises(GalleryBroken, match="'sea' is damaged"):
        small.search(concept="sea")
    assert first(small.search("red"), 1) == {"red0"}
    small.concepts.remove("sea")
    assert small.concepts.list() == []


def test_threads_that_save_at_once_lose_nothing(filled: bouba.Gallery) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: filled.concepts.save(f"number {n}", "red"), range(24)))
    assert len(filled.concepts.list()) == 24


def test_processes_that_save_at_once_lose_nothing(tmp_path: Path, tiny_model_folder: Path, photos: Path) -> None:
    place = tmp_path / "kept"
    with bouba.open(place, tiny_model_folder) as gallery:
        gallery.add(photos / "red.png")
    code = (
        "import sys, bouba; gallery = bouba.open(sys.argv[1])\n"
        "for n in range(20): gallery.concepts.save(f'{sys.argv[2]} {n}', 'red')"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(place), name]) for name in ("left", "right")]
    assert [process.wait(120) for process in both] == [0, 0]
    with bouba.open(place) as gallery:
        assert len(gallery.concepts.names()) == 40


def test_a_concept_saved_during_a_migration_goes_along(filled: bouba.Gallery, other: Path) -> None:
    def save(done: int, total: int) -> None:
        filled.concepts.save("sea", "blue")

    assert migrate(filled, other, progress=save).switched
    assert first(filled.search(concept="sea")) == {"blue"}


def test_concepts_leave_the_rest_of_the_description_alone(filled: bouba.Gallery) -> None:
    before = filled._store.read_meta()
    filled.concepts.save("sea", "blue")
    filled.concepts.remove("sea")
    assert filled._store.read_meta() == {**(before or {}), "concepts": {}}
