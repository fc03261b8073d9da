"""What the benchmark of the stores printed becomes curves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.curves import FIGURES, STORES, main
from bouba.plan.curves import read_curves
from bouba.plan.engines import ENGINES


def row(p95_ms: float) -> dict[str, float]:
    return {
        "build_s": 2.0, "disk_mb": 24.0, "rss_mb": 300.0, "p50_ms": 1.0, "p95_ms": p95_ms, "recall@10": 0.98,
        "inserts_per_s": 900.0, "exact_p50_ms": 1.4,
    }  # fmt: skip


def test_every_store_is_one_that_is_planned_with() -> None:
    assert set(STORES.values()) <= {(engine.store, engine.index) for engine in ENGINES}


def test_sizes_of_several_files_are_one_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    growth = {"lance": {"sizes": {"10000": row(3.0), "100000": row(6.0)}, "slopes": {}}, "faiss-ivf-sq8": {"sizes": {}}}
    large = {"lance": row(12.0), "zvec": {"skipped": "not installed"}}
    (tmp_path / "growth.json").write_text(json.dumps(growth))
    (tmp_path / "large.json").write_text(json.dumps(large))
    files = [str(tmp_path / "growth.json"), f"1000000={tmp_path / 'large.json'}"]
    monkeypatch.setattr(sys, "argv", ["curves", *files, "--machine", "a quiet one"])
    main()
    (tmp_path / "curves.json").write_text(capsys.readouterr().out)
    curves, item = read_curves(tmp_path / "curves.json")
    (lance,) = (one for one in curves if one.store == "lance")
    assert [(point.items, point.p95_ms) for point in lance.points] == [(10**4, 3.0), (10**5, 6.0), (10**6, 12.0)]
    assert lance.points[0].disk_bytes == 24e6
    assert lance.machine == "a quiet one"
    assert lance.command.endswith("--items 1000000 --json")
    assert {one.store for one in curves} >= {"memory"}  # what was not measured anew stays
    assert item == read_curves()[1]
    assert len(FIGURES) == 7
