"""Pretrained networks for pictures and text, opened by name.

efficientnet-lite0, efficientnet-lite2, minilm-l6      from installable packages
timm:NAME  timm:NAME//path/to/checkpoint               any picture network of timm
hf:NAME  hf:path/to/folder                             picture networks, text networks, dual encoders of transformers
openclip:ARCH/TAG  openclip:ARCH//path/to/checkpoint   dual encoders of OpenCLIP
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from bouba.errors import TrainingError
from bouba.training.towers.base import ImageClassifier, ImageTower, TextTower

__all__ = [
    "ImageClassifier",
    "ImageTower",
    "TextTower",
    "known_towers",
    "open_dual",
    "open_image_tower",
    "open_text_tower",
]

# A name, or what stands before the colon -> the module whose `open_*` functions open it. The part after the colon is
# passed on; a module has those functions whose kind of tower it offers.
_TOWERS = {
    "efficientnet-lite0": "lite",
    "efficientnet-lite2": "lite",
    "minilm-l6": "minilm",
    "timm": "timm_tower",
    "hf": "hugging_face",
    "openclip": "open_clip_towers",
}
_FORMS = {"timm": "timm:NAME", "hf": "hf:NAME_OR_FOLDER", "openclip": "openclip:ARCH/TAG or openclip:ARCH//CHECKPOINT"}


def known_towers() -> list[str]:
    """Every name, or form of a name, that a tower can be opened by."""
    return [_FORMS.get(name, name) for name in _TOWERS]


def open_image_tower(name: str, *, pretrained: bool = True) -> ImageTower:
    """Open a picture network, in evaluation mode.

    Raises TrainingError for a name of no known form or a package that is not installed, ModelMissing for weights that
    cannot be had."""
    return cast(ImageTower, _open("open_image_tower", name, "pictures", pretrained))


def open_text_tower(name: str, *, pretrained: bool = True) -> TextTower:
    """Open a text network, in evaluation mode. Raises as `open_image_tower` does."""
    return cast(TextTower, _open("open_text_tower", name, "text", pretrained))


def open_dual(name: str, *, pretrained: bool = True) -> tuple[ImageTower, TextTower, float]:
    """Open both halves of a dual encoder, whose features are one shared embedding, and the logarithm of its scale.

    Raises as `open_image_tower` does."""
    return cast(tuple[ImageTower, TextTower, float], _open("open_dual", name, "both pictures and text", pretrained))


def _open(function: str, name: str, what: str, pretrained: bool) -> Any:
    family, colon, rest = name.partition(":")
    module_name = _TOWERS.get(family)
    if module_name is None or bool(colon) != (family in _FORMS) or (colon and not rest):
        raise TrainingError(f"{name!r} is no tower. Known are: {', '.join(known_towers())}.")
    module = importlib.import_module(f"bouba.training.towers.{module_name}")
    opener = cast(Callable[..., Any] | None, getattr(module, function, None))
    if opener is None:
        raise TrainingError(f"{name!r} is not a network for {what}.")
    return opener(rest or name, pretrained=pretrained)
