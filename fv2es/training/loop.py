"""One training loop for every task: a recipe's optimiser and schedule, resumable after a kill at any moment."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

log = logging.getLogger(__name__)

OPTIMISERS = ("adamw", "adam")  # AdamW with β₂ = .99; Adam as torch has it
SCHEDULES = ("one_cycle", "cosine", "constant")
KEPT = ("best", "last")


@dataclass(frozen=True)
class Recipe:
    """What a run is, apart from its data."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float = 0.03
    warm: float = 0.1  # the share of the steps over which a one-cycle schedule rises
    average: float = 0.999  # decay of the averaged weights, which are the ones validated and kept; 0 = no averaging
    clip: float = 1.0  # the gradient's largest norm; 0 = any
    bfloat16: bool = True  # mixed precision: products in bfloat16, weights in float32
    seed: int = 0
    optimiser: str = "adamw"
    schedule: str = "one_cycle"
    rates: tuple[tuple[str, float], ...] = ()  # parameters whose names begin so learn at lr times this; longest wins
    keep: str = "best"  # which epoch's weights: of the best score, or the last, where validation is too small to choose
    patience: int = 0  # epochs without a better score after which training ends; 0 = never

    def __post_init__(self) -> None:
        choices = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "keep": KEPT}
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"Unknown {name} {value!r}; known: {', '.join(known)}.")


History = list[dict[str, float]]  # one line of figures an epoch


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
    return _cosine((step - rising) / max(1, total - rising))


def share_of_rate(step: int, total: int, recipe: Recipe) -> float:
    """The share of the peak learning rate at `step`, by the recipe's schedule."""
    if recipe.schedule == "constant":
        return 1.0
    return one_cycle(step, total, recipe.warm) if recipe.schedule == "one_cycle" else _cosine(step / max(1, total))


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def fit(task: Task, recipe: Recipe, folder: Path, report: Callable[[History], None] | None = None) -> dict[str, Tensor]:
    """Train, or go on where `folder` says the run was stopped; returns the averaged weights that are kept.

    The folder holds `state.pt` (everything needed to go on, replaced whole after each epoch), `best.pt` and
    `log.jsonl`. Epoch e draws its randomness from (seed, e), so that a resumed run equals an unbroken one. `report`
    is given all epochs' figures, at the start of a resumed run and after each epoch. Training runs where the
    task's model is. Raises ValueError for a folder of another recipe and for a loss that is no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model, total = task.model, recipe.epochs * task.steps
    optimiser, rates = _optimiser(model, recipe)
    averaged = Averaged(model, recipe.average)
    history, best = _resume(folder, model, optimiser, averaged, recipe)
    if history:
        _record(folder, history, report)
    while len(history) < recipe.epochs and not _patience_is_over(history, recipe):
        epoch, began = len(history), time.perf_counter()
        loss = _epoch(task, recipe, epoch, total, optimiser, rates, averaged)
        figures = _validate(task, model, averaged)
        kept = figures["score"] > best or recipe.keep == "last"
        best = max(best, figures["score"])
        if kept:
            _write(averaged.state, folder / "best.pt")
        seconds = time.perf_counter() - began
        line = {"epoch": epoch, "loss": round(loss, 4), "seconds": round(seconds, 1), **figures, "best": best}
        history.append(line)
        state: dict[str, Any] = {"epoch": epoch, "best": best, "recipe": asdict(recipe), "history": history}
        state |= {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "averaged": averaged.state}
        _write(state, folder / "state.pt")
        _record(folder, history, report)
        log.info("%s", line)
    return torch.load(folder / "best.pt", weights_only=True, map_location=_device(model))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _optimiser(model: nn.Module, recipe: Recipe) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser, and what each of its groups learns at in shares of lr. Only matrices decay."""
    named = list(model.named_parameters())
    longest_first = sorted(recipe.rates, key=lambda rate: -len(rate[0]))
    for prefix, _ in longest_first:
        if not any(name.startswith(prefix) for name, _ in named):
            raise ValueError(f"The recipe has a learning rate for {prefix!r}, and no parameter's name begins so.")
    shares = {name: next((rate for prefix, rate in longest_first if name.startswith(prefix)), 1.0) for name, _ in named}
    groups, rates = [], []
    for share in dict.fromkeys(shares.values()) or [1.0]:
        mine = [p for name, p in named if shares[name] == share]
        for matrices, decay in ((True, recipe.weight_decay), (False, 0.0)):
            groups.append({"params": [p for p in mine if (p.dim() > 1) == matrices], "weight_decay": decay})
            rates.append(share)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr), rates
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99)), rates


def _epoch(
    task: Task,
    recipe: Recipe,
    epoch: int,
    total: int,
    optimiser: torch.optim.Optimizer,
    rates: Sequence[float],
    averaged: Averaged,
) -> float:
    torch.manual_seed(recipe.seed * 100_003 + epoch)
    rng = np.random.default_rng((recipe.seed, epoch))
    task.model.train()
    losses = []
    kind = _device(task.model).type
    bar = {
        "desc": f"epoch {epoch + 1} of {recipe.epochs}",
        "leave": False,
        "disable": None,
    }  # None: no terminal, no bar
    for number, batch in enumerate(tqdm(task.batches(epoch, recipe, rng), total=task.steps, **bar)):
        step = epoch * task.steps + number
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * recipe.lr * share_of_rate(step, total, recipe)
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.bfloat16):
            loss = task.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(task.model.parameters(), recipe.clip)
        optimiser.step()
        averaged.update(task.model, step)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ValueError(f"The loss is no number in epoch {epoch} ({losses[-1]}): a lower lr may help.")
    return float(np.mean(losses))


def _patience_is_over(history: History, recipe: Recipe) -> bool:
    if not recipe.patience or not history:
        return False
    best = max(range(len(history)), key=lambda epoch: history[epoch]["score"])  # of several alike, the first
    return len(history) - 1 - best >= recipe.patience


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
) -> tuple[History, float]:
    """The figures of the epochs that are behind, and the best score."""
    path = folder / "state.pt"
    if not path.exists():
        return [], -math.inf
    state = torch.load(path, weights_only=True, map_location="cpu")  # steps that an optimiser counts belong there
    if _whole(state["recipe"]) != asdict(recipe):
        raise ValueError(f"{folder} holds a run of another recipe ({state['recipe']}); choose another folder.")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    averaged.state = {name: value.to(_device(model)) for name, value in state["averaged"].items()}
    # A state of before there was a history: its log's lines, of which the last may be missing.
    history = state["history"] if "history" in state else _logged(folder, state["epoch"])
    return history, state["best"]


def _whole(named: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe that was written down when it had fewer fields: the others are as they are by default."""
    return {one.name: one.default for one in fields(Recipe) if one.name not in named} | dict(named)


def _logged(folder: Path, last: int) -> History:
    """The lines of the log up to the epoch `last`; a line that was never written has nothing but its number."""
    history: History = [{"epoch": epoch} for epoch in range(last + 1)]
    path = folder / "log.jsonl"
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        line = json.loads(text)
        if line["epoch"] <= last:
            history[line["epoch"]] = line
    return history


def _record(folder: Path, history: History, report: Callable[[History], None] | None) -> None:
    """The log is written whole from the history, which is in `state.pt`: a kill between the two loses no line."""
    partial = folder / "log.partial"
    partial.write_text("".join(json.dumps(line) + "\n" for line in history), encoding="utf-8")
    partial.replace(folder / "log.jsonl")
    if report is not None:
        report(history)


def _write(value: Any, path: Path) -> None:
    """All or nothing: a kill in mid-write leaves the old file."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.replace(path)
