"""Frames → face crops: MTCNN (Zhang et al. 2016) finds faces, a track says which of them is followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from threading import Lock
from typing import Protocol

import numpy as np
from PIL import Image

from fv2es.schema import Box, FaceCrop, Frame
from fv2es.stopping import turn

CROP = 160  # side of a crop, pixels
SPEAKERS = ("largest", "left", "right")

DETECT_SIDE = 360  # pixels: the shorter side of a frame is scaled down to this before faces are looked for
SMALLEST_FACE = 40  # pixels, after scaling down …
SMALLEST_SHARE = 0.2  # … or this share of the shorter side, where that is less
SMALLEST_WINDOW = 12  # pixels: the first network's window; frames are never scaled up to it
SMALLEST_FRAME = 20  # pixels: in less than this nothing is looked for
CONFIDENCE = 0.9
BATCH = 16  # frames that are looked at together

OVERLAP = 0.2  # intersection over union from which on two boxes are the same face
LOST = 2.0  # seconds after which a face that was not seen again is given up
PICTURE_SIDE = 96  # pixels: a picture whose longer side is no more than this is a face already

# From MTCNN's box to a square cut like FER+'s pictures, on which the face networks are trained: 250 of its training
# pictures (majority label) were enlarged to 160×160, surrounded by 60 grey pixels, and detected. Where a face was found
# (225), the picture's side was 1.085 times the mean of the box's width and height (median; middle half 1.00–1.19,
# because FER+ itself is cut that loosely), its centre .01 sides above the box's. With the border repeated instead of
# grey, at 100×100 pixels, and on 608 pictures of the validation part it is 1.085–1.089 and .01; sideways .00–.01, which
# is left out. v2em-compact reads these crops as well as the pictures themselves (.827 and .826 of the 608 right).
ENLARGE = 1.085
RAISE = 0.01


@dataclass(frozen=True)
class Detection:
    """A face: left, top, right, bottom in pixels of the frame (they may lie outside it), confidence 0–1."""

    box: Box
    confidence: float


class Finder(Protocol):
    """What finds faces: for each frame its detections, in any order. near: the box of one that was there a moment ago;
    others need not be found then."""

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]: ...


class FaceFinder:
    """MTCNN on the processor, loaded once; may be shared between threads, which then take turns."""

    def __init__(self) -> None:
        from fv2es.modalities.cascade import Cascade

        self._cascade = Cascade()
        self._lock = Lock()

    def find(self, frames: Sequence[Frame], near: Box | None = None) -> list[list[Detection]]:
        """Faces of each frame, CONFIDENCE or surer; with `near`, those of about its place and size. Frames of the same
        size are looked at together."""
        found: list[list[Detection]] = [[] for _ in frames]
        alike: dict[tuple[int, ...], list[int]] = {}
        for place, frame in enumerate(frames):
            alike.setdefault(frame.pixels.shape, []).append(place)
        for (height, width, _), places in alike.items():
            if min(height, width) < SMALLEST_FRAME:
                continue
            for first in range(0, len(places), BATCH):
                chosen = places[first : first + BATCH]
                small = np.stack([_scaled_down(frames[place].pixels) for place in chosen])
                scale = (width / small.shape[2], height / small.shape[1])
                there = near and _scaled(near, 1 / scale[0], 1 / scale[1])
                for place, faces in zip(chosen, self._detect(small, there), strict=True):
                    found[place] = [Detection(_scaled(one.box, *scale), one.confidence) for one in faces]
        return found

    def _detect(self, pictures: np.ndarray, near: Box | None) -> list[list[Detection]]:
        """(N, h, w, 3) uint8 → N lists of detections in pixels of these pictures, as `near` is."""
        share = SMALLEST_SHARE * min(pictures.shape[1:3])
        with turn(self._lock):
            found = self._cascade.detect(pictures, max(SMALLEST_WINDOW, min(SMALLEST_FACE, share)), near)
        return [list(_believed(one)) for one in found]


def _believed(found: np.ndarray) -> Iterator[Detection]:
    for left, top, right, bottom, confidence in found.astype(float).tolist():
        extent = (right - left) * (bottom - top)
        if confidence >= CONFIDENCE and isfinite(extent) and left < right and top < bottom:
            yield Detection((left, top, right, bottom), confidence)


def _scaled_down(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = DETECT_SIDE / min(height, width)
    if scale >= 1:
        return pixels
    import torch
    from torch.nn.functional import interpolate

    size = (round(height * scale), round(width * scale))
    picture = torch.from_numpy(np.require(pixels, requirements=("C", "W")))[None].permute(0, 3, 1, 2)
    # The same triangle filter in whole numbers as Pillow's BILINEAR, at a third of the time; channels stay last.
    return interpolate(picture, size, mode="bilinear", antialias=True).permute(0, 2, 3, 1)[0].numpy()


def _scaled(box: Box, x: float, y: float) -> Box:
    left, top, right, bottom = box
    return (left * x, top * y, right * x, bottom * y)


class FaceTrack:
    """Which face of a clip is followed; one per clip.

    speaker: the largest face, or the largest whose centre is in the left or right half of the picture (dialogues filmed
    side by side, as FV2ES does for IEMOCAP). From then on the face that overlaps most with the last one is kept, until
    it has not been seen for LOST seconds. Raises ValueError for another word.
    """

    def __init__(self, finder: Finder, speaker: str = "largest") -> None:
        if speaker not in SPEAKERS:
            raise ValueError(f"There is no speaker “{speaker}”; choose {', '.join(SPEAKERS[:-1])} or {SPEAKERS[-1]}.")
        self.finder, self.speaker = finder, speaker
        self._last: tuple[float, Box] | None = None

    def follow(self, frame: Frame) -> FaceCrop | None:
        """The followed face of this frame, or None where it is not seen. Frames may also be earlier than the last."""
        return self.follow_all([frame])[0]

    def follow_all(self, frames: Sequence[Frame]) -> list[FaceCrop | None]:
        """What `follow` gives for one frame after the other. Faces are looked for in all of them together, where the
        last one was, and everywhere in a frame that does not show it there."""
        if not frames:
            return []  # what finds faces may still have to be loaded
        near = self._last[1] if self._last and abs(frames[0].time - self._last[0]) <= LOST else None
        found = self.finder.find(frames, near)
        return [self._follow(frame, faces, near is None) for frame, faces in zip(frames, found, strict=True)]

    def _follow(self, frame: Frame, found: list[Detection], everywhere: bool) -> FaceCrop | None:
        if not (everywhere or self._same(found)):
            (found,) = self.finder.find([frame])
        chosen = self._choose(found, frame)
        if chosen is None:
            return None
        self._last = (frame.time, chosen.box)
        return _cut(frame, chosen)

    def _choose(self, found: list[Detection], frame: Frame) -> Detection | None:
        if self._last is not None:
            seen, box = self._last
            if same := self._same(found):
                return max(same, key=lambda one: overlap(one.box, box))
            if abs(frame.time - seen) <= LOST:
                return None
        middle = frame.pixels.shape[1] / 2
        return max((one for one in found if self._may_be(one, middle)), key=lambda one: _area(one.box), default=None)

    def _same(self, found: list[Detection]) -> list[Detection]:
        """Those that may be the face that was seen last."""
        return [one for one in found if self._last and overlap(one.box, self._last[1]) >= OVERLAP]

    def _may_be(self, one: Detection, middle: float) -> bool:
        if self.speaker == "largest":
            return True
        centre = (one.box[0] + one.box[2]) / 2
        return centre < middle if self.speaker == "left" else centre >= middle


def is_face(frame: Frame) -> bool:
    """Is the picture so small that it is a face which was cut out already?"""
    return max(frame.pixels.shape[:2]) <= PICTURE_SIDE


def face_of_picture(frame: Frame, finder: Finder) -> FaceCrop | None:
    """The face of a single picture: a small picture is one, of a larger one the largest that is found."""
    if is_face(frame):
        return whole_picture(frame)
    return FaceTrack(finder).follow(frame)


def whole_picture(frame: Frame) -> FaceCrop:
    """The picture taken as the face: its middle square, as it is (scaling a 48×48 picture up and down costs 1 %)."""
    height, width = frame.pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return FaceCrop(frame.time, np.ascontiguousarray(frame.pixels[top : top + side, left : left + side]))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0–1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _cut(frame: Frame, one: Detection) -> FaceCrop:
    left, top, right, bottom = one.box
    side = ENLARGE * (right - left + bottom - top) / 2
    pixels = square(frame.pixels, (left + right) / 2, (top + bottom) / 2 - RAISE * side, side)
    return FaceCrop(frame.time, pixels, one.box, one.confidence)


def square(pixels: np.ndarray, x: float, y: float, side: float) -> np.ndarray:
    """(h, w, 3) → (CROP, CROP, 3) uint8: the square of `side` pixels around (x, y), the picture's border repeated
    where it reaches over, every pixel's share counted where it is made smaller."""
    height, width = pixels.shape[:2]
    left, top = x - side / 2, y - side / 2
    first_column, first_row = int(np.floor(left)), int(np.floor(top))
    columns = np.arange(first_column, int(np.ceil(left + side)))
    rows = np.arange(first_row, int(np.ceil(top + side)))
    if first_row >= 0 and first_column >= 0 and rows[-1] < height and columns[-1] < width:
        part = pixels[first_row : rows[-1] + 1, first_column : columns[-1] + 1]
    else:
        part = pixels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    corner = (left - first_column, top - first_row)
    box = (*corner, min(corner[0] + side, len(columns)), min(corner[1] + side, len(rows)))
    resized = Image.fromarray(part).resize((CROP, CROP), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.array(resized)
