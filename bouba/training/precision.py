"""In what numbers a step is computed; the weights themselves are always float32."""

from __future__ import annotations

from typing import Literal

import torch

from bouba.errors import TrainingError

Precision = Literal["float32", "bfloat16", "float16"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context of a forward pass: matrix products in `precision`, sums and norms in float32."""
    if precision == "float16" and device.type != "cuda":
        raise TrainingError(f"float16 on {device.type}: its small gradients are kept only on a GPU; use bfloat16")
    return torch.autocast(device.type, dtype=getattr(torch, precision), enabled=precision != "float32")


def gradient_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Scales the loss so that float16 gradients do not vanish; does nothing for other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
