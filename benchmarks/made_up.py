"""Clips of any length and height: three examples one behind the other, encoded once and repeated without being encoded
again, with the words that are said in them as subtitles."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from math import ceil, inf
from pathlib import Path
from typing import Any

import numpy as np

from fv2es.media import open_media
from fv2es.modalities.speech.subtitles import Cue, decode, parse_subtitles
from fv2es.schema import SAMPLE_RATE, Sound

ROOT = Path(__file__).resolve().parents[1]
FPS = 25
SHAPE = Fraction(16, 9)
TALKERS = ("bad_day", "good_news", "what_is_that")  # in which one person talks and is always seen


class Clips:
    """Makes each clip when it is asked for the first time, in a folder that somebody else removes, and that several
    processes may use one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, seconds: float, height: int) -> tuple[Path, Path]:
        """The clip, cut to so many seconds, and its subtitles."""
        clip = self._folder / f"{height}p-{seconds:g}s.mp4"
        words = clip.with_suffix(".srt")
        if not clip.is_file():
            base, cues, length = self._base(height)
            words.write_text(_srt(cues, seconds, length), encoding="utf-8")
            half = clip.with_stem(f"{clip.stem}-half")
            _repeat(base, half, seconds, length)
            half.rename(clip)
        return clip, words

    def _base(self, height: int) -> tuple[Path, list[Cue], float]:
        path = self._folder / f"base-{height}.mp4"
        known = path.with_suffix(".json")
        if not known.is_file():
            cues, length = _encode(path, height)
            known.write_text(json.dumps({"length": length, "cues": [asdict(cue) for cue in cues]}), encoding="utf-8")
        about = json.loads(known.read_text(encoding="utf-8"))
        return path, [Cue(**cue) for cue in about["cues"]], about["length"]


def _encode(path: Path, height: int) -> tuple[list[Cue], float]:
    """The talkers at FPS, shown in the middle of a picture of SHAPE, written to `path`; their words and seconds."""
    import av

    cues: list[Cue] = []
    sounds: list[np.ndarray] = []
    pictures = 0
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = int(height * SHAPE) // 2 * 2, height, "yuv420p"
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for source in (ROOT / "examples" / f"{name}.mp4" for name in TALKERS):
            begin = pictures / FPS
            cues += _moved(parse_subtitles(decode(source.with_suffix(".srt").read_bytes())), begin)
            with open_media(source) as media:
                for event in media.read(itertools.count(0, 1 / FPS)):
                    if isinstance(event, Sound):
                        sounds.append(event.samples)
                        continue
                    out.mux(video.encode(_picture(event.pixels, video.width, height, pictures)))
                    pictures += 1
            sounds = [_fitted(np.concatenate(sounds), round(pictures / FPS * SAMPLE_RATE))]
        out.mux(video.encode(None))
        _encode_sound(out, audio, sounds[0])
    return cues, pictures / FPS


def _picture(pixels: np.ndarray, width: int, height: int, number: int) -> Any:
    import av

    side = pixels.shape[1] * height // pixels.shape[0] // 2 * 2
    scaled = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(side, height).to_ndarray()
    wide = np.empty((height, width, 3), np.uint8)
    left = (width - side) // 2
    wide[:, left : left + side] = scaled
    wide[:, :left], wide[:, left + side :] = scaled[:, :1], scaled[:, -1:]
    frame = av.VideoFrame.from_ndarray(wide, format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame.reformat(format="yuv420p")


def _encode_sound(out: Any, audio: Any, samples: np.ndarray) -> None:
    import av

    for begin in range(0, len(samples), 1024):
        part = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="fltp", layout="mono")
        part.sample_rate, part.pts, part.time_base = SAMPLE_RATE, begin, Fraction(1, SAMPLE_RATE)
        out.mux(audio.encode(part))
    out.mux(audio.encode(None))


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _repeat(base: Path, clip: Path, seconds: float, length: float) -> None:
    """Packets of `base` again and again, later each time, until `seconds` are full."""
    import av

    with av.open(str(clip), "w") as out, av.open(str(base)) as whole:
        streams = {one.index: out.add_stream_from_template(one) for one in whole.streams}
        last = dict.fromkeys(streams, -inf)
        for number in range(ceil(seconds / length)):
            with av.open(str(base)) as source:
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(number * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    index = packet.stream.index
                    # What the sound's encoder needs before its beginning lies over the end of the round before.
                    if packet.dts > last[index] and packet.pts * packet.time_base < seconds:
                        last[index] = packet.dts
                        packet.stream = streams[index]
                        out.mux(packet)


def _moved(cues: Sequence[Cue], by: float) -> Iterator[Cue]:
    return (Cue(cue.start + by, cue.end + by, cue.text) for cue in cues)


def _srt(cues: Sequence[Cue], seconds: float, length: float) -> str:
    rounds = (_moved(cues, number * length) for number in itertools.count())
    whole = itertools.takewhile(lambda cue: cue.start < seconds, itertools.chain.from_iterable(rounds))
    return "\n".join(f"{_stamp(cue.start)} --> {_stamp(cue.end)}\n{cue.text}\n" for cue in whole)


def _stamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02},{rest % 1000:03}"
