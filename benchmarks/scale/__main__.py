"""The stores beside an exact scan and faiss, on vectors like a model's.

    python -m benchmarks.scale [--items N] [--stores lance,zvec,milvus-lite,milvus] [--json]
    python -m benchmarks.scale --growth [--plot FILE.svg]      several sizes, and how time grows with them
    python -m benchmarks.scale --end-to-end [--items N]        text queries through Gallery.search
    python -m benchmarks.scale --imitation --data FOLDER       the vectors beside those of the built-in model

Each store is filled in large commits and indexed, then opened by a fresh process that only answers, then changed in
small commits alone and beside searches. The exact scan (numpy, one thread) is timed before and after each, so that
`times_faster` compares times of one machine in one state. `open_and_first_query_s` begins when Python and numpy are
loaded and includes the engine's import. faiss answers without records or filters, in memory; its search effort is the
least that finds 97 of 100. faiss' HNSW takes many minutes to build beyond 100,000 items: --faiss-hnsw.
Vectors are made once and kept in --scratch: 2.1 GB for a million.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.scale import growth, imitation, whole
from benchmarks.scale.compare import Row, compare
from benchmarks.scale.contenders import HNSW_MOST, LIBRARIES, STORES
from benchmarks.scale.corpus import FILTERS, QUERIES, Corpus
from benchmarks.scale.stages import SPARE

DEFAULT_DATA = Path(__file__).parents[3] / "shared" / "data"
SIZES = (10_000, 100_000, 1_000_000)
LINES: Mapping[str, tuple[str, str]] = {
    "build_s": ("build, s", ".1f"),
    "settle_s": ("server indexing after it, s", ".0f"),
    "disk_mb": ("on disk, MB", ".0f"),
    "rss_mb": ("serving, MB of memory", ".0f"),
    "open_and_first_query_s": ("open + first query, s", ".2f"),
    "recall@10": ("recall@10", ".3f"),
    "p50_ms": ("top 10: p50, ms", ".1f"),
    "p95_ms": ("p95", ".1f"),
    "p99_ms": ("p99", ".1f"),
    "recall@100": ("recall@100", ".3f"),
    "top100_p50_ms": ("top 100: p50, ms", ".1f"),
    "top100_p95_ms": ("p95", ".1f"),
    "top100_p99_ms": ("p99", ".1f"),
    **{f"{name}_recall@10": (f"filter {name}: recall@10", ".3f") for name in FILTERS if name},
    **{f"{name}_p50_ms": (f"filter {name}: p50, ms", ".1f") for name in FILTERS if name},
    "inserts_per_s": ("inserts/s, commits of 512", ".0f"),
    "inserts_per_s_while_searching": ("inserts/s while searching", ".0f"),
    "p50_ms_while_inserting": ("p50 while inserting, ms", ".1f"),
    "p50_ms_during_upkeep": ("p50 during upkeep, ms", ".1f"),
    "p50_ms_after": ("p50 after it, ms", ".1f"),
    "exact_p50_ms": ("exact scan, one thread, ms", ".1f"),
    "times_faster": ("times faster than that", ".1f"),
}


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.imitation:
        imitation.show(arguments.data)
        return
    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.scratch or Path(temporary)
        sizes = [n for n in SIZES if n <= (arguments.items or SIZES[-1])] if arguments.growth else []
        largest = arguments.items or (max(sizes) if sizes else 1_000_000)
        corpus = Corpus.prepare(scratch, largest, SPARE, arguments.queries)
        if arguments.end_to_end:
            return _print(whole.measure(corpus, scratch), arguments.json, whole.table)
        if arguments.growth:
            grown = {n: _compared(arguments, Corpus(scratch, n, arguments.queries), scratch) for n in sizes}
            return _print(growth.report(grown, arguments.plot), arguments.json, growth.table)
        _print(_compared(arguments, corpus, scratch), arguments.json, table)


def _compared(arguments: argparse.Namespace, corpus: Corpus, scratch: Path) -> dict[str, Row]:
    stores, libraries = _chosen(arguments.stores, arguments.faiss_hnsw, corpus.items)
    return compare(stores, libraries, corpus, scratch)


def _chosen(named: str | None, hnsw: bool, items: int) -> tuple[list[str], list[str]]:
    """Stores and libraries: those named, or all that can be expected to end."""
    if named is not None:
        return [n for n in named.split(",") if n in STORES], [n for n in named.split(",") if n in LIBRARIES]
    stores = [name for name, store in STORES.items() if store.most is None or items <= store.most]
    return stores, [name for name in LIBRARIES if name != "faiss-hnsw" or hnsw or items <= HNSW_MOST]


def table(rows: Mapping[str, Row]) -> str:
    """A line a measure, a column a contender."""
    names = [name for name, row in rows.items() if "skipped" not in row]
    lines = [f"{'':<28}" + "".join(f"{name:>16}" for name in names)] if names else []
    for key, (label, form) in LINES.items():
        cells = (format(rows[name][key], form) if key in rows[name] else "" for name in names)
        lines.append(f"{label:>28}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(
        [*lines, *(f"{name}: skipped: {row['skipped']}" for name, row in rows.items() if "skipped" in row)]
    )


def _print(rows: Any, as_json: bool, as_table: Callable[[Any], str]) -> None:
    print(json.dumps(rows) if as_json else as_table(rows))


def _parser() -> argparse.ArgumentParser:
    kinds = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__, formatter_class=kinds)
    parser.add_argument("--items", type=int, help="default 1,000,000; with --growth the largest size")
    parser.add_argument("--queries", type=int, default=QUERIES, help="of each kind; default %(default)s")
    parser.add_argument("--stores", type=_names, help=f"some of {','.join([*STORES, *LIBRARIES])}")
    parser.add_argument("--faiss-hnsw", action="store_true", help="build it beyond 100,000 items too")
    parser.add_argument("--scratch", type=Path, help="where vectors are kept and stores are made")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="for --imitation: flickr8k/ and web/")
    parser.add_argument("--plot", type=Path, help="with --growth: the figure, SVG or PNG")
    parser.add_argument("--json", action="store_true")
    ways = parser.add_mutually_exclusive_group()
    for way in ("growth", "end-to-end", "imitation"):
        ways.add_argument(f"--{way}", action="store_true")
    return parser


def _names(text: str) -> str:
    unknown = sorted(set(text.split(",")) - {*STORES, *LIBRARIES})
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join([*STORES, *LIBRARIES])}")
    return text


if __name__ == "__main__":
    main()
