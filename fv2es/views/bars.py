"""Bar charts of emotions, written as HTML: sharp at any size, read by screen readers, light and dark.

A bar has its emotion's colour where it reaches its threshold, and is pale below it; the dotted line is the threshold.
What depends on a threshold carries its emotion and its value (`stands`), so that the page can redraw it when a visitor
moves one (`ui/page.js`): it needs only to set a class and the line's place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fv2es.emotions import COLOURS, NEUTRAL
from fv2es.schema import Reading, Span, Summary
from fv2es.views.markup import escape
from fv2es.views.words import Say, english


def reading_chart(reading: Reading, say: Say = english) -> str:
    """One utterance: what it expresses, in words and as six bars."""
    title = say("Utterance {n}").format(n=reading.index + 1)
    values = (reading.emotions, reading.probabilities, reading.thresholds)
    return _figure(
        f"{title} <small>{seconds(reading.span)}</small>", headline(*values, say), bar_rows(*values, say=say)
    )


def summary_chart(summary: Summary, complete: bool = True, say: Say = english) -> str:
    """The clip: the plain average as in the papers, and thin below it the one weighted by duration."""
    if not summary.utterances:
        return ""
    count = counted(summary.utterances, say)
    title = f"{say('Average' if complete else 'Average so far')} <small>{count}</small>"
    legend = (
        f'<p class="fv-legend"><span><i class="fv-thick"></i>{say("plain mean")}</span>'
        f'<span><i class="fv-thin"></i>{say("weighted by duration")}</span>'
        f'<span><i class="fv-dots"></i>{say("threshold")}</span></p>'
    )
    values = (summary.emotions, summary.average, summary.thresholds)
    rows = bar_rows(*values, summary.duration_weighted, say=say)
    return _figure(title, headline(*values, say), rows, legend, sentence(summary, count, say))


def seconds(span: Span) -> str:
    """ "12.4–15.1 s"."""
    return f"{span.start:.1f}–{span.end:.1f} s"


def counted(utterances: int, say: Say = english) -> str:
    """ "one utterance", "3 utterances"."""
    return say("one utterance") if utterances == 1 else say("{n} utterances").format(n=utterances)


def sentence(summary: Summary, count: str, say: Say = english) -> str:
    """What the clip expresses on average, the strongest first; both ways to end it stand there, one is seen."""
    order = np.argsort(-summary.average, kind="stable")
    named = "".join(
        f"<span {stands(name, value, threshold, 'fv-item')}>{say(name)} ({_figures(value)})</span>"
        for name, value, threshold in (
            (summary.emotions[place], summary.average[place], summary.thresholds[place]) for place in order
        )
    )
    some = say("On average over {count}, the clip expresses {emotions}.").format(count=count, emotions=named)
    none = say("On average over {count}, no emotion reaches its threshold, so the clip reads as neutral.")
    return f'<span class="fv-some">{some}</span><span class="fv-none">{none.format(count=count)}</span>'


def headline(emotions: Sequence[str], values: np.ndarray, thresholds: np.ndarray, say: Say = english) -> str:
    """All emotions and neutral as words with a dot of their colour, of which those that are active are seen."""
    words = "".join(
        f"<span {stands(*one, 'fv-word')}>{_dot(one[0])}{escape(say(one[0]))}</span>"
        for one in zip(emotions, values, thresholds, strict=True)
    )
    return f'{words}<span class="fv-word fv-none">{_dot(NEUTRAL)}{say(NEUTRAL)}</span>'


def bar_rows(
    emotions: Sequence[str],
    values: np.ndarray,
    thresholds: np.ndarray,
    thin: np.ndarray | None = None,
    asides: Sequence[str] | None = None,
    say: Say = english,
) -> str:
    """A list item for each emotion. thin: a second, thinner bar, with its number. asides: small print by the value."""
    thinner = [None] * len(emotions) if thin is None else list(thin)
    beside = asides or ["" if one is None else _figures(one) for one in thinner]
    return "".join(_row(*row, say) for row in zip(emotions, values, thresholds, thinner, beside, strict=True))


def stands(name: str, value: float, threshold: float, classes: str) -> str:
    """The attributes of an element that shows whether an emotion reaches its threshold: class fv-on where it does."""
    on = " fv-on" if value >= threshold else ""
    known = f' data-value="{float(value)!r}"' if np.isfinite(value) else ""
    return f'class="{classes}{on}" data-emotion="{escape(name)}"{known}'


def line(name: str, threshold: float) -> str:
    """The style that says where an emotion's threshold lies: where the visitor has moved it, else here."""
    return f"--threshold:var(--threshold-{escape(name)}, {share(threshold)})"


def share(value: float) -> str:
    """A length between 0 and 1 for the style sheet; what is not a number has none."""
    return f"{float(np.clip(value, 0, 1)):.4f}" if np.isfinite(value) else "0"


def _figure(title: str, words: str, rows: str, legend: str = "", caption: str = "") -> str:
    axis = "".join(f"<span>{mark}</span>" for mark in ("0", ".25", ".5", ".75", "1"))
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return (
        f'<figure class="fv-card fv-chart"><header><h2>{title}</h2><p class="fv-words">{words}</p></header>'
        f'<ul class="fv-bars" role="list">{rows}</ul>'
        f'<div class="fv-axis" aria-hidden="true"><div>{axis}</div></div>'
        f"{legend}{below}</figure>"
    )


def _row(name: str, value: float, threshold: float, thin: float | None, beside: str, say: Say) -> str:
    second = "" if thin is None else f'<span class="fv-second" style="--value:{share(thin)}"></span>'
    aside = f"<small>{escape(beside)}</small>" if beside else ""
    spoken = (
        f'<span class="fv-over">{say("at or over its threshold")}</span>'
        f'<span class="fv-under">{say("under its threshold")}</span>'
        if np.isfinite(value)
        else say("not known")
    )
    return (
        f'<li {stands(name, value, threshold, "fv-bar")} style="--colour:{COLOURS[name]}">'
        f'<span class="fv-name">{escape(say(name))}</span>'
        '<span class="fv-track" aria-hidden="true">'
        f'<span class="fv-fill" style="--value:{share(value)}"></span>{second}'
        f'<span class="fv-threshold" style="{line(name, threshold)}"></span></span>'
        f'<span class="fv-value">{_figures(value)}{aside}</span><span class="fv-spoken">{spoken}</span></li>'
    )


def _dot(name: str) -> str:
    return f'<i style="background:{COLOURS[name]}"></i>'


def _figures(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"
