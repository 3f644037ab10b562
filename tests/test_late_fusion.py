"""Late fusion: sizes to the digit, the sequence each encoder reads, any batch, any subset, gradients, checkpoints."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, largest_difference, mixed_utterances, random_utterance, scatter
from torch import nn

from fv2es import hub
from fv2es.emotions import MOSEI
from fv2es.models.inputs import make_batch, prepare_mel
from fv2es.models.late_fusion import BidirectionalLSTM, sinusoids, spectrogram_columns
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model, list_models
from fv2es.schema import Transcript

NAMES = ("lf-lstm", "lf-transformer")


@pytest.fixture(params=NAMES)
def model(request) -> MultimodalModel:
    """Random weights, calibration that is not the identity."""
    torch.manual_seed(0)
    model = scatter(create_model(request.param), std=0.02)
    model.calibration.scale.uniform_(0.5, 1.5)
    model.calibration.bias.uniform_(-0.5, 0.5)
    model.fusion.weight.data = torch.tensor([[0.5, 0.3, 0.2]])
    return model.eval()


# Sizes


@pytest.mark.parametrize(
    ("name", "face", "voice", "words"),
    [("lf-lstm", 956_038, 677_510, 1_684_998), ("lf-transformer", 1_089_030, 810_502, 1_817_990)],
)
def test_sizes_to_the_digit(name, face, voice, words):
    assert name in list_models()
    with torch.device("meta"):
        counts = create_model(name).parameter_counts()
    assert counts == {"face": face, "voice": voice, "words": words, "fusion": 3}


# Sequences


def test_columns_are_those_of_the_spectrogram():
    """Bands in order, time in order, and nothing of what fills the last piece up."""
    utterances = [one for one in mixed_utterances() if one.mel.shape[1]]
    inputs = create_model("lf-lstm").inputs
    batch = make_batch(utterances, inputs, LetterTokenizer())
    columns, lengths = spectrogram_columns(batch.pieces, batch.piece_counts)
    wanted = [prepare_mel(one.mel, inputs.mel).T for one in utterances]
    assert lengths.tolist() == [len(one) for one in wanted]
    np.testing.assert_array_equal(columns, np.concatenate(wanted))


def test_silence_keeps_a_column():
    columns, lengths = spectrogram_columns(torch.zeros(3, 4, 32, 32), torch.tensor([1, 2]))
    assert lengths.tolist() == [1, 33]
    assert columns.shape == (34, 128)


def test_the_lstm_ends_where_the_sequence_ends():
    """torch's LSTM over each sequence without padding: its last output forwards, its first backwards."""
    torch.manual_seed(0)
    encoder, counts = BidirectionalLSTM(8, 2, 0.0).eval(), torch.tensor([3, 7, 1])
    items = torch.randn(11, 8)
    with torch.inference_mode():
        got = encoder(items, counts)
        for row, part in enumerate(items.split(counts.tolist())):
            out, _ = encoder.lstm(part[None])
            torch.testing.assert_close(got[row], torch.cat([out[0, -1, :8], out[0, 0, 8:]]))


def test_sinusoids_are_those_of_the_formula():
    got = sinusoids(torch.arange(50), 8)
    assert got.shape == (50, 8)
    assert got[3, 1] == pytest.approx(np.sin(3 / 10_000 ** (2 / 8)), abs=1e-6)
    assert got[49, 7] == pytest.approx(np.cos(49 / 10_000 ** (6 / 8)), abs=1e-6)


def test_the_order_of_time_is_heard(model):
    one = random_utterance(5, 3, 70, "abc cab")
    batch = make_batch(
        [one, replace(one, faces=one.faces[::-1], mel=one.mel[:, ::-1], transcript=Transcript("bac abc", "typed"))],
        model.inputs,
        LetterTokenizer(),
    )
    with torch.inference_mode():
        forwards, backwards = model(batch).modalities
    assert (forwards - backwards).abs().amax(1).min() > 1e-4


# Whole models


def test_any_batch_is_its_utterances_one_by_one(model):
    utterances, tokenizer = mixed_utterances(), LetterTokenizer()
    with torch.inference_mode():
        together = model(make_batch(utterances, model.inputs, tokenizer))
        alone = [model(make_batch([one], model.inputs, tokenizer)) for one in utterances]
    assert together.logits.std() > 0.01
    assert largest_difference(torch.cat([one.logits for one in alone]), together.logits) <= 1e-5
    assert largest_difference(torch.cat([one.modalities for one in alone]), together.modalities) <= 1e-5
    assert torch.equal(torch.cat([one.present for one in alone]), together.present)


@pytest.mark.parametrize("there", [*product((False, True), repeat=3)])
def test_any_subset_of_modalities(model, there):
    """What is left out says nothing, and what stays says what it said before."""
    whole = random_utterance(3, 2, 70, "some words")
    missing: dict[str, Any] = {"faces": (), "mel": np.zeros((128, 0), np.float32), "transcript": Transcript()}
    part = replace(
        whole, **{name: value for (name, value), kept in zip(missing.items(), there, strict=True) if not kept}
    )
    with torch.inference_mode():
        full, output = (model(make_batch([one], model.inputs, LetterTokenizer())) for one in (whole, part))
    assert output.present[0].tolist() == list(there)
    assert largest_difference(output.modalities, full.modalities * output.present[..., None]) <= 1e-5
    assert output.logits.isfinite().all()
    assert output.logits.any() == any(there), "nothing at all gives zeros"


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    torch.manual_seed(0)
    model = create_model(name).train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    batch = make_batch([random_utterance(n, 2, 70, "letters") for n in range(4)], model.inputs, LetterTokenizer())
    nn.functional.binary_cross_entropy_with_logits(model(batch).logits, torch.eye(4, 6)).backward()
    unmoved = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert unmoved == []
    assert all(one.grad.isfinite().all() for one in model.parameters())


def test_saved_and_loaded_gives_the_same_logits(model, request, tmp_path, monkeypatch):
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path))
    name = request.node.callspec.params["model"]
    hub.save(model, tmp_path / "mine", {"architecture": name, "thresholds": dict.fromkeys(MOSEI, 0.5)})
    loaded = hub.load_model(hub.open_checkpoint("mine"))
    batch = make_batch(mixed_utterances(), loaded.inputs, LetterTokenizer())
    with torch.inference_mode():
        one, other = loaded(batch), model(batch)
    assert torch.equal(one.logits, other.logits)
    assert torch.equal(one.modalities, other.modalities)
