"""The trained network as a model folder, judged once more as its users will run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bouba.training.config import Run
from bouba.training.data.pictures import decode
from bouba.training.dual import Chain, DualEncoder
from bouba.training.export import HeadFacts, ModelFacts, with_heads, write_model
from bouba.training.features import by_length
from bouba.training.feed import Source
from bouba.training.judge import Questions, figures_of
from bouba.training.labels import ImageBlocks, Joined, TextBlocks, fit_label_transfer, naming_texts
from bouba.training.learner import Sides
from bouba.training.towers import ImageClassifier

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.training.data.media import Media
    from bouba.types import Pixels, Vectors

CAPTIONS = 5000  # of the training, for the projection of the label block


class Whole(nn.Module):
    """From pixels, or ids and mask, to the embedding."""

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.tower, self.head = Chain(list(stages)), head

    def forward(self, *inputs: Tensor) -> Tensor:
        embedding: Tensor = self.head(self.tower(*inputs))
        return embedding


def write_folder(run: Run, sides: Sides, sources: Sequence[Source], dual: DualEncoder, metrics: dict[str, Any]) -> Path:
    """The model folder at `run.out`; an older one there is replaced as a whole. Raises TrainingError."""
    dual = dual.cpu().eval()
    if sides.base is not None:
        return with_heads(
            sides.base.folder,
            dual.image.head,
            dual.text.head,
            run.out,
            facts=HeadFacts(
                run.name, run.version, run.licence, matryoshka=run.model.matryoshka, trained_on=_trained_on(sources)
            ),
            precision="int8-weights" if run.export.precision == "int8" else run.export.precision,
            metrics=metrics,
        )
    image, text = _towers(run, sides, sources, dual)
    pixels = _calibration(run, sides, sources)
    facts = _facts(run, sides, sources)
    return write_model(
        run.out, image, text, card=facts, precision=run.export.precision, calibration=pixels, metrics=metrics
    )


def _towers(run: Run, sides: Sides, sources: Sequence[Source], dual: DualEncoder) -> tuple[nn.Module, nn.Module]:
    assert sides.image_tower is not None
    assert sides.text_tower is not None
    image_stages, text_stages = list(sides.image_tower.stages()), list(sides.text_tower.stages())
    live_image, live_text = (list(side.tower.stages) for side in (dual.image, dual.text))
    image_stages[len(image_stages) - len(live_image) :] = live_image
    text_stages[len(text_stages) - len(live_text) :] = live_text
    image_head, text_head = dual.image.head, dual.text.head
    if run.labels is not None and isinstance(sides.image_tower, ImageClassifier):
        encode = _text_encoder(sides, Chain(text_stages).eval())
        captions = list(dict.fromkeys(text for s in sources for texts in s.texts for text in texts))
        some = encode(captions[:: max(1, len(captions) // CAPTIONS)])
        transfer = fit_label_transfer(naming_texts(sides.image_tower.class_names), encode, some, run.labels.dim)
        joined = Joined(run.model.dim - run.labels.dim, run.labels.dim, run.labels.weight)
        assert dual.classifier is not None
        image_head = ImageBlocks(image_head, dual.classifier, transfer, joined)
        text_head = TextBlocks(text_head, transfer, joined)
    return Whole(image_stages, image_head), Whole(text_stages, text_head)


def _text_encoder(sides: Sides, tower: nn.Module) -> Callable[[Sequence[str]], Vectors]:
    tokenise = sides.tokenise
    assert tokenise is not None

    @torch.no_grad()
    def block(texts: Sequence[str]) -> Vectors:
        rows: Tensor = tower(*tokenise(texts))
        return rows.numpy()

    return lambda texts: by_length(texts, block)


def _calibration(run: Run, sides: Sides, sources: Sequence[Source]) -> list[Pixels]:
    """An even sample of every source's pictures."""
    look, pixels = sides.look, []
    for source in sources:
        share = max(1, run.export.calibration // len(sources))
        for record in source.records[:: max(1, len(source.records) // share)][:share]:
            assert record.image is not None
            pixels.append(decode(record.image, look.size, look.resize, look.interpolation))
    return pixels


def _trained_on(sources: Sequence[Source]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": s.settings.label, "rows": len(s.records), "terms": s.settings.terms}
        | ({"url": s.settings.url} if s.settings.url else {})
        for s in sources
    )


def _facts(run: Run, sides: Sides, sources: Sequence[Source]) -> ModelFacts:
    image, text = sides.image_tower, sides.text_tower
    assert image is not None
    assert text is not None
    return ModelFacts.of_towers(
        image,
        text,
        name=run.name,
        version=run.version,
        licence=run.licence,
        dim=image.width if run.model.dual else run.model.dim,
        matryoshka=run.model.matryoshka,
        trained_on=_trained_on(sources),
        sources=tuple({"name": t.name, "licence": t.licence, "url": t.url} for t in (image, text)),
    )


@dataclass(frozen=True, slots=True)
class Embedded:
    """A validation set as the written folder sees it."""

    questions: Questions
    pictures: Vectors  # [n, dim]
    texts: Vectors  # [m, dim]

    def figures(self) -> dict[str, float]:
        """Every metric."""
        return figures_of(self.pictures, self.texts, self.questions)


def embedded(model: Model, questions: Questions) -> Embedded:
    """As the model's users will run it."""
    return Embedded(questions, encode_pictures(model, questions.pictures), model.encode_text(questions.texts))


def encode_pictures(model: Model, pictures: Sequence[Media]) -> Vectors:
    """[n, dim]; raises MediaError for one that cannot be read."""
    image = model.manifest.image
    blocks = [np.zeros((0, model.dim), np.float32)]
    for start in range(0, len(pictures), 64):
        part = pictures[start : start + 64]
        blocks.append(model.encode_pixels([decode(p, image.size, image.resize, image.interpolation) for p in part]))
    return np.concatenate(blocks)
