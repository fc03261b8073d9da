"""`bouba serve` as another process: it starts, answers, ends when it is told to, and comes back after it was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

import bouba
from bouba.cli.serve import named_places, serve
from bouba.encoders import Model
from bouba.errors import ServerError

PATIENCE_S = 90


# The command, where a search for "slow" ends when there is a file called "go".
SLOWED = """
import pathlib, sys, time
from bouba.cli import main
from bouba.gallery import Gallery

search = Gallery.search

def slowed(self, query=None, **more):
    while getattr(query, "text", None) == "slow" and not pathlib.Path("go").exists():
        time.sleep(0.01)
    return search(self, query, **more)

Gallery.search = slowed
main()
"""


def until(true: Callable[[], bool]) -> None:
    for _ in range(50 * PATIENCE_S):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to be")


class Running:
    """One process and its address."""

    def __init__(self, *arguments: str, folder: Path, slowed: bool = False) -> None:
        self.folder = folder
        self._log = open(folder / "serve.log", "ab")  # noqa: SIM115  it is closed with the process
        self.process = subprocess.Popen(
            [sys.executable, *(("-c", SLOWED) if slowed else ("-m", "bouba")), "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+", first)
        assert found, first
        self.address = found[0].rstrip("/")
        self.client = httpx.Client(base_url=self.address, timeout=PATIENCE_S, trust_env=False)

    def ready(self) -> Running:
        until(lambda: self.client.get("/readyz").status_code == 200)
        return self

    def counts(self, metric: str, number: int) -> bool:
        """Of the lane of searches."""
        return f'{metric}{{lane="search"}} {number}.0' in self.client.get("/metrics").text

    def found(self, text: str = "red") -> list[str]:
        hits = self.client.post("/search", json={"query": {"text": text}, "k": 3}).json()["hits"]
        return [Path(hit["path"]).stem for hit in hits]

    def end(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE_S)
        self.client.close()
        self._log.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def place(tmp_path: Path, tiny_model: Model, photos: Path) -> Path:
    with bouba.open(tmp_path / "pictures.bouba", tiny_model) as gallery:
        gallery.add(photos)
    return tmp_path / "pictures.bouba"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: Any, slowed: bool = False) -> Running:
        started.append(Running(*map(str, arguments), folder=tmp_path, slowed=slowed))
        return started[-1]

    yield start
    for one in started:
        one.end(signal.SIGKILL)


def test_starts_answers_and_logs(run: Callable[..., Running], place: Path, tmp_path: Path) -> None:
    server = run(place, f"empty={tmp_path / 'new.bouba'}", "--log-json").ready()
    assert server.found()[:2] == ["red", "red"]
    names = [one["name"] for one in server.client.get("/galleries").json()["galleries"]]
    assert names == ["pictures", "empty"]
    assert server.client.get("/").headers["content-type"].startswith("text/html")
    assert server.end() == 0
    lines = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert {"POST /search 200", "GET /galleries 200"} <= {
        f"{line['method']} {line['route']} {line['status']}" for line in lines
    }


@contextmanager
def asking(server: Running) -> Iterator[list[httpx.Response]]:
    """A slow question from another connection; inside it is being answered, afterwards it is."""
    answers: list[httpx.Response] = []
    with httpx.Client(base_url=server.address, timeout=PATIENCE_S, trust_env=False) as other:
        body = {"query": {"text": "slow"}}
        thread = threading.Thread(target=lambda: answers.append(other.post("/search", json=body)))
        thread.start()
        until(lambda: server.counts("bouba_running", 1))
        yield answers
        assert answers == []
        (server.folder / "go").touch()
        thread.join(PATIENCE_S)


def test_ends_after_it_has_answered(run: Callable[..., Running], place: Path) -> None:
    """A search that runs when the server is told to stop is finished; nobody new is let in."""
    server = run(place, slowed=True).ready()
    with asking(server) as answers:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not _answers(server.address))
    assert server.process.wait(PATIENCE_S) == 0
    assert [answer.status_code for answer in answers] == [200]


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_too_much_is_refused_and_who_leaves_makes_room(run: Callable[..., Running], place: Path) -> None:
    server = run(place, "--workers", 1, "--waiting", 1, slowed=True).ready()
    body = b'{"query": {"text": "red"}}'
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with asking(server) as answers:
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(b"POST /search HTTP/1.1\r\n" + head.encode() + body)
            until(lambda: server.counts("bouba_waiting", 1))
            refused = server.client.post("/search", json={"query": {"text": "red"}})
            assert (refused.status_code, refused.json()["code"]) == (429, "Overloaded")
            assert int(refused.headers["retry-after"]) >= 1
            assert server.client.get("/items?limit=1").status_code == 429
            assert server.client.get("/healthz").status_code == 200
        until(lambda: server.counts("bouba_waiting", 0))
    assert answers[0].status_code == 200
    assert server.found()[:2] == ["red", "red"]


def test_too_slow_is_given_up_and_still_counted(run: Callable[..., Running], place: Path) -> None:
    server = run(place, "--workers", 1, "--waiting", 0, "--timeout", "0.2", slowed=True).ready()
    late = server.client.post("/search", json={"query": {"text": "slow"}})
    assert (late.status_code, late.json()["code"]) == (504, "TimedOut")
    assert server.client.post("/search", json={"query": {"text": "red"}}).status_code == 429
    (server.folder / "go").touch()
    until(lambda: server.counts("bouba_running", 0))
    assert server.found()[:2] == ["red", "red"]


def test_killed_and_started_again(run: Callable[..., Running], place: Path) -> None:
    """What was counted is there, also when it was uploaded a moment before."""
    server = run(place).ready()
    data = Path(bouba.__file__).parent.joinpath("server", "page", "icon.png")
    upload = data.read_bytes() if data.exists() else _png()
    told = server.client.post("/items", files={"files": ("icon.png", upload)}).json()
    assert told["added"] == 1
    server.process.kill()
    server.process.wait(PATIENCE_S)
    again = run(place).ready()
    assert again.client.get(f"/items/{told['ids'][0]}/image").content == upload
    assert again.client.get("/items").json()["total"] == 13


def _png() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (30, 30), "red").save(out, "PNG")
    return out.getvalue()


def test_interrupt_is_no_failure_either(run: Callable[..., Running], place: Path) -> None:
    server = run(place).ready()
    assert server.end(signal.SIGINT) == 0


def test_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=rf"port {port} cannot be listened at.*--port"):
            CliRunner().invoke(serve, ["--port", str(port)], catch_exceptions=False)


def test_no_open_door() -> None:
    with pytest.raises(ServerError, match="needs keys"):
        CliRunner().invoke(serve, ["--host", "0.0.0.0"], catch_exceptions=False)


def test_names_of_what_is_served() -> None:
    assert named_places(["a.bouba", "shop=milvus://db/x?tenant=t", "./b=c/d"]) == {
        "a": "a.bouba",
        "shop": "milvus://db/x?tenant=t",
        "d": "./b=c/d",
    }
    with pytest.raises(ServerError, match="Two galleries are called 'a'"):
        named_places(["a.bouba", "x/a"])
