from __future__ import annotations

import os
import threading
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest

from bouba.errors import FetchRefused, MediaEmpty, MediaMissing, MediaTooLarge, MediaUnsupported
from bouba.media import Limits, read_source


def test_path_bytes_and_file_object(tmp_path: Path) -> None:
    path = tmp_path / "a b.jpg"
    path.write_bytes(b"picture")
    with path.open("rb") as file:
        sources: list[Any] = [path, str(path), b"picture", BytesIO(b"picture"), file, _BytesPath(os.fsencode(path))]
        for source in sources:
            assert read_source(source) == b"picture"


class _BytesPath:
    def __init__(self, path: bytes) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return self.path


def test_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.jpg").write_bytes(b"picture")
    (tmp_path / "link.jpg").symlink_to("real.jpg")
    assert read_source(tmp_path / "link.jpg") == b"picture"


def test_large_file_comes_whole(tmp_path: Path) -> None:
    data = os.urandom(5 * 2**20)
    (tmp_path / "large.jpg").write_bytes(data)
    assert read_source(tmp_path / "large.jpg") == data
    assert read_source(BytesIO(data)) == data


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.jpg", "no such file"),
        ("~/missing.jpg", "no such file"),
        ("file.jpg/inside.jpg", "not a folder"),
        ("folder", "a folder, not a file"),
        ("x" * 300 + ".jpg", "too long"),
        ("nul\0.jpg", "no file can have this name"),
        ("lone\ud800.jpg", "no file can have this name"),
    ],
)
def test_path_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file.jpg").write_bytes(b"picture")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MediaMissing, match=reason) as caught:
        read_source(os.path.join(tmp_path, name))
    assert str(caught.value).isprintable()


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked.jpg").write_bytes(b"picture")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(MediaMissing, match=r"locked\.jpg: no permission"):
        read_source(tmp_path / "locked.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.jpg").write_bytes(b"picture")
    os.mkfifo(tmp_path / "pipe.jpg")
    regular = os.stat(tmp_path / "file.jpg")
    monkeypatch.setattr(os, "stat", lambda _: regular)
    caught: list[BaseException] = []

    def read() -> None:
        try:
            read_source(tmp_path / "pipe.jpg")
        except MediaMissing as error:
            caught.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert "named pipe" in str(caught[0])


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(MediaEmpty, match=r"empty\.jpg: empty, 0 bytes"):
        read_source(tmp_path / "empty.jpg")
    with pytest.raises(MediaEmpty):
        read_source(b"")
    written = BytesIO()
    written.write(b"picture")
    with pytest.raises(MediaEmpty, match=r"seek\(0\)"):
        read_source(written)


def test_size_limit_is_inclusive(tmp_path: Path) -> None:
    (tmp_path / "six.jpg").write_bytes(b"123456")
    for source in (tmp_path / "six.jpg", b"123456", BytesIO(b"123456")):
        assert read_source(source, limits=Limits(max_bytes=6)) == b"123456"
        with pytest.raises(MediaTooLarge, match="limit is 5"):
            read_source(source if not isinstance(source, BytesIO) else BytesIO(b"123456"), limits=Limits(max_bytes=5))


def test_endless_file_object_stops_at_the_limit() -> None:
    class Endless:
        name = "endless"

        def read(self, count: int) -> bytes:
            return bytes(count)

    endless: Any = Endless()
    with pytest.raises(MediaTooLarge, match="endless: more than 4,000,000 bytes"):
        read_source(endless, limits=Limits(max_bytes=4_000_000))


def test_file_object_that_is_text_or_closed() -> None:
    text: Any = StringIO("picture")
    with pytest.raises(MediaUnsupported, match="'rb'"):
        read_source(text)
    closed = BytesIO(b"picture")
    closed.close()
    with pytest.raises(MediaMissing, match="cannot be read"):
        read_source(closed)


@pytest.mark.parametrize("source", [None, 7, 1.5, ["a.jpg"], object()])
def test_other_types(source: Any) -> None:
    with pytest.raises(MediaUnsupported, match=type(source).__name__):
        read_source(source)


def test_address_is_fetched_only_if_asked() -> None:
    with pytest.raises(FetchRefused, match="fetch=True"):
        read_source("https://example.org/a.jpg")
    for url in ("ftp://example.org/a.jpg", "file:///etc/hosts"):
        with pytest.raises(FetchRefused, match="only http"):
            read_source(url, fetch=True)
    with pytest.raises(FetchRefused, match="not a public address"):
        read_source("HTTP://127.0.0.1:9/a.jpg", fetch=True)
