"""How good a checkpoint is, by `Reader.predict` as in serving: on each validation part, and on pseudo-utterances.

Where a model's modalities answer independently and only their logits meet, pseudo-utterances are put together from
logits that are there already; a model that reads them jointly is shown the utterances themselves, fewer of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fv2es.comparison.samples import Part, Pseudo
from fv2es.evaluation import Predictor
from fv2es.metrics import report
from fv2es.models.multimodal import MultimodalModel
from fv2es.reader import Reader
from fv2es.results import probabilities
from fv2es.schema import MODALITIES, Utterance
from fv2es.training.joint import SUBSETS, present_of

BATCH = 32
READ_JOINTLY = 1400  # pseudo-utterances that are shown to a model which reads modalities jointly
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Answers:
    """A checkpoint's logits (n, E) for every utterance of every part, modality → parts joined."""

    reader: Reader
    logits: Mapping[str, np.ndarray]


def predict_all(reader: Predictor, utterances: Sequence[Utterance]) -> np.ndarray:
    """(n, E) fused logits in the order of the utterances; those of like length are read together."""
    order = sorted(range(len(utterances)), key=lambda row: _length(utterances[row]))
    logits = np.zeros((len(utterances), len(reader.emotions)))
    for first in range(0, len(order), BATCH):
        rows = order[first : first + BATCH]
        logits[rows] = [one.logits for one in reader.predict([utterances[row] for row in rows])]
    return logits


def _length(utterance: Utterance) -> tuple[int, int]:
    return utterance.mel.shape[1], len(utterance.transcript.text)


def read_all(reader: Reader, parts: Sequence[Part], say: Say, how: str = "") -> tuple[Answers, dict[str, Any]]:
    """All parts read, and the report of each by its name, as `evaluate` writes it (`docs/json.md`)."""
    read: dict[str, list[np.ndarray]] = {name: [] for name in MODALITIES}
    reports = {}
    for part in parts:
        logits = predict_all(reader, part.utterances)
        read[part.modality].append(logits)
        reports[part.name] = _report(reader, part.truth, logits, (part.modality,))
        say(f"{reader.name}: {part.name} read{' ' if how else ''}{how}")
    return Answers(reader, {name: np.concatenate(pieces) for name, pieces in read.items()}), reports


def joined(parts: Sequence[Part]) -> dict[str, list[Utterance]]:
    """Modality → the utterances of all its parts, as `Pseudo.rows` counts them."""
    return {name: [one for part in parts if part.modality == name for one in part.utterances] for name in MODALITIES}


def independent(model: MultimodalModel) -> bool:
    """Does each modality answer alone, so that only logits meet?"""
    return type(model).forward is MultimodalModel.forward


def on_pseudo(answers: Answers, pseudo: Pseudo, parts: Sequence[Part], say: Say) -> dict[str, Any]:
    """n, whether the model read them or their logits were put together, and a report for each subset."""
    together = independent(answers.reader.model)
    pseudo = pseudo if together else pseudo.first(READ_JOINTLY)
    reports = {}
    for subset in SUBSETS:
        logits = combine(answers, pseudo, subset) if together else _read_jointly(answers, pseudo, parts, subset)
        reports["+".join(subset)] = _report(answers.reader, pseudo.truth, logits, subset)
        say(f"{answers.reader.name}: pseudo-utterances of {' + '.join(subset)}")
    return {"n": len(pseudo.labels), "put_together": together, "subsets": reports}


def stacked(logits: Mapping[str, np.ndarray], pseudo: Pseudo) -> np.ndarray:
    """(n, modalities, E) each modality's own logits of the pseudo-utterances."""
    return np.stack([logits[name][pseudo.rows[:, column]] for column, name in enumerate(MODALITIES)], axis=1)


def combine(answers: Answers, pseudo: Pseudo, subset: Sequence[str]) -> np.ndarray:
    """(n, E) what the model's own fusion makes of the logits of `subset`."""
    given = torch.from_numpy(stacked(answers.logits, pseudo))
    with torch.inference_mode():
        return answers.reader.model.fusion(given, present_of(subset, len(given))).numpy()


def _read_jointly(answers: Answers, pseudo: Pseudo, parts: Sequence[Part], subset: Sequence[str]) -> np.ndarray:
    if len(subset) == 1:  # these have been read
        column = MODALITIES.index(subset[0])
        return answers.logits[subset[0]][pseudo.rows[:, column]]
    return predict_all(answers.reader, list(pseudo.utterances(joined(parts), subset)))


def _report(reader: Predictor, truth: np.ndarray, logits: np.ndarray, modalities: Sequence[str]) -> dict[str, Any]:
    return report(truth, probabilities(logits), reader.thresholds, reader.emotions, modalities)
