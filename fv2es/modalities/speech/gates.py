"""Silence never becomes words: recognisers invent some when there is nothing to hear, so they are not asked, or not
believed. Subtitles and typed words come from a person and pass no gate.

Levels are in dB below full scale (a square wave of amplitude 1 has 0). The quietest speech among the clips they were
chosen on had an RMS of -40, a peak of -34 and a range of 25 dB; speech over loud music a range of 5 dB.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

import numpy as np

from fv2es.schema import SAMPLE_RATE, Span, Transcript

SHORTEST = 0.5  # seconds
MIN_RMS = -55.0  # dB, over the whole span
MIN_PEAK = -45.0  # dB, the level that one frame in twenty reaches: the vowels
MIN_RANGE = 3.0  # dB between loud and soft frames; syllables rise and fall, hum, tones and hiss do not
FRAME = SAMPLE_RATE // 40  # 25 ms
MAX_WORDS_PER_SECOND = 8.0  # fast talkers reach 6
MAX_PHRASE = 4  # words
REPEATS = 4  # times in a row
_FLOOR = 1e-10  # mean square, -100 dB: keeps digital silence out of the logarithm
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Recogniser(Protocol):
    """An engine that turns sound into words: `hear` takes (n,) float32 at 16 kHz and gives plain text; a transcript
    where their source or its confidence is another for each sound."""

    source: str

    def hear(self, waveform: np.ndarray) -> str | Transcript: ...


class Gated:
    """A recogniser behind the gates; what does not pass is an empty transcript that still names who listened."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.source = recogniser.source
        self._recogniser = recogniser

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        if not audible(waveform):
            return Transcript("", self.source)
        heard = self._recogniser.hear(waveform)
        heard = heard if isinstance(heard, Transcript) else Transcript(heard, self.source)
        text = " ".join(heard.text.split())
        believed = _WORD.search(text) and not looks_invented(text, len(waveform) / SAMPLE_RATE)
        return replace(heard, text=text) if believed else Transcript("", heard.source)


def audible(waveform: np.ndarray) -> bool:
    """Is (n,) at 16 kHz long, loud and lively enough to be speech? It may still be something else."""
    if len(waveform) < SHORTEST * SAMPLE_RATE - 1 or not np.isfinite(waveform).all():
        return False
    whole = waveform[: len(waveform) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME)
    power = (whole**2).mean(axis=1)
    soft, loud = np.percentile(_decibels(power), (10, 95))
    return bool(_decibels(power.mean()) >= MIN_RMS and loud >= MIN_PEAK and loud - soft >= MIN_RANGE)


def looks_invented(text: str, seconds: float | None = None) -> bool:
    """Does a phrase of one to four words come four times in a row, or more than eight words in a second?"""
    words = [word.lower() for word in _WORD.findall(text)]
    if seconds is not None and len(words) > MAX_WORDS_PER_SECOND * seconds:
        return True
    return any(_longest_run(words, length) >= (REPEATS - 1) * length for length in range(1, MAX_PHRASE + 1))


def _longest_run(words: list[str], lag: int) -> int:
    """How many words in a row equal the one `lag` before them."""
    longest = run = 0
    for before, word in zip(words, words[lag:], strict=False):
        run = run + 1 if word == before else 0
        longest = max(longest, run)
    return longest


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _FLOOR))
