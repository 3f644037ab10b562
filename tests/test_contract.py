"""One contract for every registered model: what the reader, the training and the Hub rely on, whatever the network.

All names of the registry are tested, so that a new model needs no edit here. Each is built, taught one step, saved and
loaded once, and reads as little as shows everything: the whole takes a minute and a half.
"""

import math
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, largest_difference, only, random_utterance, randomise, voiced
from torch import Tensor, nn

from fv2es import hub
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.models.blocks.focal import FocalNet, watch_modulation
from fv2es.models.blocks.fusion import BayesFusion, WeightedFusion, one_vs_rivals
from fv2es.models.blocks.nested import DropPath, NestedTransformer, watch_attention
from fv2es.models.blocks.queries import QueryFusion
from fv2es.models.blocks.repvgg import ConvNormAct, Foldable
from fv2es.models.emotion_queries import watch_queries
from fv2es.models.inputs import Batch, make_batch
from fv2es.models.multimodal import MultimodalModel, Output
from fv2es.models.registry import create_model, list_models
from fv2es.reader import Reader
from fv2es.schema import MODALITIES, WORDS, Utterance

SUBSETS = [set(some) for count in (1, 2, 3) for some in combinations(MODALITIES, count)]
# Rows of the batch: those with one modality, the first with all three, those with all three, the one with nothing.
SINGLES, ALL, WHOLE, NOBODY = (0, 1, 2), 6, slice(6, 8), -1

# In float32 a batch's sums are taken in another order than one utterance's, and folding rounds once more. One rounding
# of a logit (here of the order of 1) is 6e-8; through VGG19, the deepest, the largest difference that was seen is 6e-6.
SAME = 3e-5
DIFFERENT = 1e-3  # the smallest that was seen where answers must differ is 3e-3


def utterances() -> list[Utterance]:
    """One in all its subsets; one with other numbers of faces, pieces and tokens; one with nothing."""
    whole = voiced(random_utterance(1, 1, 31, "a b"))
    other = voiced(random_utterance(2, 2, 40, "longer words"))
    return [*(only(whole, names) for names in SUBSETS), other, random_utterance(3)]


def backward(model: MultimodalModel) -> dict[str, float]:
    """Gradients of one step of training: parameter → the largest in size, 0 where there is none.

    Behind it stand in every batch normalisation the statistics of what it was given, as after training.
    """
    for part in model.train().modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = 1.0
        elif isinstance(part, DropPath):
            part.rate = 0.0  # by chance a branch may be left out for every piece there is
    logits = model(inputs(model, *(voiced(random_utterance(number, number, 31, "a bc")) for number in (1, 2)))).logits
    nn.functional.binary_cross_entropy_with_logits(logits, torch.eye(*logits.shape)).backward()
    steepest = {
        name: 0.0 if one.grad is None else float(one.grad.abs().max()) for name, one in model.named_parameters()
    }
    model.eval().zero_grad()
    return steepest


def inputs(model: MultimodalModel, *some: Utterance) -> Batch:
    return make_batch(some, model.inputs, LetterTokenizer())


def read(model: MultimodalModel, *some: Utterance) -> Output:
    with torch.inference_mode():
        return model(inputs(model, *some))


def difference(one: Output, other: Output) -> float:
    assert torch.equal(one.present, other.present)
    return max(largest_difference(one.logits, other.logits), largest_difference(one.modalities, other.modalities))


def rows(output: Output, some: slice) -> Output:
    return Output(output.logits[some], output.modalities[some], output.present[some])


@pytest.fixture(scope="module", params=list_models())
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def trained(name) -> tuple[MultimodalModel, dict[str, float]]:
    torch.manual_seed(0)
    model = randomise(create_model(name))
    return model, backward(model)


@pytest.fixture(scope="module")
def model(trained) -> MultimodalModel:
    return trained[0]


@pytest.fixture(scope="module")
def together(model) -> Output:
    return read(model, *utterances())


@pytest.fixture(scope="module")
def alone(model) -> list[Output]:
    return [read(model, one) for one in utterances()]


