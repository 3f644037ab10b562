"""Time stamps that are not believed, and sound without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from fv2es.media.rules import LONGEST_BLOCK
from fv2es.schema import SAMPLE_RATE, Sound

if TYPE_CHECKING:
    import av

BLOCKS = 4  # of sound that are handed on in a second
JUMP = 60.0  # seconds: time stamps that leap further than this, or back by more than BACK, are not believed
BACK = 1.0
GAP = 0.08  # seconds: sound may come this late or early before silence is put in or sound left out
RATES = range(2_000, 768_001)  # Hz: with others, a few bytes would stand for hours


class Clock:
    """Time stamps → seconds that never leap: where a stamp is missing or absurd, time goes on by one step."""

    def __init__(self) -> None:
        self.step = 0.04
        self._last: float | None = None
        self._shift = 0.0

    def at(self, raw: float | None) -> float:
        if self._last is None:
            if raw is None or not 0 <= raw <= JUMP:
                self._shift = -(raw or 0.0)
            self._last = (raw or 0.0) + self._shift
            return self._last
        now = self._last + self.step if raw is None else raw + self._shift
        if not self._last - BACK <= now <= self._last + JUMP:
            self._shift += self._last + self.step - now
            now = self._last + self.step
        if self._last < now:
            self.step = min(now - self._last, 1.0)
        self._last = max(self._last, now)
        return self._last

    def foresee(self, raw: float) -> float | None:
        """What `at` will say of a later stamp, where all between are regular; None where that cannot be said."""
        if self._last is None or not self._last <= raw + self._shift <= self._last + JUMP:
            return None
        return raw + self._shift


class SoundTrack:
    """Decoded sound → contiguous blocks from `start` on, never past `end`; 16 kHz mono where nothing else is said."""

    def __init__(self, start: float, end: float, rate: int = SAMPLE_RATE, channels: int = 1) -> None:
        self._rate = rate
        self._shape = (-1,) if channels == 1 else (-1, channels)
        self._first = round(start * rate)
        self._stop = inf if end == inf else round(end * rate)
        self._resampler = self._new_resampler()
        self._kind: tuple | None = None
        self._expected: float | None = None  # seconds: where the next decoded frame should begin
        self._skip = 0  # samples to leave out
        self._at = self._first  # sample number that the next sample gets
        self._waiting: list[np.ndarray] = []
        self._held = 0

    @property
    def done(self) -> bool:
        return self._at >= self._stop

    @property
    def end(self) -> float:
        return self._at / self._rate

    def push(self, frame: av.AudioFrame, raw: float | None) -> Iterator[Sound]:
        if frame.sample_rate not in RATES:
            return
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind not in (None, kind):  # the stream changed its form on the way
            self._keep(self._resample(None))
            self._resampler = self._new_resampler()
        self._kind = kind
        self._align(raw)
        if self._expected is not None and frame.sample_rate:
            self._expected += frame.samples / frame.sample_rate
        self._keep(self._resample(frame))
        yield from self._blocks(self._rate // BLOCKS)

    def finish(self) -> Iterator[Sound]:
        if self._kind is not None:
            self._keep(self._resample(None))
        yield from self._blocks(1)

    def _new_resampler(self) -> av.AudioResampler:
        import av

        return av.AudioResampler(format="flt", layout="mono" if self._shape == (-1,) else "stereo", rate=self._rate)

    def _align(self, raw: float | None) -> None:
        """Put in silence where the stream has a gap; note where to drop what comes twice."""
        expected = self._expected if self._expected is not None else self._at / self._rate
        if raw is None:
            raw = expected
        if self._expected is None:  # the first frame, after a seek possibly before the start
            self._skip = max(0, self._first - round(raw * self._rate)) if raw > -JUMP else 0
            late = raw - expected
            self._expected = raw
        else:
            late = raw - expected
            self._expected = raw if abs(late) > GAP else expected
        if GAP < late <= JUMP:
            self._keep(np.zeros((round(late * self._rate), *self._shape[1:]), np.float32))
        elif -BACK < late < -GAP and self._at > self._first:
            self._skip += round(-late * self._rate)

    def _resample(self, frame: av.AudioFrame | None) -> np.ndarray:
        parts = [part.to_ndarray().reshape(self._shape) for part in self._resampler.resample(frame)]
        samples = np.concatenate(parts) if parts else np.zeros((0, *self._shape[1:]), np.float32)
        drop = min(self._skip, len(samples))
        self._skip -= drop
        return samples[drop:]

    def _keep(self, samples: np.ndarray) -> None:
        room = self._stop - self._at
        samples = samples if len(samples) <= room else samples[: int(room)]
        if len(samples):
            self._waiting.append(samples.astype(np.float32, copy=False))
            self._held += len(samples)
            self._at += len(samples)

    def _blocks(self, least: int) -> Iterator[Sound]:
        if self._held >= least or (self._held and self.done):
            samples = np.clip(np.nan_to_num(np.concatenate(self._waiting)), -1, 1)
            begin, step = self._at - len(samples), round(LONGEST_BLOCK * self._rate)
            self._waiting, self._held = [], 0
            for first in range(0, len(samples), step):
                yield Sound((begin + first) / self._rate, samples[first : first + step], self._rate)
