"""The utterance-level system: sizes, waveforms in batches (`test_contract` has what holds for all models)."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from oracles import (
    LetterTokenizer,
    largest_difference,
    mixed_utterances,
    outline,
    random_utterance,
    scatter,
    voiced,
)
from torch import nn
from transformers import AlbertConfig, AlbertModel, HubertConfig, HubertModel

from fv2es.models.inputs import InputConfig, face_tensor, make_batch
from fv2es.models.utterance_level import PIXELS, FaceState, OverTime, UtteranceLevel, VoiceState, WordState
from fv2es.schema import MODALITIES, Utterance

SECOND = InputConfig(face=replace(PIXELS, side=80), max_tokens=32, waveform=1.0)
HEARD = HubertConfig(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
    num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, feat_proj_layer_norm=False, layerdrop=0.0,
    apply_spec_augment=False, mask_time_prob=0.0, hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
    feat_proj_dropout=0.0,
)  # fmt: skip
READ = AlbertConfig(
    vocab_size=64, embedding_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
)


class TinyFaces(nn.Module):
    """512 numbers of unit length from a picture of any size, as InceptionResnetV1 gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.out = nn.Linear(32, 512)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.out(self.layers(x)), dim=1)


@pytest.fixture
def model() -> UtteranceLevel:
    """Backbones in miniature, one second of sound, faces of 80×80."""
    torch.manual_seed(0)
    whole = UtteranceLevel(
        FaceState(TinyFaces(), 24),
        VoiceState(HubertModel(HEARD), 16, 24),
        WordState(AlbertModel(READ, add_pooling_layer=False), 16, 24),
        SECOND,
        width=24,
    )
    return scatter(whole, std=0.1).eval()


@pytest.fixture
def utterances() -> list[Utterance]:
    """Shorter than a second, longer, equally long, and without a voice; one with more than five faces."""
    return [voiced(one) for one in [*mixed_utterances(), random_utterance(8, 7, 33), random_utterance(9, 0, 33, "x")]]


# Sizes


@pytest.fixture(scope="module")
def whole() -> UtteranceLevel:
    return outline("utterance-level")


def test_sizes_to_the_digit(whole):
    backbones = {part: sum(p.numel() for p in getattr(whole, part).backbone.parameters()) for part in MODALITIES}
    assert backbones == {"face": 23_482_624, "voice": 23_491_200, "words": 11_092_992}
    heads = {"face": 3 * 512 * 256 + 256, "voice": 3 * 768 * 256 + 256, "words": 3 * 768 * 256 + 256}
    fusion = 768 * 256 + 256 + 256 * 6 + 6
    assert whole.parameter_counts() == {part: backbones[part] + heads[part] for part in heads} | {"fusion": fusion}


def test_the_papers_inputs_and_shapes(whole):
    assert (whole.inputs.face.side, whole.inputs.waveform, whole.inputs.max_tokens) == (160, 10.0, 100)
    with torch.device("meta"):
        assert whole.face.backbone.eval()(torch.zeros(2, 3, 160, 160)).shape == (2, 512)
        assert whole.voice.backbone.eval()(torch.zeros(1, 160_000)).last_hidden_state.shape == (1, 499, 768)
        tokens = torch.zeros(2, 100, dtype=torch.long)
        assert whole.words.backbone(tokens).last_hidden_state.shape == (2, 100, 768)


def test_faces_are_scaled_as_the_published_weights_learnt():
    pixels = np.full((160, 160, 3), 255, np.uint8)
    torch.testing.assert_close(face_tensor(pixels, PIXELS), torch.full((3, 160, 160), 127.5 / 128))


# Waveforms


def test_waveforms_are_cut_padded_and_counted(utterances):
    batch = make_batch(utterances, SECOND, LetterTokenizer())
    lengths = [min(16_000, len(one.waveform)) for one in utterances]
    assert 0 in lengths
    assert 16_000 in lengths
    assert batch.wave_lengths.tolist() == lengths
    assert batch.waves.shape == (len(utterances), 16_000)
    for row, one in enumerate(utterances):
        np.testing.assert_array_equal(batch.waves[row, : lengths[row]], one.waveform[:16_000])
        assert not batch.waves[row, lengths[row] :].any()
    assert batch.present.tolist() == [[name in one.modalities for name in MODALITIES] for one in utterances]
    assert len(make_batch([], SECOND, None)) == 0


def test_waveforms_stay_out_unless_asked_for(utterances):
    batch = make_batch(utterances, InputConfig(), LetterTokenizer())
    assert batch.waves.numel() == batch.wave_lengths.numel() == 0
    assert batch.present.tolist() == [[name in one.modalities for name in MODALITIES] for one in utterances]


def test_a_voice_without_its_waveform_is_not_passed_over(model):
    mute = random_utterance(2, 0, 40)
    with pytest.raises(ValueError, match=r"that of the voice at 2\.0 s is gone"):
        make_batch([mute], SECOND, None)
    with pytest.raises(ValueError, match="its inputs need `waveform`"):
        model(make_batch([mute], replace(SECOND, waveform=0.0), None))


def test_too_short_a_sound_is_no_voice(model):
    short = replace(random_utterance(1, 1), waveform=np.ones(399, np.float32))
    batch = make_batch([short], SECOND, None)
    assert batch.present.tolist() == [[True, False, False]]
    assert model(batch).logits.isfinite().all()


def test_the_setting_survives_json_and_may_be_missing():
    assert InputConfig.from_dict(json.loads(json.dumps(asdict(SECOND)))) == SECOND
    old = {key: value for key, value in asdict(InputConfig()).items() if key != "waveform"}
    assert InputConfig.from_dict(old) == InputConfig()


# Behaviour


def test_time_is_averaged_over_what_is_there():
    """Against torch's convolution on each sequence alone, whatever stands in the padding."""
    torch.manual_seed(0)
    layer, counts = OverTime(4, 6), [5, 1, 3]
    states = torch.randn(3, 5, 4)
    mask = torch.arange(5) < torch.tensor(counts)[:, None]
    with torch.inference_mode():
        got = layer(states, mask)
        for row, count in enumerate(counts):
            wanted = layer.convolution(states[row, :count].T[None])[0].relu().mean(1)
            torch.testing.assert_close(got[row], wanted)


def test_the_sixth_face_is_not_looked_at(model):
    many = random_utterance(4, 7)
    batches = [make_batch([replace(many, faces=many.faces[:count])], SECOND, None) for count in (4, 5, 7)]
    with torch.inference_mode():
        four, five, seven = (model(batch).logits for batch in batches)
    assert torch.equal(five, seven)
    assert largest_difference(four, five) > 1e-4
