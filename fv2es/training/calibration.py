"""From three networks that never met to one that may see any subset: calibration, thresholds, fusion.

There is no corpus with face, voice and words labelled together (see the model card), so each modality is brought to
the same scale on its own validation part:
1. Platt scaling (Platt 1999) with one slope per modality and one bias per emotion: logits mean log-odds.
2. One threshold per emotion: the mean, in logits, of where each modality's F1 is best.
3. A shift per modality and emotion that puts its best operating point on that threshold, so that it means the same
   whoever speaks.
4. Bayes' fusion, fitted on pseudo-utterances: validation faces, voices and sentences of like label, some of them
   neutral where the others express something.

Where the validation part is a few people only, its emotions share bias and operating point (`SHARED_F1`): one of each
per emotion would be theirs, not those of whoever comes next.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch.nn import functional as F

from fv2es.models.blocks.fusion import BayesFusion
from fv2es.results import probabilities

ACCURACY, F1, SHARED_F1 = "accuracy", "f1", "shared_f1"  # what a modality's operating point is best for
PULL = 0.002  # of accuracy: holds the shifts near none
HOLD = 1e-3  # pulls the shifts of fusion towards none


@dataclass(frozen=True, eq=False)
class Scored:
    """One modality's validation part. logits (N, E), truth (N, E) bool, weight (N,) of each row, sums to 1."""

    logits: np.ndarray
    truth: np.ndarray
    weight: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """(N,) index of the only emotion, E for neutral, −1 where there are several."""
        count = self.truth.sum(1)
        return np.where(count == 1, self.truth.argmax(1), np.where(count == 0, self.truth.shape[1], -1))


def evenly(kinds: np.ndarray) -> np.ndarray:
    """(N,) numbers of kinds → (N,) weights with which all kinds count alike."""
    return 1 / np.bincount(kinds)[kinds]


def platt(part: Scored, shared: bool = False) -> tuple[float, np.ndarray]:
    """Slope and biases (E,) that minimise the weighted log-loss, biases drawn a little towards their mean.

    shared: one bias for all emotions.
    """
    emotions = part.truth.shape[1]
    signs = np.where(part.truth, 1.0, -1.0)

    def loss(values: np.ndarray) -> float:
        z = np.exp(values[0]) * part.logits + values[1:]
        return float((part.weight[:, None] * np.logaddexp(0, -signs * z)).sum() + 1e-3 * np.var(values[1:]))

    found = minimize(loss, np.zeros(2 if shared else emotions + 1), method="L-BFGS-B").x
    return float(np.exp(found[0])), np.broadcast_to(found[1:], emotions)


def best_f1(part: Scored) -> np.ndarray:
    """(E,) logit thresholds of the best weighted F1, the curve smoothed so that no lone peak is followed."""
    grid = np.linspace(-4, 3, 141)
    weight, truth = part.weight[:, None], part.truth
    scores = []
    for threshold in grid:
        guess = part.logits >= threshold
        hits = (weight * (guess & truth)).sum(0)
        scores.append(2 * hits / np.maximum((weight * guess).sum(0) + (weight * truth).sum(0), 1e-9))
    return grid[_smooth(np.array(scores), 11).argmax(0)]


def most_accurate(part: Scored, thresholds: np.ndarray) -> np.ndarray:
    """(E,) shifts with which the emotion furthest above its threshold (E,), else neutral, is most often the label."""
    shifts = np.zeros_like(thresholds)
    label, grid = part.label, np.linspace(-2.5, 2.5, 101)
    usable = label >= 0
    for emotion in [*range(len(shifts))] * 3:
        scores = []
        for shift in grid:
            shifts[emotion] = shift
            right = decide(part.logits + shifts, thresholds) == label
            scores.append(right[usable].mean() - PULL * shift**2)
        shifts[emotion] = grid[_smooth(np.array(scores)[:, None], 7)[:, 0].argmax()]
    return shifts


