"""Stages that text networks of several libraries share.

Between stages travels `(x [n, t, width], kept, *bias)`: `kept` is what pooling needs (the mask [n, t], or the place of
the token to take [n]), `bias` what attention adds to its scores, where there is anything to add.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]


class TextBlock(nn.Module):
    """A transformer block of another library; `argument` is what it calls the bias."""

    def __init__(self, block: nn.Module, argument: str) -> None:
        super().__init__()
        self.block, self.argument = block, argument

    def forward(self, x: Tensor, kept: Tensor, *bias: Tensor) -> State:
        y = self.block(x, **{self.argument: bias[0] if bias else None})
        return (y[0] if isinstance(y, tuple) else y, kept, *bias)


class SelfAttention(nn.Module):
    """torch's MultiheadAttention where query, key and value are one tensor [n, t, width], called in the same way.

    torch's own writes the length that it was exported with into an ONNX graph."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads, self.dropout = attention.num_heads, attention.dropout
        self.in_proj_weight, self.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
        self.out_proj = attention.out_proj

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool, attn_mask: Tensor | None
    ) -> tuple[Tensor, None]:
        n, t, width = query.shape
        joined = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        q, k, v = joined.view(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attn_mask, dropout)
        return self.out_proj(x.transpose(1, 2).reshape(n, t, width)), None


class TakeToken(nn.Module):
    """The token at `place`, normed and projected -> features [n, width]."""

    def __init__(self, norm: nn.Module, projection: nn.Module | nn.Parameter | None) -> None:
        super().__init__()
        self.norm, self.projection = norm, projection

    def forward(self, x: Tensor, place: Tensor, *bias: Tensor) -> Tensor:
        index = place[:, None, None].expand(-1, 1, x.shape[2])
        token = self.norm(x.gather(1, index).squeeze(1))
        if isinstance(self.projection, nn.Parameter):
            return cast(Tensor, token @ self.projection)
        return cast(Tensor, token if self.projection is None else self.projection(token))


class Pool(nn.Module):
    """Mean of the real tokens, or the first one -> features [n, width], as sentence-transformers pools."""

    def __init__(self, how: Literal["mean", "cls"], *, unit_length: bool) -> None:
        super().__init__()
        self.how, self.unit_length = how, unit_length

    def forward(self, x: Tensor, mask: Tensor, *bias: Tensor) -> Tensor:
        pooled = x[:, 0] if self.how == "cls" else mean_of(x, mask)
        return F.normalize(pooled, dim=-1) if self.unit_length else pooled


def mean_of(x: Tensor, mask: Tensor) -> Tensor:
    """[n, t, width] and mask [n, t] -> [n, width]."""
    weight = mask.to(x.dtype).unsqueeze(-1)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


def padding_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Mask [n, t] -> what hides the padding from attention [n, 1, 1, t]."""
    return (1 - mask.to(dtype))[:, None, None, :] * torch.finfo(dtype).min


def causal_bias(x: Tensor) -> Tensor:
    """What hides the future from each token of x [n, t, width]: [1, 1, t, t]."""
    places = torch.arange(x.shape[1], device=x.device)
    return (places[None, :] > places[:, None]).to(x.dtype)[None, None] * torch.finfo(x.dtype).min


def padded(ids: Tensor, mask: Tensor, length: int, pad: int) -> Tensor:
    """Ids as a network was trained on them: always `length` long, filled up with `pad`."""
    filled = torch.where(mask > 0, ids, pad)
    rest = filled.new_full((1, length), pad).expand(ids.shape[0], -1)
    return torch.cat([filled, rest], 1)[:, :length]


def place_of(ids: Tensor, wanted: int | None) -> Tensor:
    """Where each row of ids first has `wanted`, or its highest id where that is None."""
    # ONNX Runtime has no ArgMax of 64-bit integers.
    marks = ids.int() if wanted is None else (ids == wanted).int()
    return marks.argmax(1)