@pytest.fixture(scope="module")
def reader(name, model, tmp_path_factory) -> Reader:
    """Saved and loaded again, which folds; the file does not outlive its model."""
    folder: Path = tmp_path_factory.mktemp("checkpoints")
    hub.save(model, folder / "mine", {"architecture": name, "thresholds": dict.fromkeys(MOSEI, 0.5)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FV2ES_CHECKPOINTS", str(folder))
        checkpoint = hub.open_checkpoint("mine")
        loaded = hub.load_model(checkpoint)
    rmtree(folder)
    return Reader(checkpoint, loaded, LetterTokenizer())


# Sizes


def test_the_parts_are_the_whole(model):
    counts = model.parameter_counts()
    assert set(counts) == {*MODALITIES, "fusion"}
    assert sum(counts.values()) == sum(one.numel() for one in model.parameters())
    assert min(counts.values()) > 0


def test_it_is_made_for_other_emotions(name):
    with torch.device("meta"):
        model = create_model(name, IEMOCAP)
    assert model.emotions == IEMOCAP
    assert set(model.readout) == set(MODALITIES)
    assert set(model.readout.values()) <= {"independent", "one_vs_rivals"}
    assert model.calibration.bias.shape == (len(MODALITIES), len(IEMOCAP))
    assert model.fusion_weights().shape == (len(MODALITIES),)


# Any subset, any batch


def test_shapes_and_finite(model, together):
    some = utterances()
    assert together.logits.shape == (len(some), len(MOSEI))
    assert together.modalities.shape == (len(some), len(MODALITIES), len(MOSEI))
    assert together.present.tolist() == [[name in one.modalities for name in MODALITIES] for one in some]
    assert together.logits.isfinite().all()
    assert together.modalities.isfinite().all()


def test_every_subset_has_an_answer_of_its_own(together):
    """The test of the tests: what would be lost, mixed up or constant would be seen."""
    assert torch.pdist(together.logits[:NOBODY]).min() > DIFFERENT
    assert torch.pdist(together.modalities[ALL]).min() > DIFFERENT
    assert (together.modalities[ALL] - together.modalities[ALL + 1]).abs().amax(1).min() > DIFFERENT


def test_a_missing_modality_says_nothing_and_changes_nothing(together):
    """The others say what they say where all are there; not even the calibration's bias stays of what is missing."""
    there = together.present[: len(SUBSETS), :, None]
    wanted = together.modalities[ALL] * there
    assert largest_difference(together.modalities[: len(SUBSETS)], wanted) <= SAME
    assert not together.modalities[~together.present].any()


def test_who_is_alone_is_the_answer(together):
    for row in SINGLES:
        (column,) = together.present[row].nonzero()[0].tolist()
        assert largest_difference(together.logits[row], together.modalities[row, column]) <= SAME


def test_nothing_at_all_gives_zeros(model, together, alone):
    assert not together.present[NOBODY].any()
    assert not together.logits[NOBODY].any()
    assert not alone[NOBODY].logits.any()
    assert read(model).logits.shape == (0, len(MOSEI))


def test_any_batch_is_its_utterances_one_by_one(together, alone):
    apart = Output(*(torch.cat([getattr(one, part) for one in alone]) for part in ("logits", "modalities", "present")))
    assert difference(apart, together) <= SAME


def test_words_in_doubt_count_as_far_as_they_are_believed(model, together):
    """Between all three and those without words; who has words alone says them. Beside others, as by itself."""
    unsure = [replace(one, transcript=replace(one.transcript, confidence=0.25)) for one in utterances()]
    doubting = read(model, *unsure)
    wanted = together.logits.clone()
    for row, names in enumerate(SUBSETS):
        if WORDS in names and len(names) > 1:
            without = together.logits[SUBSETS.index(names - {WORDS})]
            wanted[row] = (0.25 * together.logits[row].sigmoid() + 0.75 * without.sigmoid()).logit()
    some = slice(len(SUBSETS))
    assert largest_difference(doubting.logits[some], wanted[some]) <= 10 * SAME
    assert largest_difference(doubting.logits[ALL], together.logits[ALL]) > DIFFERENT / 10
    assert largest_difference(doubting.modalities, together.modalities) <= SAME
    assert difference(rows(doubting, slice(ALL, ALL + 1)), read(model, unsure[ALL])) <= SAME


def test_the_same_again(model, alone):
    again = read(model, utterances()[ALL])
    assert torch.equal(again.logits, alone[ALL].logits)
    assert torch.equal(again.modalities, alone[ALL].modalities)


def test_between_network_and_answer_stand_read_out_calibration_and_fusion(model, together):
    """`raw` is what training and calibration work on, one modality without the others."""
    some = utterances()
    for column, name in enumerate(MODALITIES):
        with torch.inference_mode():
            raw = model.raw(name, inputs(model, some[ALL], some[NOBODY]))
        assert raw.shape == (1, len(MOSEI))
        said = one_vs_rivals(raw) if model.readout[name] == "one_vs_rivals" else raw
        wanted = said * model.calibration.scale[column] + model.calibration.bias[column]
        assert largest_difference(together.modalities[ALL, None, column], wanted) <= SAME
    if isinstance(model.fusion, WeightedFusion | BayesFusion):
        with torch.inference_mode():
            assert torch.equal(model.fusion(together.modalities, together.present), together.logits)


# Training


def without_gradient(model: nn.Module) -> set[str]:
    """The one place for parameters that learn nothing, by design; of the last two kinds roundings may be left."""
    names = {name for name, _ in model.named_parameters()}
    pooler = {"words.encoder.pooler.weight", "words.encoder.pooler.bias"}  # ALBERT's: counted, but never read
    # The mean that batch normalisation subtracts takes the bias with it.
    centred = {f"{name}.conv.bias" for name, part in model.named_modules() if isinstance(part, ConvNormAct)}
    # One number more on all of a query's scores: softmax gives the same.
    keys = {name for name in names if name.endswith((".key.bias", ".k_proj.bias"))}
    return (pooler & names) | centred | keys


def test_a_gradient_reaches_every_parameter(trained):
    model, steepest = trained
    assert all(math.isfinite(one) for one in steepest.values())
    assert {name for name, one in steepest.items() if one == 0} <= without_gradient(model)


# Attention


def taps(model: MultimodalModel, stack: ExitStack) -> dict[str, dict[str, Tensor] | list]:
    """Every tap that fits what the model is made of, open."""
    trunk, found = getattr(model.voice, "trunk", None), {}
    if isinstance(trunk, NestedTransformer):
        found["attention"] = stack.enter_context(watch_attention(trunk))
    if isinstance(trunk, FocalNet):
        found["modulation"] = stack.enter_context(watch_modulation(trunk))
    if isinstance(model.fusion, QueryFusion):
        found["queries"] = stack.enter_context(watch_queries(model))
    return found


def records(model: MultimodalModel, one: Utterance) -> set[str]:
    """The names that the reader's attention has of an utterance."""
    trunk, names = getattr(model.voice, "trunk", None), set()
    for kind, prefix in ((NestedTransformer, "level"), (FocalNet, "focal")):
        if isinstance(trunk, kind) and "voice" in one.modalities:
            names |= {f"{prefix}{number}" for number in range(1, 1 + len(trunk.levels))}
    if isinstance(model.fusion, QueryFusion) and model.fusion.decides(
        torch.tensor([[name in one.modalities for name in MODALITIES]])
    ):
        names |= {f"queries_{part}" for part in ("cls", *one.modalities)}
    return names | {"pieces"} if names and "voice" in one.modalities else names


def watchers(model: nn.Module) -> list[list]:
    return [part.watchers for part in model.modules() if hasattr(part, "watchers")]


def test_what_can_be_watched_is_watched_and_changes_nothing(model, together):
    batch = inputs(model, *utterances()[WHOLE])
    with torch.inference_mode(), ExitStack() as stack:
        found = taps(model, stack)
        watched = model(batch)
    assert bool(found) == bool(watchers(model)), "nothing that could be watched is without a tap"
    assert not any(watchers(model)), "nothing is watched behind the with"
    assert difference(watched, rows(together, WHOLE)) <= SAME
    for maps in (found.get("attention", {}), found.get("modulation", {})):
        for one in maps.values():
            assert len(one) == len(batch.pieces)
            assert one.isfinite().all()
            assert (one > 0).any(-1).any(-1).all(), "no layer is blind"
    for record in found.get("queries", []):
        weights = record.weights
        assert weights.shape[0] == len(batch)
        assert weights.shape[3:] == (len(MOSEI), record.present.shape[1])
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    if "queries" in found:
        assert len(found["queries"]) == 1
    else:
        with pytest.raises(ValueError, match="no emotion queries"), watch_queries(model):
            pass


# Checkpoints and the reader


def test_saved_and_loaded_gives_the_same_logits(model, reader, together):
    """Through the reader, that is behind the folding; it hands out all that can be watched."""
    some = {row: utterances()[row] for row in (SINGLES[0], ALL, ALL + 1)}
    for (row, one), prediction in zip(some.items(), reader.predict([*some.values()], attention=True), strict=True):
        np.testing.assert_allclose(prediction.logits, together.logits[row], atol=SAME, rtol=0)
        assert tuple(prediction.modalities) == one.modalities
        for name, logits in prediction.modalities.items():
            np.testing.assert_allclose(logits, together.modalities[row, MODALITIES.index(name)], atol=SAME, rtol=0)
        assert set(prediction.attention or {}) == records(model, one)
    assert reader.fusion_weights == pytest.approx(dict(zip(MODALITIES, model.fusion_weights().tolist(), strict=True)))
    assert reader.predict([]) == []


def test_loaded_is_as_saved_but_ready(model, reader):
    loaded = reader.model
    assert (loaded.inputs, loaded.readout, loaded.emotions) == (model.inputs, model.readout, model.emotions)
    assert not loaded.training
    assert not any(one.requires_grad for one in loaded.parameters())


def test_loaded_is_folded(model, reader):
    blocks, loaded = ([part for part in one.modules() if isinstance(part, Foldable)] for one in (model, reader.model))
    assert len(loaded) == len(blocks)
    for block in loaded:
        assert not any(isinstance(part, nn.BatchNorm2d) for part in block.modules())
