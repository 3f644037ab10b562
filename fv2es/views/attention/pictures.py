"""Arrays → small pictures inside the page, one pixel a cell; axes and words are HTML, so that they stay readable."""

from __future__ import annotations

import base64
import io

import numpy as np

from fv2es.views.inputs import DYNAMIC_RANGE
from fv2es.views.markup import escape

COLOURS, SOUND = "coolwarm", "magma"
SHADES = 64
QUALITY = 78  # of a JPEG
WIDEST = 800  # columns of a picture over time: no page shows more
DIMMEST = 0.7  # brightness of silence under colours


def palette(name: str) -> np.ndarray:
    """(64, 3) uint8 of one of Matplotlib's colour maps."""
    import matplotlib

    return (255 * matplotlib.colormaps[name](np.linspace(0, 1, SHADES))[:, :3]).round().astype(np.uint8)


def shades(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values → 0 … 63."""
    return np.clip((values - low) / (high - low) * SHADES, 0, SHADES - 1).astype(np.uint8)


def map_picture(cells: np.ndarray, low: float, high: float, colours: str, alt: str, blocks: int = 1) -> str:
    """(rows, columns) → an <img>, the first row at the bottom; blocks stand apart."""
    from PIL import Image

    indices = _apart(shades(cells, low, high), blocks)[::-1]
    image = Image.fromarray(np.ascontiguousarray(indices), "P")
    image.putpalette(palette(colours).tobytes() + bytes(3))
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=SHADES, optimize=True)
    return _img(stream, "png", indices.shape, alt)


def sound_picture(decibels: np.ndarray, alt: str) -> str:
    """(128, T) dB → an <img>, as wide as the spectrogram or narrower."""
    return _jpeg(palette(SOUND)[shades(decibels, -DYNAMIC_RANGE, 0)], alt)


def overlaid(decibels: np.ndarray, doublings: np.ndarray, heard: slice, reach: float, alt: str) -> str:
    """Attention as colour over the spectrogram as brightness: (128, T) dB, (128, heard) doublings → an <img>.

    What the model did not hear stays grey.
    """
    light = DIMMEST + (1 - DIMMEST) * (1 + decibels / DYNAMIC_RANGE)
    colours = np.full((*decibels.shape, 3), 150.0)
    colours[:, heard] = palette(COLOURS)[shades(doublings, -reach, reach)]
    return _jpeg((colours * light[..., None]).round().astype(np.uint8), alt)


def _apart(indices: np.ndarray, blocks: int) -> np.ndarray:
    """With see-through gaps between blocks × blocks; every cell is enlarged so that a gap is half as wide as a cell."""
    if blocks == 1:
        return indices
    large = indices.repeat(2, 0).repeat(2, 1)
    for axis in (0, 1):
        cuts = [large.shape[axis] // blocks * number for number in range(1, blocks)]
        large = np.insert(large, cuts, SHADES, axis=axis)
    return large


def _jpeg(pixels: np.ndarray, alt: str) -> str:
    """(rows, columns, 3), the first row at the bottom; what is too wide is made narrower."""
    from PIL import Image

    stream = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    if image.width > WIDEST:
        image = image.resize((WIDEST, image.height), Image.Resampling.BOX)
    image.save(stream, "JPEG", quality=QUALITY)
    return _img(stream, "jpeg", (image.height, image.width), alt)


def _img(stream: io.BytesIO, kind: str, shape: tuple[int, ...], alt: str) -> str:
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img src="data:image/{kind};base64,{data}" width="{shape[1]}" height="{shape[0]}" alt="{escape(alt)}">'
