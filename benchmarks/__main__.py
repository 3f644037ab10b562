"""All measurements in one run, about 25 minutes: `make bench`, or `python -m benchmarks [--quick|--full]`.

Tables go to standard output, raw numbers with the machine's name to `benchmarks/results/`, after each part; each part
runs in a process of its own, so that its memory is its own. Measure on a machine that does nothing else: how busy it
was is kept too. `python -m benchmarks.page` brings the tables of docs/performance.md up to date.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import batches, forms, measuring, models, stored, straightforward, visitors, whole
from benchmarks.made_up import Clips

RESULTS = Path(__file__).parent / "results"
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
            lambda clips: straightforward.run(clips, cases),
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


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = options.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", help="short clips, few repeats")
    size.add_argument("--full", dest="size", action="store_const", const="full", help="an hour at every height, twice")
    options.add_argument("--only", help="some of the parts, with commas between")
    options.add_argument("--resume", action="store_true", help="only what the results do not hold yet")
    options.add_argument("--clips", type=Path, help="make the clips in this folder and keep them for another run")
    options.add_argument("--results", type=Path, default=RESULTS, help="folder for the raw numbers")
    args = options.parse_args()
    size = args.size or "usual"
    chosen = parts(size)
    wanted = args.only.split(",") if args.only else list(chosen)
    if strangers := set(wanted) - set(chosen):
        options.error(f"unknown parts {', '.join(sorted(strangers))}; known: {', '.join(chosen)}")
    args.results.mkdir(parents=True, exist_ok=True)
    target = args.results / f"{size}.json"
    kept = json.loads(target.read_text(encoding="utf-8")) if args.resume and target.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        clips = args.clips or Path(folder)
        clips.mkdir(parents=True, exist_ok=True)
        measure(chosen, wanted, target, kept, lambda name: alone(size, name, clips))


def alone(size: str, name: str, clips: Path) -> Any:
    """One part, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, size, name, clips).result()


def _run(size: str, name: str, clips: Path) -> Any:
    return parts(size)[name][1](Clips(clips))


def measure(
    chosen: dict[str, Part], wanted: list[str], target: Path, kept: dict[str, Any], run: Callable[[str], Any]
) -> None:
    """Each part that is not kept already, in its turn; what has been measured is kept whatever comes after."""
    kept.setdefault("machine", measuring.machine())
    print("# Measured by `python -m benchmarks`\n")
    print(", ".join(f"{name} {value}" for name, value in kept["machine"].items()), flush=True)
    for name in wanted:
        title, _, report = chosen[name]
        if name not in kept:
            began, load = time.perf_counter(), os.getloadavg()[0]
            kept[name] = run(name)
            took = {"seconds": round(time.perf_counter() - began, 1), "load": round(load, 2)}
            kept.setdefault("took", {})[name] = took
            target.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        took = kept["took"][name]
        print(
            f"\n## {title}\n\n{report(kept[name])}\n{took['seconds']:.0f} s, load before {took['load']:.1f}", flush=True
        )


if __name__ == "__main__":
    main()
