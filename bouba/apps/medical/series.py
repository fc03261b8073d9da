"""A series -> the slices that stand for it.

The rule: localizers count only where there is nothing else; slices are put in order by their place along the normal
of the planes, else by instance number; a file of several frames is as many slices, in their order. Of n slices k stand
for the series, those in the middle of k equal parts of it: never the ends, where there is least to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bouba.apps.medical.header import Header


class Slice(NamedTuple):
    file: int  # its index among the headers
    frame: int  # within the file, from 0
    number: int  # within the series in order, from 1


def representatives(headers: Sequence[Header], most: int) -> list[Slice]:
    """At most so many slices of one series, in order."""
    planes = in_order(headers)
    return [planes[place] for place in middles(len(planes), most)]


def in_order(headers: Sequence[Header]) -> list[Slice]:
    files = [n for n, one in enumerate(headers) if not one.localizer] or list(range(len(headers)))
    placed = all(headers[n].place is not None for n in files)
    files.sort(key=lambda n: (headers[n].place if placed else 0.0, headers[n].number, n))
    planes = [(n, frame) for n in files for frame in range(headers[n].frames)]
    return [Slice(n, frame, number) for number, (n, frame) in enumerate(planes, 1)]


def middles(count: int, most: int) -> list[int]:
    """Indices of the middles of `most` equal parts of `count`: of 10 and 3, [1, 5, 8]."""
    most = min(count, most)
    return [int((2 * part + 1) * count / (2 * most)) for part in range(most)]
