"""What the words of a gallery's items add to an answer found by their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bouba.ranking import fusion
from bouba.stores import Found
from bouba.stores.batch import exact_scores
from bouba.stores.where.tree import And, Field, In
from bouba.types import ITEM_FIELDS

if TYPE_CHECKING:
    from bouba.ranking.calibration import Background
    from bouba.stores import Store
    from bouba.stores.where import Where
    from bouba.stores.words import Asked, Words
    from bouba.types import Vectors

DEPTH = 100  # nearest pictures whose words are looked at
CODED = 20.0  # standard deviations for an item whose code was asked: above whatever a picture can reach
_ID = Field("id", ITEM_FIELDS["id"])


@dataclass(frozen=True, slots=True)
class Wording:
    """The text of a query, and the words that a gallery knows."""

    words: Words
    asked: Asked

    @classmethod
    def of(cls, text: str, words: Words) -> Wording | None:
        """None where no item has any of the words or the code. The words must have followed the store."""
        asked = words.ask(text)
        return cls(words, asked) if asked.ids or asked.coded else None

    def fused(
        self, near: Sequence[Found], query: Vectors, background: Background, store: Store, where: Where | None
    ) -> list[Found]:
        """The nearest items and those found by words, by scores that count both; ties by id.

        `near` came from the store for `query` and the filter, which the others are held against too. A score is raised
        by the words' evidence in standard deviations of the query's `background`."""
        found = {one.item.id: one for one in near}
        named = list(dict.fromkeys((*self.asked.coded, *self.asked.ids)))
        found |= {one.item.id: one for one in _get(store, [id for id in named if id not in found], query, where)}
        items = list(found.values())
        lifts = self._evidence(items, background) * background.spread
        fused = [Found(one.item, one.score + float(lift), one.row) for one, lift in zip(items, lifts, strict=True)]
        return sorted(fused, key=lambda one: (-one.score, one.item.id))

    def _evidence(self, items: Sequence[Found], background: Background) -> fusion.Floats:
        """[n], in standard deviations."""
        asked, ids = self.asked, [one.item.id for one in items]
        texts = self.words.texts(ids)
        counts, lengths = fusion.frequencies([texts.get(id, ("", "", "")) for id in ids], asked.words)
        weights = fusion.word_weights(asked.items, asked.texts)
        relevance = fusion.bm25(counts, lengths, asked.mean_length, weights)
        covered = fusion.coverage(relevance, weights, asked.items)
        deviations = (np.array([one.score for one in items]) - background.mean) / background.spread
        by_words = np.isin(ids, asked.ids)
        agreed = fusion.agreement(covered[by_words], deviations[by_words])
        return fusion.evidence(covered, fusion.whole(counts, weights), agreed) + CODED * np.isin(ids, asked.coded)


def _get(store: Store, ids: Sequence[str], query: Vectors, where: Where | None) -> list[Found]:
    """Those of the items that are there and fit the filter, with their scores rounded as the stores round."""
    if not ids:
        return []
    batches = [store.get(ids)] if where is None else list(store.scan(And((In(_ID, tuple(ids)), where))))
    return [
        Found(item, score, row)
        for items, rows in batches
        for item, score, row in zip(items, exact_scores(rows, query).tolist(), rows, strict=True)
    ]
