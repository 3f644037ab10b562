"""From several modalities to one answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch.nn import functional as F

from fv2es.models.blocks.fusion import BayesFusion
from fv2es.schema import MODALITIES
from fv2es.views.attention import attention_figure
from tools.method.clip import QUERIES, reader, shown
from tools.method.drawing import FAINT, INK, LINE, TINTS, panel, sheet

EMOTION = "happy"  # whose curve is drawn
UNDECIDED = "#8c959f"
SUMS = "log-odds against none; grey: prior, dot: sum, line: threshold"
NOWHERE_NEAR = -20.0  # logits of emotions that are not shown


def queries() -> Figure:
    """The page's own figure of what each emotion's query looks at."""
    reading = shown(QUERIES)
    kept = {name: one for name, one in (reading.attention or {}).items() if not name.startswith("level")}
    return attention_figure(replace(reading, attention=kept))


def fusion() -> Figure:
    """The evidence that a modality gives, and how it adds up in the utterance of the figures."""
    model = reader().model.fusion
    assert isinstance(model, BayesFusion)
    place = reader().emotions.index(EMOTION)
    figure = sheet(10.4, 3.9)
    logits = torch.linspace(-8, 8, 321)
    axes = panel(figure, 0.75, 0.6, 3.9, 2.9, f"What a modality’s logit for {EMOTION} counts")
    axes.plot(logits, logits / 3, color=UNDECIDED, linewidth=1, linestyle=":", label="a third (weighted mean)")
    evidence = _evidence(model, logits, place)
    for row, name in enumerate(MODALITIES):
        axes.plot(logits, evidence[:, row], color=TINTS[name], linewidth=2, label=name)
        silent = float(F.logsigmoid(model.silence[row]))
        axes.axhline(silent, color=TINTS[name], linewidth=0.8, linestyle="--")
    axes.set(xlim=(-8, 8), ylim=(-3, 8))
    axes.set(xlabel="the modality’s calibrated logit, other emotions’ far below", ylabel="evidence, log-odds")
    axes.set(xticks=range(-8, 9, 4), yticks=range(-2, 9, 2))
    axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
    axes.text(7.8, -2.7, "dashed: log s, the most that a no takes away", ha="right", fontsize=8, color=FAINT)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    _sums(panel(figure, 5.75, 0.6, 4.4, 2.9, "How evidence adds up in one utterance"), model)
    return figure


def _evidence(model: BayesFusion, logits: torch.Tensor, emotion: int) -> torch.Tensor:
    """(N,) logits of one emotion, none of the others shown → (N, modalities)."""
    given = torch.full((len(logits), *model.shift.shape), NOWHERE_NEAR)
    given[..., emotion] = logits[:, None]
    return model.evidence(given)[..., emotion]


def _sums(axes: Axes, model: BayesFusion) -> None:
    reading = shown()
    (prediction,) = reader().predict([reading.utterance])
    given = torch.from_numpy(np.stack([prediction.modalities[name] for name in MODALITIES])).float()
    evidence = model.evidence(given)
    sums = (model.prior + evidence.sum(0)).numpy()
    for place, threshold in enumerate(reading.thresholds):
        top = len(reading.emotions) - place
        at = float(model.prior[place])
        axes.barh(top + 0.3, at, 0.16, color=UNDECIDED)
        for row, modality in enumerate(MODALITIES):
            more = float(evidence[row, place])
            axes.barh(top + 0.1 - 0.2 * row, more, 0.16, left=at, color=TINTS[modality])
            at += more
        rest = np.log1p(np.exp(np.delete(sums, place)).sum())  # of all else, none among it
        assert abs(at - rest - float(prediction.logits[place])) < 1e-3, "what is drawn is what the model says"
        axes.plot(at, top - 0.3, "o", color=INK, markersize=5)
        axes.vlines(rest + np.log(threshold / (1 - threshold)), top - 0.42, top + 0.42, color=INK, linewidth=1.2)
        axes.axhline(top - 0.5, color=LINE, linewidth=0.6)
    axes.set(ylim=(0.5, len(reading.emotions) + 0.5), xlabel=SUMS)
    axes.set_yticks(range(len(reading.emotions), 0, -1), reading.emotions)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
