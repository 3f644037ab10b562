"""A scene acted out: its sound, when each line is said, and everybody's expression at every frame."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import voice
from expression import FACES, REST, Expression, blend
from scenes import Line, Scene

Array = np.ndarray
FPS = 20
TAIL = 0.9  # seconds without speech at the end
EASE = 0.45  # seconds in which the face changes before a line begins
WALK, WAIT = 1.2, 0.4  # seconds that it takes to leave or to come back, and from then to the line
BESIDE = Expression(aside=4.0)  # out of the picture


@dataclass(frozen=True)
class Cue:
    """A line and when it is heard, in seconds."""

    line: Line
    start: float
    end: float


@dataclass(frozen=True)
class Performance:
    """sound: (n,) float32 at voice.RATE."""

    scene: Scene
    sound: Array
    cues: tuple[Cue, ...]

    @property
    def frames(self) -> int:
        return int(len(self.sound) / voice.RATE * FPS)

    def expressions(self) -> Iterator[tuple[Expression, ...]]:
        """For each frame everybody's, from left to right."""
        return zip(*map(self._acted, range(len(self.scene.cast))), strict=True)

    def _acted(self, player: int) -> Iterator[Expression]:
        """One per frame: the line's emotion, the mouth that speaks, blinks and small movements of the head."""
        cues, seed = [cue for cue in self.cues if cue.line.speaker == player], self.scene.seed + player
        keys, places, blinks = _keys(cues), _places(cues), _blinks(seed, self.frames / FPS)
        opened, bright = voice.openness(self.sound, FPS, self.frames)
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 8)
        for number in range(self.frames):
            time = number / FPS
            mouth, spread = float(opened[number]) * (self._speaker(time) == player), float(bright[number])
            speech = Expression(
                jaw_open=0.55 * mouth,
                lip_stretch=0.5 * mouth * max(spread - 0.5, 0),
                lip_round=0.9 * mouth * max(0.5 - spread, 0),
                brow_raise=0.12 * mouth,
                pitch=-0.03 * mouth,
                shift_y=-0.008 * mouth,
            )
            blink = max((float(np.exp(-(((time - at) / 0.075) ** 2))) for at in blinks), default=0.0)
            yield blend(keys, time) + speech + _sway(time, phase) + Expression(blink=1.15 * blink) + blend(places, time)

    def _speaker(self, time: float) -> int:
        """Who spoke last, or will be the first."""
        return self.cues[max(bisect([cue.start for cue in self.cues], time) - 1, 0)].line.speaker


def perform(scene: Scene) -> Performance:
    """Let the lines be spoken, with pauses, in one room."""
    parts, cues, time = [_silence(scene.lead)], [], scene.lead
    for line in scene.lines:
        spoken = voice.say(line.text, scene.cast[line.speaker].voice, voice.TONES[line.emotion])
        seconds = len(spoken) / voice.RATE
        parts += [spoken, _silence(line.pause)]
        cues.append(Cue(line, time, time + seconds))
        time += seconds + len(parts[-1]) / voice.RATE
    parts[-1] = _silence(TAIL)
    sound = voice.room(np.concatenate(parts), np.random.default_rng(scene.seed))
    return Performance(scene, sound, tuple(cues))


def subtitles(cues: tuple[Cue, ...]) -> str:
    """The cues as SubRip text."""
    return "\n".join(
        f"{number}\n{_stamp(cue.start)} --> {_stamp(cue.end)}\n{cue.line.text}\n" for number, cue in enumerate(cues, 1)
    )


def _stamp(seconds: float) -> str:
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{thousandths // 1000:02},{thousandths % 1000:03}"


def _silence(seconds: float) -> Array:
    return np.zeros(int(seconds * voice.RATE), np.float32)


def _keys(cues: list[Cue]) -> list[tuple[float, Expression]]:
    """At rest, then each line's face: it comes before the first word, peaks within the line and fades a little."""
    keys = [(0.0, REST)]
    for cue in cues:
        face = FACES[cue.line.emotion]
        middle = (cue.start + cue.end) / 2
        keys += [(max(cue.start - EASE, keys[-1][0]), keys[-1][1])]
        keys += [(cue.start, face * 0.9), (middle, face), (cue.end, face * 0.85), (cue.end + 0.35, face * 0.75)]
    return keys


def _places(cues: list[Cue]) -> list[tuple[float, Expression]]:
    """In the picture, or out of it from before a line that is said there until before one that is not."""
    keys = [(0.0, REST)]
    for cue in cues:
        there = cue.start - WAIT
        keys += [(there - WALK, keys[-1][1]), (there, BESIDE if cue.line.beside else REST)]
    return keys


def _blinks(seed: int, seconds: float) -> list[float]:
    """When the eyes are shut: every two to four seconds."""
    gaps = np.random.default_rng([seed, 1]).uniform(2.0, 4.0, int(seconds))
    return [float(time) for time in np.cumsum(gaps) - 0.9 if time < seconds]


def _sway(time: float, phase: Array) -> Expression:
    """Nobody keeps quite still."""
    wave = np.sin(time * np.array([0.9, 1.3, 0.7, 1.7, 1.1, 2.3, 0.6, 3.1]) + phase)
    return Expression(
        yaw=0.07 * wave[0] + 0.02 * wave[3],
        pitch=0.03 * wave[1] + 0.01 * wave[5],
        roll=0.025 * wave[2] + 0.006 * wave[7],
        shift_x=0.03 * wave[6],
        shift_y=0.012 * wave[4],
        gaze_x=-0.012 * wave[0],
    )
