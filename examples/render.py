"""Make the example clips and their subtitles anew: python examples/render.py [--out DIR] [NAME …]

Needs espeak-ng on the PATH. Same numbers, same clips: every random generator is seeded by the scene.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import voice
from expression import Expression
from head import Head
from performance import FPS, Performance, perform, subtitles
from scenes import SCENES, Scene

HEIGHT = 480  # pixels
BATCH = 24  # frames a process renders at a time
log = logging.getLogger("render")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(s.name for s in SCENES)}")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for scene in SCENES:
            if not options.names or scene.name in options.names:
                make(scene, options.out, pool)


def make(scene: Scene, folder: Path, pool: ProcessPoolExecutor) -> None:
    """Write NAME.mp4 and NAME.srt."""
    played = perform(scene)
    frames = list(played.expressions())
    batches = [frames[at : at + BATCH] for at in range(0, len(frames), BATCH)]
    pictures = (picture for batch in pool.map(partial(render, scene), batches) for picture in batch)
    path = folder / f"{scene.name}.mp4"
    encode(path, pictures, played)
    path.with_suffix(".srt").write_text(subtitles(played.cues), "utf-8")
    log.info("%s: %.1f s, %d kB", path.name, len(frames) / FPS, path.stat().st_size // 1000)


def render(scene: Scene, frames: list[tuple[Expression, ...]]) -> list[np.ndarray]:
    """The pictures of some frames: everybody's side by side."""
    heads = [Head(player.character, scene.width, HEIGHT) for player in scene.cast]
    return [np.hstack([head.picture(face) for head, face in zip(heads, faces, strict=True)]) for faces in frames]


def encode(path: Path, pictures: Iterable[np.ndarray], played: Performance) -> None:
    """H.264 and AAC, the index at the front so that a browser may start at once."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "slow", "threads": "1"})
        video.width, video.height = played.scene.width * len(played.scene.cast), HEIGHT
        video.pix_fmt = "yuv420p"
        audio = out.add_stream("aac", rate=voice.RATE, layout="mono")
        audio.bit_rate = 64_000
        _encode_sound(out, audio, played.sound)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(frame))
        for stream in (video, audio):
            out.mux(stream.encode(None))


def _encode_sound(out: av.container.OutputContainer, stream: av.AudioStream, sound: np.ndarray) -> None:
    for at in range(0, len(sound), 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, at : at + 1024]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = voice.RATE, at, Fraction(1, voice.RATE)
        out.mux(stream.encode(frame))


if __name__ == "__main__":
    main()
