"""Words that a person typed: they have no times, so the lines are handed out."""

from __future__ import annotations

import threading

import numpy as np

from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.subtitles import plain
from fv2es.schema import Span, Transcript

MAX_CHARACTERS = 20_000  # an hour of speech has more, but then it wants times


class Typed:
    """One line is what the whole clip says, and every utterance gets it.

    Of several lines the first belongs to the first utterance and so on; utterances beyond the last line get none.
    Utterances are counted in the order in which they are first asked for, which is that of the clip; asked again,
    one gets the same line. One instance per clip.
    """

    source = "typed"

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise SpeechError(f"The typed text is too long: at most {MAX_CHARACTERS} characters, or else subtitles.")
        self.lines = tuple(filter(None, map(plain, text.splitlines())))
        self._places: dict[Span, int] = {}
        self._lock = threading.Lock()

    def transcribe(self, waveform: np.ndarray, span: Span) -> Transcript:
        if len(self.lines) == 1:
            return Transcript(self.lines[0], self.source)
        with self._lock:
            place = self._places.setdefault(span, len(self._places))
        return Transcript(self.lines[place] if place < len(self.lines) else "", self.source)
