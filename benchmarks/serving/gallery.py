"""A gallery of synthetic items to be served, and questions to it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import bouba
from benchmarks.scale.corpus import Corpus
from benchmarks.scale.whole import COLOURS, PLACES, THINGS, fill
from bouba.errors import BoubaError

PHOTO = (640, 480)  # pixels
PHOTOS = 16
HITS = 24
BOUNDARY = "bouba-benchmark"


def made(scratch: Path, items: int) -> Path:
    """A gallery of so many items under the built-in model's name, with full text, as `add` leaves it; reused if it is
    there. What is found in it means nothing, how long it takes does."""
    place = scratch / f"serving-{items}.gallery"
    if place.exists():
        if _count(place) == items:
            return place
        shutil.rmtree(place)
    fill(place, Corpus.prepare(scratch, items, 0))
    return place


def _count(place: Path) -> int:
    try:
        with bouba.open(place, must_exist=True) as gallery:
            return len(gallery)
    except BoubaError:  # half made, or of another bouba
        return 0


def texts() -> list[bytes]:
    """Requests, as they are sent."""
    asked = [f"a {colour} {thing} {place}" for colour in COLOURS for thing in THINGS for place in PLACES]
    return [
        _request("application/json", json.dumps({"query": {"text": text}, "k": HITS}).encode())
        for text in np.random.default_rng(0).permutation(asked).tolist()
    ]


def pictures() -> list[bytes]:
    """JPEGs of the size of a phone's preview, with as much in them as photos have (about 60 kB)."""
    return [_request(f"multipart/form-data; boundary={BOUNDARY}", _form(_photo(seed))) for seed in range(PHOTOS)]


def _request(media_type: str, body: bytes) -> bytes:
    head = (
        f"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _form(photo: bytes) -> bytes:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    head = f'{part}k"\r\n\r\n{HITS}\r\n{part}image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def _photo(seed: int) -> bytes:
    """Noise at every scale, which falls with the frequency as it does in photos (Field, 1987)."""
    rng = np.random.default_rng(seed)
    mixed = np.zeros((PHOTO[1], PHOTO[0], 3), np.float32)
    for halvings in range(8):
        size = (PHOTO[1] >> halvings, PHOTO[0] >> halvings, 3)
        noise = Image.fromarray(rng.integers(0, 256, size, np.uint8)).resize(PHOTO)
        mixed += (np.asarray(noise, np.float32) - 127.5) * (2**halvings / 127.5)
    mixed = np.clip(127.5 + mixed, 0, 255)
    out = io.BytesIO()
    Image.fromarray(mixed.astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()
