"""Path → 16 kHz mono sound and upright frames, in one sequential pass. The only module that imports PyAV.

Nothing is believed that a header says, nothing is held but what is used, and nothing is written to disk. A file may
only open itself: what its content asks to be opened (playlists, network descriptions) is refused by whitelists.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from fv2es.limits import Limits
from fv2es.schema import SAMPLE_RATE, Frame, Sound

if TYPE_CHECKING:
    import av

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,wav,mp3,flac"
DECODERS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg1video,mpeg2video,mpegvideo,mpeg4,h263,h263p,"
    "mjpeg,theora,prores,msmpeg4v3,rawvideo,aac,aac_latm,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,libopus,vorbis,"
    "libvorbis,flac,alac,ac3,eac3,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,adpcm_ms,adpcm_ima_wav,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_u8,"
    "pcm_s8,pcm_alaw,pcm_mulaw"
)
PICTURES = ("JPEG", "PNG", "WEBP", "BMP")
LONGER_SIDE = 1280  # pixels of a frame that is handed on
BLOCKS = 4  # of sound that are handed on in a second
JUMP = 60.0  # seconds: time stamps that leap further than this, or back by more than BACK, are not believed
BACK = 1.0
GAP = 0.08  # seconds: sound may come this late or early before silence is put in or sound left out

UNREADABLE = "This file could not be read as a video, a sound or a picture."


class MediaError(ValueError):
    """A file cannot be used; the message is one sentence for the person who chose it."""


def open_media(path: str | os.PathLike[str], limits: Limits | None = None) -> Media:
    """Open a video, a sound file or a picture. Raises MediaError."""
    limits = limits or Limits.unlimited()
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise MediaError("There is no such file.") from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("This is not a file.")
    if status.st_size > limits.max_bytes:
        raise MediaError(f"This file has more than {limits.max_bytes / 1e6:.0f} MB, which is too large.")
    if status.st_size == 0:
        raise MediaError("This file is empty.")
    return Media(path, limits)


def read_picture(path: str | os.PathLike[str], limits: Limits | None = None) -> Frame:
    """A picture, upright, its longer side at most 1280 pixels. Raises MediaError."""
    with open_media(path, limits) as media:
        if not media.is_picture:
            raise MediaError("This file is not a picture.")
        return next(event for event in media.read() if isinstance(event, Frame))


class Media:
    """One open file. `has_audio`, `has_video`, `is_picture` say what is in it; `duration` is the header's word.

    `seconds_read` grows while `read` runs; `notes` are clear sentences about what was left out.
    """

    def __init__(self, path: str | os.PathLike[str], limits: Limits) -> None:
        self.limits = limits
        self.seconds_read = 0.0
        self.notes: list[str] = []
        self.duration: float | None = None
        self._container: av.container.InputContainer | None = None
        self._picture = _open_picture(path, limits)
        self.is_picture = self._picture is not None
        self.has_audio, self.has_video = False, self.is_picture
        if not self.is_picture:
            self._open(path)

    def __enter__(self) -> Media:
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
        """One pass over [start, end) in stream order.

        Sound comes in blocks without gaps from `start` on: where the file has none, there is silence. For each of
        `frame_times` (increasing seconds) comes the frame that is shown then, as soon as it is known, scaled so that
        its longer side is at most 1280 pixels. A damaged tail ends the pass with a note. Raises MediaError where
        nothing at all can be decoded, or a limit on the pictures is broken. `sound`: False leaves the sound out; `rate`
        (Hz) and `channels` (1 or 2) say in which form it comes. May be called again for another pass.
        """
        if self._picture is not None:
            yield Frame(0.0, self._picture)
            return
        if end > self.limits.max_seconds:
            end = self.limits.max_seconds
        track = _SoundTrack(start, end, rate, channels) if self.has_audio and sound else None
        yield from _Pass(self, frame_times, start, end, track).run()

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _open(self, path: str | os.PathLike[str]) -> None:
        import av

        options = {
            "format_whitelist": FORMATS,
            "protocol_whitelist": "file",
            "codec_whitelist": DECODERS,
            "max_pixels": str(self._max_pixels),
        }
        try:
            container = av.open(f"file:{os.fspath(path)}", options=options, metadata_errors="ignore")
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise MediaError(UNREADABLE) from error
        self._container = container
        self._audio = next(iter(container.streams.audio), None)
        self._video = next((one for one in container.streams.video if not _is_cover(one)), None)
        self.has_audio, self.has_video = self._audio is not None, self._video is not None
        try:
            self._check()
        except MediaError:
            self.close()
            raise
        for stream in (self._audio, self._video):
            if stream is not None:
                stream.codec_context.options = {
                    "codec_whitelist": DECODERS,
                    "max_pixels": str(self._max_pixels),
                }
                stream.codec_context.thread_type = "AUTO"
        self._origin = (container.start_time or 0) / 1e6
        claimed = (container.duration or 0) / 1e6
        self.duration = claimed if 0 < claimed < 1e6 else None

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
            _check_size(self._video.codec_context.width, self._video.codec_context.height, self.limits)


class _Pass:
    """The state of one pass: what was asked for, how far each stream has come, the last frame seen."""

    def __init__(
        self, media: Media, frame_times: Iterable[float], start: float, end: float, sound: _SoundTrack | None
    ) -> None:
        self.media, self.start, self.end = media, start, end
        self.times = (time for time in frame_times if time >= start)
        self.wanted = next(self.times, inf) if media.has_video else inf
        self.sound = sound
        self.video_clock = _Clock()
        self.last: tuple[float, av.VideoFrame] | None = None
        self.pixels: np.ndarray | None = None  # of the last frame, once it has been asked for
        self.frames = 0
        self.began = inf
        self.sees_on = self.wanted < end

    def run(self) -> Iterator[Sound | Frame]:
        import av

        media, began, failures, decoded = self.media, time.monotonic(), 0, 0
        try:
            for packet in _packets(media, self._streams(), self.start):
                if time.monotonic() - began > media.limits.decode_seconds:
                    media.note("The file took too long to decode, so the rest of it was skipped.")
                    break
                if not (self.hears_on if packet.stream.type == "audio" else self.sees_on):
                    continue
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    failures += 1
                    continue
                for frame in frames:
                    decoded += 1
                    yield from self._take(frame)
                if not (self.hears_on or self.sees_on):
                    self._note_the_rest()
                    break
        except av.error.FFmpegError:
            failures += 1
        if failures and not decoded and not self.start:
            raise MediaError("Nothing in this file could be decoded.")
        if failures:
            media.note("Parts of this file are damaged; what could be decoded was read.")
        yield from self._finish()

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
        _check_size(frame.width, frame.height, limits)
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
            self.pixels = _upright(source, self.media._video.sample_aspect_ratio)
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


class _Clock:
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


class _SoundTrack:
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
        return np.clip(np.nan_to_num(samples[drop:]), -1, 1)

    def _keep(self, samples: np.ndarray) -> None:
        room = self._stop - self._at
        samples = samples if len(samples) <= room else samples[: int(room)]
        if len(samples):
            self._waiting.append(samples.astype(np.float32, copy=False))
            self._held += len(samples)
            self._at += len(samples)

    def _blocks(self, least: int) -> Iterator[Sound]:
        if self._held >= least or (self._held and self.done):
            samples = np.concatenate(self._waiting)
            begin = self._at - len(samples)
            self._waiting, self._held = [], 0
            yield Sound(begin / self._rate, samples, self._rate)


def _packets(media: Media, streams: list[av.stream.Stream], start: float) -> Iterator[av.Packet]:
    container = media._container
    if container is None:
        raise ValueError("this file was closed")
    if start > 2 or media.seconds_read:  # a second of run-up, as time stamps of the streams differ
        container.seek(int((max(0.0, start - 1) + media._origin) * 1e6), backward=True)
    yield from container.demux(streams)


def _upright(frame: av.VideoFrame, sample_aspect: Fraction | None) -> np.ndarray:
    """The frame with square pixels, scaled down to LONGER_SIDE and turned as its display matrix says."""
    aspect = float(sample_aspect) if sample_aspect and 0.1 < sample_aspect < 10 else 1.0
    width, height = frame.width * max(aspect, 1.0), frame.height / min(aspect, 1.0)
    scale = min(1.0, LONGER_SIDE / max(width, height))
    size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
    pixels = frame.reformat(**size, format="rgb24", interpolation="AREA").to_ndarray()
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _is_cover(stream: av.VideoStream) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _check_size(width: int, height: int, limits: Limits) -> None:
    longer, shorter = max(width, height), min(width, height)
    if longer > max(limits.max_width, limits.max_height) or shorter > min(limits.max_width, limits.max_height):
        raise MediaError(
            f"This file's pictures have {width}×{height} pixels; at most "
            f"{limits.max_width:g}×{limits.max_height:g} are read."
        )


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} seconds"


def _open_picture(path: str | os.PathLike[str], limits: Limits) -> np.ndarray | None:
    """(height, width, 3) uint8, turned as its EXIF says; None where the file is no picture of a known kind."""
    from PIL import Image, ImageOps

    try:
        picture = Image.open(path, formats=PICTURES)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    with picture:
        _check_size(*picture.size, limits)
        try:
            picture.draft("RGB", (LONGER_SIDE, LONGER_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise MediaError("This picture is damaged.") from error
        upright.thumbnail((LONGER_SIDE, LONGER_SIDE))
        return np.asarray(upright)


__all__ = ["Media", "MediaError", "open_media", "read_picture"]
