"""One pass over a file: packets in, sound and the frames that are shown at the times asked for out, in stream order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from fv2es.media import rules
from fv2es.media.pictures import Upright
from fv2es.media.rules import MediaError, check_size
from fv2es.media.sound import Clock, SoundTrack
from fv2es.media.sparing import Asked, Sparing
from fv2es.schema import Frame, Sound

if TYPE_CHECKING:
    import av

    from fv2es.media.plain import PlainMedia


PADDING = 0.1  # seconds


class Pass:
    """The state of one pass: what was asked for, how far each stream has come, the last frame seen."""

    def __init__(
        self, media: PlainMedia, frame_times: Iterable[float], start: float, end: float, sound: SoundTrack | None
    ) -> None:
        self.media, self.start, self.end = media, start, end
        self.asked = Asked(time for time in (frame_times if media.has_video else ()) if time >= start)
        self.sound = sound
        self.video_clock = Clock()
        self.sparing = Sparing(media.video, self._may_be_asked_for) if media.video is not None else None
        self.upright = Upright()
        self.now = 0.0  # when the last picture was shown
        self.last: av.VideoFrame | None = None  # the last that was decoded
        self.pixels: np.ndarray | None = None  # of that one, once it has been asked for
        self.frames = 0
        self.began = inf
        self.sees_on = self.asked.next < end

    def run(self) -> Iterator[Sound | Frame]:
        import av

        media, failures, decoded, left_out = self.media, 0, 0, False
        limited = self.end == media.limits.max_seconds < inf
        try:
            for packet in _packets(media, self._streams(), self.start):
                if media.decoding > media.limits.decode_seconds:
                    media.note(rules.TOO_SLOW_TAIL)
                    break
                if not (self.hears_on if packet.stream.type == "audio" else self.sees_on):
                    left_out = left_out or self._lies_behind(packet)
                    if not (self.hears_on or self.sees_on) and (left_out or not limited):
                        break
                    continue
                try:
                    frames = self._decode(packet)
                except av.error.FFmpegError as error:
                    failures += 1
                    if isinstance(error, MemoryError):
                        raise
                    continue
                for frame in frames:
                    decoded += 1
                    yield from self._take(frame)
        except MemoryError as error:
            if not decoded:
                raise MediaError(rules.TOO_BIG) from error
            media.note(rules.TOO_BIG_TAIL)
            failures = 0
        except av.error.FFmpegError:
            failures += 1
        if left_out and limited:
            media.note(f"Only the first {_spoken(self.end)} were read; the rest was skipped.")
        if failures and not decoded and not self.start:
            raise MediaError(rules.NOTHING_DECODED)
        if failures:
            media.note(rules.DAMAGED)
        try:
            yield from self._finish()
        except av.error.FFmpegError:
            media.note(rules.DAMAGED)

    @property
    def hears_on(self) -> bool:
        return self.sound is not None and not self.sound.done

    def _streams(self) -> list[av.stream.Stream]:
        audio = self.media.audio if self.sound else None
        video = self.media.video if self.sees_on else None
        return [stream for stream in (audio, video) if stream is not None]

    def _lies_behind(self, packet: av.Packet) -> bool:
        """Is it of what comes after the end, and more than the padding of an encoder?"""
        if packet.pts is None or packet.time_base is None:
            return False
        return float(packet.pts * packet.time_base) - self.media.origin > self.end + PADDING

    def _decode(self, packet: av.Packet) -> Sequence[av.AudioFrame | av.VideoFrame]:
        if self.sparing is None or packet.stream.type != "video":
            return packet.decode()  # type: ignore[return-value]
        self.sparing.judge(packet)
        try:
            return packet.decode()  # type: ignore[return-value]
        except Exception:
            self.sparing.give_up()
            raise

    def _take(self, frame: av.AudioFrame | av.VideoFrame) -> Iterator[Sound | Frame]:
        import av

        raw = None if frame.time is None else frame.time - self.media.origin
        if isinstance(frame, av.AudioFrame):
            if self.sound is not None:
                yield from self.sound.push(frame, raw)
                self.media.seconds_read = max(self.media.seconds_read, self.sound.end)
            return
        assert self.sparing is not None
        for stamp in self.sparing.passed(frame):
            if self.sees_on:
                yield from self._see(None, self.video_clock.at(stamp - self.media.origin))
        if self.sees_on:
            yield from self._see(frame, self.video_clock.at(raw))

    def _see(self, frame: av.VideoFrame | None, now: float) -> Iterator[Frame]:
        """The next picture and when it is shown; None where it was passed by, as nobody asks for it."""
        self.frames += 1
        self.began = min(self.began, now)
        limits = self.media.limits
        if self.frames > limits.max_fps * (now - self.began + 2):  # two seconds of grace: time stamps jitter
            raise MediaError(f"This video has more than {limits.max_fps:g} pictures a second, which is too many.")
        if self.frames > limits.max_frames:
            self.media.note("This video has too many pictures, so its last part was heard only.")
            self.sees_on = False
            return
        if frame is not None:
            check_size(frame.width, frame.height, limits)
        while self.asked.next < min(now, self.end):
            source = self.last or frame
            assert source is not None  # the first picture of all is never passed by
            yield self._show(self.asked.pop(), source)
        self.now = now
        if frame is not None:
            self.last, self.pixels = frame, None
        self.media.seconds_read = max(self.media.seconds_read, min(now, self.end))
        self.sees_on = now < self.end and self.asked.next < self.end

    def _show(self, asked: float, source: av.VideoFrame) -> Frame:
        """`source`: the last frame before `asked`; the first of all where there is none before."""
        if self.pixels is None:
            assert self.media.video is not None  # its frames are here
            self.pixels = self.upright(source, self.media.video.sample_aspect_ratio)
        pixels = self.pixels
        if self.last is None:
            self.pixels = None
        return Frame(asked, pixels)

    def _finish(self) -> Iterator[Sound | Frame]:
        if self.sound is not None:
            yield from self.sound.finish()
            self.media.seconds_read = max(self.media.seconds_read, self.sound.end)
        if self.last is not None:
            until = min(self.end, self.now + self.video_clock.step)
            self.media.seconds_read = max(self.media.seconds_read, until)
            while self.asked.next < until:
                yield self._show(self.asked.pop(), self.last)
            self.last = self.pixels = None

    def _may_be_asked_for(self, begin: float, end: float) -> bool:
        """A picture that is shown from one time stamp to another, as far as can be foreseen."""
        shown, gone = (self.video_clock.foresee(stamp - self.media.origin) for stamp in (begin, end))
        return shown is None or gone is None or self.asked.within(shown, gone)


def _packets(media: PlainMedia, streams: list[av.stream.Stream], start: float) -> Iterator[av.Packet]:
    container = media.container
    if container is None:
        raise ValueError("this file was closed")
    if start > 2 or media.seconds_read:  # a second of run-up, as time stamps of the streams differ
        container.seek(int((max(0.0, start - 1) + media.origin) * 1e6), backward=True)
    try:
        yield from container.demux(streams)
    except IndexError:  # PyAV: at the end, after the last of ours, where a stream began in the midst of the file
        pass


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} seconds"
