"""Buckets over real HTTP (a server of S3's API on loopback), and shards behind addresses."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from packed_files import picture, sample, write_shard, write_shards

import bouba
from bouba.ingest.reading import content_id
from bouba.media import remote

boto3 = pytest.importorskip("boto3")
pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A bucket of the test's own, and the environment in which it is found."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    remote._files.cache_clear()
    name = "test-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50]
    yield boto3.resource("s3").create_bucket(Bucket=name)
    remote._files.cache_clear()


@pytest.fixture
def gallery(tmp_path: Path, tiny_model: bouba.Model) -> Iterator[bouba.Gallery]:
    with bouba.open("memory://", tiny_model) as opened:
        yield opened


def test_a_prefix_of_pictures_and_shards(gallery: bouba.Gallery, bucket: Any, tmp_path: Path) -> None:
    for n in range(5):
        bucket.put_object(Key=f"in/{n % 2}/{n}.png", Body=picture(n))
    bucket.put_object(Key="in/notes.txt", Body=b"no picture")
    bucket.put_object(Key="inside.png", Body=picture(99))
    for shard in write_shards(tmp_path, 2, 3):
        bucket.upload_file(str(shard), f"in/{shard.name}")
    report = gallery.add(f"s3://{bucket.name}/in/", fetch=True)
    assert (report.added, report.duplicates + report.updated, report.moved, report.failures) == (6, 5, 0, [])
    assert f"s3://{bucket.name}/in/00001.tar/000010002.png" in {
        row.path for row in gallery._ledger.files_under("s3://")
    }
    again = gallery.add(f"s3://{bucket.name}/in", fetch=True)
    assert (again.unchanged, again.added, again.duplicates) == (11, 0, 0)


def test_listing_page_by_page(bucket: Any, gallery: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(7):
        bucket.put_object(Key=f"{n}.png", Body=picture(n))
    files, pages = remote._files("s3"), []

    def small_pages(method: str, **settings: object) -> object:
        pages.append(method)
        return type(files).call_s3(files, method, MaxKeys=3, **settings)

    monkeypatch.setattr(files, "call_s3", small_pages, raising=False)
    assert gallery.add(f"s3://{bucket.name}", fetch=True).added == 7
    assert pages == ["list_objects_v2"] * 3


def test_shards_larger_than_a_block(
    gallery: bouba.Gallery, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(remote, "KEPT_BLOCKS", 3)
    write_shards(tmp_path, 1, 20)
    bucket.upload_file(str(tmp_path / "00000.tar"), "00000.tar")
    report = gallery.add(f"s3://{bucket.name}/{{00000..00000}}.tar", fetch=True)
    assert (report.added, report.failures) == (20, [])
    assert {item.id for item in gallery.items()} == {content_id(picture(n)) for n in range(20)}


def test_an_unchanged_shard_costs_one_look(
    gallery: bouba.Gallery, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.upload_file(str(write_shards(tmp_path, 1, 4)[0]), "a.tar")
    gallery.add(f"s3://{bucket.name}/a.tar", fetch=True)
    monkeypatch.setattr(remote, "_block", lambda *a: pytest.fail("bytes were read"))
    assert gallery.add(f"s3://{bucket.name}/*.tar", fetch=True).unchanged == 4


def test_a_shard_that_changed_is_read_again(gallery: bouba.Gallery, bucket: Any, tmp_path: Path) -> None:
    for seed in (0, 1):
        bucket.upload_file(str(write_shard(tmp_path / "a.tar", {"0": sample(seed)})), "a.tar")
        assert gallery.add(f"s3://{bucket.name}/a.tar", fetch=True).added == 1
    assert [item.id for item in gallery.items()] == [content_id(picture(1))]


def test_a_catalogue_in_a_bucket(gallery: bouba.Gallery, bucket: Any) -> None:
    bucket.put_object(Key="pictures/0.png", Body=picture(0))
    rows = [
        "image,price",
        "../pictures/0.png,3",
        f"s3://{bucket.name}/pictures/0.png,4",
        "s3://other/1.png,5",
        "9.png,6",
    ]
    bucket.put_object(Key="lists/list.csv", Body="\n".join(rows).encode())
    report = gallery.add(f"s3://{bucket.name}/lists/list.csv", fetch=True)
    assert report.added == 1
    assert sorted(f.kind for f in report.failures) == ["FetchRefused", "MediaMissing"]
    assert [item.attributes["price"] for item in gallery.items()] == [4.0]


def test_buckets_need_permission(gallery: bouba.Gallery) -> None:
    report = gallery.add("s3://anything/a.tar")
    assert [f.kind for f in report.failures] == ["FetchRefused"]
    assert "--fetch" in report.failures[0].message


@pytest.mark.parametrize(
    "name", ["s3://nobody-has-this/in/", "s3://nobody-has-this/a.tar", "s3://nobody-has-this/a.png"]
)
def test_no_such_bucket(gallery: bouba.Gallery, bucket: Any, name: str) -> None:
    report = gallery.add(name, fetch=True)
    assert [(f.kind, f.source) for f in report.failures] == [("MediaMissing", name)]


def test_nothing_below_a_prefix(gallery: bouba.Gallery, bucket: Any) -> None:
    assert "nothing lies below" in gallery.add(f"s3://{bucket.name}/none/", fetch=True).failures[0].message


def test_without_credentials(gallery: bouba.Gallery, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    report = gallery.add(f"s3://{bucket.name}/in/", fetch=True)
    assert [f.kind for f in report.failures] == ["FetchRefused"]
    assert "AWS_ACCESS_KEY_ID" in report.failures[0].message


def test_the_packages_are_named_where_they_are_missing(gallery: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    remote._files.cache_clear()
    report = gallery.add("gs://bucket/in/", fetch=True)
    assert "pip install 'bouba[remote]' gcsfs" in report.failures[0].message


class Ranges(BaseHTTPRequestHandler):
    """Answers with parts of files, as servers of data sets do."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    failures = 0

    def do_GET(self) -> None:
        data = self.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if type(self).failures > 0 and asked and int(asked[1]) > 0:
            type(self).failures -= 1
            self.send_error(503)
            return
        start, stop = (int(asked[1]), min(int(asked[2]) + 1, len(data))) if asked else (0, len(data))
        if "plain" in self.path:
            asked = None
            start, stop = 0, len(data)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("ETag", f'"{hash(data)}"')
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(data[start:stop])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shards = write_shards(tmp_path / "site", 2, 4)
    Ranges.files = {f"/{shard.name}": shard.read_bytes() for shard in shards}
    Ranges.files["/plain.tar"] = shards[0].read_bytes()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_loopback_is_not_public(gallery: bouba.Gallery, site: str) -> None:
    report = gallery.add(f"{site}/00000.tar", fetch=True)
    assert [f.kind for f in report.failures] == ["FetchRefused"]
    assert "not a public address" in report.failures[0].message


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def anywhere(url: str, start: int, size: int) -> object:
        return original(url, start, size, allow=lambda address: True)

    original = remote.fetch_range
    monkeypatch.setattr(remote, "fetch_range", anywhere)
    monkeypatch.setattr(remote, "BLOCK_BYTES", 3000)


