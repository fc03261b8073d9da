"""A network of another library -> the stages that it computes one after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

_POOLS: dict[str, Callable[[Any], Tensor]] = {
    "first_token": lambda x: x[:, 0],
    "first_output": lambda x: x[0],
    "mean_map": lambda x: x.mean((2, 3)),
    "flat": lambda x: x.flatten(1),
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A family of networks: what it applies `before` its `blocks`, where those are, and what it applies `after`.

    Names of children, methods or direct parameters (a matrix to multiply by), or of `_POOLS`; those that a network
    lacks are left out, so that one line serves a whole family.
    """

    before: str
    blocks: str
    after: str
    mask: str = ""  # the argument of a block that must be given although a picture has no mask


Run = Callable[[nn.Module, Tensor], Tensor]  # a function of the module: a bound one would survive a copy of its tower


def call(net: nn.Module, x: Tensor) -> Tensor:
    """A network that returns its features."""
    return cast(Tensor, net(x))


def split(net: nn.Module, cuts: Sequence[Cut], example: Tensor, run: Run = call) -> list[nn.Module]:
    """The stages of `net`: all before its blocks, each block, all after; or `net` as one stage where no cut fits.

    Libraries change how their networks are built, so a cut counts only if its stages give bit for bit what `run`
    gives on `example` (normalised pixels [1, 3, size, size])."""
    net.eval()
    with torch.no_grad():
        expected = run(net, example)
        for cut in cuts:
            stages = _try(net, cut)
            if stages is not None and _agree(stages, example, expected):
                return stages
    return [Whole(net, run)]


class Whole(nn.Module):
    """A network that is one stage."""

    def __init__(self, net: nn.Module, run: Run) -> None:
        super().__init__()
        self.net, self.run = net, run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.net, x)


class Chain(nn.Module):
    """Names of `part`, applied one after the other."""

    def __init__(self, part: nn.Module, names: Iterable[str]) -> None:
        super().__init__()
        self.part, self.names = part, tuple(names)

    def forward(self, x: Any) -> Any:
        for name in self.names:
            step = getattr(self.part, name, None)
            if isinstance(step, nn.Parameter):
                x = x @ step
                continue
            x = _POOLS[name](x) if step is None else step(x)
        return x


class Block(nn.Module):
    """A block that may return its output as the first of several."""

    def __init__(self, block: nn.Module, mask: str) -> None:
        super().__init__()
        self.block = block
        self.arguments = {mask: None} if mask else {}

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x, **self.arguments)
        return cast(Tensor, y[0] if isinstance(y, tuple) else y)


def _try(net: nn.Module, cut: Cut) -> list[nn.Module] | None:
    trunks = [child_of(net, path) for path in cut.blocks.split()]
    blocks = [Block(block, cut.mask) for trunk in trunks if trunk is not None for block in _flat(trunk)]
    if not blocks or any(trunk is None for trunk in trunks):
        return None
    children = list(net._modules)
    roots = [path.split(".")[0] for path in cut.blocks.split()]
    before = children[: children.index(roots[0])]
    after = children[children.index(roots[-1]) + 1 :]
    held = [name for name in cut.after.split() if name in net._parameters]
    front = part_of(net, before, [name for name in net._parameters if name not in held])
    back = part_of(net, after, held)
    return [
        Chain(front, _present(front, cut.before)),
        *blocks,
        Chain(back, _present(back, cut.after)),
    ]


def _flat(trunk: nn.Module) -> list[nn.Module]:
    """Sequences are taken apart down to what computes."""
    if not isinstance(trunk, nn.Sequential | nn.ModuleList):
        return [trunk]
    return [block for child in trunk for block in _flat(child)]


def child_of(net: nn.Module, path: str) -> nn.Module | None:
    found: Any = net
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None


def part_of(net: nn.Module, children: list[str], parameters: list[str]) -> nn.Module:
    """`net` with only these children and direct parameters; its methods and settings stay, its weights are shared."""
    part = copy.copy(net)
    part.__dict__["_modules"] = {name: net._modules[name] for name in children}
    part.__dict__["_parameters"] = {name: net._parameters[name] for name in parameters}
    return part


def _present(part: nn.Module, names: str) -> list[str]:
    return [name for name in names.split() if name in _POOLS or getattr(part, name, None) is not None]


def _agree(stages: list[nn.Module], example: Tensor, expected: Tensor) -> bool:
    x: Any = example
    try:
        for stage in stages:
            x = stage(x)
    except (AttributeError, RuntimeError, TypeError, ValueError, IndexError, KeyError):
        return False  # the family's names are there, and mean something else in this network
    return isinstance(x, Tensor) and torch.equal(x, expected)
