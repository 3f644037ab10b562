"""A run → what the page shows of it: updates by the names of the page's parts, see `handlers`.

Each of them is whole, however little of it is new: what a browser has missed comes with the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from fv2es.schema import Reading
from fv2es.ui.session import Run
from fv2es.ui.sound import Sounds
from fv2es.ui.words import made_by
from fv2es.views import VIEWS, summary_chart
from fv2es.views.bars import counted, seconds
from fv2es.views.markup import escape
from fv2es.views.notices import notices, status
from fv2es.views.timeline import threshold_sliders
from fv2es.views.words import Say

Update = dict[str, Any]

ENDED = "Done: {count}, read in {spent} s."
NO_UTTERANCE = "The clip was read; there is no utterance in it."
STOPPED = "Stopped after {count}. What was read stays."
STOPPED_EARLY = "Stopped before anything was read. Submit begins again."
BROKEN_OFF = "The connection broke off after {count}. What was read stays; Submit begins again."
BROKEN_OFF_EARLY = "The connection broke off before anything was read. Submit begins again."


class Drawing:
    """Of one language and all runs. language: by which `say` speaks."""

    def __init__(self, sounds: Sounds, language: str, say: Say) -> None:
        self._sounds = sounds
        self._language = language
        self._say = say

    def card(self, run: Run, reading: Reading, views: Sequence[str] = tuple(VIEWS)) -> str:
        """Of one utterance; `page.js` keeps it, and shows it with its sound when it is chosen."""
        shown = run.seen(reading)
        content = "".join(VIEWS[name](shown, self._say) for name in views)
        sound = escape(self._sounds.address(reading, run.place))
        return f'<article data-run="{run.name}" data-card="{reading.index}" data-sound="{sound}">{content}</article>'

    def frame(self, run: Run) -> Update:
        """What stands around the utterances of a run from its first one on."""
        first = run.readings[0]
        thresholds = run.seen(first).thresholds
        return {
            "results": gr.Column(visible=True),
            "tabs": gr.Column(visible=True),
            "made-by": made_by(run, self._say),
            "thresholds": threshold_sliders(first.emotions, thresholds, first.thresholds, run.name, self._say),
        }

    def utterances(self, run: Run) -> Update:
        """All of them, in the timeline and in the list."""
        columns, rows = run.parts(self._language, self._say)
        return {"timeline": columns, "utterances": rows}

    def progress(self, run: Run) -> Update:
        """After another utterance."""
        say, reading = self._say, run.readings[-1]
        share = min(reading.span.end / run.expected, 1.0) if run.expected else None
        where = f"{say('Utterance {n}').format(n=reading.index + 1)} · {seconds(reading.span)}"
        return {
            "status": status(where, share, busy=True),
            **self.utterances(run),
            "summary": summary_chart(run.summary, complete=False, say=say) if run.summary else "",
        }

    def told(self, run: Run) -> str:
        """What there is to know beside the readings."""
        return notices([self._say(one) for one in run.notes], self._say(run.problem) if run.problem else None)

    def ended(self, run: Run) -> Update:
        """A run that has ended."""
        say = self._say
        return {
            "status": status(run.ended),
            "notices": self.told(run),
            **self.utterances(run),
            "summary": summary_chart(run.summary, say=say) if run.summary else "",
            **buttons(busy=False),
        }

    def all_of(self, run: Run) -> Update:
        """For a browser that has missed something."""
        some = self.frame(run) | {"feed": self.card(run, run.readings[-1])} if run.readings else {}
        return some | (self.ended(run) if run.ended else self.progress(run) if run.readings else {})

    def how_it_ended(self, run: Run, some: str, none: str, **values: str) -> str:
        """One of two sentences: after some utterances, or before the first."""
        return self._say(some if run.readings else none).format(count=counted(len(run.readings), self._say), **values)


def buttons(busy: bool) -> Update:
    """Submit and Stop: one of them can be used."""
    return {"submit": gr.Button(interactive=not busy), "stop": gr.Button(interactive=busy)}
