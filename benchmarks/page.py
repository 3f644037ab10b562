"""Brings the tables of a page up to date: `python -m benchmarks.page [RESULTS.json [PAGE.md …]]`.

By default those of docs/performance.md, from the results of the usual run. A table is what stands between a line
`<!-- measured: NAME -->` and the next empty line; NAME is a part of the measurements, or machine, or aims. Tables whose
part the results do not hold stay as they are, and are named. What the sentences around them say is nobody's but ours.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.made_up import ROOT
from benchmarks.measuring import middle, table
from benchmarks.parts import parts
from benchmarks.straightforward import MADE_UP
from benchmarks.whole import GIVEN

PLACE = re.compile(r"(<!-- measured: (\w+) -->\n).*?(?=\n\n|\Z)", re.DOTALL)
FIRST, FACTOR, PEAK, TIMES = 1.5, 0.08, 1.2e9, 8.0  # the aims: seconds, of real time, bytes, times faster

Results = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    options.add_argument("results", type=Path, nargs="?", default=ROOT / "benchmarks" / "results" / "usual.json")
    options.add_argument("pages", type=Path, nargs="*", default=[ROOT / "docs" / "performance.md"])
    args = options.parse_args()
    results = json.loads(args.results.read_text(encoding="utf-8"))
    for page in args.pages:
        text, old = renewed(page.read_text(encoding="utf-8"), results)
        page.write_text(text, encoding="utf-8")
        print(f"{page.name}: {', '.join(old) or 'none'} of its tables stay as they were.")


def renewed(page: str, results: Results) -> tuple[str, list[str]]:
    """The page with its tables made anew, and the names of those for which there are no results."""
    old: list[str] = []

    def table_for(place: re.Match[str]) -> str:
        try:
            return place[1] + reports()[place[2]](results).rstrip()
        except KeyError:
            old.append(place[2])
            return place[0]

    return PLACE.sub(table_for, page), old


def reports() -> dict[str, Callable[[Results], str]]:
    """What makes the table of each name. Raises KeyError where the results do not hold what it needs."""
    measured = {
        name: (lambda results, name=name, part=part: part[2](results[name])) for name, part in parts("").items()
    }
    lengths = measured["lengths"]
    return measured | {
        "machine": machine,
        "aims": aims,
        "lengths": lambda results: lengths({"lengths": [*results["lengths"], *results.get("hour", [])]}),
    }


def machine(results: Results) -> str:
    it, load = results["machine"], [took["load"] for took in results["took"].values()]
    return (
        f"Machine: {it['processor']} ({it['capability']}), {it['cores']} cores, {it['memory_gb']} GB, {it['system']}, "
        f"Python {it['python']}, torch {it['torch']}, {it['threads']} threads; {it['at']}, load {min(load):.1f} to "
        f"{max(load):.1f} before each part."
    )


def aims(results: Results) -> str:
    """What was aimed at with the words given, what was measured (the median of each clip), and whether it is met."""
    given = [row for row in [*results["lengths"], *results.get("hour", [])] if row["words"] == GIVEN]
    first = [(_middle(row, lambda run: run["first"]), row) for row in given]
    factor = [(_middle(row, lambda run: run["wall"] / run["duration"]), row) for row in given if row["height"] == 720]
    peak = [(max(run["peak"] for run in row["runs"]), row) for row in given]
    times = [
        (middle(run["wall"] for run in row["straightforward"]) / middle(run["wall"] for run in row["fv2es"]), row)
        for row in results["straightforward"]
    ]
    rows = [
        ("first result within 1.5 s, any length", *_told(first, lambda one: f"{one:.2f} s", lambda one: one <= FIRST)),
        (
            "real-time factor at most 0.08 at 720p",
            *_told(factor, lambda one: f"{one:.3f}", lambda one: round(one, 3) <= FACTOR),
        ),
        (
            "peak memory at most 1.2 GB, any length",
            *_told(peak, lambda one: f"{one / 1e9:.2f} GB", lambda one: one <= PEAK),
        ),
        (
            "eight times faster than a straightforward implementation",
            *_told(times, lambda one: f"{one:.1f}", lambda one: one >= TIMES),
        ),
    ]
    return table(["aim", "measured", "met"], rows)


def _middle(row: Results, value: Callable[[Results], float]) -> float:
    return middle(map(value, row["runs"]))


def _told(
    values: list[tuple[float, Results]], say: Callable[[float], str], meets: Callable[[float], bool]
) -> Iterator[str]:
    """The span of the values, and which clips miss the aim."""
    numbers = [value for value, _ in values]
    if not numbers:
        raise KeyError
    yield "–".join(dict.fromkeys((say(min(numbers)), say(max(numbers)))))
    missed = [f"{_named(row)} ({say(one)})" for one, row in values if not meets(one)]
    yield f"not {', '.join(missed)}" if missed else "yes"


def _named(row: Results) -> str:
    real = f"{row['clip']}, " if row.get("clip", MADE_UP) != MADE_UP else ""
    return f"{real}{row['seconds']} s at {row['height']}p"


if __name__ == "__main__":
    main()
