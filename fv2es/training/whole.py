"""A whole model on utterances that have face, voice and words labelled together: the packs of IEMOCAP and CMU-MOSEI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from fv2es.metrics import NAMES, average, binary
from fv2es.models.blocks.functionals import FunctionalsNetwork, functionals_of
from fv2es.models.inputs import Batch, InputConfig, Tokenizer, make_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.voice import Voice
from fv2es.results import probabilities
from fv2es.schema import Utterance
from fv2es.training.calibration import Scored, best_f1
from fv2es.training.decoded import Decoded
from fv2es.training.loop import Recipe
from fv2es.training.losses import make_loss

LOGGED = ("accuracy", "wacc", "f1", "f1_weighted")  # of both parts, means over the emotions
SCORED_AT_ONCE = 32
MEASURED = 512  # utterances by which functionals are standardised

Labelled = tuple[Batch, Tensor]


class Part(Dataset[tuple[Utterance, np.ndarray]]):
    """The utterances of a split that have anything to be seen, heard or read, with labels (N, E) float32.

    keep_empty: those that have nothing stay in (see `WholeTask.score`).
    """

    def __init__(self, decoded: Decoded, emotions: Sequence[str], keep_empty: bool = False) -> None:
        left_out = decoded.unreadable.keys() | (set() if keep_empty else decoded.empty)
        self.decoded = decoded
        self.rows = [row for row in range(len(decoded)) if row not in left_out]
        if not self.rows:
            raise ValueError(f"No utterance of {decoded.name} can be used.")
        labels = [[name in decoded.items[row].labels for name in emotions] for row in self.rows]
        self.labels = np.array(labels, np.float32)
        self.there = np.array([row not in decoded.empty for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Utterance, np.ndarray]:
        return self.decoded[self.rows[place]], self.labels[place]


def _collate(items: list[tuple[Utterance, np.ndarray]], inputs: InputConfig, tokenizer: Tokenizer) -> Labelled:
    utterances, labels = zip(*items, strict=True)
    return make_batch(utterances, inputs, tokenizer), torch.from_numpy(np.stack(labels))


class WholeTask:
    """See `training.loop.Task`. Utterances are drawn as they come, each once an epoch.

    score: the validation figure that decides, see `recipes.Config`. workers: processes that make batches ready.
    """

    def __init__(
        self,
        model: MultimodalModel,
        tokenizer: Tokenizer,
        train: Part,
        valid: Part,
        recipe: Recipe,
        *,
        loss: str = "bce",
        score: str = "f1",
        device: str = "cpu",
        workers: int = 0,
    ) -> None:
        self.model: nn.Module = model.to(device)
        self.inputs, self.tokenizer = model.inputs, tokenizer
        self.train, self.valid = train, valid
        self.criterion = make_loss(loss, train.labels).to(device)
        self.decides, self.device, self.workers = score, device, workers
        self.steps = max(1, len(train) // recipe.batch)
        if isinstance(model.voice, Voice):
            self._standardise(model.voice.functionals)
        self._heard: list[tuple[np.ndarray, np.ndarray]] = []  # logits and labels of the epoch so far

    def _standardise(self, network: FunctionalsNetwork) -> None:
        """By training utterances, `MEASURED` at most, from all of the part."""
        places = np.unique(np.linspace(0, len(self.train) - 1, MEASURED).round().astype(int))
        loaded = self._load(self.train, np.array_split(places, -(-len(places) // SCORED_AT_ONCE)))
        heard = [(one.pieces, one.piece_counts[one.piece_counts > 0]) for one, _ in loaded if len(one.pieces)]
        if heard:
            network.standardise_by(torch.cat([functionals_of(*one) for one in heard]).to(self.device))

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[Labelled]:
        self._heard.clear()
        # Groups differ by one in length at most: none is left out, and none is too small to be normalised over.
        yield from self._load(self.train, np.array_split(rng.permutation(len(self.train)), self.steps))

    def loss(self, batch: Labelled) -> Tensor:
        inputs, labels = batch
        logits = self.model(inputs.to(self.device)).logits.float()
        self._heard.append((logits.detach().cpu().numpy(), labels.numpy()))
        return self.criterion(logits, labels.to(self.device))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Thresholds are those that suit validation; training's figures are of the weights as they were then."""
        logits = self.score(model, self.valid)
        truth = self.valid.labels > 0
        chosen = choose_thresholds(logits, truth)
        with torch.inference_mode():
            labels = torch.from_numpy(self.valid.labels).to(self.device)
            loss = float(self.criterion(torch.from_numpy(logits).float().to(self.device), labels))
        valid = figures(logits, truth, chosen)
        heard, said = (np.concatenate(arrays) for arrays in zip(*self._heard, strict=True))
        trained = figures(heard, said > 0, chosen)
        score = -loss if self.decides == "loss" else valid.get(self.decides, 0.0)
        logged = {f"{part}_{name}": one[name] for part, one in (("train", trained), ("valid", valid))
                  for name in LOGGED if name in one}  # fmt: skip
        return {"score": score, "valid_loss": loss, **logged}

    def score(self, model: nn.Module, part: Part) -> np.ndarray:
        """(N, E) float64 logits; −∞ of an utterance of which nothing is there: it counts as neutral, as in `evaluate`.

        `model` is in eval mode.
        """
        logits = np.full(part.labels.shape, -np.inf)
        rows = np.flatnonzero(part.there)
        groups = [rows[first : first + SCORED_AT_ONCE] for first in range(0, len(rows), SCORED_AT_ONCE)]
        with torch.inference_mode():
            bar = tqdm(groups, desc=f"scoring {part.decoded.name}", leave=False, disable=None)
            for group, (batch, _) in zip(bar, self._load(part, groups), strict=True):
                logits[group] = model(batch.to(self.device)).logits.float().cpu().numpy()
        return logits

    def _load(self, part: Part, groups: Sequence[np.ndarray]) -> Iterator[Labelled]:
        collate = partial(_collate, inputs=self.inputs, tokenizer=self.tokenizer)
        # A generator of its own: otherwise the loader would draw from the run's.
        return iter(
            DataLoader(part, batch_sampler=[group.tolist() for group in groups], collate_fn=collate,
                       num_workers=self.workers, generator=torch.Generator())
        )  # fmt: skip


def choose_thresholds(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, E) logits, (N, E) bool → (E,) logits at which each emotion's F1 is best (`calibration.best_f1`).

    The search is over deviations from the mean, so that it fits logits of any scale. An emotion that never occurs
    gets one that none of these logits reaches.
    """
    centre, spread = logits.mean(0), np.maximum(logits.std(0), 1e-6)
    best = best_f1(Scored((logits - centre) / spread, truth, np.full(len(logits), 1 / len(logits))))
    return np.where(truth.any(0), centre + spread * best, logits.max(0) + spread)


def figures(logits: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> dict[str, float]:
    """The means over the emotions of `metrics.NAMES`, without those that could not be measured."""
    guess = logits >= thresholds
    columns = range(truth.shape[1])
    means = average([binary(truth[:, e], guess[:, e], probabilities(logits[:, e])) for e in columns])
    return {name: means[name] for name in NAMES if not np.isnan(means[name])}
