"""Questions of several parts, on a model that knows colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bouba
from bouba.encoders import Model
from bouba.errors import QueryError
from bouba.query.composition import named, taken_apart, together
from bouba.types import AllOf, AnyOf, Hit, Not, Query

RED, BLUE, GREEN = Query("red"), Query("blue"), Query("green")


def test_operators_make_a_flat_tree() -> None:
    assert AllOf((RED, BLUE, Not(GREEN))) == RED & BLUE & ~GREEN
    assert AnyOf((RED, BLUE, GREEN)) == RED | BLUE | GREEN
    assert AllOf((RED, AnyOf((BLUE, GREEN)))) == RED & (BLUE | GREEN)
    assert ~~RED == RED
    weighted = AllOf((RED, BLUE), (2.0, 1.0))
    assert weighted & GREEN == AllOf((weighted, GREEN))


def test_a_sentence_is_taken_apart_where_it_stands() -> None:
    question, notes = taken_apart(Query("a beach without people", image="a.jpg", text_weight=2))
    assert question == AllOf((Query("a beach", image="a.jpg", text_weight=2), Not(Query("people"))))
    assert "looking for: a beach; without: people" in notes[0]
    assert taken_apart(Query("no people"))[0] == Not(Query("people"))
    assert taken_apart(Query("no people", image="a.jpg"))[0] == AllOf((Query(image="a.jpg"), Not(Query("people"))))
    assert taken_apart(Query("dogs") | Query("no people"))[0] == AnyOf((Query("dogs"), Not(Query("people"))))
    assert taken_apart(Query(image="a.jpg")) == (Query(image="a.jpg"), ())


def test_names() -> None:
    assert named(RED & ~(BLUE | Query(image="a.jpg"))) == "red and not (blue or a.jpg)"
    assert named(Query("red", image=b"...")) == "red + a picture"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose left half has one colour and whose right half another."""
    folder = tmp_path_factory.mktemp("halves")
    rng = np.random.default_rng(0)
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    for left, one in colours.items():
        for right, other in colours.items():
            for seed in range(4):
                pixels = np.array([[one] * 32 + [other] * 32] * 64) + rng.integers(-30, 30, (64, 64, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{left}-{right}-{seed}.png")
    return folder


@pytest.fixture(scope="module")
def halves(folder: Path, tiny_model: Model) -> Iterator[bouba.Gallery]:
    with bouba.open("memory://", tiny_model) as gallery:
        gallery.add(folder)
        yield gallery


def _halves(hits: tuple[Hit, ...]) -> Counter[frozenset[str]]:
    return Counter(frozenset(Path(hit.path).stem.split("-")[:2]) for hit in hits)


def test_and(halves: bouba.Gallery) -> None:
    assert _halves(halves.search(RED & BLUE, k=8).hits) == {frozenset({"red", "blue"}): 8}


def test_or(halves: bouba.Gallery) -> None:
    both = _halves(halves.search(RED | BLUE, k=8).hits)
    assert both == {frozenset({"red"}): 4, frozenset({"blue"}): 4}


@pytest.mark.parametrize("ask", [RED & ~BLUE, "red without blue", "red -blue", ~BLUE & RED])
def test_not(halves: bouba.Gallery, ask: str | AllOf) -> None:
    hits = halves.search(ask, k=12).hits
    assert not any("blue" in Path(hit.path).stem for hit in hits)
    assert "red-red" in hits[0].path
    assert [(part.asked, part.wanted) for part in sorted(hits[0].parts, key=lambda part: not part.wanted)] == [
        ("red", True),
        ("blue", False),
    ]


@pytest.mark.parametrize("ask", [~BLUE, "no blue", ~(BLUE | GREEN)])
def test_not_alone(halves: bouba.Gallery, ask: str | Not) -> None:
    assert not any("blue" in Path(hit.path).stem for hit in halves.search(ask, k=4).hits)


def test_a_picture_and_a_text(halves: bouba.Gallery, folder: Path) -> None:
    best = halves.search(Query(image=str(folder / "red-red-0.png")) & BLUE, k=4).hits
    assert _halves(best) == {frozenset({"red", "blue"}): 4}


def test_weights(halves: bouba.Gallery) -> None:
    first = [halves.search(AllOf((RED, BLUE), weights), k=1)[0].path for weights in ((50.0, 1.0), (1.0, 50.0))]
    assert ["red-red" in first[0], "blue-blue" in first[1]] == [True, True]
    with pytest.raises(QueryError, match="2 parts"):
        halves.search(AllOf((RED, BLUE), (1.0,)))


def test_exact_keeps_the_sentence(halves: bouba.Gallery) -> None:
    exact = halves.search("red without blue", exact=True)
    assert exact.notes == ()
    assert exact[0].parts == ()
    assert halves.search("red without blue").notes[0].startswith("Read as looking for: red; without: blue")
    assert (
        halves.search("red without blue", raw=True).hits == halves.search("red without blue", raw=True, exact=True).hits
    )


def test_a_question_has_no_raw_ranking(halves: bouba.Gallery) -> None:
    with pytest.raises(QueryError, match="raw"):
        halves.search(RED & BLUE, raw=True)


def test_parts_reach_json_and_filters_hold(halves: bouba.Gallery) -> None:
    result = halves.search(RED & ~BLUE, k=2, where='path like "%green%"')
    assert all("green" in hit.path for hit in result)
    record = result.to_dict()["hits"][0]
    assert [part["asked"] for part in record["parts"]] == ["red", "blue"]
    assert "parts" not in halves.search("red").to_dict()["hits"][0]


def test_every_store_gives_the_same(gallery: bouba.Gallery, halves: bouba.Gallery, folder: Path) -> None:
    gallery.add(folder)
    ask = (RED | GREEN) & ~BLUE
    assert [hit.id for hit in gallery.search(ask, k=10)] == [hit.id for hit in halves.search(ask, k=10)]


def test_an_empty_gallery_and_empty_parts(gallery: bouba.Gallery, paint) -> None:
    gallery.add(paint("red"))
    gallery.delete([item.id for item in gallery.items()])
    assert gallery.search(RED & ~BLUE).hits == ()
    with pytest.raises(QueryError, match="no parts"):
        gallery.search(AllOf(()))


def test_what_is_asked_together_as_one_query() -> None:
    whole = together([Query("a dog"), Query("snow"), Query(image="a.jpg")])
    assert whole is not None
    assert (whole.text, whole.image, whole.audio) == ("a dog and snow", "a.jpg", None)
    assert together([Query(image="a.jpg"), Query(image="b.jpg")]) is None
    assert together([RED, Query("blue", text_weight=2)]) is None
    assert together([RED, Query(like=("0123",))]) is None


def test_the_whole_is_no_part_of_a_hit(halves: bouba.Gallery) -> None:
    assert [part.asked for part in halves.search(RED & BLUE & ~GREEN, k=1)[0].parts] == ["red", "blue", "green"]
