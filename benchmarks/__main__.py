"""All measurements in one run, about 20 minutes: `make bench`, or `python -m benchmarks [--quick|--full]`.

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
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.parts import Part, alone, parts

RESULTS = Path(__file__).parent / "results"


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
