"""Blocks that fold, and blocks that modulate."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn
from torch.nn import functional as F

from fv2es.models.blocks.focal import FocalModulation
from fv2es.models.blocks.repvgg import RepVGGBlock, fold, fold_batch_norm
from fv2es.models.blocks.rfam import RFAMBlock, simam
from fv2es.models.inputs import make_batch
from fv2es.schema import VOICE
from fv2es.views.attention.maps import levels_of, reach_of, sound_of
from fv2es.views.inputs import decibels
from tools.method.clip import FOCAL, MODEL, piece_shown, reader, readings, shown, training_form
from tools.method.drawing import FAINT, SOUND, TINTS, WARMTH, arrow, box, canvas, image, panel, sheet


def folding() -> Figure:
    """Kernels of the first block that keeps its shape: those of its three branches, and the one that equals them."""
    face = training_form(MODEL).face
    assert isinstance(face.trunk, nn.Sequential)
    block = next(one for one in face.trunk if isinstance(one, RepVGGBlock) and one.norm_identity is not None)
    dirac = torch.nn.init.dirac_(torch.empty_like(block.conv.weight))
    parts = (
        ("3 × 3, normalised", fold_batch_norm(block.conv.weight, None, block.norm)[0]),
        ("1 × 1, normalised", F.pad(fold_batch_norm(block.conv_point.weight, None, block.norm_point)[0], (1, 1, 1, 1))),
        ("identity, normalised", fold_batch_norm(dirac, None, block.norm_identity)[0]),
    )
    whole = sum(kernel for _, kernel in parts)
    figure = sheet(10.4, 3.3)
    over = canvas(figure)
    reach = float(np.quantile(np.abs(whole[:8, :8]), 0.995))
    for place, (title, kernel) in enumerate([*parts, ("one 3 × 3 kernel", whole)]):
        left = 0.2 + place * 2.62
        axes = panel(figure, left, 0.65, 2.15, 2.15, title)
        image(axes, _tiles(kernel[:8, :8].numpy()), WARMTH, -reach, reach)
        if place:
            over.text(left - 0.24, 1.7, "+" if place < 3 else "=", ha="center", va="center", fontsize=16)
    over.text(0.2, 0.36, "Each square of 3 × 3 is the kernel from one of eight channels in (across) to one of eight "
              "channels out (upwards); red adds, blue takes away.", va="center", color=FAINT, fontsize=8.5)  # fmt: skip
    over.text(0.2, 0.15, _equality(face), va="center", color=FAINT, fontsize=8.5)
    return figure


def _tiles(kernels: np.ndarray) -> np.ndarray:
    """(out, in, 3, 3) → one picture with gaps."""
    out, into = kernels.shape[:2]
    picture = np.full((4 * out - 1, 4 * into - 1), np.nan)
    for row in range(out):
        for column in range(into):
            picture[4 * row : 4 * row + 3, 4 * column : 4 * column + 3] = kernels[row, column][::-1]
    return picture


def _equality(face: torch.nn.Module) -> str:
    """Branches against folded, over the whole face network and all faces of the clip."""
    batch = make_batch([one.utterance for one in readings()], reader().model.inputs, reader().tokenizer)
    counts = batch.face_counts[batch.face_counts > 0]
    said = []
    for kind, digits in ((torch.float32, "single"), (torch.float64, "double")):
        branches = copy.deepcopy(face).to(kind)
        before = branches(batch.faces.to(kind), counts)
        after = fold(branches)(batch.faces.to(kind), counts)
        said.append(f"{float((before - after).abs().max()):.0e} in {digits} precision")
    return (
        f"Measured: the logits of the folded face network, up to {float(before.abs().max()):.1f}, differ from those of "
        f"the branches by at most {' and '.join(said)} ({len(batch.faces)} faces)."
    )


LEARNING = ("3×3 conv\nBN, ReLU", "3×3 conv\nBN", "+", "ReLU", "SimAM")
AFTERWARDS = ("3×3 conv, and\nx kept beside", "ReLU", "3×3 conv that\nadds what is kept", "ReLU", "SimAM")


def rfam() -> Figure:
    """Residual while learning, plain afterwards; and what SimAM lets through of a face."""
    figure = sheet(10.4, 3.6)
    over = canvas(figure)
    for y, title, parts in ((2.35, "while it learns", LEARNING), (0.55, "afterwards", AFTERWARDS)):
        over.text(0.15, y + 0.8, title, fontweight="bold", va="center")
        over.text(0.25, y + 0.25, "x", ha="center", va="center", style="italic")
        x = 0.5
        for part in parts:
            width = 0.3 if part == "+" else 1.2 if "\n" in part else 0.62
            arrow(over, (x - 0.17, y + 0.25), (x, y + 0.25))
            box(over, x, y, width, 0.5, part)
            if part == "+":
                over.plot((0.25, 0.25, x + 0.15), (y + 0.15, y - 0.25, y - 0.25), color=FAINT, linewidth=1)
                arrow(over, (x + 0.15, y - 0.26), (x + 0.15, y))
                said = "shortcut: x, or 1×1 conv and BN where the shape changes"
                over.text(0.35, y - 0.42, said, va="center", color=FAINT, fontsize=8)
            x += width + 0.2
    crops = make_batch([shown().utterance], reader(FOCAL).model.inputs, reader().tokenizer).faces[:1]
    panel(figure, 6.05, 1.95, 1.25, 1.25, "a face as it is seen").imshow(crops[0, 0], cmap="gray")
    places = ((7.55, 1.95), (9.05, 1.95), (6.05, 0.15), (7.55, 0.15), (9.05, 0.15))
    for (left, bottom), (number, gate) in zip(places, _gates(crops), strict=False):
        panel(figure, left, bottom, 1.25, 1.25, f"gate, block {number}").imshow(gate, cmap="viridis")
    return figure


def _gates(crops: torch.Tensor) -> Iterator[tuple[int, np.ndarray]]:
    """Block → SimAM's gate behind it, the mean over the channels."""
    x, number = crops, 0
    with torch.inference_mode():
        for layer in reader(FOCAL).model.face.trunk:
            if isinstance(layer, RFAMBlock):
                number += 1
                kept = layer.summed(x) + 1e-6  # what all cells have more moves no gate
                yield number, (simam(kept) / kept)[0].mean(0).numpy()
            x = layer(x)