@pytest.mark.usefixtures("allowed")
def test_shards_behind_addresses(gallery: bouba.Gallery, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda s: None)
    Ranges.failures = 2
    report = gallery.add(f"{site}/{{00000..00001}}.tar", fetch=True)
    assert (report.added, report.failures, Ranges.failures) == (8, [], 0)
    assert gallery.add(f"{site}/00001.tar", fetch=True).unchanged == 4
    assert [f.kind for f in gallery.add(f"{site}/00000.tar").failures] == ["FetchRefused"]


@pytest.mark.usefixtures("allowed")
def test_a_server_that_fails_is_asked_again_in_the_next_run(
    gallery: bouba.Gallery, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda s: None)
    Ranges.failures = 1000
    report = gallery.add(f"{site}/00000.tar", fetch=True)
    assert report.failed
    assert {f.kind for f in report.failures} == {"FetchRefused"}
    Ranges.failures = 0
    report = gallery.add(f"{site}/00000.tar", fetch=True)
    assert (len(gallery), report.failures) == (4, [])


@pytest.mark.usefixtures("allowed")
def test_a_server_without_ranges_is_named(gallery: bouba.Gallery, site: str) -> None:
    report = gallery.add(f"{site}/plain.tar", fetch=True)
    assert "gives no parts of files" in report.failures[0].message
