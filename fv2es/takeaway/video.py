"""The clip once more, with bars and words drawn beside the picture and its sound kept.

One pass from the file to the file: a few pictures are held at a time, however long the clip is.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from fv2es.atomic import part_of
from fv2es.emotions import COLOURS, NEUTRAL
from fv2es.limits import Limits
from fv2es.media import Media, MediaError, open_media
from fv2es.schema import Frame, Sound
from fv2es.takeaway.layout import Layout, arrange
from fv2es.takeaway.mp4 import RATE, Mp4
from fv2es.takeaway.panel import BACKGROUND, TEXT, TRACK, Colour, Panel, Place, faded, rgb

FPS = Fraction(25)  # where the file does not say; sound alone
LEAST_FPS, MOST_FPS, MOST_CLAIMED = 10, 31, 1000
PICTURE_SECONDS = 3.0  # how long a still picture is shown
REPORT = 0.5  # seconds of the clip from one word of progress to the next
CARD = (960, 540)  # pixels: what is shown of a sound alone
WAVE_SECONDS, WAVE_STEPS = 6.0, 96  # of sound that its card shows, and in how many bars
TOO_LONG = "Drawing the video took too long, so it was given up; a shorter clip will work."
NOTHING = "There is neither a picture nor a sound in this clip that could be drawn."


def annotate(
    clip: str | os.PathLike[str],
    document: Mapping[str, Any],
    target: str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
) -> Generator[float, None, None]:
    """Write the annotated MP4 to `target`, and say from time to time which share is done, 1.0 at last.

    document: the JSON of the clip's result. `target` is there when the iterator has ended, whole, unless `cancel` was
    set or the iterator was closed before. Raises MediaError with a sentence for a person, and writes nothing then.
    """
    limits = limits or Limits.unlimited()
    target, cancel = Path(target).resolve(), cancel or threading.Event()
    part = part_of(target)
    try:
        yield from _annotate(clip, document, part, limits, cancel)
        if not cancel.is_set():
            part.replace(target)
            yield 1.0
    finally:
        part.unlink(missing_ok=True)


def _annotate(
    clip: str | os.PathLike[str], document: Mapping[str, Any], part: Path, limits: Limits, cancel: threading.Event
) -> Iterator[float]:
    began, reported = time.monotonic(), 0.0
    limits = replace(limits, decode_seconds=limits.job_seconds)  # which here has encoding in it
    first = _first_picture(clip, limits)
    with ExitStack() as stack:
        media = stack.enter_context(open_media(clip, limits))
        fps = FPS if first is None else frame_rate(media.fps)
        height, width = (CARD[1], CARD[0]) if first is None else first.shape[:2]
        scene = Scene(arrange(width, height), document, media.duration)
        file = stack.enter_context(Mp4(part, scene.layout.width, scene.layout.height, fps, media.has_audio))
        now = -1.0
        for number, pixels in enumerate(_pictures(media, file, fps, first, scene.colour_at)):
            if cancel.is_set():
                return
            if time.monotonic() - began > limits.job_seconds:
                break
            now = float(number / fps)
            file.picture(scene.at(now, pixels))
            if now >= reported + REPORT:
                reported = now
                yield min(0.99, now / scene.duration) if scene.duration else 0.0
        if time.monotonic() - began > limits.job_seconds:  # decoding may have been given up for the same reason
            raise MediaError(TOO_LONG)
        if now < 0:
            raise MediaError(NOTHING)


def _first_picture(clip: str | os.PathLike[str], limits: Limits) -> np.ndarray | None:
    """Upright, as all others will be; None where there is nothing to see."""
    with open_media(clip, limits) as media:
        if not media.has_video:
            return None
        events = media.read([0.0], sound=False)
        return next((event.pixels for event in events if isinstance(event, Frame)), None)


def frame_rate(claimed: float | None) -> Fraction:
    """The header's word where it is sensible; half of it where that is still smooth, for drawing takes its time."""
    if claimed is None or claimed > MOST_CLAIMED:
        return FPS
    rate = claimed
    while rate > MOST_FPS:
        rate /= 2
    return Fraction(max(rate, LEAST_FPS)).limit_denominator(1001)


def _pictures(
    media: Media, file: Mp4, fps: Fraction, first: np.ndarray | None, colour_at: Callable[[float], Colour]
) -> Iterator[np.ndarray]:
    """So many pictures a second, from the beginning to the end; the sound goes into the file on the way.

    first: None where there are no pictures; the sound is drawn then.
    """
    asked = (
        () if first is None else (float((number + 0.5) / fps) for number in count())
    )  # the middle: stamps are rounded
    wave, heard, number = Wave(), 0.0, 0
    for event in media.read(asked, rate=RATE, channels=2):
        if isinstance(event, Frame):
            first = event.pixels
            number += 1
            yield first
            continue
        file.sound(event.samples)
        heard = event.end
        wave.add(event)
        while first is None and number / fps < heard:
            yield wave.draw(float(number / fps), colour_at)
            number += 1
    end = PICTURE_SECONDS if media.is_picture else heard
    while first is not None and (number + 0.5) / fps < end:  # the sound goes on after the last picture
        yield first
        number += 1


