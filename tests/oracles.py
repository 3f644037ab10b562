"""What several tests of the models share: models in miniature, random utterances, other libraries' names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from fv2es.emotions import MOSEI
from fv2es.modalities.spectrogram import HOP_LENGTH
from fv2es.models.blocks.albert import AlbertConfig
from fv2es.models.blocks.fusion import WeightedFusion
from fv2es.models.blocks.nested import NestedConfig, NestedTransformer
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig
from fv2es.models.blocks.sequence import SequenceConfig, SequenceEncoder
from fv2es.models.inputs import InputConfig
from fv2es.models.multimodal import MultimodalModel, SequenceHead, Trunked
from fv2es.models.registry import create_model
from fv2es.models.words import Words
from fv2es.schema import FaceCrop, Span, Transcript, Utterance

TINY_VOICE = NestedConfig(widths=(8, 16, 24), heads=(1, 2, 4), depths=(2, 1, 2))
TINY_WORDS = AlbertConfig(
    vocabulary=64, positions=32, embedding=8, width=16, heads=2, feed_forward=32, passes=2, pooler=False
)


def tiny_v2em(emotions: Sequence[str] = MOSEI) -> MultimodalModel:
    """V2EM of the paper with every part in miniature: pooled RepVGG, nested transformer, sequence transformers."""
    faces = RepVGGConfig(stem_width=4, stages=((4, 4, 8), (8,), (12,)))
    sequence = SequenceConfig(width=16, depth=2, heads=4, feed_forward=32)
    count = len(emotions)

    def head(features: int) -> SequenceHead:
        return SequenceHead(nn.Sequential(nn.Flatten(), nn.Linear(features, 16)), SequenceEncoder(sequence), 16, count)

    return MultimodalModel(
        Trunked(RepVGG(faces), head(12 * 3 * 3)),
        Trunked(NestedTransformer(TINY_VOICE), head(24 * 8 * 8)),
        Words(TINY_WORDS, count),
        tuple(emotions),
        InputConfig(max_tokens=32),
    )


def outline(name: str) -> MultimodalModel:
    """A registered model with shapes but without numbers: a hundred million parameters cost nothing."""
    with torch.device("meta"):
        return create_model(name)


class LetterTokenizer:
    """`[CLS]` = 1, then one id for each letter: no vocabulary is needed."""

    def encode(self, text: str, length: int) -> list[int]:
        return [1, *(4 + ord(letter) % 60 for letter in text)][:length]


def random_utterance(seed: int, faces: int = 0, columns: int = 0, text: str = "") -> Utterance:
    """`faces` noise crops of 64×64, a power spectrogram of `columns` columns, and words."""
    rng = np.random.default_rng(seed)
    crops = tuple(FaceCrop(0.5 * n, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for n in range(faces))
    mel = rng.exponential(1.0, (128, columns)).astype(np.float32)
    return Utterance(Span(seed, seed + 5.0), crops, mel=mel, transcript=Transcript(text, "typed" if text else "none"))


def mixed_utterances() -> list[Utterance]:
    """Different lengths, and every subset of face, voice and words but the empty one."""
    wanted = [
        (3, 100, "what a lovely day"), (1, 0, ""), (0, 33, ""), (0, 0, "no"), (5, 40, ""), (2, 0, "one two three"),
        (0, 250, "a much longer sentence than all"), (1, 31, "x"),
    ]  # fmt: skip
    return [random_utterance(seed, *one) for seed, one in enumerate(wanted)]


def voiced(one: Utterance) -> Utterance:
    """With a waveform of noise as long as its spectrogram."""
    rng = np.random.default_rng(int(one.span.start))
    samples = max(0, one.mel.shape[1] - 1) * HOP_LENGTH
    return replace(one, waveform=rng.normal(0, rng.uniform(0.05, 0.5), samples).astype(np.float32))


def only(one: Utterance, names: Collection[str]) -> Utterance:
    """The utterance with nothing but these modalities."""
    voice = "voice" in names
    return replace(
        one,
        faces=one.faces if "face" in names else (),
        mel=one.mel if voice else one.mel[:, :0],
        waveform=one.waveform if voice else one.waveform[:0],
        transcript=one.transcript if "words" in names else Transcript(),
    )


def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every batch normalisation below `module` weights and statistics like those of a trained one, in place."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for values, low, high in ((norm.weight, 0.3, 1.7), (norm.bias, -1.0, 1.0),
                                      (norm.running_mean, -1.0, 1.0), (norm.running_var, 0.2, 3.0)):  # fmt: skip
                values.data.uniform_(low, high, generator=generator)
    return module


def scatter(module: nn.Module, std: float = 0.05, seed: int = 0) -> nn.Module:
    """Move every parameter a little at random, so that none keeps a value (0, 1) that hides where it is used."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += std * torch.randn(parameter.shape, generator=generator)
    return module


def randomise(model: MultimodalModel) -> MultimodalModel:
    """Give no parameter and no calibration a value (0, 1, all alike) that hides where it is used, in place."""
    with torch.no_grad():
        for parameter in shake(model).parameters():
            if parameter.min() == parameter.max():
                parameter += 0.05 * torch.randn_like(parameter)
    model.calibration.scale.uniform_(0.5, 1.5)
    model.calibration.bias.uniform_(-0.5, 0.5)
    if isinstance(model.fusion, WeightedFusion):
        model.fusion.weight.data = torch.tensor([[0.5, 0.3, 0.2]])
    return model


def nested_from_timm(state: Mapping[str, Tensor], heads: Sequence[int]) -> dict[str, Tensor]:
    """Weights of timm's `Nest` under the names of `NestedTransformer`; its classifier drops out.

    timm lays the mixed values out with the heads innermost, (channels of a head, heads), where the usual order is
    (heads, channels of a head): the columns of the projection behind them change places.
    """
    names = {
        "patch_embed.proj": "embed", "pos_embed": "position", "pool": "merge", "transformer_encoder": "layers",
        "attn": "attention", "fc1": "0", "fc2": "3",
    }  # fmt: skip
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    renamed = {}
    for name, value in state.items():
        if name.endswith("attn.proj.weight"):
            count = heads[int(name.split(".")[1])]
            value = value.unflatten(1, (-1, count)).transpose(1, 2).flatten(1)
        if not name.startswith("head."):
            renamed[pattern.sub(lambda found: names[found.group()], name)] = value
    return renamed


def largest_difference(one: Tensor, other: Tensor) -> float:
    """max |one − other|, and a clear failure where the shapes differ."""
    assert one.shape == other.shape
    return float((one - other).abs().max())
