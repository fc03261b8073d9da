"""A gallery goes over to another model: nothing is lost, nothing is mixed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from tiny_model import write_tiny_model

import bouba
from bouba import migrate as module
from bouba.encoders import load_model
from bouba.errors import GalleryMissing, ModelBroken, ModelMismatch, ModelMissing, StoreUnavailable
from bouba.ingest import pipeline
from bouba.migrate import MigrationReport, cancel, migrate
from bouba.stores import Superseded
from bouba.stores.memory import _MemoryShadow

NEW_DIM = 20


def write_other_model(folder: Path, name: str = "other") -> Path:
    """Another space: another bias, and only the first numbers of each vector."""
    write_tiny_model(folder, name, bias=90.0)
    manifest = json.loads((folder / "model.json").read_text())
    for tower in ("image.onnx", "text.onnx"):
        model = onnx.load(folder / tower)
        model.graph.node[-1].output[0] = "long"
        model.graph.node.append(helper.make_node("Slice", ["long", "first", "end", "columns"], ["embedding"]))
        for constant, value in {"first": [0], "end": [NEW_DIM], "columns": [1]}.items():
            model.graph.initializer.append(numpy_helper.from_array(np.int64(value), constant))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = NEW_DIM
        onnx.save(model, folder / tower)
        manifest["sha256"][tower] = hashlib.sha256((folder / tower).read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps({**manifest, "dim": NEW_DIM}))
    return folder


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_other_model(tmp_path_factory.mktemp("model") / "other")


@pytest.fixture
def filled(gallery: bouba.Gallery, photos: Path) -> bouba.Gallery:
    gallery.add(photos, {"price": 3.0})
    return gallery


@pytest.fixture
def place(tmp_path: Path, photos: Path, tiny_model_folder: Path) -> Path:
    with bouba.open(tmp_path / "g", tiny_model_folder) as gallery:
        gallery.add(photos, {"price": 3.0})
    return tmp_path / "g"


def vectors(gallery: bouba.Gallery) -> dict[str, list[float]]:
    return {i.id: v for items, rows in gallery.batches() for i, v in zip(items, rows.tolist(), strict=True)}


def items(gallery: bouba.Gallery) -> dict[str, bouba.Item]:
    return {item.id: item for item in gallery.items()}


def fresh(photos: Path, model: Path) -> dict[str, list[float]]:
    with bouba.open("memory://", model) as gallery:
        gallery.add(photos)
        return vectors(gallery)


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (300, 400, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_vectors_are_those_of_a_new_gallery_and_all_else_stays(
    filled: bouba.Gallery, photos: Path, other: Path
) -> None:
    before, found = items(filled), {id: filled.thumbnail(id) for id in items(filled)}
    steps: list[tuple[int, int]] = []
    report = migrate(filled, other, progress=lambda done, total: steps.append((done, total)))
    assert (report.switched, report.items, report.encoded, report.thumbnails, report.failures) == (True, 12, 12, 0, [])
    assert steps[-1] == (12, 12)
    assert items(filled) == before
    assert (filled.model.name, filled.model.dim) == ("other", NEW_DIM)
    assert vectors(filled) == fresh(photos, other)
    assert {id: filled.thumbnail(id) for id in before} == found
    assert filled.add(photos).unchanged == 12
    assert filled.search("red", k=1, where="price = 3")[0].item == before[filled.search("red", k=1)[0].id]


def test_it_is_so_after_reopening(place: Path, photos: Path, other: Path) -> None:
    migrate(place, other)
    with bouba.open(place) as gallery:
        assert vectors(gallery) == fresh(photos, other)
        assert Path(gallery.search("red", k=1)[0].path).stem == "red"
        assert gallery.info()["model"]["name"] == "other"
    with pytest.raises(ModelMismatch, match="bouba migrate"):
        bouba.open(place, write_tiny_model(place.parent / "tiny"))


def test_there_and_back(place: Path, photos: Path, other: Path, tiny_model_folder: Path) -> None:
    with bouba.open(place) as gallery:
        before = vectors(gallery)
        for folder in (other, tiny_model_folder, other, tiny_model_folder):
            assert migrate(gallery, folder).encoded == 12
        gallery.count()
        assert vectors(gallery) == before


def test_this_model_already(filled: bouba.Gallery, tiny_model_folder: Path) -> None:
    before = vectors(filled)
    report = migrate(filled, tiny_model_folder)
    assert (report.switched, report.items, report.encoded) == (True, 12, 0)
    assert vectors(filled) == before


def test_originals_first_then_thumbnails_which_are_counted(filled: bouba.Gallery, photos: Path, other: Path) -> None:
    big = photos / "big.png"
    big.write_bytes(picture(1))
    (photos / "copy.png").write_bytes(picture(1))
    filled.add([photos, picture(2), Image.new("RGB", (80, 60), "red")])
    expected = fresh(photos, other)
    (photos / "red.png").unlink()
    (photos / "blue.png").write_bytes(picture(3))
    big.unlink()  # its copy is still there
    report = migrate(filled, other)
    assert (report.items, report.encoded, report.thumbnails) == (15, 15, 4)
    now = vectors(filled)
    assert sum(now[id] == expected.get(id) for id in now) == 11
    similar = [np.dot(now[id], expected[id]) for id in now if id in expected]
    assert min(similar) > 0.98


def test_what_is_left_nowhere_is_listed_and_stops_the_switch(
    filled: bouba.Gallery, photos: Path, other: Path, tmp_path: Path
) -> None:
    (red,) = filled.find(str(photos / "red.png"))
    filled._ledger.forget_items([red.id])
    (photos / "red.png").rename(tmp_path / "away.png")
    before = vectors(filled)
    refused = migrate(filled, other)
    assert (refused.switched, refused.items, refused.encoded) == (False, 12, 11)
    assert [(failure.source, failure.kind) for failure in refused.failures] == [(red.path, "MediaMissing")]
    assert (vectors(filled), filled.model.name) == (before, "tiny")
    (tmp_path / "away.png").rename(photos / "red.png")
    report = migrate(filled, other)
    assert (report.switched, report.encoded, report.earlier) == (True, 1, 11)
    assert vectors(filled) == fresh(photos, other)


def test_what_is_left_nowhere_may_go(filled: bouba.Gallery, photos: Path, other: Path) -> None:
    (red,) = filled.find(str(photos / "red.png"))
    filled._ledger.forget_items([red.id])
    (photos / "red.png").unlink()
    report = migrate(filled, other, drop_missing=True)
    assert (report.switched, report.items, len(report.failures)) == (True, 11, 1)
    assert filled.get([red.id]) == []
    assert len(filled) == 11


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", [True, False], ids=["after a commit", "before it"])
def test_a_stopped_run_goes_on_and_counts_every_thumbnail_once(
    place: Path, photos: Path, other: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bouba.stores.lance.shadow import LanceShadow

    monkeypatch.setattr(module, "ENCODE_BATCH", 2)
    monkeypatch.setattr(module, "COMMIT_ROWS", 4)
    for name in ("red", "green", "blue", "yellow", "white"):
        (photos / f"{name}.png").unlink()
    put, calls = LanceShadow.put, 0

    def stop(shadow: LanceShadow, *batch: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2 and not after:
            raise Stopped
        put(shadow, *batch)  # type: ignore[arg-type]
        if calls == 2:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(LanceShadow, "put", stop)
        with pytest.raises(Stopped):
            migrate(place, other)
    report = migrate(place, other)
    safe = 8 if after else 4
    assert (report.earlier, report.encoded, report.items, report.thumbnails) == (safe, 12 - safe, 12, 5)
    assert "migration" not in json.loads((place / "gallery.json").read_text())["gallery"]


def test_a_half_done_one_is_finished_or_cancelled_before_a_third_model(
    place: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(module._Migration, "finish", stop)
        with pytest.raises(Stopped):
            migrate(place, other)
    third = write_tiny_model(tmp_path / "third", "third", bias=30.0)
    with pytest.raises(ModelMismatch, match=r"to other 0\.1 is half done.*--cancel"):
        migrate(place, third)
    assert cancel(place) is True
    assert cancel(place) is False
    assert not list(place.glob("*-2.lance"))
    assert migrate(place, third).switched


def test_what_cannot_work_is_said_before_anything_is_made(place: Path, other: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryMissing, match="nothing to migrate"):
        migrate(tmp_path / "none", other)
    with pytest.raises(GalleryMissing, match="nothing to cancel"):
        cancel(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(ModelMissing, match=r"model\.json"):
        migrate(place, tmp_path / "none")
    for tower in ("image.onnx", "text.onnx", "tokenizer.json"):
        broken = shutil.copytree(other, tmp_path / tower)
        (broken / tower).write_bytes(b"noise")
        with pytest.raises(ModelBroken, match=tower):
            migrate(place, broken)
    assert not (place / "next.json").exists()


def test_the_old_model_is_not_needed(place: Path, photos: Path, other: Path, tmp_path: Path) -> None:
    described = json.loads((place / "gallery.json").read_text())
    described["gallery"]["model"]["source"] = str(tmp_path / "gone")
    (place / "gallery.json").write_text(json.dumps(described))
    with pytest.raises(ModelMissing, match="bouba migrate"):
        bouba.open(place)
    assert migrate(place, other).switched
    with bouba.open(place) as gallery:
        assert vectors(gallery) == fresh(photos, other)


def test_one_at_a_time(place: Path, other: Path) -> None:
    caught: list[str] = []

    def second(done: int, total: int) -> None:
        for attempt in (lambda: migrate(place, other), lambda: cancel(place)):
            with pytest.raises(StoreUnavailable) as error:
                attempt()
            caught.append(str(error.value))

    assert migrate(place, other, progress=second).switched
    assert len(caught) == 2
    assert all("being migrated" in message for message in caught)


def test_an_open_gallery_goes_on_with_the_new_model(place: Path, photos: Path, other: Path, paint) -> None:
    with bouba.open(place) as opened:
        before, old = opened.search("red", k=12), vectors(opened)
        migrate(place, other)
        assert vectors(opened) == old, "what came from `model` so far fits to `batches`"
        after = opened.search("red", k=12)
        assert opened.model.name == "other"
        assert [hit.score for hit in after] != [hit.score for hit in before]
        assert {hit.id for hit in after} == {hit.id for hit in before}
        assert opened.add(paint("red", "new.png", seed=9)).added == 1
        assert vectors(opened) == fresh(photos, other)


def test_a_deletion_in_an_open_gallery_is_not_lost(place: Path, photos: Path, other: Path) -> None:
    with bouba.open(place) as first, bouba.open(place) as second:
        (red,), (blue,) = first.find(str(photos / "red.png")), second.find(str(photos / "blue.png"))
        migrate(place, other)
        assert first.delete([red.id]) == 1
        assert second.forget_paths([blue.path]) == 1
    with bouba.open(place) as gallery:
        assert gallery.known([red.id, blue.id]) == set()
        assert len(gallery) == 10


def test_a_new_model_that_cannot_be_loaded_is_an_error_not_a_wrong_answer(place: Path, other: Path) -> None:
    moving = shutil.copytree(other, place.parent / "moving")
    with bouba.open(place) as opened:
        migrate(place, moving)
        shutil.rmtree(moving)
        with pytest.raises(ModelMissing, match=r"other 0\.1, which is no longer at"):
            opened.search("red")
        write_tiny_model(moving, "third", bias=30.0)
        with pytest.raises(ModelMismatch, match=r"other 0\.1.*third 0\.1"):
            opened.search("red")


def test_pictures_that_are_added_over_the_switch_are_all_there(
    gallery: bouba.Gallery, paint, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_ROWS", 4)
    monkeypatch.setattr(pipeline, "ENCODE_BATCH", 4)
    photos = [paint("red", seed=n) for n in range(12)]
    reports: list[MigrationReport] = []

    def switch_after_the_first_commit(done: int, total: int) -> None:
        if not reports:
            reports.append(migrate(gallery, other))

    report = gallery.add(photos, progress=switch_after_the_first_commit)
    assert (reports[0].switched, reports[0].items) == (True, 4)
    assert (report.unchanged, report.added, len(set(report.ids))) == (4, 8, 12)
    assert vectors(gallery) == fresh(photos[0].parent, other)


def test_a_file_object_is_read_once_so_that_adding_it_over_the_switch_says_so(
    gallery: bouba.Gallery, paint, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_ROWS", 1)
    monkeypatch.setattr(pipeline, "ENCODE_BATCH", 1)
    streams = [io.BytesIO(paint("red", seed=n).read_bytes()) for n in range(4)]
    reports: list[MigrationReport] = []

    def switch(done: int, total: int) -> None:
        if not reports:
            reports.append(migrate(gallery, other))

    with pytest.raises(Superseded, match="What was counted is kept; open"):
        gallery.add(streams, progress=switch)
    assert len(gallery) == 1


def test_what_changes_meanwhile_is_taken_along(
    filled: bouba.Gallery, photos: Path, paint, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENCODE_BATCH", 2)
    monkeypatch.setattr(module, "COMMIT_ROWS", 4)
    changes: list[Callable[[], object]] = [
        lambda: filled.add(paint("green", "late.png", seed=5)),
        lambda: filled.add(photos / "red.png", {"price": 4.0, "brand": "B"}),
        lambda: filled.forget_paths([str(photos / "blue.png")]),
    ]

    def change(done: int, total: int) -> None:
        if changes:
            changes.pop(0)()

    report = migrate(filled, other, progress=change)
    assert (report.switched, report.items, changes) == (True, 12, [])
    (photos / "blue.png").unlink()
    assert vectors(filled) == fresh(photos, other)
    (red,) = filled.find(str(photos / "red.png"))
    assert red.attributes == {"price": 4.0, "brand": "B"}


def test_searches_are_of_one_model_or_the_other(filled: bouba.Gallery, photos: Path, other: Path, tiny_model) -> None:
    def scores(gallery: bouba.Gallery) -> list[float]:
        return [round(hit.score, 5) for hit in gallery.search("red", k=12)]

    with bouba.open("memory://", other) as reference:
        reference.add(photos)
        new = scores(reference)
    old = scores(filled)
    assert old != new
    seen: list[list[float]] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            seen.append(scores(filled))

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for searcher in searchers:
        searcher.start()
    for folder in (other, tiny_model.folder, other):
        migrate(filled, folder)
    stop.set()
    for searcher in searchers:
        searcher.join()
    assert {tuple(one) for one in seen} == {tuple(old), tuple(new)}
    assert scores(filled) == new


def test_a_search_that_the_switch_falls_into_stays_with_its_model(
    filled: bouba.Gallery, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [hit.score for hit in filled.search("red")]
    encode = filled.model.encode_text

    def switch_then_encode(texts: list[str]) -> object:
        migrate(filled, other)
        return encode(texts)

    monkeypatch.setitem(vars(filled.model), "encode_text", switch_then_encode)  # setattr would leave one behind
    assert [hit.score for hit in filled.search("red")] == before
    assert [hit.score for hit in filled.search("red")] != before
    assert filled.model.name == "other"


def test_the_report_as_json(filled: bouba.Gallery, other: Path) -> None:
    told = json.loads(json.dumps(migrate(filled, other).to_dict()))
    assert told.pop("seconds") >= 0
    assert told == {
        "model": "other 0.1", "switched": True, "items": 12, "encoded": 12, "earlier": 0, "thumbnails": 0,
        "missing": 0, "failures": [],
    }  # fmt: skip


def test_in_memory_a_migration_can_be_cancelled_too(
    tiny_model, photos: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = bouba.open("memory://", tiny_model)
    with pytest.raises(GalleryMissing):
        migrate(gallery, other)
    gallery.add(photos)

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(_MemoryShadow, "promote", stop)
        with pytest.raises(Stopped):
            migrate(gallery, other)
    assert gallery.search("red").found
    assert (cancel(gallery), cancel(gallery)) == (True, False)
    assert migrate(gallery, load_model(other)).encoded == 12
