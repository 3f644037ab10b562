"""Decoding in this very process: what the child runs. Strangers' files are opened by `fv2es.media.open_media` instead.

Nothing is believed that a header says, nothing is held but what is used, and nothing is written to disk. A file may
only open itself: what its content asks to be opened (playlists, network descriptions) is refused by whitelists.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from fv2es.limits import Limits
from fv2es.media import rules
from fv2es.media.pictures import open_picture, upright
from fv2es.media.rules import MediaError, check_file, check_size
from fv2es.media.sound import Clock, SoundTrack
from fv2es.schema import SAMPLE_RATE, Frame, Sound

if TYPE_CHECKING:
    import av

# Pixels up to which parts of a frame are decoded at once and not several frames: with those, what is shown of a damaged
# file depends on which of them was quicker, and two visitors would see different things.
STEADY = 1920 * 1088
THREADS = 4  # at most, of a decoder: each holds frames of its own


def open_plain(path: str | os.PathLike[str], limits: Limits | None = None) -> PlainMedia:
    """Open a video, a sound file or a picture that one trusts. Raises MediaError."""
    limits = limits or Limits.unlimited()
    check_file(path, limits)
    return PlainMedia(path, limits)


def read_picture(path: str | os.PathLike[str], limits: Limits | None = None) -> Frame:
    """A picture that one trusts, as `fv2es.media.read_picture` gives it."""
    with open_plain(path, limits) as media:
        if not media.is_picture:
            raise MediaError("This file is not a picture.")
        return next(event for event in media.read() if isinstance(event, Frame))


class PlainMedia:
    """One open file; `fv2es.media.Media` has the same face."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        self.limits = limits
        self.seconds_read = 0.0
        self.notes: list[str] = []
        self.duration: float | None = None
        self._container: av.container.InputContainer | None = None
        self._spent, self._since = 0.0, time.monotonic()
        try:
            self._picture = open_picture(path, limits)
        except OSError as error:
            raise MediaError(rules.UNREADABLE) from error
        self.is_picture = self._picture is not None
        self.has_audio, self.has_video = False, self.is_picture
        if not self.is_picture:
            self._open(path)

    def __enter__(self) -> PlainMedia:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the file; more than once is no error."""
        self._picture = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def read(
        self,
        frame_times: Iterable[float] = (),
        start: float = 0.0,
        end: float = inf,
        *,
        sound: bool = True,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
    ) -> Iterator[Sound | Frame]:
        """As `fv2es.media.Media.read`."""
        if self._picture is not None:
            yield Frame(0.0, self._picture)
            return
        if end > self.limits.max_seconds:
            end = self.limits.max_seconds
        track = SoundTrack(start, end, rate, channels) if self.has_audio and sound else None
        events = _Pass(self, frame_times, start, end, track).run()
        while True:
            self._since = time.monotonic()
            event = next(events, None)
            self._spent = self.decoding
            if event is None:
                return
            yield event  # the time that its reader takes is not ours

    @property
    def decoding(self) -> float:
        """Seconds that decoding has taken, while a pass is asked for its next event."""
        return self._spent + time.monotonic() - self._since

    def excuse(self, seconds: float) -> None:
        """So much of the time in hand went into waiting for somebody else."""
        self._spent -= seconds

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _open(self, path: str | os.PathLike[str]) -> None:
        import av

        options = {
            "format_whitelist": rules.FORMATS,
            "protocol_whitelist": "file",
            "codec_whitelist": rules.DECODERS,
            "max_pixels": str(self._max_pixels),
        }
        try:
            container = av.open(f"file:{os.fspath(path)}", options=options, metadata_errors="ignore")
        except MemoryError as error:
            raise MediaError(rules.TOO_BIG) from error
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise MediaError(rules.UNREADABLE) from error
        self._container = container
        self._audio = self._first(container.streams.audio, "sounds")
        self._video = self._first([one for one in container.streams.video if not _is_cover(one)], "pictures")
        self.has_audio, self.has_video = self._audio is not None, self._video is not None
        try:
            self._check()
        except MediaError:
            self.close()
            raise
        for stream in (self._audio, self._video):
            if stream is not None:
                stream.codec_context.options = {
                    "codec_whitelist": rules.DECODERS,
                    "max_pixels": str(self._max_pixels),
                }
                stream.codec_context.thread_type = self._threads(stream)
                stream.codec_context.thread_count = min(THREADS, os.cpu_count() or 1)
        self._origin = (container.start_time or 0) / 1e6
        claimed = (container.duration or 0) / 1e6
        self.duration = claimed if 0 < claimed < 1e6 else None

    @staticmethod
    def _threads(stream: Any) -> str:
        """What of a stream is decoded at once."""
        large = stream.type == "video" and stream.codec_context.width * stream.codec_context.height > STEADY
        return "AUTO" if large else "SLICE"

    def _first(self, streams: Iterable[av.stream.Stream], what: str) -> Any:
        """The first for which there is a decoder."""
        known = next((one for one in streams if one.codec_context is not None), None)
        if known is None and streams:
            self.note(f"The {what} in this file come in a form that is not read.")
        return known

    @property
    def fps(self) -> float | None:
        """Pictures a second, in the header's word."""
        if self._container is None or self._video is None:
            return None
        rate = self._video.average_rate or self._video.guessed_rate
        return float(rate) if rate else None

    @property
    def _max_pixels(self) -> int:
        return int(self.limits.max_width * self.limits.max_height)

    def _check(self) -> None:
        if not (self.has_audio or self.has_video):
            raise MediaError("This file has neither sound nor moving pictures.")
        if self._video is not None:
            check_size(self._video.codec_context.width, self._video.codec_context.height, self.limits)


