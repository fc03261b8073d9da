"""Where the data lies, and the file of each set with the column of its texts; None where its rows have captions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"
SETS: Mapping[str, tuple[str, str | None]] = {
    "flickr8k": ("flickr8k/pairs.jsonl", None),
    "web": ("web/pairs.jsonl", None),
    "objects": ("objects/labels.jsonl", "label"),
    "grocery": ("grocery/products.jsonl", "description"),
    "fashion": ("fashion/products.jsonl", "title"),
    "medpix": ("medpix/cases.jsonl", None),
}
