"""One step: a batch of pairs becomes gradients and an update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bouba.training import losses
from bouba.training.config import Run
from bouba.training.distributed import World, average_gradients, gather_rows
from bouba.training.dual import Chain, DualEncoder
from bouba.training.feed import Batch
from bouba.training.gradcache import cached_backward
from bouba.training.labels import interleaved
from bouba.training.precision import autocast

LENGTH_GROUPS = 4


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a run knows of its pairs beside the pairs themselves."""

    trust: Tensor | None = None  # [pairs]: the probability that a pair is right
    classes: Tensor | None = None  # [pictures, classes]: logits of the pretrained classifier


def train_step(
    run: Run, dual: DualEncoder, batch: Batch, knowledge: Knowledge, world: World, towers: bool,
    optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler,
) -> float:  # fmt: skip
    """The loss of the whole batch, after one update of the weights. With `towers` off only the heads are moved."""
    optimiser.zero_grad(set_to_none=True)
    images, texts = batch.images.to(world.device), tuple(part.to(world.device) for part in batch.texts)
    encode = (partial(_image_rows, run, dual, towers, world), partial(_text_rows, run, dual, towers, world))
    size = run.optimiser.micro_batch or len(images)
    chunks = (
        [(part,) for part in torch.split(images, size)],
        list(zip(*(torch.split(part, size) for part in texts), strict=True)),
    )
    value = objective(run, dual, batch, knowledge, world)
    if len(chunks[0]) > 1:
        loss = cached_backward(encode, chunks, value, scaler=scaler)
    else:
        loss = value(encode[0](images), encode[1](*texts))
        torch.autograd.backward(scaler.scale(loss))
    average_gradients(dual.parameters())
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(dual.parameters(), run.optimiser.clip_norm)
    scaler.step(optimiser)
    scaler.update()
    dual.limit_scale()
    return float(loss.detach())


def _image_rows(run: Run, dual: DualEncoder, towers: bool, world: World, images: Tensor) -> Tensor:
    """[n, dim], or with [labels] [n, dim + classes]: embeddings and logits travel together through gradient caching."""
    with autocast(world.device, run.optimiser.precision):
        with torch.set_grad_enabled(towers and torch.is_grad_enabled()):
            features = dual.image.tower(images)
            logits = None if dual.classifier is None else dual.classifier(features)
        rows: Tensor = dual.image.head(features)
        return rows if logits is None else torch.cat([rows, logits.to(rows.dtype)], dim=1)


def _text_rows(run: Run, dual: DualEncoder, towers: bool, world: World, *texts: Tensor) -> Tensor:
    with autocast(world.device, run.optimiser.precision):
        with torch.set_grad_enabled(towers and torch.is_grad_enabled()):
            features = dual.text.tower(*texts) if len(texts) == 1 else _by_length(dual.text.tower, *texts)
        rows: Tensor = dual.text.head(features)
        return rows


def _by_length(tower: Chain, ids: Tensor, mask: Tensor) -> Tensor:
    """Features of texts [n, t], in a few groups of like length: one long description would pad a batch of captions."""
    lengths = mask.sum(1)
    order = torch.argsort(lengths, stable=True)
    groups = torch.tensor_split(order, min(LENGTH_GROUPS, len(order)))
    features = [tower(*(part[rows, : int(lengths[rows].max())] for part in (ids, mask))) for rows in groups]
    return torch.cat(features)[torch.argsort(order)]


def objective(
    run: Run, dual: DualEncoder, batch: Batch, knowledge: Knowledge, world: World
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of the whole batch as a function of this process's rows."""
    targets = _targets(run, batch).to(world.device)
    weights = None if knowledge.trust is None else knowledge.trust[batch.pairs].to(world.device)
    dims = run.model.matryoshka

    def contrast(images: Tensor, texts: Tensor) -> Tensor:
        if run.loss.kind == "sigmoid":
            return losses.sigmoid_loss(images, texts, dual.scale(), dual.bias, targets=targets, weights=weights)
        return losses.info_nce(
            images, texts, dual.scale(), targets=targets, weights=weights, hardness=run.loss.hardness
        )

    def value(images: Tensor, texts: Tensor) -> Tensor:
        images, texts = gather_rows(images), gather_rows(texts)
        embedded, logits = images[:, : texts.shape[1]], images[:, texts.shape[1] :]
        prefixes = sorted({_share(dim, run, texts.shape[1]) for dim in dims} | {texts.shape[1]}, reverse=True)
        loss = losses.matryoshka(contrast, prefixes)(embedded, texts)
        if knowledge.classes is not None and run.labels is not None:
            taught = knowledge.classes[batch.pictures].to(world.device)
            loss = loss + run.labels.distillation * losses.distillation(logits, taught, temperature=2.0)
        return loss

    return value


def _share(dim: int, run: Run, trained: int) -> int:
    """How many of the trained numbers a prefix of `dim` of the whole vector holds."""
    return int((interleaved(trained, run.labels.dim)[:dim] < trained).sum()) if run.labels else dim


def _targets(run: Run, batch: Batch) -> Tensor:
    """Pairs that share a group or a text are not held against each other, because nobody knows that they are wrong."""
    by_group, by_text = losses.masked_group_targets(batch.groups), losses.masked_group_targets(batch.wordings)
    return torch.minimum(by_group, by_text)
