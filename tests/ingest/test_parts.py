"""What a cluster sends back, in any order and with gaps; its tasks and actors run here, without Ray."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from packed_files import write_shards

import bouba
from bouba.errors import ModelMismatch
from bouba.ingest import cluster, pipeline
from bouba.ingest.cluster import Done, Encode, Work, decode
from bouba.ingest.encoding import Setup

Change = Callable[[list[Done]], list[Done]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """here(change): the cluster is this process, and `change` is done to what it sends."""
    monkeypatch.setattr(cluster, "_connected", lambda address, workers: nullcontext(4))
    monkeypatch.setattr(cluster, "CHUNK", 4)
    monkeypatch.setattr(pipeline, "ENCODE_BATCH", 1)
    monkeypatch.setattr(pipeline, "COMMIT_ROWS", 1)  # all that could be remembered too early is

    def prepare(change: Change) -> None:
        def executed(todo: Sequence[Work], actors: int, setup: Setup) -> Iterator[Done]:
            encode = Encode(setup)
            rows = [row for work in todo for row in decode({"work": [pickle.dumps(work)]}, setup)]
            done = [pickle.loads(encode(row)["done"][0]) for row in rows]
            yield from change(done)

        monkeypatch.setattr(cluster, "_executed", executed)

    return prepare


def _shuffled(done: list[Done]) -> list[Done]:
    random.Random(3).shuffle(done)
    assert any(one.last for one in done[: len(done) // 2])
    return done


def test_parts_in_any_order(gallery: bouba.Gallery, tmp_path: Path, here: Callable[[Change], None]) -> None:
    write_shards(tmp_path / "set", 3, 17)
    here(_shuffled)
    report = gallery.add(tmp_path / "set", ray="local")
    assert (report.added, report.failures, len(gallery)) == (51, [], 51)
    here(lambda done: pytest.fail("something was read"))
    assert gallery.add(tmp_path / "set", ray="local").unchanged == 51


@pytest.mark.parametrize("gap", [0, 2, 4])
def test_a_part_that_never_comes(
    gallery: bouba.Gallery, tmp_path: Path, here: Callable[[Change], None], gap: int
) -> None:
    (shard,) = write_shards(tmp_path, 1, 17)
    here(lambda done: [one for one in done if one.part != gap])
    report = gallery.add(shard, ray="local")
    missing = 1 if gap == 4 else 4
    assert (report.added, [f.source for f in report.failures]) == (17 - missing, [str(shard)])
    here(lambda done: done)
    report = gallery.add(shard, ray="local")
    assert (report.unchanged, report.added, report.failures) == (17 - missing, missing, [])


def test_an_empty_shard_is_done_with(gallery: bouba.Gallery, tmp_path: Path, here: Callable[[Change], None]) -> None:
    write_shards(tmp_path, 1, 0)
    here(lambda done: done)
    assert gallery.add(tmp_path / "00000.tar", ray="local").failures == []


def test_another_model_ends_the_run(
    gallery: bouba.Gallery, photos: Path, here: Callable[[Change], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    here(lambda done: done)
    monkeypatch.setattr(cluster, "_models", {})
    monkeypatch.setattr("bouba.gallery._loaded", lambda source, dims: bouba.load_model())
    with pytest.raises(ModelMismatch, match="same model folder"):
        gallery.add(photos, ray="local")
