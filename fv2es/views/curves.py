"""How a training went, as in Fig. 5 of Wei et al. (2022): figures of both parts over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {"loss": "Loss", "accuracy": "Accuracy", "wacc": "WAcc (balanced accuracy)", "f1": "F1"}
TRAINING, VALIDATION = "#0072B2", "#D55E00"  # of Okabe & Ito's palette
INK = "#333333"


def curves_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """One panel for each of `PANELS` that was measured. history: a line an epoch (`training.loop.fit`), of which
    `loss` and `train_…` are of training and `valid_…` of validation; the dotted line is the epoch that is kept."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    there = [name for name in PANELS if any(f"valid_{name}" in line for line in history)] or ["loss"]
    figure = Figure(figsize=(3.3 * len(there) + 0.3, 3.2), facecolor="white", layout="constrained")
    epochs = [int(line["epoch"]) + 1 for line in history]
    for axes, name in zip(figure.subplots(1, len(there), squeeze=False)[0], there, strict=True):
        own = "loss" if name == "loss" else f"train_{name}"
        _line(axes, epochs, history, own, "training", TRAINING)
        _line(axes, epochs, history, f"valid_{name}", "validation", VALIDATION)
        kept = _kept(history)
        if kept is not None:
            axes.axvline(kept, color=INK, linestyle=":", linewidth=1, label="kept")
        axes.set_title(PANELS[name], fontsize=10, color=INK)
        axes.set_xlabel("epoch", fontsize=9, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=8, colors=INK)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def _line(
    axes: Any, epochs: Sequence[int], history: Sequence[Mapping[str, float]], key: str, label: str, colour: str
) -> None:
    values = [line.get(key, float("nan")) for line in history]
    if any(key in line for line in history):
        axes.plot(epochs, values, color=colour, label=label, linewidth=1.6, marker="o", markersize=3)


def _kept(history: Sequence[Mapping[str, float]]) -> int | None:
    """The number, from 1, of the first epoch with the best score."""
    scored = [line for line in history if "score" in line]
    return int(max(scored, key=lambda line: line["score"])["epoch"]) + 1 if scored else None
