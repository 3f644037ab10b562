"""The utterance-level system: three pretrained backbones, convolution over time, one concatenation.

Lee, Kim 2023 (Interspeech, Show & Tell): InceptionResnetV1 (VGGFace2) on faces of 160×160, DistilHuBERT on the raw
waveform, ALBERT-base-v2 on words; of an utterance the first 5 faces, 10 s and 100 tokens. The backbones are built
without their weights, which come with a checkpoint. Chosen, where the paper gives no sizes: kernel 3, 256 channels
and hidden units, ReLU. Deviations: what is missing is masked rather than padded; ALBERT's pooler and FaceNet's
classifier, which nothing reads, are left out; no SpecAugment in DistilHuBERT.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.emotions import MOSEI
from fv2es.models.blocks.sequence import pad
from fv2es.models.inputs import Batch, FaceInput, InputConfig
from fv2es.models.multimodal import MultimodalModel, Output, with_doubt, without_words
from fv2es.models.registry import register_model
from fv2es.schema import FACE, MODALITIES, VOICE

FACES, SECONDS, TOKENS = 5, 10.0, 100
WIDTH, KERNEL = 256, 3
FACE_STATE = 512  # numbers of an InceptionResnetV1 embedding
PIXELS = FaceInput(side=160, mean=(127.5,) * 3, std=(128.0,) * 3)  # as facenet-pytorch's weights learnt


class OverTime(nn.Module):
    """(B, L, C) states, (B, L) True where there is one → convolution over time, ReLU → their mean (B, width)."""

    def __init__(self, states: int, width: int = WIDTH) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(states, width, KERNEL, padding=KERNEL // 2)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        there = mask[..., None].to(states.dtype)
        x = F.relu(self.convolution((states * there).transpose(1, 2))).transpose(1, 2)
        return (x * there).sum(1) / there.sum(1)


class FaceState(nn.Module):
    """(ΣF, 3, S, S) faces of B utterances, (B,) counts ≥ 1 → (B, width); those behind the fifth are not looked at.

    In training its batch normalisation needs two faces in the batch.
    """

    def __init__(self, backbone: nn.Module, width: int = WIDTH) -> None:
        super().__init__()
        self.backbone = backbone
        self.over_time = OverTime(FACE_STATE, width)

    def forward(self, faces: Tensor, counts: Tensor) -> Tensor:
        first = torch.cat([each[:FACES] for each in faces.split(counts.tolist())])
        states, padding = pad(self.backbone(first), counts.clamp_max(FACES))
        return self.over_time(states, ~padding)


class VoiceState(nn.Module):
    """(B, n) waveforms at 16 kHz, (B,) lengths ≥ 400 → (B, width).

    HuBERT's first convolution is normalised over time, padding and all, so that only equal lengths share a pass.
    """

    def __init__(self, backbone: nn.Module, states: int, width: int = WIDTH) -> None:
        super().__init__()
        self.backbone = backbone
        self.over_time = OverTime(states, width)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        out = self.over_time.convolution.weight.new_zeros(len(waves), self.over_time.convolution.out_channels)
        for length in lengths.unique().tolist():
            rows = lengths == length
            states = self.backbone(waves[rows, :length]).last_hidden_state
            out[rows] = self.over_time(states, states.new_ones(states.shape[:2], dtype=torch.bool)).to(out.dtype)
        return out


class WordState(nn.Module):
    """(B, L) token ids, (B, L) mask → (B, width)."""

    def __init__(self, backbone: nn.Module, states: int, width: int = WIDTH) -> None:
        super().__init__()
        self.backbone = backbone
        self.over_time = OverTime(states, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.over_time(self.backbone(tokens, attention_mask=mask).last_hidden_state, mask)


class Concatenation(nn.Module):
    """(…, modalities, width), zero where missing → concatenated → two linear layers → (…, E)."""

    def __init__(self, modalities: int, width: int, emotions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(modalities * width, width), nn.ReLU(), nn.Linear(width, emotions))

    def forward(self, states: Tensor) -> Tensor:
        return self.layers(states.flatten(-2))


class UtteranceLevel(MultimodalModel):
    """One state per modality, concatenated and read together.

    What a modality says alone is what the same layers say where the others' states are zero. Calibration belongs to
    modalities; what several say together takes the mean of theirs.
    """

    def __init__(
        self,
        face: FaceState,
        voice: VoiceState,
        words: WordState,
        inputs: InputConfig,
        emotions: tuple[str, ...] = MOSEI,
        width: int = WIDTH,
    ) -> None:
        fusion = Concatenation(len(MODALITIES), width, len(emotions))
        super().__init__(face, voice, words, emotions, inputs, fusion=fusion)
        self.width = width

    def encode(self, name: str, batch: Batch) -> Tensor:
        """One modality's states (B', width) of the B' utterances of the batch that have it."""
        there = batch.present[:, MODALITIES.index(name)]
        if name == FACE:
            return self.face(batch.faces, batch.face_counts[there])
        if name == VOICE:
            if len(batch.waves) != len(batch):
                raise ValueError("This model hears waveforms, and the batch has none: its inputs need `waveform`.")
            return self.voice(batch.waves[there], batch.wave_lengths[there])
        return self.words(batch.tokens[there], batch.token_mask[there])

    def raw(self, name: str, batch: Batch) -> Tensor:
        """What one modality says alone: raw logits (B', E) of the B' utterances of the batch that have it."""
        encoded = self.encode(name, batch)
        states = encoded.new_zeros(len(encoded), len(MODALITIES), self.width)
        states[:, MODALITIES.index(name)] = encoded
        return self.fusion(states)

    def forward(self, batch: Batch) -> Output:
        present = batch.present
        dtype = self.calibration.bias.dtype
        states = self.calibration.bias.new_zeros(len(batch), len(MODALITIES), self.width)
        for column, name in enumerate(MODALITIES):
            there = present[:, column]
            if there.any():
                states[there, column] = self.encode(name, batch).to(dtype)
        only = torch.eye(len(MODALITIES), dtype=dtype, device=states.device)[..., None]
        alone = self.calibration(self.fusion(states[:, None] * only).to(dtype)) * present[..., None]
        fused = self.calibration.joint(self.fusion(states).to(dtype), present)
        if len(rows := batch.in_doubt):
            rest = without_words(present[rows])
            ignored = self.fusion(states[rows] * rest[..., None]).to(dtype)
            fused = with_doubt(batch, fused, self.calibration.joint(ignored, rest))
        return Output(fused, alone, present)


