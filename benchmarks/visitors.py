"""1, 2, 4 and 8 visitors at once, sharing the models: seconds of video a second, and how long each one waits."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.made_up import Clips
from benchmarks.measuring import Spent, middle, spent, table
from benchmarks.whole import Warm
from fv2es.modalities.speech import make_transcriber
from fv2es.pipeline import analyse
from fv2es.threads import one_thread

COUNTS = (1, 2, 4, 8)
SECONDS, HEIGHT = 20, 720


def run(clips: Clips, counts: tuple[int, ...] = COUNTS) -> list[dict[str, Any]]:
    """One row for each number of visitors. All of them see the same clip, and get what one alone gets."""
    clip, words = clips.get(SECONDS, HEIGHT)
    rows = []
    with Warm() as warm, one_thread():  # as the page is served
        _, alone = together(warm, clip, words, 1)
        for count in counts:
            used, visits = together(warm, clip, words, count)
            apart = max(np.abs(visit["read"] - alone[0]["read"]).max() for visit in visits)
            rows.append(
                {
                    "visitors": count,
                    "wall": used.wall,
                    "peak": used.peak,
                    "apart": float(apart),
                    "first": [visit["first"] for visit in visits],
                    "total": [visit["total"] for visit in visits],
                    "seconds": SECONDS,
                }
            )
    return rows


def together(warm: Warm, clip: Path, words: Path, count: int) -> tuple[Spent, list[dict[str, Any]]]:
    """`count` visitors who come at the same moment."""
    visits: list[dict[str, Any]] = []
    gate = threading.Barrier(count)

    def visit() -> None:
        transcriber, _ = make_transcriber(words)
        gate.wait()
        began, first, read = time.perf_counter(), None, []
        models = {"reader": warm.reader, "finder": warm.finder, "decoders": warm.decoders}
        with analyse(clip, transcriber=transcriber, **models) as analysis:
            for reading in analysis:
                first = first or time.perf_counter() - began
                read.append(reading.probabilities)
        visits.append({"first": first, "total": time.perf_counter() - began, "read": np.stack(read)})

    threads = [threading.Thread(target=visit) for _ in range(count)]
    with spent() as used:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return used, visits


def report(rows: list[dict[str, Any]]) -> str:
    head = ["visitors", "video, s per s", "first result, s (median)", "first result, s (last)", "done, s (last)"]
    body = [
        (
            row["visitors"],
            f"{row['visitors'] * row['seconds'] / row['wall']:.1f}",
            f"{middle(row['first']):.2f}",
            f"{max(row['first']):.2f}",
            f"{max(row['total']):.2f}",
            f"{row['peak'] / 1e6:.0f}",
            f"{row['apart']:.0e}",
        )
        for row in rows
    ]
    return table([*head, "peak memory, MB", "readings apart"], body)
