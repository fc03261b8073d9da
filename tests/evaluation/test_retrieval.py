"""An evaluation from end to end on a small model that knows colours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import COLOURS, write_tiny_model

import bouba
from bouba.encoders import Model, load_model
from bouba.errors import QueryError
from bouba.evaluation.collection import StoredEmbeddings, within
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.perturb import PICTURE_SLICES, TEXT_SLICES
from bouba.evaluation.results import Evaluation
from bouba.evaluation.retrieval import compared, evaluate


@pytest.fixture
def labels(photos: Path) -> EvaluationSet:
    rows = [{"image": path.relative_to(photos).as_posix(), "label": path.stem} for path in sorted(photos.rglob("*.*"))]
    (photos / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_set(photos / "labels.jsonl")


@pytest.fixture
def captions(photos: Path) -> EvaluationSet:
    rows = [{"image": f"{colour}.png", "captions": [f"{colour}", f"{colour} {colour}"]} for colour in COLOURS]
    (photos / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_set(photos / "pairs.jsonl")


def figures(evaluation: Evaluation, direction: str) -> dict[str, float]:
    (found,) = [d for d in evaluation.directions if d.name == direction]
    return {name: interval.value for name, interval in found.metrics.items()}


def test_a_model_that_knows_is_perfect(tiny_model: Model, labels: EvaluationSet, tmp_path: Path) -> None:
    evaluation = evaluate(labels, Embeddings(tiny_model, tmp_path))
    forward, back = figures(evaluation, "text_to_image"), figures(evaluation, "image_to_text")
    assert (forward["mAP"], forward["hit_rate@1"], forward["recall@10"], forward["median_rank"]) == (1, 1, 1, 1)
    assert back["hit_rate@1"] == 1.0  # zero-shot classification
    assert [d.queries for d in evaluation.directions] == [6, 12, 12]


def test_a_broken_model_is_found_out(tiny_model: Model, labels: EvaluationSet, tmp_path: Path) -> None:
    broken = load_model(write_tiny_model(tmp_path / "broken", "broken", broken=True))
    one, two = (Embeddings(model, tmp_path / "cache") for model in (tiny_model, broken))
    good, bad = (evaluate(labels, embeddings, slices=False) for embeddings in (one, two))
    assert figures(bad, "text_to_image")["hit_rate@1"] == 0.0
    paired = compared(good, bad, labels, (one, two))
    (first, *_) = paired.directions[0].comparisons
    assert (first.difference.value, first.difference.low) == (1.0, 1.0)
    assert first.sentence.startswith("tiny 0.1 is better by 100.0 points")


def test_every_slice_is_there_and_says_what_it_did(tiny_model: Model, captions: EvaluationSet, tmp_path: Path) -> None:
    evaluation = evaluate(captions, Embeddings(tiny_model, tmp_path))
    by_name = {d.name: {s.name for s in d.slices} for d in evaluation.directions}
    assert {s.name for s in TEXT_SLICES} <= by_name["text_to_image"]
    assert by_name["image_to_image"] == {s.name for s in PICTURE_SLICES}
    assert all(s.about and s.queries for d in evaluation.directions for s in d.slices)
    crop = next(s for d in evaluation.directions for s in d.slices if s.name == "crop")
    assert crop.metrics["hit_rate@1"].value == 1.0


def test_second_evaluation_encodes_nothing_and_says_the_same(
    tiny_model: Model, captions: EvaluationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(captions, Embeddings(tiny_model, tmp_path)).to_dict()
    monkeypatch.setattr(Model, "encode_pixels", lambda *a: pytest.fail("encoded a picture"))
    monkeypatch.setattr(Model, "encode_text", lambda *a: pytest.fail("encoded a text"))
    second = evaluate(captions, Embeddings(tiny_model, tmp_path)).to_dict()
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_in_a_gallery_all_its_pictures_compete(
    gallery: bouba.Gallery, captions: EvaluationSet, photos: Path, tmp_path: Path
) -> None:
    gallery.add([photos / "below", *(photos / f"{colour}.png" for colour in list(COLOURS)[1:])])
    stored = StoredEmbeddings(gallery, tmp_path / "cache")
    inside = within(captions, stored)
    evaluation = evaluate(inside, stored)
    assert (len(inside.images), len(inside.texts)) == (11, 2 * 5)
    assert inside.notes[-1] == "1 of 6 pictures are not in the gallery"
    assert figures(evaluation, "text_to_image")["hit_rate@5"] == 1.0
    with pytest.raises(QueryError, match="add them first"):
        within(captions, StoredEmbeddings(bouba.open("memory://", gallery.model), tmp_path / "cache"))


def test_shape_of_the_json(tiny_model: Model, captions: EvaluationSet, tmp_path: Path) -> None:
    found = json.loads(json.dumps(evaluate(captions, Embeddings(tiny_model, tmp_path)).to_dict()))
    forward = found["text_to_image"]
    assert {"hit_rate@1", "hit_rate@5", "hit_rate@10", "mAP", "median_rank", "intervals", "slices"} <= set(forward)
    low, high = forward["intervals"]["mAP"]
    assert low <= forward["mAP"] <= high


def test_examples_and_hubs_name_real_items(tiny_model: Model, captions: EvaluationSet, tmp_path: Path) -> None:
    direction = evaluate(captions, Embeddings(tiny_model, tmp_path)).directions[0]
    for example in (*direction.best, *direction.worst):
        assert example.query in captions.texts
        assert Path(example.wanted) in captions.images
        assert any(shown.relevant for shown in example.shown) == (example.rank <= len(example.shown))
