"""Hair: a layer behind neck and face, and one over the skull, with strands and a band of gloss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from canvas import Array, Canvas, linear, look_up, mix, step

if TYPE_CHECKING:
    from head import Character

LENGTH = {"long": -2.1, "bob": -0.95}
PART = -0.18  # where the hair is parted, for long hair


def behind(canvas: Canvas, who: Character, strands: Array) -> None:
    """What hangs behind neck and shoulders."""
    if who.style not in LENGTH:
        return
    part = canvas.window(-1.5, 1.5, -2.1, 1.6)
    x, y, side = part.x, part.y, np.abs(part.x)
    width = _outline(y, who) + (0.05 * np.sin(3.1 * y + 0.6 * np.sign(x)) if who.style == "long" else 0)
    end = _ends(x, who, strands, 0.0)
    cover = part.inside(np.minimum(width - side, y - end), 0.02)
    grain = look_up(strands, 1.1 * x + 0.06 * np.sin(3 * y), 0.06 * y)
    mix(part.image, linear(who.hair) * (0.26 + 0.14 * grain)[..., None], cover)


def over(canvas: Canvas, who: Character, strands: Array) -> None:
    """What lies on the skull and frames the face."""
    part = canvas.window(-1.3, 1.3, -2.0, 1.6)
    x, y = part.x, part.y
    if who.style == "short":
        cover, u, v = _short(part, who, strands)
    else:
        cover, u, v = _parted(part, who, strands)
    grain = look_up(strands, u, v)
    crown = np.hypot(x / 0.95, (y - 0.1) / 1.25)
    gloss = (
        np.exp(-(((crown - 0.78 - 0.02 * grain) / 0.09) ** 2)) * step(0.2, 0.9, y) * np.exp(-(((x + 0.3) / 0.5) ** 2))
    )
    light = 0.62 + 0.20 * grain - 0.13 * x - 0.30 * step(0.8, 1.02, crown) + 0.12 * step(0.3, 1.0, y)
    colour = linear(who.hair) * np.clip(light, 0.12, 2)[..., None]
    colour += (gloss * (0.55 + 0.5 * grain))[..., None] * (0.35 * linear(who.hair) + 0.05)
    mix(part.image, colour, cover)


def _outline(y: Array, who: Character) -> Array:
    """Half width of the hair as a whole."""
    above = np.sqrt(np.clip(1 - (np.clip(y - 0.1, 0, None) / 1.26) ** 2.5, 0, 1))
    return (who.width + 0.13) * above + 0.10 * step(0.1, -0.9, y) - 0.02 * (above == 0)


def _ends(x: Array, who: Character, strands: Array, shorter: float) -> Array:
    """Where each strand ends: lowest in the middle of a lock."""
    lock = np.clip(np.abs(x) - 0.80, 0, 1) / 0.26
    return LENGTH[who.style] + shorter + 0.12 * lock**2 + 0.022 * look_up(strands, x * 0.35, 0 * x)


def _short(part: Canvas, who: Character, strands: Array) -> tuple[Array, Array, Array]:
    x, y, side = part.x, part.y, np.abs(part.x)
    wild = look_up(strands, 0.35 * x, 0.35 * y)
    round_ = (side / (who.width + 0.05)) ** 2.4 + (np.clip(y - 0.05, 0, 2) / 1.24) ** 2.4
    outline = (1 - round_ ** (1 / 2.4)) * 0.8 + 0.010 * wild
    line = 0.80 - 0.10 * step(0.25, 0.62, side) - 1.15 * step(0.58, 0.80, side) + 0.03 * wild
    cover = part.inside(np.minimum(outline, (y - line) * 0.6), 0.03) * step(-0.12, 0.02, y)
    return cover, 0.9 * x + 0.25 * y * np.sign(x), 0.25 * y


def _parted(part: Canvas, who: Character, strands: Array) -> tuple[Array, Array, Array]:
    x, y, side = part.x, part.y, np.abs(part.x)
    away = np.abs(x - PART) / np.where(x > PART, 0.74 - PART, 0.74 + PART)
    line = 0.92 - 0.10 * step(0.0, 0.15, away) - 0.72 * np.clip(away, 0, 2) ** 3.2
    wave = 0.03 * np.sin(5 * y + 1.0)
    inner = who.width - 0.085 - 0.04 * step(0.2, -0.4, y) + 0.10 * step(-0.6, -1.6, y) + wave * step(0.3, -0.3, y)
    frame = np.maximum((y - line) * 0.6, side - inner)
    end = _ends(x, who, strands, 0.12)
    cover = part.inside(np.minimum(np.minimum(frame, _outline(y, who) - side), (y - end) * 0.4), 0.02)
    u = 0.5 * np.arctan2(np.maximum(y, 0.3) - 0.85, np.abs(x - PART) + 0.12) + 0.7 * side
    return cover, u, 0.08 * y + 0.1 * side
