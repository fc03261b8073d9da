"""A local Ray cluster reads and encodes; one of its processes is killed on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packed_files import picture, write_shards
from tiny_model import write_tiny_model

import bouba
from bouba.errors import QueryError, StoreUnavailable
from bouba.ingest import cluster, pipeline
from bouba.ingest.reading import content_id

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not os.path.isdir("/proc"), reason="processes are found in /proc")]
SHARDS, EACH = 12, 100


@pytest.fixture(scope="module", autouse=True)
def local_cluster() -> Iterator[None]:
    ray.init(
        num_cpus=3, object_store_memory=200 * 2**20, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture
def gallery(tmp_path: Path, tiny_model: bouba.Model) -> Iterator[bouba.Gallery]:
    with bouba.open(tmp_path / "gallery", tiny_model) as opened:
        yield opened


def _encoders() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            title = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::") and b"Encode" in title:
            found.append(int(name))
    return found


def test_one_of_two_workers_is_killed_half_way(
    gallery: bouba.Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_ROWS", 64)
    monkeypatch.setattr(cluster, "ROUND", 8)
    write_shards(tmp_path / "set", SHARDS, EACH)
    killed: list[int] = []

    def kill_once(done: int, total: int) -> None:
        if not killed and done:
            pids = _encoders()
            assert len(pids) == 2, pids
            os.kill(pids[0], signal.SIGKILL)
            killed.append(done)

    report = gallery.add(tmp_path / "set", ray="local", workers=2, progress=kill_once)
    assert killed
    assert killed[0] < SHARDS * EACH / 2
    assert (report.added, report.duplicates, report.failures) == (SHARDS * EACH, 0, [])
    items = [item.id for item in gallery.items()]
    assert len(items) == len(set(items)) == SHARDS * EACH
    assert set(items) == {content_id(picture(n)) for n in range(SHARDS * EACH)}
    assert all(gallery.thumbnail(item) for item in items[:20])
    again = gallery.add(tmp_path / "set", ray="local", workers=2)
    assert (again.unchanged, again.added) == (SHARDS * EACH, 0)


def test_a_run_that_was_stopped_goes_on(gallery: bouba.Gallery, tmp_path: Path, photos: Path) -> None:
    """Loose pictures, a shard of which half is known, and one that is not."""
    first, _ = write_shards(tmp_path / "set", 2, 10)
    gallery.add([first, photos / "red.png"])
    gallery.forget_paths([str(first), *(f"{first}/00000000{n}.png" for n in range(4))])
    report = gallery.add([tmp_path / "set", photos], ray="local", workers=1)
    assert (report.unchanged, report.added, report.failures, len(gallery)) == (7, 25, [], 32)
    assert gallery.add([tmp_path / "set", photos]).unchanged == 32


def test_duplicates_and_bad_pictures(gallery: bouba.Gallery, tmp_path: Path, photos: Path) -> None:
    for name in ("a", "b"):
        write_shards(tmp_path / name, 1, 5)
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no JPEG")
    (tmp_path / "b" / "00000.tar").write_bytes((tmp_path / "b" / "00000.tar").read_bytes()[:3000])
    report = gallery.add([tmp_path / "a", tmp_path / "b", photos], ray="local", workers=1)
    assert report.added == 17
    assert report.duplicates > 0
    assert sorted({Path(f.source).name for f in report.failures}) >= ["00000.tar", "bad.jpg"]


def test_a_picture_that_kills_every_process_is_reported(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_tiny_model(tmp_path / "other", bias=100.0)  # which no process of the cluster has loaded yet
    folder = str(other)

    def deadly(source: str, dims: int) -> Any:
        import os
        import signal

        from bouba.encoders import load_model

        model = load_model(folder)
        prepare = model.prepare_image

        def prepare_image(rgb: Any) -> Any:
            if rgb.size == (13, 13):
                os.kill(os.getpid(), signal.SIGKILL)
            return prepare(rgb)

        model.prepare_image = prepare_image  # type: ignore[method-assign]
        return model

    monkeypatch.setattr("bouba.gallery._loaded", deadly)
    monkeypatch.setattr(cluster, "LOOSE", 4)
    from PIL import Image

    Image.new("RGB", (13, 13)).save(photos / "deadly.png")
    with bouba.open(tmp_path / "gallery", other) as gallery:
        report = gallery.add(photos, ray="local", workers=1)
    assert [f.kind for f in report.failures] == ["MediaCorrupt"]
    assert "processes of the cluster ended" in report.failures[0].message
    assert 8 <= report.added <= 12


def test_more_workers_than_there_is_room_for(gallery: bouba.Gallery, photos: Path) -> None:
    with pytest.raises(QueryError, match="none of the 3 CPUs"):
        gallery.add(photos, ray="local", workers=3)


def test_no_cluster_there(gallery: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(StoreUnavailable, match=r"ray start --head"):
        gallery.add(photos, ray="127.0.0.1:1")
