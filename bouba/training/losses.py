"""What training minimises: pure functions of matching unit rows, images [n, dim] and texts [n, dim].

Row i of both is pair i. `scale` is 1 / temperature. Targets [n, n] say how well text j fits image i: 1 it does, 0 it
does not, `LEFT_OUT` nobody knows. All is computed in float32 (float64 stays), inside autocast too: at scale 100 the
rounding of a cosine to bfloat16 moves a logit by up to 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor
from torch.nn import functional as F

from bouba.errors import TrainingError

LEFT_OUT = -1.0  # a target that makes a text neither right nor wrong for an image

_NO_LOGIT = -1e9  # its exp is 0; unlike -inf, times a target of 0 it stays 0, and its gradient is never nan

Rest = ParamSpec("Rest")


def info_nce(
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    *,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
    hardness: float = 0.0,
) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021).

    `targets` (none: the identity) are normalised per row for images, per column for texts. `weights` [n] in 0..1 are
    the pairs' probabilities of being right: a pair counts in proportion, both as a question and as an answer; its rows
    stay wrong answers to the others. `hardness` weighs wrong answers by exp(hardness * logit), mean 1 (Robinson et al.
    2021, equation 4, without debiasing; Radenovic et al. 2023 use 0.25 to 0.5).
    """
    logits = _logits(images, texts, scale)
    targets = None if targets is None else _matching("targets", targets, logits)
    weights = torch.ones_like(logits[0]) if weights is None else _matching("weights", weights, logits[0])
    asked_by_image = _cross_entropy(logits, targets, weights, hardness)
    asked_by_text = _cross_entropy(logits.T, None if targets is None else targets.T, weights, hardness)
    total = (weights * (asked_by_image + asked_by_text) / 2).sum()
    return total / weights.sum().clamp(min=torch.finfo(logits.dtype).tiny)


