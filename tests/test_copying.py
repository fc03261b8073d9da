"""A copy has every bit of its source, goes on after a stop, and never mixes two galleries."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from copied_gallery import contents, fill, made_items, made_rows
from milvus_here import new_place
from tiny_model import write_tiny_model

import bouba
from bouba.copying import CopyReport, copy, stored
from bouba.copying.checksum import Held, Tallies, digests
from bouba.encoders import Model, load_model
from bouba.errors import GalleryBroken, GalleryMissing, ModelMismatch, StoreError, StoreUnavailable
from bouba.gallery import parts
from bouba.stores import open_store
from bouba.stores.lance import LanceStore
from bouba.stores.lance.table import REFRESH_S
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

ITEMS = 300


@pytest.fixture
def source(tmp_path: Path, tiny_model: Model) -> Path:
    fill(tmp_path / "source", tiny_model, ITEMS)
    return tmp_path / "source"


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SCAN_ROWS", 16)
    monkeypatch.setattr(stored, "COMMIT_ROWS", 32)
    monkeypatch.setattr("bouba.copying.parquet.folder.PART_ROWS", 64)


@pytest.fixture
def upserts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each id was written to a Lance store from now on."""
    counts: Counter[str] = Counter()
    upsert = LanceStore.upsert

    def counted(self: LanceStore, items: Sequence[Item], vectors: Vectors) -> None:
        upsert(self, items, vectors)
        counts.update(item.id for item in items)

    monkeypatch.setattr(LanceStore, "upsert", counted)
    return counts


class Stopped(Exception):
    pass


def stop_at(share: float) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "copied" and done >= share * total:
            raise Stopped

    return progress


def stop(source: Path, destination: Path | str, share: float = 0.4) -> None:
    """A copy that ends when this share of it is safe."""
    with pytest.raises(Stopped):
        copy(source, destination, stop_at(share))


