"""Logits → probabilities, readings, averages, and the JSON of `analyse` (`docs/json.md`). Numpy only.

A clip's averages are a fold over its readings: `Fold` is that fold, one reading at a time, with no state elsewhere,
so streamed and batch results are the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fv2es.emotions import NEUTRAL
from fv2es.schema import MODALITIES, Prediction, Reading, Summary, Utterance

if TYPE_CHECKING:
    from fv2es.reader import Reader

JSON_SCHEMA = 1
_PROBABILITY_DIGITS = 6  # float32 carries no more, and no reading changes side of its threshold by the rounding
_TIME_DIGITS = 3
_STAGE_DIGITS = 4


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(…, E) logits → the same shape, float64 in 0–1: independent sigmoids, safe for any finite logit."""
    logits = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1.0 + small)


def single_label(values: np.ndarray, thresholds: np.ndarray, emotions: Sequence[str]) -> str:
    """The emotion furthest above its threshold, neutral where none reaches it; the earlier one wins a tie.

    values, thresholds: (E,) probabilities.
    """
    margins = np.asarray(values, np.float64) - np.asarray(thresholds, np.float64)
    best = int(np.argmax(margins))
    return emotions[best] if margins[best] >= 0 else NEUTRAL


def make_reading(
    index: int,
    utterance: Utterance,
    prediction: Prediction,
    emotions: Sequence[str],
    thresholds: np.ndarray,
    seconds: Mapping[str, float] | None = None,
) -> Reading:
    """What a person is shown of one utterance. A modality that the prediction lacks stays None.

    index counts from 0; thresholds: (E,); seconds: time spent by stage.
    """
    return Reading(
        index=index,
        utterance=utterance,
        emotions=tuple(emotions),
        probabilities=probabilities(prediction.logits),
        thresholds=np.asarray(thresholds, np.float64),
        modalities={
            name: probabilities(prediction.modalities[name]) if name in prediction.modalities else None
            for name in MODALITIES
        },
        attention=prediction.attention,
        seconds=dict(seconds or {}),
    )


class Fold:
    """The running averages of a clip; `add` each reading once, ask for `summary` at any time."""

    def __init__(self, emotions: Sequence[str], thresholds: np.ndarray) -> None:
        self.emotions = tuple(emotions)
        self.thresholds = np.asarray(thresholds, np.float64)
        self._sum = np.zeros(len(self.emotions))
        self._weighted = np.zeros(len(self.emotions))
        self._seconds = 0.0
        self._count = 0

    def add(self, reading: Reading) -> None:
        """Raises ValueError for a reading over other emotions."""
        if reading.emotions != self.emotions:
            raise ValueError(f"needs readings of {', '.join(self.emotions)}, got {', '.join(reading.emotions)}")
        self._sum += reading.probabilities
        self._weighted += reading.probabilities * reading.span.duration
        self._seconds += reading.span.duration
        self._count += 1

    @property
    def summary(self) -> Summary:
        """The averages so far; NaN while there is no reading (an average of nothing is not zero)."""
        nothing = np.full(len(self.emotions), np.nan)
        return Summary(
            emotions=self.emotions,
            thresholds=self.thresholds,
            average=self._sum / self._count if self._count else nothing,
            duration_weighted=self._weighted / self._seconds if self._count else nothing,
            utterances=self._count,
        )


def summarise(readings: Iterable[Reading], emotions: Sequence[str], thresholds: np.ndarray) -> Summary:
    """The whole fold at once."""
    fold = Fold(emotions, thresholds)
    for reading in readings:
        fold.add(reading)
    return fold.summary


def finite_or_none(value: float, digits: int = _PROBABILITY_DIGITS) -> float | None:
    """A rounded number for JSON, which has no NaN: what is not a number becomes null."""
    return round(float(value), digits) if np.isfinite(value) else None


def named(emotions: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    """(E,) → {emotion: rounded value}."""
    return {name: finite_or_none(value) for name, value in zip(emotions, values, strict=True)}


def reading_json(reading: Reading) -> dict[str, Any]:
    """One item of `utterances`."""
    utterance, emotions = reading.utterance, reading.emotions
    alone = {name: reading.modalities.get(name) for name in MODALITIES}
    return {
        "start": round(reading.span.start, _TIME_DIGITS),
        "end": round(reading.span.end, _TIME_DIGITS),
        "transcript": utterance.transcript.text,
        "transcript_source": utterance.transcript.source,
        "transcript_confidence": finite_or_none(utterance.transcript.confidence) if utterance.transcript else None,
        "probabilities": named(emotions, reading.probabilities),
        "active": list(reading.active),
        "modalities": {name: None if one is None else named(emotions, one) for name, one in alone.items()},
        "faces_found": len(utterance.faces),
        "seconds": {stage: round(float(spent), _STAGE_DIGITS) for stage, spent in reading.seconds.items()},
    }


def summary_json(summary: Summary) -> dict[str, Any]:
    """`summary`: all values null where there was no utterance."""
    return {
        "average": named(summary.emotions, summary.average),
        "duration_weighted": named(summary.emotions, summary.duration_weighted),
        "active": list(summary.active),
    }


def analysis_json(
    *,
    file: str,
    duration: float | None,
    model: str,
    checkpoint: Mapping[str, Any],
    summary: Summary,
    utterances: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The whole document. `utterances` are `reading_json` of each, so that a caller need not keep the readings."""
    return {
        "schema": JSON_SCHEMA,
        "file": file,
        "duration": None if duration is None else finite_or_none(duration, _TIME_DIGITS),
        "model": model,
        "checkpoint": dict(checkpoint),
        "emotions": list(summary.emotions),
        "thresholds": named(summary.emotions, summary.thresholds),
        "utterances": [dict(one) for one in utterances],
        "summary": summary_json(summary),
        "notes": list(notes),
    }


class Document:
    """The whole document of a clip that is still being read; it keeps of each reading no more than its JSON.

    model: what the document calls the model; reader: whose readings they are.
    """

    def __init__(self, file: str, model: str, reader: Reader) -> None:
        self._whole = partial(analysis_json, file=file, model=model, checkpoint=reader.checkpoint.identity)
        self._fold = Fold(reader.emotions, reader.thresholds)
        self._utterances: list[dict[str, Any]] = []

    def add(self, reading: Reading) -> None:
        """Raises ValueError for a reading over other emotions."""
        self._fold.add(reading)
        self._utterances.append(reading_json(reading))

    @property
    def summary(self) -> Summary:
        """The averages so far."""
        return self._fold.summary

    def json(self, duration: float | None, notes: Sequence[str]) -> dict[str, Any]:
        """What is known so far. duration: seconds."""
        return self._whole(duration=duration, summary=self.summary, utterances=self._utterances, notes=notes)
