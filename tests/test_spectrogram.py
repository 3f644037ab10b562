"""The mel-spectrogram against torchaudio and against its definition; pieces; band frequencies."""

import numpy as np
import pytest
from conftest import tone

from fv2es.modalities.spectrogram import (
    HOP_LENGTH,
    N_FFT,
    PIECE_COLUMNS,
    SECONDS_PER_PIECE,
    band_frequencies,
    mel_spectrogram,
    pieces,
)
from fv2es.schema import N_MELS, SAMPLE_RATE


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)


def definition(waveform: np.ndarray) -> np.ndarray:
    """Power mel-spectrogram in float64: mirrored ends, Hann window, HTK triangles without normalisation."""
    padded = np.pad(waveform.astype(np.float64), N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, N_MELS + 2) / 2595) - 1)
    bins = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)) @ power.T


@pytest.mark.parametrize("samples", [400, 401, 599, 600, 7_999, 16_000])
def test_columns(samples):
    mel = mel_spectrogram(noise(samples))
    assert mel.shape == (N_MELS, 1 + samples // 200)
    assert mel.dtype == np.float32


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_too_short_to_analyse_has_no_columns(samples):
    assert mel_spectrogram(noise(samples)).shape == (N_MELS, 0)


def test_against_torchaudio():
    import torch
    import torchaudio

    waveform = noise(20_000)
    theirs = torchaudio.transforms.MelSpectrogram(
        sample_rate=16_000, n_fft=400, win_length=400, hop_length=200, n_mels=128, power=2.0
    )(torch.from_numpy(waveform))
    np.testing.assert_array_equal(mel_spectrogram(waveform), theirs.numpy())


def test_against_the_definition():
    waveform = noise(9_000)
    wanted = definition(waveform)
    np.testing.assert_allclose(mel_spectrogram(waveform), wanted, rtol=1e-3, atol=1e-6 * wanted.max())


def test_any_kind_of_array_will_do():
    """A float64 array, or every second sample of a longer one, reads as its float32 copy."""
    long = noise(8_000)
    wanted = mel_spectrogram(long[::2].copy())
    np.testing.assert_array_equal(mel_spectrogram(long[::2]), wanted)
    np.testing.assert_array_equal(mel_spectrogram(long[::2].astype(np.float64)), wanted)


@pytest.mark.parametrize("hertz", [1_000.0, 2_500.0, 5_000.0])
def test_a_tone_shows_in_its_band(hertz):
    loudest = mel_spectrogram(tone(0.5, hertz)).mean(1).argmax()
    assert band_frequencies()[loudest] == pytest.approx(hertz, rel=0.04)


def test_band_frequencies_rise_and_lie_below_the_highest():
    bands = band_frequencies()
    assert bands.shape == (N_MELS,)
    assert (np.diff(bands) > 0).all()
    assert (np.diff(bands, 2) > 0).all(), "ever wider, as the mel scale has it"
    assert 0 < bands[0] < bands[-1] < SAMPLE_RATE / 2


@pytest.mark.parametrize(("columns", "count"), [(0, 0), (1, 1), (32, 1), (33, 2), (100, 4)])
def test_pieces(columns, count):
    mel = noise(N_MELS * columns).reshape(N_MELS, columns)
    cut = pieces(mel)
    assert cut.shape == (count, N_MELS, PIECE_COLUMNS)
    whole = cut.transpose(1, 0, 2).reshape(N_MELS, -1)
    np.testing.assert_array_equal(whole[:, :columns], mel)
    assert not whole[:, columns:].any(), "padded by zeros, on the right"


def test_a_piece_lasts_400_ms():
    assert pytest.approx(0.4) == SECONDS_PER_PIECE
