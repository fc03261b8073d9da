from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def curves(tmp_path: Path) -> Callable[..., Path]:
    """curves("mine.json", p95_ms=10): a file with a curve of the default store, measured at two sizes."""

    def curves(
        name: str, p95_ms: float = 10.0, recall: float = 0.99, largest: int = 1_000_000, base: float = 2e8
    ) -> Path:
        points = [
            {"items": items, "build_s": items / 3e4, "disk_bytes": 2400.0 * items, "rss_bytes": base + 100 * items,
             "p50_ms": p95_ms / 2, "p95_ms": p95_ms, "recall_at_10": recall, "inserts_per_s": 1000.0}
            for items in (largest // 100, largest)
        ]  # fmt: skip
        texts = {"store": "lance", "index": "IVF_RQ", "measured": "2026-01-01", "command": "c", "machine": "m"}
        item = {"ledger_bytes": 10_000, "encoded_per_s": 100}
        record = {"format": 1, "item": item, "curves": [{**texts, "dim": 512, "points": points}]}
        (tmp_path / name).write_text(json.dumps(record))
        return tmp_path / name

    return curves
