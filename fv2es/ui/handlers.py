"""What happens when a visitor does something: the pipeline's readings, folded into what the page shows.

Handlers know the page's parts by name only. Each returns (or yields, while a clip is read) a mapping from the names of
the parts that change to their new values; `page` wires the names to components.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from fv2es.hub import CheckpointError
from fv2es.media import MediaError
from fv2es.modalities.speech import SpeechError
from fv2es.pipeline import Analysis
from fv2es.results import Fold, analysis_json, reading_json
from fv2es.schema import Reading
from fv2es.ui.models import Offer
from fv2es.ui.session import Request, Run, Session
from fv2es.ui.words import about_model, made_by, no_attention
from fv2es.views import VIEWS, summary_chart
from fv2es.views.bars import seconds
from fv2es.views.notices import EMPTY, notices, status

Update = dict[str, Any]
Analyse = Callable[..., Analysis]

SENTENCES = (MediaError, SpeechError, CheckpointError)  # errors whose message is meant for the visitor
NO_CLIP = "Choose a clip first: upload one, record yourself, or take an example."
WAITING = "Waiting for a free place…"
READING = "Reading the clip…"
FULL = "Too many visitors are waiting just now. Please try again in a minute."
FAILED = "This clip could not be read to its end."

logger = logging.getLogger(__name__)


class Handlers:
    """All that the page does.

    analyse: as in `fv2es.pipeline`, with the limits already in it and a model's name in place of its reader. offers:
    the models that may be chosen.
    """

    def __init__(self, analyse: Analyse, offers: Sequence[Offer] = ()) -> None:
        self._analyse = analyse
        self._offers = {one.name: one for one in offers}

    def describe(self, name: str | None) -> Update:
        """What the model that is chosen is."""
        return {"about-model": about_model(self._offers[name])} if name in self._offers else {}

    def begin(self, session: Session, clip: str | None, *options: Any) -> Update:
        """Before the queue, at once: note what is asked for. options: speech, subtitles, text, speaker, model."""
        page = self.clear(session)
        if not clip:
            return page | {"notices": notices((), NO_CLIP)}
        session.start(Request(clip, *options))
        return page | {"status": status(WAITING, busy=True), **_buttons(busy=True)}

    def read(self, session: Session) -> Iterator[Update]:
        """Read the clip that `begin` has noted: an update at once, then as each utterance is known."""
        run = session.run
        if run is None or run.cancel.is_set():
            return
        yield {"status": status(READING, busy=True)}
        began, problem = time.monotonic(), None
        try:
            with closing(self._analyse(run.request.clip, cancel=run.cancel, **run.request.options)) as analysis:
                run.reader = analysis.reader
                for reading in analysis:
                    if session.run is not run:  # cleared meanwhile
                        return
                    run.add(reading)
                    yield from _news(session, run, reading, analysis)
                run.notes = analysis.notes
                if run.cancel.is_set():
                    return  # `stop` has said so
        except SENTENCES as error:
            problem = str(error)
        except Exception:
            problem = _unexpected()
        if session.run is run:
            yield _ended(run, _done(run, time.monotonic() - began) if problem is None else FAILED, problem)

    def stop(self, session: Session) -> Update:
        """End the work and keep what is there."""
        session.end()
        run = session.run
        if run is None:
            return _buttons(busy=False)
        kept = len(run.readings)
        what = "before anything was read" if not kept else f"after {_count(kept)}"
        return _ended(run, f"Stopped {what}.")

    def full(self) -> Update:
        """The queue has no place left."""
        return {"status": "", "notices": notices((), FULL), **_buttons(busy=False)}

    def clear(self, session: Session) -> Update:
        """End the work and empty the page; the options stay."""
        session.end()
        session.run = None
        return {
            "session": session,
            "status": EMPTY,
            "notices": "",
            "summary": "",
            "made-by": "",
            "choice": gr.Radio(choices=[], value=None),
            "results": gr.Column(visible=False),
            **dict.fromkeys(VIEWS, ""),
            **_buttons(busy=False),
        }

    def choose(self, session: Session, index: int | None) -> Update:
        """Show the panels of one utterance; nothing is computed anew but the drawings."""
        run = session.run
        if run is None or index is None or not 0 <= index < len(run.readings):
            return {}
        run.chosen = index
        return _panels(session, run, run.readings[index])

    def open(self, session: Session, name: str) -> Update:
        """A folded panel is opened, and drawn only now."""
        session.opened.add(name)
        run = session.run
        return {name: _draw(name, run, run.shown)} if run and run.shown else {}

    def fold(self, session: Session, name: str) -> None:
        """A panel is folded again, and no longer drawn."""
        session.opened.discard(name)

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


def _news(session: Session, run: Run, reading: Reading, analysis: Analysis) -> Iterator[Update]:
    """First the chart, which costs nothing, then what has to be drawn."""
    share = min(reading.span.end / analysis.expected, 1.0) if analysis.expected else None
    shown = run.shown
    update = {
        "status": status(f"Utterance {reading.index + 1} · {seconds(reading.span)}", share, busy=True),
        "choice": gr.Radio(choices=_choices(run), value=shown.index if shown else None),
        "results": gr.Column(visible=True),
        "summary": summary_chart(run.summary, complete=False) if run.summary else "",
        "made-by": made_by(run.reader.checkpoint) if run.reader else "",
    }
    if shown is not reading:
        yield update
        return
    panels = _panels(session, run, reading)
    yield update | {"emotions": panels.pop("emotions")}
    yield panels


def _panels(session: Session, run: Run, reading: Reading) -> Update:
    """Every panel that can be seen; a folded one is emptied, so that it never shows another utterance."""
    return {
        name: "" if view.folded and name not in session.opened else _draw(name, run, reading)
        for name, view in VIEWS.items()
    }


def _draw(name: str, run: Run, reading: Reading) -> str:
    """One panel, or why there is nothing in it."""
    if name == "attention" and run.reader and not run.reader.attends:
        return no_attention(run.reader.checkpoint)
    return VIEWS[name].draw(reading)


def _ended(run: Run, sentence: str, problem: str | None = None) -> Update:
    """The last update of a run, however it ended."""
    return {
        "status": status(sentence),
        "notices": notices(run.notes, problem),
        "summary": summary_chart(run.summary) if run.summary else "",
        **_buttons(busy=False),
    }


def _done(run: Run, spent: float) -> str:
    if not run.readings:
        return "The clip was read; there is no utterance in it."
    return f"Done: {_count(len(run.readings))}, read in {spent:.1f} s."


def _count(utterances: int) -> str:
    return "one utterance" if utterances == 1 else f"{utterances} utterances"


def _choices(run: Run) -> list[tuple[str, int]]:
    return [
        (f"{one.index + 1} · {seconds(one.span)} · {', '.join(one.active) or 'neutral'}", one.index)
        for one in run.readings
    ]


def _buttons(busy: bool) -> Update:
    return {"submit": gr.Button(interactive=not busy), "stop": gr.Button(interactive=busy)}


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


def _unexpected() -> str:
    """Log the error in hand under a number, and give the visitor the number and nothing else."""
    number = secrets.token_hex(4)
    logger.exception("job %s failed", number)
    return f"Something went wrong here, and it has been noted as {number}. Another clip may work."
