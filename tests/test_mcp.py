"""`bouba mcp`, driven by the SDK's own client over a real process's standard input and output."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import bouba
from bouba.types import Hit, Item, Result

anyio = pytest.importorskip("anyio")
mcp = pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters, types  # noqa: E402
from mcp.client.stdio import stdio_client  # noqa: E402

RUN = ("-c", "from bouba.cli import main, mcp; main()")
Talk = Callable[[ClientSession], Awaitable[Any]]


def talked(arguments: Sequence[object], talk: Talk, tmp_path: Path, quiet: bool = True) -> Any:
    """What `talk` returns of a session with `bouba mcp ARGUMENTS`, which says nothing besides."""
    server = StdioServerParameters(
        command=sys.executable, args=[*RUN, "mcp", *map(str, arguments)], env=dict(os.environ), cwd=tmp_path
    )

    async def session() -> Any:
        with (tmp_path / "stderr").open("w") as errors:
            async with stdio_client(server, errors) as streams, ClientSession(*streams) as client:
                await client.initialize()
                return await talk(client)

    answer = anyio.run(session)
    assert not quiet or (tmp_path / "stderr").read_text() == ""
    return answer


def text_of(answer: types.CallToolResult) -> str:
    assert isinstance(answer.content[0], types.TextContent)
    return answer.content[0].text


def pictures_of(answer: types.CallToolResult) -> list[Image.Image]:
    pictures = [block for block in answer.content if isinstance(block, types.ImageContent)]
    assert {block.mimeType for block in pictures} <= {"image/jpeg"}
    return [Image.open(io.BytesIO(base64.b64decode(block.data))) for block in pictures]


@pytest.fixture
def place(tmp_path: Path, photos: Path, tiny_model) -> Path:
    """A gallery in a folder, of twelve pictures, one with attributes."""
    with bouba.open(tmp_path / "gallery.bouba", tiny_model) as gallery:
        gallery.add(photos)
        gallery.add(photos / "red.png", {"price": 3.5, "tags": ("warm", "plain")})
    return tmp_path / "gallery.bouba"


def test_tools_say_what_they_do(place: Path, tmp_path: Path) -> None:
    async def talk(client: ClientSession) -> Any:
        return (await client.list_tools()).tools, client.get_server_capabilities()

    tools, capabilities = talked(["--gallery", place], talk, tmp_path)
    assert capabilities.tools is not None
    assert [tool.name for tool in tools] == ["search", "show"]
    search = tools[0]
    assert {"text", "image", "audio", "without", "like", "where", "k"} == set(search.inputSchema["properties"])
    assert all("description" in one for one in search.inputSchema["properties"].values())
    assert all(tool.annotations.readOnlyHint and len(tool.description) > 50 for tool in tools)


def test_search(place: Path, photos: Path, tmp_path: Path) -> None:
    blue = photos / "blue.png"

    async def talk(client: ClientSession) -> list[types.CallToolResult]:
        asked: list[dict[str, Any]] = [
            {"text": "red", "k": 3},
            {"image": str(blue), "k": 1},
            {"image": base64.b64encode(blue.read_bytes()).decode(), "k": 1},
            {"image": "data:image/png;base64," + base64.b64encode(blue.read_bytes()).decode(), "k": 1},
            {"text": "red", "where": "price < 5"},
            {"text": "red", "without": "blue", "k": 2},
            {"without": "red"},
            {"text": "red", "where": "price > 500"},
        ]
        return [await client.call_tool("search", one) for one in asked]

    red, by_path, by_bytes, by_address, priced, both, without, none = talked(["-g", place], talk, tmp_path)
    assert not red.isError
    lines = text_of(red).splitlines()
    assert "3 nearest" in lines[0]
    assert all("/photos/" in line and "64x48" in line for line in lines[1:])
    assert [picture.size for picture in pictures_of(red)] == [(64, 48)] * 3
    assert text_of(by_path) == text_of(by_bytes) == text_of(by_address)
    assert str(blue) in text_of(by_path)
    assert 'price=3.5  tags=["warm", "plain"]' in text_of(priced)
    assert "red" in text_of(both)
    assert not without.isError
    assert text_of(none).startswith("Nothing found")
    assert len(none.content) == 1


def test_ids_lead_on(place: Path, photos: Path, tmp_path: Path) -> None:
    big = photos / "big.png"
    Image.effect_noise((3000, 1500), 60).convert("RGB").save(big)
    with bouba.open(place) as gallery:
        (big_id,) = gallery.add(big).ids
        (gone_id,) = gallery.add(photos / "green.png").ids
    (photos / "green.png").unlink()

    async def talk(client: ClientSession) -> list[types.CallToolResult]:
        shown = await client.call_tool("show", {"id": big_id[:8]})
        gone = await client.call_tool("show", {"id": gone_id})
        like = await client.call_tool("search", {"like": [gone_id[:10]], "k": 2})  # the other is a copy
        return [shown, gone, like]

    shown, gone, like = talked(["--gallery", place], talk, tmp_path)
    (picture,) = pictures_of(shown)
    assert picture.size == (1024, 512)
    assert f"id: {big_id}" in text_of(shown)
    assert "width: 3000" in text_of(shown)
    assert "This is its thumbnail." in text_of(gone)
    assert [picture.size for picture in pictures_of(gone)] == [(64, 48)]
    assert gone_id in text_of(like)


def test_errors_are_ours(place: Path, tmp_path: Path) -> None:
    async def talk(client: ClientSession) -> list[types.CallToolResult]:
        asked: list[tuple[str, dict[str, Any]]] = [
            ("search", {"text": "red", "where": "prize < 3"}),
            ("search", {}),
            ("search", {"image": "/no/such/picture.jpg"}),
            ("search", {"image": "https://example.org/a.jpg"}),
            ("search", {"image": str(tmp_path / "secret.txt")}),
            ("search", {"text": "red", "k": 100000}),
            ("show", {"id": "ffffffffffff"}),
            ("show", {"id": "../../etc/passwd"}),
        ]
        return [await client.call_tool(*one) for one in asked]

    (tmp_path / "secret.txt").write_text("hunter2")
    answers = talked(["--gallery", place], talk, tmp_path)
    assert all(answer.isError for answer in answers)
    told = list(map(text_of, answers))
    assert "prize" in told[0]
    assert "price" in told[0]  # what there is instead
    assert "Nothing was asked" in told[1]
    assert "no such file" in told[2]
    assert "addresses are read only" in told[3]
    assert "this is text" in told[4]
    assert "hunter2" not in told[4]
    assert "k" in told[5]
    assert "No item has the id" in told[6]
    assert not any("Traceback" in text for text in told)


def test_nothing_is_added_unless_allowed(place: Path, photos: Path, tmp_path: Path) -> None:
    async def talk(client: ClientSession) -> types.CallToolResult:
        return await client.call_tool("add", {"paths": [str(photos)]})

    answer = talked(["--gallery", place], talk, tmp_path, quiet=False)  # the SDK logs that there is no such tool
    assert answer.isError
    assert "Unknown tool" in text_of(answer)


def test_add_only_what_is_allowed(place: Path, photos: Path, paint, tmp_path: Path) -> None:
    allowed, outside = tmp_path / "photos" / "new", tmp_path / "outside.png"
    paint("white", "new/fresh.png", seed=9)
    paint("black", "private.png", seed=9).rename(outside)
    (allowed / "link.png").symlink_to(outside)
    (allowed / "list.jsonl").write_text(json.dumps({"image": str(outside)}) + "\n")
    progress: list[float] = []

    async def heard(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async def talk(client: ClientSession) -> list[types.CallToolResult]:
        refused = [outside, allowed / "../../outside.png", allowed / "link.png", allowed / "list.jsonl", tmp_path]
        answers = [await client.call_tool("add", {"paths": [str(path)]}) for path in refused]
        (allowed / "link.png").unlink()
        paths = {"paths": [str(allowed)]}
        return [*answers, await client.call_tool("add", paths, timedelta(seconds=60), heard)]

    *refused, added = talked(["--gallery", place, "--allow-add", allowed], talk, tmp_path)
    assert all(answer.isError for answer in refused)
    assert all("may not be added" in text_of(answer) for answer in refused if answer is not refused[3])
    assert "only folders and pictures" in text_of(refused[3])
    assert text_of(added) == "1 added; 13 in the collection."
    assert progress[-1] == 1
    with bouba.open(place) as gallery:
        assert not any("outside" in item.path for item in gallery.items())


def test_the_gallery_of_a_server(place: Path, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from live_server import live_server

    async def talk(client: ClientSession) -> list[types.CallToolResult]:
        found = await client.call_tool("search", {"image": str(photos / "blue.png"), "k": 1})
        shown = await client.call_tool("show", {"id": text_of(found).splitlines()[1].split()[1]})
        wrong = await client.call_tool("search", {"text": "red", "where": "prize < 3"})
        added = await client.call_tool("add", {"paths": [str(photos)]})
        return [found, shown, wrong, added]

    with bouba.open(place) as gallery, live_server(gallery) as url:
        found, shown, wrong, added = talked(["--server", url, "--allow-add", photos], talk, tmp_path)
    assert len(pictures_of(found)) == len(pictures_of(shown)) == 1
    assert "blue.png" in text_of(shown)
    assert wrong.isError
    assert "prize" in text_of(wrong)
    assert text_of(added) == "12 known; 12 in the collection."


def test_nothing_matches_is_said() -> None:
    from bouba.mcp import _answer

    hits = tuple(
        Hit(n, 0.1, Item(f"{n:032x}", f"/{n}.png", 1, 1, 1, "image/png"), probability=0.02) for n in range(1, 9)
    )
    told = _answer(Result(hits, confidence=0.03, threshold=0.5, cutoff=0.5)).splitlines()
    assert told[0].startswith("Nothing matches (confidence 3%).")
    assert len(told) == 4
    likely = _answer(Result(hits, confidence=0.9, threshold=0.5, cutoff=0.01)).splitlines()
    assert likely[0] == "8 match (confidence 90%):"
    assert _answer(Result(())).startswith("Nothing found")


def test_without_the_sdk_the_command_says_so(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('No module named mcp', name='mcp')")
    command = [sys.executable, *RUN, "mcp", "--gallery", str(place)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'bouba[mcp]'" in done.stderr
