"""One run on several processes, one per GPU, as `torchrun` starts them; with a single process nothing happens.

Every process encodes its share of the batch, gathers the rows of all, and computes its loss L_r from them. Gathering's
backward pass sums over the R processes and `average_gradients` takes the mean: together the gradient of the mean of all
L_r. If each L_r is the loss of the whole batch, that is exactly what one process would get from that batch.

Why: a row x gets sum_r dL_r/dx and takes it, in the one process that encoded it, to the weights w. The mean of the
weights' gradients is then 1/R sum_x sum_r dL_r/dx dx/dw = d(1/R sum_r L_r)/dw. A weight that the loss itself uses, such
as the scale, gets dL_r/dw in each, with mean 1/R sum_r dL_r/dw.

DistributedDataParallel would average likewise, but during one backward pass, and gradient caching makes several.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from bouba.errors import TrainingError

_BUCKET_BYTES = 32 << 20  # of gradients that travel together


@dataclass(frozen=True, slots=True)
class World:
    """This process among those of the run."""

    rank: int
    size: int
    device: torch.device

    def share(self, rows: int) -> slice:
        """This process's rows of a batch; gathered in the order of ranks, the shares are the batch again."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)


def start() -> World:
    """Join the run that the environment names (`torchrun` sets it), or be a run of one."""
    size = _number("WORLD_SIZE", unset=1)
    rank, local_rank = (_number(name, unset=0 if size == 1 else None) for name in ("RANK", "LOCAL_RANK"))
    device = _device(local_rank)
    if size > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=size)
    return World(rank, size, device)


def stop() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait() -> None:
    """Until every process is here."""
    if distributed.is_initialized():
        distributed.barrier()


def gather_rows(rows: Tensor) -> Tensor:
    """[sum of n, ...] of every process's [n, ...], in the order of ranks; n may differ. Differentiable."""
    if not distributed.is_initialized():
        return rows
    gathered: Tensor = _GatherRows.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Set every gradient to its mean over the processes; one that a process lacks counts as 0, unless all lack it."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not (trained and distributed.is_initialized()):
        return
    for bucket in _buckets(_gradients(trained)):
        mean = torch.cat([gradient.flatten() for gradient in bucket])
        distributed.all_reduce(mean)
        mean /= distributed.get_world_size()
        for gradient, part in zip(bucket, torch.split(mean, [gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        sizes = _sizes(rows)
        before = sum(sizes[: distributed.get_rank()])
        ctx.own = slice(before, before + len(rows))
        # Backends gather equal shapes only.
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total[ctx.own]


def _sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes, own)
    return [int(size) for size in sizes]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    """Of the parameters that any process has a gradient for: the same ones, in the same order, everywhere."""
    has = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
    has = has.to(parameters[0].device)
    distributed.all_reduce(has, distributed.ReduceOp.MAX)
    used = [parameter for parameter, any_has in zip(parameters, has.tolist(), strict=True) if any_has]
    for parameter in used:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in used if parameter.grad is not None]


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Runs of one type, each of `_BUCKET_BYTES` at most unless one gradient alone is larger."""
    bucket: list[Tensor] = []
    held = 0
    for gradient in gradients:
        if bucket and (gradient.dtype != bucket[0].dtype or held + gradient.nbytes > _BUCKET_BYTES):
            yield bucket
            bucket, held = [], 0
        bucket.append(gradient)
        held += gradient.nbytes
    if bucket:
        yield bucket


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise TrainingError(
            f"process {local_rank} of this machine has no GPU: there are {count}; "
            f"start at most as many (torchrun --nproc-per-node {count})"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _number(name: str, unset: int | None) -> int:
    text = os.environ.get(name)
    if text is None and unset is not None:
        return unset
    if text is None or not text.isdecimal():
        raise TrainingError(f"{name} is {text!r}, which is no run of several processes: start it with torchrun")
    return int(text)
