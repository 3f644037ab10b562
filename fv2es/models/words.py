"""The words network that the models share: a text encoder in the manner of ALBERT, with or without a bag of tokens."""

from __future__ import annotations

from torch import Tensor, nn

from fv2es.models.blocks.albert import Albert, AlbertConfig


class Words(nn.Module):
    """Text encoder → `[CLS]` state → emotions, with an optional linear bag-of-tokens branch beside it.

    The bag sees which tokens occur, whatever their order: one weight per token and emotion, summed over the
    sentence, divided by the root of its length. It is what a TF-IDF classifier knows, learnt with the encoder.
    """

    def __init__(self, config: AlbertConfig, emotions: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Albert(config)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(config.width, emotions)
        self.bag = nn.EmbeddingBag(config.vocabulary, emotions, mode="sum") if config.bag_of_tokens else None
        if self.bag is not None:
            nn.init.zeros_(self.bag.weight)

    def state(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L) → (B, width), the `[CLS]` state."""
        return self.encoder(tokens, mask)[:, 0]

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.read(self.dropout(self.state(tokens, mask)), tokens, mask)

    def read(self, state: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """The logits (B, E) that belong to a `[CLS]` state."""
        logits = self.out(state)
        if self.bag is not None:
            share = mask.to(self.bag.weight.dtype) / mask.sum(1, keepdim=True).clamp_min(1).sqrt()
            logits = logits + self.bag(tokens, per_sample_weights=share)
        return logits
