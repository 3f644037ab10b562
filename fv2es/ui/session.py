"""What the server remembers of one visitor: the run under way or done, which tab stands open, the language."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fv2es.reader import Reader
from fv2es.schema import Reading, Summary
from fv2es.takeaway import Result


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
    """One analysis: it grows while the clip is read and stays when it is done or stopped.

    Its readings are as the checkpoint's thresholds have them; `shown`, `all_shown` and `summary` are under those that
    the visitor has moved.
    """

    request: Request
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # tells it from others, on the page
    cancel: threading.Event = field(default_factory=threading.Event)
    readings: list[Reading] = field(default_factory=list)
    notes: Sequence[str] = ()
    duration: float = 0.0  # seconds of the clip that have been read
    chosen: int | None = None  # by the visitor; None follows the newest
    moved: np.ndarray | None = None  # (E,) the visitor's thresholds, None where nothing was moved
    reader: Reader | None = None  # the model that reads it

    @property
    def shown(self) -> Reading | None:
        """The utterance whose card is on the page."""
        if not self.readings:
            return None
        return self.seen(self.readings[-1 if self.chosen is None else self.chosen])

    @property
    def all_shown(self) -> list[Reading]:
        return [self.seen(one) for one in self.readings]

    def seen(self, reading: Reading) -> Reading:
        """Under the thresholds that apply."""
        return reading if self.moved is None else replace(reading, thresholds=self.moved)

    @property
    def summary(self) -> Summary | None:
        result = self.result
        return result.summary if result else None

    @property
    def result(self) -> Result | None:
        """All of it so far, for files; None before the first utterance."""
        if self.reader is None or not self.readings:
            return None
        first = self.readings[0]
        return Result(
            file=Path(self.request.clip).name,
            model=self.reader.name,
            checkpoint=self.reader.checkpoint.identity,
            emotions=first.emotions,
            thresholds=first.thresholds,
            readings=tuple(self.readings),
            duration=self.duration,
            notes=tuple(self.notes),
            moved=self.moved,
        )


@dataclass(eq=False)
class Session:
    """One visitor's; Gradio keeps it in a `State` and forgets it an hour after the tab is closed."""

    run: Run | None = None
    tab: str | None = None  # the one that the visitor has opened
    language: str = "en"

    def start(self, request: Request) -> Run:
        """A new run in place of the old one."""
        self.end()
        self.run = Run(request)
        return self.run

    def end(self) -> None:
        """Let what is under way stop at its next step."""
        if self.run is not None:
            self.run.cancel.set()
