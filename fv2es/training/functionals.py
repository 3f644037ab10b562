"""The functionals' share of the voice, on RAVDESS and EmoDB, with plain speech where there is some.

A perceptron over a few hundred numbers learns within seconds, so each clip's functionals are taken beforehand: as it
is, and augmented as for the voice network, many times, of all of it and of parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data import speech
from fv2es.data.ferplus import CLASSES
from fv2es.models.blocks.functionals import FunctionalsNetwork, columns_of, functionals
from fv2es.models.inputs import MelInput, piece_array
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.voice import Voice
from fv2es.training.calibration import evenly
from fv2es.training.faces import with_neutral
from fv2es.training.loop import Recipe
from fv2es.training.voice import augment, other_microphone, recalls

RECIPE = Recipe(epochs=80, batch=64, lr=3e-3, weight_decay=0.05, average=0.995, bfloat16=False, keep="last")
VIEWS = 16  # of each clip, the first as it is
SHORTEST = 80  # columns (1 s) of a part


class FunctionalsTask:
    """See `training.loop.Task`. plain: a folder of plain speech that takes part."""

    def __init__(
        self,
        model: MultimodalModel,
        data: Path,
        cache: Path | None = None,
        recipe: Recipe = RECIPE,
        plain: Path | None = None,
    ) -> None:
        assert isinstance(model.voice, Voice)
        self.model: FunctionalsNetwork = model.voice.functionals
        parts = [(data / "speech", "train"), (data / "speech", "valid"), *([(plain, "train")] if plain else [])]
        acted, heard, *read_out = (speech.read(folder, split) for folder, split in parts)
        clips = [*acted, *itertools.chain.from_iterable(read_out)]
        self.labels = np.array([clip.label for clip in clips])
        kinds = np.where([clip.corpus == "plain" for clip in clips], len(CLASSES), self.labels)
        weight = evenly(kinds)  # plain speech is as frequent as one label
        self.chance = weight / weight.sum()
        self.steps = len(clips) // recipe.batch
        self.views = views(clips, model.inputs.mel, VIEWS, np.random.default_rng(recipe.seed))
        self.model.standardise_by(self.views.flatten(0, 1))
        self.valid = views(heard, model.inputs.mel, 1, np.random.default_rng(recipe.seed))[:, 0]
        self.truth = np.array([clip.label for clip in heard])
        self.ravdess = np.array([clip.corpus == "ravdess" for clip in heard])

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        targets = np.eye(len(CLASSES), dtype=np.float32)[self.labels]
        for rows in rng.choice(len(self.labels), (self.steps, recipe.batch), p=self.chance):
            yield self.views[rows, rng.integers(VIEWS, size=recipe.batch)], torch.from_numpy(targets[rows])

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        rows, targets = batch
        return F.cross_entropy(with_neutral(self.model.read(rows)), targets, label_smoothing=0.1)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Macro recall over seven by argmax: all validation speakers, RAVDESS's alone; the score is their mean."""
        assert isinstance(model, FunctionalsNetwork)
        return recalls(with_neutral(model.read(self.valid)).argmax(1).numpy(), self.truth, self.ravdess)


def views(clips: list[speech.Clip], settings: MelInput, count: int, rng: np.random.Generator) -> Tensor:
    """(N, count, `FUNCTIONALS`): of each clip as it is, and changed."""
    rows = [[_functionals(changed(one.mel, number, count, rng), settings) for number in range(count)] for one in clips]
    return torch.stack([torch.stack(one) for one in rows])


def changed(mel: np.ndarray, number: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(128, T) power → (128, T'), view `number` of `count`: the first as it is; the others augmented; and, in the later
    half, through other microphones as well. Every other one is of a part of the clip."""
    if number:
        mel = augment(mel, rng.uniform(0.3, 1), rng)
    if 2 * number > count:
        mel = other_microphone(mel, rng)
    if number % 2 and mel.shape[1] > SHORTEST:
        kept = int(rng.integers(SHORTEST, mel.shape[1] + 1))
        first = int(rng.integers(mel.shape[1] - kept + 1))
        mel = mel[:, first : first + kept]
    return mel


def _functionals(mel: np.ndarray, settings: MelInput) -> Tensor:
    return functionals(columns_of(torch.from_numpy(piece_array(mel, settings))))
