"""All contenders on one number of items, in one run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.contenders import STORES, Skipped
from benchmarks.scale.corpus import Corpus
from benchmarks.scale.libraries import EXACT
from benchmarks.scale.timing import bytes_below, children_bytes, clock

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
Row = dict[str, Any]


def compare(stores: Sequence[str], libraries: Sequence[str], corpus: Corpus, scratch: Path) -> dict[str, Row]:
    """A row each; of one that cannot be run, why."""
    measured = {name: partial(_store, name, corpus, scratch) for name in stores}
    measured |= {name: partial(_library, name, corpus) for name in libraries}
    return {name: _row(corpus, measure) for name, measure in measured.items()}


def _row(corpus: Corpus, measure: Callable[[], Row]) -> Row:
    """With the exact scan before and after it, so that both saw the same machine."""
    exact = _exact_ms(corpus)
    try:
        row = measure()
    except Skipped as reason:
        return {"skipped": str(reason)}
    exact_p50 = float(np.median([*exact, *_exact_ms(corpus)]))
    return {**row, "exact_p50_ms": exact_p50, "times_faster": exact_p50 / row["p50_ms"]}


def _store(name: str, corpus: Corpus, scratch: Path) -> Row:
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
    try:
        with STORES[name].place(folder) as uri:
            row = stage("fill", uri, corpus)
            if settle := STORES[name].settle:
                row["settle_s"] = clock(partial(settle, uri)) / 1000
            row["disk_mb"] = bytes_below(folder) / 1e6
            row |= stage("serve", uri, corpus)
            row["rss_mb"] += children_bytes() / 1e6  # a server's
            return row | stage("change", uri, corpus)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exact_ms(corpus: Corpus) -> list[float]:
    times: list[float] = _run("benchmarks.scale.libraries", [EXACT], corpus)["ms"]
    return times


def _library(name: str, corpus: Corpus) -> Row:
    return _run("benchmarks.scale.libraries", [name], corpus)


def stage(name: str, uri: str, corpus: Corpus) -> Row:
    return _run("benchmarks.scale.stages", [name, uri], corpus)


def _run(module: str, arguments: Sequence[str], corpus: Corpus) -> Row:
    of = [str(corpus.folder), str(corpus.items), str(corpus.queries)]
    command = [sys.executable, "-m", module, *arguments, *of]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD, check=False)
    if ended.returncode:
        raise Skipped(f"{arguments[0]} ended with status {ended.returncode}; see above")
    measured: Row = json.loads(ended.stdout.splitlines()[-1])
    return measured
