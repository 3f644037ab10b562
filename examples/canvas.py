"""Small tools for painting on pixel grids with soft, formula-made masks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Array = np.ndarray
Colour = tuple[float, float, float]


def linear(code: str) -> Array:
    """ "#rrggbb" → (3,) float32, linear light in 0–1."""
    values = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)], np.float32) / 255
    return values ** np.float32(2.2)


def step(low: float, high: float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between; falls where `low` > `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(x: Array, y: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """A Gaussian hill of height 1."""
    return np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)


def distance(x: Array, y: Array, points: list[tuple[float, float]]) -> Array:
    """Distance to the line through `points`."""
    nearest = None
    for (ax, ay), (bx, by) in pairwise(points):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        square = (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2
        nearest = square if nearest is None else np.minimum(nearest, square)
    return np.sqrt(nearest)


def noise(rng: np.random.Generator, side: int, grain: int) -> Array:
    """(side, side) float32 in about −1…1, smooth over `grain` pixels, tiles without a seam."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * np.exp(-((frequency * grain) ** 2) * 4)
    field = np.fft.irfft2(spectrum, (side, side))
    return (field / field.std() / 2.5).astype(np.float32)


def look_up(texture: Array, u: Array, v: Array) -> Array:
    """Nearest texel at (u, v) in texture widths, repeated."""
    side = len(texture)
    return texture[(v * side).astype(np.int32) % side, (u * side).astype(np.int32) % side]


def mix(image: Array, colour: Array, mask: Array) -> None:
    """Lay `colour` ((3,) or (h, w, 3)) over `image` in place as far as `mask` says."""
    image += (colour - image) * mask[..., None]


@dataclass(frozen=True)
class Canvas:
    """Part of a picture being painted. image: (h, w, 3) linear light; x, y: (h, w) face units; pixel: face units."""

    image: Array
    x: Array
    y: Array
    pixel: float

    def inside(self, signed: Array, blur: float = 0.0) -> Array:
        """Coverage from a signed distance in face units (positive inside)."""
        return np.clip(signed / (1.4 * self.pixel + blur) + 0.5, 0, 1)

    def window(self, left: float, right: float, bottom: float, top: float) -> Canvas:
        """The part that shows the given box, as views."""
        hit = (self.x > left) & (self.x < right) & (self.y > bottom) & (self.y < top)
        cut = _extent(hit.any(1)), _extent(hit.any(0))
        return Canvas(self.image[cut], self.x[cut], self.y[cut], self.pixel)


def _extent(hit: Array) -> slice:
    """From the first to the last that is hit; two at least, though none be hit: light needs a slope."""
    places = np.flatnonzero(hit)
    first = min(places[0], len(hit) - 2) if len(places) else 0
    return slice(first, max(places[-1] + 1, first + 2) if len(places) else 2)
