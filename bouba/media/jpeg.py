"""How much work a JPEG is, from its markers alone (ITU-T T.81, annex B).

Pillow handles every segment of the header in Python, joining some in quadratic time. With more than one scan,
the decoder holds every coefficient of the full-size picture, even where the result is reduced, and walks over
all of them once a scan: a file of some kilobytes can keep it busy for hours."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Stuffed bytes, fill bytes and restart markers are part of the entropy-coded data.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_STANDALONE = frozenset([0x01, 0xD8])  # TEM, SOI: no length follows
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn; the others are tables
_SEQUENTIAL = frozenset([0xC0, 0xC1, 0xC3, 0xC9, 0xCB])
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9


def has_endless_header(jpeg: bytes, max_segments: int, max_junk_bytes: int) -> bool:
    """Whether more segments, or more bytes between them, than that come before the first scan."""
    junk_bytes = 0
    for count, (junk, code, _) in enumerate(_segments(jpeg), 1):
        junk_bytes += junk
        if count > max_segments or junk_bytes > max_junk_bytes:
            return True
        if code == _START_OF_SCAN:
            return False
    return len(jpeg) > max_junk_bytes  # no scan at all


def count_scans(jpeg: bytes, limit: int) -> int:
    """Scans of the first picture in the file, counted no further than `limit`."""
    scans, components, sequential = 0, 0, False
    for _, code, body in _segments(jpeg):
        if code in _FRAMES and len(body) > 5:
            components, sequential = body[5], code in _SEQUENTIAL
        elif code == _START_OF_SCAN:
            scans += 1
            if scans >= limit or (sequential and body[:1] == bytes([components])):
                break  # a sequential scan of all components is the whole picture
    return scans


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(bytes skipped before it, marker code, body) of every segment as far as the end of the first picture."""
    position = 2
    while found := _MARKER.search(jpeg, position):
        junk = found.start() - position
        code, position = jpeg[found.start() + 1], found.end()
        if code == _END_OF_IMAGE:
            return
        if code in _STANDALONE:
            continue
        length = max(2, int.from_bytes(jpeg[position : position + 2]))
        yield junk, code, jpeg[position + 2 : position + length]
        position += length
