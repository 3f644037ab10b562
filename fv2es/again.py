"""The model once more, on inputs that were extracted before: what if, where it looks, what each modality adds, another
model.

No clip is opened and nothing is heard, seen or transcribed again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from fv2es.reader import Reader
from fv2es.results import make_reading
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Reading, Transcript, Utterance
from fv2es.threads import one_thread

LONGEST = 2000  # characters of a transcript; no model reads more than a hundred tokens
TYPED = "typed"  # source of a transcript that a visitor has edited

NOTHING_LEFT = "With face, voice and words all left out there is nothing to read: keep at least one of them."
NOTHING_ELSE = "Nothing is left to read of this utterance: keep a modality that it has, or type its words."
TOO_LONG = f"That is too much for one utterance: a transcript may have at most {LONGEST} characters."


class AgainError(ValueError):
    """What was asked for cannot be read again; the message is one sentence for a visitor."""


def edited(utterance: Utterance, *, drop: Collection[str] = (), transcript: str | None = None) -> Utterance:
    """The utterance without the modalities `drop`, and with other words where `transcript` is given.

    Words that only gain or lose space around them keep their source. Raises AgainError where nothing is left or the
    transcript is too long, ValueError for a modality that is none.
    """
    if strangers := set(drop) - set(MODALITIES):
        raise ValueError(f"needs modalities of {', '.join(MODALITIES)}, got {', '.join(sorted(strangers))}")
    if transcript is not None and transcript.strip() != utterance.transcript.text.strip():
        if len(transcript) > LONGEST:
            raise AgainError(TOO_LONG)
        utterance = replace(utterance, transcript=Transcript(transcript.strip(), TYPED))
    if FACE in drop:
        utterance = replace(utterance, faces=())
    if VOICE in drop:
        utterance = replace(utterance, mel=utterance.mel[:, :0], waveform=utterance.waveform[:0])
    if WORDS in drop:
        utterance = replace(utterance, transcript=Transcript())
    if not utterance.modalities:
        raise AgainError(NOTHING_LEFT if len(set(drop)) == len(MODALITIES) else NOTHING_ELSE)
    return utterance


def rerun(
    reader: Reader,
    reading: Reading,
    *,
    drop: Collection[str] = (),
    transcript: str | None = None,
    attention: bool = True,
) -> Reading:
    """The same utterance read by `reader`, without the modalities `drop` and with other words where they are given.

    Thresholds stay those of `reading` where the emotions are the same, so that a visitor's own hold. seconds: "model"
    alone. Raises AgainError (see `edited`).
    """
    utterance = edited(reading.utterance, drop=drop, transcript=transcript)
    return _read(reader, reading.index, utterance, _thresholds(reader, reading), attention)


def watched(reader: Reader, reading: Reading) -> Reading:
    """The same reading with where `reader` looks at its utterance, bit for bit as if it had been recorded at once."""
    (prediction,) = reader.predict([reading.utterance], attention=True)
    return replace(reading, attention=prediction.attention)


def leave_one_out(reader: Reader, reading: Reading) -> dict[str, Reading]:
    """modality → what the others say without it, for each that is there; empty where one is alone."""
    present = reading.utterance.modalities
    if len(present) < 2:
        return {}
    rest = {name: edited(reading.utterance, drop=(name,)) for name in present}
    thresholds = _thresholds(reader, reading)
    with one_thread():  # three are still few: where another clip is read, two threads took two to twelve times as long
        predictions = reader.predict([*rest.values()])
    return {
        name: make_reading(reading.index, utterance, prediction, reader.emotions, thresholds)
        for (name, utterance), prediction in zip(rest.items(), predictions, strict=True)
    }


def compare(
    reader: Reader,
    readings: Iterable[Reading],
    *,
    attention: bool = False,
    cancel: threading.Event | None = None,
) -> Iterator[tuple[Reading, Reading]]:
    """Each reading with what another model says of the same inputs, one pair as soon as it is known.

    The second of a pair has the emotions and the thresholds of `reader`. Setting `cancel` ends it at the next pair.
    """
    for reading in readings:
        if cancel is not None and cancel.is_set():
            return
        yield reading, _read(reader, reading.index, reading.utterance, reader.thresholds, attention)


def _read(reader: Reader, index: int, utterance: Utterance, thresholds: np.ndarray, attention: bool) -> Reading:
    began = time.perf_counter()
    (prediction,) = reader.predict([utterance], attention)
    seconds = {"model": time.perf_counter() - began}
    return make_reading(index, utterance, prediction, reader.emotions, thresholds, seconds)


def _thresholds(reader: Reader, reading: Reading) -> np.ndarray:
    """A visitor's own, where they are of the same emotions."""
    return reading.thresholds if reading.emotions == reader.emotions else reader.thresholds
