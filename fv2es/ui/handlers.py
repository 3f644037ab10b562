"""What happens when a visitor does something: the pipeline's readings, folded into what the page shows.

Handlers know the page's parts by name only. Each returns (or yields, while a clip is read) a mapping from the names of
the parts that change to their new values; `page` wires the names to components.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from fv2es.hub import CheckpointError
from fv2es.media import MediaError
from fv2es.modalities.speech import SpeechError
from fv2es.pipeline import Analysis
from fv2es.results import Document
from fv2es.takeaway import Shelf, ShelfError
from fv2es.ui import looking
from fv2es.ui.drawing import (
    BROKEN_OFF,
    BROKEN_OFF_EARLY,
    ENDED,
    NO_UTTERANCE,
    STOPPED,
    STOPPED_EARLY,
    Drawing,
    Update,
    buttons,
)
from fv2es.ui.looking import Looking
from fv2es.ui.models import Models, Offer
from fv2es.ui.session import Request, Run, Session
from fv2es.ui.sound import Sounds
from fv2es.ui.words import about_model, language_of, speaker
from fv2es.views.notices import empty, notices, status
from fv2es.views.words import Say

Analyse = Callable[..., Analysis]

SENTENCES = (MediaError, SpeechError, CheckpointError)  # errors whose message is meant for the visitor
NO_CLIP = "Choose a clip first: upload one, record yourself, or take an example."
FULL = "Too many visitors are waiting just now. Please try again in a minute."
FAILED = "This clip could not be read to its end."
DRAWN = ("timeline", "utterances", "thresholds", "feed", "summary", "made-by")  # parts that a run draws
PARTS = ("status", "notices", "results", "tabs", "submit", "stop", *DRAWN, *looking.PARTS)  # all that change
OPENED = "This is a result that was kept: {file}. The clip itself is not here."

logger = logging.getLogger(__name__)


class Handlers:
    """All that the page does.

    analyse: as in `fv2es.pipeline`, with the limits already in it and a model's name in place of its reader. models:
    those that may be chosen. shelf: where results are kept for links.
    """

    def __init__(self, analyse: Analyse, looking: Looking, shelf: Shelf, models: Models | None = None) -> None:
        self._analyse = analyse
        self._looking = looking
        self._shelf = shelf
        self._models = models
        self.sounds = Sounds()
        self._offers: dict[str, Offer] = {one.name: one for one in (models.offers if models else ())}

    def greet(self, session: Session, accepted: str) -> None:
        """A visitor has come. accepted: the languages that the browser asks for."""
        session.language = language_of(accepted)
        self._shelf.sweep()

    def reopen(self, session: Session, token: str) -> Update:
        """The visitor has come by a link."""
        say, drawing = speaker(session.language), self._drawing(session)
        try:
            result = self._shelf.get(token)
        except ShelfError as error:
            return {"session": session, "notices": notices((), say(str(error)))}
        session.end()
        run = session.run = Run.opened(result, self._reader(result.model, result.checkpoint))
        run.ended = say(OPENED).format(file=run.file)
        return {"session": session, **drawing.all_of(run), **self._looking.draw(session)}

    def _reader(self, name: str, checkpoint: Mapping[str, Any]) -> Any:
        """The model that made a kept result; None where those weights are not here."""
        offer = self._offers.get(name)
        if offer is None or self._models is None or offer.checkpoint.sha256 != checkpoint.get("sha256"):
            return None
        return self._models.reader(name)

    def describe(self, session: Session, name: str | None) -> Update:
        """What the model that is chosen is."""
        if name not in self._offers:
            return {}
        return {"about-model": about_model(self._offers[name], speaker(session.language))}

    def chosen(self, session: Session) -> Update:
        """There is another clip; a notice that one was missing has been heeded."""
        return {"notices": self._drawing(session).told(session.run) if session.run else ""}

    def begin(self, session: Session, clip: str | None, *options: Any) -> Update:
        """Before the queue, at once: note what is asked for. options: as `Request` has them after the clip."""
        say = speaker(session.language)
        if not clip:
            return {"notices": notices((), say(NO_CLIP))}
        page = self.clear(session)
        session.start(Request(clip, *options))
        return page | {"status": status(say("Waiting for a free place…"), busy=True), **buttons(busy=True)}

    def read(self, session: Session) -> Iterator[Update]:
        """Read the clip that `begin` has noted: an update at once, then as each utterance is known."""
        run, drawing = session.run, self._drawing(session)
        if run is None or run.request is None or run.taken or run.cancel.is_set():
            return
        run.taken = True
        yield {"status": status(speaker(session.language)("Reading the clip…"), busy=True)}
        how = ""
        try:
            how = yield from self._read(session, run, run.request)
        finally:  # a page that waits for a run is told how it ended, whatever it was
            stopped = bool(run.ended)
            run.ended = run.ended or how or drawing.how_it_ended(run, BROKEN_OFF, BROKEN_OFF_EARLY)
        if session.run is run and not stopped:  # else `stop` or `clear` has said so
            yield drawing.ended(run)

    def _read(self, session: Session, run: Run, request: Request) -> Generator[Update, None, str]:
        """Read to the end, or to what goes wrong; returns how it ended, "" where the visitor ended it."""
        began, drawing, say = time.monotonic(), self._drawing(session), speaker(session.language)
        try:
            with closing(self._analyse(request.clip, cancel=run.cancel, **request.options)) as analysis:
                run.begun(analysis.reader)
                run.expected = analysis.expected
                for reading in analysis:
                    if session.run is not run or run.cancel.is_set():  # cleared or stopped meanwhile
                        return ""
                    run.duration = analysis.duration
                    run.add(reading)
                    yield from self._news(session, run)
                run.notes, run.duration = analysis.notes, analysis.duration
        except SENTENCES as error:
            run.problem = str(error)
        except Exception:
            run.problem = _unexpected(say)
        spent = f"{time.monotonic() - began:.1f}"
        return say(FAILED) if run.problem else drawing.how_it_ended(run, ENDED, NO_UTTERANCE, spent=spent)

    def stop(self, session: Session) -> Update:
        """End the work and keep what is there."""
        run, drawing = session.run, self._drawing(session)
        if run is None:
            return buttons(busy=False)
        run.ended = drawing.how_it_ended(run, STOPPED, STOPPED_EARLY)
        session.end()
        return drawing.ended(run) | self._looking.draw(session)

    def settle(self, session: Session) -> Update:
        """When nothing more is read: the end once more, should the browser have missed it, and time for the tab that
        stands open though nobody has opened it."""
        run = session.run
        if run is None or not run.ended or run.settled:
            return {}
        run.settled = True
        return self._drawing(session).ended(run) | self._looking.draw(session)

    def failed(self, session: Session) -> Update:
        """The browser was told that reading failed: the queue has no place left, or the connection broke off."""
        run, say = session.run, speaker(session.language)
        if run is not None and run.taken:
            return self._drawing(session).all_of(run)
        session.end()
        return {"status": "", "notices": notices((), say(FULL)), **buttons(busy=False)}

    def clear(self, session: Session) -> Update:
        """End the work and empty the page; the options stay."""
        session.end()
        session.run = None
        return {
            "session": session,
            "status": empty(speaker(session.language)),
            "notices": "",
            "results": gr.Column(visible=False),
            "tabs": gr.Column(visible=False),
            **dict.fromkeys(DRAWN, ""),
            **dict.fromkeys(looking.MARKUP, ""),
            "video": gr.Video(value=None, visible=False),
            **buttons(busy=False),
        }

    def heed(self, session: Session, message: str) -> Update:
        """What a visitor did in the browser: `chosen` an utterance, moved `thresholds`; of `missing` it has no card.

        The browser has shown it already; this is for files, for tabs and for what is drawn later. `rows`: nothing has
        come for a while, and so many utterances are there; what was lost on the way is drawn again.
        """
        run, told = session.run, _told(message)
        update: Update = {}
        if run is not None and run.readings and told.get("run") == run.name:
            run.chosen = _index(told.get("chosen"), run)
            run.moved = _thresholds(told.get("thresholds"), run)
            missing = _index(told.get("missing"), run)
            if missing is not None:
                update["feed"] = self._drawing(session).card(run, run.readings[missing])
            if "rows" not in told:
                update |= self._looking.draw(session)
        return update | self._missed(session, told) if "rows" in told else update

    def _missed(self, session: Session, told: dict[str, Any]) -> Update:
        """What a browser should have by now and has not."""
        run = session.run
        if run is None:
            return buttons(busy=False)
        same = len(run.readings) == told["rows"] and (not run.readings or told.get("run") == run.name)
        return {} if same and not run.ended else self._drawing(session).all_of(run)

    def _news(self, session: Session, run: Run) -> Iterator[Update]:
        """First the chart, which costs nothing, then what has to be drawn. Timeline and list are in both, so that
        Gradio sends what is new in them and not all."""
        drawing, reading = self._drawing(session), run.readings[-1]
        update = drawing.frame(run) if len(run.readings) == 1 else {}
        yield update | drawing.progress(run) | {"feed": drawing.card(run, reading, ("emotions",))}
        tab = self._looking.draw(session) if run.chosen is None else {}
        yield drawing.utterances(run) | {"feed": drawing.card(run, reading)} | tab

    def _drawing(self, session: Session) -> Drawing:
        return Drawing(self.sounds, session.language, speaker(session.language))

    def analyze(self, clip: str | None, *options: Any) -> Iterator[dict[str, Any]]:
        """The endpoint: the document of `docs/json.md`, first of what is known, at last the whole."""
        if not clip:
            raise gr.Error("A clip is needed.", print_exception=False)
        request = Request(clip, *options)
        try:
            with closing(self._analyse(clip, **request.options)) as analysis:
                document = Document(Path(clip).name, analysis.reader.name, analysis.reader)
                for reading in analysis:
                    document.add(reading)
                    yield document.json(analysis.duration, analysis.notes)
                yield document.json(analysis.duration, analysis.notes)
        except SENTENCES as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            raise gr.Error(_unexpected(), print_exception=False) from error


def _told(message: str) -> dict[str, Any]:
    """What the browser sent; {} where it is nothing of ours."""
    try:
        told = json.loads(message)
    except (TypeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _index(number: Any, run: Run) -> int | None:
    return number if isinstance(number, int) and 0 <= number < len(run.readings) else None


def _thresholds(given: Any, run: Run) -> np.ndarray | None:
    """(E,) where they are numbers between 0 and 1 for the run's emotions and not its checkpoint's own; else None."""
    first = run.readings[0]
    if not isinstance(given, dict) or set(given) != set(first.emotions):
        return None
    values = [given[name] for name in first.emotions]
    if not all(isinstance(one, int | float) and 0 <= one <= 1 for one in values):
        return None
    moved = np.array(values, np.float64)
    return None if np.array_equal(moved, first.thresholds) else moved


def _unexpected(say: Say = str) -> str:
    """Log the error in hand under a number, and give the visitor the number and nothing else."""
    number = secrets.token_hex(4)
    logger.exception("job %s failed", number)
    sentence = "Something went wrong here, and it has been noted as {number}. Another clip may work."
    return say(sentence).format(number=number)
