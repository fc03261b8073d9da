"""Which records are held out, by a hash of their item."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bouba.errors import TrainingError
from bouba.training.data.records import Record


def split_by_item(records: Sequence[Record], held_out: float, seed: int) -> tuple[list[Record], list[Record]]:
    """(train, val): every record of an item on one side, whatever else is in the set.

    An item is held out where the hash of its name, as a number in [0, 1), lies below `held_out`: records added later
    move no other, and the share is met only about. Raises TrainingError where a side would be empty."""
    if not 0 < held_out < 1:
        raise TrainingError(f"held_out = {held_out:g} is not a share between 0 and 1.")
    val_items = {item for item in {record.item for record in records} if _place(item, seed) < held_out}
    train = [record for record in records if record.item not in val_items]
    val = [record for record in records if record.item in val_items]
    if not train or not val:
        items = len({record.item for record in records})
        raise TrainingError(
            f"held_out = {held_out:g} of {items} item{'s' * (items != 1)} leaves {len(train)} records to train and "
            f"{len(val)} to validate. Change held_out or the seed, or name an item column with more values."
        )
    return train, val


def _place(item: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}\0{item}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56  # what a float holds exactly
