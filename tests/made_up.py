"""Readings that no model made, for tests of what is shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from fv2es.emotions import MOSEI
from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN
from fv2es.schema import FACE, SAMPLE_RATE, VOICE, WORDS, FaceCrop, Reading, Span, Transcript, Utterance

THRESHOLDS = np.array([0.26, 0.15, 0.21, 0.35, 0.30, 0.30])


def crop(time: float, shade: int = 120) -> FaceCrop:
    """A round thing that could be a face."""
    rows, columns = np.mgrid[:160, :160]
    inside = ((rows - 80) / 70) ** 2 + ((columns - 80) / 55) ** 2 < 1
    pixels = np.where(inside[..., None], (shade + 80, shade + 40, shade), (shade - 60, shade - 50, shade - 30))
    return FaceCrop(time, pixels.astype(np.uint8))


def made_up_attention(number: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """(pieces, 2, 4, rows, columns) for each level; the cells of each 8 × 8 block sum to 1."""
    maps = {}
    for level, side in (("level1", 32), ("level2", 16), ("level3", 8)):
        raw = random.gamma(2.0, size=(number, 2, 4, side // 8, 8, side // 8, 8))
        maps[level] = (raw / raw.sum((4, 6), keepdims=True)).reshape(number, 2, 4, side, side).astype(np.float32)
    return maps


def made_up_maps(utterance: Utterance) -> dict[str, np.ndarray] | None:
    """As a model that is asked might give them; the same utterance gives the same, and silence none."""
    columns = utterance.mel.shape[1]
    random = np.random.default_rng(round(1000 * utterance.span.start))
    return made_up_attention(-(-columns // 32), random) if columns else None


def made_up_reading(
    index: int = 0,
    start: float = 0.5,
    end: float = 2.9,
    *,
    probabilities: Any = (0.02, 0.01, 0.08, 0.91, 0.05, 0.44),
    text: str = "I got the job!",
    source: str = "subtitles",
    confidence: float = 1.0,
    faces: int = 5,
    voice: bool = True,
    attention: bool = True,
    sound: bool = False,
) -> Reading:
    """As a model might have said it; the same arguments give the same reading."""
    random = np.random.default_rng(index)
    columns = round((end - start) / SECONDS_PER_COLUMN) if voice else 0
    envelope = np.exp(-np.arange(128) / 30)[:, None] * (1 + np.sin(np.arange(columns) / 6)) ** 2
    values = np.asarray(probabilities, np.float64)
    times = np.arange(round((end - start) * SAMPLE_RATE) if sound else 0) / SAMPLE_RATE
    utterance = Utterance(
        Span(start, end),
        faces=tuple(crop(start + (end - start) * (n + 0.5) / max(faces, 1), 110 + 10 * n) for n in range(faces)),
        waveform=(0.3 * np.sin(2 * np.pi * (220 + 40 * index) * times)).astype(np.float32),
        mel=(random.gamma(1.0, size=(128, columns)) * envelope).astype(np.float32),
        transcript=Transcript(text, source, confidence),
    )
    alone = {FACE: values if faces else None, VOICE: values if voice else None, WORDS: values if text else None}
    maps = made_up_attention(-(-columns // 32), random) if attention and voice else None
    return Reading(index, utterance, MOSEI, values, THRESHOLDS, alone, maps, {"decode": 0.1, "model": 0.02})
