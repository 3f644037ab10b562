"""What FE2E's family of models shares: heads, text encoder, fusion and inputs, in the papers' and in the compact size.

A model of the family is two trunks, one for faces and one for pieces of the spectrogram. The compact size takes the
mean over faces and pieces instead of a sequence transformer, because its labels belong to single pictures and short
clips; a softmax with neutral for face and voice; and Bayes' fusion instead of a mean of logits, because its modalities
learn from corpora of their own.
"""

from __future__ import annotations

from torch import Tensor, nn

from fv2es.models.blocks.albert import AlbertConfig
from fv2es.models.blocks.fusion import BayesFusion
from fv2es.models.blocks.sequence import SequenceConfig, SequenceEncoder
from fv2es.models.inputs import FaceInput, InputConfig, MelInput
from fv2es.models.multimodal import MultimodalModel, SequenceHead, Trunked
from fv2es.models.voice import Voice
from fv2es.models.words import Words
from fv2es.schema import FACE, MODALITIES

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


def paper_size(
    face: nn.Module, face_features: int, voice: nn.Module, voice_features: int, emotions: tuple[str, ...]
) -> MultimodalModel:
    """Trunks whose maps have so many numbers → Linear 1024-64, sequence transformer; ALBERT-base; weighted fusion."""
    count = len(emotions)

    def head(features: int) -> SequenceHead:
        embed = nn.Sequential(nn.Flatten(), nn.Linear(features, 1024), nn.ReLU(), nn.Linear(1024, 64))
        return SequenceHead(embed, SequenceEncoder(SequenceConfig()), 64, count)

    return MultimodalModel(
        Trunked(face, head(face_features)),
        Trunked(voice, head(voice_features)),
        Words(AlbertConfig(), count),
        emotions,
        InputConfig(),
    )


def compact_size(
    face: nn.Module, face_width: int, voice: nn.Module, voice_width: int, emotions: tuple[str, ...]
) -> MultimodalModel:
    """Trunks whose maps have so many channels → their mean → the mean over the utterance; functionals beside the
    voice's; a small text encoder."""
    count = len(emotions)

    def head(width: int) -> SequenceHead:
        return SequenceHead(_MapMean(), SequenceEncoder(SequenceConfig(depth=0)), width, count, dropout=0.3)

    return MultimodalModel(
        Trunked(face, head(face_width), mirror=True),
        Voice(Trunked(voice, head(voice_width)), count),
        Words(COMPACT_WORDS, count, dropout=0.3),
        emotions,
        COMPACT_INPUTS,
        readout={"face": "one_vs_rivals", "voice": "one_vs_rivals"},
        fusion=BayesFusion(len(MODALITIES), count),
    )


def is_compact(model: MultimodalModel) -> bool:
    """Of the family's two sizes, is it this?"""
    return model.readout[FACE] == "one_vs_rivals"


class _MapMean(nn.Module):
    """(N, C, H, W) → (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-2, -1))
