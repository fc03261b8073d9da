"""The scale benchmark measures what it says, on a tiny world."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale import growth
from benchmarks.scale.__main__ import table
from benchmarks.scale.compare import compare
from benchmarks.scale.contenders import STORES, Contender
from benchmarks.scale.corpus import FILTERS, Corpus, item_id, made, shares
from benchmarks.scale.stages import SPARE
from benchmarks.scale.vectors import BIAS_MEAN, BLOCK, DIM, ROW, World

ITEMS = 3000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus.prepare(tmp_path_factory.mktemp("world"), ITEMS, SPARE, queries=20)


def test_vectors_are_like_a_models() -> None:
    world = World.make()
    rows, queries = world.rows(0), world.queries(200)
    items = rows[:, :DIM]
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1, atol=1e-5)
    assert rows[:, DIM].mean() == pytest.approx(BIAS_MEAN, abs=0.001)
    np.testing.assert_array_equal(queries[:, DIM], -1)
    cosines = items[:1000] @ items[1000:].T
    assert cosines.mean() == pytest.approx(0.13, abs=0.03)
    assert np.median(cosines.max(axis=1)) > 0.7  # clusters
    best = np.median((queries[:, :DIM] @ items.T).max(axis=1))
    assert 0.45 < best < 0.65  # the modality gap
    values = np.linalg.eigvalsh(np.cov(items.T))[::-1]
    assert np.searchsorted(np.cumsum(values) / values.sum(), 0.9) < 100  # of 512 dimensions


def test_a_small_world_is_the_beginning_of_a_large_one(corpus: Corpus) -> None:
    larger = Corpus.prepare(corpus.folder, 3 * BLOCK, 0)
    np.testing.assert_array_equal(larger.rows[:BLOCK], World.make().rows(0))
    np.testing.assert_array_equal(larger.rows[2 * BLOCK :][:BLOCK], World.make().rows(2))


def test_answers_are_exact(corpus: Corpus) -> None:
    questions, numbers = corpus.questions(), np.arange(ITEMS)
    scores = questions.rows @ np.array(corpus.rows[:ITEMS]).T
    for name, (_, below) in FILTERS.items():
        fits = numbers[shares(numbers) < below]
        assert len(fits) == pytest.approx(ITEMS * below, rel=0.1)
        assert [item.attributes["share"] < below for item in made(range(50))] == [n in fits for n in range(50)]
        k = min(100, len(fits))
        best = fits[np.argsort(-scores[:, fits], axis=1)[:, :k]]
        held = np.take_along_axis(scores, questions.answers[name], 1)
        np.testing.assert_allclose(held, np.take_along_axis(scores, best, 1), atol=1e-6)
    right = [[item_id(n) for n in answer[:10]] for answer in questions.answers[""].tolist()]
    assert questions.recall("", right, 10) == 1
    assert questions.recall("", [[*ids[:5], *"wrong"] for ids in right], 10) == 0.5


def test_what_is_not_there_is_skipped(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STORES, "none", Contender("nowhere://{folder}"))
    rows = compare(["none"], [], corpus, tmp_path)
    assert "no store is called 'nowhere'" in rows["none"]["skipped"]
    assert "none: skipped:" in table(rows)
    assert list(tmp_path.iterdir()) == []


def test_growth_is_a_slope_and_a_plot(tmp_path: Path) -> None:
    grown = {n: {"a": {"p50_ms": n**0.5, "exact_p50_ms": n / 1000}, "b": {"skipped": "no"}} for n in (10, 100, 1000)}
    made = growth.report(grown, None)
    assert made["a"]["slopes"] == {"p50_ms": pytest.approx(0.5), "exact_p50_ms": pytest.approx(1)}
    assert made["b"]["slopes"] == {}
    assert "0.50" in growth.table(made)
    pytest.importorskip("matplotlib")
    growth.report(grown, tmp_path / "growth.svg")
    assert "a, slope 0.50" in (tmp_path / "growth.svg").read_text() or (tmp_path / "growth.svg").stat().st_size > 5000


def test_the_command_measures_a_store(corpus: Corpus) -> None:
    tiny = ["--items", str(ITEMS), "--queries", "20", "--stores", "lance", "--scratch", str(corpus.folder)]
    command = [sys.executable, "-m", "benchmarks.scale", "--json", *tiny]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2])
    lance = json.loads(ended.stdout)["lance"]
    assert lance["recall@10"] == lance["1%_recall@10"] == 1  # too few for an index: every row is compared
    assert {"build_s", "disk_mb", "rss_mb", "open_and_first_query_s", "p50_ms", "p99_ms", "top100_p95_ms"} <= set(lance)
    assert min(value for key, value in lance.items() if key.endswith("_ms")) > 0
    assert lance["times_faster"] == pytest.approx(lance["exact_p50_ms"] / lance["p50_ms"])
    assert lance["disk_mb"] > ITEMS * ROW * 4 / 1e6
    assert "recall@10" in table({"lance": lance})
    assert [path.name for path in corpus.folder.iterdir() if path.is_dir()] == []


def test_a_store_that_is_none_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.scale", "--stores", "lance,nothing"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 2
    assert "'nothing' is none of lance" in ended.stderr
