"""Tar shards: what becomes of their members, what a second run costs, and what can be wrong with them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packed_files import picture, sample, write_shard, write_shards, write_tar

import bouba
from bouba.ingest.reading import content_id
from bouba.media import read_source
from bouba.media.limits import Limits


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on no shard may be opened."""

    def forbid() -> None:
        monkeypatch.setattr("bouba.ingest.shards.tar_members", lambda *a: pytest.fail("a shard was read"))

    return forbid


def test_pictures_with_texts_and_metadata(gallery: bouba.Gallery, tmp_path: Path) -> None:
    shard = write_shard(
        tmp_path / "00000.tar",
        {
            "000000": sample(0, "a cat", width=640, similarity=0.31, tags=["x", "y"]),
            "000001": sample(1, "only text"),
            "000002": sample(2, "beside", caption="in json"),
            "000003": sample(3),
        },
    )
    report = gallery.add(shard)
    assert (report.added, report.failures) == (4, [])
    items = {Path(item.path).name: item for item in gallery.items()}
    assert items["000000.png"].path == f"{shard}/000000.png"
    assert items["000000.png"].id == content_id(picture(0))
    attributes = {"caption": "a cat", "width_": 640.0, "similarity": 0.31, "tags": ("x", "y")}
    assert items["000000.png"].attributes == attributes
    assert items["000001.png"].attributes == {"caption": "only text"}
    assert items["000002.png"].attributes == {"caption": "in json"}
    assert items["000003.png"].attributes == {}
    assert all(item.taken is None for item in items.values())


def test_patterns_and_folders_name_shards(gallery: bouba.Gallery, tmp_path: Path) -> None:
    write_shards(tmp_path / "set", 3, 2)
    assert gallery.add(str(tmp_path / "set" / "{00000..00001}.tar")).added == 4
    report = gallery.add(tmp_path / "set")
    assert (report.added, report.unchanged) == (2, 4)
    assert gallery.add(str(tmp_path / "set" / "*.tar")).unchanged == 6


def test_a_missing_shard_of_a_pattern_is_a_row(gallery: bouba.Gallery, tmp_path: Path) -> None:
    write_shards(tmp_path, 1, 2)
    report = gallery.add(str(tmp_path / "{00000..00001}.tar"))
    assert report.added == 2
    assert [(f.kind, f.source) for f in report.failures] == [("MediaMissing", str(tmp_path / "{00000..00001}.tar"))]
    assert str(tmp_path / "00001.tar") in report.failures[0].message


def test_tars_among_pictures_are_left_alone(gallery: bouba.Gallery, photos: Path) -> None:
    write_shards(photos, 1, 3)
    assert gallery.add(photos).added == 12


def test_second_run_looks_once_at_each_shard(
    gallery: bouba.Gallery, tmp_path: Path, no_reading: Callable[[], None]
) -> None:
    write_shards(tmp_path / "set", 2, 3)
    first = gallery.add(tmp_path / "set")
    no_reading()
    report = gallery.add(tmp_path / "set")
    assert (report.unchanged, report.added, sorted(report.ids)) == (6, 0, sorted(first.ids))


