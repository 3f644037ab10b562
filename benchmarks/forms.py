"""RepVGG and RFAM in training form against inference form: the same faces, the same logits, other blocks.

RFAM has two inference forms: the one that models are loaded in, and the papers' without a shortcut (“merged”).
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch

from benchmarks.measuring import middle, spread, table
from fv2es.comparison.cost import random_batch
from fv2es.models.blocks.repvgg import fold
from fv2es.models.blocks.rfam import RFAMBlock, merge
from fv2es.models.registry import create_model

MODELS = ("v2em-compact", "rfam-focal-compact", "v2em", "rfam-focal")
UTTERANCES = 4  # of five faces each, at once


def run(repeats: int = 5, models: tuple[str, ...] = MODELS) -> list[dict[str, Any]]:
    """Seconds of the face networks, the two forms taking turns; weights are random."""
    return [_compare(name, repeats) for name in models]


def _compare(name: str, repeats: int) -> dict[str, Any]:
    torch.manual_seed(0)
    training = create_model(name).eval().requires_grad_(False)
    _vary(training)
    forms = {"training": training, "inference": fold(copy.deepcopy(training))}
    if any(isinstance(part, RFAMBlock) for part in training.modules()):
        forms["merged"] = merge(copy.deepcopy(training))
    batch = random_batch(training, UTTERANCES)
    taken: dict[str, list[float]] = {form: [] for form in forms}
    logits = {}
    with torch.inference_mode():
        for repeat in range(repeats + 1):
            for form, model in forms.items():
                start = time.perf_counter()
                logits[form] = model.raw("face", batch)
                if repeat:  # the first warms
                    taken[form].append((time.perf_counter() - start) * 100 / UTTERANCES)
    right = logits.pop("training")
    apart = max((one - right).abs().max() / right.abs().max() for one in logits.values())
    return {"model": name, **taken, "apart": float(apart)}


def _vary(model: torch.nn.Module) -> None:
    """Normalisations as training leaves them: those of a fresh model do nothing."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)


def report(rows: list[dict[str, Any]]) -> str:
    head = ["faces of 100 utterances", "training form, s", "inference form, s", "times faster", "papers' form, s"]
    body = [
        (
            row["model"],
            spread(row["training"]),
            spread(row["inference"]),
            f"{middle(row['training']) / middle(row['inference']):.2f}",
            spread(row["merged"]) if "merged" in row else "the same",
            f"{row['apart']:.0e}",
        )
        for row in rows
    ]
    return table([*head, "logits apart"], body)
