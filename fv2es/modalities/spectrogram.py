"""Waveform → mel-spectrogram → pieces, as FE2E and V2EM take them (Dai et al. 2021; Wei et al. 2022, §III).

16 kHz, window = FFT = 400 samples (25 ms), hop 200 (12.5 ms), 128 mel bands, power; pieces of 32 columns (0.4 s).
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np

from fv2es.schema import N_MELS, SAMPLE_RATE
from fv2es.threads import one_thread

N_FFT = 400
HOP_LENGTH = 200
PIECE_COLUMNS = 32
SECONDS_PER_COLUMN = HOP_LENGTH / SAMPLE_RATE
SECONDS_PER_PIECE = PIECE_COLUMNS * SECONDS_PER_COLUMN


@lru_cache(maxsize=1)
def _transform():
    import torchaudio

    with warnings.catch_warnings():  # of the lowest bands being narrower than the FFT's: so in the papers
        warnings.simplefilter("ignore", UserWarning)
        return torchaudio.transforms.MelSpectrogram(SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)


def mel_spectrogram(waveform: np.ndarray) -> np.ndarray:
    """(n,) samples at 16 kHz → (128, T) float32 power mel-spectrogram, T = 1 + n // 200.

    Fewer than one window's samples are too few to analyse and give T = 0.
    """
    import torch

    if len(waveform) < N_FFT:
        return np.zeros((N_MELS, 0), np.float32)
    with torch.inference_mode(), one_thread():
        samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
        return _transform()(samples).numpy()


def pieces(mel: np.ndarray) -> np.ndarray:
    """(128, T) → (N, 128, 32): pieces of 0.4 s, the last zero-padded on the right; N = ceil(T / 32)."""
    columns = mel.shape[1]
    padded = np.pad(mel, ((0, 0), (0, -columns % PIECE_COLUMNS)))
    return padded.reshape(N_MELS, -1, PIECE_COLUMNS).transpose(1, 0, 2)


def band_frequencies() -> np.ndarray:
    """(128,) centre of each mel band in Hz (HTK scale, as torchaudio's default)."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    return 700 * (10 ** (np.linspace(0, top, N_MELS + 2)[1:-1] / 2595) - 1)
