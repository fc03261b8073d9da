"""Both sides of a copy compared: by range of ids, and where a range differs, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bouba.copying.checksum import Tallies, fields_text, range_of
from bouba.errors import GalleryBroken

if TYPE_CHECKING:
    from bouba.copying.ends import Batch, Destination, Source


def verify(source: Source, destination: Destination, written: Tallies, read: Tallies) -> None:
    """Raises GalleryBroken, with the ranges and how many items of the first one differ."""
    wrong = written.differing(read)
    if not wrong:
        return
    ranges = f"{len(wrong)} of {len({*written, *read})} ranges of ids"
    told = _told(source, destination, wrong[0])
    raise GalleryBroken(
        f"{destination.uri} is not what was copied from {source.uri}: {ranges} differ. Of the {told} "
        "The same command compares item by item and writes anew what differs."
    )


def _told(source: Source, destination: Destination, name: str) -> str:
    ours, theirs = (dict(_in_range(scan, name)) for scan in (source.scan(), destination.scan()))
    both = [id for id in ours if id in theirs]
    fields = sum(ours[id][0] != theirs[id][0] for id in both)
    rows = sum(ours[id][1] != theirs[id][1] for id in both)
    counts = {
        "missing": len(ours) - len(both),
        "too many": len(theirs) - len(both),
        "with other fields": fields,
        "with another vector": rows,
    }
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    why = ", ".join(told) or "none differs by now: something changed them meanwhile"
    return f"{len(ours):,} items {name}...: {why}."


def _in_range(batches: Iterator[Batch], name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for batch in batches:
        for item, row in zip(batch.items, batch.rows, strict=True):
            if range_of(item.id) == name:
                yield item.id, (hash(fields_text(item)), hash(row.tobytes()))
