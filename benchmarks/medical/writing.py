"""Lines of writing drawn into scans, and what is flagged where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.medical.retrieval import rows_of
from bouba.apps.medical.burned import Box, writing
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval

PICTURES = 150
SIDE = 512  # pixels, as most scanners write
SIZES = (10, 14, 20)  # points
LINES = ("DOE^JANE 1956-03-02", "MRN 00482913", "ST MARY HOSPITAL", "Smith, Anna F/45Y")
COVERED = 0.5  # share of a line's box that must be found


def written(medpix: Path) -> list[tuple[str, Mapping[str, Interval | str]]]:
    rng = np.random.default_rng(0)
    rows = rows_of(medpix, "train")
    chosen = [medpix / rows[n]["image"] for n in rng.choice(len(rows), PICTURES, replace=False)]
    scans = [Image.open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS) for path in chosen]
    found: list[tuple[str, Mapping[str, Interval | str]]] = []
    for size in SIZES:
        right = [_is_found(scan, size, rng) for scan in scans]
        found.append((f"lines of {size} points found", {"share": bootstrap_interval(np.array(right, np.float64))}))
    flagged = np.array([bool(writing(_middle(scan))) for scan in scans], np.float64)
    return [*found, ("middles of scans flagged", {"share": bootstrap_interval(flagged)})]


def _is_found(scan: Image.Image, size: int, rng: np.random.Generator) -> bool:
    picture, font = scan.copy(), ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    text = LINES[rng.integers(len(LINES))]
    place = (int(rng.choice((8, SIDE // 2))), int(rng.choice((8, SIDE - 40))))
    draw.text(place, text, fill=255, font=font)
    line = Box(*map(int, draw.textbbox(place, text, font=font)))
    return sum(_overlap(line, box) for box in writing(picture)) >= COVERED * _area(line)


def _middle(scan: Image.Image) -> Image.Image:
    """Without the edges, where MedPix has its own mark and names."""
    edge = SIDE // 5
    return scan.crop((edge, edge, SIDE - edge, SIDE - edge))


def _overlap(one: Box, other: Box) -> int:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(0, width) * max(0, height)


def _area(box: Box) -> int:
    return (box.right - box.left) * box.height
