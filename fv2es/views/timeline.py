"""The whole clip at a glance: its emotions over time, a list of its utterances, and the sliders of the thresholds.

Written as HTML that `ui/page.js` brings to life: it chooses utterances and moves thresholds in the browser, by classes
and custom properties alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from fv2es.emotions import COLOURS
from fv2es.schema import Reading
from fv2es.views.bars import headline, line, seconds, share, stands
from fv2es.views.markup import escape
from fv2es.views.words import Say, english

MARKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds between two marks of the axis
MOST_MARKS = 7


def timeline(readings: Sequence[Reading], duration: float, say: Say = english) -> str:
    """One lane an emotion: a block as long as its utterance, as high as its probability, in colour from the threshold
    up. duration: seconds that the axis is long at least. "" while there is no utterance.

    It is one control, moved along with the arrow keys or by pointing at a time.
    """
    return "".join(timeline_parts(readings, [timeline_column(one) for one in readings], duration, say))


def timeline_parts(
    readings: Sequence[Reading], columns: Sequence[str], duration: float, say: Say = english
) -> list[str]:
    """Its opening, a part an utterance, its end. With another utterance the parts in the middle stay as they are, so
    that only what is new need be sent. [] while there is no utterance.

    columns: `timeline_column` of each. readings: all, or the first and the last.
    """
    if not readings:
        return []
    end = max(duration, readings[-1].span.end)
    first = readings[0]
    lanes = "".join(
        f'<div class="fv-lane" style="{line(name, threshold)}">'
        f'<span class="fv-name">{escape(say(name))}</span><div class="fv-run"><i class="fv-limit"></i></div></div>'
        for name, threshold in zip(first.emotions, first.thresholds, strict=True)
    )
    opening = (
        f'<section class="fv-card fv-timeline"><h2>{say("Timeline")}</h2>'
        f'<div class="fv-lanes" role="slider" tabindex="0" aria-label="{say("Utterance")}" '
        f'aria-orientation="horizontal" aria-valuemin="1" aria-valuemax="{len(columns)}" aria-valuenow="1" '
        f'data-end="{end:.3f}">{lanes}<div class="fv-over-lanes" aria-hidden="true" style="--end:{end:.3f}">'
    )
    closing = (
        '<i class="fv-window"></i><i class="fv-playhead"></i></div></div>'
        f'<div class="fv-clock" aria-hidden="true"><div>{_marks(end)}</div></div></section>'
    )
    return [opening, *columns, closing]


def timeline_column(reading: Reading) -> str:
    """One utterance in the timeline: a block in each lane."""
    blocks = "".join(
        f'<i {stands(name, value, threshold, "fv-block")} style="--colour:{COLOURS[name]};--value:{share(value)}"></i>'
        for name, value, threshold in zip(reading.emotions, reading.probabilities, reading.thresholds, strict=True)
    )
    return (
        f'<div class="fv-column" style="--start:{reading.span.start:.3f};--long:{reading.span.duration:.3f}">'
        f"{blocks}</div>"
    )


def utterance_list(readings: Sequence[Reading], run: str, say: Say = english) -> str:
    """A row an utterance: when, its words, its emotions; a list box, of which `ui/page.js` marks the chosen row.

    run: tells one analysis from another.
    """
    return "".join(list_parts([utterance_row(one, say) for one in readings], run, say))


def list_parts(rows: Sequence[str], run: str, say: Say = english) -> list[str]:
    """Its opening, its rows, its end; [] where there is no row."""
    if not rows:
        return []
    label = say("Utterances")
    opening = f'<ol class="fv-utterances" role="listbox" data-run="{escape(run)}" aria-label="{label}">'
    return [opening, *rows, "</ol>"]


def utterance_row(reading: Reading, say: Say = english) -> str:
    """One utterance in the list."""
    span, words = reading.span, headline(reading.emotions, reading.probabilities, reading.thresholds, say)
    return (
        f'<li role="option" aria-selected="false" tabindex="-1" data-index="{reading.index}" '
        f'data-start="{span.start:.3f}" data-end="{span.end:.3f}">'
        f'<span class="fv-when">{seconds(span)}</span>'
        f'<span class="fv-said">{escape(reading.utterance.transcript.text) or "–"}</span>'
        f'<span class="fv-words">{words}</span></li>'
    )


class Growing:
    """Timeline and list of an analysis that goes on: each utterance is drawn once, or again when something has changed
    that all look different for. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn_for: Hashable = None
        self._ends: list[Reading] = []
        self._columns: list[str] = []
        self._rows: list[str] = []

    def parts(
        self,
        readings: Sequence[Reading],
        seen: Callable[[Reading], Reading],
        drawn_for: Hashable,
        duration: float,
        run: str,
        say: Say = english,
    ) -> tuple[list[str], list[str]]:
        """`timeline_parts` and `list_parts` of `readings`, which only ever grow, as `seen` makes them.

        drawn_for: changes whenever `seen` or `say` does.
        """
        with self._lock:
            if drawn_for != self._drawn_for:
                self._drawn_for, self._ends, self._columns, self._rows = drawn_for, [], [], []
            for reading in map(seen, readings[len(self._rows) :]):
                self._ends = [*self._ends[:1], reading]
                self._columns.append(timeline_column(reading))
                self._rows.append(utterance_row(reading, say))
            return timeline_parts(self._ends, self._columns, duration, say), list_parts(self._rows, run, say)


def threshold_sliders(
    emotions: Sequence[str], thresholds: np.ndarray, defaults: np.ndarray, run: str, say: Say = english
) -> str:
    """A slider an emotion, and a button back to `defaults`, the checkpoint's own values. run: as in the list."""
    sliders = "".join(
        f'<label class="fv-slider" style="--colour:{COLOURS[name]};--default:{share(default)}">'
        f'<span class="fv-name">{escape(say(name))}</span>'
        f'<input type="range" min="0.01" max="0.99" step="0.01" value="{value:.2f}" data-emotion="{escape(name)}" '
        f'data-threshold="{float(value)!r}" data-default="{float(default)!r}"><output>{value:.2f}</output></label>'
        for name, value, default in zip(emotions, thresholds, defaults, strict=True)
    )
    return (
        f'<section class="fv-card fv-thresholds" data-run="{escape(run)}"><header><h2>{say("Thresholds")}</h2>'
        f'<button type="button" class="fv-reset">{say("Back to the model’s own")}</button></header>'
        f'<div class="fv-sliders">{sliders}</div></section>'
    )


def _marks(end: float) -> str:
    step = next((one for one in MARKS if end / one <= MOST_MARKS), MARKS[-1])
    return "".join(
        f'<span style="--from:{time / end:.5f}">{_clock(time)}</span>' for time in range(0, int(end) + 1, step)
    )


def _clock(time: int) -> str:
    """ "0:05"."""
    return f"{time // 60}:{time % 60:02d}"
