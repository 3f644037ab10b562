"""The nouns that the stages hand to one another: frozen, checked once, numpy only.

Times are seconds from the start of the clip; pictures are RGB, upright, square pixels, uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

SAMPLE_RATE = 16_000  # Hz, of every waveform in the package
N_MELS = 128  # bands of every spectrogram
FACE, VOICE, WORDS = "face", "voice", "words"
MODALITIES = (FACE, VOICE, WORDS)  # in this order wherever they stand in an array

Box = tuple[float, float, float, float]


def _need(condition: bool, needs: str, got: object) -> None:
    if not condition:
        raise ValueError(f"needs {needs}, got {got}")


@dataclass(frozen=True, order=True)
class Span:
    """A half-open interval [start, end) of the clip, in seconds."""

    start: float
    end: float

    def __post_init__(self) -> None:
        _need(0 <= self.start < self.end, "0 <= start < end", f"{self.start}..{self.end}")

    @property
    def duration(self) -> float:
        """Seconds, above 0."""
        return self.end - self.start

    def __contains__(self, time: float) -> bool:
        return self.start <= time < self.end


@dataclass(frozen=True, eq=False)
class Sound:
    """A block of the sound track: `samples` (n,) float32 in [-1, 1], mono, 16 kHz; the first at `time`.

    For listeners and not for models it may be asked for in stereo, (n, 2), and at another `rate` in Hz.
    """

    time: float
    samples: np.ndarray
    rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        shape = self.samples.shape
        _need(len(shape) == 1 or (len(shape) == 2 and shape[1] == 2), "mono samples (n,) or stereo (n, 2)", shape)

    @property
    def end(self) -> float:
        """The time behind the last sample, in seconds."""
        return self.time + len(self.samples) / self.rate


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture: `pixels` (height, width, 3) uint8 RGB, shown at `time`."""

    time: float
    pixels: np.ndarray

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        _need(len(shape) == 3 and shape[2] == 3, "pixels (height, width, 3)", shape)


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out of a frame.

    pixels: (side, side, 3) uint8 RGB. box: left, top, right, bottom in pixels of the frame it was found in,
    None where the picture was taken as the face. confidence: the detector's, 0–1.
    """

    time: float
    pixels: np.ndarray
    box: Box | None = None
    confidence: float = 1.0

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        _need(len(shape) == 3 and shape[0] == shape[1] and shape[2] == 3, "pixels (side, side, 3)", shape)


@dataclass(frozen=True)
class Transcript:
    """Words and where they came from: subtitles, typed, whisper, pocketsphinx, or none.

    confidence: the chance that they were said, 0–1, where a recogniser tells; 1 where a person wrote them.
    """

    text: str = ""
    source: str = "none"
    confidence: float = 1.0

    def __post_init__(self) -> None:
        _need(0 <= self.confidence <= 1, "a confidence of 0–1", self.confidence)

    def __bool__(self) -> bool:
        return bool(self.text)

    @property
    def in_doubt(self) -> bool:
        """Are there words that may not have been said?"""
        return bool(self) and self.confidence < 1


def _no_samples() -> np.ndarray:
    return np.zeros(0, np.float32)


def _no_mel() -> np.ndarray:
    return np.zeros((N_MELS, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Utterance:
    """One span and all that a model may see of it; what is missing is empty, never filled.

    waveform: (n,) float32, mono, 16 kHz. mel: (128, T) float32, power mel-spectrogram, 12.5 ms a column.
    """

    span: Span
    faces: tuple[FaceCrop, ...] = ()
    waveform: np.ndarray = field(default_factory=_no_samples)
    mel: np.ndarray = field(default_factory=_no_mel)
    transcript: Transcript = Transcript()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _need(self.waveform.ndim == 1, "waveform (n,)", self.waveform.shape)
        _need(self.mel.ndim == 2 and self.mel.shape[0] == N_MELS, f"mel ({N_MELS}, T)", self.mel.shape)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that are there, in the order face, voice, words."""
        there = (bool(self.faces), self.mel.shape[1] > 0, bool(self.transcript))
        return tuple(name for name, present in zip(MODALITIES, there, strict=True) if present)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one utterance.

    logits: (E,) float32, fused. modalities: each present modality's own logits (E,).
    attention: name → array, only if asked for: where the model looked. Of nested attention, level name → (pieces,
    layers, heads, rows, columns) float32; `models.watching` names these and all others.
    """

    logits: np.ndarray
    modalities: Mapping[str, np.ndarray]
    attention: Mapping[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        for name, values in self.modalities.items():
            _need(values.shape == self.logits.shape, f"{name} logits {self.logits.shape}", values.shape)


@dataclass(frozen=True, eq=False)
class Reading:
    """What a person is shown of one utterance. Arrays are (E,) in the order of `emotions`."""

    index: int
    utterance: Utterance
    emotions: tuple[str, ...]
    probabilities: np.ndarray
    thresholds: np.ndarray
    modalities: Mapping[str, np.ndarray | None]
    attention: Mapping[str, np.ndarray] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = (len(self.emotions),)
        _need(self.probabilities.shape == wanted, f"probabilities {wanted}", self.probabilities.shape)
        _need(self.thresholds.shape == wanted, f"thresholds {wanted}", self.thresholds.shape)

    @property
    def span(self) -> Span:
        """When the utterance is said."""
        return self.utterance.span

    @property
    def active(self) -> tuple[str, ...]:
        """The emotions at or above their threshold; () reads as neutral."""
        hits = self.probabilities >= self.thresholds
        return tuple(name for name, hit in zip(self.emotions, hits, strict=True) if hit)


@dataclass(frozen=True, eq=False)
class Summary:
    """The fold over a clip's readings: (E,) means, plain as in the papers and weighted by duration."""

    emotions: tuple[str, ...]
    thresholds: np.ndarray
    average: np.ndarray
    duration_weighted: np.ndarray
    utterances: int

    @property
    def active(self) -> tuple[str, ...]:
        """The emotions whose plain average is at or above the threshold."""
        hits = self.average >= self.thresholds
        return tuple(name for name, hit in zip(self.emotions, hits, strict=True) if hit)
