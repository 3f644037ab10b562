"""Pictures that nobody asked for and no other picture needs are not decoded. What is shown stays the same, bit for bit.

In H.264, HEVC and MPEG many pictures (most B-pictures) are referred to by no other and say so; a decoder that is told
before their packet (`skip_frame`) passes them by. Told so it is only where no time that was asked for lies between the
picture and a later one: of those whose packets have come the next, so that the picture's true successor, which may
still come, is no later. Whatever is not quite regular ends the sparing for good, and all is decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

KINDS = ("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video")
NEAR = 32  # times that are looked at ahead; fewer than a child is told ahead (`wire.AHEAD`)
REORDERED = 64  # pictures whose packets have come while they have not: with more, something is odd


class Asked:
    """Increasing times, and a look ahead at the next of them."""

    def __init__(self, times: Iterator[float]) -> None:
        self._times = times
        self._near = deque([next(times, inf)])

    @property
    def next(self) -> float:
        """Infinity where there are no more."""
        return self._near[0]

    def pop(self) -> float:
        if len(self._near) == 1:
            self._near.append(next(self._times, inf))
        return self._near.popleft()

    def within(self, begin: float, end: float) -> bool:
        """Is there one in [begin, end)? Also where so many lie before `end` that it cannot be said."""
        while self._near[-1] < end:
            if len(self._near) >= NEAR:
                return True
            self._near.append(next(self._times, inf))
        return any(begin <= time < end for time in self._near)


class Sparing:
    """Which pictures of one stream are passed by; one for each pass."""

    def __init__(self, stream: av.VideoStream, asked: Callable[[float, float], bool]) -> None:
        """asked: may a picture be asked for that is shown from one time stamp (seconds) to another?"""
        self._context = stream.codec_context
        self._context.skip_frame = "DEFAULT"
        self._asked = asked
        self._able = self._context.name in KINDS and _one_layer(self._context)
        self._base = stream.time_base or Fraction(1)
        self._waiting: dict[int, bool] = {}  # time stamp of a picture that has not come out: may it be passed by?
        self._last: float = -inf  # time stamp of the picture that came out last; none yet: -inf

    def judge(self, packet: av.Packet) -> None:
        """Say to the decoder how the next packet is to be taken."""
        spare = self._able and packet.size > 0 and not packet.is_discard and self._judge(packet)
        self._context.skip_frame = "NONREF" if spare else "DEFAULT"

    def passed(self, frame: av.VideoFrame) -> list[float]:
        """Time stamps, in seconds, of the pictures before `frame` that were passed by. Call it with every frame."""
        if frame.pts is None:
            self.give_up()
            return []
        if self._able:
            regular = frame.pts in self._waiting and not (frame.interlaced_frame or frame.is_corrupt)
            self._able = regular and all(spared for one, spared in self._waiting.items() if one < frame.pts)
        self._waiting.pop(frame.pts, None)
        before = sorted(one for one in self._waiting if one < frame.pts)
        self._last = max(self._last, frame.pts)
        return [self._seconds(one) for one in before if self._waiting.pop(one)]

    def give_up(self) -> None:
        """From now on everything is decoded."""
        self._able = False

    def _judge(self, packet: av.Packet) -> bool:
        stamp = packet.pts
        odd = packet.is_corrupt or packet.time_base != self._base or len(self._waiting) >= REORDERED
        if odd or stamp is None or stamp <= self._last or stamp in self._waiting:
            self.give_up()
            return False
        later = min((one for one in self._waiting if one > stamp), default=None)
        # The first picture has to come out, as it stands for all times before it.
        spare = later is not None and self._last > -inf and not self._asked(self._seconds(stamp), self._seconds(later))
        self._waiting[stamp] = spare
        return spare

    def _seconds(self, stamp: int) -> float:
        """As PyAV reckons a frame's `time`, to the last bit."""
        return float(stamp) * float(self._base.numerator) / float(self._base.denominator)


def _one_layer(context: av.VideoCodecContext) -> bool:
    """HEVC: pictures that none of their own temporal layer refers to may be referred to by those of a higher one."""
    if context.name != "hevc":
        return True
    record = context.extradata or b""  # ISO/IEC 14496-15, 8.3.3.1: numTemporalLayers, 0 where it is not known
    return len(record) > 22 and record[0] == 1 and record[21] >> 3 & 7 == 1