def test_there_and_back_through_parquet(source: Path, tmp_path: Path, small_commits: None) -> None:
    reports = [copy(source, tmp_path / "a.parquet"), copy(tmp_path / "a.parquet", tmp_path / "back")]
    for report in reports:
        assert (report.items, report.copied, report.verified, report.skipped) == (ITEMS, ITEMS, ITEMS, 0)
        assert (report.thumbnails, report.files) == (ITEMS // 2, ITEMS)
        assert report.notes == []
    assert reports[0].checksum == reports[1].checksum
    assert contents(tmp_path / "back") == contents(source)


def test_from_store_to_store_and_into_memory(source: Path, tmp_path: Path, tiny_model: Model) -> None:
    copy(source, f"file://{tmp_path / 'twin'}")
    with bouba.open("memory://", tiny_model) as gallery:
        copy(tmp_path / "twin", gallery)
        assert contents(gallery) == contents(source)
        with bouba.open("memory://", tiny_model) as third:
            copy(gallery, third)
            assert contents(third) == contents(source)


@pytest.fixture(params=["milvus", "milvus-lite", "zvec"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in another store; what this machine keeps of it lies beside."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    if request.param == "milvus":
        return new_place()
    pytest.importorskip(request.param.replace("-", "_"))
    return f"milvus://{tmp_path / 'lite.db'}" if request.param == "milvus-lite" else f"zvec://{tmp_path / 'zvec'}"


def test_there_and_back(source: Path, tmp_path: Path, elsewhere: str, small_commits: None) -> None:
    stop(source, elsewhere)
    with pytest.raises(GalleryBroken, match="unfinished"):
        bouba.open(elsewhere)
    report = copy(source, elsewhere)
    assert 0 < report.skipped == ITEMS - report.copied
    copy(elsewhere, tmp_path / "a.parquet")
    copy(tmp_path / "a.parquet", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(elsewhere) == contents(source)
    fill(tmp_path / "other", load_model(contents(source)["meta"]["model"]["source"]), 10, seed=1)
    with pytest.raises(StoreError, match="holds a gallery already"):
        copy(tmp_path / "other", elsewhere)


def test_a_copy_answers_alike(source: Path, tmp_path: Path) -> None:
    copy(source, tmp_path / "a.parquet")
    copy(tmp_path / "a.parquet", tmp_path / "back")
    with bouba.open(source) as one, bouba.open(tmp_path / "back") as other:
        for query in ("red", "blue red"):
            for where in (None, "price < 2", 'tags has "a"'):
                answers = [gallery.search(query, k=20, where=where) for gallery in (one, other)]
                assert answers[0].hits == answers[1].hits
                assert [hit.score for hit in answers[0]] == [hit.score for hit in answers[1]]
        assert other.thumbnail(answers[0][0].id) == one.thumbnail(answers[0][0].id)


def test_a_copied_gallery_knows_its_files(photos: Path, tmp_path: Path, tiny_model: Model) -> None:
    with bouba.open(tmp_path / "source", tiny_model) as gallery:
        gallery.add(photos)
    copy(tmp_path / "source", tmp_path / "twin")
    with bouba.open(tmp_path / "twin", must_exist=True) as twin:
        assert twin.add(photos).unchanged == len(twin) == 12


def test_an_empty_gallery(tmp_path: Path, tiny_model: Model) -> None:
    fill(tmp_path / "empty", tiny_model, 0)
    copy(tmp_path / "empty", tmp_path / "a.parquet")
    report = copy(tmp_path / "a.parquet", tmp_path / "back")
    assert (report.items, report.verified) == (0, 0)
    assert contents(tmp_path / "back") == contents(tmp_path / "empty")
    with bouba.open(tmp_path / "back") as gallery:
        assert not gallery.search("red").hits


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_a_stopped_copy_goes_on_and_writes_nothing_twice(
    source: Path, tmp_path: Path, small_commits: None, upserts: Counter[str], share: float
) -> None:
    stop(source, tmp_path / "twin", share)
    before = upserts.total()
    with pytest.raises(GalleryBroken, match=r"unfinished copy.*bouba copy"):
        bouba.open(tmp_path / "twin")
    report = copy(source, tmp_path / "twin")
    assert report.skipped == before == ITEMS - report.copied
    assert before >= share * ITEMS
    assert upserts == dict.fromkeys(contents(source)["items"], 1)
    assert contents(tmp_path / "twin") == contents(source)


def test_a_stopped_copy_to_parquet_keeps_its_parts(source: Path, tmp_path: Path, small_commits: None) -> None:
    out = tmp_path / "a.parquet"
    stop(source, out)
    parts_there = {part: part.stat().st_ino for part in out.glob("*.parquet")}
    assert parts_there
    with pytest.raises(GalleryBroken, match="unfinished"):
        copy(out, tmp_path / "back")
    report = copy(source, out)
    assert 0 < report.skipped == ITEMS - report.copied
    assert all(part.stat().st_ino == inode for part, inode in parts_there.items())
    copy(out, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


@pytest.mark.parametrize("name", ["twin", "a.parquet"])
def test_a_source_that_changed_since_the_stop(
    source: Path, tmp_path: Path, tiny_model: Model, small_commits: None, name: str
) -> None:
    stop(source, tmp_path / name, 0.6)
    first = next(iter(stored.StoreSource(source).scan())).items  # of what is copied already
    fill(source, tiny_model, 40, seed=9)
    with bouba.open(source) as gallery:
        gallery.delete([item.id for item in first[:3]])
        _, store, _ = parts(gallery)
        store.upsert([replace(first[4], path="/moved.jpg")], store.get([first[4].id])[1])
    report = copy(source, tmp_path / name)
    # Moved is written anew, and what it was goes with the three; a store replaces by id.
    assert report.removed == (4 if name == "a.parquet" else 3)
    assert report.items == report.verified == ITEMS + 40 - 3
    if name == "a.parquet":
        copy(tmp_path / name, tmp_path / "twin")
    assert contents(tmp_path / "twin") == contents(source)


def test_a_source_that_changes_meanwhile(source: Path, tmp_path: Path, tiny_model: Model, small_commits: None) -> None:
    before = contents(source)
    added = False

    def add(stage: str, done: int, total: int) -> None:
        nonlocal added
        if not added:
            added = True
            fill(source, tiny_model, 10, seed=9)
            time.sleep(2 * REFRESH_S)  # what another store wrote is seen that much later

    report = copy(source, tmp_path / "twin", add)
    assert contents(tmp_path / "twin") == before
    assert "310 items now" in report.notes[0]


def test_a_value_that_changed_on_the_way(source: Path, tmp_path: Path, upserts: Counter[str]) -> None:
    """What the destination gives back is not what was written."""
    twin = tmp_path / "twin"

    def tamper(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("copied", ITEMS):
            store = open_store(str(twin))
            (item, *others), rows = store.get(sorted(contents(twin)["items"]))
            rows[0, 0] = np.nextafter(rows[0, 0], np.float32(2))
            store.upsert([item], rows[:1])
            store.delete([other.id for other in others if other.id[:2] == item.id[:2]])
            time.sleep(2 * REFRESH_S)  # what another store wrote is seen that much later

    with pytest.raises(GalleryBroken, match=r"1 of \d+ ranges of ids differ.*1 with another vector") as caught:
        copy(source, twin, tamper)
    assert f"{twin} is not what was copied from {source}" in str(caught.value)
    with pytest.raises(GalleryBroken, match="unfinished"):
        bouba.open(twin)
    upserts.clear()
    report = copy(source, twin)
    assert upserts.total() == report.copied < 10
    assert contents(twin) == contents(source)


def test_a_store_that_rounds_is_noticed_at_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = LanceStore.upsert
    monkeypatch.setattr(
        LanceStore, "upsert", lambda self, items, rows: upsert(self, items, rows.astype(np.float16).astype(np.float32))
    )
    with pytest.raises(StoreError, match=r"does not keep vectors as they are \(off by up to \d\.\de-0\d\)"):
        copy(source, tmp_path / "twin")


def test_two_galleries_are_never_mixed(source: Path, tmp_path: Path, tiny_model: Model, small_commits: None) -> None:
    fill(tmp_path / "other", tiny_model, 10, seed=1)
    other = contents(tmp_path / "other")
    with pytest.raises(StoreError, match=r"holds a gallery already, of tiny 0\.1"):
        copy(source, tmp_path / "other")
    assert contents(tmp_path / "other") == other
    copy(source, tmp_path / "twin")
    with pytest.raises(StoreError, match="holds a gallery already"):
        copy(source, tmp_path / "twin")
    stop(source, tmp_path / "half")
    with pytest.raises(StoreError, match=rf"unfinished copy of {source}\. Finish that one"):
        copy(tmp_path / "other", tmp_path / "half")
    with pytest.raises(StoreError, match="onto itself"):
        copy(source, f"file://{source}")
    with pytest.raises(StoreError, match="would end with the copying"):
        copy(source, "memory://")


def test_a_gallery_made_anew_at_the_same_place_is_another(
    source: Path, tmp_path: Path, tiny_model: Model, small_commits: None
) -> None:
    stop(source, tmp_path / "half")
    open_store(str(source)).update_meta(lambda meta: {**meta, "created": "2020-01-01T00:00:00+00:00"})
    with pytest.raises(StoreError, match="of an earlier gallery at"):
        copy(source, tmp_path / "half")


def test_an_open_destination_has_to_be_of_the_model(source: Path, tmp_path: Path) -> None:
    stranger = load_model(write_tiny_model(tmp_path / "stranger", "stranger", bias=90.0))
    with bouba.open(tmp_path / "twin", stranger) as gallery, pytest.raises(ModelMismatch, match=r"tiny 0\.1"):
        copy(source, gallery)
    assert not (tmp_path / "twin" / "gallery.json").exists()


def test_no_such_gallery(tmp_path: Path) -> None:
    for name in ("nothing", "nothing.parquet"):
        with pytest.raises(GalleryMissing, match=name):
            copy(tmp_path / name, tmp_path / "twin")
    assert list(tmp_path.iterdir()) == []


def test_a_gallery_whose_model_is_gone(source: Path, tmp_path: Path) -> None:
    store = open_store(str(source))
    store.update_meta(lambda meta: {**meta, "model": {**meta["model"], "source": str(tmp_path / "gone")}})
    copy(source, tmp_path / "a.parquet")
    copy(tmp_path / "a.parquet", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


@pytest.mark.parametrize("taken_at", ["copied", "verified"])
@pytest.mark.parametrize("name", ["twin", "a.parquet"])
def test_another_process_that_takes_over(
    source: Path, tmp_path: Path, small_commits: None, name: str, taken_at: str
) -> None:
    """The second one finishes; the first changes nothing any more, whatever it was at."""
    taken = False

    def take_over(stage: str, done: int, total: int) -> None:
        nonlocal taken
        if not taken and stage == taken_at and done:
            taken = True
            assert copy(source, tmp_path / name).skipped

    with pytest.raises(StoreUnavailable, match="Another process copies"):
        copy(source, tmp_path / name, take_over)
    if name == "a.parquet":
        copy(tmp_path / name, tmp_path / "twin")
    assert contents(tmp_path / "twin") == contents(source)


def test_progress_counts_what_is_safe(source: Path, tmp_path: Path, small_commits: None) -> None:
    seen: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if stage == "copied":
            assert open_store(str(tmp_path / "twin")).count() >= done

    copy(source, tmp_path / "twin", progress)
    assert {(stage, done) for stage, done, total in seen if done == total} == {("copied", ITEMS), ("verified", ITEMS)}
    assert [done for stage, done, _ in seen if stage == "copied"] == sorted(d for s, d, _ in seen if s == "copied")


def test_the_report_is_json(source: Path, tmp_path: Path) -> None:
    report = copy(source, tmp_path / "twin")
    assert isinstance(report, CopyReport)
    told = report.to_dict()
    assert told["rate"] == pytest.approx(report.items / report.seconds, rel=1e-3)
    assert told["destination"] == str(tmp_path / "twin")


def test_a_digest_is_of_every_bit(tiny_model: Model) -> None:
    item = made_items(1)[0]
    rows = made_rows(tiny_model, 1)
    nudged = rows.copy()
    nudged[0, -1] = 1e-45
    changed = [
        replace(item, id="f" * 32), replace(item, path=""), replace(item, width=1),
        replace(item, taken=datetime(2000, 1, 1)),
        replace(item, attributes={**item.attributes, "price": 1.0}), replace(item, attributes={}),
        replace(item, attributes={**item.attributes, "price": "1.1"}), replace(item, phash=""),
        replace(item, attributes={**item.attributes, "price": True}), replace(item, media_type="image/png"),
        replace(item, attributes={**item.attributes, "since": "0001-02-03T00:00:00"}),
        replace(item, attributes={**item.attributes, "tags": ("a", "ü,b")}),
    ]  # fmt: skip
    found = [int(digests([one], rows)[0]) for one in (item, *changed)] + [int(digests([item], nudged)[0])]
    assert len(set(found)) == len(found)
    shuffled = replace(item, attributes=dict(reversed(item.attributes.items())))
    assert digests([shuffled], rows.astype(">f4"))[0] == found[0]


def test_a_digest_stays_the_same_for_ever() -> None:
    """It stands in files that other versions and machines will read."""
    item = made_items(5)[0]
    assert int(digests([replace(item, id="0" * 32)], np.ones((1, 4), np.float32))[0]) == 2452842846669720076


def test_tallies_name_the_range_that_differs() -> None:
    items = made_items(50)
    found = digests(items, np.zeros((50, 2), np.float32))
    one, other = Tallies(), Tallies()
    one.add(items, found)
    other.add(items[::-1], found[::-1])
    assert one.differing(other) == []
    assert one.whole == other.whole
    other.add(items[7:8], found[7:8])
    assert one.differing(other) == [items[7].id[:2]]


def test_held_knows_what_was_not_met() -> None:
    held = Held(np.array(block, np.uint64) for block in ([5, 1], [2**64 - 1]))
    assert held.meet(np.array([1, 2, 2**64 - 1], np.uint64)).tolist() == [True, False, True]
    assert held.stale.tolist() == [5]
    assert Held(()).meet(np.array([1], np.uint64)).tolist() == [False]
