"""How often somebody may ask: token buckets (RFC 2697's idea: so many a minute, and so many at once)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_BUCKETS = 10_000  # some 200 bytes each


class Buckets:
    """One bucket for each name. Beyond `most`, the one not asked for longest is forgotten: it is full again by then,
    or somebody with very many names is at work, against whom only a limit on all would help."""

    def __init__(self, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def take(self, name: str, a_minute: float, burst: float) -> float:
        """Takes a token. 0, or for how many seconds there is none."""
        now = self._clock()
        tokens, counted = self._left.get(name, (burst, now))
        tokens = min(burst, tokens + (now - counted) * a_minute / 60)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) * 60 / a_minute
        self._left[name] = (tokens if wait_s else tokens - 1, now)
        self._left.move_to_end(name)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._left)
