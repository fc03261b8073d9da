"""Writing in a picture: found by the shapes of letters, and masked.

No reader of text: what is looked for are rows of small, sharply edged marks of one height that stand out from what
is around them, as letters do that a machine wrote into a scan. What it finds and what it misses:
`python -m benchmarks.medical`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_HEIGHTS = (5, 48)  # pixels of a letter
_FILLED = (0.12, 0.92)  # share of its box that a letter fills
_WIDEST = 2.0  # times its height; a letter that runs into the next one is wider than one alone
_CONTRAST = 60.0  # of 255, between a letter and what is around it
_SHARP = 0.45  # share of that contrast that lies within one pixel of a letter's edge
_FEWEST = 3  # letters of a line


class Box(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        return self.bottom - self.top


def writing(picture: Image) -> tuple[Box, ...]:
    """The lines of writing in it, as boxes in pixels; none where there is none."""
    grey = np.asarray(picture.convert("L"), np.float32)
    if min(grey.shape) < 2 * _HEIGHTS[0]:
        return ()
    found = [*_lines(_letters(grey)), *_lines(_letters(255 - grey))]
    return tuple(sorted(set(found)))


def masked(picture: Image, boxes: Iterable[Box]) -> Image:
    """A copy with the boxes filled in black, and a little around them."""
    from PIL import ImageDraw

    copy = picture.copy()
    draw = ImageDraw.Draw(copy)
    for box in boxes:
        edge = max(2, box.height // 4)
        draw.rectangle((box.left - edge, box.top - edge, box.right + edge, box.bottom + edge), fill=0)
    return copy


def _letters(grey: Grey) -> list[Box]:
    """Marks brighter than what is around them, of the size and sharpness of letters."""
    from scipy import ndimage

    around = ndimage.grey_opening(grey, size=(15, 15))
    raised = grey - around
    steep = ndimage.morphological_gradient(grey, size=(3, 3))
    labels, _ = ndimage.label(raised > _CONTRAST, structure=np.ones((3, 3)))
    boxes = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        box = Box(place[1].start, place[0].start, place[1].stop, place[0].stop)
        if _letter_like(box, labels[place] == number, raised[place], steep[place]):
            boxes.append(box)
    return boxes


def _letter_like(box: Box, mark: Mask, raised: Grey, steep: Grey) -> bool:
    height, width = mark.shape
    if not _HEIGHTS[0] <= height <= _HEIGHTS[1] or width > _WIDEST * height:
        return False
    if not _FILLED[0] <= mark.mean() <= 1 or (mark.mean() > _FILLED[1] and width > height / 3):
        return False
    edge = mark & ~_inner(mark)
    return bool(np.median(steep[edge]) >= _SHARP * np.max(raised[mark]))


def _inner(mark: Mask) -> Mask:
    """Without the pixels at its edge."""
    padded = np.pad(mark, 1)
    return mark & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _lines(letters: Sequence[Box]) -> list[Box]:
    """Rows of letters of about one height, near each other, that stand on one line."""
    waiting = sorted(letters)
    lines = []
    while waiting:
        line = [waiting.pop(0)]
        for box in list(waiting):
            if _continues(line, box):
                line.append(box)
                waiting.remove(box)
        if len(line) >= _FEWEST:
            lefts, tops, rights, bottoms = zip(*line, strict=True)
            lines.append(Box(min(lefts), min(tops), max(rights), max(bottoms)))
    return lines


def _continues(line: Sequence[Box], box: Box) -> bool:
    last = line[-1]
    tallest = max(last.height, box.height)
    near = -tallest / 2 <= box.left - last.right <= 1.5 * tallest
    alike = min(last.height, box.height) >= 0.6 * tallest
    level = min(abs(box.bottom - last.bottom), abs(box.top - last.top)) <= max(1, 0.2 * tallest)
    return near and alike and level
