"""YAMNet: MobileNet v1 (Howard et al. 2017) on log-mel patches, taught the 521 classes of AudioSet.

Published in TensorFlow's models (research/audioset/yamnet); read here from its TensorFlow Lite file, whose weights are
int8. They become the real numbers that they stand for. TensorFlow Lite also rounds every activation to int8, and its
own kernels disagree about how; that is left out, so that features are smooth in the sound.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.errors import ModelBroken, ModelMissing
from bouba.training.towers.base import Origin
from bouba.training.towers.lite import SameConv
from bouba.training.towers.tflite import Floats, Operator, read_operators

RATE, WINDOW, HOP = 16_000, 15_600, 7_800  # samples: 0.975 s, every half of it
FRAMES, FRAME, STEP, BLOCK = 96, 400, 160, 80  # a frame is 25 ms every 10 ms, five blocks of samples
SPECTRUM, BINS, MELS = 512, 257, 64
WIDTH, CLASSES, STEM = 1024, 521, 32
BLOCKS = (  # outputs and stride of each depthwise separable convolution
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
CONVOLUTIONS = ["CONV_2D", *["DEPTHWISE_CONV_2D", "CONV_2D"] * len(BLOCKS)]
LABELS = "labels.txt"
ORIGIN = Origin("Apache-2.0", "https://github.com/tensorflow/models/tree/master/research/audioset/yamnet")


def open_sound_tower(path: Path) -> SoundTower:
    """The network in the TensorFlow Lite file `path`, in evaluation mode; beside it lies `labels.txt`, a class a line.

    Raises ModelMissing or ModelBroken where either file is not there or not YAMNet's, TrainingError where
    ai-edge-litert is not installed."""
    operators = read_operators(path)
    convolutions = [operator for operator in operators if operator.kind in CONVOLUTIONS]
    linears = [operator for operator in operators if operator.kind == "FULLY_CONNECTED"]
    windows = [operator for operator in operators if operator.kind == "MUL"]
    if [operator.kind for operator in convolutions] != CONVOLUTIONS or (len(linears), len(windows)) != (2, 1):
        raise ModelBroken(f"{path} is not YAMNet: it has {len(convolutions)} convolutions, YAMNet {len(CONVOLUTIONS)}.")
    try:
        front = LogMel(windows[0].constants[0], *linears[0].constants)
        tower = SoundTower("yamnet", front, _class_names(path.with_name(LABELS)), ORIGIN)
        tower.load_state_dict(_state(convolutions, linears[1]))
    except (RuntimeError, TypeError, ValueError) as error:  # shapes that do not fit
        raise ModelBroken(f"{path} is not YAMNet: {' '.join(str(error).split())[:200]}") from error
    return tower


class LogMel(nn.Module):
    """Samples [n, 15600] -> log-mel patch [n, 96, 64], log(|spectrum| @ mel + floor).

    A frame is looked at from its middle, which changes the phase of its spectrum and not the size. The real part is
    then a transform of the sum of its two halves, one mirrored, and the imaginary part one of their difference: half
    the numbers to store and to multiply. Matrices stand on the left of every product, so that each row of a batch is
    multiplied by itself and cannot depend on its neighbours.

    `window` is [400] and zero at its first sample, as Hann's is; `mel` [64, 257]; `floor` [64].
    """

    window: Tensor
    cosine: Tensor
    sine: Tensor
    mel: Tensor
    floor: Tensor

    def __init__(self, window: Floats, mel: Floats, floor: Floats) -> None:
        super().__init__()
        if (window.shape, mel.shape, floor.shape) != ((FRAME,), (MELS, BINS), (MELS,)):
            raise ValueError(f"window {window.shape}, mel filters {mel.shape}, floor {floor.shape}")
        if window[0]:
            raise ValueError(f"the window starts with {window[0]}, not 0")
        heard = np.flatnonzero(mel.any(axis=0))  # 125 to 7,500 Hz
        turns = np.outer(heard, np.arange(FRAME // 2)) * (2 * np.pi / SPECTRUM)
        values = {
            "window": window,
            "cosine": np.cos(turns),
            "sine": np.sin(turns[:, 1:]),
            "mel": mel[:, heard],
            "floor": floor[:, None],
        }
        for name, numbers in values.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        left, middle, right = self._halves(waveform)
        real = self.cosine @ torch.cat([middle, right + left], 2).transpose(1, 2)
        imaginary = self.sine @ (right - left).transpose(1, 2)
        magnitude = torch.sqrt(real * real + imaginary * imaginary)
        return torch.log(self.mel @ magnitude + self.floor).transpose(1, 2)

    def _halves(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windowed frames as samples 199 to 1, sample 200, samples 201 to 399: [n, 96, 199], [n, 96, 1], [n, 96, 199].

        Sample 0 is nothing: the window is zero there."""
        blocks = waveform.reshape(-1, WINDOW // BLOCK, BLOCK)
        places = range(FRAME // BLOCK)
        span, stride = (FRAMES - 1) * STEP // BLOCK + 1, STEP // BLOCK
        frames = torch.cat([blocks[:, place : place + span : stride] for place in places], 2) * self.window
        middle = FRAME // 2
        return frames[:, :, 1:middle].flip(2), frames[:, :, middle : middle + 1], frames[:, :, middle + 1 :]


class Layer(nn.Module):
    """A convolution, its batch norm folded in, and ReLU6."""

    def __init__(self, inside: int, outside: int, kernel: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = SameConv(inside, outside, kernel, size, stride, groups)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.conv(x))


class SoundTower(nn.Module):
    """Samples float32 [n, 15600] in [-1, 1] at 16 kHz -> features [n, 1024] and the classes' probabilities [n, 521]."""

    rate, window, hop, width = RATE, WINDOW, HOP, WIDTH

    def __init__(self, name: str, front: LogMel, class_names: list[str], origin: Origin) -> None:
        super().__init__()
        self.name, self.class_names = name, class_names
        self.licence, self.url = origin.licence, origin.url
        self.front, self.body, self.classifier = front, _body(), nn.Linear(WIDTH, CLASSES)
        self.eval()

    def features(self, waveform: Tensor) -> Tensor:
        patch = self.front(waveform)
        return cast(Tensor, self.body(patch.unsqueeze(1))).mean((2, 3))

    def scores(self, features: Tensor) -> Tensor:
        """Features [n, 1024] -> the probability of each class by itself: several may be heard at once."""
        return torch.sigmoid(self.classifier(features))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(waveform)
        return features, self.scores(features)


def _body() -> nn.Sequential:
    """Twenty-seven layers: patch [n, 1, 96, 64] -> [n, 1024, 3, 2]. Both sides are even wherever they are halved, so
    one of them decides the padding."""
    layers, inside, size = [Layer(1, STEM, 3, FRAMES, stride=2)], STEM, FRAMES // 2
    for outside, stride in BLOCKS:
        layers.append(Layer(inside, inside, 3, size, stride, groups=inside))
        size //= stride
        layers.append(Layer(inside, outside, 1, size))
        inside = outside
    return nn.Sequential(*layers)


def _state(convolutions: list[Operator], classifier: Operator) -> dict[str, Tensor]:
    state = {}
    for place, operator in enumerate(convolutions):
        weight, bias = operator.constants
        # TensorFlow: [out, height, width, in], or [1, height, width, channel] where each channel is filtered by itself
        axes = (3, 0, 1, 2) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
        state[f"body.{place}.conv.weight"] = torch.tensor(weight.transpose(axes))
        state[f"body.{place}.conv.bias"] = torch.tensor(bias)
    state["classifier.weight"], state["classifier.bias"] = (torch.tensor(numbers) for numbers in classifier.constants)
    return state


def _class_names(path: Path) -> list[str]:
    if not path.is_file():
        raise ModelMissing(f"{path} is not a file: the names of YAMNet's classes, one a line, belong beside its model.")
    names = path.read_text(encoding="utf-8").split("\n")
    names = [name.strip() for name in names if name.strip()]
    if len(names) != CLASSES:
        raise ModelBroken(f"{path} has {len(names)} class names, and YAMNet has {CLASSES} classes: fetch it again.")
    return names
