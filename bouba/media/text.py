"""A query's or a caption's words -> clean, composed text."""

from __future__ import annotations

import unicodedata

from bouba.errors import MediaEmpty, MediaTooLarge, MediaUnsupported

_MARKS_MAX = 30  # of UAX #15, "Stream-Safe Text Format"; the longest run in real text has fewer than 20


def load_text(text: str, max_chars: int = 100_000) -> str:
    """NFC-normalised and stripped, without control characters and lone surrogates; white space becomes spaces.

    Raises MediaUnsupported for anything but str, MediaTooLarge over `max_chars`, MediaEmpty if nothing is left."""
    if not isinstance(text, str):
        raise MediaUnsupported(f"{type(text).__name__} is not text: give a str (bytes must be decoded first).")
    if len(text) > max_chars:
        raise MediaTooLarge(f"text of {len(text):,} characters, the limit is {max_chars:,}. Shorten it.")
    # UTF-16 joins surrogate pairs, as JSON escapes leave them, to the character they mean and drops lone ones.
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    spaced = "".join(" " if c.isspace() else c for c in joined if c.isspace() or unicodedata.category(c) != "Cc")
    clean = unicodedata.normalize("NFC", _stream_safe(spaced)).strip()
    if not clean:
        raise MediaEmpty("text with nothing in it: write at least one word.")
    return clean


def _stream_safe(text: str) -> str:
    """Without the combining marks after the 30th of a run: sorting a run takes time quadratic in its length."""
    kept: list[str] = []
    run = 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run <= _MARKS_MAX:
            kept.append(char)
    return "".join(kept)
