"""V2EM, the model of the FV2ES system, in the paper's size and in the compact size that ships.

Wei, Huang, Zhang 2022, "FV2ES: A Fully End2End Multimodal System for Fast Yet Effective Video Emotion Recognition
Inference" (arXiv 2209.10170). Sizes follow the published reference code. Deviations: the reference's unused
1000-class head of the acoustic trunk is left out; a missing face is masked rather than replaced by the frame's
centre; the blocks are folded once, after training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fv2es.emotions import MOSEI
from fv2es.models.blocks.albert import Albert, AlbertConfig
from fv2es.models.blocks.fusion import LinearPool
from fv2es.models.blocks.nested import NestedConfig, NestedTransformer
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig
from fv2es.models.blocks.sequence import SequenceConfig, SequenceEncoder
from fv2es.models.inputs import FaceInput, InputConfig, MelInput
from fv2es.models.multimodal import MultimodalModel, SequenceHead, Trunked
from fv2es.models.registry import register_model


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


def _flatten(features: int, hidden: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, width))


@register_model
def v2em() -> MultimodalModel:
    """The paper's size: 7,721,862 visual, 101,481,862 acoustic, 11,688,198 textual parameters (training form)."""
    faces, audio, text, sequence = RepVGGConfig(), NestedConfig(), AlbertConfig(), SequenceConfig()
    emotions = len(MOSEI)
    face_head = SequenceHead(_flatten(512 * 3 * 3, 1024, 64), SequenceEncoder(sequence), 64, emotions)
    voice_head = SequenceHead(_flatten(512 * 8 * 8, 1024, 64), SequenceEncoder(sequence), 64, emotions)
    return MultimodalModel(
        Trunked(RepVGG(faces), face_head),
        Trunked(NestedTransformer(audio), voice_head),
        Words(text, emotions),
        MOSEI,
        InputConfig(),
    )


class _Pool(nn.Module):
    """(N, C, H, W) → (N, C) by the mean."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(x.mean((-2, -1)), 1)


COMPACT_FACES = RepVGGConfig(
    in_channels=1,
    stem_width=32,
    stem_kernel=3,
    stages=((32, 32), (64, 64, 64), (160, 160, 160, 160), (320,)),
    halve_by="stride",
)
COMPACT_VOICE = NestedConfig(widths=(32, 64, 128), heads=(2, 4, 8), depths=(1, 1, 2), drop_path=0.1)
COMPACT_WORDS = AlbertConfig(
    vocabulary=8000,
    positions=100,
    width=256,
    heads=4,
    feed_forward=1024,
    passes=4,
    pooler=False,
    dropout=0.1,
    bag_of_tokens=True,
)
COMPACT_INPUTS = InputConfig(
    face=FaceInput(grey=True, normalise="crop", mean=(), std=(), mirror=True),
    mel=MelInput(log=True, floor=1e-5, level=0.3, trim_db=40.0, standardise=True),
    max_tokens=100,
    tokenizer="tokenizer.json",
)


@register_model
def v2em_compact() -> MultimodalModel:
    """The shipped size: the same blocks, narrower; the mean over faces and pieces instead of a sequence transformer,
    because its labels belong to single pictures and short clips; a softmax with neutral for face and voice; the mean
    of probabilities instead of logits, because its modalities learn from corpora of their own."""
    emotions = len(MOSEI)
    mean = SequenceConfig(depth=0)
    width = COMPACT_FACES.width
    face_head = SequenceHead(_Pool(), SequenceEncoder(mean), width, emotions, dropout=0.3)
    voice_head = SequenceHead(_Pool(), SequenceEncoder(mean), COMPACT_VOICE.widths[-1], emotions, dropout=0.3)
    return MultimodalModel(
        Trunked(RepVGG(COMPACT_FACES), face_head, mirror=True),
        Trunked(NestedTransformer(COMPACT_VOICE), voice_head),
        Words(COMPACT_WORDS, emotions, dropout=0.3),
        MOSEI,
        COMPACT_INPUTS,
        readout={"face": "one_vs_rest", "voice": "one_vs_rest"},
        fusion=LinearPool,
    )
