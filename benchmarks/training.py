"""The training step beside open_clip's own loop: one randomly initialised network, the same random pairs, in turns.

    python -m benchmarks.training [--arch NAME] [--batch N] [--steps N] [--threads N] [--json]

open_clip's side is `open_clip_train.train.train_one_epoch` over a loader that holds the batch in memory, bouba's is
`bouba.training.step.train_step` with the loop's optimiser; both clip gradients. open_clip pads every text to the
network's whole context (77 tokens). bouba pads to the longest text of the batch, which changes no number, since a token
never attends to later ones; it is also timed with open_clip's padding, to show what else makes a difference. Captions
have 8 to 24 tokens, as most do. A first step of each is not timed; its losses must agree. Of the others the
fastest counts, since whatever else the machine does only makes one slower.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from bouba.training import loop
from bouba.training.config import Run
from bouba.training.distributed import World
from bouba.training.dual import Chain, DualEncoder, Side, Unit
from bouba.training.feed import Batch
from bouba.training.precision import gradient_scaler
from bouba.training.step import Knowledge, train_step
from bouba.training.towers.base import Normalise, Picture
from bouba.training.towers.open_clip_towers import open_dual
from bouba.training.towers.sources import require
from bouba.training.towers.torchvision_ops import import_torchvision

SHORTEST, LONGEST = 8, 24  # tokens of a caption
Step = Callable[[], float]  # returns the loss


@dataclass(slots=True)
class Contender:
    name: str
    step: Step
    seconds: list[float] = field(default_factory=list)

    def samples_per_s(self, batch: int) -> float:
        return batch / min(self.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="ViT-B-32", help="a CLIP of open_clip's with a causal text transformer")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="timed, of each")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)  # open_clip says that the network has no pretrained weights
    contenders = open_contenders(arguments.arch, arguments.batch)
    check_same_loss([contender.step() for contender in contenders])
    for _ in range(arguments.steps):
        for contender in contenders:
            contender.seconds.append(seconds(contender.step))
    rates = {contender.name: contender.samples_per_s(arguments.batch) for contender in contenders}
    print(json.dumps(as_record(rates, arguments), indent=2) if arguments.json else table(rates, arguments.batch))


def open_contenders(arch: str, batch: int) -> list[Contender]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    import_torchvision()
    torch.manual_seed(0)
    model = require("open_clip", "train").create_model(arch, output_dict=True).to(device)
    run, pairs, context = Run(name="benchmark", data=(), out=Path()), random_pairs(batch, model), model.context_length
    as_theirs = replace(pairs, texts=tuple(padded(part, context) for part in pairs.texts))
    return [
        Contender("open_clip", open_clip_step(model, as_theirs, run)),
        Contender(f"bouba, {context} tokens", bouba_step(arch, as_theirs, run, device)),
        Contender("bouba", bouba_step(arch, pairs, run, device)),
    ]


def random_pairs(n: int, model: Any) -> Batch:
    """Noise for pictures, random words between a start and an end token for texts."""
    size, vocabulary = model.visual.image_size[0], model.vocab_size
    lengths = torch.randint(SHORTEST, LONGEST + 1, (n,))
    lengths[0] = LONGEST
    mask = (torch.arange(LONGEST) < lengths[:, None]).long()
    ids = torch.randint(1, vocabulary - 2, (n, LONGEST)) * mask
    ids[:, 0] = vocabulary - 2
    ids[torch.arange(n), lengths - 1] = vocabulary - 1
    numbers = torch.arange(n)
    pixels = torch.randint(256, (n, size, size, 3), dtype=torch.uint8)
    return Batch(pixels, (ids, mask), numbers, numbers, numbers, numbers)


def padded(rows: Tensor, length: int) -> Tensor:
    return nn.functional.pad(rows, (0, length - rows.shape[1]))


def fresh_dual(arch: str, device: torch.device) -> DualEncoder:
    image, text, log_scale = open_dual(arch, pretrained=False)
    image_side, text_side = (Side(Chain(list(tower.stages())), Unit()) for tower in (image, text))
    return DualEncoder(image_side, text_side, math.exp(log_scale)).to(device).train()


def bouba_step(arch: str, pairs: Batch, run: Run, device: torch.device) -> Step:
    torch.manual_seed(0)  # the weights that open_clip's side starts from
    dual, world = fresh_dual(arch, device), World(0, 1, device)
    optimiser, scaler = loop.make_optimiser(dual, run.optimiser), gradient_scaler(device, run.optimiser.precision)
    return lambda: train_step(run, dual, pairs, Knowledge(), world, True, optimiser, scaler)


def open_clip_step(model: Any, pairs: Batch, run: Run) -> Step:
    """One epoch of one batch. Its pictures are normalised floats already, as open_clip's workers hand them over."""
    train = require("open_clip_train.train", "train")
    pixels = normalised(pairs.images, model.visual)
    loader = Loader([(pixels, pairs.texts[0])])
    data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None)}
    loss = Recorded(require("open_clip", "train").ClipLoss())
    optimiser, settings = open_clip_optimiser(model, run), open_clip_settings(model, len(pairs.images), run)

    def step() -> float:
        train.train_one_epoch(model, data, loss, 0, optimiser, None, None, None, settings)
        return float(loss.last)

    return step


