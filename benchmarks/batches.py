"""`python -m fv2es batch` with one worker and with two: how much faster, and what a worker's start costs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.made_up import Clips
from benchmarks.measuring import spent, table
from fv2es.batch.jobs import Job
from fv2es.batch.record import Settings
from fv2es.batch.workers import read_all

COUNTS = (1, 2)
FILES, SECONDS, HEIGHT = 12, 20, 720
WORDS = "I raised him since he was a puppy"  # the same for all, so that no recogniser is measured
SETTINGS = Settings("v2em-compact", "", "none", "en", "largest")


def run(clips: Clips, counts: tuple[int, ...] = COUNTS, files: int = FILES) -> list[dict[str, Any]]:
    """One row for each number of workers, who read the same clip `files` times."""
    clip, _ = clips.get(SECONDS, HEIGHT)
    jobs = [Job(f"{number}", clip, WORDS) for number in range(files)]
    rows = []
    for count in counts:
        ended = []
        with tempfile.TemporaryDirectory() as folder, spent() as used:
            began = time.perf_counter()
            for outcome in read_all(jobs, SETTINGS, Path(folder), workers=count):
                if outcome.error:
                    raise RuntimeError(outcome.error)
                ended.append(time.perf_counter() - began)
        rows.append({"workers": count, "wall": used.wall, "peak": used.peak, "ended": ended, "seconds": SECONDS})
    return rows


def steady(row: dict[str, Any]) -> float:
    """Files a second once every worker has read its first."""
    ended, count = row["ended"], row["workers"]
    return (len(ended) - count) / (ended[-1] - ended[count - 1])


def report(rows: list[dict[str, Any]]) -> str:
    head = ["workers", "first file, s", "all files, s", "files a minute", "video, s per s", "ratio", "peak, MB"]
    body = [
        (
            row["workers"],
            f"{row['ended'][0]:.1f}",
            f"{row['wall']:.1f}",
            f"{60 * steady(row):.1f}",
            f"{row['seconds'] * steady(row):.1f}",
            f"{steady(row) / steady(rows[0]):.2f}",
            f"{row['peak'] / 1e6:.0f}",
        )
        for row in rows
    ]
    return table(head, body)
