"""Dual encoders of OpenCLIP (Ilharco et al. 2021): LAION CLIP, SigLIP, SigLIP 2, MobileCLIP, CoCa...

"openclip:ARCH/TAG" downloads weights, "openclip:ARCH//path/to/checkpoint" reads a file, "openclip:hf-hub:ORG/NAME" and
"openclip:local-dir:FOLDER" take OpenCLIP's own schemas. "openclip:ARCH" alone names no weights: it opens with
`pretrained=False` only. A tower's features are the shared embedding, before it is brought to length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from bouba.errors import TrainingError
from bouba.training.towers.base import ImageTower, Normalise, Origin, Picture, TextTower
from bouba.training.towers.sources import hub_or_missing, local_weights, origin_on_hub, require
from bouba.training.towers.split import Cut, call, split
from bouba.training.towers.text_stages import SelfAttention, State, TakeToken, TextBlock, padded, place_of
from bouba.training.towers.timm_tower import split_trunk
from bouba.training.towers.tokens import cleaned, fast_tokenizer_json, simple_tokenizer_json
from bouba.training.towers.torchvision_ops import import_torchvision

SCHEMAS = ("hf-hub:", "local-dir:")
CUTS = (
    Cut("_embeds", "transformer.resblocks", "_pool first_output proj"),  # ViT
    Cut("stem", "layer1 layer2 layer3 layer4", "attnpool"),  # CLIP's ResNet
)


@dataclass(frozen=True, slots=True)
class Name:
    """What stands behind "openclip:": an architecture (or a schema's whole name), and a tag or a file."""

    arch: str
    tag: str = ""
    path: str = ""

    @classmethod
    def of(cls, text: str) -> Name:
        if text.startswith(SCHEMAS):
            return cls(text)
        arch, _, path = text.partition("//")
        arch, _, tag = arch.partition("/")
        return cls(arch, tag, path)

    @property
    def weights(self) -> bool:
        return bool(self.tag or self.path) or self.arch.startswith(SCHEMAS)


def open_dual(name: str, *, pretrained: bool = True) -> tuple[ImageTower, TextTower, float]:
    """Both towers, and the logarithm of the scale that their cosines were trained with."""
    import_torchvision()
    open_clip = require("open_clip", "train")
    parsed = Name.of(name)
    if pretrained and not parsed.weights:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(parsed.arch)) or "none known"
        raise TrainingError(
            f"openclip:{name} names no weights. Add a tag (openclip:{parsed.arch}/TAG, one of: {tags}) "
            f"or a file (openclip:{parsed.arch}//path/to/checkpoint)."
        )
    with hub_or_missing(f"openclip:{name}", f"openclip:{parsed.arch}//path/to/checkpoint"):
        model = _create(open_clip, parsed, pretrained)
        tokenizer = open_clip.get_tokenizer(parsed.arch)
        settings = open_clip.get_model_config(parsed.arch)["text_cfg"]
    origin = origin_of(open_clip, parsed) if pretrained else Origin()
    image = _image_tower(f"openclip:{name}", model.visual, origin)
    text = _text_tower(f"openclip:{name}", model.text, tokenizer, settings, origin)
    return image, text, float(model.logit_scale.detach())


def open_image_tower(name: str, *, pretrained: bool = True) -> ImageTower:
    return open_dual(name, pretrained=pretrained)[0]


def open_text_tower(name: str, *, pretrained: bool = True) -> TextTower:
    return open_dual(name, pretrained=pretrained)[1]


def _create(open_clip: Any, name: Name, pretrained: bool) -> Any:
    weights = local_weights(name.path) if name.path else name.tag
    # The text network as a module of its own; checkpoints with its parts spread over the model are converted.
    model = open_clip.create_model(
        name.arch,
        pretrained=weights if pretrained and weights else None,
        load_weights=pretrained,
        force_custom_text=True,
        pretrained_text=pretrained,
    )
    return model.eval()


def origin_of(open_clip: Any, name: Name) -> Origin:
    if name.path:
        return Origin("unknown", "")
    for schema in SCHEMAS:
        if name.arch.startswith(schema):
            return origin_on_hub(name.arch.removeprefix(schema))
    found = open_clip.get_pretrained_cfg(name.arch, name.tag)
    hub = origin_on_hub(str(found.get("hf_hub") or "").strip("/"))
    return hub if hub.url else Origin(hub.licence, str(found.get("url") or ""))


