"""The model of Le et al.: sizes, calibration of what is said together, what the queries attended to (`test_contract`:
what holds for all models)."""

import numpy as np
import pytest
import torch
from oracles import (
    TINY_VOICE,
    TINY_WORDS,
    LetterTokenizer,
    largest_difference,
    mixed_utterances,
    outline,
    random_utterance,
    randomise,
    shake,
)
from torch import nn

from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.models import emotion_queries as zoo
from fv2es.models.blocks.fusion import Calibration
from fv2es.models.blocks.nested import NestedTransformer
from fv2es.models.blocks.queries import QueryConfig
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig, fold
from fv2es.models.emotion_queries import EmotionQueries, Pictures, WordStates, vgg19, watch_queries
from fv2es.models.inputs import InputConfig, make_batch
from fv2es.schema import Utterance

NAMES = tuple(f"emotion-queries{more}" for more in ("", "-2", "-compact", "-early", "-fusion"))


def tiny(component: str = "queries") -> EmotionQueries:
    config = QueryConfig(16, 4, 32, 0.1, 1, 1, 2, 2, component)
    faces = RepVGG(RepVGGConfig(stem_width=4, stages=((4, 4, 8), (8,), (12,))))
    return EmotionQueries(
        Pictures(faces, 12 * 3 * 3, config, 1),
        Pictures(nn.Sequential(NestedTransformer(TINY_VOICE), nn.AdaptiveAvgPool2d(1)), 24, config, 1),
        WordStates(TINY_WORDS, config.width),
        config,
        MOSEI,
        InputConfig(max_tokens=32),
    )


@pytest.fixture
def watchable() -> EmotionQueries:
    torch.manual_seed(0)
    return randomise(tiny()).eval()


@pytest.fixture
def utterances() -> list[Utterance]:
    return mixed_utterances()


def batch_of(model: EmotionQueries, *utterances: Utterance):
    return make_batch(utterances, model.inputs, LetterTokenizer())


# Sizes


def test_sizes_stay():
    counts = {name: outline(name).parameter_counts() for name in NAMES}
    trunks = {"face": 25_886_016, "voice": 25_884_864, "words": 11_355_648}
    assert counts["emotion-queries"] == trunks | {"fusion": 11_578_630}
    assert counts["emotion-queries-fusion"] == trunks | {"fusion": 5_262_086}
    assert counts["emotion-queries-early"] == trunks | {"fusion": 3 * 256 * 6 + 6}
    assert sum(counts["emotion-queries-2"].values()) == 63_657_222
    assert sum(counts["emotion-queries-compact"].values()) == 6_047_838 <= 12e6


def test_the_two_depths_differ_by_two_layers_in_each_of_four_places():
    four, two = (outline(name).parameter_counts() for name in ("emotion-queries", "emotion-queries-2"))
    attention, norm, mlp = 4 * (256 * 256 + 256), 2 * 256, 2 * 256 * 2048 + 2048 + 256
    encoder, decoder = attention + mlp + 2 * norm, 2 * attention + mlp + 3 * norm
    assert {name: four[name] - two[name] for name in four} == {
        "face": 2 * encoder, "voice": 2 * encoder, "words": 0, "fusion": 2 * (encoder + decoder),
    }  # fmt: skip


def test_the_papers_shapes():
    model = outline("emotion-queries")
    faces, pieces = torch.zeros(5, 3, 64, 64, device="meta"), torch.zeros(5, 4, 32, 32, device="meta")
    assert model.inputs.face.side == 64
    assert model.inputs.max_tokens == 50
    assert (model.face.trunk(faces).shape, model.voice.trunk(pieces).shape) == ((5, 512, 2, 2), (5, 512, 4, 1))
    assert (model.face.features(faces).shape, model.voice.features(pieces).shape) == ((5, 2048), (5, 2048))
    assert model.face.project(model.face.features(faces)).shape == (5, 256)
    tokens = torch.zeros(2, 50, dtype=torch.long, device="meta")
    assert model.words(tokens, tokens == 0)[0].shape == (2, 50, 256)


