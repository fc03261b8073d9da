"""Networks of the transformers library: "hf:NAME_OR_FOLDER", for pictures, for text, or dual encoders of both."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from bouba.errors import ModelBroken, TrainingError
from bouba.training.towers.base import ImageTower, Normalise, Origin, Picture, TextTower
from bouba.training.towers.hugging_face_dual import is_dual, split_dual
from bouba.training.towers.hugging_face_text import pooling_of, text_network_stages
from bouba.training.towers.sources import hub_or_missing, origin_on_hub, require
from bouba.training.towers.split import Cut, split
from bouba.training.towers.tokens import fast_tokenizer_json
from bouba.training.towers.torchvision_ops import import_torchvision

BILINEAR = 2  # of PIL's filters; 3 is bicubic
NO_LIMIT = 100_000  # transformers says 10^30 where a tokenizer has none
DEFAULT_MAX_TOKENS = 512

CUTS = (
    Cut("embeddings", "layers", "layernorm pooler"),  # ViT
    Cut("embeddings", "layers", "layernorm first_token"),  # ViT whose pooler was never trained
    Cut("embeddings", "encoder.layer", "layernorm pooler"),
    Cut("embeddings", "encoder.layer", "layernorm first_token"),  # DINOv2
    Cut("embeddings", "encoder.stages", "mean_map layernorm"),  # ConvNeXt
    Cut("embedder", "encoder.stages", "pooler flat"),  # ResNet
)


def open_image_tower(name: str, *, pretrained: bool = True) -> ImageTower:
    """A picture network's pooled output; for a dual encoder, its embedding."""
    net = _load(name, pretrained)
    if is_dual(net):
        return _open_dual(name, net, pretrained)[0]
    if getattr(getattr(net, "embeddings", None), "mask_token", None) is not None:
        net.embeddings.mask_token = None  # of DINOv2's and others' pretraining only: it would never get a gradient
    picture = _picture(name)
    example = _noise(picture)
    stages = split(net, CUTS, example, _pooled)
    with torch.no_grad():
        width = _pooled(net, example).shape[1]
    return ImageTower(f"hf:{name}", [Normalise(picture), *stages], picture, width, _origin(name, pretrained))


def open_text_tower(name: str, *, pretrained: bool = True) -> TextTower:
    """A text network's tokens, pooled as its sentence-transformers files say, else their mean."""
    net = _load(name, pretrained)
    if is_dual(net):
        return _open_dual(name, net, pretrained)[1]
    if net.config.is_encoder_decoder:
        net = net.get_encoder()
    tokenizer, content = _tokenizer(name)
    stages = [*text_network_stages(net), pooling_of(name)]
    limit = _max_tokens(net, tokenizer)
    return TextTower(f"hf:{name}", stages, net.config.hidden_size, limit, content, _origin(name, pretrained))


def open_dual(name: str, *, pretrained: bool = True) -> tuple[ImageTower, TextTower, float]:
    """Both towers of CLIP, SigLIP and their like, and the logarithm of the scale of their cosines."""
    net = _load(name, pretrained)
    if not is_dual(net):
        kind = net.config.model_type
        raise TrainingError(f"hf:{name} is of kind {kind!r}, not a dual encoder of pictures and text such as CLIP.")
    return _open_dual(name, net, pretrained)


def _open_dual(name: str, net: Any, pretrained: bool) -> tuple[ImageTower, TextTower, float]:
    picture, origin = _picture(name), _origin(name, pretrained)
    tokenizer, content = _tokenizer(name)
    limit = int(net.config.text_config.max_position_embeddings)
    scale = float(net.logit_scale.detach())
    image_stages, text_stages, width = split_dual(net, _noise(picture), limit, tokenizer.pad_token_id or 0)
    image = ImageTower(f"hf:{name}", [Normalise(picture), *image_stages], picture, width, origin)
    return image, TextTower(f"hf:{name}", text_stages, width, limit, content, origin), scale


def _load(name: str, pretrained: bool) -> Any:
    import_torchvision()
    transformers = require("transformers", "train")
    with hub_or_missing(f"hf:{name}", "hf:path/to/folder"):
        if not pretrained:
            return transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(name)).eval()
        net, report = transformers.AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    missing = sorted(report["missing_keys"])
    if any(key.startswith("pooler.") for key in missing):
        net.pooler = None  # saved from a task without one: it would be random
    if others := [key for key in missing if not key.startswith("pooler.")]:
        raise ModelBroken(f"hf:{name} lacks {len(others)} of its weights, {others[0]} for one: fetch it again.")
    return net.eval()


def _origin(name: str, pretrained: bool) -> Origin:
    return origin_on_hub(name) if pretrained else Origin()


def _tokenizer(name: str) -> tuple[Any, str]:
    from transformers import AutoTokenizer

    with hub_or_missing(f"The tokenizer of hf:{name}", "hf:path/to/folder"):
        tokenizer = AutoTokenizer.from_pretrained(name)
    return tokenizer, fast_tokenizer_json(tokenizer, f"hf:{name}")


def _max_tokens(net: Any, tokenizer: Any) -> int:
    positions = getattr(getattr(net, "embeddings", None), "position_embeddings", None)
    limit = int(getattr(net.config, "max_position_embeddings", DEFAULT_MAX_TOKENS))
    if isinstance(positions, nn.Embedding) and positions.padding_idx is not None:
        limit -= positions.padding_idx + 1  # RoBERTa and MPNet count places from behind the padding's
    if tokenizer.model_max_length < NO_LIMIT:
        limit = min(limit, int(tokenizer.model_max_length))
    return limit


def _pooled(net: nn.Module, x: Tensor) -> Tensor:
    """Normalised pixels -> [n, width]: what the network pools itself, else its first token."""
    output: Any = net(pixel_values=x)
    pooled = getattr(output, "pooler_output", None)
    return cast(Tensor, output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1))


def _picture(name: str) -> Picture:
    from transformers import AutoImageProcessor

    with hub_or_missing(f"The picture settings of hf:{name}", "hf:path/to/folder"):
        found: Any = cast(Any, AutoImageProcessor).from_pretrained(name)
    crop = bool(getattr(found, "do_center_crop", False))
    size: dict[str, int] = dict(found.crop_size if crop else found.size)
    height, width = (int(size.get(side, size.get("shortest_edge", 0))) for side in ("height", "width"))
    if height != width or not height:
        raise TrainingError(f"hf:{name} takes pictures of {size}, and bouba's are square, of one size.")
    factor = float(found.rescale_factor)
    mean, std = _normalisation(found)
    resize: Literal["squash", "crop"] = "crop" if crop or "shortest_edge" in dict(found.size) else "squash"
    interpolation = "bilinear" if int(found.resample) == BILINEAR else "bicubic"
    scaled = (tuple(v / factor for v in mean), tuple(v / factor for v in std))
    return Picture(height, cast(Any, scaled[0]), cast(Any, scaled[1]), resize, cast(Any, interpolation))


def _normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not processor.do_normalize:
        return (0.0,) * 3, (1.0,) * 3
    return tuple(processor.image_mean), tuple(processor.image_std)


def _noise(picture: Picture) -> Tensor:
    return torch.randn(1, 3, picture.size, picture.size, generator=torch.Generator().manual_seed(0))
