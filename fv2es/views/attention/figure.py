"""Attention as a figure for a paper: levels as in Fig. 6 of Wei et al. (2022), and over the utterance below them.

Everything stands where it is put, in inches: a layout that is worked out takes longer than all the drawing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fv2es.modalities.spectrogram import SECONDS_PER_COLUMN, SECONDS_PER_PIECE, band_frequencies
from fv2es.schema import N_MELS, Reading
from fv2es.views.attention.maps import Level, folded, heard, levels_of, piece_spans, reach_of, sound_of
from fv2es.views.attention.pictures import COLOURS, SOUND
from fv2es.views.attention.queries import CLS, PARTS, Looks, looks_of
from fv2es.views.attention.words import block_words, even_word, head_words, piece_words
from fv2es.views.bars import seconds
from fv2es.views.inputs import DYNAMIC_RANGE, FREQUENCIES, decibels
from fv2es.views.markup import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 160
INK, FAINT, UNHEARD = "#222222", "#666666", "#bbbbbb"
WIDTH, LEFT, RIGHT = 9.0, 0.75, 7.85  # inches: of the figure, and where pictures begin and end
BAR = 0.14  # width of a colour bar
TITLE, GAP = 0.45, 0.2  # heights above everything, and between the panels
ROW, STRIP, QUERY = 2.25, 1.0, 0.17  # heights of the row of levels and of a strip over time, and of an emotion
SIDE = 1.26  # of a panel, at most
LABELS = 0.95  # height of the words under the queries
MOST_LABELS = 45

Box = tuple[float, float, float, float]  # left, bottom, width, height in inches


class Sheet:
    """A figure that is filled from the top."""

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=(WIDTH, height), facecolor="white")
        self.height = self.top = height

    def take(self, height: float) -> float:
        """The bottom of the next part, so high."""
        self.top -= height
        return self.top

    def axes(self, box: Box) -> Axes:
        left, bottom, width, height = box
        made = self.figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height))
        made.tick_params(labelsize=7, colors=INK, length=2, width=0.6)
        made.spines[:].set_visible(False)
        return made

    def write(self, left: float, bottom: float, text: str, size: float, colour: str = INK, **options: Any) -> None:
        self.figure.text(left / WIDTH, bottom / self.height, text, fontsize=size, color=colour, **options)

    def bar(self, shown: Any, bottom: float, height: float, reach: float, even: str) -> None:
        """The colours' meaning, at the right."""
        axes = self.axes((RIGHT + 0.15, bottom, BAR, height))
        bar = self.figure.colorbar(shown, cax=axes)
        times = f"{2**reach:.2g} ×"
        bar.set_ticks([-reach, 0, reach], labels=[f"{times} less", even, f"{times} more"])
        bar.outline.set_visible(False)


def attention_png(reading: Reading, head: int | None = None, piece: int | None = None) -> bytes:
    """`attention_figure` as a file. Raises ValueError where there is nothing to show."""
    return png(attention_figure(reading, head, piece), DPI)


def attention_figure(reading: Reading, head: int | None = None, piece: int | None = None) -> Figure:
    """head and piece as in `attention_card`. Raises ValueError where there is nothing to show."""
    levels, looks = levels_of(reading), looks_of(reading, head)
    if not levels and looks is None:
        raise ValueError(f"there is no attention to show at {reading.span.start:.1f} s")
    piece = piece if piece is not None and 0 <= piece < len(piece_spans(reading)) else None
    heights = [TITLE, ROW + STRIP * (len(levels) + 1) + 0.5 if levels else 0]
    heights.append(0.5 + QUERY * len(looks.emotions) + LABELS if looks else 0)
    sheet = Sheet(sum(heights))
    title = f"Utterance {reading.index + 1}, {seconds(reading.span)}"
    sheet.write(LEFT, sheet.take(TITLE) + 0.15, title, 11, fontweight="bold")
    if levels:
        _panels(sheet, reading, levels, head, piece)
        _strips(sheet, reading, levels, head, piece)
    if looks:
        _queries(sheet, looks)
    return sheet.figure


def _panels(sheet: Sheet, reading: Reading, levels: list[Level], head: int | None, piece: int | None) -> None:
    sound, cells = sound_of(reading, piece), [level.cells(head, piece) for level in levels]
    reach = reach_of(cells)
    inputs = [("Spectrogram", "128 bands", decibels(sound))]
    if levels[0].folds > 1:
        inputs.append(("Input", "four channels\nof 32 bands, mean", decibels(folded(sound))))
    count = len(inputs) + len(levels)
    side = min((RIGHT - LEFT - GAP * (count - 1)) / count, SIDE)
    bottom = sheet.take(ROW) + ROW - side - 0.42
    sheet.write(LEFT, bottom + side + 0.3, piece_words(reading, piece).capitalize(), 8.5, FAINT)
    boxes = [(LEFT + number * (side + GAP), bottom, side, side) for number in range(count)]
    for box, (title, small, values) in zip(boxes, inputs, strict=False):
        _map(sheet.axes(box), values, SOUND, (-DYNAMIC_RANGE, 0), title, small)
    for box, level, values in zip(boxes[len(inputs) :], levels, cells, strict=True):
        axes, small = sheet.axes(box), f"{block_words(level)}\n{head_words(level, head)}"
        shown = _map(axes, values, COLOURS, (-reach, reach), f"Level {level.number}", small)
        for cut in range(1, level.blocks):
            axes.axhline(cut / level.blocks, color="white", linewidth=1.5)
            axes.axvline(cut / level.blocks * SECONDS_PER_PIECE, color="white", linewidth=1.5)
    sheet.bar(shown, bottom, side, reach, _even(levels))


