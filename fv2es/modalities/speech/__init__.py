"""Words for an utterance: typed, from subtitles, or heard by a recogniser, and always saying where they came from.

A new engine is a class with `source` and `hear` (see `gates.Recogniser`) and a row in ENGINES; the gates that keep
silence from becoming words stand before every engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.gates import Gated, Recogniser
from fv2es.modalities.speech.languages import AUTOMATIC, CHOICES, ENGLISH, LANGUAGES
from fv2es.modalities.speech.pocketsphinx import PocketSphinx
from fv2es.modalities.speech.subtitles import (
    MAX_BYTES,
    SUFFIXES,
    Subtitles,
    looks_like_subtitles,
    parse_subtitles,
    read_subtitles,
)
from fv2es.modalities.speech.typed import Typed
from fv2es.modalities.speech.whisper import Whisper
from fv2es.schema import Span, Transcript

AUTO = "auto"
AUTO_PATIENCE = 15.0  # seconds that a visitor waits for an engine he did not ask for
ASKED_PATIENCE = 120.0


class Transcriber(Protocol):
    """Where words come from; `source` is the name that stands beside them."""

    source: str

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        """(n,) float32 in [-1, 1] at 16 kHz, the sound of `span` → its words, empty where nothing is said."""


class NoWords:
    """Hears nothing: the words are left out."""

    source = "none"

    def __init__(self, patience: float = 0.0, language: str = ENGLISH) -> None:
        """Always ready, for any language."""

    def hear(self, waveform: np.ndarray) -> str:
        return ""


@dataclass(frozen=True)
class Engine:
    """`make(patience, language)` gives a recogniser within that many seconds or raises SpeechError; `instead` ends the
    sentence that tells a visitor why this engine is used in place of a better one."""

    make: Callable[[float, str], Recogniser]
    instead: str


# In order of preference: "auto" takes the first that can be had.
ENGINES = {
    "whisper": Engine(Whisper, "Whisper transcribes"),
    "pocketsphinx": Engine(PocketSphinx, "PocketSphinx transcribes, roughly"),
    "none": Engine(NoWords, "there are no words"),
}


def make_transcriber(
    speech: str | os.PathLike[str] = AUTO, *, text: str | None = None, language: str = ENGLISH
) -> tuple[Transcriber, list[str]]:
    """The transcriber for one clip, and notes for the visitor.

    text: words as typed, or pasted SRT or WebVTT; before all else where there are any. speech: a subtitle file (any
    path object, or a string that ends in .srt or .vtt), a name in ENGINES, or "auto". language: that is spoken, of
    `languages.CHOICES`; it matters to recognisers alone, and what is not English is translated.
    Raises SpeechError with one clear sentence, without paths.
    """
    if text and text.strip():
        return _from_text(text)
    if not isinstance(speech, str) or speech.lower().endswith(SUFFIXES):
        return Subtitles(read_subtitles(Path(speech))), []
    if language not in CHOICES:
        raise SpeechError(f"The language can be one of {', '.join(CHOICES)}.")
    if speech == AUTO:
        return _first_ready(language)
    if speech not in ENGINES:
        names = ", ".join([AUTO, *ENGINES])
        raise SpeechError(f"The words can come from {names}, or a subtitle file ({' or '.join(SUFFIXES)}).")
    return Gated(ENGINES[speech].make(ASKED_PATIENCE, language)), []


def warm_up() -> None:
    """Begin to make the engine that "auto" prefers ready, in the background: for a server, before its first visitor."""
    with suppress(SpeechError):
        next(iter(ENGINES.values())).make(0.0, ENGLISH)


def _from_text(text: str) -> tuple[Transcriber, list[str]]:
    if len(text) > MAX_BYTES:
        raise SpeechError(f"The text is too long: at most {MAX_BYTES} characters are read.")
    if looks_like_subtitles(text):
        return Subtitles(parse_subtitles(text)), []
    typed = Typed(text)
    several = "The typed lines were given to the utterances in order, one line each."
    return typed, [several] if len(typed.lines) > 1 else []


def _first_ready(language: str) -> tuple[Transcriber, list[str]]:
    problems: list[str] = []
    for engine in ENGINES.values():
        try:
            recogniser = engine.make(AUTO_PATIENCE, language)
        except SpeechError as error:
            problems.append(str(error).rstrip("."))
            continue
        notes = [f"{' and '.join(problems)}, so {engine.instead}."] if problems else []
        return Gated(recogniser), notes
    raise SpeechError("No way to transcribe is at hand.")


__all__ = [
    "AUTOMATIC",
    "CHOICES",
    "ENGINES",
    "ENGLISH",
    "LANGUAGES",
    "Engine",
    "SpeechError",
    "Transcriber",
    "make_transcriber",
    "warm_up",
]
