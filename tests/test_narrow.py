"""A gallery that keeps fewer dimensions: everything goes on in those, and nothing else is mixed in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import DIM, write_tiny_model

import bouba
from bouba.encoders import Model, load_model
from bouba.errors import ModelMismatch, QueryError
from bouba.migrate import migrate
from bouba.narrow import NarrowModel, narrowed
from bouba.ranking.calibration import Calibration, Logistic
from bouba.ranking.codes import truncated

DIMS = 40
JUDGE = Calibration(Logistic((6.0, *[0.0] * 10, -3.0)), Logistic((10.0, *[0.0] * 5, -6.0)), cutoff=0.5, threshold=0.5)


def calibrated(folder: Path, bank: tuple[str, ...] = ("red", "green", "blue", "yellow")) -> Path:
    """A tiny model that knows typical queries and pictures."""
    model = load_model(write_tiny_model(folder))
    record = {"hubs": {"neighbours": 2, "strength": 0.5}, "kinds": {"text": JUDGE.to_dict()}}
    (folder / "calibration.json").write_text(json.dumps(record))
    pictures = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    np.save(folder / "bank.npy", model.encode_text(list(bank)).astype(np.float16))
    np.save(folder / "background.npy", model.encode_pixels(list(pictures)).astype(np.float16))
    facts = json.loads((folder / "model.json").read_text())
    names = {"calibration": "calibration.json", "bank": "bank.npy", "background": "background.npy"}
    facts["trust"] = names
    facts["sha256"] |= {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names.values()}
    (folder / "model.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(calibrated(tmp_path_factory.mktemp("narrow") / "made"))


def test_all_vectors_have_the_kept_dimensions(model: Model) -> None:
    small = narrowed(model, DIMS)
    pixels = [np.full((32, 32, 3), 90, np.uint8)]
    assert small.bank is not None
    assert small.background is not None
    for vectors in (small.encode_text(["red", "blue"]), small.encode_pixels(pixels), small.bank, small.background):
        assert vectors.shape[1] == small.dim == DIMS
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert small.describe()["dim"] == DIMS


def test_the_principal_axes_keep_cosines_that_leading_dimensions_do_not(model: Model) -> None:
    def moved(texts: np.ndarray, pictures: np.ndarray) -> float:
        return float(np.abs(texts @ pictures.T - whole).max())

    names = ["red", "green", "blue", "yellow"]
    pixels = [np.full((32, 32, 3), colour, np.uint8) for colour in ((200, 20, 30), (10, 180, 30), (90, 90, 220))]
    texts, pictures = model.encode_text(names), model.encode_pixels(pixels)
    whole, small = texts @ pictures.T, narrowed(model, DIMS)
    assert moved(small.encode_text(names), small.encode_pixels(pixels)) < 0.05
    assert moved(truncated(texts, 32), truncated(pictures, 32)) > 0.1


def test_a_model_that_was_never_calibrated_gives_its_leading_dimensions(tiny_model: Model) -> None:
    texts = tiny_model.encode_text(["red", "blue"])
    np.testing.assert_array_equal(narrowed(tiny_model, DIMS).encode_text(["red", "blue"]), truncated(texts, DIMS))


def test_other_axes_are_another_fingerprint(model: Model, tmp_path: Path) -> None:
    other = load_model(calibrated(tmp_path / "other", bank=("white", "black")))
    assert other.fingerprint == model.fingerprint
    prints = {one.fingerprint for one in (model, narrowed(model, 40), narrowed(model, 32), narrowed(other, 40))}
    assert len(prints) == 4


@pytest.mark.parametrize("dims", [0, 31, DIM + 1])
def test_a_number_that_cannot_be_kept(model: Model, dims: int) -> None:
    with pytest.raises(QueryError, match=f"{dims} dimensions cannot be kept.*32 to {DIM}"):
        narrowed(model, dims)
    assert narrowed(model, None) is model is narrowed(model, DIM)


@pytest.mark.parametrize("uri", ["memory://", "gallery"])
def test_a_narrow_gallery_answers_in_its_own_dimensions(uri: str, model: Model, photos: Path, tmp_path: Path) -> None:
    place = uri if "://" in uri else str(tmp_path / uri)
    with bouba.open(place, model, dims=DIMS) as gallery:
        gallery.add(photos)
        for items, vectors in gallery.batches():
            assert vectors.shape == (len(items), DIMS)
        small = gallery.model
        hit = gallery.search("green", k=1)[0]
        assert Path(hit.path).stem == "green"
        cosine = float((small.encode_text(["green"]) @ hit.vector).item())
        assert hit.score == pytest.approx(cosine, abs=1e-5)
        assert hit.probability is not None
        assert gallery.search(image=photos / "blue.png", k=1)[0].score == pytest.approx(1.0, abs=1e-4)
        gallery.concepts.save("meadow", "green")
        assert Path(gallery.search(concept="meadow", k=1)[0].path).stem == "green"
        mixed = gallery.search(bouba.Query("blue") & ~bouba.Query("red"), k=1)
        assert Path(mixed[0].path).stem == "blue"


def test_the_number_stays_with_the_gallery(model: Model, photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "gallery"
    with bouba.open(place, model, dims=DIMS) as gallery:
        gallery.add(photos)
    for opened in (bouba.open(place), bouba.open(place, model), bouba.open(place, dims=DIMS)):
        with opened as gallery:
            assert isinstance(gallery.model, NarrowModel)
            assert gallery.info()["model"]["dim"] == DIMS
            assert Path(gallery.search("red", k=1)[0].path).stem == "red"
    with pytest.raises(ModelMismatch, match=f"keeps {DIMS} dimensions, not 32.*--dims 32"):
        bouba.open(place, dims=32)


def test_a_whole_gallery_is_not_narrowed(model: Model, photos: Path, tmp_path: Path) -> None:
    with bouba.open(tmp_path / "gallery", model) as gallery:
        gallery.add(photos)
    with pytest.raises(ModelMismatch, match=f"keeps {DIM} dimensions, not {DIMS}"):
        bouba.open(tmp_path / "gallery", dims=DIMS)


def test_other_calibration_data_are_other_axes(model: Model, photos: Path, tmp_path: Path) -> None:
    with bouba.open(tmp_path / "gallery", model, dims=DIMS) as gallery:
        gallery.add(photos)
    other = load_model(calibrated(tmp_path / "other", bank=("white", "black")))
    with pytest.raises(ModelMismatch, match="cannot be compared"):
        bouba.open(tmp_path / "gallery", other)


def test_a_migration_keeps_the_number(model: Model, photos: Path, tmp_path: Path) -> None:
    place, other = tmp_path / "gallery", load_model(write_tiny_model(tmp_path / "other", bias=90.0))
    with bouba.open(place, model, dims=DIMS) as gallery:
        gallery.add(photos)
        gallery.concepts.save("sky", "blue")
        assert migrate(place, model).encoded == 0
        report = migrate(place, other)
        assert report.switched
        hit = gallery.search("blue", k=1)[0]
        assert (Path(hit.path).stem, len(np.asarray(hit.vector))) == ("blue", DIMS)
        assert gallery.model.dim == DIMS
        assert Path(gallery.search(concept="sky", k=1)[0].path).stem == "blue"
    with bouba.open(place) as again:
        assert Path(again.search("red", k=1)[0].path).stem == "red"
