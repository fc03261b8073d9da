from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

import bouba
from bouba.encoders import load_model
from bouba.errors import ModelBroken, QueryError
from bouba.query.background import FEWEST, SAMPLE, Sample
from bouba.ranking.calibration import Background, Calibration, Logistic
from bouba.ranking.hubness import row_length
from bouba.rows import Rows
from bouba.stores.memory import MemoryStore
from bouba.types import Item, Query

NEVER = Logistic((*[0.0] * 6, -9.0))
MADE = Calibration(Logistic((6.0, *[0.0] * 10, -3.0)), Logistic((10.0, *[0.0] * 5, -6.0)), cutoff=0.5, threshold=0.5)


def calibrated(
    folder: Path,
    calibration: Calibration = MADE,
    bank: str = "red",
    strength: float = 0.5,
    keywords: Calibration | None = None,
) -> Path:
    """A tiny model that has probabilities, and a bank of one colour, whose pictures are hubs."""
    write_tiny_model(folder)
    model = load_model(folder)
    kinds = {"text": calibration.to_dict()} | ({"keywords": keywords.to_dict()} if keywords else {})
    record = {"hubs": {"neighbours": 2, "strength": strength}, "kinds": kinds}
    (folder / "calibration.json").write_text(json.dumps(record))
    np.save(folder / "bank.npy", model.encode_text([bank, f"{bank} {bank}"]).astype(np.float16))
    np.save(folder / "background.npy", model.encode_text(["blue", "green"] * 20).astype(np.float16))
    facts = json.loads((folder / "model.json").read_text())
    names = {"calibration": "calibration.json", "bank": "bank.npy", "background": "background.npy"}
    facts |= {"trust": names}
    facts["sha256"] |= {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names.values()}
    (folder / "model.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(params=["lance", "memory"])
def filled(request: pytest.FixtureRequest, tmp_path: Path, photos: Path) -> Iterator[bouba.Gallery]:
    uri = "memory://" if request.param == "memory" else str(tmp_path / "gallery")
    with bouba.open(uri, calibrated(tmp_path / "made")) as gallery:
        gallery.add(photos)
        yield gallery


def test_hits_have_probabilities_that_fall_with_their_scores(filled: bouba.Gallery) -> None:
    result = filled.search("green")
    chances = [hit.probability for hit in result]
    assert None not in chances
    assert chances == sorted(chances, reverse=True)
    assert result.found
    assert result.confidence is not None
    assert result.confidence > 0.5
    assert 0 < len(result.matches) < len(result)
    assert {Path(hit.path).stem for hit in result.matches} == {"green"}


def test_nothing_matches_is_said_and_the_closest_are_still_there(tmp_path: Path, photos: Path) -> None:
    unsure = Calibration(MADE.match, NEVER, 0.5, 0.5)
    with bouba.open("memory://", calibrated(tmp_path / "unsure", unsure)) as gallery:
        gallery.add(photos)
        result = gallery.search("green", k=3)
        assert not result.found
        assert result.matches == ()
        assert len(result) == 3
        assert result.to_dict()["found"] is False
        assert "Nothing matches" in result._repr_html_()
        assert gallery.search("green", raw=True).found


def test_a_least_probability_leaves_out_what_is_less_likely(filled: bouba.Gallery) -> None:
    every = filled.search("green", min_probability=0)
    assert len(every) == 12
    likely = filled.search("green", min_probability=0.5)
    assert [hit.id for hit in likely] == [hit.id for hit in every if (hit.probability or 0) >= 0.5]
    nothing = filled.search("green", min_probability=1)
    assert not nothing.found
    assert not nothing.matches
    with pytest.raises(QueryError, match=r"1\.5"):
        filled.search("green", min_probability=1.5)


def test_raw_is_the_order_of_cosines_and_says_nothing_more(filled: bouba.Gallery) -> None:
    vectors = {item.id: row for items, rows in filled.batches() for item, row in zip(items, rows, strict=True)}
    query = filled.encode(Query("white"))
    exact = sorted(((round(float(row @ query), 5), id) for id, row in vectors.items()), key=lambda p: (-p[0], p[1]))
    result = filled.search("white", raw=True)
    assert [round(hit.score, 5) for hit in result] == [score for score, _ in exact]
    assert [hit.probability for hit in result] == [None] * 12
    assert result.confidence is None


def test_hubs_stand_back_for_texts_and_not_for_pictures(filled: bouba.Gallery, photos: Path) -> None:
    # The bank asks for red: red pictures are hubs, and yellow ones half as much.
    plain = [Path(hit.path).stem for hit in filled.search("black", raw=True)]
    fair = [Path(hit.path).stem for hit in filled.search("black")]
    assert plain != fair
    assert max(n for n, name in enumerate(fair) if name == "red") >= max(
        n for n, name in enumerate(plain) if name == "red"
    )
    by_picture = filled.search(image=photos / "black.png")
    again = filled.search(image=photos / "black.png", raw=True)
    assert [hit.id for hit in by_picture] == [hit.id for hit in again]
    assert [hit.score for hit in by_picture] == [hit.score for hit in again]


def test_stored_vectors_come_back_as_they_were(filled: bouba.Gallery) -> None:
    for items, rows in filled.batches():
        assert rows.shape == (len(items), filled.model.dim)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_gallery_of_an_uncalibrated_model_has_scores_and_no_more(photos: Path, tiny_model_folder: Path) -> None:
    with bouba.open("memory://", tiny_model_folder) as gallery:
        gallery.add(photos)
        result = gallery.search("green")
        assert result.found
        assert result.matches == result.hits
        assert [hit.probability for hit in result] == [None] * 12
        with pytest.raises(QueryError, match="never calibrated"):
            gallery.search("green", min_probability=0.1)


def test_a_gallery_from_before_biases_goes_on(tmp_path: Path, photos: Path) -> None:
    folder, model = tmp_path / "old", calibrated(tmp_path / "made")
    with bouba.open(folder, model) as gallery:
        gallery.add(photos)
        now = [hit.id for hit in gallery.search("black", raw=True)]
    old = tmp_path / "older"
    store = bouba.stores.open_store(str(old), load_model(model).dim)  # type: ignore[attr-defined]
    with bouba.open(folder) as gallery:
        meta = dict(gallery._store.read_meta() or {})
        del meta["hubs"]
        store.write_meta(meta)
        for items, rows in gallery.batches():
            store.upsert(items, rows)
    with bouba.open(old) as gallery:
        assert [hit.id for hit in gallery.search("black")] == now
        assert gallery.search("green").found
        gallery.add(photos)
        assert len(gallery) == 12


def test_biases_of_another_bank_are_left_out_of_account(tmp_path: Path, photos: Path) -> None:
    model = calibrated(tmp_path / "made")
    with bouba.open(tmp_path / "gallery", model) as gallery:
        gallery.add(photos)
        plain = [hit.id for hit in gallery.search("black", raw=True)]
        assert [hit.id for hit in gallery.search("black")] != plain
    calibrated(model, strength=0.4)
    with bouba.open(tmp_path / "gallery") as gallery:
        assert [hit.id for hit in gallery.search("black")] == plain


@pytest.mark.parametrize("text", ["[]", '{"hubs": {"neighbours": 1, "strength": 1}, "kinds": {"text": {}}}', "{"])
def test_a_calibration_that_cannot_be_read_is_named(tmp_path: Path, photos: Path, text: str) -> None:
    folder = calibrated(tmp_path / "made")
    (folder / "calibration.json").write_text(text)
    facts = json.loads((folder / "model.json").read_text())
    facts["sha256"]["calibration.json"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(facts))
    with pytest.raises(ModelBroken, match="made"):
        bouba.open("memory://", folder)


def test_few_words_are_judged_as_keywords_alone_and_in_a_question_of_several_parts(
    tmp_path: Path, photos: Path
) -> None:
    keywords = Calibration(MADE.match, MADE.found, cutoff=0.4, threshold=0.25)
    with bouba.open("memory://", calibrated(tmp_path / "made", keywords=keywords)) as gallery:
        gallery.add(photos)
        green, ruled_out = Query("green"), ~Query("red")
        assert gallery.search(green).threshold == 0.25
        assert gallery.search(green & ruled_out).threshold == 0.25
        assert gallery.search(Query("something that is green") & ruled_out).threshold == 0.5


def item(number: int) -> Item:
    digest = hashlib.sha256(str(number).encode()).hexdigest()[:32]
    return Item(digest, f"/{number}.png", 1, 1, 1, "image/png")


def sampled(tmp_path: Path, count: int) -> tuple[MemoryStore, Sample]:
    model = load_model(calibrated(tmp_path / "made"))
    rows = Rows.of(None, model)
    store = MemoryStore(rows.length)
    draw = np.random.default_rng(0).normal(size=(count, model.dim)).astype(np.float32)
    store.upsert([item(n) for n in range(count)], rows.pack(draw / np.linalg.norm(draw, axis=1, keepdims=True)))
    return store, Sample(store, rows, model)


def test_a_sample_is_about_a_thousand_items_by_chance(tmp_path: Path) -> None:
    store, sample = sampled(tmp_path, 8000)
    population = sample.now()
    assert population.items == 8000
    assert 0.8 * SAMPLE < len(population.rows) < 1.2 * SAMPLE
    assert not len(population.filling)
    query = np.eye(row_length(48), dtype=np.float32)[0]
    background = population.background(query)
    every = np.concatenate([rows for _, rows in store.scan()]) @ query
    assert background is not None
    assert background.mean == pytest.approx(every.mean(), abs=0.02)
    assert background.spread == pytest.approx(every.std(), rel=0.1)


def test_a_small_gallery_is_filled_up_with_pictures_of_all_kinds(tmp_path: Path) -> None:
    _, sample = sampled(tmp_path, 3)
    population = sample.now()
    assert len(population.rows) == 3
    assert len(population.filling) == min(FEWEST - 3, 40)


def test_a_sample_follows_what_comes_and_goes(tmp_path: Path) -> None:
    store, sample = sampled(tmp_path, 100)
    first = sample.now()
    store.delete([item(0).id])
    assert sample.now() is first  # one of a hundred
    store.delete([item(n).id for n in range(1, 50)])
    assert sample.now().items == 50
    assert len(sample.now().rows) == 50


def test_nothing_is_known_of_an_empty_gallery_of_an_uncalibrated_model(tiny_model_folder: Path) -> None:
    model = load_model(tiny_model_folder)
    rows = Rows.of(None, model)
    population = Sample(MemoryStore(rows.length), rows, model).now()
    assert population.background(np.zeros(rows.length, np.float32)) is None
    assert isinstance(Background.of(np.ones(1)), Background)