def _map(axes: Axes, values: np.ndarray, colours: str, limits: tuple[float, float], title: str, small: str) -> Any:
    shown = _picture(axes, values, colours, limits, (0, SECONDS_PER_PIECE, 0, 1))
    axes.set_title(title, fontsize=8.5, color=INK, loc="left", pad=3)
    axes.set_xticks([0, SECONDS_PER_PIECE], ["0", f"{SECONDS_PER_PIECE:.1f} s"])
    axes.set_yticks([])
    axes.set_xlabel(small, fontsize=7, color=FAINT)
    return shown


def _strips(sheet: Sheet, reading: Reading, levels: list[Level], head: int | None, piece: int | None) -> None:
    loud, part, start = decibels(reading.utterance.mel), heard(reading), reading.span.start
    laid = [level.laid_out(head, part.stop - part.start) for level in levels]
    reach = reach_of(laid)
    rows = [sheet.axes((LEFT, sheet.take(STRIP), RIGHT - LEFT, STRIP - 0.25)) for _ in range(len(levels) + 1)]
    _strip(rows[0], loud, start, "Spectrogram", SOUND, (-DYNAMIC_RANGE, 0))
    for axes, level, values in zip(rows[1:], levels, laid, strict=True):
        whole = np.full(loud.shape, np.nan)
        whole[:, part] = values
        shown = _strip(axes, whole, start, f"Level {level.number}", COLOURS, (-reach, reach))
        for fold in range(1, level.folds):
            axes.axhline(fold * N_MELS / level.folds, color="white", linewidth=0.8)
    for axes in rows:
        if piece is not None:
            span = piece_spans(reading)[piece]
            edge = "white" if axes is rows[0] else INK
            axes.axvspan(span.start, span.end, fill=False, edgecolor=edge, linewidth=1.2)
        if axes is not rows[-1]:
            axes.set_xticklabels([])
    rows[-1].set_xlabel("seconds", fontsize=8, color=INK)
    sheet.bar(shown, sheet.top, STRIP * len(levels) - 0.25, reach, _even(levels))
    sheet.take(0.5)


def _strip(axes: Axes, values: np.ndarray, start: float, title: str, colours: str, limits: tuple[float, float]) -> Any:
    end = start + values.shape[1] * SECONDS_PER_COLUMN
    shown = _picture(axes, values, colours, limits, (start, end, 0, N_MELS))
    axes.set_facecolor(UNHEARD)
    bands = np.interp(FREQUENCIES, band_frequencies(), np.arange(N_MELS) + 0.5)
    axes.set_yticks(bands, [f"{one / 1000:g}k" for one in FREQUENCIES])
    axes.set_ylabel("Hz", fontsize=8, color=INK)
    axes.set_title(title, fontsize=8.5, color=INK, loc="left", pad=3)
    return shown


def _picture(axes: Axes, values: np.ndarray, colours: str, limits: tuple[float, float], extent: Box) -> Any:
    """extent: left, right, bottom, top of the first row's corner and the last's."""
    return axes.imshow(
        values,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=extent,
    )


def _queries(sheet: Sheet, looks: Looks) -> None:
    values = {part: one for part, one in looks.doublings().items() if part != CLS}
    if not values:
        return
    reach, count = reach_of(list(values.values())), len(looks.emotions)
    sheet.write(LEFT, sheet.take(0.5) + 0.25, "What each emotion's query looks at", 8.5, FAINT)
    bottom, left = sheet.take(QUERY * count), LEFT
    columns = sum(max(one.shape[1], 4) for one in values.values())
    width = (RIGHT - LEFT - GAP * (len(values) - 1)) / columns
    for part, one in values.items():
        axes = sheet.axes((left, bottom, width * max(one.shape[1], 4), QUERY * count))
        shown = _picture(axes, one[::-1], COLOURS, (-reach, reach), (-0.5, one.shape[1] - 0.5, -0.5, count - 0.5))
        step = -(-one.shape[1] // MOST_LABELS)
        axes.set_xticks(range(0, one.shape[1], step), looks.labels[part][::step], rotation=90)
        axes.set_yticks(range(count) if left == LEFT else [], looks.emotions[::-1] if left == LEFT else [])
        axes.set_title(PARTS[part], fontsize=8.5, color=INK, loc="left", pad=3)
        left += width * max(one.shape[1], 4) + GAP
    sheet.bar(shown, bottom, QUERY * count, reach, "even share")
    sheet.take(LABELS)


def _even(levels: list[Level]) -> str:
    return even_word(levels[0].kind).removeprefix("an ").removeprefix("the ")
