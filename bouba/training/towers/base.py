"""What every tower is: a chain of stages from input to features, and what is known about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

RGB = tuple[float, float, float]
LICENCE_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a tower's pretrained weights come from; both empty where there are none."""

    licence: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """How a picture becomes the pixels that a network was trained on. `mean` and `std` are of values 0 to 255."""

    size: int
    mean: RGB
    std: RGB
    resize: Literal["squash", "crop"]
    interpolation: Literal["bilinear", "bicubic"]


class Normalise(nn.Module):
    """uint8 RGB [n, size, size, 3] -> [n, 3, size, size], (value - mean) / std.

    With `channels_last` the channels stay innermost in memory, where they come from: convolutions on a CPU train 1.5
    times as fast.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, picture: Picture, *, channels_last: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(picture.mean), persistent=False)
        self.register_buffer("std", torch.tensor(picture.std), persistent=False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels.to(self.mean.dtype) - self.mean) / self.std
        return x.permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)


class ImageTower(nn.Module):
    """A network for pictures: uint8 RGB [n, size, size, 3] -> features [n, width]."""

    def __init__(self, name: str, stages: Iterable[nn.Module], picture: Picture, width: int, origin: Origin) -> None:
        super().__init__()
        self.name, self.width = name, width
        self.licence, self.url = origin.licence, origin.url
        self.size, self.mean, self.std = picture.size, picture.mean, picture.std
        self.resize, self.interpolation = picture.resize, picture.interpolation
        self._stages = nn.ModuleList(stages)
        self.eval()

    def stages(self) -> nn.ModuleList:
        """In order: each takes what the one before returns, the first takes pixels, the last returns features.

        Every parameter belongs to exactly one stage."""
        return self._stages

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels
        for stage in self._stages:
            x = stage(x)
        return x


class ImageClassifier(ImageTower):
    """An image tower that still has the classifier it was pretrained with, over `class_names` (plainest first)."""

    def __init__(
        self,
        name: str,
        stages: Iterable[nn.Module],
        picture: Picture,
        origin: Origin,
        classifier: nn.Linear,
        class_names: list[list[str]],
    ) -> None:
        super().__init__(name, stages, picture, classifier.in_features, origin)
        self.classifier, self.class_names = classifier.eval(), class_names

    def classify(self, features: Tensor) -> Tensor:
        """Features [n, width] -> logits [n, classes]."""
        return cast(Tensor, self.classifier(features))


class TextTower(nn.Module):
    """A network for text: token ids and mask int64 [n, t], t up to `max_tokens` -> features [n, width]."""

    def __init__(
        self,
        name: str,
        stages: Iterable[nn.Module],
        width: int,
        max_tokens: int,
        tokenizer_json: str,
        origin: Origin,
    ) -> None:
        super().__init__()
        self.name, self.width, self.max_tokens = name, width, max_tokens
        self.licence, self.url = origin.licence, origin.url
        self.tokenizer_json = tokenizer_json  # with special tokens; cutting and padding belong to whoever runs it
        self._stages = nn.ModuleList(stages)
        self.eval()

    def stages(self) -> nn.ModuleList:
        """In order, each called as `stage(*state)` on the tuple of tensors that the one before returned.

        The first takes `(input_ids, attention_mask)`; the last returns the features [n, width]. Every parameter
        belongs to exactly one stage."""
        return self._stages

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        state: tuple[Tensor, ...] = (input_ids, attention_mask)
        for stage in self._stages[:-1]:
            state = stage(*state)
        return cast(Tensor, self._stages[-1](*state))