def per_pair_loss(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """[n]: symmetric InfoNCE of every pair by itself. Wrong pairs stand out by it (Arazo et al. 2019)."""
    logits = _logits(images, texts, scale)
    own = torch.arange(len(logits), device=logits.device)
    losses = F.cross_entropy(logits, own, reduction="none") + F.cross_entropy(logits.T, own, reduction="none")
    return losses / 2


def sigmoid_loss(
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    *,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Sigmoid loss (SigLIP, Zhai et al. 2023): every image and text by themselves, summed per image, mean of images.

    Of two rows held to be right together because of their pairs, the less probable pair's weight counts.
    """
    logits = _logits(images, texts, scale) + bias
    targets = torch.eye(len(logits)).to(logits) if targets is None else _matching("targets", targets, logits)
    weights = torch.ones_like(logits[0]) if weights is None else _matching("weights", weights, logits[0])
    right = targets.clamp(min=0) * torch.minimum(weights[:, None], weights[None, :])
    wrong = (1 - targets) * (targets >= 0)
    return (right * F.softplus(-logits) + wrong * F.softplus(logits)).sum(1).mean()


def group_targets(groups: Tensor) -> Tensor:
    """[n, n] of groups [n]: pairs of one group are right for one another (Khosla et al. 2020)."""
    return (groups[:, None] == groups[None, :]).float()


def masked_group_targets(groups: Tensor) -> Tensor:
    """[n, n] of groups [n]: pairs of one group are not held against each other, and not drawn together either."""
    alike = group_targets(groups)
    return alike.mul(LEFT_OUT).fill_diagonal_(1.0)


def near_duplicate_targets(
    images: Tensor, texts: Tensor, *, threshold: float = 0.9, temperature: float = 0.05
) -> Tensor:
    """[n, n] soft targets from unit rows of a frozen reference: images [n, a] and texts [n, b], each in its own space.

    Text j fits image i as far as image j looks like image i or text j reads like text i: exp((cosine - 1) /
    temperature) of the more alike, 0 below `threshold`.
    """
    with torch.no_grad(), _full_precision(images):
        images, texts = _exact(images), _exact(texts)
        cosines = torch.maximum(images @ images.T, texts @ texts.T).clamp(max=1.0)
        alike = torch.exp((cosines - 1) / temperature)
        return alike.masked_fill(cosines < threshold, 0.0).fill_diagonal_(1.0)


def matryoshka(
    loss: Callable[Concatenate[Tensor, Tensor, Rest], Tensor], dims: Sequence[int]
) -> Callable[Concatenate[Tensor, Tensor, Rest], Tensor]:
    """The mean of `loss` over the first `dims` numbers of the rows, made unit again (Kusupati et al. 2022)."""

    def mean_of_prefixes(images: Tensor, texts: Tensor, /, *rest: Rest.args, **named: Rest.kwargs) -> Tensor:
        _check_dims(dims, images.shape[1])
        losses = [loss(_prefix(images, dim), _prefix(texts, dim), *rest, **named) for dim in dims]
        return torch.stack(losses).mean()

    return mean_of_prefixes


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the student's from the teacher's softened classes (Hinton et al. 2015); logits [n, classes].

    Times temperature squared, so that its gradient has the same size at every temperature.
    """
    with _full_precision(student):
        learned = F.log_softmax(_exact(student) / temperature, dim=1)
        taught = F.log_softmax(_exact(teacher.detach()) / temperature, dim=1)
        return F.kl_div(learned, taught, reduction="batchmean", log_target=True) * temperature**2


def feature_distillation(new: Tensor, old: Tensor) -> Tensor:
    """Mean of 1 - cosine between rows [n, dim] of any length and what they were before training."""
    with _full_precision(new):
        return (1 - F.cosine_similarity(_exact(new), _exact(old.detach()), dim=1)).mean()


def _cross_entropy(logits: Tensor, targets: Tensor | None, weights: Tensor, hardness: float) -> Tensor:
    """[n]: every row of logits against its own targets; columns of doubtful pairs count less as targets."""
    if targets is None and not hardness:
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device), reduction="none")
    targets = torch.eye(len(logits)).to(logits) if targets is None else targets
    if hardness:
        logits = _harder(logits, targets, hardness)
    logits = logits.masked_fill(targets < 0, _NO_LOGIT)
    shares = targets.clamp(min=0) * weights
    shares = shares / shares.sum(1, keepdim=True).clamp(min=torch.finfo(logits.dtype).tiny)
    return -(shares * F.log_softmax(logits, dim=1)).sum(1)


def _harder(logits: Tensor, targets: Tensor, hardness: float) -> Tensor:
    """Logits whose wrong answers are weighted by exp(hardness * logit), with a mean weight of 1 per row."""
    wrong = targets == 0
    log_weights = (hardness * logits).masked_fill(~wrong, _NO_LOGIT)
    log_mean = log_weights.logsumexp(1, keepdim=True) - wrong.sum(1, keepdim=True).clamp(min=1).log()
    return torch.where(wrong, logits + log_weights - log_mean, logits)


def _logits(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    if images.shape != texts.shape or images.ndim != 2:
        raise TrainingError(
            f"a loss of images {tuple(images.shape)} and texts {tuple(texts.shape)}: give as many images as texts, "
            "in one space"
        )
    with _full_precision(images):
        return scale * _exact(images) @ _exact(texts).T


def _matching(name: str, given: Tensor, like: Tensor) -> Tensor:
    if given.shape != like.shape:
        raise TrainingError(f"{name} of a loss have shape {tuple(given.shape)}: give {tuple(like.shape)}")
    return given.to(like)


def _check_dims(dims: Sequence[int], width: int) -> None:
    if not dims or min(dims) < 1 or max(dims) > width:
        raise TrainingError(
            f"Matryoshka dimensions {list(dims)} of embeddings with {width}: give some from 1 to {width}"
        )


def _prefix(rows: Tensor, dim: int) -> Tensor:
    return F.normalize(_exact(rows[:, :dim]), dim=1)


def _exact(rows: Tensor) -> Tensor:
    return rows if rows.dtype == torch.float64 else rows.float()


def _full_precision(rows: Tensor) -> torch.autocast:
    return torch.autocast(rows.device.type, enabled=False)
