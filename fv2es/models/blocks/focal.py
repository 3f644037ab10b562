"""Focal modulation network over spectrogram pieces, with a tap for the modulators of every layer.

Yang et al. 2022, "Focal Modulation Networks" (FocalNet, arXiv 2203.11926), as Jia et al. 2024 use it on the audio.
Instead of attention, the surroundings of a place are summed up by ever wider convolutions, and what comes of it
modulates the place's query: x ← proj(q(x) ⊙ h(Σ gate ⊙ context)) (eq. 4–6).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.nested import DropPath
from fv2es.models.blocks.picture import one_picture
from fv2es.models.blocks.pointwise import Pointwise


@dataclass(frozen=True)
class FocalConfig:
    """Sizes of the network; the defaults are FocalNet-S with small receptive field, on pieces of one channel."""

    in_channels: int = 1
    patch: int = 4
    widths: tuple[int, ...] = (96, 192, 384, 768)
    depths: tuple[int, ...] = (2, 2, 18, 2)
    focal_levels: int = 2
    focal_window: int = 3
    mlp_ratio: int = 4
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths):
            raise ValueError("widths and depths need one number for each level")
        if self.focal_window % 2 == 0:
            raise ValueError(f"the focal window needs a middle, got {self.focal_window}")


class FocalModulation(nn.Module):
    """Query ⊙ modulator: (B, H, W, C) → the same.

    Context level ℓ is GELU(depth-wise convolution of the level before), window + 2ℓ wide; the last is GELU of the mean
    over the map. A gate for each place and level weighs them.
    """

    def __init__(self, width: int, levels: int, window: int) -> None:
        super().__init__()
        self.sizes = (width, width, levels + 1)  # query, context, gates
        self.split = Pointwise(width, sum(self.sizes))
        self.contexts = nn.ModuleList(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width, bias=False)
            for size in range(window, window + 2 * levels, 2)
        )
        self.modulator = Pointwise(width, width)
        self.proj = Pointwise(width, width)
        self.watchers: list[list[Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        query, context, gates = self.split(x).split(self.sizes, dim=-1)
        modulator = self.modulator(self._gathered(context, gates))
        for seen in self.watchers:
            seen.append(modulator.detach().float().norm(dim=-1))
        return self.proj(query * modulator)

    def _gathered(self, context: Tensor, gates: Tensor) -> Tensor:
        context, gates = context.permute(0, 3, 1, 2), gates.permute(0, 3, 1, 2)
        gathered = torch.zeros_like(context)
        for level, widen in enumerate(self.contexts):
            context = F.gelu(widen(context))
            gathered = gathered + context * gates[:, level, None]
        whole = F.gelu(context.mean((-2, -1), keepdim=True))
        return (gathered + whole * gates[:, -1:]).permute(0, 2, 3, 1)


class FocalLayer(nn.Module):
    """Pre-norm layer: focal modulation, then the MLP, on (B, H, W, C)."""

    def __init__(self, config: FocalConfig, width: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.modulation = FocalModulation(width, config.focal_levels, config.focal_window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            Pointwise(width, config.mlp_ratio * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            Pointwise(config.mlp_ratio * width, width),
            nn.Dropout(config.dropout),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.modulation(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Patches(nn.Module):
    """Squares of `side` → one cell each, normalised: (B, C, H, W) → (B, H/side, W/side, C')."""

    def __init__(self, in_width: int, out_width: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_width, out_width, side, side)
        self.norm = nn.LayerNorm(out_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).permute(0, 2, 3, 1))


class FocalLevel(nn.Module):
    """One level of the hierarchy: patches (of 2×2 cells of the level before) → layers; in and out (B, C, H, W)."""

    def __init__(self, config: FocalConfig, index: int, drop_paths: list[float]) -> None:
        super().__init__()
        width = config.widths[index]
        before, side = (config.widths[index - 1], 2) if index else (config.in_channels, config.patch)
        self.patches = Patches(before, width, side)
        self.layers = nn.Sequential(*(FocalLayer(config, width, rate) for rate in drop_paths))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.patches(x)).permute(0, 3, 1, 2)


class FocalNet(nn.Module):
    """(N, c, H, W) pieces → (N, C, rows, columns) features of the last level.

    A piece's channels are groups of neighbouring mel bands; they are laid out anew as `in_channels` asks, so that
    (4, 32, 32) is seen as (1, 128, 32) where it is 1. The map is smaller by patch · 2^(levels − 1) on both sides.
    """

    def __init__(self, config: FocalConfig) -> None:
        super().__init__()
        self.config = config
        self.layout = nn.Sequential(*one_picture(config.in_channels))
        rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        firsts = [sum(config.depths[:index]) for index in range(len(config.depths))]
        self.levels = nn.ModuleList(
            FocalLevel(config, index, rates[first : first + depth])
            for index, (first, depth) in enumerate(zip(firsts, config.depths, strict=True))
        )
        self.norm = nn.LayerNorm(config.widths[-1])
        self.apply(_init)

    def forward(self, pieces: Tensor) -> Tensor:
        x = self.layout(pieces)
        for level in self.levels:
            x = level(x)
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


@contextmanager
def watch_modulation(model: FocalNet) -> Iterator[dict[str, Tensor]]:
    """Record how strongly every layer modulates each place during the forward passes inside the `with`.

    On leaving, the yielded dict maps "level1", "level2", … → (N, layers, rows, columns) float32: the Euclidean norm of
    the modulator's channels. Rows run over the mel bands, columns over time.
    """
    layers = [[one for one in level.modules() if isinstance(one, FocalModulation)] for level in model.levels]
    seen: list[list[list[Tensor]]] = [[[] for _ in level] for level in layers]
    maps: dict[str, Tensor] = {}
    for level, records in zip(layers, seen, strict=True):
        for layer, record in zip(level, records, strict=True):
            layer.watchers.append(record)
    try:
        yield maps
        for number, records in enumerate(seen, start=1):
            maps[f"level{number}"] = torch.stack([torch.cat(record) for record in records], dim=1)
    finally:
        for layer in (one for level in layers for one in level):
            layer.watchers.pop()
