"""What a face does, as a handful of numbers that can be blended over time.

The controls follow the action units of the Facial Action Coding System (Ekman and Friesen, 1978), some of them merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Expression:
    """0 is at rest, 1 is strong; the action unit in brackets. Turns are in radians, shifts in face units."""

    brow_raise: float = 0.0  # whole brow up (1 + 2)
    brow_inner: float = 0.0  # inner ends up (1)
    brow_furrow: float = 0.0  # down and together (4)
    lid_raise: float = 0.0  # eyes wide (5)
    squint: float = 0.0  # lower lid up (6 + 7)
    blink: float = 0.0  # eyes shut (45)
    nose_wrinkle: float = 0.0  # (9)
    upper_lip: float = 0.0  # upper lip up (10)
    smile: float = 0.0  # corners up (12); negative: corners down (15)
    chin: float = 0.0  # chin boss up (17)
    lip_stretch: float = 0.0  # corners outward (20)
    lip_press: float = 0.0  # thin lips (24)
    lip_round: float = 0.0  # corners inward (18 + 22)
    jaw_open: float = 0.0  # (25 + 26)
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    aside: float = 0.0  # the whole person, not the head alone

    def __add__(self, other: Expression) -> Expression:
        return Expression(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __mul__(self, factor: float) -> Expression:
        return Expression(*(getattr(self, one.name) * factor for one in fields(self)))


REST = Expression()
FACES = {
    "neutral": REST,
    "happy": Expression(smile=1.0, squint=0.55, lip_stretch=0.15, brow_raise=0.15, jaw_open=0.12),
    "sad": Expression(
        brow_inner=1.0, brow_furrow=0.25, smile=-0.8, lid_raise=-0.5, chin=0.7, gaze_y=-0.015, pitch=-0.06
    ),
    "anger": Expression(brow_furrow=1.0, lid_raise=0.35, squint=0.5, lip_press=0.6, nose_wrinkle=0.3, smile=-0.35),
    "fear": Expression(brow_raise=0.6, brow_inner=0.75, brow_furrow=0.3, lid_raise=0.9, lip_stretch=0.75, smile=-0.3),
    "disgust": Expression(
        nose_wrinkle=1.0, upper_lip=0.9, brow_furrow=0.6, squint=0.75, smile=-0.45, chin=0.5, lid_raise=-0.3
    ),
    "surprise": Expression(brow_raise=1.0, lid_raise=1.0, jaw_open=0.45, lip_round=0.3),
}


def blend(keys: Sequence[tuple[float, Expression]], time: float) -> Expression:
    """The expression at `time`, eased between keys (seconds, expression) in order of time."""
    before = keys[0]
    for after in keys:
        if after[0] > time:
            span = after[0] - before[0]
            part = (time - before[0]) / span if span > 0 else 0.0
            eased = part * part * (3 - 2 * part)
            return before[1] * (1 - eased) + after[1] * eased
        before = after
    return before[1]
