"""Seconds of every model per 100 utterances, side by side in one run; with sizes and quality: `fv2es compare`."""

from __future__ import annotations

from typing import Any

from benchmarks.measuring import middle, spread, table
from fv2es.comparison.cost import BASELINE, ready, take_turns
from fv2es.models.registry import list_models

BATCH = 4  # utterances at once


def run(repeats: int = 3, names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Each model's seconds; weights are random, blocks folded, and the models take turns."""
    models = {name: ready(name) for name in names or list_models()}
    return [{"model": name, "seconds": taken} for name, taken in take_turns(models, repeats, BATCH).items()]


def report(rows: list[dict[str, Any]]) -> str:
    baseline = next((middle(row["seconds"]) for row in rows if row["model"] == BASELINE), None)
    body = [
        (row["model"], spread(row["seconds"]), f"{middle(row['seconds']) / baseline:.3f}" if baseline else "—")
        for row in sorted(rows, key=lambda row: middle(row["seconds"]))
    ]
    return table(["100 utterances", "s", f"of {BASELINE}"], body)
