"""The page's files over HTTP, and its modules that need no server."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bouba.stores.where import And, Compare, Has, In, parse_where
from bouba.types import AttributeType

pytest.importorskip("fastapi", reason="needs pip install 'bouba[server]'")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from bouba.server.routes.page import assets, router

FOLDER = Path(__file__).parents[2] / "bouba" / "server" / "page"
NASTY = ['a"b', "a'b", "back\\slash", '\\"', "\\", "`tick`", "ein Wört", "a\nb", '" or price > 0 or "', "%_", "日本"]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(router)
    return TestClient(app, base_url="http://localhost")


def test_every_file_has_its_type_and_a_tag(client: TestClient) -> None:
    for path, asset in assets().items():
        got = client.get(f"/page/{path}")
        assert got.status_code == 200
        assert got.headers["content-type"] == asset.media_type
        assert got.content == asset.body
        assert client.get(f"/page/{path}", headers={"If-None-Match": got.headers["etag"]}).status_code == 304


def test_what_the_page_names_is_kept_for_good(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    named = re.findall(r'"(page/[^"]+\.(?:js|css))"', page.text)
    assert len(named) > 5
    for path in named:
        got = client.get(f"/{path}")
        assert "immutable" in got.headers["cache-control"]
        assert got.content == (FOLDER / path.split("/", 2)[2]).read_bytes()


def test_packed_only_for_those_who_take_it(client: TestClient) -> None:
    plain = client.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    packed = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.content == plain.content == gzip.decompress(assets()["index.html"].packed)


@pytest.mark.parametrize(
    "path", ["/page/none.js", "/page/", "/page/js", "/page/../app.py", "/page/%2e%2e/app.py", "/page//etc/passwd"]
)
def test_nothing_else_is_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_head_and_icon(client: TestClient) -> None:
    assert client.head("/").status_code == 200
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", page)
    for path, asset in assets().items():
        text = asset.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path


def test_modules_import_what_they_use_and_what_is_there() -> None:
    modules = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / "js").glob("*.js")}
    exported = {
        name: set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", text, re.MULTILINE))
        for name, text in modules.items()
    }
    taken: dict[str, set[str]] = {name: set() for name in modules}
    for name, text in modules.items():
        for names, source in re.findall(r'import \{([^}]*)\} from "\./([\w-]+\.js)"', text):
            for each in filter(None, (one.strip() for one in names.split(","))):
                there, _, here = each.partition(" as ")
                assert there in exported[source], f"{name} imports {there} of {source}, which has none"
                assert len(re.findall(rf"\b{here or there}\b", text)) > 1 + bool(here == there), (
                    f"{name}: unused {each}"
                )
                taken[source].add(there)
    tested = Path(__file__).read_text(encoding="utf-8")
    spare = {f"{name} {one}" for name in modules for one in exported[name] - taken[name] if f"it.{one}" not in tested}
    assert not spare, "exported for nobody"


def test_modules_are_short_and_all_of_them_are_used() -> None:
    modules = {path: path.read_text(encoding="utf-8") for path in (FOLDER / "js").rglob("*.js")}
    named = {
        (path.parent / name).resolve()
        for path, text in modules.items()
        for name in re.findall(r'from "(\.\.?/[\w/-]+\.js)"', text)
    }
    pages = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.html")]
    first = {FOLDER.parent / name for page in pages for name in re.findall(r'"(page/js/\S+\.js)"', page)}
    assert named | first == set(modules)
    assert all(len(text.splitlines()) < 300 for text in modules.values())
    assert {f"page/css/{path.name}" for path in (FOLDER / "css").iterdir()} == {
        name for page in pages for name in re.findall(r"page/css/\S+\.css", page)
    }


@pytest.fixture(scope="module")
def modules(browser: Any, server: str) -> Any:
    """run(module, "expression of `it`", argument): evaluated in the browser, where `it` is the module."""
    page = browser.new_page(base_url=server)
    page.goto("/page/icon.svg")

    def run(module: str, expression: str, given: Any = None) -> Any:
        return page.evaluate(
            f"async (given) => {{ const it = await import('/page/js/{module}'); return {expression}; }}", given
        )

    yield run
    page.close()


@pytest.mark.parametrize("text", NASTY)
def test_whatever_a_value_is_the_filter_means_it(modules: Any, text: str) -> None:
    fields = {text: AttributeType.TEXT, "tags": AttributeType.TEXTS}
    filters = {text: {"type": "text", "values": [text]}, "tags": {"type": "list of text", "values": [text]}}
    tree = parse_where(modules("where.js", "it.whereOf(given)", filters), fields)
    assert isinstance(tree, And)
    first, second = tree.operands
    assert isinstance(first, Compare)
    assert (first.field.name, first.value) == (text, text)
    assert isinstance(second, Has)
    assert second.value == text


def test_all_kinds_of_filters(modules: Any) -> None:
    fields = {"brand": AttributeType.TEXT, "price": AttributeType.NUMBER, "new": AttributeType.BOOLEAN}
    fields |= {"taken": AttributeType.DATE, "in": AttributeType.TEXT}
    filters = {
        "brand": {"type": "text", "values": ["A", "B"]},
        "price": {"type": "number", "from": 0, "to": 1e21},
        "new": {"type": "boolean", "values": [False]},
        "taken": {"type": "date", "from": "2024-02-01", "to": "2024-02-29"},
        "in": {"type": "text", "values": ["x"]},
    }
    written = modules("where.js", "it.whereOf(given)", filters)
    assert "taken < 2024-03-01" in written
    tree = parse_where(written, fields)
    assert isinstance(tree, And)
    assert [type(one) for one in tree.operands] == [In, Compare, Compare, Compare, Compare, Compare, Compare]
    assert modules("where.js", "it.whereOf({})") is None


@pytest.mark.parametrize("width", [328, 768, 1440])
def test_rows_fill_the_width_and_stay_where_they_are(modules: Any, width: int) -> None:
    ratios = [[1.5, 0.66, 1.0, 1.78, 0.2, 9.0, 1.33][i * i % 7] for i in range(60)]
    lay = "given.lists.map((ratios) => it.justified(ratios, { width: given.width, target: 200, gap: 6 }))"
    whole, part = modules("layout.js", lay, {"lists": [ratios, ratios[:40]], "width": width})
    rows: dict[int, list[dict[str, int]]] = {}
    for box in whole["boxes"]:
        rows.setdefault(box["row"], []).append(box)
    last = max(rows)
    for row, boxes in rows.items():
        assert boxes[0]["left"] == 0
        assert all(two["left"] - one["left"] - one["width"] == 6 for one, two in pairwise(boxes))
        edge = boxes[-1]["left"] + boxes[-1]["width"]
        assert edge == width if row < last else edge <= width
        assert 80 <= boxes[0]["height"] <= 330
    settled = [box for box in part["boxes"] if box["row"] < part["boxes"][-1]["row"]]
    assert settled == whole["boxes"][: len(settled)]


def test_an_address_says_all_that_was_asked(modules: Any) -> None:
    state = {
        "text": "a cat & a dog", "concept": "mine", "without": [{"text": "people"}, {"id": "b" * 32}],
        "like": ["a" * 32], "unlike": ["c" * 32], "gallery": "photos", "exact": True, "diverse": True, "open": "d" * 32,
        "filters": {
            "price in €": {"type": "number", "from": 1.5}, "taken": {"type": "date", "to": "2024-01-01"},
            "new": {"type": "boolean", "values": [True]}, "a.b": {"type": "text", "values": ["x", "y=&"]},
            "tags": {"type": "list of text", "values": ["red"]},
        },
    }  # fmt: skip
    assert modules("address.js", "it.stateOf(it.addressOf(given))", state) == state
    broken = modules("address.js", "it.stateOf(given)", "?like=zz&min.price=abc&from.taken=never&item=1&min.=3")
    assert (broken["like"], broken["filters"], broken["open"]) == ([], {}, None)
