"""A talking head made of formulae: a height field z(x, y) over face coordinates, lit, with features painted on it.

Face coordinates: x to the viewer's right, y up, the origin between the eyes; the head is about 1.6 wide and 2.3 high,
z points to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import features
import hair
import numpy as np
from canvas import Array, Canvas, bump, distance, linear, look_up, mix, noise, step
from expression import Expression

TOP, HEIGHT = 1.62, 3.5  # face units: upper edge of the picture, and what it shows
KEY = np.array([-0.45, 0.55, 0.70], np.float32) / np.linalg.norm([-0.45, 0.55, 0.70])
FILL = np.array([0.75, 0.15, 0.65], np.float32) / np.linalg.norm([0.75, 0.15, 0.65])
GLEAM = (KEY + np.array([0, 0, 1], np.float32)) / np.linalg.norm(KEY + np.array([0, 0, 1], np.float32))


@dataclass(frozen=True)
class Character:
    """How one head differs from another. Colours are "#rrggbb"."""

    skin: str
    lips: str
    iris: str
    hair: str
    brows: str
    top: str
    backdrop: tuple[str, str]
    style: str = "short"  # short | long | bob
    jaw: float = 2.2  # larger is squarer
    width: float = 0.79  # half of the head's
    brow: float = 0.042  # half thickness of the brows
    lip: float = 1.0  # fullness
    lashes: float = 0.0
    stubble: float = 0.0
    age: float = 0.0  # depth of folds
    seed: int = 0


class Head:
    """Renders one character. `width`, `height`: pixels; `detail`: sub-pixels per pixel and direction."""

    def __init__(self, character: Character, width: int = 480, height: int = 480, detail: int = 2) -> None:
        self.character, self.width, self.height, self.detail = character, width, height, detail
        self.pixel = HEIGHT / (height * detail)
        across, down = ((np.arange(pixels * detail, dtype=np.float32) + 0.5) * self.pixel for pixels in (width, height))
        self.x, self.y = np.meshgrid(across - width * detail * self.pixel / 2, TOP - down)
        rng = np.random.default_rng(character.seed)
        self.mottle = noise(rng, 512, 10) + 0.6 * noise(rng, 512, 3)
        self.strands = noise(rng, 512, 2) + noise(rng, 512, 6)
        self.backdrop = self._backdrop(rng)

    def picture(self, face: Expression) -> Array:
        """(height, width, 3) uint8 RGB."""
        body = Canvas(
            self.backdrop.copy(), self.x - face.aside - 0.35 * face.shift_x, self.y - 0.2 * face.shift_y, self.pixel
        )
        canvas = Canvas(body.image, *self._pose(face), self.pixel)
        hair.behind(canvas, self.character, self.strands)
        self._body(body, face)
        self._ears(canvas)
        self._face(canvas, face)
        hair.over(canvas, self.character, self.strands)
        return self._develop(canvas.image)

    def _develop(self, image: Array) -> Array:
        """Linear light in sub-pixels → sRGB in pixels."""
        detail = self.detail
        pixels = image.reshape(self.height, detail, self.width, detail, 3).mean((1, 3))
        return (np.clip(pixels, 0, 1) ** np.float32(1 / 2.2) * 255 + 0.5).astype(np.uint8)

    def _pose(self, face: Expression) -> tuple[Array, Array]:
        """Where in the face each sub-pixel looks. A turn shifts what is nearer by more: x' = x cos θ + z sin θ."""
        c, s = np.cos(face.roll), np.sin(face.roll)
        x, y = self.x - face.aside - face.shift_x, self.y - face.shift_y + 0.9
        x, y = c * x + s * y, c * y - s * x - 0.9
        u, v = x, y
        for _ in range(2):
            depth = 0.7 * np.clip(1 - (u / 1.15) ** 2 - ((v - 0.05) / 1.6) ** 2, 0, 1)
            depth += 0.16 * bump(u, v, (0, -0.2), (0.13, 0.2))
            u, v = x - face.yaw * depth, y - face.pitch * (depth - 0.3)
        return u, v

    def _backdrop(self, rng: np.random.Generator) -> Array:
        """An out-of-focus room: a gradient and soft lights."""
        upper, lower = (linear(code) for code in self.character.backdrop)
        part = step(TOP, TOP - HEIGHT, self.y)[..., None]
        image = upper * (1 - part) + lower * part
        for _ in range(9):
            at, radius = rng.uniform((-1.7, -1.2), (1.7, 1.5)), rng.uniform(0.12, 0.42)
            disc = step(1.25 * radius, 0.75 * radius, np.hypot(self.x - at[0], self.y - at[1]))
            mix(image, image * np.float32(1.7) + np.float32(0.02), disc * np.float32(rng.uniform(0.1, 0.4)))
        vignette = 1 - 0.35 * np.clip(np.hypot(self.x, self.y) / 2.4, 0, 1) ** 2
        return (image * vignette[..., None]).astype(np.float32)

    def _half_width(self, y: Array, jaw_open: float) -> Array:
        """Outline of the head: half its width at height y."""
        who = self.character
        bottom = 1.1 + 0.12 * jaw_open
        above = np.clip(1 - np.clip(y / 1.2, 0, 1) ** 2.3, 0, 1) ** 0.45
        below = np.clip(1 - np.clip(-y / bottom, 0, 1) ** who.jaw, 0, 1) ** 0.55
        return who.width * np.where(y > 0, above, below) + 1e-4

    def _height(self, x: Array, y: Array, face: Expression) -> Array:
        """z(x, y): skull, brow ridge, sockets, nose, cheeks, lips and chin, and the folds that expressions make."""
        side = np.abs(x)
        lower = y + 0.12 * face.jaw_open * step(-0.4, -0.8, y)  # the jaw moves what is on it
        across = np.clip(side / self._half_width(y, face.jaw_open), 0, 1)
        along = np.where(y > 0, y / 1.22, -lower / 1.16)
        z = 0.72 * np.sqrt(np.clip(1 - across**2.6, 0.0, 1)) * np.sqrt(np.clip(1 - np.abs(along) ** 4, 0.0, 1))
        z += 0.035 * bump(side, y, (0.30, 0.27 + 0.04 * face.brow_raise), (0.24, 0.08))
        z -= 0.085 * bump(side, y, (0.31, 0.09), (0.19, 0.12))
        z += 0.060 * bump(side, y, (0.325, 0.08), (0.13, 0.085))
        lift = 0.03 * face.nose_wrinkle
        ridge = np.exp(-((x / (0.085 + 0.03 * step(0.1, -0.3, y))) ** 2))
        z += ridge * (0.03 + 0.17 * step(0.22, -0.24, y)) * step(-0.43, -0.22, y - lift) * step(0.42, 0.12, y)
        z += 0.075 * bump(x, y, (0, -0.265 + lift), (0.105, 0.095))
        z += 0.065 * bump(side, y, (0.125, -0.295 + lift), (0.058, 0.055))
        z += 0.045 * bump(side, y, (0.47, -0.10), (0.17, 0.15))
        z += max(face.smile, 0.35 * face.squint) * 0.075 * bump(side, y, (0.40, -0.22), (0.15, 0.12))
        z += 0.075 * bump(x, lower, (0, -0.57), (0.27, 0.17))
        z -= 0.020 * bump(x, y, (0, -0.44), (0.030, 0.07))
        z -= 0.035 * bump(x, lower, (0, -0.765), (0.17, 0.045))
        z += (0.075 + 0.04 * face.chin) * bump(x, lower, (0, -0.92 + 0.03 * face.chin), (0.17, 0.11))
        z -= self._folds(x, y, side, face)
        return z

    def _folds(self, x: Array, y: Array, side: Array, face: Expression) -> Array:
        """Depth of the creases at this place."""
        age, smile, wrinkle = self.character.age, max(face.smile, 0.0), face.nose_wrinkle
        corner = (features.mouth_half_width(face) + 0.085, -0.58 + 0.05 * face.smile)
        crease = distance(side, y, [(0.175, -0.27 + 0.03 * wrinkle), (0.24 + 0.02 * smile, -0.40), corner])
        depth = (
            (0.006 + 0.020 * smile + 0.014 * wrinkle + 0.010 * age)
            * np.exp(-((crease / 0.035) ** 2))
            * step(corner[1] - 0.02, -0.42, y)
        )
        waves = 0.5 + 0.5 * np.cos((y + 0.10 * side**2) * 62)
        forehead = bump(side, y, (0.12, 0.60), (0.42, 0.17)) * waves
        depth += (0.010 * max(face.brow_raise, 0.7 * face.brow_inner) + 0.004 * age) * forehead
        lines = np.exp(-(((side - 0.065) / 0.018) ** 2)) * bump(x, y, (0, 0.27), (1.0, 0.11))
        depth += (0.016 * face.brow_furrow + 0.003 * age) * lines
        depth += 0.010 * wrinkle * (0.5 + 0.5 * np.cos((y - 0.6 * side) * 70)) * bump(x, y, (0, 0.06), (0.13, 0.13))
        feet = (0.5 + 0.5 * np.cos(np.arctan2(y - 0.08, side - 0.42) * 14)) * bump(side, y, (0.60, 0.06), (0.07, 0.11))
        return depth + (0.004 * face.squint + 0.004 * age) * feet

    def _light(self, z: Array, pixel: float) -> tuple[Array, Array]:
        """Diffuse light (h, w, 3), wrapped and reddened where it fades as skin does, and the gleam (h, w)."""
        dy, dx = np.gradient(z, pixel)
        up = 1 / np.sqrt(dx * dx + dy * dy + 1)  # of the normal (−dx, dy, 1) · up
        key, fill, gleam = ((dy * one[1] - dx * one[0] + one[2]) * up for one in (KEY, FILL, GLEAM))
        wrap = np.array([0.45, 0.30, 0.25], np.float32)
        light = 0.92 * np.clip((key[..., None] + wrap) / (1 + wrap), 0, 1) ** 1.3
        light += (0.20 * np.clip(fill, 0, 1) + 0.16 + 0.06 * dy * up)[..., None]
        return light, np.clip(gleam, 0, 1) ** 22

    def _face(self, canvas: Canvas, face: Expression) -> None:
        part = canvas.window(-0.95, 0.95, -1.35, 1.35)
        x, y, side, who = part.x, part.y, np.abs(part.x), self.character
        outline = self._half_width(y, face.jaw_open)
        cover = part.inside(outline - side - 0.012, 0.01)
        light, gleam = self._light(self._height(x, y, face), part.pixel)
        skin = self._skin(x, y, side, face)
        shade = 1 - 0.30 * bump(side, y, (0.30, 0.13), (0.17, 0.09)) - 0.16 * bump(x, y, (0, -0.40), (0.14, 0.05))
        shade -= 0.22 * bump(x, y, (0, -0.765 - 0.1 * face.jaw_open), (0.17, 0.05))
        shade *= 1 - 0.35 * step(0.75, 1.0, side / outline) ** 2
        shiny = 0.10 + 0.10 * bump(x, y, (0, -0.2), (0.1, 0.25)) + 0.06 * bump(x, y, (0, 0.6), (0.4, 0.2))
        mix(part.image, skin * light * shade[..., None] + (gleam * shiny * shade)[..., None], cover)
        features.paint(part, who, face, self.strands)

    def _skin(self, x: Array, y: Array, side: Array, face: Expression) -> Array:
        """Albedo (h, w, 3): redder cheeks, nose and ears, darker lids, pores."""
        who = self.character
        base = linear(who.skin)
        skin = np.broadcast_to(base, (*x.shape, 3)).copy()
        red = base * np.array([1.03, 0.72, 0.70], np.float32)
        flush = 0.55 * bump(side, y, (0.46, -0.22), (0.2, 0.17)) + 0.5 * bump(x, y, (0, -0.27), (0.13, 0.1))
        mix(skin, red, np.clip(flush + 0.18 * bump(x, y, (0, -0.9), (0.25, 0.15)), 0, 1))
        mix(skin, base * np.array([0.72, 0.58, 0.58], np.float32), 0.45 * bump(side, y, (0.32, 0.10), (0.19, 0.12)))
        if who.stubble:
            beard = step(-0.28, -0.55, y - 0.25 * (side - 0.3)) * step(0.13, 0.3, np.hypot(x * 0.9, y + 0.60) + 0.14)
            grain = 0.75 + 0.5 * look_up(self.strands, x * 1.9, y * 1.9)
            mix(skin, base * 0.32, np.clip(who.stubble * beard * grain, 0, 1))
        pores = 1 + 0.045 * look_up(self.mottle, x * 0.8 + 0.5, y * 0.8 + 0.5)
        return skin * pores[..., None]

    def _ears(self, canvas: Canvas) -> None:
        if self.character.style != "short":
            return
        for sign in (-1, 1):
            at = sign * (self.character.width + 0.015)
            part = canvas.window(at - 0.2, at + 0.2, -0.4, 0.4)
            x, y = (part.x - at) / 0.105, (part.y + 0.02) / 0.25
            radius = np.hypot(x - 0.25 * sign * y, y)
            light = 0.50 - 0.20 * sign * x * 0.5 - 0.26 * bump(x, y, (-0.1 * sign, 0.05), (0.55, 0.62))
            red = linear(self.character.skin) * np.array([1.0, 0.78, 0.74], np.float32)
            mix(part.image, red * light[..., None] * (1.15 if sign < 0 else 0.85), part.inside((1 - radius) * 0.1))

    def _body(self, canvas: Canvas, face: Expression) -> None:
        """Neck, shoulders and a plain top."""
        part = canvas.window(-2, 2, -2.2, -0.45)
        x, y, side, who = part.x, part.y, np.abs(part.x), self.character
        thick = 0.30 + 0.9 * (who.width - 0.70) + 0.04 * (who.jaw - 2)
        neck = thick + 0.06 * step(-1.1, -0.8, y) + 0.9 * step(-1.15, -1.75, y) ** 2
        light, _ = self._light(0.5 * np.sqrt(np.clip(1 - (side / (neck + 0.02)) ** 2, 0.02, 1)), part.pixel)
        under = 1 - 0.62 * step(-1.62, -1.08, y - 0.25 * (side / thick) ** 2 + face.shift_y * 0.5)
        mix(part.image, linear(who.skin) * light * under[..., None], part.inside(neck - side))
        shoulder = -1.28 - 0.30 * step(0.35, 1.55, side) - 0.42 * np.clip((side - 1.1) / 0.6, 0, 1) ** 2
        collar = np.hypot(side / (thick + 0.10), (y + 1.26) / 0.30) - 1
        cloth = np.minimum(shoulder - y, collar * 0.3)
        folds = 0.05 * look_up(self.mottle, x * 0.25 + 0.2, y * 0.15)
        z = 0.5 * np.sqrt(np.clip(1 - (side / 2.0) ** 2, 0, 1)) - 0.22 * np.exp(-np.clip(shoulder - y, 0, 9) / 0.12)
        light, _ = self._light(z + 0 * folds, part.pixel)
        rim = 1 - 0.5 * np.exp(-np.clip(collar * 0.3, 0, 9) / 0.03)
        mix(part.image, linear(who.top) * light * (rim + folds)[..., None], part.inside(cloth))
