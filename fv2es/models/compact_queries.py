"""Emotion queries over networks that answer by themselves: the compact size of Le et al.'s model.

Le et al. train trunks, fusion and decoder in one, on utterances that have face, voice and words. No corpus here has
all three, so the modalities learn apart, from their own; and what they have learnt is more than their trunks' states
say, as the voice has functionals beside its trunk and the words a bag of tokens beside theirs. So the networks are
those of `v2em-compact`, whole, and each answers for itself. What they say together is left to the paper's fusion: it
hears the states of their trunks, and in `[CLS]` their answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fv2es.emotions import MOSEI
from fv2es.models.blocks.queries import QueryConfig, QueryFusion, StateSequence, encoder
from fv2es.models.blocks.sequence import pad
from fv2es.models.emotion_queries import DEPTHS_OF_IEMOCAP, ORDER, ordered, project
from fv2es.models.family import COMPACT_WORDS
from fv2es.models.inputs import Batch
from fv2es.models.multimodal import MultimodalModel, Output, Trunked, with_doubt, without_words
from fv2es.models.registry import register_model
from fv2es.models.v2em import COMPACT_FACES, COMPACT_VOICE, v2em_compact
from fv2es.models.voice import Voice
from fv2es.models.words import Words
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS

COMPACT = replace(DEPTHS_OF_IEMOCAP, width=128, feed_forward=512)
STATES = {WORDS: COMPACT_WORDS.width, FACE: COMPACT_FACES.width, VOICE: COMPACT_VOICE.widths[-1]}  # their numbers


@dataclass(frozen=True, eq=False)
class Perceived:
    """What a modality's network makes of the B utterances that have it: its trunk's states (B, L, C), one a token, face
    or piece, with mask (B, L) True where there is one, and its answer, raw logits (B, E)."""

    states: Tensor
    mask: Tensor
    logits: Tensor


class AnswersFusion(QueryFusion):
    """Emotion queries that read what networks make of words, faces and voice; see `sequence`."""

    def __init__(self, config: QueryConfig, states: Mapping[str, int], emotions: int) -> None:
        super().__init__(config, len(states), emotions)
        self.project = nn.ModuleDict({name: project(width, config.width) for name, width in states.items()})
        self.encoders = nn.ModuleDict(
            {FACE: encoder(config, config.face_depth), VOICE: encoder(config, config.voice_depth)}
        )
        self.answers = nn.ModuleDict({name: nn.Linear(emotions, config.width) for name in states})

    def sequence(self, perceived: Mapping[str, Perceived], present: Tensor) -> StateSequence:
        """The states T ⊕ I ⊕ A of B utterances, and their answers.

        perceived: what is made of those that have a modality; one that nobody has needs no entry. present: (B, 3) bool.
        """
        width = self.cls.shape[-1]
        empty, answers = (self.cls.new_zeros(len(present), count, width) for count in (0, len(ORDER)))
        encoded = {}
        for place, name in enumerate(ORDER):
            encoded[name] = empty[:0], present.new_zeros(0, 0)
            if name in perceived:
                own = perceived[name]
                encoded[name] = self._encode(name, own), own.mask
                answer = self.answers[name](own.logits.to(answers.dtype))
                answers[present[:, MODALITIES.index(name)], place] = answer.to(answers.dtype)
        return replace(StateSequence.join(empty, encoded, ordered(present)), answers=answers)

    def decides(self, present: Tensor) -> Tensor:
        """Who is alone answers by itself."""
        return present.sum(1) > 1

    def _encode(self, name: str, perceived: Perceived) -> Tensor:
        x = self.project[name](perceived.states)
        return self.encoders[name](x, src_key_padding_mask=~perceived.mask) if name in self.encoders else x

    def rescale(self, scale: Tensor, bias: Tensor) -> None:
        """From now on logits (B, E) come out as scale · logits + bias, both (E,) or one number."""
        with torch.no_grad():
            self.out.weight.mul_(scale[..., None])
            self.out.bias.mul_(scale).add_(bias)


class CompactQueries(MultimodalModel):
    """Modalities answer by themselves, as in `MultimodalModel`; where there are several, the queries have the word."""

    fusion: AnswersFusion

    @classmethod
    def over(cls, model: MultimodalModel) -> CompactQueries:
        """The networks of a model like `v2em_compact`, themselves and no copies, under a new fusion."""
        parts = (model.face, model.voice, model.words, model.emotions, model.inputs, model.readout)
        return cls(*parts, fusion=AnswersFusion(COMPACT, STATES, len(model.emotions)))

    def perceive(self, name: str, batch: Batch) -> Perceived:
        """What a modality's network makes of those utterances of the batch that have it, of which there are some."""
        if name == WORDS:
            assert isinstance(self.words, Words)
            tokens, mask = batch.of(WORDS)
            states = self.words.encoder(tokens, mask)
            return Perceived(states, mask, self.words.read(self.words.dropout(states[:, 0]), tokens, mask))
        pictures, counts = batch.of(name)
        if name == FACE:
            assert isinstance(self.face, Trunked)
            maps = self.face.maps(pictures)
            logits = self.face.read(maps, counts)
        else:
            assert isinstance(self.voice, Voice)
            maps = self.voice.network.maps(pictures)
            logits = self.voice.read(maps, pictures, counts)
        states, padding = pad(maps.mean((0, -2, -1)), counts)
        return Perceived(states, ~padding, logits)

    def forward(self, batch: Batch) -> Output:
        present = batch.present
        seen = {name: self.perceive(name, batch) for name in batch.occurring}
        alone = self.calibrated({name: one.logits for name, one in seen.items()}, present)
        # First every utterance as it is, then without words what may not have been said.
        unsure = batch.in_doubt
        rows = torch.cat([torch.arange(len(present), device=unsure.device), unsure])
        hears = torch.cat([present, without_words(present[unsure])])
        together = self.fusion(self.fusion.sequence(seen, present).heard(rows, ordered(hears))).to(alone.dtype)
        by_itself = (alone[rows] * hears[..., None]).sum(1)
        said = torch.where(self.fusion.decides(hears)[:, None], together, by_itself)
        fused, ignored = said.split([len(present), len(unsure)])
        if len(unsure):
            fused = with_doubt(batch, fused, ignored)
        return Output(fused, alone, present)


@register_model
def emotion_queries_compact(emotions: tuple[str, ...] = MOSEI) -> CompactQueries:
    """The networks of `v2em-compact`, and a fusion narrower than the paper's."""
    return CompactQueries.over(v2em_compact(emotions))
