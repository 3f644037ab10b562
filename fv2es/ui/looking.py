"""What the tabs show of the chosen utterance and of the whole result, and what they do with them.

A tab is drawn when it is opened, and again when another utterance is chosen or a threshold is moved while it is open.
Nothing here reads the clip: the model alone runs again, on what was extracted before.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import gradio as gr

from fv2es.again import AgainError, compare, leave_one_out, rerun
from fv2es.limits import Limits
from fv2es.media import MediaError
from fv2es.schema import MODALITIES, VOICE, Reading
from fv2es.takeaway import Shelf, ShelfError, annotate, file_name, write
from fv2es.ui.models import Models, title
from fv2es.ui.session import Run, Session
from fv2es.ui.sweeping import Sweeper
from fv2es.ui.words import duration, speaker
from fv2es.views.attention import attention_card, attention_choices, attention_png, is_watched
from fv2es.views.bars import seconds
from fv2es.views.comparison import comparison_card, comparison_summary, what_if_card
from fv2es.views.modalities import modalities_card
from fv2es.views.notices import notices, status
from fv2es.views.words import Say

Update = dict[str, Any]

TABS = ("attention", "modalities", "what-if", "compare", "files")
# The parts that the tabs change; those that are HTML are emptied with the page.
MARKUP = ("attention", "modalities", "what-if", "compare", "compared", "files", "annotate", "link")
PARTS = (*MARKUP, "head", "piece", "png", "other-words", "left-out", "npz", "video", "download")
OFTEN = 0.5  # seconds from one state of a comparison to the next
SWEEP = 600  # seconds: how often kept results are looked through
ASKING = "Finding out where the model looks…"
NO_MODEL = "The model that made this result is not here, so it cannot be asked again."
NO_CLIP = "The clip itself is not kept with a link, so no video can be made of it. Read the clip again for that."
SAME = "This model has read the clip already: choose another one beside it."
NOTHING = "There is nothing to take away yet."
NO_PICTURE = "There is no attention here that could be saved as a picture."
MOVED = "The thresholds that you have moved hold in all that is made from now on."


class Looking:
    """What is done in the tabs. models: those that may be compared; limits: for the annotated video."""

    def __init__(self, models: Models | None, shelf: Shelf, limits: Limits) -> None:
        self._models = models
        self._shelf = shelf
        self._sweeper = Sweeper(shelf, SWEEP)
        self._limits = limits
        self._draw: dict[str, Callable[[Session, Run, Reading, Say], Update]] = {
            "attention": _attention,
            "modalities": _modalities,
            "what-if": _what_if,
            "compare": _compare,
            "files": self._files,
        }

    def draw(self, session: Session) -> Update:
        """The tab that stands open; where nobody has opened one, the first, when nothing more is read."""
        run = session.run
        if run is None or run.shown is None:
            return {}
        tab = session.tab or (TABS[0] if run.ended else "")
        return self._draw[tab](session, run, run.shown, speaker(session.language)) if tab in TABS else {}

    def ask(self, session: Session) -> Update:
        """Before the attention is opened, should the model have to be asked for it."""
        run = session.run
        if run is None or run.shown is None or run.known(run.shown):
            return {}
        return {"attention": status(speaker(session.language)(ASKING), busy=True)}

    def open(self, session: Session, name: str) -> Update:
        session.tab = name
        return self.draw(session)

    def look(self, session: Session, head: int | None, piece: int | None) -> Update:
        """At one head, or one piece, of the attention."""
        session.head, session.piece = (one if one is not None and one >= 0 else None for one in (head, piece))
        return self.draw(session)

    def again(self, session: Session, words: str, left_out: Collection[str]) -> Update:
        """What if the chosen utterance had other words, or a modality less?"""
        run, say = session.run, speaker(session.language)
        if run is None or run.shown is None:
            return {}
        if run.reader is None:
            return {"what-if": notices((), say(NO_MODEL))}
        try:
            drop = {name for name in MODALITIES if say(name) in left_out}
            run.rerun = rerun(run.reader, run.shown, drop=drop, transcript=words, attention=False)
        except AgainError as error:
            return {"what-if": notices((), say(str(error)))}
        return {"what-if": what_if_card(run.shown, run.rerun, say)}

    def compare(self, session: Session, name: str | None) -> Iterator[Update]:
        """Another model on the same extracted inputs, utterance by utterance."""
        run, say = session.run, speaker(session.language)
        if run is None or self._models is None or not name:
            return
        other = self._models.reader(name)
        if other.checkpoint.identity == run.identity:
            yield {"compare": notices([say(SAME)]), "compared": ""}
            return
        run.compared, run.other = [], _versioned(title(other.checkpoint), other.checkpoint.identity, say)
        shown = -inf
        for pair in compare(other, run.readings):
            if session.run is not run:
                yield {"compare": "", "compared": ""}  # what comes last is sent once more at the end
                return
            run.compared.append(pair)
            if time.monotonic() >= shown + OFTEN:  # all of it is drawn each time
                shown = time.monotonic()
                yield {"compare": _side_by_side(run, say, complete=False)}
        if run.shown is not None:
            yield _compare(session, run, run.shown, say)

    def file(self, session: Session, kind: str) -> Iterator[Update]:
        """Write one file for the visitor to take away. Gradio keeps a copy for a while, and this one goes at once."""
        run, say = session.run, speaker(session.language)
        result = run.result if run else None
        if run is None or run.shown is None or result is None:
            raise gr.Error(say(NOTHING), print_exception=False)
        gone = _Gone(session, run)
        with tempfile.TemporaryDirectory() as folder:
            if kind == "png":
                shown = run.watched(run.shown)
                if not is_watched(shown):
                    raise gr.Error(say(NO_PICTURE), print_exception=False)
                path = Path(folder) / f"{Path(file_name('npz', result)).stem}-{shown.index + 1}.png"
                path.write_bytes(attention_png(shown, session.head, session.piece))
            else:
                path = write(kind, result, folder, _watched(run, result.readings, gone))
            if gone.is_set():
                raise gr.Error(say(NOTHING), print_exception=False)
            yield {"download": gr.DownloadButton(value=path)}

    def annotate(self, session: Session) -> Iterator[Update]:
        """The clip with bars and words beside the picture, made while its progress is shown."""
        run, say = session.run, speaker(session.language)
        result = run.result if run else None
        if run is None or result is None:
            return
        if run.request is None:
            yield {"annotate": notices((), say(NO_CLIP))}
            return
        gone = _Gone(session, run)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file_name("video", result)
            yield {"annotate": status(say("Drawing the video…"), 0.0, busy=True), "video": gr.Video(visible=False)}
            try:
                for share in annotate(run.request.clip, result.document(), path, limits=self._limits, cancel=gone):
                    yield {"annotate": status(say("Drawing the video…"), share, busy=True)}
            except MediaError as error:
                yield {"annotate": notices((), say(str(error)))}
                return
            yield {"annotate": "", "video": gr.Video(visible=False) if gone.is_set() else gr.Video(path, visible=True)}

    def link(self, session: Session) -> Update:
        """Keep the result, and show the link that opens it."""
        run, say = session.run, speaker(session.language)
        result = run.result if run else None
        if result is None:
            return {}
        try:
            token = self._shelf.put(result)
            self._sweeper.wake()
        except ShelfError as error:
            return {"link": notices((), say(str(error)))}
        kept = say("Whoever has this link can open the result, without the clip. It is deleted after {time}.")
        return {
            "link": '<div class="fv-link"><p>'
            f'<a href="?result={token}" target="_blank">?result={token}</a> '
            f'<button type="button" class="fv-copy" data-done="{say("Copied")}">{say("Copy")}</button></p>'
            f"<p>{kept.format(time=duration(self._shelf.keep_seconds, say))}</p></div>"
        }

    def _files(self, session: Session, run: Run, reading: Reading, say: Say) -> Update:
        heard = max(run.readings, key=lambda one: VOICE in one.utterance.modalities)
        return {
            "files": notices([say(MOVED)] if run.moved is not None else []),
            "npz": gr.Button(visible=is_watched(run.watched(heard))),
        }


class _Gone(threading.Event):
    """Set as soon as the visitor has gone on to something else."""

    def __init__(self, session: Session, run: Run) -> None:
        super().__init__()
        self._session, self._run = session, run

    def is_set(self) -> bool:
        return super().is_set() or self._session.run is not self._run


def _watched(run: Run, readings: Iterable[Reading], gone: _Gone) -> Iterator[Reading]:
    """For a file, with where the model looks; they end where the visitor does not wait for it any more."""
    for one in readings:
        if gone.is_set():
            return
        yield run.watched(one)


def _attention(session: Session, run: Run, reading: Reading, say: Say) -> Update:
    reading = run.watched(reading)
    choices, there = attention_choices(reading), is_watched(reading)
    heads = max(choices.heads.values(), default=0)
    session.head = session.head if session.head is not None and session.head < heads else None
    session.piece = session.piece if session.piece is not None and session.piece < len(choices.pieces) else None
    some = [(say("Head {n}").format(n=number + 1), number) for number in range(heads)]
    times = [(seconds(span), number) for number, span in enumerate(choices.pieces)]
    return {
        "attention": attention_card(reading, session.head, session.piece, say)
        if there or run.reader
        else notices([say(NO_MODEL)]),
        "head": gr.Dropdown([(say("mean of all"), -1), *some], value=_number(session.head), visible=heads > 1),
        "piece": gr.Dropdown(
            [(say("average piece"), -1), *times], value=_number(session.piece), visible=there and bool(times)
        ),
        "png": gr.Button(visible=there),
    }


def _number(chosen: int | None) -> int:
    return -1 if chosen is None else chosen


def _modalities(session: Session, run: Run, reading: Reading, say: Say) -> Update:
    if run.reader is None:
        return {"modalities": modalities_card(reading, None, None, say=say) + notices([say(NO_MODEL)])}
    weights = run.reader.weights_in_force(reading.utterance.modalities)
    return {"modalities": modalities_card(reading, weights, leave_one_out(run.reader, reading), say=say)}


def _what_if(session: Session, run: Run, reading: Reading, say: Say) -> Update:
    """What was put in for an utterance stays until another is chosen."""
    if run.edited == reading.index:
        after = run.rerun and replace(run.rerun, thresholds=reading.thresholds)
        return {"what-if": what_if_card(reading, after, say)} if after else {}
    run.edited, run.rerun = reading.index, None
    left_out = gr.CheckboxGroup([say(name) for name in MODALITIES], value=[])  # Gradio shows values too, as titles
    return {"other-words": reading.utterance.transcript.text, "left-out": left_out, "what-if": ""}


def _compare(session: Session, run: Run, reading: Reading, say: Say) -> Update:
    if not run.compared:
        return {"compare": "", "compared": ""}
    pair = next(((run.seen(one), other) for one, other in run.compared if one.index == reading.index), None)
    return {
        "compare": _side_by_side(run, say, len(run.compared) == len(run.readings)),
        "compared": comparison_card(*pair, _names(run, say), say) if pair else "",
    }


def _side_by_side(run: Run, say: Say, complete: bool) -> str:
    pairs = [(run.seen(one), other) for one, other in run.compared]
    return comparison_summary(pairs, _names(run, say), complete, say)


def _names(run: Run, say: Say) -> tuple[str, str]:
    name = title(run.reader.checkpoint) if run.reader else run.model
    return _versioned(name, run.identity, say), run.other


def _versioned(name: str, identity: Mapping[str, Any], say: Say) -> str:
    """ "V2EM compact, version 4"."""
    if "version" not in identity:
        return name
    return say("{name}, version {number}").format(name=name, number=identity["version"])
