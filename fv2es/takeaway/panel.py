"""What is drawn beside a clip's picture: six bars with their thresholds, and the words.

The colours are those of `emotions`; what is active is also written out, and bold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fv2es.emotions import COLOURS, NEUTRAL
from fv2es.takeaway.fonts import font_for, legible
from fv2es.takeaway.text import one_line

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

BACKGROUND, TRACK, TEXT, QUIET = "#15171C", "#2B2F38", "#F3F4F6", "#A7ADB8"
PALE = 0.42  # how much of its colour a bar keeps below its threshold
FADED = 0.38  # how much of a panel is left between utterances
FINER = 2  # drawn at twice the size and reduced, so that edges are smooth
CAUTION = "Estimates expressed emotion, not inner feeling."
NO_LETTERS = "(words in letters that no font here has)"
_PIECE = re.compile(r"\S+\s*")

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """A rectangle, in pixels."""

    left: int
    top: int
    width: int
    height: int


def rgb(colour: str) -> Colour:
    """ "#E69F00" → (230, 159, 0)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(colour: str, share: float) -> Colour:
    """So much of a colour over the background."""
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(rgb(colour), rgb(BACKGROUND), strict=True))
    return red, green, blue


def faded(panel: np.ndarray) -> np.ndarray:
    """The panel of an utterance that is over."""
    ground = np.array(rgb(BACKGROUND), np.float32)
    return (ground + FADED * (panel - ground)).round().astype(np.uint8)


