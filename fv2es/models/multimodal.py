"""What all models share: three modality networks in, calibrated and fused logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fv2es.models.blocks.fusion import BayesFusion, Calibration, WeightedFusion, doubted, one_vs_rivals
from fv2es.models.inputs import Batch, InputConfig
from fv2es.schema import MODALITIES, WORDS


@dataclass(frozen=True, eq=False)
class Output:
    """logits (B, E) fused; modalities (B, 3, E) calibrated, zero where missing; present (B, 3) bool."""

    logits: Tensor
    modalities: Tensor
    present: Tensor


class MultimodalModel(nn.Module):
    """Face, voice and words networks, each giving (B', E) raw logits for the utterances that have the modality.

    `readout` says how raw logits are meant: "independent" (six sigmoids) or "one_vs_rivals" (a softmax with
    neutral, each emotion measured against the others: `blocks.fusion.one_vs_rivals`).
    """

    def __init__(
        self,
        face: nn.Module,
        voice: nn.Module,
        words: nn.Module,
        emotions: tuple[str, ...],
        inputs: InputConfig,
        readout: dict[str, str] | None = None,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.face, self.voice, self.words = face, voice, words
        self.emotions = emotions
        self.inputs = inputs
        self.readout = dict.fromkeys(MODALITIES, "independent") | (readout or {})
        self.calibration = Calibration(len(MODALITIES), len(emotions))
        self.fusion = fusion or WeightedFusion(len(MODALITIES))

    def raw(self, name: str, batch: Batch) -> Tensor:
        """One modality's raw logits (B', E) for the B' utterances of the batch that have it."""
        logits: Tensor = getattr(self, name)(*batch.of(name))
        return logits

    def calibrated(self, raw: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Modality → raw logits (B', E) of the B' utterances that have it → (B, 3, E), zero where missing.

        present: (B, 3) bool; what nobody has needs no entry.
        """
        stacked = self.calibration.bias.new_zeros(len(present), len(MODALITIES), len(self.emotions))
        for name, logits in raw.items():
            column = MODALITIES.index(name)
            read = one_vs_rivals(logits) if self.readout[name] == "one_vs_rivals" else logits
            stacked[present[:, column], column] = read.to(stacked.dtype)
        return self.calibration(stacked) * present[..., None]

    def forward(self, batch: Batch) -> Output:
        """Every modality that an utterance has, calibrated, and fused; whatever else is in the batch."""
        present = batch.present
        calibrated = self.calibrated({name: self.raw(name, batch) for name in batch.occurring}, present)
        fused = self.fusion(calibrated, present)
        if len(rows := batch.in_doubt):
            fused = with_doubt(batch, fused, self.fusion(calibrated[rows], without_words(present[rows])))
        return Output(fused, calibrated, present)

    def fusion_weights(self) -> Tensor:
        """(3,) how much each modality counts where several are present: equal where no weights say so beforehand."""
        weights = self.weights_in_force([True] * len(MODALITIES))
        return self.calibration.bias.new_full((len(MODALITIES),), 1 / len(MODALITIES)) if weights is None else weights

    def weights_in_force(self, present: Sequence[bool]) -> Tensor | None:
        """(3,) how much each modality counts where these are present, None where fusion is learnt inside the network.

        present: face, voice, words.
        """
        if not isinstance(self.fusion, WeightedFusion | BayesFusion):
            return None
        there = torch.tensor([list(present)], device=self.calibration.bias.device)
        return self.fusion.weights_in_force(there)[0].detach()

    def parameter_counts(self) -> dict[str, int]:
        """Parameters per modality and of the fusion."""
        parts = {name: getattr(self, name) for name in (*MODALITIES, "fusion")}
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def without_words(present: Tensor) -> Tensor:
    """(R, 3) bool → the same, no words."""
    return present & (torch.arange(len(MODALITIES), device=present.device) != MODALITIES.index(WORDS))


def with_doubt(batch: Batch, believed: Tensor, ignored: Tensor) -> Tensor:
    """(B, E) fused logits where words are believed, (D, E) of those `in_doubt` where they are not → (B, E)."""
    rows = batch.in_doubt
    fused = believed.clone()
    fused[rows] = doubted(believed[rows], ignored, batch.confidence[rows].to(believed.dtype))
    return fused


class SequenceHead(nn.Module):
    """(N, features) → embeddings → sequence encoder → (B, E): the way up from any trunk."""

    def __init__(self, embed: nn.Module, sequence: nn.Module, width: int, emotions: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = embed
        self.sequence = sequence
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, emotions)

    def forward(self, features: Tensor, counts: Tensor) -> Tensor:
        return self.out(self.dropout(self.sequence(self.embed(features), counts)))


class Trunked(nn.Module):
    """A trunk over single pictures and a head over the utterance's sequence of them."""

    def __init__(self, trunk: nn.Module, head: SequenceHead, mirror: bool = False) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.mirror = mirror

    def maps(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) → (views, N, C', H', W'): the trunk's maps; in eval of the mirror images, too, if they count."""
        views = [pictures, torch.flip(pictures, (-1,))] if self.mirror and not self.training else [pictures]
        return torch.stack([self.trunk(one) for one in views])

    def read(self, maps: Tensor, counts: Tensor) -> Tensor:
        """Maps of the pictures of B utterances, (B,) counts ≥ 1 → (B, E), the mean over the views."""
        return torch.stack([self.head(one, counts) for one in maps]).mean(0)

    def forward(self, pictures: Tensor, counts: Tensor) -> Tensor:
        return self.read(self.maps(pictures), counts)
