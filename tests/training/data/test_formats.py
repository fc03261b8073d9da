"""Parquet cells and tar members: found once, read by their place."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bouba.errors import ManifestError, MediaCorrupt, MediaEmpty, MediaError, MediaMissing
from bouba.training.data.media import Cell, Member
from bouba.training.data.records import read_records


def parquet(path: Path, columns: Mapping[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as shard:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            shard.addfile(info, io.BytesIO(data))
    return path


def sample(key: str, caption: str = "", **metadata: Any) -> dict[str, bytes]:
    return {
        f"{key}.jpg": f"picture {key}".encode(),
        f"{key}.txt": caption.encode(),
        f"{key}.json": json.dumps({"caption": caption, "key": key, "status": "success", **metadata}).encode(),
    }


def test_parquet_with_paths(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").touch()
    path = parquet(
        tmp_path / "x.parquet",
        {"image": ["a.jpg", "b.jpg", "a.jpg"], "captions": [["one", "two"], ["three"], ["four"]], "n": [1, 2, 3]},
    )
    assert [(r.item, r.texts) for r in read_records(path)] == [("a.jpg", ("one", "two", "four")), ("b.jpg", ("three",))]


@pytest.mark.parametrize("statistics", [True, False])
def test_parquet_with_bytes_in_several_row_groups(tmp_path: Path, statistics: bool) -> None:
    count = 25
    columns = {"image": [f"picture {n}".encode() for n in range(count)], "text": [f"t{n}" for n in range(count)]}
    path = parquet(tmp_path / "x.parquet", columns, row_group_size=10, write_statistics=statistics)
    records = read_records(path)
    assert [r.image.read() for r in records if r.image] == columns["image"]
    assert records[12].image == Cell(str(path), 1, 2, "image", "x.parquet, row 13")
    assert len({r.image.key for r in records if r.image}) == count
    assert pickle.loads(pickle.dumps(records[12])) == records[12]


@pytest.mark.parametrize("statistics", [True, False])
def test_hugging_face_struct(tmp_path: Path, statistics: bool) -> None:
    (tmp_path / "there.jpg").write_bytes(b"file")
    features = [
        {"bytes": b"one", "path": "1.jpg"},
        {"bytes": b"two", "path": None},
        {"bytes": None, "path": "there.jpg"},
    ]
    path = parquet(tmp_path / "x.parquet", {"image": features, "text": list("abc")}, write_statistics=statistics)
    records = read_records(path)
    assert [r.item for r in records] == ["1.jpg", "x.parquet, row 2", "there.jpg"]
    assert [r.image.read() for r in records if r.image] == [b"one", b"two", b"file"]


def test_parquet_that_went_wrong(tmp_path: Path) -> None:
    empty = parquet(tmp_path / "empty.parquet", {"image": pa.array([], pa.binary()), "text": pa.array([], pa.string())})
    with pytest.raises(ManifestError, match="holds no rows"):
        read_records(empty)
    path = parquet(tmp_path / "x.parquet", {"image": [b"", b"y"], "text": ["a", "b"]})
    first = read_records(path)[0].image
    with pytest.raises(MediaEmpty, match="row 1: empty"):
        first.read()  # type: ignore[union-attr]
    numbers = parquet(tmp_path / "n.parquet", {"image": [1, 2], "text": ["a", "b"]})
    with pytest.raises(ManifestError, match=r"n\.parquet, row 1: image holds 1, not text"):
        read_records(numbers)
    moved = path.rename(tmp_path / "moved.parquet")
    gone = Cell(str(path), 0, 1, "text", "b")
    with pytest.raises(MediaMissing):
        gone.read()
    data = bytearray(moved.read_bytes())
    data[4:40] = b"\xff" * 36
    path.write_bytes(data)
    with pytest.raises(MediaError):
        Cell(str(path), 0, 0, "image", "a").read()
    short = parquet(tmp_path / "x2.parquet", {"image": [b"a"]})
    for cell in (
        Cell(str(short), 0, 5, "image", "f"),
        Cell(str(short), 3, 0, "image", "f"),
        Cell(str(short), 0, 0, "z", "f"),
    ):
        with pytest.raises(MediaCorrupt):
            cell.read()


def test_shards_of_img2dataset(tmp_path: Path) -> None:
    tar(tmp_path / "00000.tar", {**sample("000000000", "a dog"), **sample("000000001", "a cat")})
    tar(tmp_path / "00001.tar", sample("000010000", "a boat"))
    parquet(tmp_path / "00000.parquet", {"url": ["http://x"], "caption": ["a dog"]})
    (tmp_path / "00000_stats.json").write_text("{}")
    whole = read_records(tmp_path)
    assert [(r.item, r.texts) for r in whole] == [
        ("00000/000000000", ("a dog",)),
        ("00000/000000001", ("a cat",)),
        ("00001/000010000", ("a boat",)),
    ]
    assert [r.image.read() for r in whole if r.image][2] == b"picture 000010000"
    assert read_records(tmp_path / "{00000..00001}.tar") == read_records(tmp_path / "*.tar") == whole


def test_other_samples_of_webdataset(tmp_path: Path) -> None:
    members = {
        "./a/1.PNG": b"png",
        "./a/1.txt": b"only text",
        "./a/1.seg.npy": b"?",
        "./a/2.flac": b"flac",
        "./a/2.json": b'{"caption": "from json", "image": "no"}',
        "./a/3.webp": b"webp",
        "./a/3.mp3": b"mp3",
        "README": b"",
    }
    first, second, third = read_records(tar(tmp_path / "x.tar", members))
    assert (first.item, first.texts, first.audio) == ("x/a/1", ("only text",), None)
    assert (second.image, second.texts) == (None, ("from json",))
    assert third.image is not None
    assert third.audio is not None
    assert third.audio.read() == b"mp3"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.jpg": b"x", "1.json": b"{"}, "x.tar, 1.json is not JSON"),
        ({"1.jpg": b"x", "1.json": b"[]"}, "x.tar, 1.json is not a JSON object"),
        ({"1.jpg": b"x", "1.txt": b"\xff"}, "x.tar, 1: 1.txt is not UTF-8"),
        ({"1.jpg": b"x", "1.png": b"x"}, "x.tar, 1 has a second image"),
        ({"1.jpg": b"x", "1.npy": b"x"}, "is called captions or"),
        ({"1.txt": b"x"}, "names pictures or sounds"),
        ({}, "holds no rows"),
    ],
)
def test_bad_samples(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_records(tar(tmp_path / "x.tar", members))


def test_damaged_shards(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", {"1.jpg": b"x" * 600, "1.txt": b"a", "2.jpg": b"y" * 600, "2.txt": b"b"})
    whole = path.read_bytes()
    member = read_records(path)[1].image
    assert isinstance(member, Member)
    path.write_bytes(whole[: member.offset + 10])
    with pytest.raises(ManifestError, match=r"x\.tar is not a tar file that can be read"):
        read_records(path)
    with pytest.raises(MediaCorrupt, match="ends before it does"):
        member.read()
    path.write_bytes(whole[: member.offset - 512] + b"\xff" * 512 + whole[member.offset :])
    with pytest.raises(ManifestError, match="damaged, no tar header at byte"):
        read_records(path)
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(ManifestError, match="must not be compressed"):
        read_records(path)
    path.unlink()
    with pytest.raises(MediaMissing):
        member.read()
