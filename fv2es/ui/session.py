"""What the server remembers of one visitor: the run under way or done, which tab stands open, the language."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fv2es.again import watched
from fv2es.modalities.speech import CHOICES, ENGLISH, LANGUAGES
from fv2es.reader import Reader
from fv2es.results import Fold
from fv2es.schema import Reading, Summary
from fv2es.takeaway import Result
from fv2es.ui.sound import secret
from fv2es.views.timeline import Growing
from fv2es.views.words import Say

SPEECH = [
    ("automatic", "auto"),
    ("Whisper", "whisper"),
    ("PocketSphinx (rough, offline)", "pocketsphinx"),
    ("no words", "none"),
]
SPOKEN = [(LANGUAGES.get(code, "automatic"), code) for code in CHOICES]
SPEAKERS = [("the largest face", "largest"), ("in the left half", "left"), ("in the right half", "right")]


@dataclass(frozen=True)
class Request:
    """What a visitor asked for. speech: a name of a recogniser; text and subtitles come before it.

    model: a name, None for the default. language: that is spoken, for a recogniser.
    """

    clip: str
    speech: str = "auto"
    subtitles: str | None = None
    text: str | None = None
    speaker: str = "largest"
    model: str | None = None
    language: str = ENGLISH

    @property
    def options(self) -> dict[str, str | Path | None]:
        """As `pipeline.analyse` takes them, but for the model's name in place of its reader."""
        return {
            "speech": Path(self.subtitles) if self.subtitles else self.speech,
            "text": (self.text or "").strip() or None,
            "speaker": self.speaker,
            "model": self.model or None,
            "language": self.language,
        }


@dataclass(eq=False)
class Run:
    """One analysis: it grows while the clip is read and stays when it is done or stopped; or one that a link opened.

    Its readings are as the checkpoint's thresholds have them; what is shown and `summary` are under those that the
    visitor has moved. request: None for one that a link opened, whose clip is not here.
    """

    request: Request | None
    file: str = ""
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # tells it from others, on the page
    cancel: threading.Event = field(default_factory=threading.Event)
    readings: list[Reading] = field(default_factory=list)
    notes: Sequence[str] = ()
    duration: float = 0.0  # seconds of the clip that have been read
    chosen: int | None = None  # by the visitor; None follows the newest
    moved: np.ndarray | None = None  # (E,) the visitor's thresholds, None where nothing was moved
    reader: Reader | None = None  # the model that reads it; None where it is not here (any more)
    model: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)  # of the weights
    compared: list[tuple[Reading, Reading]] = field(default_factory=list)  # with what another model says
    other: str = ""  # that model, for people
    edited: int | None = None  # the utterance whose words stand in the fields of "what if"
    rerun: Reading | None = None  # and how it was read again
    expected: float | None = None  # seconds that the clip claims to last
    taken: bool = False  # out of the queue
    ended: str = ""  # how, for people; "" while it goes on
    settled: bool = False  # and the page has been told so when nothing more was read
    problem: str | None = None  # what went wrong, likewise
    place: str = field(default_factory=secret)  # of its sounds
    growing: Growing = field(default_factory=Growing, repr=False)
    _fold: Fold | None = None
    _watched: Reading | None = None  # the last that was asked for, with its maps

    @classmethod
    def opened(cls, result: Result, reader: Reader | None) -> Run:
        """A kept result. reader: the model that made it, if it is here."""
        run = cls(None, result.file, notes=result.notes, moved=result.moved)
        for reading in result.readings:
            run.add(reading)
        run.duration = result.duration or 0.0
        run.reader, run.model, run.identity = reader, result.model, result.checkpoint
        run.cancel.set()
        run.settled = True
        return run

    def begun(self, reader: Reader) -> None:
        """This model reads it."""
        self.reader, self.model, self.identity = reader, reader.name, reader.checkpoint.identity

    def add(self, reading: Reading) -> None:
        """The next one."""
        self._fold = self._fold or Fold(reading.emotions, reading.thresholds)
        self._fold.add(reading)
        self.readings.append(reading)

    @property
    def shown(self) -> Reading | None:
        """The utterance whose card is on the page."""
        if not self.readings:
            return None
        return self.seen(self.readings[-1 if self.chosen is None else self.chosen])

    def seen(self, reading: Reading) -> Reading:
        """Under the thresholds that apply."""
        return reading if self.moved is None else replace(reading, thresholds=self.moved)

    def known(self, reading: Reading) -> Reading | None:
        """With where the model looks, if there is anything to know; None where the model has to be asked first."""
        if reading.attention is not None or self.reader is None or not self.reader.attends:
            return reading
        last = self._watched
        return replace(reading, attention=last.attention) if last and last.index == reading.index else None

    def watched(self, reading: Reading) -> Reading:
        """As `known`, and the model is asked. Maps stay for one utterance at a time."""
        known = self.known(reading)
        if known is None and self.reader is not None:
            known = self._watched = watched(self.reader, reading)
        return known or reading

    @property
    def summary(self) -> Summary | None:
        """So far; None before the first utterance."""
        if self._fold is None:
            return None
        summary = self._fold.summary
        return summary if self.moved is None else replace(summary, thresholds=self.moved)

    def parts(self, language: str, say: Say) -> tuple[list[str], list[str]]:
        """The timeline and the list of its utterances, for `gr.HTML`s that join parts."""
        moved = None if self.moved is None else self.moved.tobytes()
        duration = self.duration if self.ended else self.expected or self.duration
        return self.growing.parts(self.readings, self.seen, (language, moved), duration, self.name, say)

    @property
    def result(self) -> Result | None:
        """All of it so far, for files; None before the first utterance."""
        if not self.readings:
            return None
        return Result(
            file=self.file,
            model=self.model,
            checkpoint=self.identity,
            emotions=self.readings[0].emotions,
            thresholds=self.readings[0].thresholds,
            readings=tuple(self.readings),
            duration=self.duration,
            notes=tuple(self.notes),
            moved=self.moved,
        )


@dataclass(eq=False)
class Session:
    """One visitor's; Gradio keeps it in a `State` and forgets it an hour after the tab is closed."""

    run: Run | None = None
    tab: str | None = None  # the one that stands open
    language: str = "en"
    head: int | None = None  # of the attention that is shown; None: their mean
    piece: int | None = None  # of the utterance, likewise

    def start(self, request: Request) -> Run:
        """A new run in place of the old one."""
        self.end()
        self.run = Run(request, Path(request.clip).name)
        return self.run

    def end(self) -> None:
        """Let what is under way stop at its next step."""
        if self.run is not None:
            self.run.cancel.set()
