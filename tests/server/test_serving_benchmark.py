"""The serving benchmark counts what it says, against a server that does as it is told."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import bouba
from benchmarks.serving import gallery
from benchmarks.serving.__main__ import table
from benchmarks.serving.load import Load, flood, steady
from benchmarks.serving.measure import memory


class Told:
    """Answers each request with the next of `statuses`, after `delay_s`; 0 is no answer at all."""

    def __init__(self, statuses: list[int], delay_s: float = 0.0, keep: bool = True) -> None:
        self.statuses, self.delay_s, self.keep = itertools.cycle(statuses), delay_s, keep
        self.bodies: list[bytes] = []
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                await asyncio.sleep(self.delay_s)
                if not (status := next(self.statuses)):
                    break
                more = b"" if self.keep else b"Connection: close\r\n"
                writer.write(b"HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\n{}" % (status, more))
                if not self.keep:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def _port(loop: asyncio.AbstractEventLoop, told: Told) -> int:
    starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(told.talk, "127.0.0.1", 0), loop)
    return int(starting.result(10).sockets[0].getsockname()[1])


def test_clients_ask_again_when_they_are_answered(loop: asyncio.AbstractEventLoop) -> None:
    told = Told([200, 200, 429], delay_s=0.005)
    load = steady(_port(loop, told), gallery.texts()[:5], 4, 0.3)
    assert told.connections == 4
    assert sum(load.statuses.values()) == len(told.bodies)
    assert len(load.times_ms) == load.statuses[200]
    assert load.statuses[200] == pytest.approx(2 * load.statuses[429], abs=3)
    assert min(load.times_ms) >= 5
    assert load.per_second == pytest.approx(load.statuses[200] / load.seconds)


def test_connections_that_the_server_ends_are_made_anew(loop: asyncio.AbstractEventLoop) -> None:
    told = Told([200], keep=False)
    load = steady(_port(loop, told), gallery.texts()[:1], 2, 0.2)
    assert set(load.statuses) == {200}
    assert told.connections >= load.statuses[200]


def test_no_answer_is_counted(loop: asyncio.AbstractEventLoop) -> None:
    assert set(steady(_port(loop, Told([0])), gallery.texts()[:1], 1, 0.1).statuses) == {0}


def test_a_flood_does_not_wait_for_answers(loop: asyncio.AbstractEventLoop) -> None:
    told = Told([200], delay_s=0.2)
    load = flood(_port(loop, told), gallery.texts()[:1], 200, 0.5, lambda: 5_000_000)
    assert sum(load.statuses.values()) == 100
    assert told.connections > 20  # each would have been enough for three
    assert load.unsent == 0
    assert load.rss_mb[0] == 5


def test_memory_tells_growth_from_rest() -> None:
    assert memory(Load(rss_mb=[900.0] * 10 + [500.0] * 90))["rss_max_by_min"] == 1
    growing = memory(Load(rss_mb=[500 + n / 60 for n in range(600)]))
    assert growing["rss_mb_a_minute"] == pytest.approx(1)
    assert growing["rss_mb_last"] > growing["rss_mb_first"]


def test_requests_are_what_the_server_takes() -> None:
    for request in gallery.texts():
        head, _, body = request.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        assert json.loads(body)["k"] == gallery.HITS
    assert len(set(gallery.texts())) == len(gallery.texts()) > 100
    form = gallery.pictures()[0]
    photo = form[form.index(b"\xff\xd8") : form.rindex(b"\r\n--")]
    with Image.open(io.BytesIO(photo)) as image:
        assert (image.size, image.format) == (gallery.PHOTO, "JPEG")
    assert 20_000 < len(photo) < 200_000


def test_a_gallery_is_made_once(tmp_path: Path) -> None:
    place = gallery.made(tmp_path, 300)
    with bouba.open(place, must_exist=True) as made:
        assert len(made) == 300
        assert len(made.search("a red dress", k=5).hits) > 0
    before = (place / "gallery.json").stat().st_mtime_ns
    assert gallery.made(tmp_path, 300) == place
    assert (place / "gallery.json").stat().st_mtime_ns == before


def test_the_table_shows_all_parts() -> None:
    row = {"per_second": 10.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "statuses": {"0": 1, "200": 1234}}
    flat = memory(Load(rss_mb=[100.0] * 60))
    text = table({
        "items": 1000, "scaling": {"text": {str(n): row for n in (1, 8, 32, 128)}},
        "batching": {"text": {"with": 30.0, "without": 20.0, "ratio": 1.5}},
        "overload": {"capacity_per_second": 10.0, "minutes": 10, "unsent": 0, **row, **flat},
        "restarts": {"ready_s": 1.5, "first_answer_s": 1.6, "restarts": 3},
    })  # fmt: skip
    for part in ("1,234 x 200", "1 x no answer", "1.50", "max/min 1.000", "ready after 1.50 s"):
        assert part in text
