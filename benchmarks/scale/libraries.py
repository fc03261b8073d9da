"""Indexes without a store around them, for scale: numpy's exact scan and faiss, on one thread.

python -m benchmarks.scale.libraries NAME FOLDER ITEMS QUERIES prints one JSON object; of the exact scan the times.
What an index can set at search time is set to the least that finds GOAL of the ten nearest of the first questions.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.scale.corpus import DEEP, Corpus, Ints, item_id
from benchmarks.scale.timing import Numbers, clock, percentiles, rss_bytes
from benchmarks.scale.vectors import ROW

if TYPE_CHECKING:
    from benchmarks.scale.corpus import Questions
    from bouba.types import Vectors

EXACT = "exact"
GOAL = 0.97
TUNED_ON = 50
BATCH = 65_536
LINKS, BUILD_DEPTH = 32, 200  # of HNSW
EXACT_TRIES = 11


def exact(corpus: Corpus, k: int = 10) -> dict[str, list[float]]:
    """numpy: every row against a question, and the k best. One thread, if the environment says so."""
    rows, questions = corpus.rows[: corpus.items], corpus.questions()

    def scan(question: Vectors) -> None:
        scores = rows @ question
        best = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
        best[np.argsort(-scores[best])]

    return {"ms": [clock(partial(scan, question)) for question in questions.rows[:EXACT_TRIES]][1:]}


def measure(name: str, corpus: Corpus) -> Numbers:
    import faiss

    faiss.omp_set_num_threads(1)
    questions = corpus.questions()
    started = time.perf_counter()
    index, turn = _BUILDERS[name](faiss, corpus)
    building = time.perf_counter() - started
    _tune(index, turn, questions)
    measured: Numbers = {"build_s": building}
    for k in (10, DEEP):
        answers = index.search(questions.rows, k)[1]
        times = [clock(partial(index.search, question[None], k)) for question in questions.rows]
        measured |= {f"recall@{k}": questions.recall("", _named(answers), k)}
        measured |= percentiles(times, "" if k == 10 else f"top{k}_")
    return {**measured, "rss_mb": rss_bytes(os.getpid()) / 1e6}


def _tune(index: Any, turn: Callable[[int], None], questions: Questions) -> None:
    for effort in (4, 8, 16, 32, 64, 128, 256, 512, 1024):
        turn(effort)
        if questions.recall("", _named(index.search(questions.rows[:TUNED_ON], 10)[1]), 10) >= GOAL:
            return


def _named(answers: Ints) -> list[list[str]]:
    return [[item_id(n) for n in answer] for answer in answers.tolist()]


def _ivf(faiss: Any, corpus: Corpus) -> tuple[Any, Callable[[int], None]]:
    lists = max(1, int(np.sqrt(corpus.items)))
    index = faiss.index_factory(ROW, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10
    index.train(np.array(corpus.rows[: min(corpus.items, 64 * lists)]))
    _add(index, corpus)
    return index, lambda effort: setattr(index, "nprobe", effort)


def _hnsw(faiss: Any, corpus: Corpus) -> tuple[Any, Callable[[int], None]]:
    index = faiss.IndexHNSWFlat(ROW, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_DEPTH
    _add(index, corpus)
    return index, lambda effort: setattr(index.hnsw, "efSearch", effort)


def _add(index: Any, corpus: Corpus) -> None:
    for start in range(0, corpus.items, BATCH):
        index.add(np.array(corpus.rows[start : min(start + BATCH, corpus.items)]))


_BUILDERS = {"faiss-ivf-sq8": _ivf, "faiss-hnsw": _hnsw}


def main() -> None:
    name, folder, items, queries = sys.argv[1:]
    corpus = Corpus(Path(folder), int(items), int(queries))
    print(json.dumps(exact(corpus) if name == EXACT else measure(name, corpus)))


if __name__ == "__main__":
    main()
