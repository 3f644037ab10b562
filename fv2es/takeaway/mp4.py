"""Pictures and sound → an MP4 that browsers play. The only module that writes with PyAV; `media` reads."""

from __future__ import annotations

import os
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import av

RATE = 48_000  # Hz, stereo
SOUND_BITS = 128_000  # a second
# What PyAV's wheels bring, the most widely played first, with what makes each quick enough for two processors.
ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "crf": "22"},
    "libopenh264": {"b": "2500000"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0", "row-mt": "1"},
    "mpeg4": {"qscale": "4"},
}
KEYFRAME_SECONDS = 2  # players jump to these
BT709 = 1  # ISO/IEC 23091-2: primaries, transfer and matrix of HD pictures
LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG


class Mp4:
    """An open file; pictures and sound may come in any order. Leave it without an error, and it is finished.

    width, height: even numbers of pixels. sound: will there be any?
    """

    def __init__(self, path: str | os.PathLike[str], width: int, height: int, fps: Fraction, sound: bool) -> None:
        import av

        name = best_encoder()
        self._file: Any = av.open(f"file:{os.fspath(path)}", "w", format="mp4", options={"movflags": "+faststart"})
        video: Any = self._file.add_stream(name, rate=fps, options=ENCODERS[name])
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context, self._video = video.codec_context, video
        context.gop_size = max(1, round(KEYFRAME_SECONDS * fps))
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        self._audio: Any = None
        if sound:
            self._audio = self._file.add_stream("aac", rate=RATE, layout="stereo")
            self._audio.bit_rate = SOUND_BITS
            self._frames = av.AudioResampler(self._audio.format, "stereo", RATE, self._audio.frame_size or 1024)
        self._step = 1 / fps
        self._pictures = self._samples = 0

    def __enter__(self) -> Mp4:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()

    def picture(self, pixels: np.ndarray) -> None:
        """The next picture, (height, width, 3) uint8 RGB."""
        import av

        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = self._pictures, self._step
        self._pictures += 1
        self._file.mux(self._video.encode(frame))

    def sound(self, samples: np.ndarray) -> None:
        """The next sound, (n, 2) float32 at 48 kHz."""
        import av

        packed = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += len(samples)
        self._encode(self._frames.resample(frame))

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._file.mux(self._audio.encode(frame))

    def _finish(self) -> None:
        if self._audio is not None:
            if self._samples:
                self._encode(self._frames.resample(None))
            self._file.mux(self._audio.encode(None))
        self._file.mux(self._video.encode(None))


def best_encoder() -> str:
    """The first of ENCODERS that is there. Raises RuntimeError where none is."""
    import av

    for name in ENCODERS:
        try:
            av.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    raise RuntimeError(f"this PyAV can write none of {', '.join(ENCODERS)}")