def _image_tower(name: str, visual: Any, origin: Origin) -> ImageTower:
    settings = visual.preprocess_cfg
    size = settings["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise TrainingError(f"{name} takes pictures of {height} x {width}, and bouba's are square.")
    mean, std = (tuple(255 * v for v in settings[key]) for key in ("mean", "std"))
    resize: Literal["squash", "crop"] = "squash" if settings["resize_mode"] == "squash" else "crop"
    interpolation = "bilinear" if settings["interpolation"] == "bilinear" else "bicubic"
    picture = Picture(height, mean, std, resize, cast(Any, interpolation))
    example = torch.randn(1, 3, height, height, generator=torch.Generator().manual_seed(0))
    stages = _image_stages(visual, example)
    with torch.no_grad():
        dim = _features(visual, example).shape[1]
    return ImageTower(name, [Normalise(picture), *stages], picture, dim, origin)


def _image_stages(visual: Any, example: Tensor) -> list[nn.Module]:
    if hasattr(visual, "trunk"):  # a network of timm with a projection behind it
        return [*split_trunk(visual.trunk, example), visual.head]
    return split(visual, CUTS, example, _features)


def _features(visual: nn.Module, x: Tensor) -> Tensor:
    """CoCa's picture network returns its tokens besides."""
    y: Any = call(visual, x)
    return cast(Tensor, y[0] if isinstance(y, tuple) else y)


def _text_tower(name: str, text: Any, tokenizer: Any, settings: dict[str, Any], origin: Origin) -> TextTower:
    if getattr(tokenizer, "tokenizer_mode", ""):
        raise TrainingError(
            f"{name}: bouba cannot write tokenizers of mode {tokenizer.tokenizer_mode!r} (tokenizer_mode)."
        )
    length = int(tokenizer.context_length)
    inner = getattr(tokenizer, "tokenizer", None)  # of transformers; OpenCLIP's own has none
    clean = (settings.get("tokenizer_kwargs") or {}).get("clean", "whitespace" if inner else "lower")
    if inner is None:
        content, pad, dropped = simple_tokenizer_json(tokenizer, clean), 0, None
    else:
        content, pad = cleaned(fast_tokenizer_json(inner, name), clean), int(inner.pad_token_id)
        dropped = inner.sep_token_id if tokenizer.strip_sep_token else None
    stages = _text_stages(text, length, pad, dropped)
    tower = TextTower(name, stages, 0, length, content, origin)
    with torch.no_grad():
        tower.width = tower(torch.ones(1, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long)).shape[1]
    return tower


def _text_stages(text: Any, length: int, pad: int, dropped: int | None) -> list[nn.Module]:
    if not hasattr(text.transformer, "resblocks"):
        return [TransformersText(text)]
    for block in text.transformer.resblocks:
        if isinstance(block.attn, nn.MultiheadAttention):
            block.attn = SelfAttention(block.attn)
    blocks = [TextBlock(block, "attn_mask") for block in text.transformer.resblocks]
    return [TextStart(text, length, pad, dropped), *blocks, TakeToken(text.ln_final, text.text_projection)]


class TextStart(nn.Module):
    """Ids and mask [n, t] -> embedded tokens, the place of the token to take, and the attention mask if there is one.

    Where the attention is causal and the end token is taken, what follows it cannot matter, and only t tokens are
    computed. Elsewhere padding takes part, as it did in training: ids are filled up to the whole context.
    """

    causal: Tensor | None

    def __init__(self, text: Any, length: int, pad: int, dropped: int | None) -> None:
        super().__init__()
        self.words, self.positions, self.appended = text.token_embedding, text.positional_embedding, text.cls_emb
        self.register_buffer("causal", text.attn_mask, persistent=False)
        self.length, self.pad, self.dropped = length, pad, dropped
        self.pool_type, self.end, self.ignored = text.pool_type, text.eos_id, text.pad_id
        self.legacy_mask = not text.correct_cls_mask
        self.whole = text.attn_mask is None or self.appended is not None or self.pool_type not in ("argmax", "eos")

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> State:
        ids = torch.where(attention_mask > 0, input_ids, self.pad)
        if self.whole:
            ids = padded(input_ids, attention_mask, self.length, self.pad)
        if self.dropped is not None:
            ids = torch.where(ids == self.dropped, 0, ids)
        x = self.words(ids)
        if self.appended is not None:
            x = torch.cat([x, self.appended.expand(x.shape[0], 1, -1)], 1)
        x = x + self.positions[: x.shape[1]]
        bias = () if self.causal is None else (self.causal[: x.shape[1], : x.shape[1]],)
        return x, self._place(ids, x), *(bias if self.appended is None else (self._with_padding(ids, *bias),))

    def _place(self, ids: Tensor, x: Tensor) -> Tensor:
        if self.pool_type == "first":
            return ids.new_zeros(1).expand(ids.shape[0])
        if self.appended is not None or self.pool_type == "last":
            return ids.new_full((1,), x.shape[1] - 1).expand(ids.shape[0])
        return place_of(ids, None if self.pool_type == "argmax" else self.end)

    def _with_padding(self, ids: Tensor, *causal: Tensor) -> Tensor:
        """CoCa hides padding too [n, 1, t + 1, t + 1]; its weights were trained with the mask one place off."""
        real = ids != self.ignored
        always = torch.ones_like(real[:, :1])
        keys = torch.cat([always, real] if self.legacy_mask else [real, always], 1)
        hidden = torch.zeros(keys.shape, dtype=self.positions.dtype, device=ids.device)
        mask = hidden.masked_fill(~keys, float("-inf"))[:, None, None, :]
        return mask + causal[0] if causal else mask


class TransformersText(nn.Module):
    """A text network of transformers inside an OpenCLIP model, which takes the padding for what is not real."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        y = self.text(torch.where(attention_mask > 0, input_ids, self.text.config.pad_token_id))
        return cast(Tensor, y[0] if isinstance(y, tuple) else y)
