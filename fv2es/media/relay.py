"""One pass over a file as the parent of the child that makes it sees it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import islice
from math import prod

import numpy as np

from fv2es.media.rules import LONGER_SIDE
from fv2es.media.wire import AHEAD, RING, Message
from fv2es.schema import Frame, Sound

ACKNOWLEDGE = RING // 8  # bytes that are given back at once


class Relay:
    """What the child is to be told, and what it has said, checked: a child may have been taken over by its file."""

    def __init__(self, number: int, times: Iterator[float]) -> None:
        self.number = number
        self.event: Sound | Frame | None = None
        self.over = False
        self.refusal: str | None = None
        self.seconds_read = 0.0
        self._times = times
        self._told = 0  # times that have been sent and not been answered
        self._all_told = False
        self._owed = 0  # bytes to be given back
        self._pixels: np.ndarray | None = None

    def orders(self) -> Iterator[Message]:
        """What should be said before the next wait."""
        if not self._all_told and self._told <= AHEAD // 2:
            batch = list(islice(self._times, AHEAD))
            self._all_told = len(batch) < AHEAD
            self._told += len(batch)
            if batch:
                yield ["times", self.number, batch]
            if self._all_told:
                yield ["times", self.number, []]
        if self._owed >= ACKNOWLEDGE:
            owed, self._owed = self._owed, 0
            yield ["free", owed]

    def take(self, message: Message, memory: mmap.mmap) -> None:
        """Raises ValueError or TypeError for what a child that is itself would not say."""
        word, number, *rest = message
        if number != self.number:
            raise ValueError(f"pass {self.number}, not {number}")
        if word == "refused":
            self.over, self.refusal = True, str(rest[0])[:300]
            return
        self.seconds_read = float(rest.pop(0))
        if word == "done":
            self.over = True
        elif word == "again":
            self._answer(float(rest[0]))
        elif word == "frame":
            begin, cost, time, height, width = rest
            if not (0 < height <= LONGER_SIDE and 0 < width <= LONGER_SIDE):
                raise ValueError(f"a frame of {width}×{height}")
            self._pixels = self._array(memory, np.uint8, begin, cost, (height, width, 3))
            self._answer(float(time))
        elif word == "sound":
            begin, cost, time, rate, *shape = rest
            samples = self._array(memory, np.float32, begin, cost, shape)
            self.event = Sound(float(time), samples, int(rate))
        else:
            raise ValueError(f"unknown word {word!r}")

    def _answer(self, time: float) -> None:
        if self._pixels is None:
            raise ValueError("no frame before")
        self._told -= 1
        self.event = Frame(time, self._pixels)

    def _array(self, memory: mmap.mmap, kind: type, begin: int, cost: int, shape: tuple[int, ...] | list[int]):  # type: ignore[no-untyped-def]
        """A copy, so that the child may use the place again."""
        count = prod(shape)
        end = begin + count * np.dtype(kind).itemsize
        if begin < 0 or min(shape) <= 0 or end > len(memory):
            raise ValueError(f"{count} values at {begin}")
        self._owed += int(cost)
        return np.frombuffer(memory, kind, count, begin).reshape(shape).copy()
