"""Pictures as one picture: rows of thumbnails, each with two lines below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from bouba.errors import StoreUnavailable
from bouba.types import Hit, Result

CELL = 256  # pixels, the thumbnails' own size
GAP = 12
LABEL = 40
COLUMNS = 4
_PAPER, _INK, _FAINT = "#ffffff", "#1a1a1a", "#767676"


@dataclass(frozen=True, slots=True)
class Cell:
    """One thumbnail, or an empty frame, and what stands below it."""

    jpeg: bytes | None
    head: str
    path: str  # its last part is shown


def contact_sheet(result: Result, title: str = "") -> Image.Image:
    """An RGB picture of all hits, best first, left to right and down, with rank and score."""
    cells = [Cell(result.thumbnail(hit.id), _head(hit), hit.path or hit.id) for hit in result]
    return _drawn([cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)], title)


def save_sheet(result: Result, path: Path, title: str = "") -> None:
    """Write the sheet in the format that the file name's ending asks for. Raises StoreUnavailable."""
    _save(contact_sheet(result, title), path)


def save_rows(rows: Sequence[Sequence[Cell]], path: Path, title: str = "") -> None:
    """The same for rows of any cells, each row as long as it is."""
    _save(_drawn(rows, title), path)


def _head(hit: Hit) -> str:
    copies = f"   +{len(hit.duplicates)}" if hit.duplicates else ""
    return f"{hit.rank}   {hit.score:.3f}{copies}"


def _save(sheet: Image.Image, path: Path) -> None:
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"The sheet cannot be written to {path}: {error}. Try another name.png.") from error


def _drawn(rows: Sequence[Sequence[Cell]], title: str) -> Image.Image:
    columns = max(map(len, rows), default=1)
    top = GAP + (LABEL if title else 0)
    size = (GAP + columns * (CELL + GAP), top + max(1, len(rows)) * (CELL + LABEL + GAP))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, GAP), _shortened(draw, title, 18, size[0] - 2 * GAP), _INK, _font(18))
    for down, row in enumerate(rows):
        for across, cell in enumerate(row):
            _draw_cell(sheet, draw, (GAP + across * (CELL + GAP), top + down * (CELL + LABEL + GAP)), cell)
    return sheet


def _draw_cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], cell: Cell) -> None:
    x, y = at
    if cell.jpeg is not None:
        with Image.open(BytesIO(cell.jpeg)) as thumbnail:
            thumbnail.thumbnail((CELL, CELL))
            sheet.paste(thumbnail, (x + (CELL - thumbnail.width) // 2, y + (CELL - thumbnail.height) // 2))
    else:
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), outline=_FAINT)
    draw.text((x, y + CELL + 4), _shortened(draw, cell.head, 15, CELL), _INK, _font(15))
    name = PurePosixPath(cell.path.replace("\\", "/")).name
    draw.text((x, y + CELL + 22), _shortened(draw, name, 12, CELL), _FAINT, _font(12))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # the face that Pillow carries: the same on every system


def _shortened(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> str:
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", _font(size)) > width:
        text = text[:-1]
    return text + "…"