def distilhubert() -> nn.Module:
    """DistilHuBERT (Chang, Yang, Lee 2022, arXiv 2110.01900): HuBERT's convolutions and two of its layers.

    Random weights, 23,491,200 of them (reported: 23.49 M). (B, n) waveforms → (B, (n − 80) // 320, 768) states.
    """
    from transformers import HubertConfig, HubertModel

    sizes = HubertConfig(num_hidden_layers=2, feat_proj_layer_norm=False, feat_proj_dropout=0.0, layerdrop=0.0,
                         apply_spec_augment=False, mask_time_prob=0.0, mask_feature_prob=0.0)  # fmt: skip
    return HubertModel(sizes)


def albert_base() -> nn.Module:
    """ALBERT-base-v2 as transformers has it, random weights, without the pooler."""
    from transformers import AlbertConfig, AlbertModel

    sizes = AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    return AlbertModel(sizes, add_pooling_layer=False)


@register_model
def utterance_level(emotions: tuple[str, ...] = MOSEI) -> UtteranceLevel:
    """The paper's backbones: 23,876,096 visual, 24,081,280 acoustic, 11,683,072 textual parameters, 198,406 behind."""
    from facenet_pytorch import InceptionResnetV1

    return UtteranceLevel(
        FaceState(InceptionResnetV1(pretrained=None)),
        VoiceState(distilhubert(), 768),
        WordState(albert_base(), 768),
        InputConfig(face=PIXELS, max_tokens=TOKENS, waveform=SECONDS),
        emotions,
    )
