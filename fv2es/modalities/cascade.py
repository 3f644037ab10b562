"""MTCNN's cascade (Zhang et al. 2016, arXiv 1604.02878) over its three networks (`mtcnn`).

The boxes are those that facenet-pytorch's `MTCNN.detect` finds; the way there is shorter. Several pictures go
through each network together; every area mean that a network is shown (seven scales of each picture, and some tens of
candidates) comes from one table of sums instead of a pass of its own over the pixels; what the networks are shown
lies in memory as they read it; and where it is known about where a face is, the rest is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fv2es.modalities.mtcnn import Network
from fv2es.schema import Box
from fv2es.stopping import check
from fv2es.threads import one_thread

FACTOR = 0.709  # from one scale of the pyramid to the next: half the area
WINDOW, STRIDE = 12, 2  # pixels, of the first network
SIDES = (24, 48)  # pixels of a candidate, as the second and the third network see it
SURE = (0.6, 0.7, 0.7)  # probabilities from which on a candidate passes each network
SAME_SCALE, SAME, NESTED = 0.5, 0.7, 0.7  # overlaps from which on the less sure of two candidates goes
REACH = 1.0  # face's sides around a face within which it is looked for again …
SIZES = (0.34, 3.0)  # … in windows of these sizes against its own
AT_ONCE = 512  # candidates that are compared with all others together
PIXELS = 48_000  # that a network is shown together; what more of them need at once costs more to get than it saves


@dataclass(frozen=True, eq=False)
class _Candidates:
    """boxes (K, 4) left, top, right, bottom; scores (K,); owners (K,): which picture each belongs to."""

    boxes: Tensor
    scores: Tensor
    owners: Tensor

    def __getitem__(self, chosen: Tensor) -> _Candidates:
        return _Candidates(self.boxes[chosen], self.scores[chosen], self.owners[chosen])

    def best(self, overlap: float) -> Tensor:
        """Places of those that overlap with no surer one of their picture."""
        return _surest(self.boxes, self.scores, self.owners, overlap)


class Cascade:
    """The three networks, on the processor. Not for two threads at once. Can be stopped before any of their calls."""

    def __init__(self) -> None:
        self._networks = tuple(Network(name) for name in ("pnet", "rnet", "onet"))

    def detect(self, pictures: np.ndarray, smallest: float, near: Box | None = None) -> list[np.ndarray]:
        """(N, h, w, 3) uint8 → N arrays (F, 5) float32: left, top, right, bottom, confidence; surest first.

        smallest: side of the smallest face that is looked for, pixels, at least WINDOW. near: left, top, right, bottom
        of a face in another picture; only faces of about its place and size are found then.
        """
        with torch.inference_mode(), one_thread():
            return self._detect(pictures, smallest, near)

    def _detect(self, pictures: np.ndarray, smallest: float, near: Box | None) -> list[np.ndarray]:
        scales = list(_scales(min(pictures.shape[1:3]), smallest))
        if near is not None:
            smaller, larger = (times * _side(near) for times in SIZES)
            scales = [scale for scale in scales if smaller <= WINDOW / scale <= larger]
        sums = _Sums(pictures, near and _around(near))
        found = self._propose(sums, scales)
        for network, side, sure in zip(self._networks[1:], SIDES, SURE[1:], strict=True):
            if not len(found.scores):
                break
            refined, shifts = self._refine(network, found, sums, side, sure)
            if side == SIDES[0]:
                best = refined.best(SAME)
                refined, shifts = refined[best], shifts[best]
            found = _shifted(refined, shifts)
        return [_without_nested(found, number) for number in range(len(pictures))]

    def _propose(self, sums: _Sums, scales: Sequence[float]) -> _Candidates:
        """What the first network sees on every scale."""
        parts = [self._propose_at(scale, sums) for scale in scales]
        if not parts:
            return _Candidates(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
        values = torch.cat([part for part, _ in parts])
        whole = _Candidates(values[:, :4], values[:, 4], torch.cat([owners for _, owners in parts]))
        best = whole.best(SAME)
        found, shifts = whole[best], values[best, 5:]
        width, height = (found.boxes[:, 2:] - found.boxes[:, :2]).unbind(1)
        return _Candidates(
            found.boxes + shifts * torch.stack([width, height, width, height], 1), found.scores, found.owners
        )

    def _propose_at(self, scale: float, sums: _Sums) -> tuple[Tensor, Tensor]:
        """(K, 9) boxes, scores and shifts, and their owners (K,)."""
        shown, corner = sums.scaled(int(sums.height * scale + 1), int(sums.width * scale + 1))
        if min(shown.shape[1:3]) < WINDOW:
            return torch.zeros(0, 9), torch.zeros(0, dtype=torch.long)
        probabilities, shifts = _asked(self._networks[0], shown)
        owners, rows, columns = (probabilities >= SURE[0]).nonzero(as_tuple=True)
        first = torch.stack([columns, rows], 1).float() * STRIDE + torch.tensor(corner)
        corners = torch.cat([((first + 1) / scale).floor(), ((first + WINDOW) / scale).floor()], 1)
        scores = probabilities[owners, rows, columns]
        best = _surest(corners, scores, owners, SAME_SCALE)
        values = torch.cat([corners, scores[:, None], shifts[owners, rows, columns]], 1)
        return values[best], owners[best]

    @staticmethod
    def _refine(
        network: Network, found: _Candidates, sums: _Sums, side: int, sure: float
    ) -> tuple[_Candidates, Tensor]:
        """Those of which the network is sure, made square, and how far (K, 4) it would move their edges."""
        square = _squared(found.boxes)
        crops, inside = sums.crops(square.numpy(), found.owners.numpy(), side)
        square, owners = square[inside], found.owners[inside]
        scores, shifts = _asked(network, crops)
        passed = scores > sure
        return _Candidates(square[passed], scores[passed], owners[passed]), shifts[passed]


def _side(box: Sequence[float]) -> float:
    return (box[2] - box[0] + box[3] - box[1]) / 2


def _around(box: Sequence[float]) -> list[float]:
    reach = REACH * _side(box)
    return [box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach]


def _scales(shorter: int, smallest: float) -> Iterator[float]:
    scale = WINDOW / smallest
    while shorter * scale >= WINDOW:
        yield scale
        scale *= FACTOR


def _asked(network: Network, shown: np.ndarray) -> tuple[Tensor, Tensor]:
    """What it says of pictures (K, h, w, 3), some at a time."""
    parts = torch.from_numpy(shown).permute(0, 3, 1, 2).split(max(1, PIXELS // (shown.shape[1] * shown.shape[2])))
    answers = []
    for part in parts:
        check()
        answers.append(network(part))
    probabilities, shifts = (torch.cat(said) for said in zip(*answers, strict=True))
    return probabilities, shifts


def _surest(boxes: Tensor, scores: Tensor, owners: Tensor, overlap: float) -> Tensor:
    """Places of the boxes (K, 4) that share no more than `overlap` (intersection over union) with any surer one of the
    same owner that is kept; surest first."""
    order = scores.argsort(descending=True, stable=True)
    left, top, right, bottom = boxes[order].numpy().T
    owner, area = owners[order].numpy(), (right - left) * (bottom - top)
    kept = np.ones(len(area), bool)
    for first in range(0, len(area), AT_ONCE):
        some, others = (slice(first, first + AT_ONCE), None), slice(first, None)
        wide = np.minimum(right[some], right[others]) - np.maximum(left[some], left[others])
        high = np.minimum(bottom[some], bottom[others]) - np.maximum(top[some], top[others])
        both = np.where((wide > 0) & (high > 0), wide * high, 0)
        same = (both > overlap * (area[some] + area[others] - both)) & (owner[some] == owner[others])
        for row, alike in enumerate(same, start=first):
            if kept[row]:
                kept[row + 1 :] &= ~alike[row - first + 1 :]
    return order[torch.from_numpy(kept)]


def _squared(boxes: Tensor) -> Tensor:
    """The squares as large as the longer sides, around the same centres."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    longer = sizes.max(1, keepdim=True).values
    corner = boxes[:, :2] + sizes * 0.5 - longer * 0.5
    return torch.cat([corner, corner + longer], 1)