def decide(logits: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(N, E) → (N,): the emotion furthest above its threshold in probability, E (neutral) where none is."""
    margins = probabilities(logits) - probabilities(thresholds)
    return np.where(margins.max(1) >= 0, margins.argmax(1), logits.shape[1])


def _smooth(scores: np.ndarray, width: int) -> np.ndarray:
    """Moving mean down the columns, ends held."""
    padded = np.pad(scores, ((width // 2, width // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, np.ones(width) / width, "valid") for column in padded.T], axis=1)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """scale, bias (modalities, E); thresholds (E,) in logits."""

    scale: np.ndarray
    bias: np.ndarray
    thresholds: np.ndarray


def calibrate(parts: Mapping[str, Scored], goals: Mapping[str, str]) -> Calibrated:
    """Steps 1–3 for all modalities, in the order of `parts`; goals: `ACCURACY`, `F1` or `SHARED_F1` of each."""
    slopes, biases, scaled, best = [], [], {}, {}
    for name, part in parts.items():
        slope, bias = platt(part, shared=goals[name] == SHARED_F1)
        slopes.append(np.full(len(bias), slope))
        biases.append(bias)
        scaled[name] = Scored(slope * part.logits + bias, part.truth, part.weight)
        best[name] = best_f1(scaled[name])
        if goals[name] == SHARED_F1:
            best[name] = np.full_like(bias, best[name].mean())
    thresholds = np.mean(list(best.values()), axis=0)
    shifts = [
        most_accurate(part, thresholds) if goals[name] == ACCURACY else thresholds - best[name]
        for name, part in scaled.items()
    ]
    return Calibrated(np.stack(slopes), np.stack(biases) + np.stack(shifts), thresholds)


def pseudo_utterances(
    parts: Mapping[str, Scored],
    count: int,
    seed: int = 0,
    silent: float = 0.0,
    shares: Sequence[float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(count, modalities, E) calibrated logits of like label, and (count,) the label.

    silent: the chance of each modality, but for one drawn at random, not to express the label but to be neutral.
    shares: of the labels, neutral last; None = all alike.
    """
    rng = np.random.default_rng(seed)
    neutral = next(iter(parts.values())).truth.shape[1]
    ends = np.cumsum(np.ones(neutral + 1) if shares is None else shares)
    labels = rng.permutation(np.searchsorted(ends, (np.arange(count) + 0.5) * (ends[-1] / count)))
    quiet = rng.random((count, len(parts))) < silent
    quiet[np.arange(count), rng.integers(len(parts), size=count)] = False
    columns = []
    for part, hushed in zip(parts.values(), quiet.T, strict=True):
        rows = np.zeros(count, int)
        for label in range(neutral + 1):
            wanted = np.where(hushed, neutral, labels) == label
            pool = np.flatnonzero(part.label == label)
            odds = part.weight[pool] / part.weight[pool].sum()
            rows[wanted] = rng.choice(pool, int(wanted.sum()), p=odds)
        columns.append(part.logits[rows])
    return np.stack(columns, axis=1), labels


def fit_fusion(fusion: BayesFusion, logits: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> None:
    """Fit to pseudo-utterances, in place, whose emotions are measured from their thresholds: least cross-entropy of the
    label among them and neutral. No second one passes its threshold beside a sure one, since they share what is not
    neutral.

    logits (N, modalities, E), thresholds (E,). Half of the rows lose a modality, so that any two are fitted as well.
    """
    there = torch.from_numpy(one_lost(len(logits), logits.shape[1]))
    given, common, found = torch.from_numpy(logits), torch.from_numpy(thresholds), copy.deepcopy(fusion).double()
    _fit(found.parameters(), lambda: found(given, there) - common, labels, found.shift)
    fusion.load_state_dict(found.state_dict())


def fit_answers(logits: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> tuple[float, np.ndarray]:
    """Slope and biases (E,) of what a learnt fusion says of pseudo-utterances (N, E), fitted likewise."""
    given, common = torch.from_numpy(logits), torch.from_numpy(thresholds)
    slope, biases = torch.zeros((), dtype=torch.double), torch.zeros(len(thresholds), dtype=torch.double)
    found = [one.requires_grad_() for one in (slope, biases)]
    _fit(found, lambda: given * slope.exp() + biases - common, labels, biases)
    return float(slope.detach().exp()), biases.detach().numpy()


def _fit(
    parameters: Iterable[torch.Tensor], margins: Callable[[], torch.Tensor], labels: np.ndarray, held: torch.Tensor
) -> None:
    """In place: least cross-entropy of labels (N,) by margins (N, E) over thresholds and 0 for neutral; one of the
    parameters is held near none."""
    wanted = torch.from_numpy(labels)
    optimiser = torch.optim.LBFGS(parameters, max_iter=400, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(F.pad(margins(), (0, 1)), wanted) + HOLD * held.square().mean()
        value.backward()
        return value

    optimiser.step(loss)


def one_lost(count: int, modalities: int) -> np.ndarray:
    """(count, modalities) bool, which are there: in half of the rows all but one."""
    rng = np.random.default_rng(0)
    there = np.ones((count, modalities), bool)
    rows = np.flatnonzero(rng.random(count) < 0.5)
    there[rows, rng.integers(modalities, size=len(rows))] = False
    return there
