"""Sequence encoder: the embeddings of one utterance's faces or pieces → one state (FE2E, Dai et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SequenceConfig:
    """depth 0 is the mean over the utterance: all that can be learnt where labels belong to single faces."""

    width: int = 64
    depth: int = 4
    heads: int = 4
    feed_forward: int = 2048
    dropout: float = 0.1


def pad(items: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C) items of B utterances, one behind the other → (B, L, C) zero-padded and (B, L) True where padding."""
    longest = int(counts.max())
    padding = torch.arange(longest, device=items.device) >= counts[:, None]
    padded = items.new_zeros(len(counts), longest, items.shape[-1])
    padded[~padding] = items
    return padded, padding


class SequenceEncoder(nn.Module):
    """(N, C) items, (B,) counts ≥ 1 → (B, C): CLS in front, post-norm transformer without positions, CLS state."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.depth = config.depth
        if config.depth:
            self.cls = nn.Parameter(torch.zeros(1, 1, config.width))
            layer = nn.TransformerEncoderLayer(
                config.width, config.heads, config.feed_forward, config.dropout, batch_first=True
            )
            self.layers = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
            nn.init.normal_(self.cls, std=0.02)

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        padded, padding = pad(items, counts)
        if not self.depth:
            return padded.sum(1) / counts[:, None]
        cls = self.cls.expand(len(counts), -1, -1)
        padding = torch.cat([padding.new_zeros(len(counts), 1), padding], dim=1)
        return self.layers(torch.cat([cls, padded], dim=1), src_key_padding_mask=padding)[:, 0]
