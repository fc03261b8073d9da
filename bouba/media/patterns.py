"""One name for many: Bash's braces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bouba.errors import ManifestError

MAX_NAMES = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def unfolded(text: str) -> Iterator[str]:
    """`shards/{00000..00099}.tar` and `{a,b}.jsonl` as Bash has them. Raises ManifestError for a range that is none."""
    found = _BRACES.search(text)
    if not found:
        yield text
        return
    for part in _alternatives(text, found[1]):
        yield from unfolded(text[: found.start()] + part + text[found.end() :])


def _alternatives(text: str, inside: str) -> list[str]:
    bounds = _RANGE.fullmatch(inside)
    if not bounds:
        return inside.split(",")
    first, last = int(bounds[1]), int(bounds[2])
    if last - first >= MAX_NAMES or last < first:
        raise ManifestError(f"{text}: {{{inside}}} is not a range of 1 to {MAX_NAMES:,} files.")
    return [str(number).zfill(len(bounds[1])) for number in range(first, last + 1)]