def _shifted(found: _Candidates, shifts: Tensor) -> _Candidates:
    """With their edges moved; sizes count both edge pixels, as in the original."""
    sizes = found.boxes[:, 2:] - found.boxes[:, :2] + 1
    return _Candidates(found.boxes + shifts * torch.cat([sizes, sizes], 1), found.scores, found.owners)


def _without_nested(found: _Candidates, owner: int) -> np.ndarray:
    """One picture's (F, 5), surest first, without those that a surer one covers by NESTED of the smaller's area."""
    own = found[found.owners == owner]
    order = own.scores.argsort(descending=True)
    rows = torch.cat([own.boxes[order], own.scores[order, None]], 1).numpy()
    kept: list[np.ndarray] = []
    for row in rows:
        if all(_covered(row, other) <= NESTED for other in kept):
            kept.append(row)
    return np.array(kept, np.float32).reshape(-1, 5)


def _covered(one: np.ndarray, other: np.ndarray) -> float:
    """The share of the smaller of two boxes that lies in the larger; sizes count both edge pixels."""
    sizes = np.minimum(one[2:4], other[2:4]) - np.maximum(one[:2], other[:2]) + 1
    smaller = min(np.prod(box[2:4] - box[:2] + 1) for box in (one, other))
    return float(np.prod(sizes.clip(min=0)) / smaller)


