"""Functionals: statistics over an utterance's spectrogram, and a perceptron over them.

On functionals of short-time descriptors stood the recognisers of emotional speech before there were networks, and with
little speech to learn from they are still hard to beat (Schuller et al. 2013, ComParE; Eyben et al. 2016, eGeMAPS).
How a voice moves is in the correlations of its contours over a delay (Williamson et al. 2013).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN
from fv2es.schema import N_MELS

CEPSTRA, BANDS = 24, 32  # contours: cepstral coefficients, and mel bands in groups of four
QUANTILES = (0.1, 0.5, 0.9)
STEP = 4  # columns (50 ms) over which a contour's movement is taken
FOLLOWED, LAGS = 8, (2, 8)  # so many cepstra, and the columns (25 and 100 ms) later at which they are compared
FUNCTIONALS = 8 * (CEPSTRA + BANDS) + 2 + len(LAGS) * FOLLOWED**2
FARTHEST = 5.0  # deviations from the mean that a functional counts at most


def columns_of(pieces: Tensor) -> Tensor:
    """(N, 4, 32, 32) pieces of one utterance → (T, 128), a row per column of its spectrogram, the padding left out."""
    whole = pieces.flatten(1, 2).permute(0, 2, 1).flatten(0, 1)
    filled = (whole != 0).any(1).nonzero()[:, 0]
    return whole[: int(filled[-1]) + 1] if len(filled) else whole


def functionals(columns: Tensor) -> Tensor:
    """(T, 128) log-mel, T ≥ 1 → (`FUNCTIONALS`,).

    Of each contour: mean, deviation, three quantiles, mean and deviation of its movement over 50 ms (of the amount and
    of the value), second half against first. How often in a second it grows loud, and for what share it is. And how far
    each of the first cepstra follows each other: their correlations, the one a lag later than the other. The last
    column of a very short utterance is held until the longest lag fits.
    """
    x = columns.float()
    loud = x.mean(1) > 0
    rises = (loud[1:] & ~loud[:-1]).sum() / (len(x) * SECONDS_PER_COLUMN)
    x = torch.cat([x @ _cosines(x.device), x.unflatten(1, (BANDS, -1)).mean(2)], dim=1)
    x = torch.cat([x, x[-1:].expand(max(0, max(LAGS) + 2 - len(x)), -1)])
    moved, half = x[STEP:] - x[:-STEP], len(x) // 2
    quantiles = x.quantile(x.new_tensor(QUANTILES), dim=0)
    mean, deviation = x.mean(0), x.std(0, correction=0)
    followed = ((x - mean) / deviation.clamp_min(1e-3))[:, :FOLLOWED]
    return torch.cat(
        [
            mean,
            deviation,
            quantiles.flatten(),
            moved.abs().mean(0),
            moved.std(0, correction=0),
            x[half:].mean(0) - x[:half].mean(0),
            torch.stack([rises, loud.float().mean()]),
            *(_correlations(followed, lag) for lag in LAGS),
        ]
    )


def _correlations(x: Tensor, lag: int) -> Tensor:
    """(T, C) standardised, T > lag → (C · C,): each contour, `lag` columns later, with each."""
    return (x[lag:].mT @ x[:-lag] / (len(x) - lag)).flatten()


def functionals_of(pieces: Tensor, counts: Tensor) -> Tensor:
    """(N, 4, 32, 32) pieces of B utterances, (B,) counts ≥ 1 → (B, `FUNCTIONALS`), in mixed precision too in full."""
    with torch.autocast(pieces.device.type, enabled=False):
        return torch.stack([functionals(columns_of(one)) for one in pieces.split(counts.tolist())])


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Tensor:
    """(128, `CEPSTRA`): the orthonormal DCT-II; usable in training though first asked for while serving."""
    with torch.inference_mode(False):
        band = torch.arange(N_MELS, device=device)[:, None] + 0.5
        waves = torch.cos(math.pi / N_MELS * band * torch.arange(CEPSTRA, device=device)) * (2 / N_MELS) ** 0.5
        return torch.cat([waves[:, :1] * 0.5**0.5, waves[:, 1:]], dim=1)


class FunctionalsNetwork(nn.Module):
    """Functionals of the whole utterance, standardised by those of the training part → (B, E) logits."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, emotions: int, width: int = 256) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FUNCTIONALS))
        self.register_buffer("deviation", torch.ones(FUNCTIONALS))
        self.layers = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(FUNCTIONALS, width), nn.GELU(), nn.Dropout(0.5), nn.Linear(width, emotions)
        )

    def standardise_by(self, rows: Tensor) -> None:
        """rows (N, `FUNCTIONALS`): from now on these have mean 0 and deviation 1."""
        self.mean.copy_(rows.mean(0))
        self.deviation.copy_(rows.std(0, correction=0).clamp_min(1e-4))

    def forward(self, pieces: Tensor, counts: Tensor) -> Tensor:
        """(N, 4, 32, 32) pieces of B utterances, (B,) counts ≥ 1 → (B, E)."""
        return self.read(functionals_of(pieces, counts))

    def read(self, rows: Tensor) -> Tensor:
        """(B, `FUNCTIONALS`) → (B, E)."""
        x = (rows - self.mean) / self.deviation
        return self.layers(x.clamp(-FARTHEST, FARTHEST))
