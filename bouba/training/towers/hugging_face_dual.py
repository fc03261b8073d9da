"""Dual encoders of transformers (CLIP, SigLIP and their like) as the stages of two towers."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from bouba.errors import TrainingError
from bouba.training.towers.split import Cut, part_of, split
from bouba.training.towers.text_stages import State, TakeToken, TextBlock, causal_bias, padded, place_of

EXACT = 1e-5
LEGACY_END = 2  # what old CLIP configurations say by mistake; the end is the highest id there
CUTS = (
    Cut("embeddings pre_layrnorm", "encoder.layers", "first_token post_layernorm", mask="attention_mask"),  # CLIP
    Cut("embeddings", "encoder.layers", "post_layernorm head", mask="attention_mask"),  # SigLIP
)


def is_dual(net: Any) -> bool:
    return hasattr(net, "get_image_features") and hasattr(net, "get_text_features")


def split_dual(net: Any, example: Tensor, length: int, pad: int) -> tuple[list[nn.Module], list[nn.Module], int]:
    """Stages of both halves, and how wide their shared embedding is.

    `example`: normalised pixels [1, 3, size, size]; `length`, `pad`: how SigLIP fills its texts up."""
    kind = net.config.model_type
    if kind == "siglip2":
        raise TrainingError(
            "SigLIP 2 with pictures of any shape (NaFlex) is not supported: take a checkpoint of one size, such as "
            "siglip2-base-patch16-224."
        )
    images, texts = _image_stages(net, example), _text_stages(net, kind, length, pad)
    with torch.no_grad():
        width = _image_features(net, example).shape[1]
    return images, texts, width


def _image_features(net: nn.Module, x: Tensor) -> Tensor:
    return _tensor(cast(Any, net).get_image_features(pixel_values=x))


def _tensor(features: Any) -> Tensor:
    return cast(Tensor, features if isinstance(features, Tensor) else features.pooler_output)


def _image_stages(net: Any, example: Tensor) -> list[nn.Module]:
    stages = split(net.vision_model, CUTS, example, _vision_pooled)
    if getattr(net, "visual_projection", None) is not None:
        stages.append(net.visual_projection)
    with torch.no_grad():
        x = example
        for stage in stages:
            x = stage(x)
        if torch.allclose(x, _image_features(net, example), atol=EXACT):
            return stages
    return [WholeImages(_half(net, "text"))]


def _vision_pooled(net: nn.Module, x: Tensor) -> Tensor:
    return cast(Tensor, net(x).pooler_output)


def _half(net: Any, without: Literal["text", "vis"]) -> nn.Module:
    children = [name for name in net._modules if not name.startswith(without)]
    return part_of(net, children, [])


class WholeImages(nn.Module):
    """The picture half as one stage."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return _image_features(self.net, x)


class WholeTexts(nn.Module):
    """The text half as one stage."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return _tensor(cast(Any, self.net).get_text_features(input_ids=input_ids, attention_mask=attention_mask))


class CausalStart(nn.Module):
    """CLIP: attention looks back only, so that padding behind the end token cannot matter."""

    def __init__(self, text: Any, pad: int) -> None:
        super().__init__()
        self.embeddings, self.pad = text.embeddings, pad
        self.end = None if text.eos_token_id == LEGACY_END else text.eos_token_id

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> State:
        ids = torch.where(attention_mask > 0, input_ids, self.pad)
        x = self.embeddings(ids)
        return x, place_of(ids, self.end), causal_bias(x)


class PaddedStart(nn.Module):
    """SigLIP: trained on texts that are always `length` long, padding seen and the last token taken."""

    def __init__(self, text: Any, length: int, pad: int) -> None:
        super().__init__()
        self.embeddings, self.length, self.pad = text.embeddings, length, pad

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> State:
        ids = padded(input_ids, attention_mask, self.length, self.pad)
        return self.embeddings(ids), ids.new_full((1,), self.length - 1).expand(ids.shape[0])


def _text_stages(net: Any, kind: str, length: int, pad: int) -> list[nn.Module]:
    text = net.text_model
    if kind not in ("clip", "siglip"):
        return [WholeTexts(_half(net, "vis"))]
    blocks = [TextBlock(block, "attention_mask") for block in text.encoder.layers]
    if kind == "siglip":
        return [PaddedStart(text, length, pad), *blocks, TakeToken(text.final_layer_norm, text.head)]
    return [CausalStart(text, pad), *blocks, TakeToken(text.final_layer_norm, net.text_projection)]
