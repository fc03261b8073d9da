"""How good the network in training is, by `bouba.evaluation` on the sets that the run names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bouba.errors import TrainingError
from bouba.evaluation.data import read_set
from bouba.evaluation.metrics import METRICS, summary
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.training.config import Check
from bouba.training.data.media import File, Media
from bouba.training.data.pictures import decode
from bouba.training.data.records import Record
from bouba.training.dual import DualEncoder
from bouba.training.features import by_length, image_features, text_features
from bouba.training.learner import Sides

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

DIRECTIONS = ("text_to_image", "image_to_text")
BATCH = 64


@dataclass(frozen=True, slots=True)
class Questions:
    """Pictures, texts, and which text is about which pictures."""

    name: str
    pictures: tuple[Media, ...]
    texts: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]  # per text: rising indices into `pictures`


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions, with what the frozen parts say of them."""

    name: str
    questions: Questions
    images: npt.NDArray[np.generic]  # features [n, ...] or pixels
    texts: npt.NDArray[np.float32] | None  # features; none: texts are tokenised anew each time

    def figures(self, embed: Embed) -> dict[str, float]:
        """Every metric of both directions, as "text_to_image.hit_rate@10"."""
        return figures_of(embed.images(self.images), embed.texts(self.questions.texts, self.texts), self.questions)


def figures_of(images: Vectors, texts: Vectors, questions: Questions) -> dict[str, float]:
    """Unit rows of all pictures and all texts -> every metric. A picture that no text is about asks nothing."""
    told: dict[int, list[int]] = {}
    for text, pictures in enumerate(questions.relevant):
        for picture in pictures:
            told.setdefault(picture, []).append(text)
    asked = sorted(told)
    ranks = {
        "text_to_image": rank_vectors(texts, images, Relevance.of_lists(questions.relevant, len(images))),
        "image_to_text": rank_vectors(
            images[asked], texts, Relevance.of_lists([told[row] for row in asked], len(texts))
        ),
    }
    return {f"{way}.{name}": value for way, found in ranks.items() for name, value in summary(found).items()}


def known_metric(name: str) -> str:
    """Raises TrainingError where `name` is no metric of a direction, or one that is better the lower it is."""
    direction, _, metric = name.partition(".")
    rising = [known for known in METRICS if known != "median_rank"]
    if direction not in DIRECTIONS or metric not in rising:
        known = ", ".join(rising)
        raise TrainingError(
            f"[validation] metric = {name!r}: it is text_to_image. or image_to_text. and one of {known}."
        )
    return name


def named_questions(check: Check, note: Callable[[str], None]) -> Questions:
    """A set that the run names. Raises ManifestError."""
    data = read_set(check.path, split=check.split, text_column=check.text_column, image_root=check.image_root)
    for line in data.notes:
        note(f"{check.label}: {line}")
    pictures = tuple(File(str(path.parent), path.name) for path in data.images)
    return Questions(check.label, pictures, data.texts, data.relevant)


def held_out_questions(name: str, records: Sequence[Record]) -> Questions:
    """Records kept from training: every text asks for its own picture, a shared text for all of them."""
    pictures = tuple(record.image for record in records if record.image)
    owners: dict[str, list[int]] = {}
    for row, record in enumerate(record for record in records if record.image):
        for text in record.texts:
            owners.setdefault(text, []).append(row)
    return Questions(name, pictures, tuple(owners), tuple(tuple(rows) for rows in owners.values()))


def open_exam(questions: Questions, sides: Sides, cache: Path, advance: Callable[[int], None]) -> Exam:
    look = sides.look

    def read(row: int) -> Pixels:
        return decode(questions.pictures[row], look.size, look.resize, look.interpolation)

    if sides.frozen_images is None:
        images: npt.NDArray[np.generic] = np.stack([read(row) for row in range(len(questions.pictures))])
    else:
        images = image_features(sides.frozen_images, questions.pictures, read, cache, "judged", advance)
    texts = None
    if sides.frozen_texts is not None:
        distinct = {text: row for row, text in enumerate(dict.fromkeys(questions.texts))}
        texts = text_features(sides.frozen_texts, list(distinct), cache, advance)
        texts = texts[[distinct[text] for text in questions.texts]]
    return Exam(questions.name, questions, images, texts)


class Embed:
    """A network as it stands, asked for vectors."""

    def __init__(self, dual: DualEncoder, sides: Sides, device: torch.device) -> None:
        self.dual, self._sides, self._device = dual.eval(), sides, device

    @torch.no_grad()
    def images(self, inputs: npt.NDArray[np.generic]) -> Vectors:
        """Features or pixels [n, ...] -> unit rows [n, dim]."""
        blocks = [self._image_block(inputs[row : row + BATCH]) for row in range(0, len(inputs), BATCH)]
        return torch.cat(blocks).cpu().numpy()

    def _image_block(self, inputs: npt.NDArray[np.generic]) -> Tensor:
        kind = inputs.dtype if inputs.dtype == np.uint8 else np.float32
        block = torch.from_numpy(np.ascontiguousarray(inputs, dtype=kind)).to(self._device)
        rows: Tensor = self.dual.image(block)[1]
        return rows.float()

    @torch.no_grad()
    def texts(self, texts: Sequence[str], features: npt.NDArray[np.float32] | None) -> Vectors:
        """Unit rows [n, dim] of the texts, from their features where the text tower is frozen."""
        if features is not None:
            inputs = torch.from_numpy(features).to(self._device)
            rows: Tensor = self.dual.text(inputs)[1]
            return rows.float().cpu().numpy()
        return by_length(texts, self._text_block)

    def _text_block(self, texts: Sequence[str]) -> Vectors:
        assert self._sides.tokenise is not None
        rows: Tensor = self.dual.text(*(part.to(self._device) for part in self._sides.tokenise(texts)))[1]
        return rows.float().cpu().numpy()
