"""What the server remembers of one visitor: the run under way or done, and which panels stand open."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from fv2es.reader import Reader
from fv2es.results import Fold
from fv2es.schema import Reading, Summary


@dataclass(frozen=True)
class Request:
    """What a visitor asked for. speech: a name of a recogniser; text and subtitles come before it.

    model: a name, None for the default.
    """

    clip: str
    speech: str = "auto"
    subtitles: str | None = None
    text: str | None = None
    speaker: str = "largest"
    model: str | None = None

    @property
    def options(self) -> dict[str, str | Path | None]:
        """As `pipeline.analyse` takes them, but for the model's name in place of its reader."""
        return {
            "speech": Path(self.subtitles) if self.subtitles else self.speech,
            "text": (self.text or "").strip() or None,
            "speaker": self.speaker,
            "model": self.model or None,
        }


@dataclass(eq=False)
class Run:
    """One analysis: it grows while the clip is read and stays when it is done or stopped."""

    request: Request
    cancel: threading.Event = field(default_factory=threading.Event)
    readings: list[Reading] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chosen: int | None = None  # by the visitor; None follows the newest
    fold: Fold | None = None
    reader: Reader | None = None  # the model that reads it

    def add(self, reading: Reading) -> None:
        """Take the next reading in."""
        self.fold = self.fold or Fold(reading.emotions, reading.thresholds)
        self.fold.add(reading)
        self.readings.append(reading)

    @property
    def shown(self) -> Reading | None:
        """The utterance whose panels are on the page."""
        if not self.readings:
            return None
        return self.readings[-1 if self.chosen is None else self.chosen]

    @property
    def summary(self) -> Summary | None:
        return self.fold.summary if self.fold else None


@dataclass(eq=False)
class Session:
    """One visitor's; Gradio keeps it in a `State` and forgets it an hour after the tab is closed."""

    run: Run | None = None
    opened: set[str] = field(default_factory=set)

    def start(self, request: Request) -> Run:
        """A new run in place of the old one."""
        self.end()
        self.run = Run(request)
        return self.run

    def end(self) -> None:
        """Let what is under way stop at its next step."""
        if self.run is not None:
            self.run.cancel.set()
