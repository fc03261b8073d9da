"""Two small torch towers, deterministic and untrained: a residual convolutional one and a transformer."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

SIZE, DIM, WIDTH, MAX_TOKENS = 32, 24, 128, 12
WORDS = "a the dog cat red blue car on in of two child runs beach snow photo green bird old man".split()
VOCABULARY = 300


class Body(nn.Module):
    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.norm(self.conv(x)))


class TinyImage(nn.Module):
    """uint8 [n, 32, 32, 3] -> [n, 24]"""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 48, 4, stride=4)
        self.body = nn.Sequential(*(Body(48, groups) for _ in range(4)))
        self.head = nn.Linear(48 * 4, DIM)
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels.float() - 127.5) / 127.5
        x = self.body(torch.relu(self.stem(x.permute(0, 3, 1, 2))))
        return self.head(nn.functional.avg_pool2d(x, 4).flatten(1))


class Layer(nn.Module):
    """Attention of four heads and a feed-forward, each with a residual and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 256), nn.Linear(256, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        n, t = x.shape[:2]
        q, k, v = (part.view(n, t, 4, WIDTH // 4).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = self.norm1(x + self.dropout(self.out(seen.transpose(1, 2).reshape(n, t, WIDTH))))
        return self.norm2(x + self.dropout(self.down(nn.functional.gelu(self.up(x)))))


class TinyText(nn.Module):
    """Token ids and mask [n, t] -> [n, 24]: two layers of a transformer, the mean over real tokens."""

    def __init__(self, reads_padding: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.reads_padding = reads_padding
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(MAX_TOKENS, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.head = nn.Linear(WIDTH, DIM)
        self.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        real = torch.ones_like(attention_mask) if self.reads_padding else attention_mask
        for layer in self.layers:
            x = layer(x, real[:, None, None, :] > 0)
        mask = attention_mask.unsqueeze(-1).to(x.dtype)
        return self.head((x * mask).sum(1) / mask.sum(1))


def tokenizer_json() -> str:
    vocabulary = {"[UNK]": 0, "[END]": 1} | {word: n for n, word in enumerate(WORDS, 2)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A [END]", special_tokens=[("[END]", 1)])
    return tokenizer.to_str()
