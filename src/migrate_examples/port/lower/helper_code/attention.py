"""Helpers of attention; printed as they stand."""

import torch
import torch.nn.functional as F  # noqa: N812  # as PyTorch's users write it
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Attention of several heads of any size; True in a mask may be attended to.

    Differs from ``nn.MultiheadAttention``: the heads need not share out the width
    of the query, `key_heads` of them may serve all, and a query that may attend to
    nothing attends to everything alike (with dropout: to nothing), as in Keras.
    """

    def __init__(
        self,
        query_size: int,
        value_size: int,
        key_size: int,
        output_size: int,
        *,
        heads: int,
        key_dim: int,
        value_dim: int | None = None,
        key_heads: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        value_dim, key_heads = value_dim or key_dim, key_heads or heads
        self.heads, self.key_heads, self.dropout = heads, key_heads, dropout
        self.q_proj = nn.Linear(query_size, heads * key_dim, bias=bias)
        self.k_proj = nn.Linear(key_size, key_heads * key_dim, bias=bias)
        self.v_proj = nn.Linear(value_size, key_heads * value_dim, bias=bias)
        self.out_proj = nn.Linear(heads * value_dim, output_size, bias=bias)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Return (batch, queries, output_size)."""
        q = self.q_proj(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.k_proj(key).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        v = self.v_proj(value).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        if mask is not None:
            mask = mask if mask.ndim == 4 else mask[:, None]
            if self.dropout == 0:
                # no score where nothing may be attended to: all are alike then
                nothing = ~mask.any(dim=-1, keepdim=True)
                q, mask = q.masked_fill(nothing, 0.0), mask | nothing
        x = F.scaled_dot_product_attention(
            q,
            k,
            v,
            mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
            enable_gqa=self.key_heads != self.heads,
        )
        output: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return output


class ScoredAttention(nn.Module):
    """Attention of several heads that returns its weights too; True may be attended to.

    A query that may attend to nothing gets weights of zero, as in Keras.
    """

    def __init__(
        self,
        query_size: int,
        value_size: int,
        key_size: int,
        output_size: int,
        *,
        heads: int,
        key_dim: int,
        value_dim: int | None = None,
        key_heads: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        value_dim, key_heads = value_dim or key_dim, key_heads or heads
        self.heads, self.key_heads = heads, key_heads
        self.q_proj = nn.Linear(query_size, heads * key_dim, bias=bias)
        self.k_proj = nn.Linear(key_size, key_heads * key_dim, bias=bias)
        self.v_proj = nn.Linear(value_size, key_heads * value_dim, bias=bias)
        self.out_proj = nn.Linear(heads * value_dim, output_size, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, query: Tensor, value: Tensor, key: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (batch, queries, output_size), (batch, heads, queries, keys)."""
        q = self.q_proj(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.k_proj(key).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        v = self.v_proj(value).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        times = self.heads // self.key_heads
        k, v = k.repeat_interleave(times, dim=1), v.repeat_interleave(times, dim=1)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if mask is None:
            weights = scores.softmax(dim=-1)
        else:
            mask = mask if mask.ndim == 4 else mask[:, None]
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
            weights = scores.softmax(dim=-1).masked_fill(~mask, 0.0)
        x = self.dropout(weights) @ v
        return self.out_proj(x.transpose(1, 2).flatten(2)), weights


def causal_mask(query: Tensor, value: Tensor) -> Tensor:
    """Return a mask (1, queries, values) that keeps queries from what is to come."""
    row = torch.arange(query.shape[1], device=query.device)[:, None]
    column = torch.arange(value.shape[1], device=query.device)
    return (row >= column)[None]


def window_mask(query: Tensor, value: Tensor, window: int) -> Tensor:
    """Return a mask (1, queries, values) of what is less than `window` steps away."""
    row = torch.arange(query.shape[1], device=query.device)[:, None]
    column = torch.arange(value.shape[1], device=query.device)
    return ((row - column).abs() < window)[None]
