"""What happens when a visitor does something: the pipeline's readings, folded into what the page shows.

Handlers know the page's parts by name only. Each returns (or yields, while a clip is read) a mapping from the names of
the parts that change to their new values; `page` wires the names to components.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from fv2es.hub import CheckpointError
from fv2es.media import MediaError
from fv2es.modalities.speech import SpeechError
from fv2es.pipeline import Analysis
from fv2es.results import Fold, analysis_json, reading_json
from fv2es.schema import Reading
from fv2es.takeaway import Shelf, ShelfError
from fv2es.ui import looking
from fv2es.ui.looking import Looking
from fv2es.ui.models import Models, Offer
from fv2es.ui.session import Request, Run, Session
from fv2es.ui.words import about_model, language_of, made_by, speaker
from fv2es.views import VIEWS, summary_chart
from fv2es.views.bars import counted, seconds
from fv2es.views.notices import empty, notices, status
from fv2es.views.timeline import threshold_sliders, timeline, utterance_list
from fv2es.views.words import Say

Update = dict[str, Any]
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
        self._offers: dict[str, Offer] = {one.name: one for one in (models.offers if models else ())}

    def greet(self, session: Session, accepted: str) -> None:
        """A visitor has come. accepted: the languages that the browser asks for."""
        session.language = language_of(accepted)
        self._shelf.sweep()

    def reopen(self, session: Session, token: str) -> Update:
        """The visitor has come by a link."""
        say = speaker(session.language)
        try:
            result = self._shelf.get(token)
        except ShelfError as error:
            return {"session": session, "notices": notices((), say(str(error)))}
        session.end()
        run = session.run = Run.opened(result, self._reader(result.model, result.checkpoint))
        shown = run.seen(run.readings[-1])
        return {
            "session": session,
            "feed": _card(run, shown, say),
            **_frame(run, say),
            **_ended(run, say(OPENED).format(file=run.file), say),
            **self.settle(session),
        }

    def _reader(self, name: str, checkpoint: Mapping[str, Any]) -> Any:
        """The model that made a kept result; None where those weights are not here."""
        offer = self._offers.get(name)
        if offer is None or self._models is None or offer.checkpoint.sha256 != checkpoint.get("sha256"):
            return None
        return self._models.reader(name)

    def describe(self, name: str | None) -> Update:
        """What the model that is chosen is."""
        return {"about-model": about_model(self._offers[name])} if name in self._offers else {}

    def begin(self, session: Session, clip: str | None, *options: Any) -> Update:
        """Before the queue, at once: note what is asked for. options: speech, subtitles, text, speaker, model."""
        page, say = self.clear(session), speaker(session.language)
        if not clip:
            return page | {"notices": notices((), say(NO_CLIP))}
        session.start(Request(clip, *options))
        return page | {"status": status(say("Waiting for a free place…"), busy=True), **_buttons(busy=True)}

    def read(self, session: Session) -> Iterator[Update]:
        """Read the clip that `begin` has noted: an update at once, then as each utterance is known."""
        run, say = session.run, speaker(session.language)
        if run is None or run.request is None or run.cancel.is_set():
            yield {}  # Gradio empties the outputs of a generator that gives nothing
            return
        yield {"status": status(say("Reading the clip…"), busy=True)}
        began, problem = time.monotonic(), None
        try:
            with closing(self._analyse(run.request.clip, cancel=run.cancel, **run.request.options)) as analysis:
                run.begun(analysis.reader)
                for reading in analysis:
                    if session.run is not run:  # cleared meanwhile
                        return
                    run.readings.append(reading)
                    run.duration = analysis.duration
                    yield from self._news(session, run, analysis.expected, say)
                run.notes, run.duration = analysis.notes, analysis.duration
                if run.cancel.is_set():
                    return  # `stop` has said so
        except SENTENCES as error:
            problem = str(error)
        except Exception:
            problem = _unexpected(say)
        if session.run is run:
            spent = time.monotonic() - began
            yield _ended(run, _done(run, spent, say) if problem is None else say(FAILED), say, problem)

    def stop(self, session: Session) -> Update:
        """End the work and keep what is there."""
        session.end()
        run, say = session.run, speaker(session.language)
        if run is None:
            return _buttons(busy=False)
        kept = len(run.readings)
        if not kept:
            return _ended(run, say("Stopped before anything was read. Submit begins again."), say)
        stopped = say("Stopped after {count}. What was read stays.").format(count=counted(kept, say))
        return _ended(run, stopped, say) | self.settle(session)

    def settle(self, session: Session) -> Update:
        """When nothing more is read, there is time for the tab that stands open though nobody has opened it."""
        session.tab = session.tab or looking.TABS[0]
        return self._looking.draw(session)

    def full(self, session: Session) -> Update:
        """The queue has no place left."""
        say = speaker(session.language)
        return {"status": "", "notices": notices((), say(FULL)), **_buttons(busy=False)}

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
            **_buttons(busy=False),
        }

    def heed(self, session: Session, message: str) -> Update:
        """What a visitor did in the browser: `chosen` an utterance, moved `thresholds`; of `missing` it has no card.

        The browser has shown it already; this is for files, for tabs and for what is drawn later.
        """
        run, told = session.run, _told(message)
        if run is None or not run.readings or told.get("run") != run.name:
            return {}
        run.chosen = _index(told.get("chosen"), run)
        run.moved = _thresholds(told.get("thresholds"), run)
        missing = _index(told.get("missing"), run)
        say = speaker(session.language)
        card = {} if missing is None else {"feed": _card(run, run.seen(run.readings[missing]), say)}
        return card | self._looking.draw(session)

    def _news(self, session: Session, run: Run, expected: float | None, say: Say) -> Iterator[Update]:
        """First the chart, which costs nothing, then what has to be drawn."""
        reading = run.seen(run.readings[-1])
        share = min(reading.span.end / expected, 1.0) if expected else None
        progress = say("Utterance {n}").format(n=reading.index + 1)
        update = _frame(run, say) if len(run.readings) == 1 else {}
        yield update | {
            "status": status(f"{progress} · {seconds(reading.span)}", share, busy=True),
            "timeline": timeline(run.all_shown, expected or 0.0, say),
            "utterances": utterance_list(run.all_shown, run.name, say),
            "feed": _card(run, reading, say, ("emotions",)),
            "summary": summary_chart(run.summary, complete=False, say=say) if run.summary else "",
        }
        yield {"feed": _card(run, reading, say)} | (self._looking.draw(session) if run.chosen is None else {})

    def analyze(self, clip: str | None, *options: Any) -> Iterator[dict[str, Any]]:
        """The endpoint: the document of `docs/json.md`, first of what is known, at last the whole."""
        if not clip:
            raise gr.Error("A clip is needed.", print_exception=False)
        request = Request(clip, *options)
        try:
            with closing(self._analyse(clip, **request.options)) as analysis:
                fold, utterances = Fold(analysis.reader.emotions, analysis.reader.thresholds), []
                for reading in analysis:
                    fold.add(reading)
                    utterances.append(reading_json(reading))
                    yield _document(request, analysis, fold, utterances)
                yield _document(request, analysis, fold, utterances)
        except SENTENCES as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            raise gr.Error(_unexpected(), print_exception=False) from error


def _card(run: Run, reading: Reading, say: Say, views: Sequence[str] = tuple(VIEWS)) -> str:
    """Of one utterance; `page.js` keeps it and shows it when it is chosen."""
    content = "".join(VIEWS[name](reading, say) for name in views)
    return f'<article data-run="{run.name}" data-card="{reading.index}">{content}</article>'


def _frame(run: Run, say: Say) -> Update:
    """What stands around the utterances of a run from its first one on."""
    reading = run.readings[0]
    return {
        "results": gr.Column(visible=True),
        "tabs": gr.Column(visible=True),
        "made-by": made_by(run, say),
        "thresholds": threshold_sliders(
            reading.emotions, run.seen(reading).thresholds, reading.thresholds, run.name, say
        ),
    }


def _ended(run: Run, sentence: str, say: Say, problem: str | None = None) -> Update:
    """The last update of a run, however it ended. It is whole: a browser may pass over some on the way."""
    return {
        "status": status(sentence),
        "notices": notices([say(one) for one in run.notes], say(problem) if problem else None),
        "timeline": timeline(run.all_shown, run.duration, say),
        "utterances": utterance_list(run.all_shown, run.name, say),
        "summary": summary_chart(run.summary, say=say) if run.summary else "",
        **_buttons(busy=False),
    }


def _done(run: Run, spent: float, say: Say) -> str:
    if not run.readings:
        return say("The clip was read; there is no utterance in it.")
    return say("Done: {count}, read in {spent} s.").format(count=counted(len(run.readings), say), spent=f"{spent:.1f}")


def _buttons(busy: bool) -> Update:
    return {"submit": gr.Button(interactive=not busy), "stop": gr.Button(interactive=busy)}


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


def _document(request: Request, analysis: Analysis, fold: Fold, utterances: list[dict[str, Any]]) -> dict[str, Any]:
    return analysis_json(
        file=Path(request.clip).name,
        duration=analysis.duration,
        model=analysis.reader.name,
        checkpoint=analysis.reader.checkpoint.identity,
        summary=fold.summary,
        utterances=utterances,
        notes=analysis.notes,
    )


def _unexpected(say: Say = str) -> str:
    """Log the error in hand under a number, and give the visitor the number and nothing else."""
    number = secrets.token_hex(4)
    logger.exception("job %s failed", number)
    sentence = "Something went wrong here, and it has been noted as {number}. Another clip may work."
    return say(sentence).format(number=number)
