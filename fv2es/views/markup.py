"""From values to safe HTML: escaped text, pictures inside the page, figures as inline SVG.

Pages made of these need nothing from outside and take the colours of the text around them, light or dark.
"""

from __future__ import annotations

import base64
import html
import io
import re
import threading
from typing import TYPE_CHECKING

import numpy as np

from fv2es.views.words import Say, english

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JPEG_QUALITY = 85
FIGURE_DPI = 110  # of the pixels in a figure; lines and letters stay sharp at any size
# What a figure draws in this colour takes the colour of the text around it.
INK = "#010203"

_DRAWING = threading.Lock()  # Matplotlib is not thread-safe, and its settings are the process's
_STYLE = re.compile(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")


def escape(text: str) -> str:
    """Text as it is meant, in an element or in a quoted attribute."""
    return html.escape(str(text), quote=True)


def sentence_list(words: tuple[str, ...] | list[str], say: Say = english) -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = words
    return f"{say(', ').join(most)}{say(' and ')}{last}" if most else last


def picture(pixels: np.ndarray, alt: str) -> str:
    """(height, width, 3) uint8 → an <img> that carries its own data."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    return f'<img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'


def new_figure(width: float, height: float) -> Figure:
    """An empty, transparent figure of so many inches; no pyplot, so nothing outlives it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="none", layout="constrained")


def quiet_axes(figure: Figure):
    """Axes whose letters and ticks are INK, without a frame."""
    axes = figure.add_subplot(facecolor="none")
    axes.tick_params(colors=INK, labelsize=8, length=3, width=0.6)
    axes.spines[:].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=INK, size=8)
    return axes


def drawing(figure: Figure, label: str) -> str:
    """A figure as inline SVG: as wide as its place, with real text, named `label` for those who cannot see it."""
    import matplotlib

    stream = io.StringIO()
    with _DRAWING, matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", dpi=FIGURE_DPI, transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = _STYLE.sub("", svg[svg.index("<svg") :]).replace(INK, "currentColor")
    svg = _FAMILY.sub("", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg class="fv-drawing" role="img" aria-label="{escape(label)}"', 1)


def png(figure: Figure, dpi: int) -> bytes:
    """A figure as a file, with its own background."""
    stream = io.BytesIO()
    with _DRAWING:
        figure.savefig(stream, format="png", dpi=dpi, pil_kwargs={"compress_level": 4})
    return stream.getvalue()
