"""ALBERT-style text encoder: factorised embedding, one layer shared by all passes.

Lan et al. 2020, "ALBERT: A Lite BERT" (arXiv 1909.11942); V2EM and FE2E take the base size and its [CLS] state.
Names follow the paper; `from_transformers` maps the published weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.attention import attend
from fv2es.models.blocks.pointwise import Pointwise


@dataclass(frozen=True)
class AlbertConfig:
    """The defaults are ALBERT-base-v2."""

    vocabulary: int = 30_000
    positions: int = 512
    embedding: int = 128
    width: int = 768
    heads: int = 12
    feed_forward: int = 3072
    passes: int = 12
    pooler: bool = True
    dropout: float = 0.0
    bag_of_tokens: bool = False  # a linear branch over the tokens beside the encoder


class AlbertLayer(nn.Module):
    """Post-norm transformer layer with GELU (tanh form)."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = Pointwise(config.width, config.width)
        self.key = Pointwise(config.width, config.width)
        self.value = Pointwise(config.width, config.width)
        self.proj = Pointwise(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width, eps=1e-12)
        self.expand = Pointwise(config.width, config.feed_forward)
        self.contract = Pointwise(config.feed_forward, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, C); mask (B, L) True at words."""
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        query, key, value = (f(x).reshape(split).transpose(1, 2) for f in (self.query, self.key, self.value))
        mixed = attend(query, key, value, mask[:, None, None, :])
        attended = self.proj(mixed.transpose(1, 2).reshape(batch, length, width))
        x = self.attention_norm(x + self.dropout(attended))
        mlp = self.contract(F.gelu(self.expand(x), approximate="tanh"))
        return self.norm(x + self.dropout(mlp))


class Albert(nn.Module):
    """(B, L) token ids, (B, L) mask → (B, L, width) states; `[CLS]` is the first."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.embedding, padding_idx=0)
        self.positions = nn.Embedding(config.positions, config.embedding)
        self.segments = nn.Embedding(2, config.embedding)
        self.embedding_norm = nn.LayerNorm(config.embedding, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.embedding, config.width)
        self.layer = AlbertLayer(config)
        # The published model carries a pooler; its [CLS] state is taken before it, so it only counts.
        self.pooler = nn.Linear(config.width, config.width) if config.pooler else None
        self.apply(_init)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.tokens(ids) + self.positions(places) + self.segments.weight[0]
        x = self.project(self.dropout(self.embedding_norm(x)))
        for _ in range(self.config.passes):
            x = self.layer(x, mask)
        return x


def _init(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


_SHARED = "encoder.albert_layer_groups.0.albert_layers.0."
_NAMES = {
    "embeddings.word_embeddings": "tokens",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "segments",
    "embeddings.LayerNorm": "embedding_norm",
    "encoder.embedding_hidden_mapping_in": "project",
    _SHARED + "attention.query": "layer.query",
    _SHARED + "attention.key": "layer.key",
    _SHARED + "attention.value": "layer.value",
    _SHARED + "attention.dense": "layer.proj",
    _SHARED + "attention.LayerNorm": "layer.attention_norm",
    _SHARED + "ffn": "layer.expand",
    _SHARED + "ffn_output": "layer.contract",
    _SHARED + "full_layer_layer_norm": "layer.norm",
    "pooler": "pooler",
}


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of transformers' `AlbertModel` under this module's names; position ids and other buffers drop out."""
    renamed = {}
    for name, value in state.items():
        module, _, kind = name.removeprefix("albert.").rpartition(".")
        if module in _NAMES:
            renamed[f"{_NAMES[module]}.{kind}"] = value
    return renamed
