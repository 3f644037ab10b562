"""What the figures share: paper, panels placed in inches, boxes, arrows, colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from fv2es.schema import FACE, VOICE, WORDS

INK, FAINT, LINE, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
TINTS = {FACE: "#0072B2", VOICE: "#D55E00", WORDS: "#009E73"}  # Okabe & Ito's
SOUND, WARMTH = "magma", "coolwarm"
WIDTH = 10.4  # inches, of every figure
SMALL = 8.5
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": FAINT,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "svg.hashsalt": "method",
    "image.interpolation": "nearest",
}


def sheet(width: float, height: float) -> Figure:
    """White also where the page is dark, so that all of it can be read there."""
    return Figure(figsize=(width, height), facecolor=PAPER)


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, title: str = "") -> Axes:
    """Axes placed in inches, without ticks."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.set(xticks=[], yticks=[], title=title)
    return axes


def canvas(figure: Figure) -> Axes:
    """Axes over all of it, in inches, for boxes, arrows and words."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, across), ylim=(0, up))
    axes.set_axis_off()
    return axes


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str = "#f6f8fa") -> None:
    shape = FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=0.06", facecolor=colour, edgecolor=LINE)
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", linespacing=1.35)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    shape = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color=FAINT, shrinkA=1, shrinkB=1,
        connectionstyle=f"arc3,rad={bend}",
    )  # fmt: skip
    axes.add_patch(shape)


def image(axes: Axes, values: np.ndarray, colours: str, low: float, high: float, **options: Any) -> Any:
    return axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", origin="lower", **options)
