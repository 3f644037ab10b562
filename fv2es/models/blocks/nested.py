"""Nested hierarchical transformer over spectrogram pieces, with a tap for the attention of every layer.

Zhang et al. 2022, "Nested Hierarchical Transformer" (NesT, arXiv 2105.12723), as V2EM uses it on the audio
(Wei et al. 2022, §III-C): the picture is cut into blocks, attention stays inside a block, and between levels
neighbouring blocks are merged, so that the last level sees the whole piece. Blocks are pre-norm, as in the
reference code; eq. 2 of the paper writes GELU(LN(x + MSA(x))).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.attention import attend, attention_weights
from fv2es.models.blocks.pointwise import Pointwise


@dataclass(frozen=True)
class NestedConfig:
    """Sizes of the nested transformer; the defaults are V2EM's (NesT-B on 32×32)."""

    in_channels: int = 4
    side: int = 32
    block_side: int = 8
    widths: tuple[int, ...] = (128, 256, 512)
    heads: tuple[int, ...] = (4, 8, 16)
    depths: tuple[int, ...] = (2, 2, 20)
    mlp_ratio: int = 4
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.widths) == len(self.heads) == len(self.depths):
            raise ValueError("widths, heads and depths need one number for each level")
        if self.side != self.block_side * 2 ** (len(self.widths) - 1):
            raise ValueError("the last level needs exactly one block: side = block_side · 2^(levels − 1)")


def to_blocks(x: Tensor, side: int) -> Tensor:
    """(B, H, W, C) → (B, blocks, side², C), blocks row by row."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // side, side, width // side, side, channels)
    return x.transpose(2, 3).reshape(batch, -1, side * side, channels)


def from_blocks(x: Tensor, side: int) -> Tensor:
    """(B, blocks, side², C) → (B, H, W, C): the inverse of `to_blocks` for square pictures."""
    batch, blocks, _, channels = x.shape
    edge = round(blocks**0.5)
    x = x.reshape(batch, edge, edge, side, side, channels)
    return x.transpose(2, 3).reshape(batch, edge * side, edge * side, channels)


class BlockAttention(nn.Module):
    """Multi-head self-attention inside each block: (B, blocks, tokens, C) → the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Pointwise(width, 3 * width)
        self.proj = Pointwise(width, width)
        self.watchers: list[list[Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        batch, blocks, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, blocks, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)  # each (B, blocks, heads, tokens, width / heads)
        if self.watchers:
            weights = attention_weights(query, key)
            for seen in self.watchers:
                seen.append(weights.mean(-2).detach())
            mixed = weights @ value
        else:
            mixed = attend(query, key, value)
        return self.proj(mixed.transpose(2, 3).reshape(batch, blocks, tokens, width))


class DropPath(nn.Module):
    """Leaves a residual branch out for a random part of the batch while training (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device) >= self.rate
        return x * keep / (1 - self.rate)


class NestedLayer(nn.Module):
    """Pre-norm transformer layer on blocks."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = BlockAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            Pointwise(width, mlp_ratio * width),
            nn.GELU(),
            nn.Dropout(dropout),
            Pointwise(mlp_ratio * width, width),
            nn.Dropout(dropout),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Merge(nn.Module):
    """Between levels: conv3×3 → LayerNorm over channels → max-pool 3×3, stride 2. (B, H, W, C) → (B, H/2, W/2, C')."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.norm = nn.LayerNorm(out_width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return F.max_pool2d(x.permute(0, 3, 1, 2), 3, stride=2, padding=1).permute(0, 2, 3, 1)


class Level(nn.Module):
    """One level of the hierarchy: [merge →] blocks + position → layers → picture."""

    def __init__(self, config: NestedConfig, index: int, drop_paths: list[float]) -> None:
        super().__init__()
        width = config.widths[index]
        blocks = 4 ** (len(config.widths) - 1 - index)
        self.block_side = config.block_side
        self.merge = Merge(config.widths[index - 1], width) if index else nn.Identity()
        self.position = nn.Parameter(torch.zeros(1, blocks, config.block_side**2, width))
        self.layers = nn.Sequential(
            *(NestedLayer(width, config.heads[index], config.mlp_ratio, config.dropout, rate) for rate in drop_paths)
        )
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = to_blocks(self.merge(x), self.block_side) + self.position
        return from_blocks(self.layers(x), self.block_side)


class NestedTransformer(nn.Module):
    """(N, 4, 32, 32) pieces → (N, C, 8, 8) features of the last level."""

    def __init__(self, config: NestedConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Conv2d(config.in_channels, config.widths[0], 3, padding=1)
        rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        firsts = [sum(config.depths[:index]) for index in range(len(config.depths))]
        self.levels = nn.ModuleList(
            Level(config, index, rates[first : first + depth])
            for index, (first, depth) in enumerate(zip(firsts, config.depths, strict=True))
        )
        self.norm = nn.LayerNorm(config.widths[-1], eps=1e-6)
        self.apply(_init)

    def forward(self, pieces: Tensor) -> Tensor:
        x = self.embed(pieces).permute(0, 2, 3, 1)
        for level in self.levels:
            x = level(x)
        return self.norm(x).permute(0, 3, 1, 2)


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


@contextmanager
def watch_attention(model: NestedTransformer) -> Iterator[dict[str, Tensor]]:
    """Record the attention of every layer during the forward passes inside the `with`.

    On leaving, the yielded dict maps "level1", "level2", … → (N, layers, heads, rows, columns): the attention
    that each cell of the level's map receives, averaged over the queries of its block. Each block's cells sum
    to 1. Rows run over the mel bands of a channel, columns over time, as in the piece (32×32 at level 1).
    """
    seen: list[list[Tensor]] = []
    attentions = [[one for one in level.modules() if isinstance(one, BlockAttention)] for level in model.levels]
    maps: dict[str, Tensor] = {}
    for level in attentions:
        for attention in level:
            seen.append([])
            attention.watchers.append(seen[-1])
    try:
        yield maps
        recorded = iter(seen)
        for number, level in enumerate(attentions, start=1):
            layers = [torch.cat(next(recorded)) for _ in level]  # each (N, blocks, heads, tokens)
            side = model.config.block_side
            pictures = [from_blocks(layer.transpose(2, 3), side).permute(0, 3, 1, 2) for layer in layers]
            maps[f"level{number}"] = torch.stack(pictures, dim=1)
    finally:
        for attention in (one for level in attentions for one in level):
            attention.watchers.pop()
