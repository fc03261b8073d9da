"""Pictures of the validation set that training sees too: the same bytes, or the same picture saved anew.

Two steps, because a perceptual hash alone takes any two shoes on white for one. The hash picks candidates; of these,
pairs stay whose 16 x 16 colour miniatures, set to mean 0 and spread 1, differ nowhere much. So a print on the same
T-shirt is another picture. Found: other formats, sizes and qualities, a little more light; at half the size of a
thumbnail four in five. Not found: copies that are cropped by a percent or more, turned or mirrored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from bouba.errors import MediaError, TrainingError
from bouba.media import decode_image, perceptual_hash
from bouba.training.data.records import Record

MAX_DISTANCE = 6  # bits of 64; JPEG at quality 20 moves up to 5
_MAX_DIFFERENCE = (
    0.5  # spreads. JPEG at quality 20 makes 0.25, seldom 0.5; look-alikes among web photos have 0.67 or more
)
_MIN_BITS = 20  # a picture with structure sets 27 to 32; a plain one 0, as any other plain one
_SIDE = 16  # of the miniature
_DECODED_SIDE = 64  # what the hash is computed from
_BLOCK = 4096
_AHEAD = 256  # records handed to the workers at once

Advance = Callable[[int], None]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Leak:
    """A training record and the validation record that shows the same."""

    train: Record
    val: Record
    distance: int | None  # bits between the perceptual hashes; None for the same bytes

    def __str__(self) -> str:
        how = "the same bytes" if self.distance is None else f"looks the same, {self.distance} of 64 bits differ"
        return f"{_name(self.train)} and {_name(self.val)} ({how})"


@dataclass(frozen=True, slots=True)
class _Print:
    digests: tuple[bytes, ...]  # of what could be read: picture, sound
    flaw: str  # why the picture or the sound cannot be used
    phash: int | None  # None without a picture, and for one too plain to tell from another
    look: npt.NDArray[np.uint8] | None  # [768]


def find_leaks(
    train: Sequence[Record],
    val: Sequence[Record],
    *,
    max_distance: int = MAX_DISTANCE,
    advance: Advance = lambda count: None,
    broken: Callable[[Record, str], None] = lambda record, why: None,
) -> list[Leak]:
    """One for every training record that shows or sounds what a validation record does, in order.

    Reads every medium once, on all cores, and tells `advance` how many records are done; takes about 1 KB a picture
    while it runs. What can't be read is left out, and `broken` is told: it can't be trained on either."""
    val_prints = list(_prints(val, advance, broken))
    train_prints = list(_prints(train, advance, broken))
    leaks = {i: Leak(train[i], val[j], None) for i, j in _same_bytes(train_prints, val_prints)}
    for i, j, distance in _look_alikes(train_prints, val_prints, max_distance):
        leaks.setdefault(i, Leak(train[i], val[j], distance))
    return [leaks[i] for i in sorted(leaks)]


def leaking(leaks: Sequence[str], records: int) -> TrainingError:
    """The refusal of `leaks`, in words, of that many training records."""
    examples = "; ".join(leaks[:3]) + "; ..." * (len(leaks) > 3)
    return TrainingError(
        f"{len(leaks)} of {records} training records are in the validation set too: {examples}. What is "
        "learned by heart can't be judged: remove one of each two, or give both the same item in an item column."
    )


def _name(record: Record) -> str:
    shown = record.image or record.audio
    return shown.name if shown else record.item


def _prints(records: Sequence[Record], advance: Advance, broken: Callable[[Record, str], None]) -> Iterator[_Print]:
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        for start in range(0, len(records), _AHEAD):
            some = records[start : start + _AHEAD]
            for record, made in zip(some, pool.map(_print, some), strict=True):
                if made.flaw:
                    broken(record, made.flaw)
                yield made
            advance(len(some))


def _print(record: Record) -> _Print:
    digests: list[bytes] = []
    try:
        for medium in (record.audio, record.image):
            if medium:
                data = medium.read()
                digests.append(hashlib.sha256(data).digest())
        phash, look = _appearance(data) if record.image else (None, None)  # the loop ends with the picture
    except MediaError as error:
        return _Print(tuple(digests), str(error), None, None)
    return _Print(tuple(digests), "", phash, look)


def _appearance(picture: bytes) -> tuple[int | None, npt.NDArray[np.uint8] | None]:
    rgb = decode_image(picture, side=_DECODED_SIDE).rgb
    phash = int(perceptual_hash(rgb), 16)
    if phash.bit_count() < _MIN_BITS:
        return None, None
    return phash, np.asarray(rgb.resize((_SIDE, _SIDE), Image.Resampling.BOX)).reshape(-1)


def _same_bytes(train: Sequence[_Print], val: Sequence[_Print]) -> Iterator[tuple[int, int]]:
    owners = {digest: j for j in reversed(range(len(val))) for digest in val[j].digests}
    for i, own in enumerate(train):
        if found := [owners[digest] for digest in own.digests if digest in owners]:
            yield i, found[0]


def _look_alikes(train: Sequence[_Print], val: Sequence[_Print], max_distance: int) -> Iterator[tuple[int, int, int]]:
    """(train, val, bits): for every training record that has one, the nearest that agrees in hash and miniature."""
    rows = np.array([i for i, p in enumerate(train) if p.phash is not None], np.int64)
    columns = np.array([j for j, p in enumerate(val) if p.phash is not None], np.int64)
    shown = [val[j] for j in columns]
    val_signs, val_looks = _signs(shown), _levelled(shown)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        own = [train[i] for i in block]
        # Of rows of +1 and -1 the product is 64 - 2 x the bits that differ.
        bits = np.asarray((64 - _signs(own) @ val_signs.T) / 2, np.float32)
        for row, column in _nearest_alike(bits, _levelled(own), val_looks, max_distance):
            yield int(block[row]), int(columns[column]), int(bits[row, column])


def _nearest_alike(bits: Floats, looks: Floats, val_looks: Floats, max_distance: int) -> Iterator[tuple[int, int]]:
    """Every row's candidates by rising distance, all rows at once, each until one is alike."""
    near, far = np.nonzero(bits <= max_distance)
    far = far[np.lexsort((bits[near, far], near))]
    counts = np.bincount(near, minlength=len(bits))
    starts = np.cumsum(counts) - counts
    turn, rows = 0, np.flatnonzero(counts)
    while len(rows):
        columns = far[starts[rows] + turn]
        alike = np.abs(looks[rows] - val_looks[columns]).max(axis=1) <= _MAX_DIFFERENCE
        yield from zip(rows[alike].tolist(), columns[alike].tolist(), strict=True)
        turn += 1
        rows = rows[~alike & (counts[rows] > turn)]


def _signs(prints: Sequence[_Print]) -> Floats:
    """[n, 64] of -1 and 1."""
    words = np.array([p.phash for p in prints], ">u8")
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    return bits.astype(np.float32) * 2 - 1


def _levelled(prints: Sequence[_Print]) -> Floats:
    """[n, 768] of mean 0 and spread 1, so that a little more light is no difference."""
    looks = np.array([p.look for p in prints], np.float32).reshape(len(prints), _SIDE * _SIDE * 3)
    spread = np.maximum(looks.std(axis=1, keepdims=True), 1)
    return np.asarray((looks - looks.mean(axis=1, keepdims=True)) / spread, np.float32)
