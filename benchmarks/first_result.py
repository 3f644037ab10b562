"""Seconds to the first result and real-time factor of a clip, models warm: `python -m benchmarks.first_result`.

The clip is given with `--clip`, or made: the example clips one behind the other until `--seconds` are full, at
`--height` lines. Each repeat runs the whole way, file to averaged result; the median and the range are printed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from fv2es import pipeline
from fv2es.media import open_media
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech import make_transcriber
from fv2es.reader import Reader, load_reader

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clip", type=Path)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--height", type=int, default=720)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--speech", nargs="+", default=["none", "pocketsphinx"], help="recognisers to compare")
    options.add_argument("--json", type=Path, help="keep the raw numbers here")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = args.clip or make_clip(Path(folder) / "clip.mp4", args.seconds, args.height)
        report(clip, args)


def report(clip: Path, args: argparse.Namespace) -> None:
    reader, finder = load_reader(), FaceFinder()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    kept = {}
    for speech in args.speech:
        measure(clip, reader, finder, speech)  # warm
        runs = [measure(clip, reader, finder, speech) for _ in range(args.repeats)]
        kept[speech] = runs
        duration = runs[0]["duration"]
        print(f"\n{duration:.1f} s of video, {runs[0]['utterances']} utterances, speech={speech}, {len(runs)} repeats")
        for name, value in (("first result", "first"), ("whole clip", "total")):
            print(f"  {name:13} {spread([run[value] for run in runs])}")
        print(f"  real-time factor {statistics.median(run['total'] for run in runs) / duration:.3f}")
        stages = {name: statistics.median(run["stages"].get(name, 0.0) for run in runs) for name in runs[0]["stages"]}
        print("  " + "  ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items()))
    if args.json:
        args.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def measure(clip: Path, reader: Reader, finder: FaceFinder, speech: str) -> dict:
    """One run: seconds to the first reading and to the end, seconds by stage."""
    transcriber, _ = make_transcriber(speech)
    start = time.perf_counter()
    first, stages, count = float("nan"), {}, 0
    with pipeline.analyse(clip, reader=reader, finder=finder, transcriber=transcriber) as analysis:
        for reading in analysis:
            count += 1
            if count == 1:
                first = time.perf_counter() - start
            for name, seconds in reading.seconds.items():
                stages[name] = stages.get(name, 0.0) + seconds
        duration = analysis.duration
    total = time.perf_counter() - start
    return {"first": first, "total": total, "duration": duration, "utterances": count, "stages": stages}


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f} s  ({min(values):.2f}–{max(values):.2f})"


def make_clip(path: Path, seconds: float, height: int) -> Path:
    """The examples one behind the other, at 25 pictures a second."""
    import av
    import numpy as np

    sources = itertools.cycle(sorted((ROOT / "examples").glob("*.mp4")))
    samples, frames = [], 0
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        audio = out.add_stream("aac", rate=16_000, layout="mono")
        video.width, video.height, video.pix_fmt = height * 16 // 9, height, "yuv420p"
        while frames < seconds * 25:
            with open_media(next(sources)) as media:
                for event in media.read(itertools.count(0, 1 / 25)):
                    if hasattr(event, "samples"):
                        samples.append(event.samples)
                        continue
                    frame = av.VideoFrame.from_ndarray(event.pixels, format="rgb24")
                    frame.pts, frame.time_base = frames, Fraction(1, 25)
                    out.mux(video.encode(frame.reformat(video.width, height, "yuv420p")))
                    frames += 1
                    if frames >= seconds * 25:
                        break
        out.mux(video.encode(None))
        whole = np.concatenate(samples)[: round(seconds * 16_000)]
        for begin in range(0, len(whole), 1024):
            part = av.AudioFrame.from_ndarray(whole[None, begin : begin + 1024], format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16_000, begin, Fraction(1, 16_000)
            out.mux(audio.encode(part))
        out.mux(audio.encode(None))
    return path


if __name__ == "__main__":
    main()
