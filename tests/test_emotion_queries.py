"""The model of Le et al.: sizes, any subset of modalities, what each says alone, what the queries attended to."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from oracles import (
    TINY_VOICE,
    TINY_WORDS,
    LetterTokenizer,
    largest_difference,
    mixed_utterances,
    random_utterance,
    scatter,
    shake,
)
from torch import nn

from fv2es import hub
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.models import emotion_queries as zoo
from fv2es.models.blocks.nested import NestedTransformer
from fv2es.models.blocks.queries import QueryConfig
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig, fold
from fv2es.models.emotion_queries import EmotionQueries, Pictures, WordStates, vgg19, watch_queries
from fv2es.models.inputs import InputConfig, make_batch
from fv2es.models.registry import create_model, list_models
from fv2es.reader import Reader
from fv2es.schema import MODALITIES, Transcript, Utterance

NAMES = tuple(f"emotion-queries{more}" for more in ("", "-2", "-compact", "-early", "-fusion"))
SUBSETS = [set(some) for count in (1, 2, 3) for some in combinations(MODALITIES, count)]


def outline(name: str) -> EmotionQueries:
    with torch.device("meta"):
        return create_model(name)


def tiny(component: str = "queries") -> EmotionQueries:
    config = QueryConfig(16, 4, 32, 0.1, 1, 1, 2, 2, component)
    faces = RepVGG(RepVGGConfig(stem_width=4, stages=((4, 4, 8), (8,), (12,))))
    return EmotionQueries(
        Pictures(faces, 12 * 3 * 3, config, 1),
        Pictures(NestedTransformer(TINY_VOICE), 24, config, 1, nn.AdaptiveAvgPool2d(1)),
        WordStates(TINY_WORDS, config.width),
        config,
        MOSEI,
        InputConfig(max_tokens=32),
    )


def ready(model: EmotionQueries) -> EmotionQueries:
    """Weights and batch statistics as after training, calibration that is not the identity."""
    scatter(shake(model), std=0.02)
    model.calibration.scale.uniform_(0.5, 1.5)
    model.calibration.bias.uniform_(-0.5, 0.5)
    return model.eval()


@pytest.fixture(params=["compact", "queries", "fusion", "early"])
def model(request) -> EmotionQueries:
    torch.manual_seed(0)
    return ready(create_model("emotion-queries-compact") if request.param == "compact" else tiny(request.param))


@pytest.fixture
def watchable() -> EmotionQueries:
    torch.manual_seed(0)
    return ready(tiny())


@pytest.fixture
def utterances() -> list[Utterance]:
    return mixed_utterances()


def batch_of(model: EmotionQueries, *utterances: Utterance):
    return make_batch(utterances, model.inputs, LetterTokenizer())


def only(utterance: Utterance, names: set[str]) -> Utterance:
    """The utterance with nothing but these modalities."""
    return replace(
        utterance,
        faces=utterance.faces if "face" in names else (),
        mel=utterance.mel if "voice" in names else utterance.mel[:, :0],
        transcript=utterance.transcript if "words" in names else Transcript("", "none"),
    )


# Sizes


def test_sizes_stay():
    counts = {name: outline(name).parameter_counts() for name in NAMES}
    trunks = {"face": 25_886_016, "voice": 25_884_864, "words": 11_355_648}
    assert counts["emotion-queries"] == trunks | {"fusion": 11_578_630}
    assert counts["emotion-queries-fusion"] == trunks | {"fusion": 5_262_086}
    assert counts["emotion-queries-early"] == trunks | {"fusion": 3 * 256 * 6 + 6}
    assert sum(counts["emotion-queries-2"].values()) == 63_657_222
    assert sum(counts["emotion-queries-compact"].values()) == 5_843_142 <= 12e6
    for name in NAMES:
        assert sum(p.numel() for p in outline(name).parameters()) == sum(counts[name].values())


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
    assert (model.face.embed(faces).shape, model.voice.embed(pieces).shape) == ((5, 256), (5, 256))
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


def test_all_are_registered_and_take_other_emotions():
    assert set(NAMES) <= set(list_models())
    with torch.device("meta"):
        model = zoo.emotion_queries_2(IEMOCAP)
    assert model.emotions == IEMOCAP
    assert model.fusion.out.queries.shape == (len(IEMOCAP), 256)


def test_the_shipped_weights_fit_the_compact_size():
    """Its trunks and its text encoder can start from those of v2em-compact."""
    model, shipped = outline("emotion-queries-compact"), outline("v2em-compact")
    assert model.inputs == shipped.inputs
    for name in ("face", "voice"):
        shapes = [{k: v.shape for k, v in getattr(one, name).trunk.state_dict().items()} for one in (model, shipped)]
        assert shapes[0] == shapes[1]
    ours, theirs = model.words.encoder.state_dict(), shipped.words.encoder.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


# Any subset, any batch


def test_any_batch_is_its_utterances_one_by_one(model, utterances):
    with torch.inference_mode():
        together = model(batch_of(model, *utterances))
        alone = [model(batch_of(model, one)) for one in utterances]
    assert together.logits.std() > 0.01
    assert largest_difference(torch.cat([one.logits for one in alone]), together.logits) <= 1e-5
    assert largest_difference(torch.cat([one.modalities for one in alone]), together.modalities) <= 1e-5
    assert torch.equal(torch.cat([one.present for one in alone]), together.present)


def test_what_a_modality_says_alone_is_what_it_says_where_nothing_else_is_there(model):
    whole = random_utterance(1, 3, 70, "what a day")
    parts = [only(whole, names) for names in SUBSETS]
    with torch.inference_mode():
        answers = model(batch_of(model, *parts))
        alone = {name: answers.logits[SUBSETS.index({name})] for name in MODALITIES}
        for row, (part, names) in enumerate(zip(parts, SUBSETS, strict=True)):
            assert set(part.modalities) == names
            for column, name in enumerate(MODALITIES):
                said = answers.modalities[row, column]
                assert largest_difference(said, alone[name] if name in names else torch.zeros(6)) <= 1e-5
                wanted = model.raw(name, batch_of(model, part))
                assert wanted.shape == (int(name in names), 6)
                if name in names:
                    read = wanted[0] * model.calibration.scale[column] + model.calibration.bias[column]
                    assert largest_difference(said, read) <= 1e-5
    differences = torch.pdist(answers.logits)
    assert differences.min() > 1e-3, "each subset has an answer of its own"


def test_calibration_takes_the_mean_of_those_that_are_present(model, utterances):
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


def test_nothing_at_all_gives_zeros(model, utterances):
    with torch.inference_mode():
        output = model(make_batch([random_utterance(0)], model.inputs, None))
        mixed = model(batch_of(model, utterances[0], random_utterance(0)))
        none = model(make_batch([], model.inputs, None))
    assert torch.equal(output.logits, torch.zeros(1, 6))
    assert torch.equal(mixed.logits[1], torch.zeros(6))
    assert not output.modalities.any()
    assert not output.present.any()
    assert none.logits.shape == (0, 6)


@pytest.mark.parametrize("component", ["queries", "fusion", "early"])
def test_gradients_reach_every_parameter(component):
    torch.manual_seed(0)
    model = shake(tiny(component)).train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    output = model(batch_of(model, *[random_utterance(n, 2, 70, "letters") for n in range(4)]))
    nn.functional.binary_cross_entropy_with_logits(output.logits, torch.eye(4, 6)).backward()
    assert [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()] == []
    assert all(one.grad.isfinite().all() for one in model.parameters())


def test_a_missing_modality_is_not_trained():
    torch.manual_seed(0)
    model = shake(tiny()).train()
    model(batch_of(model, random_utterance(0, 2, 0, "word"), random_utterance(1, 1))).logits.sum().backward()
    assert {name.split(".")[0] for name, one in model.named_parameters() if one.grad is None} == {"voice"}


def test_the_mirror_image_counts_in_eval_only():
    torch.manual_seed(0)
    model = ready(create_model("emotion-queries-compact"))
    crops = torch.randn(3, 1, 48, 48)
    with torch.inference_mode():
        there, mirrored = (model.face(one, torch.tensor([1, 2]))[0] for one in (crops, crops.flip(-1)))
        assert largest_difference(there, mirrored) <= 1e-5
        assert largest_difference(model.face.embed(crops), model.face.embed(crops.flip(-1))) > 1e-3


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
    assert not any(layer.across.watchers for layer in watchable.fusion.out.layers)
    with pytest.raises(ValueError, match="no emotion queries, its fusion is 'early'"), watch_queries(tiny("early")):
        pass


# Checkpoints and the reader


def test_saved_and_loaded_gives_the_same_logits(tmp_path, monkeypatch, utterances):
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path))
    torch.manual_seed(0)
    saved = ready(create_model("emotion-queries-compact"))
    config = {"architecture": "emotion-queries-compact", "thresholds": dict.fromkeys(MOSEI, 0.5)}
    hub.save(saved, tmp_path / "mine", config)
    loaded = hub.load_model(hub.open_checkpoint("mine"))
    batch = batch_of(saved, *utterances)
    with torch.inference_mode():
        there, wanted = loaded(batch), saved(batch)
    assert largest_difference(there.logits, wanted.logits) <= 1e-5
    assert largest_difference(there.modalities, wanted.modalities) <= 1e-5
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in loaded.face.modules())


def test_the_reader_reads_it(model, utterances):
    checkpoint = hub.Checkpoint("random", None, "none", model.emotions, np.full(6, 0.5), {"sha256": ""})
    with torch.inference_mode():
        wanted = model(batch_of(model, *utterances)).logits.numpy()
    reader = Reader(checkpoint, fold(model), LetterTokenizer())
    for row, (one, prediction) in enumerate(zip(utterances, reader.predict(utterances, attention=True), strict=True)):
        np.testing.assert_allclose(prediction.logits, wanted[row], atol=1e-5)
        assert tuple(prediction.modalities) == one.modalities
        assert (prediction.attention is not None) == ("voice" in one.modalities)
    assert reader.fusion_weights == pytest.approx(dict.fromkeys(MODALITIES, 1 / 3))
