"""Small bar charts that stand side by side, and what is said of a difference between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fv2es.schema import FACE, VOICE, WORDS, Reading
from fv2es.views.bars import bar_rows, headline
from fv2es.views.markup import escape
from fv2es.views.words import Say, english

TITLES = {FACE: "Face", VOICE: "Voice", WORDS: "Words"}
UNSEEN = 0.005  # a difference that rounds to 0.00
CHANGED = "Most changed: {emotion}, from {before:.2f} to {after:.2f} ({change})."


def small_chart(
    title: str,
    emotions: Sequence[str],
    values: np.ndarray,
    thresholds: np.ndarray,
    asides: Sequence[str] | None = None,
    say: Say = english,
) -> str:
    """A titled chart of a few centimetres: the answer in words, then a bar an emotion. title: text."""
    words = headline(emotions, values, thresholds, say)
    rows = bar_rows(emotions, values, thresholds, asides=asides, say=say)
    return (
        f'<section class="fv-small"><header><h4>{escape(title)}</h4><p class="fv-words">{words}</p></header>'
        f'<ul class="fv-bars" role="list">{rows}</ul></section>'
    )


def answer(reading: Reading, say: Say = english) -> str:
    """What a reading says, in words with their dots."""
    words = headline(reading.emotions, reading.probabilities, reading.thresholds, say)
    return f'<span class="fv-words fv-answer">{words}</span>'


def signed(difference: float) -> str:
    """ "+0.29", "−0.03", "0.00"."""
    if abs(difference) < UNSEEN:
        return "0.00"
    return f"{'+' if difference > 0 else '−'}{abs(difference):.2f}"


def differences(before: Reading, after: Reading) -> dict[str, float]:
    """emotion → by how much its probability changes, of those that both name, in the order of `after`."""
    were = by_name(before)
    return {name: value - were[name] for name, value in by_name(after).items() if name in were}


def by_name(reading: Reading) -> Mapping[str, float]:
    """emotion → its probability."""
    return dict(zip(reading.emotions, map(float, reading.probabilities), strict=True))


def asides_of(changes: Mapping[str, float], emotions: Sequence[str]) -> list[str]:
    """For `small_chart`: the signed change of each emotion, nothing where there is none to be told."""
    return [signed(changes[name]) if name in changes else "" for name in emotions]


def largest_change(before: Reading, after: Reading, say: Say = english, sentence: str = CHANGED) -> str:
    """A sentence on the emotion whose probability differs most; "" where they name none in common."""
    changes = differences(before, after)
    if not changes:
        return ""
    name = max(changes, key=lambda one: abs(changes[one]))
    if abs(changes[name]) < UNSEEN:
        return say("No probability differs by as much as 0.01.")
    return say(sentence).format(
        emotion=say(name), before=by_name(before)[name], after=by_name(after)[name], change=signed(changes[name])
    )
