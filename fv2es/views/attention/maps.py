"""The numbers behind the pictures of attention: from what was recorded to maps that mean the same for every model.

A map's cells are doublings over even: 0 where a cell gets an even share, 1 where it gets twice as much, −1 half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fv2es.modalities.spectrogram import PIECE_COLUMNS, SECONDS_PER_COLUMN, SECONDS_PER_PIECE, band_frequencies, pieces
from fv2es.schema import N_MELS, Reading, Span

BLOCK = 8  # cells along the side of a block of nested attention, at every level
CHANNELS = N_MELS // PIECE_COLUMNS  # into which nested attention folds the bands of a piece
LEAST = 2.0**-8  # of an even share; less is drawn as this
LEAST_REACH = 0.25  # of the colours, in doublings: attention that is as good as even shall not look dramatic
NESTED, FOCAL = "level", "focal"

Records = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Level:
    """One level of an utterance. shares: (pieces, heads, rows, columns), 1 = even; rows are bands, columns time.

    folds: how many times the 128 bands are folded over one another. blocks: along a side, in which attention is shared
    out; 1 = the whole map.
    """

    number: int
    kind: str
    shares: np.ndarray
    folds: int
    blocks: int

    @property
    def name(self) -> str:
        """As recorded: "level1"."""
        return f"{self.kind}{self.number}"

    @property
    def heads(self) -> int:
        """How many there are to choose from; 0 where a level has none."""
        return self.shares.shape[1] if self.kind == NESTED else 0

    def has(self, head: int | None) -> bool:
        """Can this head be shown?"""
        return head is not None and 0 <= head < self.heads

    def of(self, head: int | None) -> np.ndarray:
        """(pieces, rows, columns) shares of a head, or the mean of all where it is none of this level's."""
        return self.shares[:, head] if head is not None and self.has(head) else self.shares.mean(1)

    def cells(self, head: int | None = None, piece: int | None = None) -> np.ndarray:
        """(rows, columns) doublings in one piece, or in the average piece."""
        shares = self.of(head)
        return _doublings(shares.mean(0) if piece is None else shares[piece])

    def laid_out(self, head: int | None, columns: int) -> np.ndarray:
        """(128, columns) doublings: the pieces side by side, unfolded over all bands and as fine as the spectrogram.

        What was folded cannot be told apart: the rows stand there `folds` times.
        """
        shares = self.of(head)
        rows, width = shares.shape[1:]
        fine = shares.repeat(N_MELS // self.folds // rows, axis=1).repeat(PIECE_COLUMNS // width, axis=2)
        return np.tile(_doublings(np.concatenate([*fine], axis=1)[:, :columns]), (self.folds, 1))


def levels_of(reading: Reading) -> list[Level]:
    """Those of the voice, in their order; none where they were not recorded."""
    records = reading.attention or {}
    nested = [_nested(number, records[name]) for number, name in _numbered(records, NESTED)]
    return nested + [_focal(number, records[name]) for number, name in _numbered(records, FOCAL)]


def is_watched(reading: Reading) -> bool:
    """Is there anything to be seen of where the model looks?"""
    return bool(levels_of(reading)) or any(name.startswith("queries_") for name in reading.attention or {})


def piece_spans(reading: Reading) -> tuple[Span, ...]:
    """When each piece lasts; those without a record of it begin with the utterance."""
    records = reading.attention or {}
    if "pieces" in records:
        return tuple(Span(float(start), float(end)) for start, end in records["pieces"])
    counts = [len(level.shares) for level in levels_of(reading)]
    count = max([*counts, records["queries_voice"].shape[-1] if "queries_voice" in records else 0])
    end = max(reading.span.start + reading.utterance.mel.shape[1] * SECONDS_PER_COLUMN, reading.span.start + 1e-3)
    starts = [reading.span.start + SECONDS_PER_PIECE * number for number in range(count)]
    return tuple(Span(one, max(min(one + SECONDS_PER_PIECE, end), one + 1e-3)) for one in starts)


def heard(reading: Reading) -> slice:
    """Which columns of the spectrogram the pieces cover."""
    spans = piece_spans(reading)
    if not spans:
        return slice(0, 0)
    first, last = (round((time - reading.span.start) / SECONDS_PER_COLUMN) for time in (spans[0].start, spans[-1].end))
    return slice(first, last)


def sound_of(reading: Reading, piece: int | None = None) -> np.ndarray:
    """(128, 32) power of a piece, or the mean over pieces."""
    cut = pieces(reading.utterance.mel[:, heard(reading)])
    return cut.mean(0) if piece is None else cut[piece]


def folded(sound: np.ndarray) -> np.ndarray:
    """(128, 32) power → (32, 32): the mean over the four channels, which is what a row of level 1 stands for."""
    return sound.reshape(CHANNELS, -1, PIECE_COLUMNS).mean(0)


def reach_of(maps: list[np.ndarray]) -> float:
    """How many doublings the colours reach to either side."""
    return max(LEAST_REACH, *(float(np.quantile(np.abs(one), 0.98)) for one in maps))


def row_frequencies(level: Level, row: int) -> list[float]:
    """Hz, of the middle of the bands that a row of the map stands for: one for each fold."""
    high = N_MELS // level.folds
    bands = high // level.shares.shape[2]
    middle = row * bands + (bands - 1) / 2
    return [
        float(np.interp(fold * high + middle, np.arange(N_MELS), band_frequencies())) for fold in range(level.folds)
    ]


def _doublings(shares: np.ndarray) -> np.ndarray:
    return np.log2(np.maximum(np.asarray(shares, np.float64), LEAST))


def _numbered(records: Records, prefix: str) -> list[tuple[int, str]]:
    names = [name for name in records if name.startswith(prefix) and name.removeprefix(prefix).isdigit()]
    return sorted((int(name.removeprefix(prefix)), name) for name in names)


def _nested(number: int, weights: np.ndarray) -> Level:
    """(pieces, layers, heads, rows, columns): a block's cells sum to 1, so that an even share is 1/64."""
    shares = weights.mean(1, dtype=np.float64) * BLOCK**2
    return Level(number, NESTED, shares, CHANNELS, weights.shape[-1] // BLOCK)


def _focal(number: int, norms: np.ndarray) -> Level:
    """(pieces, layers, rows, columns): even is each layer's mean over the utterance."""
    means = norms.mean((0, 2, 3), keepdims=True, dtype=np.float64)
    shares = (norms / np.maximum(means, 1e-12)).mean(1, keepdims=True)
    return Level(number, FOCAL, shares, 1, 1)