def test_a_shard_that_was_half_read_goes_on(
    gallery: bouba.Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: some members are in the ledger, the shard is not."""
    (shard,) = write_shards(tmp_path, 1, 6)
    gallery.add(shard)
    gallery.forget_paths([str(shard), *(f"{shard}/00000000{n}.png" for n in (4, 5))])
    assert len(gallery) == 4
    report = gallery.add(shard)
    assert (report.unchanged, report.added, len(gallery)) == (4, 2, 6)
    monkeypatch.setattr("bouba.ingest.shards.tar_members", lambda *a: pytest.fail("a shard was read"))
    assert gallery.add(shard).unchanged == 6


def test_what_was_removed_from_the_gallery_is_added_again(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 4)
    ids = gallery.add(shard).ids
    gallery.delete(ids[:1])
    assert (lambda r: (r.added, r.unchanged))(gallery.add(shard)) == (1, 3)
    gallery._store.delete(ids[1:2])
    assert (lambda r: (r.added, r.unchanged))(gallery.add(shard)) == (1, 3)


def test_other_attributes_are_written(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 3)
    gallery.add(shard)
    report = gallery.add(shard, {"source": "web"})
    assert (report.updated, gallery.count('source = "web"')) == (3, 3)


def test_a_rewritten_shard(gallery: bouba.Gallery, tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "set/a.tar", {"0": sample(0), "1": sample(1), "2": sample(2)})
    gallery.add(tmp_path / "set")
    write_shard(shard, {"0": sample(0), "1": sample(7)})
    os.utime(shard, (1, 1))
    report = gallery.add(tmp_path / "set", prune=True)
    assert (report.added, report.duplicates) == (1, 1)
    assert report.removed == 2, "the picture that 1 was, and the one that is gone"
    assert {item.id for item in gallery.items()} == {content_id(picture(n)) for n in (0, 7)}
    assert gallery.add(tmp_path / "set", prune=True).removed == 0
    shard.unlink()
    write_shard(tmp_path / "set/b.tar", {"9": sample(9)})
    report = gallery.add(tmp_path / "set", prune=True)
    assert (report.added, report.removed, len(gallery)) == (1, 2, 1)


def test_duplicates_across_shards(gallery: bouba.Gallery, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / f"{name}.tar", {"0": sample(0), "1": sample(1)})
    report = gallery.add(tmp_path)
    assert (report.added, report.duplicates, report.moved, len(gallery)) == (2, 2, 0, 2)
    first, second = (gallery.find(str(tmp_path / f"{name}.tar/0.png")) for name in ("a", "b"))
    assert first == second
    assert len(first) == 1
    assert gallery.add(tmp_path).unchanged == 4


def test_a_member_is_read_again_by_its_path(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 3)
    gallery.add(shard)
    for item in gallery.items():
        assert content_id(read_source(item.path)) == item.id
    with pytest.raises(bouba.errors.MediaMissing, match="no such member"):
        read_source(f"{shard}/none.png")


def test_progress_ends_at_its_total(gallery: bouba.Gallery, tmp_path: Path) -> None:
    write_shards(tmp_path / "set", 3, 4)
    seen: list[tuple[int, int]] = []
    gallery.add(tmp_path / "set", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)
    assert all(done <= total or not total for done, total in seen)


def test_a_shard_that_was_cut(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 4)
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2 + 100])
    report = gallery.add(shard)
    assert 0 < report.added < 4
    assert report.failures[-1].kind == "MediaCorrupt"
    again = gallery.add(shard)
    assert (again.unchanged, again.failed) == (report.added, 1)
    assert "has not changed since" in again.failures[0].message
    shard.write_bytes(whole)
    report = gallery.add(shard)
    assert (len(gallery), report.failures) == (4, [])


def test_a_shard_without_an_end_may_still_be_written(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 1)
    with tarfile.open(shard) as tar:
        end = max(-(-(m.offset_data + m.size) // 512) * 512 for m in tar)
    shard.write_bytes(shard.read_bytes()[:end])
    report = gallery.add(shard)
    assert (report.added, [f.kind for f in report.failures]) == (1, ["MediaCorrupt"])
    assert "end mark" in report.failures[0].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a tar file"),
        (b"no tar" * 500, "must not be compressed"),
        (b"\x1f\x8b" + bytes(2000), "must not be compressed"),
    ],
)
def test_what_is_no_tar(gallery: bouba.Gallery, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    report = gallery.add(tmp_path / "a.tar")
    assert [f.kind for f in report.failures] == ["MediaCorrupt"]
    assert message in report.failures[0].message


def test_compressed_shards_are_told_so(gallery: bouba.Gallery) -> None:
    assert "Unpack" in gallery.add("a.tar.gz").failures[0].message


def test_hostile_members(gallery: bouba.Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouba.media.blob.Part.load.__defaults__", (Limits(max_bytes=10_000),))
    data = picture(0)
    names = ["../../etc/out.png", "/abs.png", "a\nb.png", "x/../../y.png", "./dot.png"]
    shard = write_tar(tmp_path / "a.tar", [*((name, data + bytes([n])) for n, name in enumerate(names))])
    with tarfile.open(shard, "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"kind{kind!r}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        big = tarfile.TarInfo("big.png")
        big.size = 20_000
        tar.addfile(big, io.BytesIO(bytes(20_000)))
        odd = tarfile.TarInfo("odd\udcff.png")
        odd.size = len(data)
        tar.addfile(odd, io.BytesIO(data))
    report = gallery.add(shard)
    assert sorted(item.path for item in gallery.items()) == [f"{shard}/abs.png", f"{shard}/dot.png"]
    assert sorted(f.kind for f in report.failures) == ["MediaCorrupt"] * 4 + ["MediaTooLarge"]
    assert all(f.message.isprintable() for f in report.failures)


def test_a_claim_of_ten_gigabytes_costs_nothing(gallery: bouba.Gallery, tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    with shard.open("wb") as file:
        for name, size in (("a.png", 10 * 2**30), ("b.png", len(picture(0)))):
            info = tarfile.TarInfo(name)
            info.size = size
            file.write(info.tobuf(tarfile.GNU_FORMAT))
            if name == "a.png":
                file.seek(size, os.SEEK_CUR)  # a hole: no disk is used
            else:
                file.write(picture(0).ljust(-(-size // 512) * 512, b"\0"))
        file.write(bytes(1024))
    report = gallery.add(shard)
    assert (report.added, [f.kind for f in report.failures]) == (1, ["MediaTooLarge"])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"json": b"{"}, "is not JSON"),
        ({"json": b"[]"}, "is not a JSON object"),
        ({"txt": b"\xff\xfe"}, "is not UTF-8"),
        ({"txt": bytes(2**20 + 1)}, "the limit is 1,048,576"),
    ],
)
def test_bad_metadata_fails_its_sample_alone(
    gallery: bouba.Gallery, tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    shard = write_shard(tmp_path / "a.tar", {"0": {**sample(0), **members}, "1": sample(1, "good")})
    report = gallery.add(shard)
    assert (report.added, [f.kind for f in report.failures]) == (1, ["ManifestError"])
    assert message in report.failures[0].message


def test_texts_apart_from_their_pictures_are_reported(gallery: bouba.Gallery, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "a.tar", [("0.png", picture(0)), ("1.png", picture(1)), ("0.txt", b"late")])
    report = gallery.add(shard)
    assert report.added == 2
    assert "1 texts have no picture beside them" in report.failures[0].message


def test_long_names_of_both_kinds(gallery: bouba.Gallery, tmp_path: Path) -> None:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / f"{kind}.tar", "w", format=kind) as tar:
            info = tarfile.TarInfo(f"{'d' * 120}/{'é' * 90}.png")
            data = picture(kind)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert gallery.add(tmp_path).added == 2
    assert {Path(item.path).name for item in gallery.items()} == {f"{'é' * 90}.png"}
