"""How many questions a server answers, how fast, and what it does when there are too many.

    python -m benchmarks.serving [--items N] [--seconds S] [--minutes M] [--scratch FOLDER] [--json]

`bouba serve` runs in a process of its own, on a gallery of synthetic items; the clients are in this one, over
connections that are kept alive. Each asks for 24 hits, by a text (JSON), or by a picture (a JPEG of 640 x 480 as
multipart).

1. Throughput and latency at 1, 8, 32 and 128 clients, each of which asks again as soon as it is answered.
2. What sharing batches gains: throughput at 32 clients with it and without (`--no-batching`), in alternation.
3. Four times as many requests a second as it answers at 32 clients, for M minutes, sent whether it answers or not:
   which statuses come back, and the server's memory once a second (without the first tenth, in which caches fill).
4. Killed (SIGKILL) under load and started again, three times: the longest time until it is ready.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.serving import gallery
from benchmarks.serving.measure import CLIENTS, batching, overload, restarts, scaling

PARTS = ("scaling", "batching", "overload", "restarts")


def main() -> None:
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = gallery.made(arguments.scratch or Path(temporary), arguments.items)
        requests = {"text": gallery.texts(), "picture": gallery.pictures()}
        measures: Mapping[str, Any] = {
            "scaling": lambda: scaling(place, requests, arguments.seconds),
            "batching": lambda: batching(place, requests, arguments.seconds),
            "overload": lambda: overload(place, requests["text"], arguments.minutes),
            "restarts": lambda: restarts(place, requests["text"]),
        }
        measured = {"items": arguments.items, **{part: measures[part]() for part in arguments.parts}}
    print(json.dumps(measured) if arguments.json else table(measured))


def table(measured: Mapping[str, Any]) -> str:
    writers = {"scaling": _scaling, "batching": _batching, "overload": _overload, "restarts": _restarts}
    lines = [f"{measured['items']:,} items"]
    for part, write in writers.items():
        if part in measured:
            lines += ["", *write(measured[part])]
    return "\n".join(lines)


def _scaling(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [f"{'question':<10}{'clients':>8}{'a second':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}  statuses"]
    for kind, by_clients in rows.items():
        for clients in map(str, CLIENTS):
            row = by_clients[clients]
            times = "".join(f"{row[name]:>9.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
            lines.append(f"{kind:<10}{clients:>8}{row['per_second']:>10.1f}{times}  {_counts(row)}")
    return lines


def _batching(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = [f"{'32 clients':<18}{'batching':>10}{'alone':>10}{'ratio':>8}"]
    for kind, row in rows.items():
        lines.append(f"{kind + ', a second':<18}{row['with']:>10.1f}{row['without']:>10.1f}{row['ratio']:>8.2f}")
    return lines


def _overload(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['minutes']:g} minutes of {4 * row['capacity_per_second']:.0f} requests a second, 4 x what it answers",
        f"  statuses        {_counts(row)}; {row['unsent']:,} not sent, for want of connections",
        f"  answered        {row['per_second']:.1f} a second, p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms",
        f"  memory          {row['rss_mb_first']:.0f} MB at first, {row['rss_mb_last']:.0f} MB at last, "
        f"max/min {row['rss_max_by_min']:.3f}, slope {row['rss_mb_a_minute']:+.2f} MB a minute",
    ]


def _restarts(row: Mapping[str, Any]) -> list[str]:
    return [f"killed and started {row['restarts']} times: ready after {row['ready_s']:.2f} s, "
            f"first answer after {row['first_answer_s']:.2f} s (the longest)"]  # fmt: skip


def _counts(row: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{count:,} x {'no answer' if status == '0' else status}" for status, count in row["statuses"].items()
    )


def _parser() -> argparse.ArgumentParser:
    kinds = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__, formatter_class=kinds)
    parser.add_argument("--items", type=int, default=100_000, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each figure; default %(default)s")
    parser.add_argument("--minutes", type=float, default=10.0, help="of overload; default %(default)s")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--scratch", type=Path, help="where the gallery is made, and found again")
    parser.add_argument("--json", action="store_true")
    return parser


def _parts(text: str) -> list[str]:
    unknown = sorted(set(text.split(",")) - set(PARTS))
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return text.split(",")


if __name__ == "__main__":
    main()
