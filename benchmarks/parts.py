"""What is measured: every part with what makes a table of it, and how one is run in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import batches, forms, models, stored, straightforward, visitors, whole
from benchmarks.made_up import Clips

Part = tuple[str, Callable[[Clips], Any], Callable[[Any], str]]


def parts(size: str) -> dict[str, Part]:
    """Name → title, what measures, and what makes a table of it."""
    quick = size == "quick"
    grid = {"quick": whole.QUICK, "full": whole.FULL}.get(size, whole.GRID)
    cases = ((10, 720, 1),) if quick else straightforward.CASES
    return {
        "stages": (
            "Where the time goes: seconds for each minute of the clip",
            lambda clips: whole.profile(clips, 1 if quick else 2),
            whole.stages,
        ),
        "stored": (
            "In memory against store-then-load",
            lambda clips: stored.run(clips, *((1, 20) if quick else (3, 60))),
            stored.report,
        ),
        "straightforward": (
            "Against a straightforward implementation of the same steps",
            lambda clips: straightforward.run(clips, cases, () if quick else whole.real()),
            straightforward.report,
        ),
        "forms": ("Training form against inference form", lambda _: forms.run(2 if quick else 5), forms.report),
        "models": ("Every model", lambda _: models.run(1 if quick else 3), models.report),
        "visitors": (
            "Visitors at once",
            lambda clips: visitors.run(clips, (1, 2) if quick else visitors.COUNTS),
            visitors.report,
        ),
        "batches": (
            "A batch by one worker and by two",
            lambda clips: batches.run(clips, *(((1, 2), 4) if quick else ())),
            batches.report,
        ),
        "lengths": (
            "First result, real-time factor and memory over length",
            lambda clips: list(whole.run(clips, grid)),
            whole.lengths,
        ),
        "hour": ("An hour", lambda clips: list(whole.run(clips, {} if quick else whole.HOUR)), whole.lengths),
    }


def alone(size: str, name: str, clips: Path) -> Any:
    """One part, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, size, name, clips).result()


def _run(size: str, name: str, clips: Path) -> Any:
    return parts(size)[name][1](Clips(clips))
