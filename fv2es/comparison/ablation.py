"""Ablations without new weights: the face network of one checkpoint with the voice network of another, the same words.

Wei et al. (Table VII) and Jia et al. (Table 4) swap the networks of one modality and train again. Networks that learnt
independently, each on its own corpus, need no training to be swapped: only what is fitted on all three of them is
fitted anew, by the code that assembles a checkpoint: calibration, thresholds, fusion. All combinations are measured on
the same pseudo-utterances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fv2es.comparison.quality import SUBSETS, Answers, independent, stacked
from fv2es.comparison.samples import Part, Pseudo
from fv2es.emotions import MOSEI
from fv2es.metrics import report
from fv2es.models.blocks.fusion import LinearPool
from fv2es.results import probabilities
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training.calibration import Scored, calibrate, fit_fusion
from fv2es.training.checkpoint import GOALS, PULL


def recombine(all_answers: Sequence[Answers], words: str, parts: Sequence[Part], fit: Pseudo, measure: Pseudo) -> list:
    """Every face with every voice and the words of the checkpoint `words`: a row each, the checkpoints named.

    Checkpoints whose model reads modalities jointly are left out; fewer than two others make no row.
    """
    raw = {one.reader.name: _raw(one) for one in all_answers if independent(one.reader.model)}
    if len(raw) < 2 or words not in raw:
        return []
    return [
        {"face": face, "voice": voice, "words": words, **_measured(chosen, parts, fit, measure)}
        for face in raw
        for voice in raw
        for chosen in [{FACE: raw[face][FACE], VOICE: raw[voice][VOICE], WORDS: raw[words][WORDS]}]
    ]


def _raw(answers: Answers) -> dict[str, np.ndarray]:
    """The networks' logits before the calibration of their checkpoint."""
    calibration = answers.reader.model.calibration
    scale, bias = calibration.scale.double().numpy(), calibration.bias.double().numpy()
    return {name: (answers.logits[name] - bias[row]) / scale[row] for row, name in enumerate(MODALITIES)}


def _measured(logits: Mapping[str, np.ndarray], parts: Sequence[Part], fit: Pseudo, measure: Pseudo) -> dict[str, Any]:
    calibrated = calibrate({name: _scored(name, logits[name], parts) for name in MODALITIES}, GOALS, PULL)
    ready = {name: logits[name] * calibrated.scale[row] + calibrated.bias[row] for row, name in enumerate(MODALITIES)}
    pool = LinearPool(len(MODALITIES)).double()
    with torch.no_grad():
        weights = fit_fusion(stacked(ready, fit), fit.labels, calibrated.thresholds)
        pool.weight.copy_(torch.from_numpy(weights)[None])
    thresholds = probabilities(calibrated.thresholds)
    given = torch.from_numpy(stacked(ready, measure))
    subsets = {}
    for subset in SUBSETS:
        present = torch.tensor([name in subset for name in MODALITIES]).expand(len(given), -1)
        with torch.inference_mode():
            fused = pool(given, present).numpy()
        subsets["+".join(subset)] = report(measure.truth, probabilities(fused), thresholds, MOSEI, subset)
    return {"fusion": dict(zip(MODALITIES, weights.round(4).tolist(), strict=True)), "subsets": subsets}


def _scored(name: str, logits: np.ndarray, parts: Sequence[Part]) -> Scored:
    """Weighted as when a checkpoint is assembled: voices so that all labels count alike, the others each alike."""
    truth = np.concatenate([part.truth for part in parts if part.modality == name])
    scored = Scored(logits, truth, np.ones(len(truth)))
    weight = 1 / np.bincount(scored.label)[scored.label] if name == VOICE else scored.weight
    return Scored(logits, truth, weight / weight.sum())
