from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_model import COLOURS

import bouba
from bouba.encoders import Model


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    stall_s: float = 0.0
    drop: bool = False  # the connection, without a word


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Scripted:
    """A server that gives the answers it was told, in turn, the last one for ever, and remembers what it was asked."""

    answer = Answer

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.seen: list[Seen] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def says(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def problem(self, status: int, code: str | None = None, detail: str = "", **headers: str) -> Answer:
        told: dict[str, Any] = {"type": "about:blank", "status": status}
        told |= {"code": code} if code else {}
        told |= {"detail": detail} if detail else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(status, json.dumps(told).encode(), {"Content-Type": "application/problem+json", **named})

    def _handler(scripted) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.seen.append(Seen(self.command, self.path, dict(self.headers), body))
                answer = scripted.answers[0]
                if len(scripted.answers) > 1:
                    scripted.answers.pop(0)
                time.sleep(answer.stall_s)
                if answer.drop:
                    self.close_connection = True
                    return
                with suppress(OSError):  # a client that did not wait
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_DELETE = _any

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("bouba.client.wire.sleep", slept.append)
    return slept


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`: twelve noisy pictures of six colours."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "photos/below").mkdir(parents=True)
    for colour, rgb in COLOURS.items():
        for seed, name in enumerate((f"{colour}.png", f"below/{colour}.jpg")):
            noise = np.random.default_rng(seed).integers(-40, 40, (48, 64, 3))
            pixels = np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name)
    return folder


@pytest.fixture(scope="module")
def stocked(shelf: Path, tiny_model: Model) -> Iterator[bouba.Gallery]:
    """The pictures of the shelf, some with attributes of each type; tests leave it as it is."""
    with bouba.open(shelf / "stocked.bouba", tiny_model) as gallery:
        gallery.add(shelf / "photos")
        gallery.add(shelf / "photos/red.png", {"price": 3.5, "brand": "A", "sold": True, "tags": ("warm", "plain")})
        dated = {"price": 8.0, "brand": "2024-07-01T00:00", "made": datetime(2024, 7, 1, 12)}
        gallery.add(shelf / "photos/blue.png", dated)
        yield gallery


@pytest.fixture(scope="module")
def live(stocked: bouba.Gallery) -> Iterator[str]:
    """The address of a server of it."""
    pytest.importorskip("fastapi")
    from live_server import live_server

    with live_server(stocked) as url:
        yield url
