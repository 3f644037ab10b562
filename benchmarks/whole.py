"""Seconds to the first result, real-time factor and peak memory over length, height and transcription; and where the
time goes, stage by stage.

Each run goes the whole way, from the file to the averaged result, with the models warm and a decoding process ready, as
on the page. “given”: the words come from subtitles; “heard”: PocketSphinx writes them down.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.made_up import ROOT, Clips
from benchmarks.measuring import middle, spent, spread, table
from fv2es.media import Decoders
from fv2es.modalities.faces import FaceFinder
from fv2es.modalities.speech import make_transcriber
from fv2es.pipeline import analyse
from fv2es.reader import load_reader
from fv2es.results import Fold

GIVEN, HEARD = "given", "heard"
STAGES = ("decode", "vad", "faces", "spectrogram", "speech", "model")
HEIGHTS = (360, 720, 1080)
# Seconds of the clip: the heights at which the words are given and those at which they are heard, and how often.
GRID = {10: (HEIGHTS, HEIGHTS, 5), 60: (HEIGHTS, HEIGHTS, 2), 600: (HEIGHTS, HEIGHTS, 1)}
HOUR = {3600: ((720,), (), 1)}
QUICK = {10: ((360, 720), (720,), 3), 60: ((720,), (), 1)}
FULL = GRID | {3600: (HEIGHTS, HEIGHTS, 1)}


class Warm:
    """What a server has loaded before its first visitor."""

    def __init__(self, name: str = "v2em-compact") -> None:
        self.reader, self.finder, self.decoders = load_reader(name), FaceFinder(), Decoders()

    def __enter__(self) -> Warm:
        example = sorted((ROOT / "examples").glob("*.mp4"))[0]
        self.run(example, example.with_suffix(".srt"))
        return self

    def __exit__(self, *_: object) -> None:
        self.decoders.close()

    def run(self, clip: Path, words: Path | None = None) -> dict[str, Any]:
        """One clip: seconds by the clock and by the processors, by stage, and bytes. words: its subtitles; None = they
        are heard. The stages of one clip go on beside one another, so that their sum may exceed the whole."""
        transcriber, _ = make_transcriber(words or "pocketsphinx")
        stages: dict[str, float] = {}
        first, fold = None, Fold(self.reader.emotions, self.reader.thresholds)
        with spent() as used:
            began = time.perf_counter()
            models = {"reader": self.reader, "finder": self.finder, "decoders": self.decoders}
            with analyse(clip, transcriber=transcriber, **models) as analysis:
                for reading in analysis:
                    first = first or time.perf_counter() - began
                    fold.add(reading)
                    for name, seconds in reading.seconds.items():
                        stages[name] = stages.get(name, 0.0) + seconds
                duration = analysis.duration
        return {
            "first": first,
            "duration": duration,
            "utterances": fold.summary.utterances if stages else 0,
            "stages": stages,
            **asdict(used),
        }


def run(clips: Clips, grid: dict[int, tuple]) -> Iterator[dict[str, Any]]:
    """One row for each length, height and kind of words, with all its runs; those without a recogniser first, so that
    its memory is not counted where there is none."""
    with Warm() as warm:
        for kind in (GIVEN, HEARD):
            for seconds, (given, heard, repeats) in grid.items():
                for height in given if kind == GIVEN else heard:
                    clip, words = clips.get(seconds, height)
                    runs = [warm.run(clip, words if kind == GIVEN else None) for _ in range(repeats)]
                    yield {"seconds": seconds, "height": height, "words": kind, "runs": runs}


def lengths(rows: list[dict[str, Any]]) -> str:
    """The table of first results, real-time factors and memory."""
    head = ["clip", "words", "first result, s", "real-time factor", "processor, s per s", "peak memory, MB", "runs"]
    body = []
    for row in rows:
        runs = row["runs"]
        body.append(
            (
                f"{row['seconds']} s, {row['height']}p",
                row["words"],
                spread([one["first"] for one in runs]),
                spread([one["wall"] / one["duration"] for one in runs], 3),
                f"{middle((one['own'] + one['children']) / one['duration'] for one in runs):.3f}",
                f"{max(one['peak'] for one in runs) / 1e6:.0f}",
                len(runs),
            )
        )
    return table(head, body)


def profile(clips: Clips, repeats: int = 3) -> list[dict[str, Any]]:
    """Made-up clips and, where the data folder is, real ones; words given and heard."""
    made_up = [(f"made-up, {height}p", *clips.get(60, height)) for height in (720, 1080)]
    with Warm() as warm:
        return [
            {"clip": name, "words": kind, "runs": [warm.run(clip, given) for _ in range(count)]}
            for kind, count in ((GIVEN, repeats), (HEARD, 1))
            for name, clip, words in [*made_up, *real()]
            for given in [words if kind == GIVEN else None]
        ]


def real() -> Iterator[tuple[str, Path, Path]]:
    """The two longest clips of the data folder, with a stand-in for their subtitles: an example's."""
    folder = Path(os.environ.get("FV2ES_DATA", ROOT.parent / "shared" / "data")) / "video"
    found = sorted((one for one in folder.glob("*.mp4") if one.is_file()), key=lambda one: -one.stat().st_size)
    words = sorted((ROOT / "examples").glob("*.srt"))[0]
    for number, clip in enumerate(found[:2], start=1):
        yield f"real {number}", clip, words


def stages(rows: list[dict[str, Any]]) -> str:
    """The table of stages: seconds of the clock for each minute of the clip."""
    head = ["clip", "words", *STAGES, "clock", "own processor", "children's processor"]
    body = []
    for row in rows:
        runs, minutes = row["runs"], row["runs"][0]["duration"] / 60

        def cell(values: list[float], minutes: float = minutes) -> str:
            return f"{middle(values) / minutes:.2f}"

        by_stage = [cell([one["stages"].get(name, 0.0) for one in runs]) for name in STAGES]
        clocks = [cell([one[name] for one in runs]) for name in ("wall", "own", "children")]
        body.append((row["clip"], row["words"], *by_stage, *clocks))
    return table(head, body)
