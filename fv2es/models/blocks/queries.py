"""One sequence of all modalities' states, fused by a transformer and asked by one learned query per emotion.

Le et al. 2023, "Multi-Label Multimodal Emotion Recognition With Transformer-Based Fusion and Emotion-Level
Representation Learning" (IEEE Access, doi 10.1109/ACCESS.2023.3244390). All layers are post-norm with ReLU, as
torch's. Instead of torch's decoder layer stands one of our own, because its cross-attention can be watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.attention import attend, attention_weights


@dataclass(frozen=True)
class QueryConfig:
    """Sizes of everything behind the trunks; the defaults are the paper's for CMU-MOSEI.

    component: "queries" is the whole model; the ablation leaves out the queries ("fusion": the `[CLS]` state →
    linear), then the fusing transformer too ("early": the modalities' mean states, concatenated → linear).
    """

    width: int = 256
    heads: int = 4
    feed_forward: int = 2048
    dropout: float = 0.1
    face_depth: int = 4
    voice_depth: int = 4
    fusion_depth: int = 4
    decoder_depth: int = 4
    component: str = "queries"

    def __post_init__(self) -> None:
        if self.component not in COMPONENTS:
            raise ValueError(f"component needs one of {', '.join(COMPONENTS)}, got {self.component}")


@dataclass(frozen=True, eq=False)
class StateSequence:
    """States of B utterances: (B, L, C), `mask` (B, L) True where there is one; `parts`: which of L is whose.

    answers (B, parts, C): what each part says by itself, if networks have answered already, zero where it is missing.
    """

    states: Tensor
    mask: Tensor
    parts: Mapping[str, slice]
    answers: Tensor | None = None

    @classmethod
    def join(cls, empty: Tensor, encoded: Mapping[str, tuple[Tensor, Tensor]], there: Tensor) -> StateSequence:
        """Each part's states (B', L', C) and mask (B', L') for the B' utterances that have it, one behind the other.

        empty: (B, 0, C), of the kind that is wanted. encoded: part → states and mask, in the order of the sequence; a
        part that nobody has is (0, 0, C) and (0, 0). there: (B, parts) bool, who has what, in the same order.
        """
        states, masks, parts, length = [empty], [there[:, :0]], {}, 0
        for (name, (own, mask)), having in zip(encoded.items(), there.unbind(1), strict=True):
            parts[name] = slice(length, length := length + mask.shape[1])
            states.append(empty.new_zeros(len(empty), *own.shape[1:]))
            states[-1][having] = own.to(empty.dtype)
            masks.append(mask.new_zeros(len(empty), mask.shape[1]))
            masks[-1][having] = mask
        return cls(torch.cat(states, dim=1), torch.cat(masks, dim=1), parts)

    def heard(self, rows: Tensor, modalities: Tensor) -> StateSequence:
        """The utterances `rows` (R,), of which row r hears only `modalities` (R, parts) bool, in the order of parts."""
        widths = torch.tensor([part.stop - part.start for part in self.parts.values()], device=rows.device)
        mask = self.mask[rows] & modalities.repeat_interleave(widths, dim=1)
        answers = None if self.answers is None else self.answers[rows] * modalities[..., None]
        return StateSequence(self.states[rows], mask, self.parts, answers)


def encoder(config: QueryConfig, depth: int) -> nn.TransformerEncoder:
    """Post-norm self-attention layers without positions: (B, L, C) → the same."""
    layer = nn.TransformerEncoderLayer(
        config.width, config.heads, config.feed_forward, config.dropout, batch_first=True
    )
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class Attention(nn.Module):
    """Multi-head attention from (B, Q, C) over (B, L, C) → (B, Q, C); `mask` (B, L) True where it may go.

    Each list in `watchers` is given the weights (B, heads, Q, L) of every pass.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.watchers: list[list[Tensor]] = []

    def forward(self, x: Tensor, over: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(over), self.value(over))
        )
        free = None if mask is None else mask[:, None, None, :]
        if self.watchers:
            weights = attention_weights(query, key, free)
            for seen in self.watchers:
                seen.append(weights.detach())
            mixed = weights @ value
        else:
            mixed = attend(query, key, value, free)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """Post-norm: the queries attend to one another, then to the sequence, then feed-forward."""

    def __init__(self, config: QueryConfig) -> None:
        super().__init__()
        self.among = Attention(config.width, config.heads)
        self.norm1 = nn.LayerNorm(config.width)
        self.across = Attention(config.width, config.heads)
        self.norm2 = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.width)
        self.norm3 = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """queries (B, Q, C), states (B, L, C), mask (B, L) True where there is a state → (B, Q, C)."""
        x = self.norm1(queries + self.dropout(self.among(queries, queries)))
        x = self.norm2(x + self.dropout(self.across(x, states, mask)))
        mlp = self.contract(self.dropout(F.relu(self.expand(x))))
        return self.norm3(x + self.dropout(mlp))


