"""FE2E and V2EM: sizes to the digit, operations, the reader's attention, the registry (`test_contract`: the rest)."""

import numpy as np
import pytest
import torch
from oracles import (
    LetterTokenizer,
    largest_difference,
    mixed_utterances,
    outline,
    random_utterance,
    randomise,
    tiny_v2em,
)
from torch.utils.flop_counter import FlopCounterMode

from fv2es.hub import Checkpoint
from fv2es.models import registry
from fv2es.models.blocks.nested import NestedConfig, watch_attention
from fv2es.models.blocks.repvgg import fold
from fv2es.models.blocks.vgg import voice_vgg
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model, list_models
from fv2es.models.v2em import COMPACT_VOICE
from fv2es.reader import Reader


@pytest.fixture(params=["v2em-compact", "tiny"])
def model(request) -> MultimodalModel:
    torch.manual_seed(0)
    return randomise(tiny_v2em() if request.param == "tiny" else create_model(request.param)).eval()


@pytest.fixture
def utterances():
    return mixed_utterances()


# Sizes


def test_the_papers_size_to_the_digit():
    model = outline("v2em")
    assert model.parameter_counts() == {"face": 7_721_862, "voice": 101_481_862, "words": 11_688_198, "fusion": 3}
    trunks = {name: sum(p.numel() for p in getattr(model, name).trunk.parameters()) for name in ("face", "voice")}
    assert trunks == {"face": 1_811_584, "voice": 66_735_744}
    assert sum(p.numel() for p in model.words.encoder.parameters()) == 11_683_584


@pytest.mark.parametrize(
    ("name", "face", "voice"),
    [
        ("fe2e", 10_713_734, 14_380_550),
        ("v2em-vgg-face", 10_713_734, 101_481_862),
        ("v2em-vgg-voice", 7_721_862, 14_380_550),
    ],
)
def test_the_baseline_and_the_ablations_to_the_digit(name, face, voice):
    assert outline(name).parameter_counts() == {"face": face, "voice": voice, "words": 11_688_198, "fusion": 3}


def test_the_baselines_trunks():
    model = outline("fe2e")
    trunks = {name: sum(p.numel() for p in getattr(model, name).trunk.parameters()) for name in ("face", "voice")}
    assert trunks == {"face": 4_803_456, "voice": 4_800_256}
    assert model.face.trunk(torch.zeros(2, 3, 48, 48, device="meta")).shape == (2, 512, 3, 3)
    assert model.voice.trunk(torch.zeros(5, 4, 32, 32, device="meta")).shape == (5, 512, 8, 2)


def test_the_baseline_sees_the_spectrogram_in_one_piece():
    """Bands one below the other, as FE2E takes them, not V2EM's four channels."""
    spectrogram = torch.arange(128 * 32.0).reshape(1, 128, 32)
    layers = voice_vgg()
    torch.testing.assert_close(layers[1](layers[0](spectrogram.reshape(1, 4, 32, 32))), spectrogram[None])


@pytest.mark.parametrize("name", [name for name in list_models() if name.endswith("-compact")])
def test_compact_sizes_are_small(name):
    assert sum(p.numel() for p in outline(name).parameters()) <= 12e6


def test_the_shipped_size_stays_small():
    model = outline("v2em-compact")
    assert model.parameter_counts() == {"face": 1_513_734, "voice": 761_292, "words": 1_909_638, "fusion": 30}
    assert sum(p.numel() for p in model.parameters()) <= 12e6
    assert sum(t.numel() * t.element_size() for t in model.state_dict().values()) <= 25e6


def test_the_papers_shapes():
    model = outline("v2em")
    face, voice = model.face, model.voice
    pictures = face.trunk(torch.zeros(2, 3, 48, 48, device="meta"))
    sounds = voice.trunk(torch.zeros(5, 4, 32, 32, device="meta"))
    assert (pictures.shape, sounds.shape) == ((2, 512, 3, 3), (5, 512, 8, 8))
    assert (face.head.embed(pictures).shape, voice.head.embed(sounds).shape) == ((2, 64), (5, 64))
    tokens = torch.zeros(3, 100, dtype=torch.long, device="meta")
    assert model.words(tokens, tokens == 0).shape == (3, 6)