class _Pass:
    """The state of one pass: what was asked for, how far each stream has come, the last frame seen."""

    def __init__(
        self, media: PlainMedia, frame_times: Iterable[float], start: float, end: float, sound: SoundTrack | None
    ) -> None:
        self.media, self.start, self.end = media, start, end
        self.times = (time for time in frame_times if time >= start)
        self.wanted = next(self.times, inf) if media.has_video else inf
        self.sound = sound
        self.video_clock = Clock()
        self.last: tuple[float, av.VideoFrame] | None = None
        self.pixels: np.ndarray | None = None  # of the last frame, once it has been asked for
        self.frames = 0
        self.began = inf
        self.sees_on = self.wanted < end

    def run(self) -> Iterator[Sound | Frame]:
        import av

        media, failures, decoded = self.media, 0, 0
        try:
            for packet in _packets(media, self._streams(), self.start):
                if media.decoding > media.limits.decode_seconds:
                    media.note(rules.TOO_SLOW_TAIL)
                    break
                if not (self.hears_on if packet.stream.type == "audio" else self.sees_on):
                    continue
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    failures += 1
                    if isinstance(error, MemoryError):
                        raise
                    continue
                for frame in frames:
                    decoded += 1
                    yield from self._take(frame)
                if not (self.hears_on or self.sees_on):
                    self._note_the_rest()
                    break
        except MemoryError as error:
            if not decoded:
                raise MediaError(rules.TOO_BIG) from error
            media.note(rules.TOO_BIG_TAIL)
            failures = 0
        except av.error.FFmpegError:
            failures += 1
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
        audio = self.media._audio if self.sound else None
        video = self.media._video if self.sees_on else None
        return [stream for stream in (audio, video) if stream is not None]

    def _note_the_rest(self) -> None:
        limit = self.media.limits.max_seconds
        if self.end == limit:
            self.media.note(f"Only the first {_spoken(limit)} were read; the rest was skipped.")

    def _take(self, frame: av.AudioFrame | av.VideoFrame) -> Iterator[Sound | Frame]:
        import av

        raw = None if frame.time is None else frame.time - self.media._origin
        if isinstance(frame, av.AudioFrame):
            if self.sound is not None:
                yield from self.sound.push(frame, raw)
                self.media.seconds_read = max(self.media.seconds_read, self.sound.end)
        elif self.sees_on:
            yield from self._see(frame, self.video_clock.at(raw))

    def _see(self, frame: av.VideoFrame, now: float) -> Iterator[Frame]:
        self.frames += 1
        self.began = min(self.began, now)
        limits = self.media.limits
        if self.frames > limits.max_fps * (now - self.began + 2):  # two seconds of grace: time stamps jitter
            raise MediaError(f"This video has more than {limits.max_fps:g} pictures a second, which is too many.")
        if self.frames > limits.max_frames:
            self.media.note("This video has too many pictures, so its last part was heard only.")
            self.sees_on = False
            return
        check_size(frame.width, frame.height, limits)
        while self.wanted < now and self.wanted < self.end:
            yield self._show(self.wanted, self.last[1] if self.last else frame)
            self.wanted = next(self.times, inf)
        self.last, self.pixels = (now, frame), None
        self.media.seconds_read = max(self.media.seconds_read, min(now, self.end))
        self.sees_on = now < self.end and self.wanted < self.end

    def _show(self, asked: float, source: av.VideoFrame) -> Frame:
        """`source`: the last frame before `asked`; the first of all where there is none before."""
        if self.pixels is None:
            assert self.media._video is not None  # its frames are here
            self.pixels = upright(source, self.media._video.sample_aspect_ratio)
        pixels = self.pixels
        if self.last is None:
            self.pixels = None
        return Frame(asked, pixels)

    def _finish(self) -> Iterator[Sound | Frame]:
        if self.sound is not None:
            yield from self.sound.finish()
            self.media.seconds_read = max(self.media.seconds_read, self.sound.end)
        if self.last is not None:
            until = min(self.end, self.last[0] + self.video_clock.step)
            self.media.seconds_read = max(self.media.seconds_read, until)
            while self.wanted < until:
                yield self._show(self.wanted, self.last[1])
                self.wanted = next(self.times, inf)
            self.last = self.pixels = None


def _packets(media: PlainMedia, streams: list[av.stream.Stream], start: float) -> Iterator[av.Packet]:
    container = media._container
    if container is None:
        raise ValueError("this file was closed")
    if start > 2 or media.seconds_read:  # a second of run-up, as time stamps of the streams differ
        container.seek(int((max(0.0, start - 1) + media._origin) * 1e6), backward=True)
    yield from container.demux(streams)


def _is_cover(stream: av.VideoStream) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} seconds"
