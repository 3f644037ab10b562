"""Visitors who come, read, stop and go, for as long as is asked: `python -m benchmarks.soak --minutes 30 --visitors 4`.

Each visitor in turn takes an example clip, a damaged file or a disguised one, without words or with those that
PocketSphinx hears, and reads it to its end or stops it at a random moment, with the models and the processes that the
page's visitors share. Printed every minute and at the end: clips read, seconds until a stop had freed the worker,
memory, and what the process holds. Any difference from what the first visitor was told, and anything left behind, is an
error (exit status 1).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.measuring import PROC, held, living
from fv2es.limits import Limits
from fv2es.media import Decoders, MediaError
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech.pocketsphinx import of_process
from fv2es.pipeline import analyse
from fv2es.reader import load_reader
from fv2es.schema import Reading

ROOT = Path(__file__).resolve().parents[1]
STOPPED = 0.3  # the share of visitors who stop


@dataclass
class Tally:
    """What has happened so far; shared by the visitors."""

    whole: int = 0
    refused: int = 0
    stops: list[float] = field(default_factory=list)  # seconds from a stop to the end of its work
    firsts: list[float] = field(default_factory=list)  # seconds to a first reading
    errors: Counter[str] = field(default_factory=Counter)
    known: dict[str, str] = field(default_factory=dict)  # file and speech → digest of its readings
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--visitors", type=int, default=4)
    options.add_argument("--speech", nargs="+", default=["none", "pocketsphinx"], help="one of these at a time")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", type=Path, help="keep the raw numbers here")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = [*sorted((ROOT / "examples").glob("*.mp4")), *spoilt(Path(folder))]
        common = {"reader": load_reader(), "finder": FaceFinder(), "limits": Limits()}
        decoders = Decoders()
        tally, end = Tally(), threading.Event()
        for speech in args.speech:
            visit(clips[0], speech, tally, random.Random(0), common | {"decoders": decoders})  # warm
        forget_listeners()
        before, samples = holdings(), []
        began = time.monotonic()
        visitors = [
            threading.Thread(
                target=come_and_go,
                args=(clips, args.speech, tally, random.Random(args.seed + n), end, common | {"decoders": decoders}),
            )
            for n in range(args.visitors)
        ]
        for one in visitors:
            one.start()
        while time.monotonic() - began < 60 * args.minutes:
            end.wait(min(60.0, max(0.1, 60 * args.minutes - (time.monotonic() - began))))
            samples.append({"minute": (time.monotonic() - began) / 60} | holdings())
            print(f"{samples[-1]['minute']:6.1f} min  {summary(tally)}  {samples[-1]}", flush=True)
        end.set()
        for one in visitors:
            one.join()
        decoders.close()
        forget_listeners()
        after = holdings()
    return report(args, tally, before, after, samples)


def spoilt(folder: Path) -> list[Path]:
    """A file that is cut, one whose bits are flipped, a playlist under the name of a clip."""
    whole = next(iter(sorted((ROOT / "examples").glob("*.mp4")))).read_bytes()
    flipped = np.frombuffer(whole, np.uint8).copy()
    places = np.random.default_rng(1).integers(len(flipped) // 4, len(flipped), 200)
    flipped[places] ^= 4
    contents = {
        "cut.mp4": whole[: len(whole) // 3],
        "flipped.mp4": flipped.tobytes(),
        "playlist.mp4": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def forget_listeners() -> None:
    """Those that are kept for whoever comes next would look like something left behind."""
    of_process.cache_clear()
    gc.collect()


def come_and_go(
    clips: list[Path], speech: list[str], tally: Tally, chance: random.Random, end: threading.Event, options: dict
) -> None:
    while not end.is_set():
        try:
            visit(chance.choice(clips), chance.choice(speech), tally, chance, options)
        except Exception as error:
            with tally.lock:
                tally.errors[repr(error)[:200]] += 1


def visit(path: Path, speech: str, tally: Tally, chance: random.Random, options: dict) -> None:
    """One visitor; a thread of his own presses Stop, if he does."""
    cancel, pressed = threading.Event(), [0.0]

    def stop() -> None:
        pressed[0] = time.monotonic()
        cancel.set()

    stopping = threading.Timer(chance.uniform(0, 3), stop) if chance.random() < STOPPED else None
    if stopping:
        stopping.start()
    began, readings = time.monotonic(), []
    try:
        with analyse(path, speech=speech, cancel=cancel, **options) as analysis:
            for reading in analysis:
                if not readings:
                    tally.firsts.append(time.monotonic() - began)
                readings.append(reading)
    except MediaError:
        tally.refused += 1
        return
    finally:
        over = time.monotonic()
        if stopping:
            stopping.cancel()
            stopping.join()
    with tally.lock:
        if cancel.is_set() and pressed[0]:
            if pressed[0] <= over:
                tally.stops.append(over - pressed[0])
            return
        tally.whole += 1
        told = digest(readings)
        if tally.known.setdefault(f"{path.name}, {speech}", told) != told:
            tally.errors[f"{path.name} was read differently ({speech})"] += 1


def digest(readings: list[Reading]) -> str:
    """Of spans and probabilities, to four places."""
    values = [
        (round(one.span.start, 3), round(one.span.end, 3), one.probabilities.round(4).tolist()) for one in readings
    ]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def holdings() -> dict[str, float]:
    """Memory in megabytes, of this process and of its children together, what is open, and the machine's load."""
    children = living()
    return {
        "megabytes": round(held(PROC) / 2**20),
        "children's": round(sum(map(held, children)) / 2**20),
        "threads": threading.active_count(),
        "files": len(os.listdir("/dev/fd")),
        "children": len(children),
        "load": round(os.getloadavg()[0], 1),
    }


def summary(tally: Tally) -> str:
    errors = sum(tally.errors.values())
    return f"{tally.whole} read, {len(tally.stops)} stopped, {tally.refused} refused, {errors} errors"


def report(args: argparse.Namespace, tally: Tally, before: dict, after: dict, samples: list[dict]) -> int:
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{args.minutes:g} minutes, {args.visitors} visitors, speech: {', '.join(args.speech)}: {summary(tally)}")
    for name, values in (("first reading", tally.firsts), ("stop to free", tally.stops)):
        if values:
            high = sorted(values)[int(0.95 * (len(values) - 1))]
            print(
                f"  {name:14} median {statistics.median(values):.2f} s, 95 % {high:.2f} s, longest {max(values):.2f} s"
            )
    print(f"  before {before}\n  after  {after}")
    for error, count in tally.errors.items():
        print(f"  {count} × {error}")
    if args.json:
        kept = {"before": before, "after": after, "samples": samples, "stops": tally.stops, "firsts": tally.firsts}
        kept |= {"read": tally.whole, "refused": tally.refused, "errors": dict(tally.errors)}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    left = after["children"] > 0 or after["threads"] > before["threads"] or after["files"] > before["files"]
    return 1 if tally.errors or left else 0


if __name__ == "__main__":
    sys.exit(main())
