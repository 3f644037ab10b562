"""Late fusion: sizes to the digit, the sequence each encoder reads (`test_contract` has what holds for all models)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, outline, random_utterance, randomise

from fv2es.models.inputs import make_batch, prepare_mel
from fv2es.models.late_fusion import BidirectionalLSTM, sinusoids, spectrogram_columns
from fv2es.models.registry import create_model
from fv2es.schema import Transcript

# Sizes


@pytest.mark.parametrize(
    ("name", "face", "voice", "words"),
    [("lf-lstm", 956_038, 677_510, 1_684_998), ("lf-transformer", 1_089_030, 810_502, 1_817_990)],
)
def test_sizes_to_the_digit(name, face, voice, words):
    assert outline(name).parameter_counts() == {"face": face, "voice": voice, "words": words, "fusion": 3}


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


@pytest.mark.parametrize("name", ["lf-lstm", "lf-transformer"])
def test_the_order_of_time_is_heard(name):
    torch.manual_seed(0)
    model = randomise(create_model(name)).eval()
    one = random_utterance(5, 3, 70, "abc cab")
    batch = make_batch(
        [one, replace(one, faces=one.faces[::-1], mel=one.mel[:, ::-1], transcript=Transcript("bac abc", "typed"))],
        model.inputs,
        LetterTokenizer(),
    )
    with torch.inference_mode():
        forwards, backwards = model(batch).modalities
    assert (forwards - backwards).abs().amax(1).min() > 1e-4
