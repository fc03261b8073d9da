"""What pictures a gallery holds, as a random sample of them: the background that scores are held against."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bouba.ranking.calibration import Background
from bouba.stores.where import parse_where
from bouba.types import ITEM_FIELDS

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.rows import Rows
    from bouba.stores import Store
    from bouba.types import Vectors

SAMPLE = 1000  # items, about
FEWEST = 256  # below, pictures of all kinds fill up the sample
STALE = 0.05  # share of the items that may come or go before another sample is taken
STALE_S = 60.0  # how long fewer changes go unseen


@dataclass(frozen=True, slots=True)
class Population:
    """A gallery at one moment."""

    items: int
    rows: Vectors  # of the sample [n, length], as they are stored
    filling: Vectors  # of pictures of all kinds, where the sample is small
    at: float  # monotonic seconds

    def background(self, query: Vectors) -> Background | None:
        """Of a query as it is put to the store [length]; None where nothing is known."""
        scores = np.concatenate([self.rows @ query, self.filling @ query])
        return Background.of(scores) if len(scores) else None


class Sample:
    """A gallery's population, kept in memory and taken anew as items come and go.

    An item's id is a hash of its content, so the lowest ids are a random sample, for which the store keeps nothing."""

    def __init__(self, store: Store, rows: Rows, model: Model) -> None:
        self._store, self._layout, self._model = store, rows, model
        self._taking = threading.Lock()
        self._taken: Population | None = None

    def now(self) -> Population:
        with self._taking:
            items = self._store.count()
            if self._taken is None or _outdated(self._taken, items):
                self._taken = self._take(items)
            return self._taken

    @cached_property
    def _others(self) -> Vectors:
        """Rows of pictures of all kinds; read when first needed, for their hub biases cost a product with the bank."""
        others = self._model.background
        return self._layout.pack(others) if others is not None else np.empty((0, self._layout.length), np.float32)

    def world(self) -> Vectors:
        """Rows [n, length] of pictures of all kinds; the gallery's own where the model knows no others."""
        return self._others if len(self._others) else self.now().rows

    def vectors(self) -> Vectors:
        """Unit vectors [n, dim] of the gallery's own items in the sample."""
        return self._layout.vectors(self.now().rows)

    def _take(self, items: int) -> Population:
        share = min(1.0, SAMPLE / max(items, 1))
        where = parse_where(f'id < "{int(share * 0xFFFFFFFF):08x}"', ITEM_FIELDS) if share < 1 else None
        blocks = [rows for _, rows in self._store.scan(where)]
        rows = np.concatenate(blocks) if blocks else np.empty((0, self._layout.length), np.float32)
        missing = max(0, FEWEST - len(rows))
        filling = self._others[:missing] if missing else np.empty((0, self._layout.length), np.float32)
        return Population(items, rows, filling, time.monotonic())


def _outdated(taken: Population, items: int) -> bool:
    change = abs(items - taken.items)
    return change > STALE * taken.items or (change > 0 and time.monotonic() - taken.at > STALE_S)
