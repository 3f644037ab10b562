"""Functionals: what they are, by other libraries; what they do not depend on; that a perceptron learns from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.fft import dct
from test_plain_speech import NEUTRAL, folders  # noqa: F401

from fv2es.data.ferplus import CLASSES
from fv2es.models.blocks import functionals as block
from fv2es.models.blocks.functionals import FUNCTIONALS, FunctionalsNetwork, columns_of, functionals, functionals_of
from fv2es.models.family import COMPACT_INPUTS
from fv2es.models.inputs import piece_array
from fv2es.models.registry import create_model
from fv2es.models.voice import Voice
from fv2es.training import voice
from fv2es.training.functionals import RECIPE, VIEWS, FunctionalsTask, views
from fv2es.training.loop import fit


def log_mel(columns: int, seed: int = 0) -> np.ndarray:
    """(columns, 128), never 0."""
    return np.random.default_rng(seed).normal(0, 1, (columns, 128)).astype(np.float32)


def cut(columns: np.ndarray) -> torch.Tensor:
    """(T, 128) → pieces (N, 4, 32, 32), zero-padded."""
    padded = np.pad(columns, ((0, -len(columns) % 32), (0, 0)))
    return torch.from_numpy(padded.T.reshape(128, -1, 32).transpose(1, 0, 2).reshape(-1, 4, 32, 32).copy())


def by_numpy(x: np.ndarray) -> np.ndarray:
    """The definition, in NumPy and SciPy."""
    loud = x.mean(1) > 0
    rises = (~loud[:-1] & loud[1:]).sum() / (len(x) * 0.0125)
    contours = np.concatenate([dct(x, norm="ortho")[:, :24], x.reshape(len(x), 32, 4).mean(2)], 1)
    contours = np.pad(contours, ((0, max(0, 10 - len(x))), (0, 0)), mode="edge")
    moved, half = contours[4:] - contours[:-4], len(contours) // 2
    parts = [contours.mean(0), contours.std(0), *np.percentile(contours, [10, 50, 90], 0), np.abs(moved).mean(0)]
    parts += [moved.std(0), contours[half:].mean(0) - contours[:half].mean(0), [rises, loud.mean()]]
    cepstra = contours[:, :8]
    for lag in (2, 8):
        later, earlier = cepstra[lag:] - cepstra.mean(0), cepstra[:-lag] - cepstra.mean(0)
        products = (later[:, :, None] * earlier[:, None]).mean(0)
        parts.append((products / np.outer(cepstra.std(0), cepstra.std(0))).ravel())
    return np.concatenate(parts)


@pytest.mark.parametrize("columns", [6, 10, 31, 32, 33, 200])
def test_they_are_as_defined_whatever_the_padding(columns):
    x = log_mel(columns)
    assert torch.equal(columns_of(cut(x)), torch.from_numpy(x))
    found = functionals(columns_of(cut(x)))
    assert found.shape == (FUNCTIONALS,)
    np.testing.assert_allclose(found, by_numpy(x), atol=2e-5)


@pytest.mark.parametrize("columns", [1, 2, 5, 9])
def test_a_moment_of_sound_has_them_too(columns):
    assert functionals(torch.from_numpy(log_mel(columns))).isfinite().all()


def test_silence_has_them_too():
    assert functionals(columns_of(torch.zeros(2, 4, 32, 32))).isfinite().all()


def test_what_follows_does_not_hear_the_microphone():
    x, colour = torch.from_numpy(log_mel(120)), torch.linspace(-2, 2, 128).sin()
    following = slice(FUNCTIONALS - len(block.LAGS) * block.FOLLOWED**2, None)
    torch.testing.assert_close(functionals(x + colour)[following], functionals(x)[following], atol=1e-4, rtol=0)
    ahead = torch.zeros(40, 128)
    ahead[:, 0] = torch.arange(40.0)
    assert functionals(ahead)[following][0] > 0.7, "what only rises follows itself"


def test_their_cosines_are_orthonormal():
    waves = block._cosines(torch.device("cpu"))
    torch.testing.assert_close(waves.T @ waves, torch.eye(block.CEPSTRA), atol=1e-5, rtol=0)


def test_what_is_far_from_all_that_was_learnt_counts_no_more_than_far():
    network = FunctionalsNetwork(6).eval()
    network.standardise_by(torch.randn(50, FUNCTIONALS))
    far, farther = (network.read((network.mean + steps * network.deviation)[None]) for steps in (block.FARTHEST, 100))
    torch.testing.assert_close(far, farther)


def test_mixed_precision_leaves_them_as_they_are():
    pieces, counts = cut(log_mel(90)), torch.tensor([3])
    whole = functionals(columns_of(pieces))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(functionals_of(pieces, counts)[0], whole)


def test_one_utterance_cannot_be_standardised_by_but_breaks_nothing():
    network = FunctionalsNetwork(6).eval()
    network.standardise_by(torch.randn(1, FUNCTIONALS))
    assert network.read(torch.randn(2, FUNCTIONALS)).isfinite().all()


def test_both_networks_have_half_a_say_each():
    model = create_model("fe2e-compact").eval()
    both = model.voice
    assert isinstance(both, Voice)
    pieces, counts = torch.cat([cut(log_mel(40, 1)), cut(log_mel(90, 2))]), torch.tensor([2, 3])
    halves = both.network(pieces, counts) / 2, both.functionals(pieces, counts) / 2
    torch.testing.assert_close(both(pieces, counts), halves[0] + halves[1])
    assert both.trunk is both.network.trunk


def test_other_microphones_leave_power_and_differ_each_time():
    mel = np.abs(log_mel(60).T)
    rng = np.random.default_rng(0)
    heard = [voice.other_microphone(mel, rng) for _ in range(20)]
    assert all(one.shape == mel.shape and one.dtype == np.float32 and (one > 0).all() for one in heard)
    assert len({float(one.sum()) for one in heard}) == 20


def test_the_first_view_is_the_clip_itself(folders):  # noqa: F811
    data, _ = folders
    clips = voice.speech.read(data / "speech", "valid")[:3]
    found = views(clips, COMPACT_INPUTS.mel, 4, np.random.default_rng(0))
    assert found.shape == (3, 4, FUNCTIONALS)
    for clip, rows in zip(clips, found, strict=True):
        own = functionals(columns_of(torch.from_numpy(piece_array(clip.mel, COMPACT_INPUTS.mel))))
        assert torch.equal(rows[0], own)
        assert not any(torch.equal(row, own) for row in rows[1:])


def test_it_learns_from_actors_and_plain_speech(folders, tmp_path):  # noqa: F811
    data, plain = folders
    torch.manual_seed(0)
    task = FunctionalsTask(create_model("fe2e-compact"), data, plain=plain)
    assert task.views.shape == (117, VIEWS, FUNCTIONALS)
    scaled = (task.views.flatten(0, 1) - task.model.mean) / task.model.deviation
    torch.testing.assert_close(scaled.mean(0), torch.zeros(FUNCTIONALS), atol=1e-3, rtol=0)
    read_out = np.arange(117) >= 77
    assert task.chance[read_out].sum() == pytest.approx(1 / (len(CLASSES) + 1)), "as frequent as one emotion"
    assert (task.labels[read_out] == NEUTRAL).all()
    before = task.validate(task.model.eval())["score"]
    task.model.load_state_dict(fit(task, replace(RECIPE, epochs=30, average=0.9), tmp_path))
    after = task.validate(task.model.eval())["score"]
    assert after > 0.9 > before
