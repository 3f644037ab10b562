"""Where the picture and the panel stand in an annotated video."""

from __future__ import annotations

from dataclasses import dataclass

from fv2es.takeaway.panel import Place

LONGER_SIDE = 1280  # pixels, of the whole
LEAST = 640  # pixels: narrower clips are enlarged, so that the letters can be read
WIDE = 1.2  # width / height from which on the panel stands below the picture and not beside it
BELOW, BESIDE = 0.22, 0.42  # the panel's height as a share of the width; its width as a share of the height
TALLEST = 480  # pixels: the least height of a picture with the panel beside it
NARROWEST = 320  # pixels, of a panel beside
STRIP = 0.012  # the timeline's height as a share of the longer side


@dataclass(frozen=True)
class Layout:
    """Everything in even numbers of pixels, as video wants them."""

    width: int
    height: int
    picture: Place
    panel: Place
    strip: Place


def arrange(width: int, height: int) -> Layout:
    """For a clip of these proportions."""
    aspect = min(8.0, max(1 / 8, width / height))
    return _below(width, aspect) if aspect >= WIDE else _beside(height, aspect)


def _below(width: int, aspect: float) -> Layout:
    whole = even(min(LONGER_SIDE, max(LEAST, width)))
    picture, panel, strip = even(whole / aspect), even(BELOW * whole), even(STRIP * whole)
    return Layout(
        whole,
        picture + panel + strip,
        Place(0, 0, whole, picture),
        Place(0, picture + strip, whole, panel),
        Place(0, picture, whole, strip),
    )


def _beside(height: int, aspect: float) -> Layout:
    whole: float = min(LONGER_SIDE, max(TALLEST, height))
    whole = min(whole, LONGER_SIDE / (aspect + BESIDE), LONGER_SIDE / (1 + STRIP))
    tall = even(whole)
    picture, panel = even(aspect * tall), even(max(NARROWEST, BESIDE * tall))
    strip = even(STRIP * tall)
    return Layout(
        picture + panel,
        tall + strip,
        Place(0, 0, picture, tall),
        Place(picture, 0, panel, tall),
        Place(0, tall, picture + panel, strip),
    )


def even(number: float) -> int:
    """The nearest even whole number, at least 2."""
    return max(2, 2 * round(number / 2))
