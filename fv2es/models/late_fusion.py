"""Late fusion: the two simplest rows of the papers' tables, adapted to features of ours.

LF-LSTM and LF-Transformer stand in Dai et al. 2021 (arXiv 2103.09666) and in Wei et al. 2022 (arXiv 2209.10170) on
features made by hand (facial action units, COVAREP, GloVe), which need a licence. Adaptation: each face is its grey
pixels, each spectrogram column its 128 log-mel bands, each token an embedding learned here. Chosen: one small size.
One modality is one sequence, read by one encoder; the modalities meet in the weighted mean of their logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from fv2es.emotions import MOSEI
from fv2es.models.blocks.sequence import SequenceConfig, SequenceEncoder, pad
from fv2es.models.family import COMPACT_INPUTS, COMPACT_WORDS
from fv2es.models.inputs import InputConfig
from fv2es.models.multimodal import MultimodalModel, SequenceHead
from fv2es.models.registry import register_model
from fv2es.schema import N_MELS

INPUTS: InputConfig = replace(COMPACT_INPUTS, face=replace(COMPACT_INPUTS.face, mirror=False))


@dataclass(frozen=True)
class LateConfig:
    """Sizes of each modality's encoder. width: of its items; the LSTM has as many units in each direction."""

    width: int = 128
    lstm_depth: int = 2
    transformer_depth: int = 4
    heads: int = 4
    feed_forward: int = 512
    dropout: float = 0.1
    vocabulary: int = COMPACT_WORDS.vocabulary


class BidirectionalLSTM(nn.Module):
    """(N, C) items, (B,) counts ≥ 1 → (B, 2C): the last state of each direction. Padding is never read."""

    def __init__(self, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, depth, batch_first=True, dropout=dropout, bidirectional=True)

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        padded, _ = pad(items, counts)
        packed = pack_padded_sequence(padded, counts.cpu(), batch_first=True, enforce_sorted=False)
        _, (states, _) = self.lstm(packed)
        return torch.cat([states[-2], states[-1]], dim=-1)


class PositionedTransformer(nn.Module):
    """(N, C) items, (B,) counts ≥ 1 → (B, C): the family's sequence encoder, told the order by sinusoids."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.encoder = SequenceEncoder(config)

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        places = torch.cat([torch.arange(count, device=items.device) for count in counts.tolist()])
        return self.encoder(items + sinusoids(places, items.shape[-1]).to(items.dtype), counts)


def sinusoids(places: Tensor, width: int) -> Tensor:
    """(N,) → (N, width): sines, then cosines, of wavelengths from 2π to 10,000·2π (Vaswani et al. 2017, §3.5)."""
    wavelengths = 10_000 ** (torch.arange(0, width, 2, device=places.device) / width)
    angles = places[:, None] / wavelengths
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def spectrogram_columns(pieces: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 4, 32, 32) pieces of B utterances, (B,) counts ≥ 1 → (ΣT, 128) columns in the order of time, (B,) counts.

    The zeros that fill up an utterance's last piece are left out; of a piece that is zero throughout stays one column.
    """
    columns = pieces.flatten(1, 2).transpose(1, 2)
    used = torch.arange(1, columns.shape[1] + 1, device=pieces.device) * columns.ne(0).any(-1)
    last = counts.cumsum(0) - 1
    lengths = torch.full((len(pieces),), columns.shape[1], device=pieces.device)
    lengths[last] = used[last].amax(1).clamp_min(1)
    kept = torch.arange(columns.shape[1], device=pieces.device) < lengths[:, None]
    return columns[kept], torch.stack([part.sum() for part in lengths.split(counts.tolist())])


class Columns(nn.Module):
    """The voice: a sequence of spectrogram columns."""

    def __init__(self, head: SequenceHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, pieces: Tensor, counts: Tensor) -> Tensor:
        return self.head(*spectrogram_columns(pieces, counts))


class Tokens(nn.Module):
    """The words: a sequence of tokens."""

    def __init__(self, head: SequenceHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.head(tokens[mask], mask.sum(1))


def late_fusion(
    config: LateConfig, sequence: Callable[[], nn.Module], out_width: int, emotions: tuple[str, ...]
) -> MultimodalModel:
    """Faces, columns and tokens, each through its own encoder made by `sequence`, whose state has `out_width`."""

    def head(embed: nn.Module) -> SequenceHead:
        return SequenceHead(embed, sequence(), out_width, len(emotions), config.dropout)

    pixels = nn.Sequential(nn.Flatten(), nn.Linear(INPUTS.face.side**2, config.width))
    return MultimodalModel(
        head(pixels),
        Columns(head(nn.Linear(N_MELS, config.width))),
        Tokens(head(nn.Embedding(config.vocabulary, config.width))),
        emotions,
        INPUTS,
    )


@register_model
def lf_lstm(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """Two bidirectional layers: 956,038 visual, 677,510 acoustic, 1,684,998 textual parameters."""
    config = LateConfig()
    return late_fusion(
        config, lambda: BidirectionalLSTM(config.width, config.lstm_depth, config.dropout), 2 * config.width, emotions
    )


@register_model
def lf_transformer(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """Four layers: 1,089,030 visual, 810,502 acoustic, 1,817,990 textual parameters."""
    config = LateConfig()
    sizes = SequenceConfig(config.width, config.transformer_depth, config.heads, config.feed_forward, config.dropout)
    return late_fusion(config, lambda: PositionedTransformer(sizes), config.width, emotions)
