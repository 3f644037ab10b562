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

from fv2es.limits import Limits
from fv2es.media import rules
from fv2es.media.passes import Pass
from fv2es.media.pictures import open_picture
from fv2es.media.rules import MediaError, check_file, check_size
from fv2es.media.sound import SoundTrack
from fv2es.schema import SAMPLE_RATE, Frame, Sound

if TYPE_CHECKING:
    import av

# Pixels up to which parts of a frame are decoded at once and not several frames: with those, what is shown of a damaged
# file depends on which of them was quicker, and two visitors would see different things.
STEADY = 1920 * 1088
MOST_PIXELS = 2**31 - 1  # that FFmpeg can count
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
        self.container: av.container.InputContainer | None = None
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
        if self.container is not None:
            self.container.close()
            self.container = None

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
        events = Pass(self, frame_times, start, end, track).run()
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
        self.container = container
        self.audio = self._first(container.streams.audio, "sounds")
        self.video = self._first([one for one in container.streams.video if not _is_cover(one)], "pictures")
        self.has_audio, self.has_video = self.audio is not None, self.video is not None
        try:
            self._check()
        except MediaError:
            self.close()
            raise
        for stream in (self.audio, self.video):
            if stream is not None:
                stream.codec_context.options = {
                    "codec_whitelist": rules.DECODERS,
                    "max_pixels": str(self._max_pixels),
                }
                stream.codec_context.thread_type = self._threads(stream)
                stream.codec_context.thread_count = min(THREADS, os.cpu_count() or 1)
        self.origin = (container.start_time or 0) / 1e6
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
        if self.container is None or self.video is None:
            return None
        rate = self.video.average_rate or self.video.guessed_rate
        return float(rate) if rate else None

    @property
    def _max_pixels(self) -> int:
        return int(min(self.limits.max_width * self.limits.max_height, MOST_PIXELS))

    def _check(self) -> None:
        if not (self.has_audio or self.has_video):
            raise MediaError("This file has neither sound nor moving pictures.")
        if self.video is not None:
            check_size(self.video.codec_context.width, self.video.codec_context.height, self.limits)


def _is_cover(stream: av.VideoStream) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)
