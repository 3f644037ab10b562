"""Emotion queries over networks that answer by themselves (`test_contract`: what holds for all models)."""

import copy
from dataclasses import replace

import pytest
import torch
from oracles import LetterTokenizer, largest_difference, mixed_utterances, outline, randomise

from fv2es.models.compact_queries import CompactQueries
from fv2es.models.emotion_queries import ORDER, watch_queries
from fv2es.models.inputs import Batch, make_batch
from fv2es.models.registry import create_model
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS


@pytest.fixture(scope="module")
def model() -> CompactQueries:
    torch.manual_seed(0)
    made = randomise(create_model("emotion-queries-compact"))
    assert isinstance(made, CompactQueries)
    return made.eval()


@pytest.fixture(scope="module")
def batch(model) -> Batch:
    return make_batch(mixed_utterances(), model.inputs, LetterTokenizer())


def test_its_networks_are_those_of_v2em():
    ours, theirs = outline("emotion-queries-compact"), outline("v2em-compact")
    assert (ours.inputs, ours.readout) == (theirs.inputs, theirs.readout)
    shapes = [
        {name: value.shape for name, value in one.state_dict().items() if not name.startswith("fusion.")}
        for one in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]


def test_each_modality_says_what_the_networks_say(batch):
    torch.manual_seed(0)
    networks = randomise(create_model("v2em-compact")).eval()
    over = CompactQueries.over(networks).eval()
    over.calibration.load_state_dict(networks.calibration.state_dict())
    with torch.inference_mode():
        ours, theirs = over(batch), networks(batch)
    assert over.face is networks.face
    assert largest_difference(ours.modalities, theirs.modalities) <= 1e-5
    several = theirs.present.sum(1) > 1
    assert largest_difference(ours.logits[~several], theirs.logits[~several]) <= 1e-5
    assert largest_difference(ours.logits[several], theirs.logits[several]) > 1e-2, "fused otherwise"


def test_perceived_are_states_and_answer(model, batch):
    with torch.inference_mode():
        for name, width in ((FACE, 320), (VOICE, 128), (WORDS, 256)):
            seen = model.perceive(name, batch)
            there = int(batch.present[:, MODALITIES.index(name)].sum())
            assert seen.states.shape == (there, seen.mask.shape[1], width)
            assert largest_difference(seen.logits, model.raw(name, batch)) <= 1e-5
        counts = batch.face_counts[batch.face_counts > 0]
        assert model.perceive(FACE, batch).mask.sum(1).tolist() == counts.tolist()


def test_the_mirror_image_counts_in_eval_only(model):
    counts = torch.tensor([1, 2])
    none = torch.zeros(2, dtype=torch.long)
    pieces, tokens = torch.zeros(0, 4, 32, 32), torch.zeros(2, 1, dtype=torch.long)
    crops = torch.randn(3, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    looked = [Batch(one, counts, pieces, none, tokens, tokens > 0) for one in (crops, crops.flip(-1))]
    with torch.inference_mode():
        there, mirrored = (model.perceive(FACE, one) for one in looked)
        assert largest_difference(there.states, mirrored.states) <= 1e-5
        assert largest_difference(there.logits, mirrored.logits) <= 1e-5
        model.face.mirror = False
        there, mirrored = (model.perceive(FACE, one) for one in looked)
        model.face.mirror = True
    assert largest_difference(there.states, mirrored.states) > 1e-3


def test_states_and_answers_are_both_heard(model, batch):
    """Each modality by either: with other states, and with another answer, something else is said."""
    rows = batch.present.all(1)
    with torch.inference_mode():
        seen = {name: model.perceive(name, batch) for name in MODALITIES}
        plain = model.fusion(model.fusion.sequence(seen, batch.present))
        for name, one in seen.items():
            others = (replace(one, states=one.states + 1), replace(one, logits=one.logits.flip(1)))
            for other in others:
                said = model.fusion(model.fusion.sequence(seen | {name: other}, batch.present))
                assert (said - plain)[rows].abs().max() > 1e-3
                without = ~batch.present[:, MODALITIES.index(name)]
                assert largest_difference(said[without], plain[without]) <= 1e-5


def test_answers_are_lost_with_their_modality(model, batch):
    """Who is not heard is not in `[CLS]` either."""
    with torch.inference_mode():
        seen = {name: model.perceive(name, batch) for name in MODALITIES}
        whole = model.fusion.sequence(seen, batch.present)
    assert whole.answers.shape == (len(batch), len(ORDER), 128)
    row = int(batch.present.all(1).nonzero()[0])
    heard = whole.heard(torch.tensor([row, row]), torch.tensor([[True, False, True], [False, True, True]]))
    assert heard.answers.abs().amax(2).gt(0).tolist() == [[True, False, True], [False, True, True]]
    assert not whole.answers[~batch.present[:, [MODALITIES.index(name) for name in ORDER]]].any()


def test_words_in_doubt_leave_one_record(model, batch):
    unsure = replace(batch, confidence=torch.full((len(batch),), 0.5))
    with torch.inference_mode(), watch_queries(model) as records:
        model(unsure)
    (record,) = records
    assert len(record.weights) == len(batch)
    torch.testing.assert_close(record.weights.sum(-1), torch.ones(record.weights.shape[:-1]))


def test_where_the_queries_look_is_recorded_where_the_answer_is_theirs(model, batch):
    changed = copy.deepcopy(model)
    for weights in changed.fusion.parameters():
        weights.data.normal_()
    with torch.inference_mode(), watch_queries(model) as records:
        said, otherwise = model(batch).logits, changed(batch).logits
    (record,) = records
    assert record.decided.tolist() == (batch.present.sum(1) > 1).tolist()
    assert 0 < record.decided.sum() < len(batch)
    assert ((said != otherwise).any(1) == record.decided).all(), "whatever the fusion is"


def test_who_is_missing_takes_no_place(model, batch):
    with torch.inference_mode():
        seen = {VOICE: model.perceive(VOICE, batch)}
        sequence = model.fusion.sequence(seen, batch.present & torch.tensor([False, True, False]))
    assert [part.stop - part.start for part in sequence.parts.values()] == [0, 0, seen[VOICE].mask.shape[1]]