def normalised(pixels: Tensor, visual: Any) -> Tensor:
    mean, std = ([255 * value for value in values] for values in (visual.image_mean, visual.image_std))
    picture = Picture(pixels.shape[1], (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), "squash", "bicubic")
    rows: Tensor = Normalise(picture)(pixels)
    return rows


class Loader(list[tuple[Tensor, Tensor]]):
    """Batches in memory, with what open_clip asks of a loader."""

    @property
    def num_batches(self) -> int:
        return len(self)

    @property
    def num_samples(self) -> int:
        return sum(len(pixels) for pixels, _ in self)


class Recorded:
    """open_clip's loss, whose last value `train_one_epoch` keeps to itself."""

    def __init__(self, loss: Callable[..., dict[str, Tensor]]) -> None:
        self._loss, self.last = loss, torch.zeros(())

    def __call__(self, **outputs: Any) -> dict[str, Tensor]:
        losses = self._loss(**outputs)
        self.last = losses["contrastive_loss"].detach()
        return losses


def open_clip_optimiser(model: nn.Module, run: Run) -> torch.optim.Optimizer:
    """As `open_clip_train.main` makes it: no decay of gains and biases."""
    gains = [p for name, p in model.named_parameters() if p.ndim < 2 or any(x in name for x in ("bn", "ln", "bias"))]
    kept = {id(p) for p in gains}
    groups = [
        {"params": gains, "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if id(p) not in kept], "weight_decay": run.optimiser.weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=run.optimiser.image_learning_rate)


def open_clip_settings(model: Any, batch: int, run: Run) -> Namespace:
    return Namespace(
        device=str(model.logit_scale.device), precision="fp32", batch_size=batch, accum_freq=1, log_every_n_steps=1,
        grad_clip_norm=run.optimiser.clip_norm, skip_scheduler=True, distill=False, horovod=False, wandb=False,
        rank=0, local_rank=0, world_size=1,
    )  # fmt: skip


def check_same_loss(losses: list[float]) -> None:
    if max(losses) - min(losses) > 1e-4 * abs(losses[0]):
        raise SystemExit(f"the first losses differ, so the steps are not the same work: {losses}")


def seconds(step: Step) -> float:
    began = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def table(rates: dict[str, float], batch: int) -> str:
    lines = [f"{'':<18}{'samples/s':>11}{'s/step':>9}{'ratio':>8}"]
    for name, rate in rates.items():
        lines.append(f"{name:<18}{rate:>11.2f}{batch / rate:>9.2f}{rate / rates['open_clip']:>8.2f}")
    return "\n".join(lines)


def as_record(rates: dict[str, float], arguments: Namespace) -> dict[str, Any]:
    settings = {name: getattr(arguments, name) for name in ("arch", "batch", "steps", "threads")}
    ratios = {name: rate / rates["open_clip"] for name, rate in rates.items()}
    return {**settings, "samples_per_s": rates, "ratio": ratios}


if __name__ == "__main__":
    main()