class Scene:
    """The whole picture at any time of the clip. `at` is asked with times that increase."""

    def __init__(self, layout: Layout, document: Mapping[str, Any], claimed: float | None) -> None:
        self.layout = layout
        self.duration = document["duration"] or claimed
        self._utterances = document["utterances"]
        self._starts = [one["start"] for one in self._utterances]
        self._panel = Panel((layout.panel.width, layout.panel.height), document["thresholds"], document["model"])
        self._canvas = np.full((layout.height, layout.width, 3), rgb(BACKGROUND), np.uint8)
        self._state: tuple[int, bool] | None = None
        self._pixels: np.ndarray | None = None
        self._strip = self._timeline()

    def at(self, now: float, pixels: np.ndarray) -> np.ndarray:
        """(height, width, 3) uint8, to be used before the next call."""
        if pixels is not self._pixels:
            _put(self._canvas, self.layout.picture, fit(pixels, self.layout.picture))
            self._pixels = pixels
        place, over = state = self._place(now)
        if state != self._state:
            panel = self._panel.draw(place + 1, self._utterances[place] if place >= 0 else None)
            _put(self._canvas, self.layout.panel, faded(panel) if over else panel)
            self._state = state
        self._draw_strip(now)
        return self._canvas

    def colour_at(self, now: float) -> Colour:
        """Of the strongest active emotion; a quiet one where nobody speaks."""
        place, over = self._place(now)
        return rgb(TRACK) if place < 0 or over else strongest(self._utterances[place])

    def _place(self, now: float) -> tuple[int, bool]:
        """Which utterance began last (-1: none yet), and whether it is over."""
        place = bisect_right(self._starts, now) - 1
        return place, place >= 0 and now >= self._utterances[place]["end"]

    def _timeline(self) -> np.ndarray:
        """(height, width, 3): the clip from left to right, each utterance in the colour of its emotion."""
        place = self.layout.strip
        strip = np.full((place.height, place.width, 3), rgb(TRACK), np.uint8)
        whole = self.duration or max((one["end"] for one in self._utterances), default=1.0)
        for one in self._utterances:
            left, right = (round(place.width * min(1.0, one[key] / whole)) for key in ("start", "end"))
            strip[:, left : max(left + 1, right - 1)] = strongest(one)
        return strip

    def _draw_strip(self, now: float) -> None:
        """What has not been played yet is pale; a white line stands between."""
        place = self.layout.strip
        here = round(place.width * min(1.0, now / self.duration)) if self.duration else 0
        strip = self._strip.copy()
        strip[:, here:] = faded(strip[:, here:])
        strip[:, max(0, here - 1) : here + 2] = rgb(TEXT)
        _put(self._canvas, place, strip)


class Wave:
    """What is shown of a sound alone: how loud the last seconds were, in the colours of what was expressed."""

    def __init__(self) -> None:
        self._step = WAVE_SECONDS / WAVE_STEPS
        self._levels: deque[tuple[float, float]] = deque(maxlen=2 * WAVE_STEPS)  # time, 0–1
        self._rest = np.zeros(0, np.float32)
        self._time = 0.0

    def add(self, block: Sound) -> None:
        samples = np.concatenate([self._rest, np.abs(block.samples).mean(axis=1)])
        length = round(self._step * block.rate)
        while len(samples) >= length:
            level = float(np.sqrt(np.mean(samples[:length] ** 2)))
            self._levels.append((self._time, min(1.0, level**0.5 * 1.6)))  # the ear's scale is not linear
            self._time += self._step
            samples = samples[length:]
        self._rest = samples

    def draw(self, now: float, colour_at: Callable[[float], Colour]) -> np.ndarray:
        width, height = CARD
        card = np.full((height, width, 3), rgb(BACKGROUND), np.uint8)
        pitch = width / (WAVE_STEPS + 8)
        for began, level in self._levels:
            right = width - 4 * pitch - (now - began) * pitch / self._step
            if not pitch <= right <= width - 2 * pitch:
                continue
            half = max(2, round(level * 0.36 * height))
            card[height // 2 - half : height // 2 + half, round(right - 0.62 * pitch) : round(right)] = colour_at(began)
        return card


def strongest(utterance: Mapping[str, Any]) -> Colour:
    """The colour of the active emotion with the highest probability; that of neutral where none is."""
    values = utterance["probabilities"]
    return rgb(COLOURS[max(utterance["active"], key=lambda name: values[name], default=NEUTRAL)])


def fit(pixels: np.ndarray, place: Place) -> np.ndarray:
    """(place.height, place.width, 3): the picture as large as it fits, in its own proportions, on the background.

    Only a clip that changes its form midway leaves a border of more than a pixel or two; those are cut off instead.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if (width, height) == (place.width, place.height):
        return pixels
    scale = min(place.width / width, place.height / height)
    size = [round(width * scale), round(height * scale)]
    size = [whole if whole - 4 <= one else one for one, whole in zip(size, (place.width, place.height), strict=True)]
    scaled = np.asarray(Image.fromarray(pixels).resize((max(1, size[0]), max(1, size[1])), Image.Resampling.BILINEAR))
    if scaled.shape[:2] == (place.height, place.width):
        return scaled
    whole = np.full((place.height, place.width, 3), rgb(BACKGROUND), np.uint8)
    top, left = (place.height - scaled.shape[0]) // 2, (place.width - scaled.shape[1]) // 2
    whole[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return whole


def _put(canvas: np.ndarray, place: Place, pixels: np.ndarray) -> None:
    canvas[place.top : place.top + place.height, place.left : place.left + place.width] = pixels