class _Sums:
    """(N, h, w, 3) uint8 pictures as a table of sums, from which the mean of any rectangle is four look-ups.

    part: left, top, right, bottom outside which nothing is looked at.
    """

    def __init__(self, pictures: np.ndarray, part: Sequence[float] | None = None) -> None:
        count, self.height, self.width, channels = pictures.shape
        if self.height * self.width * 255 >= 2**31:
            raise ValueError(f"needs pictures of less than 8.4 million pixels, got {self.height}×{self.width}")
        edges = np.round(part or (0, 0, self.width, self.height)).astype(int)
        self._left, self._right = edges[::2].clip(0, self.width).tolist()
        self._top, self._bottom = edges[1::2].clip(0, self.height).tolist()
        seen = pictures[:, self._top : self._bottom, self._left : self._right]
        self._table = np.zeros((count, seen.shape[1] + 1, seen.shape[2] + 1, channels), np.int32)
        inside = self._table[:, 1:, 1:]
        inside[...] = seen
        for row in range(1, inside.shape[1]):  # whole rows at a time are twice as fast as `cumsum` on them
            inside[:, row] += inside[:, row - 1]
        along = torch.from_numpy(inside)
        torch.cumsum(along, 2, dtype=torch.int32, out=along)  # a third of NumPy's time

    def scaled(self, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
        """(N, height, width, 3) float32: the means of as many overlapping bins (torch's "area"), of which those that
        are looked at, an even number from an even one on; and which column and row are the first of them."""
        row, top, bottom = _within(self.height, height, self._top, self._bottom)
        column, left, right = _within(self.width, width, self._left, self._right)
        areas = ((bottom - top)[:, None] * (right - left))[..., None]
        strips = self._table.take(bottom, axis=1)
        strips -= self._table.take(top, axis=1)
        sums = strips.take(right, axis=2)
        sums -= strips.take(left, axis=2)
        return np.divide(sums, areas, dtype=np.float32), (column, row)

    def crops(self, boxes: np.ndarray, owners: np.ndarray, side: int) -> tuple[np.ndarray, Tensor]:
        """(K, 4) boxes of pictures `owners` (K,) → (K', side, side, 3) float32 means of the K' that are not wholly
        outside, nor reach from what is looked at to what is not, and (K,) bool which these are."""
        left, top, right, bottom = np.trunc(boxes).astype(np.int64).T
        left, top = left.clip(min=1) - 1, top.clip(min=1) - 1
        right, bottom = right.clip(max=self.width), bottom.clip(max=self.height)
        inside = (right > left) & (bottom > top) & (left >= self._left) & (top >= self._top)
        inside &= (right <= self._right) & (bottom <= self._bottom)
        left, top, right, bottom, owners = (one[inside] for one in (left, top, right, bottom, owners))
        (above, below), (before, behind) = _bins(bottom - top, side), _bins(right - left, side)
        above, below = above + (top - self._top)[:, None], below + (top - self._top)[:, None]
        before, behind = before + (left - self._left)[:, None], behind + (left - self._left)[:, None]
        areas = (below - above)[:, :, None] * (behind - before)[:, None, :]
        _, rows, columns, channels = self._table.shape
        pixels = self._table.reshape(-1, channels)
        lines = [(owners[:, None] * rows + one)[:, :, None] * columns for one in (above, below)]
        upper, lower = (
            pixels.take(line + behind[:, None], axis=0) - pixels.take(line + before[:, None], axis=0) for line in lines
        )
        sums = lower - upper
        return np.divide(sums, areas[..., None], dtype=np.float32), torch.from_numpy(inside)


def _within(length: int, count: int, begin: int, end: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Of `count` bins over `length` pixels those that lie in [begin, end): the first's number, then, counted from
    `begin`, their first and last-but-one pixels. Where some are left out, an even number from an even one on."""
    first, last = _bins(length, count)
    start, stop = int(np.searchsorted(first, begin)), int(np.searchsorted(last, end, side="right"))
    start += start % STRIDE
    if stop < count:
        stop -= (stop - start) % STRIDE
    return start, first[start:stop] - begin, last[start:stop] - begin


def _bins(length: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last-but-one pixel of `count` bins over `length` pixels, (count,), or (K, count) of K lengths."""
    numbers = np.arange(count)
    lengths = np.asarray(length)[..., None]
    return numbers * lengths // count, -(-(numbers + 1) * lengths // count)
