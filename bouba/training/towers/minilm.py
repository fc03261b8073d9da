"""all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019): "minilm-l6", BERT with 6 layers, 384 wide.

The weights come from an installable package (the `rebuild` extra).
"""

from __future__ import annotations

import json
import math
import zipfile

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.training.towers.base import Origin, TextTower
from bouba.training.towers.sources import require
from bouba.training.towers.tokens import bare

WORDS, POSITIONS, WIDTH, LAYERS, HEADS = 30522, 512, 384, 6, 12
HEAD_WIDTH = WIDTH // HEADS
MAX_TOKENS = 128  # what it was fine-tuned with
ORIGIN = Origin("Apache-2.0", "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2")


def open_text_tower(name: str, *, pretrained: bool = True) -> TextTower:
    """Stages: embeddings, each layer, the mean over the real tokens with rows brought to length 1."""
    tokenizer = bare(_file("tokenizer.json").decode())
    stages = nn.ModuleList([Embeddings(), *(Layer() for _ in range(LAYERS)), Mean()])
    if pretrained:
        stages.load_state_dict(_named_as_here(read_safetensors(_file("model.safetensors"))))
    return TextTower(name, stages, WIDTH, MAX_TOKENS, tokenizer, ORIGIN if pretrained else Origin())


class Embeddings(nn.Module):
    """Token ids and mask [n, t] -> (x [n, t, 384], mask [n, t], what attention adds to its scores [n, 1, 1, t])."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.kind = nn.Parameter(torch.zeros(WIDTH))  # of "sentence A", the only kind in use
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0)
        x = self.norm(self.words(input_ids) + self.positions(places) + self.kind)
        mask = attention_mask.to(x.dtype)
        return x, mask, (1 - mask)[:, None, None, :] * -1e9


class Layer(nn.Module):
    """Attention and feed-forward, each followed by a residual and a norm (Devlin et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-12) for _ in range(2))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, t = x.shape[:2]
        query, key, value = (
            linear(x).view(n, t, HEADS, HEAD_WIDTH).transpose(1, 2) for linear in (self.query, self.key, self.value)
        )
        attention = (query @ key.transpose(2, 3) / math.sqrt(HEAD_WIDTH) + ignored).softmax(-1)
        x = self.norm1(x + self.out((attention @ value).transpose(1, 2).reshape(n, t, WIDTH)))
        return self.norm2(x + self.down(F.gelu(self.up(x)))), mask, ignored


class Mean(nn.Module):
    def forward(self, x: Tensor, mask: Tensor, ignored: Tensor) -> Tensor:
        mean = (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return F.normalize(mean, dim=-1)


def _named_as_here(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """BERT's parameter names -> ours; what we do not use (the pooler) is left out."""
    names = {
        "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
        "attention.output.dense": "out", "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "up", "output.dense": "down", "output.LayerNorm": "norm2",
    }  # fmt: skip
    ours = {
        "0.words.weight": state["embeddings.word_embeddings.weight"],
        "0.positions.weight": state["embeddings.position_embeddings.weight"],
        "0.kind": state["embeddings.token_type_embeddings.weight"][0],
        "0.norm.weight": state["embeddings.LayerNorm.weight"],
        "0.norm.bias": state["embeddings.LayerNorm.bias"],
    }
    for layer in range(LAYERS):
        for theirs, mine in names.items():
            for part in ("weight", "bias"):
                ours[f"{layer + 1}.{mine}.{part}"] = state[f"encoder.layer.{layer}.{theirs}.{part}"]
    return ours


def read_safetensors(data: bytes) -> dict[str, Tensor]:
    """The float32 tensors of a safetensors file: 8 bytes of header length, a JSON header, then the numbers."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    body = data[8 + size :]
    return {
        name: torch.tensor(np.frombuffer(body[slice(*entry["data_offsets"])], np.float32)).view(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def _file(name: str) -> bytes:
    package = require("all_minilm_l6_v2", "rebuild")
    with zipfile.ZipFile(package.get_model_zip_path()) as archive:
        return archive.read(name)