def test_the_trunk_is_torchvisions_vgg19_with_the_same_weights():
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = shake(torchvision.models.vgg19_bn(weights=None, init_weights=False).features).eval()
    ours = vgg19(3).eval()
    assert len(ours.state_dict()) == len(theirs.state_dict())
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    with torch.inference_mode():
        pictures = torch.randn(1, 3, 64, 64)
        wanted = theirs(pictures)
        assert wanted.std() > 0.01
        assert largest_difference(ours(pictures), wanted) <= 1e-5
        assert largest_difference(fold(ours)(pictures), wanted) <= 1e-5


def test_queries_are_as_many_as_emotions():
    with torch.device("meta"):
        model = zoo.emotion_queries_2(IEMOCAP)
    assert model.emotions == IEMOCAP
    assert model.fusion.out.queries.shape == (len(IEMOCAP), 256)


# What is said together, and what alone


@pytest.mark.parametrize("component", ["queries", "fusion", "early"])
def test_calibration_takes_the_mean_of_those_that_are_present(component, utterances):
    torch.manual_seed(0)
    model = randomise(tiny(component)).eval()
    batch = batch_of(model, *utterances)
    with torch.inference_mode():
        calibrated = model(batch).logits
        scale, bias = model.calibration.scale.clone(), model.calibration.bias.clone()
        model.calibration.scale.fill_(1.0)
        model.calibration.bias.zero_()
        plain = model(batch).logits
    for row, present in enumerate(batch.present):
        wanted = plain[row] * scale[present].mean(0) + bias[present].mean(0)
        assert largest_difference(calibrated[row], wanted) <= 1e-5


def test_calibration_keeps_the_precision():
    calibration, present = Calibration(3, 6).double(), torch.tensor([[True, False, True], [False] * 3])
    logits = torch.full((2, 6), 1 / 3, dtype=torch.float64)
    assert torch.equal(calibration.joint(logits, present), logits * torch.tensor([[1.0], [0.0]]).double())


def test_a_missing_modality_is_not_trained():
    torch.manual_seed(0)
    model = shake(tiny()).train()
    model(batch_of(model, random_utterance(0, 2, 0, "word"), random_utterance(1, 1))).logits.sum().backward()
    assert {name.split(".")[0] for name, one in model.named_parameters() if one.grad is None} == {"voice"}


# What the queries attended to


def test_watched_queries(watchable, utterances):
    batch = batch_of(watchable, *utterances)
    with torch.inference_mode():
        plain = watchable(batch)
        with watch_queries(watchable) as records:
            watched = watchable(batch)
            watchable.raw("face", batch)
            alone = [watchable(batch_of(watchable, one)) for one in utterances]
    assert largest_difference(watched.logits, plain.logits) <= 1e-5
    assert len(records) == 1 + len(alone)
    seen = records[0]
    assert list(seen.parts) == ["cls", "words", "face", "voice"]
    assert seen.weights.shape == (8, 2, 4, 6, seen.parts["voice"].stop)
    assert not seen.weights[~seen.present[:, None, None, None, :].expand_as(seen.weights)].any()
    np.testing.assert_allclose(seen.weights.sum(-1), 1, rtol=1e-5)
    for row, (one, record) in enumerate(zip(utterances, records[1:], strict=True)):
        for name, part in seen.parts.items():
            there = seen.present[row, part]
            own = record.weights[0][..., record.parts[name]]
            assert there.sum() == own.shape[-1] == {"cls": 1, "face": len(one.faces)}.get(name, own.shape[-1])
            assert there.any() == (name == "cls" or name in one.modalities)
            torch.testing.assert_close(seen.weights[row][..., part][..., there], own, atol=1e-5, rtol=0)


def test_nothing_is_watched_behind_the_with(watchable, utterances):
    with watch_queries(watchable) as records:
        pass
    watchable(batch_of(watchable, *utterances))
    assert records == []
    with pytest.raises(ValueError, match="no emotion queries, its fusion is EarlyFusion"), watch_queries(tiny("early")):
        pass
