"""From utterances to a batch: what each modality looks like, and what the settings say of it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, random_utterance

from fv2es.models.family import COMPACT_INPUTS
from fv2es.models.inputs import (
    FaceInput,
    InputConfig,
    MelInput,
    face_batch,
    face_tensor,
    make_batch,
    piece_array,
    prepare_mel,
)

RNG = np.random.default_rng(0)
CROP = RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8)
MEL = RNG.exponential(1.0, (128, 70)).astype(np.float32)


@pytest.mark.parametrize("config", [InputConfig(), COMPACT_INPUTS])
def test_settings_survive_json(config):
    assert InputConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_settings_may_be_partial():
    config = InputConfig.from_dict({"face": {"grey": True}, "max_tokens": 9})
    assert config == InputConfig(face=FaceInput(grey=True), max_tokens=9)


@pytest.mark.parametrize("values", [{"voice": {}}, {"face": {"side": 48, "blue": 1}}, {"mel": {"volume": 2}}])
def test_unknown_settings_are_named(values):
    with pytest.raises(ValueError, match=r"Unknown input settings \['(voice|blue|volume)'\]; known: \['"):
        InputConfig.from_dict(values)


# Faces


def test_a_face_is_normalised_by_mean_and_deviation():
    got = face_tensor(CROP, FaceInput())
    assert got.shape == (3, 48, 48)
    assert got.dtype == torch.float32
    assert got[1, 5, 7] == pytest.approx((int(CROP[5, 7, 1]) - 111) / 33)
    assert got[0, 5, 7] == pytest.approx((int(CROP[5, 7, 0]) - 159) / 37)


def test_a_grey_face_is_its_luma():
    got = face_tensor(CROP, FaceInput(grey=True, mean=(0.0,), std=(1.0,)))
    assert got.shape == (1, 48, 48)
    np.testing.assert_allclose(got[0], CROP @ np.array([0.299, 0.587, 0.114]), rtol=1e-5)


def test_a_picture_that_is_grey_already_stays_as_it_is():
    grey = torch.from_numpy(CROP[None, None, :, :, 0])
    assert torch.equal(face_batch(grey, FaceInput(grey=True, mean=(0.0,), std=(1.0,)))[0, 0], grey[0, 0].float())


def test_normalising_by_the_crop_takes_exposure_out():
    settings = FaceInput(normalise="crop")
    got = face_tensor(CROP, settings)
    assert float(got.mean()) == pytest.approx(0, abs=1e-5)
    assert float(got.std()) == pytest.approx(1, abs=1e-5)
    darker = face_tensor((CROP * 0.5).astype(np.uint8), settings)
    assert float((got - darker).abs().max()) < 0.02
    flat = face_tensor(np.full((48, 48, 3), 90, np.uint8), settings)
    assert not flat.any(), "noise in a flat picture is not blown up"


def test_a_crop_of_any_side_is_resized():
    got = face_tensor(np.full((160, 160, 3), (159, 111, 102), np.uint8), FaceInput())
    assert got.shape == (3, 48, 48)
    torch.testing.assert_close(got, torch.zeros_like(got), atol=1e-4, rtol=0)
    left_white = np.zeros((160, 160, 3), np.uint8)
    left_white[:, :80] = 255
    got = face_tensor(left_white, FaceInput(mean=(0.0,) * 3, std=(1.0,) * 3))
    assert got[:, :, :22].min() == pytest.approx(255)
    assert not got[:, :, 26:].any()


# Voice


def test_channels_are_bands_and_columns_are_time():
    cut = piece_array(MEL, MelInput())
    assert cut.shape == (3, 4, 32, 32)
    assert cut[1, 2, 5, 7] == MEL[2 * 32 + 5, 32 + 7]
    np.testing.assert_array_equal(cut[2, :, :, :6].reshape(128, 6), MEL[:, 64:])
    assert not cut[2, :, :, 6:].any()


def test_logarithm_and_floor():
    mel = np.array([[1.0, np.e, 0.0]], np.float32).repeat(128, 0)
    np.testing.assert_allclose(prepare_mel(mel, MelInput(log=True, floor=1e-4))[0], [0, 1, np.log(1e-4)], rtol=1e-6)


def test_quiet_ends_are_cut():
    mel = np.full((128, 10), 1e-6, np.float32)
    mel[:, 3] = mel[:, 7] = 1.0
    got = prepare_mel(mel, MelInput(trim_db=40.0))
    np.testing.assert_array_equal(got, mel[:, 3:8])  # what is quiet in between stays
    assert prepare_mel(mel, MelInput()).shape == (128, 10)


def test_level_takes_loudness_out():
    settings = MelInput(level=0.3)
    got = prepare_mel(MEL, settings)
    loudest = np.sort(got.mean(0))[-len(got[0]) // 4 + 1 :]
    assert loudest.mean() == pytest.approx(0.3, rel=0.02)
    np.testing.assert_allclose(prepare_mel(1000 * MEL, settings), got, rtol=1e-4)


def test_standardised_over_the_utterance():
    got = prepare_mel(MEL, MelInput(log=True, standardise=True))
    assert got.mean() == pytest.approx(0, abs=1e-5)
    assert got.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("columns", [0, 1, 40])
def test_silence_is_finite(columns):
    cut = piece_array(np.zeros((128, columns), np.float32), COMPACT_INPUTS.mel)
    assert cut.shape == (-(-columns // 32), 4, 32, 32)
    assert np.isfinite(cut).all()


# Batches


def test_a_batch_counts_what_is_there():
    batch = make_batch(mixed_utterances(), InputConfig(), LetterTokenizer())
    assert len(batch) == 8
    assert batch.face_counts.tolist() == [3, 1, 0, 0, 5, 2, 0, 1]
    assert batch.piece_counts.tolist() == [4, 0, 2, 0, 2, 0, 8, 1]
    assert batch.faces.shape == (12, 3, 48, 48)
    assert batch.pieces.shape == (17, 4, 32, 32)
    assert batch.token_mask.sum(1).tolist() == [18, 0, 0, 3, 0, 14, 32, 2]
    assert batch.tokens.shape == batch.token_mask.shape == (8, 32)
    assert not batch.tokens[~batch.token_mask].any()
    wanted = [[name in one.modalities for name in ("face", "voice", "words")] for one in mixed_utterances()]
    assert batch.present.tolist() == wanted


def test_an_utterances_part_of_a_batch_is_its_own_batch():
    utterances = mixed_utterances()
    batch = make_batch(utterances, COMPACT_INPUTS, LetterTokenizer())
    faces, cut = batch.faces.split(batch.face_counts.tolist()), batch.pieces.split(batch.piece_counts.tolist())
    for row, one in enumerate(utterances):
        alone = make_batch([one], COMPACT_INPUTS, LetterTokenizer())
        assert torch.equal(alone.faces, faces[row])
        assert torch.equal(alone.pieces, cut[row])
        assert torch.equal(alone.tokens[alone.token_mask], batch.tokens[row][batch.token_mask[row]])


def test_words_are_cut_to_the_model_s_length():
    batch = make_batch([random_utterance(0, text="x" * 500)], InputConfig(max_tokens=7), LetterTokenizer())
    assert batch.tokens.shape == (1, 7)


def test_words_need_a_tokenizer():
    with pytest.raises(ValueError, match="no tokenizer here"):
        make_batch([random_utterance(0, text="hello")], InputConfig(), None)
    assert not make_batch([random_utterance(0, 1)], InputConfig(), None).present[0, 2]


def test_an_empty_batch():
    batch = make_batch([], InputConfig(), None)
    assert len(batch) == 0
    assert batch.present.shape == (0, 3)


def test_a_batch_moves_as_a_whole():
    batch = make_batch(mixed_utterances()[:2], InputConfig(), LetterTokenizer()).to("meta")
    assert {value.device.type for value in vars(batch).values()} == {"meta"}
