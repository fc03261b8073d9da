"""Large batches on small machines: gradient caching, and activations computed twice instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Encoder = Callable[..., Tensor]
Chunk = tuple[Any, ...]  # the arguments of one call of an encoder


def cached_backward(
    encoders: Sequence[Encoder],
    chunks: Sequence[Sequence[Chunk]],
    loss: Callable[..., Tensor],
    *,
    scaler: torch.amp.GradScaler | None = None,
) -> Tensor:
    """Add the gradient of a large batch's loss, holding the activations of one chunk (GradCache, Gao et al. 2021).

    `chunks[i]` are the arguments of every call of `encoders[i]`, which gives rows [n, dim]; chunks may differ in size.
    `loss` takes all rows of each encoder and gives a scalar, which is returned, detached. Rows are encoded once without
    activations, the loss is taken back to the rows, then every chunk is encoded again and taken back to the weights.
    Dropout draws the same both times. Batch norm must be in eval mode: its statistics would be a chunk's, taken twice.
    """
    passes = [[_Pass.first(encoder, chunk) for chunk in parts] for encoder, parts in zip(encoders, chunks, strict=True)]
    rows = [torch.cat([part.rows for part in parts]).requires_grad_() for parts in passes]
    value = loss(*rows)
    torch.autograd.backward(value if scaler is None else scaler.scale(value))
    for encoder, parts, whole in zip(encoders, passes, rows, strict=True):
        gradients = torch.zeros_like(whole) if whole.grad is None else whole.grad
        for part, gradient in zip(parts, torch.split(gradients, [len(part.rows) for part in parts]), strict=True):
            part.again(encoder, gradient)
    return value.detach()


def checkpointed(stages: Iterable[Callable[..., Any]]) -> Callable[..., Any]:
    """The stages one after another, keeping what goes between them and nothing inside (Chen et al. 2016).

    A tuple is handed on as several arguments. In the backward pass every stage runs once more, with the same dropout.
    """
    stages = tuple(stages)

    def forward(*state: Any) -> Any:
        for stage in stages:
            state = checkpoint(stage, *state, use_reentrant=False)
            state = state if isinstance(state, tuple) else (state,)
        return state if len(state) > 1 else state[0]

    return forward


@dataclass(frozen=True, slots=True)
class _Pass:
    """One chunk encoded, and the state of the random generators before it."""

    chunk: Chunk
    rows: Tensor
    cpu_state: Tensor
    gpu_states: dict[int, Tensor]

    @classmethod
    def first(cls, encoder: Encoder, chunk: Chunk) -> _Pass:
        cpu_state = torch.get_rng_state()
        # The current one, not the chunk's: an encoder may move a chunk that waits in the machine's memory.
        gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        gpu_states = {gpu: torch.cuda.get_rng_state(gpu) for gpu in gpus}
        with torch.no_grad():
            return cls(chunk, encoder(*chunk), cpu_state, gpu_states)

    def again(self, encoder: Encoder, gradient: Tensor) -> None:
        with torch.random.fork_rng(devices=list(self.gpu_states)):
            torch.set_rng_state(self.cpu_state)
            for gpu, state in self.gpu_states.items():
                torch.cuda.set_rng_state(state, gpu)
            rows = encoder(*self.chunk)
        if rows.requires_grad:
            torch.autograd.backward(rows, gradient)
