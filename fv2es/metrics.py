"""How good predictions are: per emotion, on average, and as one label an utterance. Numpy only.

WAcc = (TP·N/P + TN) / 2N is the balanced accuracy of the CMU-MOSEI tables; F1 = 2TP / (2TP + FP + FN); the weighted
F1 of the FE2E code (Dai et al. 2021) is the mean of both classes' F1 by their support. AUC is the chance that a
positive scores higher than a negative, ties counting half (Mann–Whitney).

What cannot be measured is NaN, and null in JSON: WAcc, F1 and AUC of an emotion without positives, WAcc and AUC of
one without negatives, everything over no utterance. Averages leave such emotions out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fv2es.emotions import NEUTRAL
from fv2es.results import finite_or_none, single_label

NAMES = ("wacc", "accuracy", "f1", "f1_weighted", "auc", "positives")
NAN = float("nan")


def _share(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def _f1(hits: int, false: int, missed: int) -> float:
    whole = 2 * hits + false + missed
    return 2 * hits / whole if whole else 0.0


def auc(truth: np.ndarray, scores: np.ndarray) -> float:
    """(n,) bool, (n,) → area under the ROC curve; NaN unless there are both positives and negatives."""
    truth = np.asarray(truth, bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return NAN
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    ranks = (last_rank - (counts - 1) / 2)[where]  # ties share the mean of their ranks
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def binary(truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """One emotion's figures, by the names of `NAMES`.

    truth, predicted: (n,) bool; scores: (n,), higher = more of it.
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    tp, tn = int((truth & predicted).sum()), int((~truth & ~predicted).sum())
    fp, fn = int((~truth & predicted).sum()), int((truth & ~predicted).sum())
    positives, negatives = tp + fn, tn + fp
    n = positives + negatives
    f1, f1_rest = _f1(tp, fp, fn), _f1(tn, fn, fp)
    return {
        "wacc": (_share(tp, positives) + _share(tn, negatives)) / 2,
        "accuracy": _share(tp + tn, n),
        "f1": f1 if positives else NAN,
        "f1_weighted": _share(f1 * positives + f1_rest * negatives, n),
        "auc": auc(truth, scores),
        "positives": positives,
    }


def average(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The plain mean over emotions of each figure, over those where it could be measured; NaN where none could."""
    columns = {name: np.array([one[name] for one in figures], float) for name in NAMES}
    return {name: float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else NAN
            for name, values in columns.items()}  # fmt: skip


def confusion(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """(L, L) counts, rows the truth, columns the prediction, in the order of `labels`."""
    place = {name: column for column, name in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), np.int64)
    for true, guess in zip(truth, predicted, strict=True):
        table[place[true], place[guess]] += 1
    return table


def single_figures(table: np.ndarray) -> dict[str, float]:
    """(L, L) confusion → n, accuracy, macro recall and macro F1, the means being over the labels that occur."""
    hits, true, guessed = np.diag(table), table.sum(1), table.sum(0)
    occurs = true > 0
    if not occurs.any():
        return {"n": 0, "accuracy": NAN, "macro_recall": NAN, "macro_f1": NAN}
    recall = hits[occurs] / true[occurs]
    f1 = 2 * hits[occurs] / (true[occurs] + guessed[occurs])
    return {
        "n": int(table.sum()),
        "accuracy": float(hits.sum() / table.sum()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
    }


def with_neutral(emotions: Sequence[str]) -> tuple[str, ...]:
    """The labels of the single-label figures: the emotions, and neutral behind them unless it is one of them."""
    return tuple(emotions) if NEUTRAL in emotions else (*emotions, NEUTRAL)


def _single(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, emotions: Sequence[str]) -> dict[str, Any]:
    labels = with_neutral(emotions)
    one_at_most = truth.sum(1) <= 1
    true = [emotions[int(row.argmax())] if row.any() else NEUTRAL for row in truth[one_at_most]]
    guesses = [single_label(row, thresholds, emotions) for row in scores[one_at_most]]
    table = confusion(true, guesses, labels)
    return {**_rounded(single_figures(table)), "labels": list(labels), "confusion": table.tolist()}


def _rounded(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if isinstance(value, int) else finite_or_none(value) for name, value in figures.items()}


def report(
    truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, emotions: Sequence[str], modalities: Sequence[str]
) -> dict[str, Any]:
    """The document of `evaluate` (`docs/json.md`).

    truth: (n, E) bool; scores: (n, E) probabilities; thresholds: (E,). An utterance with several labels counts per
    emotion but cannot be right or wrong as one label: `single_label.n` counts the others.
    """
    truth, scores = np.asarray(truth, bool), np.asarray(scores, np.float64)
    if truth.shape != scores.shape or truth.shape[1:] != (len(emotions),):
        raise ValueError(f"needs truth and scores (n, {len(emotions)}), got {truth.shape} and {scores.shape}")
    predicted = scores >= np.asarray(thresholds, np.float64)
    figures = {name: binary(truth[:, e], predicted[:, e], scores[:, e]) for e, name in enumerate(emotions)}
    return {
        "n": len(truth),
        "modalities": list(modalities),
        "per_emotion": {name: _rounded(one) for name, one in figures.items()},
        "average": _rounded(average(list(figures.values()))),
        "single_label": _single(truth, scores, thresholds, emotions),
    }
