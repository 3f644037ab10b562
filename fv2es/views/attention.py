"""Where the voice model looks: the attention of its three nested levels (Wei et al. 2022, Fig. 6).

A piece of 0.4 s is a map of 32 × 32 cells: time across, mel bands upwards. Level 1 attends inside 16 blocks of it,
level 2, at half the resolution, inside four, level 3 inside one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fv2es.modalities.spectrogram import PIECE_COLUMNS, SECONDS_PER_PIECE, pieces
from fv2es.schema import N_MELS, Reading
from fv2es.views.inputs import DYNAMIC_RANGE, decibels
from fv2es.views.markup import drawing, new_figure, quiet_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOCK = 8  # cells along the side of a block, at every level
LEVELS = {"level1": 4, "level2": 2, "level3": 1}  # blocks along the side of the map
CHANNELS = N_MELS // PIECE_COLUMNS
PIXELS = 128  # of a map's side, before the gaps
GAP = 4  # pixels between blocks
LEAST_RANGE = 0.25  # of the colours, in doublings: attention that is as good as even shall not look dramatic
COLOURS = "coolwarm"


def attention_card(reading: Reading) -> str:
    """The input and the three levels side by side, with how to read them."""
    figures = attention_figures(reading)
    if not figures:
        return (
            '<p class="fv-missing">There is no attention to show: the voice was left out here, '
            "or this model has no nested attention.</p>"
        )
    titles = {"input": "Input <small>average piece of 0.4 s</small>"} | {
        level: f"Level {number} <small>{_blocks(side)}</small>"
        for number, (level, side) in enumerate(LEVELS.items(), start=1)
    }
    panels = "".join(
        f"<figure>{drawing(figure, _spoken(name))}<figcaption>{titles[name]}</figcaption></figure>"
        for name, figure in figures.items()
    )
    return (
        '<div class="fv-attention"><p class="fv-reading-aid"><b>Warm = attended.</b> '
        '<span>less</span><i class="fv-scale" aria-hidden="true"></i><span>more</span></p>'
        f'<div class="fv-maps">{panels}</div>'
        "<p>Every cell shows how much attention it receives from its block, less or more than an even share, averaged "
        "over the pieces of the utterance, layers and heads. The 128 mel bands are folded into four channels of 32, so "
        "a row stands for four bands.</p></div>"
    )


def attention_figures(reading: Reading) -> dict[str, Figure]:
    """ "input", "level1", "level2", "level3" → a figure each; empty where there is no attention."""
    attention = reading.attention or {}
    maps = {level: mean_map(attention[level]) for level in LEVELS if level in attention}
    if not maps:
        return {}
    reach = max(LEAST_RANGE, *(float(np.quantile(np.abs(one), 0.995)) for one in maps.values()))
    drawn = {level: _figure(_apart(one, LEVELS[level]), COLOURS, -reach, reach) for level, one in maps.items()}
    return {"input": _figure(_enlarge(average_piece(reading.utterance.mel)), "magma", -DYNAMIC_RANGE, 0)} | drawn


def mean_map(weights: np.ndarray) -> np.ndarray:
    """(pieces, layers, heads, rows, columns) → (rows, columns): doublings over even attention, 0 = even.

    A block's cells sum to 1, so that even attention is 1/64 for each.
    """
    return np.log2(np.maximum(weights.mean(axis=(0, 1, 2), dtype=np.float64) * BLOCK**2, 2.0**-8))


def average_piece(mel: np.ndarray) -> np.ndarray:
    """(128, T) → (32, 32) dB: the mean over pieces and channels, as the model folds them."""
    cut = pieces(mel).reshape(-1, CHANNELS, PIECE_COLUMNS, PIECE_COLUMNS)
    return decibels(cut.mean(axis=(0, 1))) if len(cut) else decibels(np.zeros((PIECE_COLUMNS, PIECE_COLUMNS)))


def _enlarge(cells: np.ndarray) -> np.ndarray:
    return np.kron(cells, np.ones((PIXELS // len(cells),) * 2))


def _apart(cells: np.ndarray, side: int) -> np.ndarray:
    """Enlarged, with empty gaps between the `side` × `side` blocks so that they can be seen."""
    large = _enlarge(cells)
    cuts = [PIXELS // side * number for number in range(1, side) for _ in range(GAP)]
    for axis in (0, 1):
        large = np.insert(large, cuts, np.nan, axis=axis)
    return large


def _figure(pixels: np.ndarray, colours: str, low: float, high: float) -> Figure:
    figure = new_figure(1.75, 1.75)
    axes = quiet_axes(figure)
    axes.imshow(
        pixels,
        cmap=colours,
        vmin=low,
        vmax=high,
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(0, SECONDS_PER_PIECE, 0, PIECE_COLUMNS),
    )
    axes.set_xticks([0, SECONDS_PER_PIECE / 2, SECONDS_PER_PIECE], ["0", "0.2", "0.4 s"])
    axes.set_yticks([0.5, PIECE_COLUMNS / 2, PIECE_COLUMNS - 0.5], ["1", "16", "32"])
    axes.set_ylabel("mel band")
    return figure


def _blocks(side: int) -> str:
    return "one block" if side == 1 else f"{side**2} blocks"


def _spoken(name: str) -> str:
    if name == "input":
        return "The average piece of the spectrogram, 0.4 seconds by 32 mel bands"
    return f"Map of the attention of level {name[-1]}, in {_blocks(LEVELS[name])}"
