"""Does a plan hold? A sample gallery of synthetic vectors is built and searched on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.errors import PlanError
from bouba.plan.curves import Point, Range
from bouba.plan.engines import ENGINES, Engine
from bouba.plan.planner import Plan, Wish, plan

if TYPE_CHECKING:
    from bouba.types import Vectors

    Progress = Callable[[int, int], None]  # items that are stored, and all

QUERIES = 200
INSERTS, INSERT_BATCH = 512, 64
BATCH = 4096
FEWEST, MOST = 1_000, 2_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """One figure: predicted for the sample's size, and measured."""

    name: str
    predicted: Range
    measured: float
    held: bool  # no worse than the far end of the range

    @property
    def ratio(self) -> float:
        """Of what was measured to what was likely."""
        return self.measured / self.predicted.likely if self.predicted.likely else 1.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "predicted": self.predicted.to_dict(),
            "measured": self.measured,
            "ratio": round(self.ratio, 3),
            "held": self.held,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """What became of a prediction."""

    store: str
    point: Point
    figures: tuple[Held, ...]

    @property
    def held(self) -> bool:
        return all(figure.held for figure in self.figures)

    def to_dict(self) -> dict[str, Any]:
        return {
            "store": self.store,
            "held": self.held,
            "figures": [figure.to_dict() for figure in self.figures],
            "point": asdict(self.point),
        }


def check(
    made: Plan, items: int, *, curves: Path | None = None, progress: Progress = lambda done, total: None
) -> Check:
    """Measure what was recommended, or the default store where that runs on no machine of its own, at a smaller size.

    Raises PlanError for a size that says nothing or that does not fit here, and what the store raises."""
    if not FEWEST <= items <= MOST:
        raise PlanError(f"A sample of {items:,} items: give {FEWEST:,} to {MOST:,}.")
    name = made.best.name if made.best and made.best.embedded else "lance IVF_RQ"
    engine = next(one for one in ENGINES if one.name == name)
    expected = next(o for o in plan(replace(made.wish, items=items), curves=curves).options if o.name == name)
    if expected.p95_ms is None or expected.recall is None:
        raise PlanError(f"Nothing was measured of {name} before: there is no prediction to check. Say --curves FILE.")
    point = measure(engine, Wish(items, dims=made.wish.dims), progress)
    figures = (
        _at_most("p95_ms", expected.p95_ms, point.p95_ms),
        Held("recall_at_10", expected.recall, point.recall_at_10, point.recall_at_10 >= expected.recall.low),
        _at_most("disk_bytes", expected.disk_bytes, point.disk_bytes),
        _at_most("rss_bytes", expected.memory_bytes, point.rss_bytes),
    )
    return Check(name, point, figures)


def _at_most(name: str, predicted: Range, measured: float) -> Held:
    return Held(name, predicted, measured, measured <= predicted.high)


def measure(engine: Engine, wish: Wish, progress: Progress = lambda done, total: None) -> Point:
    """An embedded store with a sample in a temporary folder: filled, indexed, then searched by another process."""
    import numpy as np

    from bouba.plan.sample import sample

    rows, queries = sample(wish.items + INSERTS, QUERIES, wish.dims)
    rows, later = rows[: wish.items], rows
    with tempfile.TemporaryDirectory(prefix="bouba-plan-") as name:
        folder, uri = Path(name), _uri(engine, Path(name) / "gallery")
        np.save(folder / "rows.npy", rows)
        np.save(folder / "queries.npy", queries)
        build = _built(uri, rows, progress)
        served = _served(uri, folder)
        disk = _bytes_below(folder / "gallery")
        inserts = _inserted(uri, later, wish.items)
    exact = _exact(rows, queries)
    shared = [len(set(found) & best) / len(best) for found, best in zip(served["found"], exact, strict=True)]
    p50, p95 = (float(one) for one in np.percentile(served["ms"], (50, 95)))
    return Point(wish.items, build, disk, served["rss_bytes"], p50, p95, float(np.mean(shared)), inserts)


def _uri(engine: Engine, folder: Path) -> str:
    return "memory://" if engine.store == "memory" else engine.uri.replace("FOLDER", str(folder))


def _built(uri: str, rows: Vectors, progress: Progress) -> float:
    from bouba.plan.sample import sample_item
    from bouba.stores import open_store

    started = time.perf_counter()
    with closing(open_store(uri, rows.shape[1])) as store:
        store.write_meta({"format": 1})
        for at in range(0, len(rows), BATCH):
            block = rows[at : at + BATCH]
            store.upsert([sample_item(at + n) for n in range(len(block))], block)
            progress(at + len(block), len(rows))
        store.maintain()
    return time.perf_counter() - started


def _inserted(uri: str, rows: Vectors, start: int) -> float:
    """Items a second, in small batches, into a store that holds the first `start`."""
    from bouba.plan.sample import sample_item
    from bouba.stores import open_store

    with closing(open_store(uri, rows.shape[1])) as store:
        started = time.perf_counter()
        for at in range(start, len(rows), INSERT_BATCH):
            block = rows[at : at + INSERT_BATCH]
            store.upsert([sample_item(at + n) for n in range(len(block))], block)
        return (len(rows) - start) / (time.perf_counter() - started)


def _served(uri: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bouba.plan.serving", uri, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlanError(f"The sample at {uri} could not be searched: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


def _exact(rows: Vectors, queries: Vectors) -> list[set[str]]:
    from bouba.plan.sample import sample_item
    from bouba.plan.serving import K
    from bouba.ranking.codes import best_scored

    best = best_scored(queries @ rows.T, K)
    return [{sample_item(int(row)).id for row in some} for some in best]


def _bytes_below(folder: Path) -> int:
    return sum(os.stat(Path(at) / name).st_size for at, _, names in os.walk(folder) for name in names)
