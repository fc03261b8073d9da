"""What a run tells of itself while it works."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[str, int, int], None]  # what is done, how much of it, of how much


def counter(advance: Advance, what: str, total: int) -> Callable[[int], None]:
    """Takes how much more is done."""
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance(what, done, total)

    return count
