"""Transformer fusion with emotion-level embeddings, in both of the paper's depths and its ablation.

Le, Lee, Kim, Kim, Yang 2023, "Multi-Label Multimodal Emotion Recognition With Transformer-Based Fusion and
Emotion-Level Representation Learning" (IEEE Access, doi 10.1109/ACCESS.2023.3244390). Deviations: a missing modality
is masked in every attention, where the paper always has all three; `[CLS]` is learned instead of the text encoder's;
the projections' hidden width is that of the fusion. Faces are taken at the pipeline's rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fv2es.emotions import MOSEI
from fv2es.models.blocks.albert import Albert, AlbertConfig
from fv2es.models.blocks.picture import one_picture
from fv2es.models.blocks.queries import COMPONENTS, DecoderLayer, QueryConfig, QueryFusion, StateSequence, encoder
from fv2es.models.blocks.repvgg import ConvNormAct
from fv2es.models.blocks.sequence import pad
from fv2es.models.inputs import Batch, FaceInput, InputConfig
from fv2es.models.multimodal import MultimodalModel, Output, with_doubt, without_words
from fv2es.models.registry import register_model
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS

VGG19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
ORDER = (WORDS, FACE, VOICE)  # of the sequence: `[CLS]` ⊕ T ⊕ I ⊕ A
DEPTHS_OF_IEMOCAP = QueryConfig(face_depth=2, voice_depth=2, fusion_depth=2, decoder_depth=2)


def vgg19(in_channels: int, stages: tuple[tuple[int, ...], ...] = VGG19) -> nn.Sequential:
    """(N, in, H, W) → (N, C, H/2ⁿ, W/2ⁿ), n = the number of stages: VGG19's convolutions with normalisation."""
    layers: list[nn.Module] = []
    width = in_channels
    for stage in stages:
        for out in stage:
            layers.append(ConvNormAct(width, out, 3))
            width = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def project(features: int, width: int) -> nn.Sequential:
    """(…, features) → (…, width), the way from any trunk into the sequence."""
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


class Pictures(nn.Module):
    """Trunk → projection → transformer over the utterance: the states of its faces or pieces."""

    def __init__(self, trunk: nn.Module, features: int, config: QueryConfig, depth: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.project = project(features, config.width)
        self.encoder = encoder(config, depth)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) → (N, features)."""
        return self.trunk(pictures).flatten(1)

    def forward(self, pictures: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) of B utterances, (B,) counts ≥ 1 → (B, L, width) and (B, L) True where there is a picture."""
        x = self.project(self.features(pictures))
        padded, padding = pad(x, counts)
        return self.encoder(padded, src_key_padding_mask=padding), ~padding


