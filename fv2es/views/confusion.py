"""Confusion matrices as in Wei et al. 2022, Fig. 7: rows the truth, columns what it was taken for.

A cell's colour and percentage are its share of the row, its small number is the count. White background: these are for
pages and print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = (3.7, 3.55)  # inches
COLUMNS = 2
DPI = 150  # of the PNG
MAP = "Blues"
INK, FAINT = "#1a1a1a", "#767676"
DARK = 0.68  # share from which letters are white: below it, dark ones have more contrast


def confusion_figure(panels: Mapping[str, np.ndarray], labels: Sequence[str], title: str = "") -> Figure:
    """title of each panel → (L, L) counts, in the order of `labels`. Raises ValueError without panels."""
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("a figure of confusion matrices needs at least one")
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), facecolor="white", layout="constrained")
    for number, (name, counts) in enumerate(panels.items(), start=1):
        _panel(figure.add_subplot(rows, columns, number), name, np.asarray(counts), labels)
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def row_shares(counts: np.ndarray) -> np.ndarray:
    """(L, L) counts → shares of each row's sum; NaN in a row of nothing."""
    whole = counts.sum(1, keepdims=True)
    return np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0)


def _panel(axes: Axes, name: str, counts: np.ndarray, labels: Sequence[str]) -> None:
    shares = row_shares(counts)
    axes.imshow(np.nan_to_num(shares), cmap=MAP, vmin=0, vmax=1, interpolation="none")
    axes.set_title(name, fontsize=9)
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, labels)
    axes.set_xlabel("read as", fontsize=8)
    axes.set_ylabel("labelled", fontsize=8)
    axes.tick_params(labelsize=7.5, length=0)
    axes.spines[:].set_visible(False)
    for edge in range(1, len(labels)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
        axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    for row, column in np.ndindex(counts.shape):
        _cell(axes, row, column, int(counts[row, column]), float(shares[row, column]))


def _cell(axes: Axes, row: int, column: int, count: int, share: float) -> None:
    def write(text: str, down: float, size: float, colour: str) -> None:
        axes.text(column, row + down, text, ha="center", va="center", fontsize=size, color=colour)

    if not count:
        write("–" if np.isnan(share) else "0", 0, 6, FAINT)
        return
    colour = "white" if share >= DARK else INK
    write(f"{100 * share:.0f} %", -0.15, 7, colour)
    write(str(count), 0.24, 5.6, colour)


def save_figure(figure: Figure, path: Path) -> None:
    """As PNG or SVG (with real text), by the ending; the same figure gives the same file."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fv2es"}):
        figure.savefig(path, dpi=DPI, metadata={"Date": None} if path.suffix == ".svg" else None)
