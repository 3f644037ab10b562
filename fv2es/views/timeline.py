"""The whole clip at a glance: its emotions over time, a list of its utterances, and the sliders of the thresholds.

Written as HTML that `ui/page.js` brings to life: it chooses utterances and moves thresholds in the browser, by classes
and custom properties alone.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    if not readings:
        return ""
    end = max(duration, readings[-1].span.end)
    first = readings[0]
    lanes = "".join(
        f'<div class="fv-lane" style="--colour:{COLOURS[name]};{line(name, threshold)}">'
        f'<span class="fv-name">{escape(say(name))}</span><div class="fv-run">'
        f'<i class="fv-limit"></i>{_blocks(readings, place, end)}</div></div>'
        for place, (name, threshold) in enumerate(zip(first.emotions, first.thresholds, strict=True))
    )
    return (
        f'<section class="fv-card fv-timeline"><h2>{say("Timeline")}</h2>'
        f'<div class="fv-lanes" role="slider" tabindex="0" aria-label="{say("Utterance")}" '
        f'aria-orientation="horizontal" aria-valuemin="1" aria-valuemax="{len(readings)}" aria-valuenow="1" '
        f'data-end="{end:.3f}">{lanes}'
        '<div class="fv-over-lanes" aria-hidden="true"><i class="fv-window"></i><i class="fv-playhead"></i></div></div>'
        f'<div class="fv-clock" aria-hidden="true"><div>{_marks(end)}</div></div></section>'
    )


def utterance_list(readings: Sequence[Reading], run: str, say: Say = english) -> str:
    """A row an utterance: when, its words, its emotions; a list box, of which `ui/page.js` marks the chosen row.

    run: tells one analysis from another.
    """
    if not readings:
        return ""
    rows = "".join(
        f'<li role="option" aria-selected="false" tabindex="-1" data-index="{one.index}" '
        f'data-start="{one.span.start:.3f}" data-end="{one.span.end:.3f}">'
        f'<span class="fv-when">{seconds(one.span)}</span>'
        f'<span class="fv-said">{escape(one.utterance.transcript.text) or "–"}</span>'
        f'<span class="fv-words">{headline(one.emotions, one.probabilities, one.thresholds, say)}</span></li>'
        for one in readings
    )
    label = say("Utterances")
    return f'<ol class="fv-utterances" role="listbox" data-run="{escape(run)}" aria-label="{label}">{rows}</ol>'


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


def _blocks(readings: Sequence[Reading], place: int, end: float) -> str:
    return "".join(
        f"<i {stands(one.emotions[place], one.probabilities[place], one.thresholds[place], 'fv-block')} "
        f'style="--from:{one.span.start / end:.5f};--wide:{one.span.duration / end:.5f};'
        f'--value:{share(one.probabilities[place])}"></i>'
        for one in readings
    )


def _marks(end: float) -> str:
    step = next((one for one in MARKS if end / one <= MOST_MARKS), MARKS[-1])
    return "".join(
        f'<span style="--from:{time / end:.5f}">{_clock(time)}</span>' for time in range(0, int(end) + 1, step)
    )


def _clock(time: int) -> str:
    """ "0:05"."""
    return f"{time // 60}:{time % 60:02d}"
