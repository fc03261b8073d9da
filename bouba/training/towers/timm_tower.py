"""Any image network of timm (Wightman, PyTorch Image Models): "timm:NAME" or "timm:NAME//path/to/checkpoint"."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from bouba.errors import TrainingError
from bouba.training.towers.base import ImageClassifier, ImageTower, Normalise, Origin, Picture
from bouba.training.towers.sources import hub_or_missing, local_weights, origin_on_hub, require
from bouba.training.towers.split import Cut, split
from bouba.training.towers.torchvision_ops import import_torchvision

IMAGENET_CLASSES = 1000

CUTS = (
    Cut("patch_embed _pos_embed patch_drop norm_pre", "blocks", "norm forward_head"),  # ViT, DeiT
    Cut("conv1 bn1 act1 maxpool", "layer1 layer2 layer3 layer4", "forward_head"),  # ResNet
    Cut("stem", "stages", "norm_pre final_conv forward_head"),  # ConvNeXt, FastViT
    Cut("conv_stem bn1", "blocks", "conv_head bn2 forward_head"),  # EfficientNet
    Cut("conv_stem bn1", "blocks", "forward_head"),  # MobileNetV3 and V4, whose head convolves after pooling
    Cut("stem", "s1 s2 s3 s4", "final_conv forward_head"),  # RegNet
    Cut("patch_embed", "layers", "norm forward_head"),  # Swin
)


def open_image_tower(name: str, *, pretrained: bool = True) -> ImageTower:
    """The network of timm called `name`, a picture's pooled features as its output."""
    import_torchvision()
    timm = require("timm", "train")
    arch, _, path = name.partition("//")
    weights = {"pretrained_cfg_overlay": {"file": local_weights(path)}} if path and pretrained else {}
    with hub_or_missing(f"timm:{name}", f"timm:{arch}//path/to/checkpoint"):
        net = timm.create_model(arch, pretrained=pretrained, **weights).eval()
    settings = dict(net.pretrained_cfg)
    picture = _picture(name, settings)
    example = torch.randn(1, 3, picture.size, picture.size, generator=torch.Generator().manual_seed(0))
    classifier = take_classifier(net, example)
    stages = [Normalise(picture), *split_trunk(net, example)]
    origin = _origin(settings, from_file=bool(path)) if pretrained else Origin()
    if classifier is not None and settings.get("num_classes") == IMAGENET_CLASSES:
        return ImageClassifier(f"timm:{name}", stages, picture, origin, classifier, _class_names())
    return ImageTower(f"timm:{name}", stages, picture, int(net.num_features_out), origin)


def split_trunk(net: nn.Module, example: Tensor) -> list[nn.Module]:
    """A timm network's stages, from normalised pixels to what it returns."""
    return split(net, CUTS, example)


def take_classifier(net: Any, example: Tensor) -> nn.Linear | None:
    """Take the classifier off `net`; it comes back if it is one linear map of the features that `net` now returns."""
    with torch.no_grad():
        logits = net(example)
        classifier = net.get_classifier()
        net.reset_classifier(0)
        features = net(example)
        if features.ndim != 2:
            raise TrainingError(f"This timm network returns features of shape {tuple(features.shape)}, not [n, width].")
        net.num_features_out = features.shape[1]
        fits = isinstance(classifier, nn.Linear) and torch.allclose(classifier(features), logits, atol=1e-5)
    return cast(nn.Linear, classifier) if fits else None


def _picture(name: str, settings: dict[str, Any]) -> Picture:
    channels, height, width = settings["input_size"]
    if channels != 3 or height != width:
        raise TrainingError(f"timm:{name} takes {channels} x {height} x {width}: bouba's pictures are square and RGB.")
    mean, std = (tuple(255 * v for v in settings[key]) for key in ("mean", "std"))
    # timm cuts a margin off (crop_pct) before it crops; the model folder has no margin: the whole centre is seen.
    resize: Literal["squash", "crop"] = "squash" if settings.get("crop_mode") == "squash" else "crop"
    interpolation = "bilinear" if settings.get("interpolation") == "bilinear" else "bicubic"
    return Picture(height, mean, std, resize, cast(Any, interpolation))


def _origin(settings: dict[str, Any], *, from_file: bool) -> Origin:
    if from_file:
        return Origin("unknown", "")
    hub = origin_on_hub(str(settings.get("hf_hub_id") or ""), licence=settings.get("license") or "")
    return hub if hub.url else Origin(hub.licence, str(settings.get("url") or settings.get("origin_url") or ""))


def _class_names() -> list[list[str]]:
    from timm.data.imagenet_info import ImageNetInfo

    names = ImageNetInfo("imagenet-1k")
    return [names.index_to_description(index).split(", ") for index in range(IMAGENET_CLASSES)]
