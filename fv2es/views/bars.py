"""Bar charts of emotions, written as HTML: sharp at any size, read by screen readers, light and dark.

A bar has its emotion's colour where it reaches its threshold, and is pale below it; the dotted line is the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fv2es.emotions import COLOURS, NEUTRAL
from fv2es.schema import Reading, Span, Summary
from fv2es.views.markup import escape, sentence_list


def reading_chart(reading: Reading) -> str:
    """One utterance: what it expresses, in words and as six bars."""
    title = f"Utterance {reading.index + 1}"
    return _figure(
        f"{title} <small>{seconds(reading.span)}</small>",
        headline(reading.active),
        _rows(reading.emotions, reading.probabilities, reading.thresholds),
        sentence(reading.emotions, reading.probabilities, reading.active),
    )


def summary_chart(summary: Summary, complete: bool = True) -> str:
    """The clip: the plain average as in the papers, and thin below it the one weighted by duration."""
    if not summary.utterances:
        return ""
    count = "one utterance" if summary.utterances == 1 else f"{summary.utterances} utterances"
    title = f"{'Average' if complete else 'Average so far'} <small>{count}</small>"
    legend = (
        '<p class="fv-legend"><span><i class="fv-thick"></i>plain mean</span>'
        '<span><i class="fv-thin"></i>weighted by duration</span><span><i class="fv-dots"></i>threshold</span></p>'
    )
    rows = _rows(summary.emotions, summary.average, summary.thresholds, summary.duration_weighted)
    text = f"On average over {count}: {sentence(summary.emotions, summary.average, summary.active)}"
    return _figure(title, headline(summary.active), rows, text, legend)


def seconds(span: Span) -> str:
    """ "12.4–15.1 s"."""
    return f"{span.start:.1f}–{span.end:.1f} s"


def sentence(emotions: Sequence[str], values: np.ndarray, active: Sequence[str]) -> str:
    """Which emotions reach their threshold, the strongest first."""
    if not active:
        return "no emotion reaches its threshold, so it reads as neutral."
    by_name = dict(zip(emotions, values, strict=True))
    ordered = sorted(active, key=lambda name: -by_name[name])
    named = sentence_list([f"{name} ({by_name[name]:.2f})" for name in ordered])
    return f"{named} {'reaches its threshold' if len(ordered) == 1 else 'reach their thresholds'}."


def headline(active: Iterable[str]) -> str:
    """The active emotions as words with a dot of their colour; neutral where there is none."""
    names = tuple(active) or (NEUTRAL,)
    return "".join(
        f'<span class="fv-word"><i style="background:{COLOURS[name]}"></i>{escape(name)}</span>' for name in names
    )


def _figure(title: str, words: str, rows: str, text: str, legend: str = "") -> str:
    axis = "".join(f"<span>{mark}</span>" for mark in ("0", ".25", ".5", ".75", "1"))
    return (
        f'<figure class="fv-card fv-chart"><header><h3>{title}</h3><p class="fv-words">{words}</p></header>'
        f'<ul class="fv-bars" role="list">{rows}</ul>'
        f'<div class="fv-axis" aria-hidden="true"><div>{axis}</div></div>'
        f"{legend}<figcaption>{escape(text[0].upper() + text[1:])}</figcaption></figure>"
    )


def _rows(emotions: Sequence[str], values: np.ndarray, thresholds: np.ndarray, thin: np.ndarray | None = None) -> str:
    thinner = [None] * len(emotions) if thin is None else list(thin)
    rows = zip(emotions, values, thresholds, thinner, strict=True)
    return "".join(_row(*row) for row in rows)


def _row(name: str, value: float, threshold: float, thin: float | None) -> str:
    known = bool(np.isfinite(value))
    active = known and value >= threshold
    second = "" if thin is None else f'<span class="fv-second" style="--value:{_share(thin)}"></span>'
    aside = "" if thin is None else f"<small>{_figures(thin)}</small>"
    spoken = f"{'at or over' if active else 'under'} its threshold of {threshold:.2f}" if known else "not known"
    return (
        f'<li class="fv-bar{" fv-on" if active else ""}" style="--colour:{COLOURS[name]}" '
        f'title="{escape(name)} {_figures(value)}, threshold {threshold:.2f}">'
        f'<span class="fv-name">{escape(name)}</span>'
        '<span class="fv-track" aria-hidden="true">'
        f'<span class="fv-fill" style="--value:{_share(value)}"></span>{second}'
        f'<span class="fv-threshold" style="--value:{_share(threshold)}"></span></span>'
        f'<span class="fv-value">{_figures(value)}{aside}</span><span class="fv-spoken">{spoken}</span></li>'
    )


def _share(value: float) -> str:
    """A length between 0 and 1 for the style sheet; what is not a number has none."""
    return f"{float(np.clip(value, 0, 1)):.4f}" if np.isfinite(value) else "0"


def _figures(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"
