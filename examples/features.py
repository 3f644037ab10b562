"""Eyes, brows, nostrils and mouth: soft masks whose outlines follow the expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from canvas import Array, Canvas, bump, linear, look_up, mix, step
from expression import Expression

if TYPE_CHECKING:
    from head import Character

EYE = (0.325, 0.085)  # centre, for the eye on the viewer's right
EYE_HALF_WIDTH = 0.165
IRIS = 0.079
MOUTH = -0.60  # height of the mouth line
INK = np.array([0.020, 0.012, 0.010], np.float32)


def paint(canvas: Canvas, who: Character, face: Expression, strands: Array) -> None:
    """All features, on the lit skin."""
    for sign in (-1, 1):
        _eye(canvas, who, face, sign)
        _brow(canvas, who, face, sign, strands)
    _nostrils(canvas, face)
    _mouth(canvas, who, face)


def mouth_half_width(face: Expression) -> float:
    wider = 0.20 * max(face.smile, 0) + 0.22 * face.lip_stretch - 0.24 * face.lip_round - 0.06 * face.jaw_open
    return 0.255 * (1 + wider)


def _eye(canvas: Canvas, who: Character, face: Expression, sign: int) -> None:
    part = canvas.window(*sorted((sign * 0.06, sign * 0.62)), -0.16, 0.36)
    x, y = sign * part.x - EYE[0], part.y - EYE[1]  # x: outward from the middle of the eye
    u = np.clip(x / EYE_HALF_WIDTH, -1, 1)
    opened = (1 + 0.36 * face.lid_raise) * (1 - min(face.blink, 1.0))
    arch = (1 - u * u) ** 0.8 * (1 - 0.12 * u)
    tilt = 0.014 * u
    raised = 0.013 * face.squint + 0.01 * max(face.smile, 0)
    low = tilt - (0.043 - raised) * (1 - u * u) ** 0.9
    high = np.maximum(tilt + 0.074 * arch * opened - 0.030 * arch * (1 - opened), low)
    open_ = part.inside(np.minimum(np.minimum(high - y, y - low), (EYE_HALF_WIDTH - np.abs(x)) * 0.7))
    ball = _eyeball(part, who, face, sign, x, y, high)
    mix(part.image, ball, open_)
    _lids(part, who, face, x, y, u, high, low)


def _eyeball(part: Canvas, who: Character, face: Expression, sign: int, x: Array, y: Array, high: Array) -> Array:
    """White, iris, pupil, catch light and the shadow of the upper lid, (h, w, 3)."""
    gaze = (sign * face.gaze_x - 0.006, face.gaze_y + 0.010)
    white = np.array([0.72, 0.67, 0.64], np.float32)
    ball = np.broadcast_to(white, (*x.shape, 3)) * (1 - 0.75 * np.clip(np.abs(x) / 0.2, 0, 1) ** 2)[..., None]
    mix(ball, np.array([0.55, 0.25, 0.22], np.float32), 0.8 * bump(x, y, (-EYE_HALF_WIDTH, -0.005), (0.03, 0.03)))
    radius = np.hypot(x - gaze[0], y - gaze[1])
    colour = linear(who.iris)
    rays = 0.8 + 0.2 * np.cos(np.arctan2(y - gaze[1], x - gaze[0]) * 23)
    iris = colour * (rays * (0.65 + 0.9 * step(0.02, -0.06, y - gaze[1])))[..., None]
    mix(iris, colour * 0.18, step(IRIS * 0.72, IRIS, radius))
    mix(ball, iris, part.inside(IRIS - radius, 0.006))
    mix(ball, INK, part.inside(0.033 + 0.004 * face.lid_raise - radius, 0.004))
    ball *= (1 - 0.62 * np.exp(-np.clip(high - y, 0, 1) / 0.020))[..., None]
    light = np.hypot(sign * x - sign * gaze[0] + 0.022, y - gaze[1] - 0.026)
    mix(ball, np.ones(3, np.float32), 0.95 * part.inside(0.014 - light, 0.004))
    return ball


def _lids(
    part: Canvas, who: Character, face: Expression, x: Array, y: Array, u: Array, high: Array, low: Array
) -> None:
    """Lash line, crease above, wet edge and shadow below."""
    within = step(1.12, 0.9, np.abs(x) / EYE_HALF_WIDTH)
    outer = step(-0.6, 1.0, u)
    lash = 0.007 + who.lashes * (0.007 + 0.010 * outer)
    wing = step(1.28, 0.9, x / EYE_HALF_WIDTH) * step(-1.1, -0.85, x / EYE_HALF_WIDTH)
    above = y - high - who.lashes * 0.05 * np.clip(x / EYE_HALF_WIDTH - 0.85, 0, 1)
    line = part.inside(lash - np.abs(above - lash * 0.5), 0.008)
    mix(part.image, INK, line * wing * (0.75 + 0.2 * who.lashes))
    crease = (
        y
        - 0.5 * high
        - 0.058
        - 0.012 * face.lid_raise
        + 0.03 * u * u
        + 0.012 * max(face.brow_furrow, face.nose_wrinkle)
    )
    mix(part.image, part.image * 0.45, 0.6 * within * np.exp(-((crease / 0.010) ** 2)))
    mix(part.image, part.image * 1.25, 0.5 * within * np.exp(-(((low - 0.012 - y) / 0.008) ** 2)))
    mix(part.image, INK, (0.28 + 0.25 * who.lashes) * within * np.exp(-(((y - low) / 0.007) ** 2)))
    bag = (0.10 + 0.20 * who.age + 0.15 * face.squint) * step(1.3, 0.3, np.abs(u))
    mix(part.image, part.image * 0.5, bag * np.exp(-(((low - 0.052 - y) / 0.016) ** 2)))


def _brow(canvas: Canvas, who: Character, face: Expression, sign: int, strands: Array) -> None:
    part = canvas.window(*sorted((sign * 0.02, sign * 0.68)), 0.05, 0.62)
    x, y = sign * part.x, part.y
    inner = 0.135 - 0.030 * face.brow_furrow
    t = (x - inner) / 0.41
    s = np.clip(t, 0, 1)
    middle = 0.275 + 0.075 * np.sin(np.pi * np.clip(0.08 + 0.80 * s, 0, 1)) - 0.05 * s * s
    middle += 0.085 * face.brow_raise * (1 - 0.25 * s)
    middle += 0.105 * face.brow_inner * (1 - s) ** 1.5 - 0.035 * face.brow_inner * s
    middle -= (0.085 * (1 - s) ** 1.2 + 0.02) * face.brow_furrow + 0.03 * face.nose_wrinkle * (1 - s)
    thick = who.brow * (1 - 0.72 * s**1.4) * step(-0.05, 0.10, t)
    hairs = look_up(strands, 0.7 * x - 1.5 * y, 0.9 * y + 0.5 * x)
    cover = part.inside(np.minimum(thick * (1 + 0.35 * hairs) - np.abs(y - middle), (1 - t) * 0.3), 0.030)
    mix(part.image, linear(who.brows) * (0.8 + 0.35 * hairs[..., None]), 0.88 * cover * step(-0.06, 0.1, t))


def _nostrils(canvas: Canvas, face: Expression) -> None:
    part = canvas.window(-0.25, 0.25, -0.45, -0.15)
    x, y = np.abs(part.x), part.y - 0.03 * face.nose_wrinkle
    holes = np.hypot((x - 0.072) / 0.045, (y + 0.338 - 0.12 * (x - 0.07)) / 0.021)
    mix(part.image, INK + part.image * 0.12, 0.85 * step(1.25, 0.5, holes))
    wing = np.abs(np.hypot((x - 0.118) / 0.066, (y + 0.30) / 0.064) - 1) * 0.065
    behind = step(0.13, 0.165, x + 0.3 * (y + 0.30)) + step(-0.325, -0.35, y)
    mix(part.image, part.image * 0.42, 0.65 * np.exp(-((wing / 0.013) ** 2)) * np.clip(behind, 0, 1))


def _mouth(canvas: Canvas, who: Character, face: Expression) -> None:
    part = canvas.window(-0.45, 0.45, -1.05, -0.36)
    x, y = part.x, part.y
    half = mouth_half_width(face)
    t = np.clip(np.abs(x) / half, 0, 1)
    jaw, smile = face.jaw_open, max(face.smile, 0.0)
    arch = (1 - t * t) ** 0.75
    rest = MOUTH + 0.085 * face.smile * (t**1.8 - 0.25) + 0.015 * face.chin * (1 - t) - 0.006 * np.cos(t * 9) * (1 - t)
    gum = rest + (0.018 * jaw + 0.055 * face.upper_lip + 0.02 * smile * min(1, 3 * jaw)) * arch
    floor = rest - (0.235 * jaw + 0.035 * face.lip_stretch * min(1, 5 * jaw) + 0.015 * face.upper_lip) * arch
    full = who.lip * (1 - 0.45 * face.lip_press - 0.15 * smile) * (1 - 0.12 * face.lip_stretch + 0.25 * face.lip_round)
    bow = 1 - 0.22 * np.exp(-((x / 0.035) ** 2)) + 0.10 * np.exp(-(((np.abs(x) - 0.075) / 0.05) ** 2))
    top = gum + 0.062 * full * bow * (1 - t**1.7)
    bottom = floor - 0.088 * full * (1 - t**2.4)
    _lips(part, who, x, y, t, (top, gum, floor, bottom))
    hole = part.inside(np.minimum(gum - y, y - floor)) * step(0.0, 0.006, gum - floor)
    mix(part.image, _cavity(part, face, x, y, gum, floor), hole)
    seam = np.exp(-(((y - np.clip(y, floor, gum)) / 0.010) ** 2)) * step(1.0, 0.9, np.abs(x) / half)
    mix(part.image, part.image * 0.22, 0.80 * seam * (1 - 0.8 * hole))
    below = np.exp(-(((y - bottom + 0.035) / 0.030) ** 2)) * step(1.0, 0.5, np.abs(x) / half)
    mix(part.image, part.image * 0.55, 0.45 * below)


def _lips(part: Canvas, who: Character, x: Array, y: Array, t: Array, edges: tuple[Array, ...]) -> None:
    """Rounded lips: each is lit along its height, with a gleam on the lower one."""
    top, gum, floor, bottom = edges
    colour = linear(who.lips)
    upper = np.clip((y - gum) / np.maximum(top - gum, 0.004), 0, 1)
    lower = np.clip((floor - y) / np.maximum(floor - bottom, 0.004), 0, 1)
    side = 1 - 0.25 * x / 0.3
    ends = step(1.0, 0.88, t)
    mix(
        part.image,
        colour * (side * (0.40 + 0.22 * upper))[..., None],
        0.9 * ends * part.inside(np.minimum(top - y, y - gum), 0.010),
    )
    light = side * (0.62 + 0.30 * np.sin(np.pi * np.clip(lower * 0.9 + 0.15, 0, 1)) - 0.30 * lower)
    mix(part.image, colour * light[..., None], 0.9 * ends * part.inside(np.minimum(floor - y, y - bottom), 0.010))
    gleam = np.exp(-(((lower - 0.38) / 0.16) ** 2)) * bump(x, y, (-0.05, float(floor.min())), (0.12, 1.0)) * (lower > 0)
    mix(part.image, np.ones(3, np.float32), 0.16 * gleam)


def _cavity(part: Canvas, face: Expression, x: Array, y: Array, gum: Array, floor: Array) -> Array:
    """Dark mouth, tongue and both rows of teeth, (h, w, 3)."""
    inside = np.broadcast_to(np.array([0.055, 0.012, 0.012], np.float32), (*x.shape, 3)).copy()
    mix(
        inside,
        np.array([0.30, 0.085, 0.08], np.float32),
        0.8 * bump(x, y, (0, float(floor.min()) - 0.01), (0.15, 0.07)),
    )
    ivory = np.array([0.70, 0.66, 0.58], np.float32)
    gaps = 1 - 0.13 * np.exp(-((np.abs((x / 0.052) % 1 - 0.5) * 0.052 / 0.004) ** 2))
    curve = np.clip(1 - (np.abs(x) / 0.30) ** 2, 0, 1)
    edge = MOUTH - 0.012 + 0.4 * (gum - MOUTH) - 0.05 * (1 - 0.3 * x * x)
    mix(inside, ivory * (gaps * (0.35 + 0.6 * curve))[..., None], part.inside(y - edge, 0.006))
    bared = 0.055 * face.lip_stretch + 0.02 * face.upper_lip
    if bared > 0.01:
        mix(inside, ivory * (gaps * 0.7 * curve)[..., None], part.inside(floor + bared - y, 0.006))
    return inside * (0.45 + 0.55 * step(0.0, 0.05, gum - y))[..., None]