class WordStates(nn.Module):
    """ALBERT → projection: the states of the utterance's tokens."""

    def __init__(self, config: AlbertConfig, width: int) -> None:
        super().__init__()
        self.encoder = Albert(config)
        self.project = project(config.width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) ids and mask → (B, L, width) and the mask."""
        return self.project(self.encoder(tokens, mask)), mask


class EmotionQueries(MultimodalModel):
    """All modalities' states in one sequence, fused and read together.

    What a modality says alone is what the same network says when it hears nothing else: its states stay, only the
    fusion runs again. Calibration belongs to modalities; what several say together takes the mean of theirs.
    """

    def __init__(
        self,
        face: Pictures,
        voice: Pictures,
        words: WordStates,
        config: QueryConfig,
        emotions: tuple[str, ...],
        inputs: InputConfig,
    ) -> None:
        fusion = COMPONENTS[config.component](config, len(ORDER), len(emotions))
        super().__init__(face, voice, words, emotions, inputs, fusion=fusion)
        self.config = config

    def encode(self, name: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """One modality's states (B', L, width) and mask (B', L) for the B' utterances of the batch that have it."""
        if name not in batch.occurring:
            return self.calibration.bias.new_zeros(0, 0, self.config.width), batch.present.new_zeros(0, 0)
        encoded: tuple[Tensor, Tensor] = getattr(self, name)(*batch.of(name))
        return encoded

    def sequence(self, batch: Batch) -> StateSequence:
        """The encoders' states T ⊕ I ⊕ A of every utterance. What nobody in the batch has takes no place."""
        empty = self.calibration.bias.new_zeros(len(batch), 0, self.config.width)
        return StateSequence.join(empty, {name: self.encode(name, batch) for name in ORDER}, ordered(batch.present))

    def answer(self, sequence: StateSequence, rows: Tensor, hears: Tensor) -> Tensor:
        """Raw logits (R, E) of the utterances `rows` (R,), where only the modalities `hears` (R, 3) bool are heard."""
        raw = self.fusion(sequence.heard(rows, ordered(hears)))
        return raw.to(self.calibration.bias.dtype)

    def raw(self, name: str, batch: Batch) -> Tensor:
        """One modality's raw logits (B', E) for the B' utterances of the batch that have it."""
        column = MODALITIES.index(name)
        rows = batch.present[:, column].nonzero()[:, 0]
        return self.answer(self.sequence(batch), rows, _only(torch.full_like(rows, column)))

    def forward(self, batch: Batch) -> Output:
        present = batch.present
        count, several = len(batch), present.sum(1, keepdim=True) > 1
        rows, columns = (present & several).nonzero(as_tuple=True)
        unsure = batch.in_doubt
        rest = without_words(present[unsure])
        # First every utterance as it is, then, of those that have several modalities, each alone, and then without
        # words what may not have been said.
        asked = torch.cat([torch.arange(count, device=rows.device), rows, unsure])
        raw = self.answer(self.sequence(batch), asked, torch.cat([present, _only(columns), rest]))
        whole, single, ignored = raw.split([count, len(rows), len(unsure)])
        alone = whole[:, None].repeat(1, len(MODALITIES), 1)
        alone[rows, columns] = single
        fused = self.calibration.joint(whole, present)
        if len(unsure):
            fused = with_doubt(batch, fused, self.calibration.joint(ignored, rest))
        return Output(fused, self.calibration(alone) * present[..., None], present)


def ordered(hears: Tensor) -> Tensor:
    """(…, 3) of the modalities → the same in the order of the sequence."""
    return hears[..., [MODALITIES.index(name) for name in ORDER]]


def _only(columns: Tensor) -> Tensor:
    """(R,) → (R, 3) bool, True at the column."""
    return torch.arange(len(MODALITIES), device=columns.device) == columns[:, None]


@dataclass(frozen=True, eq=False)
class QueryAttention:
    """What the emotions' queries attended to in one forward pass, for the utterances whose answer is theirs.

    weights: (B, layers, heads, E, L), each row over L sums to 1. present: (B, L) bool, False at padding. parts: which
    of L is "cls", "words", "face", "voice"; words are tokens, faces and 0.4 s pieces stand in the order of time.
    decided: (B,) bool, False where something else gave the answer.
    """

    weights: Tensor
    present: Tensor
    parts: dict[str, slice]
    decided: Tensor


@contextmanager
def watch_queries(model: MultimodalModel) -> Iterator[list[QueryAttention]]:
    """Record the cross-attention of every forward pass inside the `with`, one entry each.

    Of the whole utterances only: what a modality says alone leaves no record. Raises ValueError for a model without
    emotion queries.
    """
    fusion = model.fusion
    if not isinstance(fusion, QueryFusion):
        raise ValueError(f"This model has no emotion queries, its fusion is {type(fusion).__name__}.")
    layers = [one.across for one in fusion.modules() if isinstance(one, DecoderLayer)]
    seen: list[list[Tensor]] = [[] for _ in layers]
    heard: list[StateSequence] = []
    records: list[QueryAttention] = []

    def start(_: nn.Module, inputs: tuple[StateSequence]) -> None:
        heard[:] = inputs
        for each in seen:
            each.clear()

    def finish(_: nn.Module, __: tuple[Batch], output: Output) -> None:
        count = len(output.logits)
        parts = {name: slice(part.start + 1, part.stop + 1) for name, part in heard[0].parts.items()}
        present = nn.functional.pad(heard[0].mask[:count], (1, 0), value=True)
        weights = torch.stack([one[:count] for (one,) in seen], dim=1)
        records.append(QueryAttention(weights, present, {"cls": slice(0, 1)} | parts, fusion.decides(output.present)))

    hooks = [fusion.register_forward_pre_hook(start), model.register_forward_hook(finish)]
    for layer, each in zip(layers, seen, strict=True):
        layer.watchers.append(each)
    try:
        yield records
    finally:
        for hook in hooks:
            hook.remove()
        for layer in layers:
            layer.watchers.pop()


def _paper_size(config: QueryConfig, emotions: tuple[str, ...] = MOSEI) -> EmotionQueries:
    """VGG19 on 64×64 faces and on pieces put together again to (1, 128, 32): both end in 2048 numbers."""
    return EmotionQueries(
        Pictures(vgg19(3), 512 * 2 * 2, config, config.face_depth),
        Pictures(nn.Sequential(*one_picture(), vgg19(1)), 512 * 4 * 1, config, config.voice_depth),
        WordStates(AlbertConfig(pooler=False), config.width),
        config,
        emotions,
        InputConfig(face=FaceInput(side=64), max_tokens=50),
    )


@register_model
def emotion_queries(emotions: tuple[str, ...] = MOSEI) -> EmotionQueries:
    """The paper's size for CMU-MOSEI: four layers each."""
    return _paper_size(QueryConfig(), emotions)


@register_model
def emotion_queries_2(emotions: tuple[str, ...] = MOSEI) -> EmotionQueries:
    """The paper's size for IEMOCAP: two layers each."""
    return _paper_size(DEPTHS_OF_IEMOCAP, emotions)


@register_model
def emotion_queries_early(emotions: tuple[str, ...] = MOSEI) -> EmotionQueries:
    """The ablation's first step: no fusing transformer, no queries."""
    return _paper_size(replace(QueryConfig(), component="early"), emotions)


@register_model
def emotion_queries_fusion(emotions: tuple[str, ...] = MOSEI) -> EmotionQueries:
    """The ablation's second step: the fusing transformer without queries."""
    return _paper_size(replace(QueryConfig(), component="fusion"), emotions)
