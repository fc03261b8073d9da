"""A result as one picture: rows of thumbnails with rank, score and file name."""

from __future__ import annotations

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


def contact_sheet(result: Result, title: str = "") -> Image.Image:
    """An RGB picture of all hits, best first, left to right and down."""
    columns = max(1, min(COLUMNS, len(result)))
    rows = max(1, -(-len(result) // columns))
    top = GAP + (LABEL if title else 0)
    size = (GAP + columns * (CELL + GAP), top + rows * (CELL + LABEL + GAP))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((GAP, GAP), _shortened(draw, title, 18, size[0] - 2 * GAP), _INK, _font(18))
    for n, hit in enumerate(result):
        x = GAP + (n % columns) * (CELL + GAP)
        y = top + (n // columns) * (CELL + LABEL + GAP)
        _draw_cell(sheet, draw, (x, y), hit, result.thumbnail(hit.id))
    return sheet


def save_sheet(result: Result, path: Path, title: str = "") -> None:
    """Write the sheet in the format that the file name's ending asks for. Raises StoreUnavailable."""
    try:
        contact_sheet(result, title).save(path)
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"The sheet cannot be written to {path}: {error}. Try another name.png.") from error


def _draw_cell(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], hit: Hit, jpeg: bytes | None
) -> None:
    x, y = at
    if jpeg is not None:
        with Image.open(BytesIO(jpeg)) as thumbnail:
            thumbnail.thumbnail((CELL, CELL))
            sheet.paste(thumbnail, (x + (CELL - thumbnail.width) // 2, y + (CELL - thumbnail.height) // 2))
    else:
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), outline=_FAINT)
    draw.text((x, y + CELL + 4), f"{hit.rank}   {hit.score:.3f}", _INK, _font(15))
    name = PurePosixPath(hit.path.replace("\\", "/")).name or hit.id
    draw.text((x, y + CELL + 22), _shortened(draw, name, 12, CELL), _FAINT, _font(12))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # the face that Pillow carries: the same on every system


def _shortened(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> str:
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", _font(size)) > width:
        text = text[:-1]
    return text + "…"