class EmotionDecoder(nn.Module):
    """(B, L, C) fused states → (B, E): one learned query per emotion, and for each its own linear read-out.

    A read-out shared by all emotions would have to write how frequent each is into the queries.
    """

    def __init__(self, config: QueryConfig, emotions: int) -> None:
        super().__init__()
        # Of unit scale, as what normalisation leaves: the queries differ from one another from the start.
        self.queries = nn.Parameter(torch.randn(emotions, config.width))
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_depth))
        self.weight = nn.Parameter(torch.randn(emotions, config.width) * config.width**-0.5)
        self.bias = nn.Parameter(torch.zeros(emotions))

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        x = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            x = layer(x, states, mask)
        return (x * self.weight).sum(-1) + self.bias


class EarlyFusion(nn.Module):
    """The mean state of each modality → one linear layer over their concatenation.

    Written as a sum over modalities: what is missing adds nothing.
    """

    def __init__(self, config: QueryConfig, modalities: int, emotions: int) -> None:
        super().__init__()
        self.out = nn.Linear(modalities * config.width, emotions)

    def forward(self, sequence: StateSequence) -> Tensor:
        there = sequence.mask.to(sequence.states.dtype)[..., None]
        pooled = [
            (sequence.states[:, part] * there[:, part]).sum(1) / there[:, part].sum(1).clamp_min(1)
            for part in sequence.parts.values()
        ]
        return self.out(torch.cat(pooled, dim=-1))


class TransformerFusion(nn.Module):
    """`[CLS]` ⊕ all modalities' states, with no pairing in time → transformer → the `[CLS]` state → linear.

    `[CLS]` is learned, not that of the text encoder: it is there where words are missing. If modalities have answered
    by themselves, it carries the sum of their answers.
    """

    def __init__(self, config: QueryConfig, modalities: int, emotions: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)
        self.encoder = encoder(config, config.fusion_depth)
        self.out = self._reader(config, emotions)

    def _reader(self, config: QueryConfig, emotions: int) -> nn.Module:
        return nn.Linear(config.width, emotions)

    def fuse(self, sequence: StateSequence) -> tuple[Tensor, Tensor]:
        """The fused states (B, 1 + L, C), `[CLS]` first, and which of them are there (B, 1 + L)."""
        cls = self.cls.expand(len(sequence.states), -1, -1)
        if sequence.answers is not None:
            cls = cls + sequence.answers.sum(1, keepdim=True)
        mask = F.pad(sequence.mask, (1, 0), value=True)
        return self.encoder(torch.cat([cls, sequence.states], dim=1), src_key_padding_mask=~mask), mask

    def forward(self, sequence: StateSequence) -> Tensor:
        states, _ = self.fuse(sequence)
        return self.out(states[:, 0])


class QueryFusion(TransformerFusion):
    """The same, but every emotion's query reads all fused states instead of `[CLS]` alone."""

    out: EmotionDecoder

    def _reader(self, config: QueryConfig, emotions: int) -> nn.Module:
        return EmotionDecoder(config, emotions)

    def forward(self, sequence: StateSequence) -> Tensor:
        return self.out(*self.fuse(sequence))

    def decides(self, present: Tensor) -> Tensor:
        """(B, 3) bool → (B,) bool: is what the queries say the answer, where these modalities are present?"""
        return present.any(1)


COMPONENTS = {"early": EarlyFusion, "fusion": TransformerFusion, "queries": QueryFusion}
