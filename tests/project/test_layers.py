"""Imports go one way, and heavy packages stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "bouba"

# Each room may import itself and what is named here.
BASE = {"types", "errors"}
ALLOWED = {
    "types": set(),
    "errors": set(),
    "locks": set(),
    "sqlite": BASE,
    "media": BASE,
    "encoders": BASE | {"media"},
    "stores": BASE | {"locks", "sqlite"},
    "ranking": BASE,
    "rows": BASE | {"encoders", "ranking"},
    "ingest": BASE | {"media", "encoders", "stores", "rows"},
    "query": BASE | {"media", "encoders", "stores", "ranking", "rows"},
    "narrow": BASE | {"encoders", "ranking"},
    "origin": BASE | {"encoders", "rows", "narrow"},
    "concepts": BASE | {"media", "stores", "query"},
    "gallery": BASE | {"encoders", "stores", "ingest", "origin", "query", "rows", "concepts", "narrow"},
    "plan": BASE | {"stores", "ranking"},
    "tune": BASE | {"media", "encoders"},
    "watch": BASE | {"gallery", "ingest"},
    "sheet": BASE,
    "overlay": BASE | {"ranking"},
    "explain": BASE | {"media", "encoders", "ranking", "ingest", "gallery", "overlay"},
    "copying": BASE | {"stores", "origin", "rows", "gallery"},
    "export": BASE | {"gallery", "origin", "copying"},
    "duplicates": BASE | {"stores", "ranking", "ingest", "query", "gallery", "sheet"},
    "migrate": BASE | {"media", "encoders", "stores", "ingest", "origin", "gallery", "rows"},
    "evaluation": BASE | {"media", "encoders", "query", "ingest", "gallery"},
    "training": BASE | {"media", "encoders", "ranking", "evaluation"},
    "apps": BASE | {"media", "ranking", "locks", "sqlite", "explain", ""},
    "server": BASE
    | {"media", "apps", "encoders", "stores", "ranking", "query", "ingest", "concepts", "gallery", "narrow", "explain"}
    | {"overlay", "locks", ""},
    "client": BASE | {"media", "query", "ingest", ""},
    "mcp": BASE | {"media", "client", "ingest", "gallery"},
    "cli": BASE
    | {
        "encoders",
        "query",
        "gallery",
        "concepts",
        "ingest",
        "watch",
        "sheet",
        "explain",
        "overlay",
        "export",
        "duplicates",
    }
    | {"copying", "plan", "tune", "migrate", "evaluation", "training", ""}
    | {"client", "mcp", "server", "apps"},
    "__main__": {"cli"},
    "": BASE | {"client", "encoders", "gallery", "ingest"},
}
ONLY_IN = {
    "torch": {"training"},
    "torchvision": {"training"},
    "timm": {"training"},
    "open_clip": {"training"},
    "transformers": {"training"},
    "onnx": {"training"},
    "onnxscript": {"training"},
    "matplotlib": {"training"},
    "msgspec": {"training"},
    "lance": {"stores"},
    "pymilvus": {"stores"},
    "milvus_lite": {"stores"},
    "zvec": {"stores"},
    "ray": {"ingest"},
    "fsspec": {"media"},
    "openvino": {"encoders"},
    "onnxruntime": {"encoders", "training"},
    "av": {"media"},
    "faster_whisper": {"encoders"},
    "ai_edge_litert": {"training"},
    "sounddevice": {"cli"},
    "click": {"cli", "training"},
    "urllib3": {"media", "client"},
    "fastapi": {"server"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "prometheus_client": {"server"},
    "python_multipart": {"server"},
    "mcp": {"mcp"},
    "watchfiles": {"watch"},
    "pydicom": {"apps"},
    "scipy": {"apps"},
}


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            yield node.module


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "bouba":
            target = parts[1] if len(parts) > 1 else ""
            assert target == room or target in ALLOWED[room], f"{room or 'bouba'} imports {name}"
        elif parts[0] in ONLY_IN:
            assert room in ONLY_IN[parts[0]], f"{room} imports {name}"


@pytest.mark.parametrize("module", ["bouba", "bouba.cli"])
def test_import_is_light(module: str) -> None:
    heavy = [
        "numpy",
        "PIL",
        "lance",
        "pyarrow",
        "onnxruntime",
        "tokenizers",
        "torch",
        "urllib3",
        "watchfiles",
        "fsspec",
        "ray",
        "pymilvus",
        "grpc",
        "zvec",
    ]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