def test_level_sizes_are_nest_b():
    sizes = NestedConfig()
    assert (sizes.widths, sizes.heads, sizes.depths) == ((128, 256, 512), (4, 8, 16), (2, 2, 20))
    with watch_attention(trunk := outline("v2em").voice.trunk) as maps:
        trunk(torch.zeros(2, 4, 32, 32, device="meta"))
    shapes = {level: tuple(one.shape) for level, one in maps.items()}
    assert shapes == {"level1": (2, 2, 4, 32, 32), "level2": (2, 2, 8, 16, 16), "level3": (2, 20, 16, 8, 8)}


# Operations


def voice_operations(name: str) -> int:
    """Multiplications of one piece (0.4 s) up to its embedding; what comes behind it is per utterance."""
    voice = outline(name).voice.eval()
    voice = getattr(voice, "network", voice)  # without the compact ones' functionals, which are per utterance
    counter = FlopCounterMode(display=False)
    # Watched, attention is written out, so that every product is seen by the counter.
    with counter, watch_attention(voice.trunk):
        voice.head.embed(voice.trunk(torch.zeros(1, 4, 32, 32, device="meta")))
    return counter.get_total_flops() // 2


def nested_operations(config: NestedConfig) -> int:
    """The same from the definition, trunk only."""
    cells = config.side**2
    total = 9 * config.in_channels * config.widths[0] * cells
    for level, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        if level:
            total += 9 * config.widths[level - 1] * width * cells
            cells //= 4
        projections = (4 + 2 * config.mlp_ratio) * width**2
        total += depth * cells * (projections + 2 * width * config.block_side**2)
    return total


def test_operations_are_those_of_the_definition():
    embed = (32_768 * 1024 + 1024 * 64, 0)  # the compact size takes the mean
    for name, config, rest in zip(("v2em", "v2em-compact"), (NestedConfig(), COMPACT_VOICE), embed, strict=True):
        assert voice_operations(name) == nested_operations(config) + rest


def test_compact_voice_needs_a_tenth_of_the_operations():
    assert voice_operations("v2em") >= 10 * voice_operations("v2em-compact")


# The reader


def reader_of(model: MultimodalModel) -> Reader:
    checkpoint = Checkpoint("random", None, "none", model.emotions, np.full(6, 0.5), {"sha256": ""})
    return Reader(checkpoint, fold(model), LetterTokenizer())


def test_the_reader_hands_each_utterance_its_own_attention(model, utterances):
    reader = reader_of(model)
    plain, watched = reader.predict(utterances), reader.predict(utterances, attention=True)
    for one, without, prediction in zip(utterances, plain, watched, strict=True):
        np.testing.assert_allclose(prediction.logits, without.logits, atol=1e-5)
        assert without.attention is None
        if "voice" not in one.modalities:
            assert prediction.attention is None
            continue
        (alone,) = reader.predict([one], attention=True)
        for side, level in ((32, "level1"), (16, "level2"), (8, "level3")):
            maps = prediction.attention[level]
            assert len(maps) == len(alone.attention[level])
            assert maps.dtype == np.float32
            assert maps.shape[-2:] == (side, side)
            np.testing.assert_allclose(maps, alone.attention[level], atol=1e-5)
            np.testing.assert_allclose(maps.sum((-1, -2)), (side // 8) ** 2, rtol=1e-4)


def test_the_reader_refuses_an_utterance_without_anything(model):
    with pytest.raises(ValueError, match=r"nothing to read at 7\.0 s"):
        reader_of(model).predict([random_utterance(1, 1), random_utterance(7)])


def test_the_mirror_image_counts_in_eval_only(model):
    """v2em-compact reads a face and its mirror image; the mean of both is the same for either."""
    crops, counts = torch.randn(3, 1 if model.inputs.face.grey else 3, 48, 48), torch.tensor([1, 2])
    with torch.inference_mode():
        one, other = model.face(crops, counts), model.face(crops.flip(-1), counts)
    assert (largest_difference(one, other) <= 1e-5) == model.face.mirror == model.inputs.face.mirror


# The registry


def test_an_unknown_name_is_answered_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"Unknown model 'v3em'; known: .*v2em, v2em-compact"):
        create_model("v3em")


def test_a_name_is_given_once(monkeypatch):
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))

    def another_model() -> MultimodalModel:
        return tiny_v2em()

    assert registry.register_model(another_model) is another_model
    assert "another-model" in list_models()
    with pytest.raises(ValueError, match="another-model is registered already"):
        registry.register_model(another_model)
