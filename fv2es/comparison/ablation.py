"""Ablations without new weights: the face network of one checkpoint with the voice network of another, the same words.

Wei et al. (Table VII) and Jia et al. (Table 4) swap the networks of one modality and train again. Networks that learnt
independently, each on its own corpus, need no training to be swapped: only what is fitted on all three of them is
fitted anew, as when a checkpoint is assembled: calibration, thresholds, and fusion, on inputs as they are and worn. All
combinations are
measured on the same pseudo-utterances.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fv2es.comparison.quality import SUBSETS, Answers, independent, stacked
from fv2es.comparison.samples import Part, Pseudo
from fv2es.emotions import MOSEI
from fv2es.metrics import report
from fv2es.models.blocks.fusion import BayesFusion
from fv2es.reader import Reader
from fv2es.results import probabilities
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training.calibration import Calibrated, Scored, calibrate, evenly, fit_fusion
from fv2es.training.checkpoint import GOALS
from fv2es.training.joint import present_of

Logits = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Networks:
    """A checkpoint's answers to the validation parts as they are, and worn."""

    clean: Answers
    worn: Answers


def separable(readers: Sequence[Reader]) -> list[Reader]:
    """Those whose modalities answer alone, if there are at least two: with fewer there is nothing to recombine."""
    found = [reader for reader in readers if independent(reader.model)]
    return found if len(found) > 1 else []


def recombine(
    networks: Sequence[Networks], words: str, parts: Sequence[Part], fit: Pseudo, measure: Pseudo
) -> list[dict[str, Any]]:
    """Every face with every voice and the words of the checkpoint `words`: a row each, the checkpoints named."""
    clean = {one.clean.reader.name: _raw(one.clean) for one in networks}
    worn = {one.worn.reader.name: _raw(one.worn) for one in networks}
    rows = []
    for face, voice in itertools.product(clean, repeat=2):
        chosen = {FACE: face, VOICE: voice, WORDS: words}
        given, bad = ({name: raw[one][name] for name, one in chosen.items()} for raw in (clean, worn))
        rows.append({**chosen, **_measured(given, bad, parts, fit, measure)})
    return rows


def _raw(answers: Answers) -> dict[str, np.ndarray]:
    """The networks' logits before the calibration of their checkpoint."""
    calibration = answers.reader.model.calibration
    scale, bias = calibration.scale.double().numpy(), calibration.bias.double().numpy()
    return {name: (answers.logits[name] - bias[row]) / scale[row] for row, name in enumerate(MODALITIES)}


def _measured(clean: Logits, worn: Logits, parts: Sequence[Part], fit: Pseudo, measure: Pseudo) -> dict[str, Any]:
    calibrated = calibrate({name: _scored(name, clean[name], parts) for name in MODALITIES}, GOALS)
    fusion = BayesFusion(len(MODALITIES), len(MOSEI)).double()
    seen = np.concatenate([stacked(_apply(calibrated, logits), fit) for logits in (worn, clean)])
    fit_fusion(fusion, seen, np.tile(fit.labels, 2), calibrated.thresholds)
    thresholds = probabilities(calibrated.thresholds)
    given = torch.from_numpy(stacked(_apply(calibrated, clean), measure))
    subsets = {}
    for subset in SUBSETS:
        with torch.inference_mode():
            fused = fusion(given, present_of(subset, len(given))).numpy()
        subsets["+".join(subset)] = report(measure.truth, probabilities(fused), thresholds, MOSEI, subset)
    with torch.inference_mode():
        shares = fusion.weights_in_force(torch.ones(1, len(MODALITIES), dtype=torch.bool))[0]
    return {"fusion": dict(zip(MODALITIES, shares.numpy().round(4).tolist(), strict=True)), "subsets": subsets}


def _apply(calibrated: Calibrated, logits: Logits) -> dict[str, np.ndarray]:
    return {name: logits[name] * calibrated.scale[row] + calibrated.bias[row] for row, name in enumerate(MODALITIES)}


def _scored(name: str, logits: np.ndarray, parts: Sequence[Part]) -> Scored:
    """Weighted as when a checkpoint is assembled: voices so that all labels count alike, the others each alike."""
    truth = np.concatenate([part.truth for part in parts if part.modality == name])
    scored = Scored(logits, truth, np.ones(len(truth)))
    weight = evenly(scored.label) if name == VOICE else scored.weight
    return Scored(logits, truth, weight / weight.sum())