class Panel:
    """Draws the panel of one clip, `size` (width, height) in pixels; wide ones have the bars left and the words right.

    thresholds: emotion → threshold, in the order of the bars. model: named at the foot.
    """

    def __init__(self, size: tuple[int, int], thresholds: Mapping[str, float], model: str) -> None:
        self._size = size
        self._thresholds = dict(thresholds)
        self._model = one_line(model)
        width, height = (FINER * side for side in size)
        wide = width > height
        self._letter = round(max(11 * FINER, height / 13.5 if wide else min(width / 21, height / 32)))
        pad = round(1.1 * self._letter)
        inner = Place(pad, pad, width - 2 * pad, height - 2 * pad)
        if wide:
            bars = round(0.47 * inner.width)
            self._bars = Place(inner.left, inner.top, bars, inner.height)
            left = inner.left + bars + 2 * pad
            self._words = Place(left, inner.top, inner.left + inner.width - left, inner.height)
        else:
            head, rows = round(4.4 * self._letter), round(2.05 * self._letter) * len(self._thresholds)
            self._bars = Place(inner.left, inner.top + head, inner.width, rows)
            self._words = inner
        self._wide = wide

    def draw(self, number: int, utterance: Mapping[str, Any] | None) -> np.ndarray:
        """(height, width, 3) uint8. utterance: as in the JSON, None before the first; number: counted from 1."""
        from PIL import Image, ImageDraw

        width, height = self._size
        picture = Image.new("RGB", (FINER * width, FINER * height), rgb(BACKGROUND))
        pen = ImageDraw.Draw(picture)
        values = utterance["probabilities"] if utterance else {}
        active = utterance["active"] if utterance else []
        self._draw_bars(pen, values, active)
        self._draw_words(pen, number, utterance)
        return np.asarray(picture.resize(self._size, Image.Resampling.BOX))

    def _draw_bars(self, pen: ImageDraw, values: Mapping[str, float], active: Sequence[str]) -> None:
        place, size = self._bars, self._letter
        row = place.height / max(1, len(self._thresholds))
        names = max(font_for(name, size, True).getlength(name) for name in self._thresholds)
        left = place.left + round(names + 0.7 * size)
        length = place.left + place.width - round(2.9 * size) - left
        thick = min(round(0.56 * row), round(1.1 * size))
        for number, (name, threshold) in enumerate(self._thresholds.items()):
            middle = round(place.top + (number + 0.5) * row)
            on = name in active
            top, bottom = middle - thick // 2, middle + thick // 2
            font, ink = font_for(name, size, on), TEXT if on else QUIET
            pen.text((left - 0.7 * size, middle), name, ink, font, anchor="rm")
            pen.rounded_rectangle((left, top, left + length, bottom), thick // 4, TRACK)
            if name in values:
                end = left + round(length * min(1.0, max(0.0, values[name])))
                colour = rgb(COLOURS[name]) if on else mixed(COLOURS[name], PALE)
                pen.rounded_rectangle((left, top, max(end, left + 2), bottom), thick // 4, colour)
                pen.text((place.left + place.width, middle), f"{values[name]:.2f}", ink, font, anchor="rm")
            _dots(pen, left + round(length * threshold), top - thick // 4, bottom + thick // 4, size)

    def _draw_words(self, pen: ImageDraw, number: int, utterance: Mapping[str, Any] | None) -> None:
        place, size = self._words, self._letter
        bottom = place.top + place.height
        for line in reversed(wrap(f"{CAUTION} Read by {self._model}.", place.width, round(0.72 * size), 3)):
            bottom -= round(0.95 * size)
            pen.text((place.left, bottom), line, QUIET, font_for(line, round(0.72 * size)), anchor="la")
        if utterance is None:
            return
        when = f"Utterance {number} · {utterance['start']:.1f}–{utterance['end']:.1f} s"
        pen.text((place.left, place.top), when, QUIET, font_for(when, round(0.85 * size)), anchor="la")
        top = place.top + round(1.5 * size)
        self._draw_names(pen, place, top, utterance["active"] or [NEUTRAL])
        top = top + round(2.4 * size) if self._wide else self._bars.top + self._bars.height + size
        self._draw_transcript(
            pen, Place(place.left, top, place.width, bottom - top - size // 2), utterance["transcript"]
        )

    def _draw_names(self, pen: ImageDraw, place: Place, top: int, names: Sequence[str]) -> None:
        """The active emotions, each behind a dot of its colour, as large as they fit."""
        size = round(1.35 * self._letter)
        while True:
            widths = [font_for(name, size, True).getlength(name) + 1.9 * size for name in names]
            if sum(widths) <= place.width + size or size <= self._letter // 2:
                break
            size -= 1
        left, middle = float(place.left), top + round(0.9 * self._letter)
        for name, width in zip(names, widths, strict=True):
            dot = 0.36 * size
            pen.ellipse((left, middle - dot, left + 2 * dot, middle + dot), rgb(COLOURS[name]))
            pen.text((left + 1.1 * size, middle), name, TEXT, font_for(name, size, True), anchor="lm")
            left += width

    def _draw_transcript(self, pen: ImageDraw, place: Place, transcript: str) -> None:
        said = one_line(transcript)
        text = legible(said)
        ink, text = (TEXT, f"“{text}”") if text else (QUIET, NO_LETTERS if said else "(no words)")
        step = round(1.45 * self._letter)
        lines = wrap(text, place.width, self._letter, place.height // step)
        font = font_for(text, self._letter)
        for number, line in enumerate(lines):
            pen.text((place.left, place.top + number * step), line, ink, font, anchor="la")


def _dots(pen: ImageDraw, x: int, top: int, bottom: int, size: int) -> None:
    """A dotted line downwards, dark between the dots, so that it shows on every colour."""
    thick = FINER * max(1, size // (6 * FINER))  # whole pixels of the picture that is left
    x, top = (one // FINER * FINER for one in (x - thick // 2, top))
    pen.rectangle((x, top, x + thick - 1, bottom), rgb(BACKGROUND))
    for y in range(top, bottom - thick + 1, 2 * thick):
        pen.rectangle((x, y, x + thick - 1, y + thick - 1), rgb(TEXT))


def wrap(text: str, width: int, size: int, lines: int) -> list[str]:
    """`text` in at most so many lines of at most `width` pixels; what is left out shows as three dots."""
    font = font_for(text, size)
    done: list[str] = []
    line = ""
    for piece in _pieces(text, width, font):
        if line and font.getlength((line + piece).rstrip()) > width:
            done.append(line.rstrip())
            line = ""
            if len(done) == lines:
                break
        line += piece
    else:
        return [*done, line.rstrip()][: max(0, lines)] if line else done
    last = done[-1]
    while last and font.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*done[:-1], f"{last.rstrip()}…"]


def _pieces(text: str, width: int, font: Any) -> list[str]:
    """Words; single letters of a word that fits in no line, as in scripts without blanks."""
    pieces: list[str] = []
    for word in _PIECE.findall(text):
        pieces += [word] if font.getlength(word.rstrip()) <= width else list(word)
    return pieces
