"""Attention for the page: HTML with small pictures, light enough to be sent whenever a choice changes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN, SECONDS_PER_PIECE, band_frequencies
from fv2es.schema import N_MELS, Reading, Span
from fv2es.views.attention.maps import Level, folded, heard, levels_of, piece_spans, reach_of, sound_of
from fv2es.views.attention.pictures import COLOURS, SOUND, map_picture, overlaid, sound_picture
from fv2es.views.attention.queries import heads_of_queries, queries_section
from fv2es.views.attention.words import (
    block_words,
    explanation,
    head_words,
    piece_words,
    reading_aid,
    strongest,
)
from fv2es.views.bars import seconds
from fv2es.views.inputs import DYNAMIC_RANGE, FREQUENCIES, decibels
from fv2es.views.markup import escape
from fv2es.views.words import Say, english

STEPS = (0.1, 0.2, 0.5, 1, 2, 5)  # seconds between the marks of a time axis
MOST_MARKS = 7
MISSING = (
    "There is no attention to show: the voice is missing or was left out, or this model has none that can be watched."
)


class Choices(NamedTuple):
    """What `head` and `piece` may be. heads: level → how many (0 is the first); pieces: when each lasts."""

    heads: dict[str, int]
    pieces: tuple[Span, ...]


def attention_choices(reading: Reading) -> Choices:
    """Empty where there is nothing to choose. "queries" stands among the levels where there are emotion queries."""
    heads = {"queries": heads_of_queries(reading)} | {level.name: level.heads for level in levels_of(reading)}
    return Choices({name: count for name, count in heads.items() if count}, piece_spans(reading))


def attention_card(reading: Reading, head: int | None = None, piece: int | None = None, say: Say = english) -> str:
    """Emotion queries, the levels as in the paper, and the same over the utterance, as far as the model has them.

    head: of every level that has it, the others show the mean of theirs; None: all means. piece: the one that is shown
    level by level, None: the average piece. What is out of range counts as None.
    """
    levels = levels_of(reading)
    queries = queries_section(reading, head, say)
    card = f'<div class="fv-card fv-attention" data-of="{reading.index}">{queries}'
    if not levels:
        return f"{card}</div>" if queries else f'<p class="fv-missing">{say(MISSING)}</p>'
    piece = piece if piece is not None and 0 <= piece < len(piece_spans(reading)) else None
    one_piece, whole = _one_piece(reading, levels, head, piece, say), _whole(reading, levels, head, piece, say)
    return f"{card}{one_piece}{whole}</div>"


def time_marks(span: Span) -> list[float]:
    """Round times inside the span, seven or so at most."""
    step = next((one for one in STEPS if span.duration / one <= MOST_MARKS), STEPS[-1] * 2)
    first = int(np.ceil(span.start / step - 1e-6))
    return [round(number * step, 3) for number in range(first, int(span.end / step + 1e-6) + 1)]


def _one_piece(reading: Reading, levels: list[Level], head: int | None, piece: int | None, say: Say) -> str:
    sound = sound_of(reading, piece)
    cells = [level.cells(head, piece) for level in levels]
    reach = reach_of(cells)
    panels = [_sound_panel(say("Spectrogram"), say("128 bands"), sound, say)]
    if levels[0].folds > 1:
        panels.append(_sound_panel(say("Input"), say("four channels of 32 bands, their mean"), folded(sound), say))
    for level, one in zip(levels, cells, strict=True):
        title, small = say("Level {n}").format(n=level.number), ", ".join(_about(level, head, say))
        alt = _alt(title, small, one, say)
        panels.append(_panel(title, small, map_picture(one, -reach, reach, COLOURS, alt, level.blocks)))
    title = f"{say('Level by level')} <small>{escape(piece_words(reading, piece, say))}</small>"
    aid = reading_aid(levels[0].kind, reach, say)
    return f'<section><h4>{title}</h4>{aid}<div class="fv-maps">{"".join(panels)}</div></section>'


def _about(level: Level, head: int | None, say: Say) -> list[str]:
    return [one for one in (block_words(level, say), head_words(level, head, say)) if one]


def _sound_panel(title: str, small: str, power: np.ndarray, say: Say) -> str:
    alt = _alt(title, small, power, say)
    return _panel(title, small, map_picture(decibels(power), -DYNAMIC_RANGE, 0.0, SOUND, alt))


def _alt(title: str, small: str, cells: np.ndarray, say: Say) -> str:
    size = say("{columns} cells of time across, {rows} of frequency upwards")
    return f"{title}, {small}: {size.format(columns=cells.shape[1], rows=cells.shape[0])}"


def _panel(title: str, small: str, picture: str) -> str:
    return (
        f'<figure>{picture}<div class="fv-ends" aria-hidden="true"><span>0</span><span>{SECONDS_PER_PIECE:.1f} s</span>'
        f"</div><figcaption>{escape(title)} <small>{escape(small)}</small></figcaption></figure>"
    )


def _whole(reading: Reading, levels: list[Level], head: int | None, piece: int | None, say: Say) -> str:
    loud, part = decibels(reading.utterance.mel), heard(reading)
    laid = [level.laid_out(head, part.stop - part.start) for level in levels]
    reach = reach_of(laid)
    span = Span(reading.span.start, reading.span.start + loud.shape[1] * SECONDS_PER_COLUMN)
    frame = _frame(span, piece_spans(reading)[piece]) if piece is not None else ""
    alt = say("Mel-spectrogram from {start:.1f} to {end:.1f} seconds, up to 8 kHz")
    alt = alt.format(start=span.start, end=span.end)
    strips = [_strip(say("Spectrogram"), say("brighter = louder"), sound_picture(loud, alt), frame)]
    for level, one in zip(levels, laid, strict=True):
        title, most = say("Level {n}").format(n=level.number), strongest(reading, level, one, say)
        picture = overlaid(loud, one, part, reach, f"{title}: {most}")
        strips.append(_strip(title, most, picture, frame, level.folds))
    return (
        f"<section><h4>{say('Over the whole utterance')} <small>{seconds(reading.span)}</small></h4>"
        f'{reading_aid(levels[0].kind, reach, say)}<div class="fv-strips">{"".join(strips)}{_times(span)}</div>'
        f"<p>{explanation(reading, levels, say)}</p></section>"
    )


def _strip(title: str, small: str, picture: str, frame: str, folds: int = 1) -> str:
    bands = np.interp(FREQUENCIES, band_frequencies(), np.arange(N_MELS) + 0.5) / N_MELS
    marks = "".join(
        f'<span style="bottom:{100 * place:.1f}%">{hertz / 1000:g}k</span>'
        for hertz, place in zip(FREQUENCIES, bands, strict=True)
    )
    return (
        f'<div class="fv-strip"><p><b>{escape(title)}</b> {escape(small)}</p>'
        f'<div class="fv-hertz" aria-hidden="true"><i>Hz</i>{marks}</div>'
        f'<div class="fv-plot{" fv-folded" if folds > 1 else ""}">{picture}{frame}</div></div>'
    )


def _frame(span: Span, piece: Span) -> str:
    left, width = (piece.start - span.start) / span.duration, piece.duration / span.duration
    return f'<i class="fv-frame" aria-hidden="true" style="left:{100 * left:.2f}%;width:{100 * width:.2f}%"></i>'


def _times(span: Span) -> str:
    marks = "".join(
        f'<span style="left:{100 * (time - span.start) / span.duration:.2f}%">{time:g}</span>'
        for time in time_marks(span)
    )
    return f'<div class="fv-times" aria-hidden="true"><div>{marks}</div><i>s</i></div>'
