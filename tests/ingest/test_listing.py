"""Sources as a stream: how far ahead it is read, and what is known of its length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
from packed_files import write_shards

from bouba.ingest import listing as module
from bouba.ingest.entries import Entry
from bouba.ingest.listing import Listing
from bouba.ingest.report import Ids
from bouba.ingest.shards import Shard
from bouba.ingest.sources import expand
from bouba.media.blob import LocalBlob


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD", 10)


def test_an_endless_source_is_read_only_some_way_ahead() -> None:
    pulled: list[int] = []

    def endless() -> Iterator[Entry]:
        for n in count():
            pulled.append(n)
            yield Entry(b"", str(n))

    listing = Listing(endless())
    assert [entry.path for entry in islice(listing, 25)] == [str(n) for n in range(25)]
    assert len(pulled) <= 25 + 10
    assert listing.total == 0, "nobody can know"


def test_the_total_of_a_short_source_is_known_at_once() -> None:
    assert Listing(Entry(b"", str(n)) for n in range(9)).total == 9


def test_shards_count_as_many_as_the_others_did(tmp_path: Path) -> None:
    shards = [Shard(LocalBlob(str(path)), (1, 1)) for path in write_shards(tmp_path, 4, 1)]
    listing = Listing([*shards, Entry(b"")])
    assert listing.total == 0
    listing.counted(None, 100)
    assert listing.total == 401
    listing.counted(None, 50)
    assert listing.total == 1 + 150 + 2 * 75


def test_a_manifest_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text("".join(f'{{"image": "{n}.png", "n": {n}}}\n' for n in range(5000)))
    entries = expand([path])
    assert len(list(islice(entries, 10))) == 10
    with path.open("a") as file:  # what is written meanwhile is still seen: it is read as it goes
        file.write('{"image": "late.png", "n": 1}\n')
    assert sum(1 for _ in entries) == 4991


def test_ids_are_a_sequence_of_text() -> None:
    ids = Ids(["00" * 16, "ab" * 16])
    ids.extend(["ff" * 16])
    assert list(ids) == ["00" * 16, "ab" * 16, "ff" * 16]
    assert (ids[0], ids[-1], ids[1:], len(ids), "ab" * 16 in ids) == ("00" * 16, "ff" * 16, ids[1:3], 3, True)
    assert ids == ["00" * 16, "ab" * 16, "ff" * 16]
    assert not Ids()
    with pytest.raises(IndexError):
        ids[3]
