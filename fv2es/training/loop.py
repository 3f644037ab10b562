"""One training loop for every modality: AdamW, one cycle, averaged weights, resumable after a kill at any moment."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What a run is, apart from its data. lr rises over `warm` of the steps and falls on a cosine."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float = 0.03
    warm: float = 0.1
    average: float = 0.999  # decay of the averaged weights, which are the ones validated and kept
    clip: float = 1.0
    bfloat16: bool = True
    seed: int = 0


class Task(Protocol):
    """A model, its training batches, its loss, and how good averaged weights are on the validation part."""

    steps: int  # per epoch

    @property
    def model(self) -> nn.Module: ...

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[Any]: ...

    def loss(self, batch: Any) -> Tensor: ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures of one evaluation; "score" decides which epoch is kept."""
        ...


class Averaged:
    """Exponential moving average of everything floating in a model, running statistics included."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def one_cycle(step: int, total: int, warm: float) -> float:
    """The share of the peak learning rate at `step`."""
    rising = max(1, round(warm * total))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def fit(task: Task, recipe: Recipe, folder: Path) -> dict[str, Tensor]:
    """Train, or go on where `folder` says the run was stopped; returns the best averaged weights.

    The folder holds `state.pt` (everything needed to go on, replaced whole after each epoch), `best.pt` and
    `log.jsonl`. Epoch e draws its randomness from (seed, e), so that a resumed run equals an unbroken one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model, total = task.model, recipe.epochs * task.steps
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99))
    averaged = Averaged(model, recipe.average)
    first, best = _resume(folder, model, optimiser, averaged, recipe)
    for epoch in range(first, recipe.epochs):
        began = time.perf_counter()
        loss = _epoch(task, recipe, epoch, total, optimiser, averaged)
        figures = _validate(task, model, averaged)
        improved = figures["score"] > best
        best = max(best, figures["score"])
        if improved:
            _write(averaged.state, folder / "best.pt")
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "averaged": averaged.state}
        _write(state | {"epoch": epoch, "best": best, "recipe": asdict(recipe)}, folder / "state.pt")
        seconds = time.perf_counter() - began
        line = {"epoch": epoch, "loss": round(loss, 4), "seconds": round(seconds, 1), **figures, "best": best}
        with (folder / "log.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        log.info("%s", line)
    return torch.load(folder / "best.pt", weights_only=True)


def _epoch(
    task: Task, recipe: Recipe, epoch: int, total: int, optimiser: torch.optim.Optimizer, averaged: Averaged
) -> float:
    torch.manual_seed(recipe.seed * 100_003 + epoch)
    rng = np.random.default_rng((recipe.seed, epoch))
    task.model.train()
    losses = []
    for number, batch in enumerate(task.batches(epoch, recipe, rng)):
        step = epoch * task.steps + number
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * one_cycle(step, total, recipe.warm)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            loss = task.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(task.model.parameters(), recipe.clip)
        optimiser.step()
        averaged.update(task.model, step)
        losses.append(loss.item())
    return float(np.mean(losses))


def _validate(task: Task, model: nn.Module, averaged: Averaged) -> dict[str, float]:
    """Figures with the averaged weights; the model's own come back afterwards."""
    own = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(averaged.state)
    model.eval()
    try:
        with torch.inference_mode():
            return {name: round(value, 4) for name, value in task.validate(model).items()}
    finally:
        model.load_state_dict(own)


def _resume(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, averaged: Averaged, recipe: Recipe
) -> tuple[int, float]:
    path = folder / "state.pt"
    if not path.exists():
        return 0, -math.inf
    state = torch.load(path, weights_only=True)
    if state["recipe"] != asdict(recipe):
        raise ValueError(f"{folder} holds a run of another recipe ({state['recipe']}); choose another folder.")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    averaged.state = state["averaged"]
    return state["epoch"] + 1, state["best"]


def _write(value: Any, path: Path) -> None:
    """All or nothing: a kill in mid-write leaves the old file."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.replace(path)