def focal() -> Figure:
    """How wide each context is, and how strongly each place of a piece is modulated."""
    reading = shown(FOCAL)
    layer = next(one for one in reader(FOCAL).model.voice.modules() if isinstance(one, FocalModulation))
    windows = [one.kernel_size[0] for one in layer.contexts]
    figure = sheet(10.4, 3.6)
    over = canvas(figure)
    grid = panel(figure, 0.2, 0.75, 2.3, 2.3, "contexts of one place")
    middle, reach = 10, 0
    grid.set(xlim=(0, 2 * middle + 1), ylim=(0, 2 * middle + 1), facecolor="#FDEBDD")
    wide = []
    for window in windows:
        reach += window // 2
        wide.append(reach)
    for reach, colour in zip(wide[::-1], ("#F7C9A9", "#EE9B64"), strict=False):
        grid.add_patch(Rectangle((middle - reach, middle - reach), 2 * reach + 1, 2 * reach + 1, facecolor=colour))
    for edge in range(2 * middle + 1):
        grid.axhline(edge, color="white", linewidth=0.5)
        grid.axvline(edge, color="white", linewidth=0.5)
    grid.add_patch(Rectangle((middle, middle), 1, 1, facecolor=TINTS[VOICE]))
    said = ", then ".join(f"{2 * one + 1} × {2 * one + 1}" for one in wide)
    over.text(0.2, 0.4, f"{said}, then the whole map", va="center", color=FAINT, fontsize=8.5)
    number = piece_shown()
    reach = reach_of([level.cells(piece=number) for level in levels_of(reading)])
    left = 3.1
    image(panel(figure, left, 0.75, 0.58 * 1.6, 2.3, "a piece"), decibels(sound_of(reading, number)), SOUND, -60, 0)
    for level in levels_of(reading):
        left += 1.75
        axes = panel(figure, left, 0.75, 0.58 * 1.6, 2.3, f"level {level.number}")
        drawn = image(axes, level.cells(piece=number), WARMTH, -reach, reach)
        rows, columns = level.shares.shape[2:]
        over.text(left, 0.4, f"{rows} × {columns} cells", va="center", color=FAINT, fontsize=8.5)
    bar = figure.colorbar(drawn, cax=panel(figure, left + 1.2, 0.75, 0.1, 2.3))
    bar.set_ticks([-reach, 0, reach], labels=[f"{2**reach:.2g} × less", "mean", f"{2**reach:.2g} × more"], fontsize=7)
    return figure
