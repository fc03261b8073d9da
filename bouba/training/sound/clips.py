"""Recordings -> the tagger's features of their windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bouba.encoders.sound import cut
from bouba.errors import MediaError, TrainingError
from bouba.media import load_audio

if TYPE_CHECKING:
    from bouba.training.data.records import Record
    from bouba.training.towers.yamnet import SoundTower
    from bouba.types import Samples

MAX_WINDOWS = 60  # of one recording: half a minute


@dataclass(frozen=True, slots=True)
class Clips:
    """Features of windows, recording after recording."""

    features: Tensor  # float32 [windows, width]
    starts: Tensor  # int64 [clips + 1]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Features of some recordings' windows, and for each window the place of its recording in `rows`."""
        spans = [(int(self.starts[row]), int(self.starts[row + 1])) for row in rows]
        features = torch.cat([self.features[start:end] for start, end in spans])
        owners = torch.cat([torch.full((end - start,), place) for place, (start, end) in enumerate(spans)])
        return features, owners


def read_clips(
    records: Sequence[Record], tower: SoundTower, change: Callable[[Samples, int], Samples],
    advance: Callable[[int], None],
) -> Clips:  # fmt: skip
    """Every recording once, after `change` (samples and the recording's number -> samples).

    Raises TrainingError for one that cannot be read."""
    blocks, counts = [], [0]
    for row, record in enumerate(records):
        assert record.audio is not None
        try:
            samples = load_audio(record.audio.read()).samples
        except MediaError as error:
            raise TrainingError(f"{record.audio.name}: {error} Repair it, or take its row out.") from error
        windows = cut(change(samples, row), tower.window, tower.hop)[:MAX_WINDOWS]
        with torch.no_grad():
            blocks.append(tower.features(torch.from_numpy(np.ascontiguousarray(windows))))
        counts.append(counts[-1] + len(windows))
        advance(1)
    return Clips(torch.cat(blocks), torch.tensor(counts))
