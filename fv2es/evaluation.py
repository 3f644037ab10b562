"""A manifest through a reader: how good the predictions are over any subset of face, voice and words.

A row whose file cannot be read is left out and counted. A row that can be read but of which nothing is left (no face
was found, the cells are empty) counts as predicting nothing, which reads as neutral: that is what a visitor would be
shown, and leaving it out would flatter the figures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any, Protocol

import numpy as np

from fv2es.data.manifest import Row
from fv2es.limits import Limits
from fv2es.media import Media, open_media
from fv2es.metrics import report
from fv2es.modalities.extract import extract_span
from fv2es.modalities.faces import Detection, FaceFinder, Finder
from fv2es.modalities.spectrogram import mel_spectrogram
from fv2es.modalities.speech.subtitles import Subtitles, read_subtitles
from fv2es.results import probabilities
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Box, Frame, Prediction, Sound, Span, Transcript, Utterance

logger = logging.getLogger(__name__)

LETTERS = {"t": WORDS, "a": VOICE, "v": FACE}
BATCH_SIZE = 16
EVERYWHERE = Span(0.0, inf)
SILENCE = np.zeros(0, np.float32)
NOWHERE = Span(0.0, 1.0)  # words alone have no time; they stand for one second
Extractor = Callable[[Row], Utterance]


class Predictor(Protocol):
    """What is needed of a `fv2es.reader.Reader`."""

    @property
    def emotions(self) -> tuple[str, ...]: ...
    @property
    def thresholds(self) -> np.ndarray: ...
    def predict(self, utterances: Sequence[Utterance], attention: bool = False) -> list[Prediction]: ...


@dataclass(frozen=True)
class Unreadable:
    """A row whose file could not be used, and the sentence that says why."""

    row: Row
    why: str


@dataclass(frozen=True)
class Evaluation:
    """`report`: the JSON document; `unreadable`: the rows that are left out of it; `empty`: those of which nothing is
    left."""

    report: dict[str, Any]
    unreadable: tuple[Unreadable, ...]
    empty: tuple[Row, ...] = ()


def parse_modalities(letters: str) -> tuple[str, ...]:
    """ "tav" → ("face", "voice", "words"): t = text, a = audio, v = video, any of them in any order."""
    wanted = letters.strip().lower()
    if not wanted or set(wanted) - set(LETTERS) or len(set(wanted)) < len(wanted):
        raise ValueError(f"Modalities are letters of tav (text, audio, video), each once; got {letters!r}.")
    chosen = {LETTERS[letter] for letter in wanted}
    return tuple(name for name in MODALITIES if name in chosen)


def row_extractor(modalities: Sequence[str] = MODALITIES, finder: Finder | None = None) -> Extractor:
    """What makes a row's utterance, as serving would: files are opened only for face and voice, pictures of the file
    are looked at only for face, and faces are looked for in nothing that is one already."""
    finder = finder or _LateFinder()

    def extract(row: Row) -> Utterance:
        words = words_of(row) if WORDS in modalities else Transcript()
        if row.file is None or not {FACE, VOICE} & set(modalities):
            return Utterance(NOWHERE, transcript=words)
        with open_media(row.file, Limits.unlimited()) as media:
            span = _span(row)
            seen = extract_span(media, span, finder=finder) if FACE in modalities else _heard(media, span)
            asked = FACE in modalities or media.has_audio
            if asked and not media.is_picture and media.seconds_read <= (row.start or 0.0) > 0:
                raise ValueError(f"Nothing of it lies behind {row.start:g} s, where its stretch begins.")
        if VOICE not in modalities:
            seen = Utterance(seen.span, faces=seen.faces)
        return replace(seen, transcript=words)

    return extract


def words_of(row: Row) -> Transcript:
    """What is said in a row: its text, or what the subtitles say in its stretch. Raises SpeechError."""
    if row.text:
        return Transcript(row.text, "typed")
    if row.subtitles is None:
        return Transcript()
    return Subtitles(read_subtitles(row.subtitles)).transcribe(SILENCE, _span(row) or EVERYWHERE)


class _LateFinder:
    """A face finder that is loaded when the first face is looked for: texts and small pictures need none."""

    def __init__(self) -> None:
        self._finder: FaceFinder | None = None

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]:
        self._finder = self._finder or FaceFinder()
        return self._finder.find(frames, near)


def _span(row: Row) -> Span | None:
    if row.start is None and row.end is None:
        return None
    return Span(row.start or 0.0, inf if row.end is None else row.end)


def _heard(media: Media, span: Span | None) -> Utterance:
    """The voice alone of a span, None = of the whole file."""
    start, end = (span.start, span.end) if span else (0.0, inf)
    blocks = [event.samples for event in media.read((), start, end) if isinstance(event, Sound)]
    waveform = np.concatenate(blocks) if blocks else SILENCE
    return Utterance(span or NOWHERE, waveform=waveform, mel=mel_spectrogram(waveform))


def evaluate(
    rows: Sequence[Row],
    reader: Predictor,
    modalities: Sequence[str] = MODALITIES,
    *,
    extract: Extractor | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Score all rows; `progress(rows done)` is called after each batch.

    `extract` makes a row's utterance (by default `row_extractor`); ValueError and OSError from it make the row
    unreadable, which the run survives.
    """
    extract = extract or row_extractor(modalities)
    scored: list[Row] = []
    scores: list[np.ndarray] = []
    unreadable: list[Unreadable] = []
    empty: list[Row] = []
    done = 0
    for batch in _batches(rows, batch_size):
        readable = list(_readable(batch, extract, unreadable))
        full = [utterance for _, utterance in readable if utterance.modalities]
        predicted = iter(reader.predict(full) if full else ())
        for row, utterance in readable:
            there = bool(utterance.modalities)
            if not there:
                empty.append(row)
            scored.append(row)
            scores.append(probabilities(next(predicted).logits) if there else np.zeros(len(reader.emotions)))
        done += len(batch)
        progress(done)
    shape = (len(scored), len(reader.emotions))
    truth = np.array([[name in row.labels for name in reader.emotions] for row in scored], bool).reshape(shape)
    figures = report(truth, np.array(scores).reshape(shape), reader.thresholds, reader.emotions, modalities)
    return Evaluation({**figures, "empty": len(empty), "skipped": len(unreadable)}, tuple(unreadable), tuple(empty))


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


def _readable(rows: Iterable[Row], extract: Extractor, unreadable: list[Unreadable]) -> Iterator[tuple[Row, Utterance]]:
    for row in rows:
        try:
            yield row, extract(row)
        except (ValueError, OSError) as error:
            why = str(error) if isinstance(error, ValueError) else error.strerror or "It cannot be read."
            logger.info("line %d (%s): %s", row.line, row.id, why)
            unreadable.append(Unreadable(row, why))
