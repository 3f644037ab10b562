"""The voice's network over pieces, on RAVDESS and EmoDB, no speaker in two splits: balanced classes, augmentation
that grows with training.

Convolutions learn more from so little speech than attention does (`TEACHER`), so they teach it: a network with
attention sees what its teacher answers to the very crop it hears, mixed and augmented (Touvron et al. 2021; Beyer et
al. 2022).

Actors are all that these corpora have, and who learnt from them hears sadness and disgust in people who read out
a list. So training may end with some epochs in which plain speech takes part: anybody's, in which nothing is expressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data import speech
from fv2es.data.ferplus import CLASSES
from fv2es.modalities.spectrogram import PIECE_COLUMNS
from fv2es.models.family import COMPACT_INPUTS
from fv2es.models.inputs import MelInput, piece_array
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.voice import Voice
from fv2es.schema import N_MELS
from fv2es.training.calibration import evenly
from fv2es.training.faces import with_neutral
from fv2es.training.loop import Recipe

# 150 validation clips would choose an epoch by luck; the last is fully annealed.
RECIPE = Recipe(epochs=90, batch=16, lr=5e-4, weight_decay=0.05, warm=0.08, keep="last")
EPOCHS = {"rfam-focal-compact": 60}  # a step of its voice takes twice as long as one of the nested transformer
CROP = 3  # pieces (1.2 s) of a clip that one step sees
TEACHER = "fe2e-compact"  # the model whose voice network teaches the others'
SOFT = 0.7  # of a taught network's targets is what the teacher says, the rest the labels
PLAIN = replace(RECIPE, epochs=20, lr=2e-4, warm=0.2)  # with plain speech, after the rest
STAGES = ("voice", "plain")  # folders of a run
BLEND = 0.75  # of what plain speech changed in the weights is kept (Wortsman et al. 2022)
RISE = 27  # epochs over which augmentation rises to its full strength: a network that hears it earlier learns nothing


class VoiceTask:
    """See `training.loop.Task`. plain: a folder of plain speech that takes part; the model is then a trained one."""

    def __init__(
        self,
        model: MultimodalModel,
        data: Path,
        cache: Path | None,
        recipe: Recipe = RECIPE,
        plain: Path | None = None,
    ) -> None:
        self.voice = model.voice
        self.model = model.voice.network if isinstance(model.voice, Voice) else model.voice  # functionals learn apart
        self.settings = COMPACT_INPUTS.mel  # whatever the size: networks learn little of bare power
        acted, read_out = speech.read(data / "speech", "train"), speech.read(plain, "train") if plain else []
        self.valid = speech.read(data / "speech", "valid")
        self.plain = speech.read(plain, "valid") if plain else []
        self.train = acted + read_out
        kinds = np.array([clip.label for clip in acted] + [len(CLASSES)] * len(read_out))
        weight = evenly(kinds)  # plain speech is as frequent as one label
        self.chance = weight / weight.sum()
        self.steps = len(acted) // recipe.batch
        self.rise = 1 if plain else RISE
        self.teacher: nn.Module | None = None

    def distil(self, teacher: nn.Module) -> None:
        """Learn from `teacher`, a trained voice network that takes the same pieces."""
        self.teacher = teacher.eval().requires_grad_(False)

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        strength = min(1.0, (epoch + 1) / self.rise)
        for rows in rng.choice(len(self.train), (self.steps, recipe.batch), p=self.chance):
            crops = np.stack([self._crop(self.train[row].mel, strength, rng) for row in rows])
            targets = np.eye(len(CLASSES), dtype=np.float32)[[self.train[row].label for row in rows]]
            share = np.maximum(part := rng.beta(0.2, 0.2, (recipe.batch, 1)), 1 - part).astype(np.float32)
            other = rng.permutation(recipe.batch)  # mixup (Zhang et al. 2018)
            crops = share[..., None, None, None] * crops + (1 - share[..., None, None, None]) * crops[other]
            yield torch.from_numpy(crops), torch.from_numpy(share * targets + (1 - share) * targets[other])

    def _crop(self, mel: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        """(128, T) power → (CROP, 4, 32, 32)."""
        changed = augment(mel, strength, rng)
        cut = piece_array(_from_offset(changed, int(rng.integers(PIECE_COLUMNS))), self.settings)
        first = int(rng.integers(max(1, len(cut) - CROP + 1)))
        cut = cut[first : first + CROP]
        cut = np.pad(cut, ((0, CROP - len(cut)), (0, 0), (0, 0), (0, 0)))
        return hide(cut, strength, rng)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        crops, targets = batch
        heard = crops.flatten(0, 1), torch.full((len(crops),), crops.shape[1])
        logits = self.model(*heard)
        if self.teacher is not None:
            with torch.no_grad():
                said = with_neutral(self.teacher(*heard)).float().softmax(1)
            targets = SOFT * said + (1 - SOFT) * targets
        return F.cross_entropy(with_neutral(logits).float(), targets, label_smoothing=0.1)

    def logits(self, model: nn.Module, clips: list[speech.Clip]) -> Tensor:
        return whole_clips(model, clips, self.settings)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Macro recall over seven by argmax: all validation speakers, RAVDESS's alone; the score is their mean. Of
        plain speech, the share that is heard as such."""
        labels, guess = self._answers(model, self.valid)
        figures = recalls(guess, labels, np.array([clip.corpus == "ravdess" for clip in self.valid]))
        if self.plain:
            labels, guess = self._answers(model, self.plain)
            figures["plain"] = float((guess == labels).mean())
        return figures

    def _answers(self, model: nn.Module, clips: list[speech.Clip]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) labels and (N,) answers, as indices in `CLASSES`."""
        guess = with_neutral(self.logits(model, clips)).argmax(1).numpy()
        return np.array([clip.label for clip in clips]), guess


def whole_clips(network: nn.Module, clips: list[speech.Clip], settings: MelInput) -> Tensor:
    """(N, 6) raw logits of whole clips."""
    rows = []
    for clip in clips:
        cut = torch.from_numpy(piece_array(clip.mel, settings))
        rows.append(network(cut, torch.tensor([len(cut)])))
    return torch.cat(rows)


def blend(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights between those of before plain speech took part and those of after: what actors taught is not lost."""
    return {
        name: torch.lerp(value, after[name], BLEND) if value.is_floating_point() else value
        for name, value in before.items()
    }


def trained(run: Path, plain: bool) -> dict[str, Tensor]:
    """The weights that the stage left in the folder of a run. plain: those that learnt on with plain speech."""
    before, *after = (torch.load(run / one / "best.pt", weights_only=True) for one in STAGES[: 1 + plain])
    return blend(before, after[0]) if after else before


def macro_recall(guess: np.ndarray, labels: np.ndarray) -> float:
    """The mean over the labels that occur of the share that was found."""
    return float(np.mean([(guess[labels == k] == k).mean() for k in np.unique(labels)]))


def recalls(guess: np.ndarray, labels: np.ndarray, ravdess: np.ndarray) -> dict[str, float]:
    """Macro recall of all and of RAVDESS alone, ravdess (N,) bool, and their mean, the score."""
    figures = {"all": macro_recall(guess, labels), "ravdess": macro_recall(guess[ravdess], labels[ravdess])}
    return {"score": sum(figures.values()) / 2, **figures}


def _from_offset(mel: np.ndarray, offset: int) -> np.ndarray:
    """Without its first columns, if enough stay behind: pieces are then cut elsewhere."""
    return mel[:, offset:] if mel.shape[1] > 4 * PIECE_COLUMNS else mel


def augment(mel: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """(128, T) power → (128, T') power: speed, pitch, a room's colour and echo, noise. strength 0–1."""
    speed = 1 + strength * rng.uniform(-0.15, 0.18)
    shift = strength * rng.uniform(-5, 5)  # mel bands, about a semitone each
    mel = np.exp(_resample(np.log(mel + 1e-10), speed, shift))
    if rng.random() < 0.5:
        knots = rng.normal(0, 4 * strength, 6)  # dB
        colour = np.interp(np.linspace(0, 5, N_MELS), np.arange(6), knots)
        mel = mel * 10 ** (colour / 10)[:, None]
    if rng.random() < 0.3 * strength:
        mel = _echo(mel, rng.uniform(0.3, 0.8), rng.uniform(0.02, 0.3))
    if rng.random() < 0.6:
        below = 45 - strength * rng.uniform(0, 30)  # dB under the speech
        tilt = np.linspace(0, rng.uniform(-2, 1), N_MELS)
        level = mel.mean() * 10 ** (-below / 10) * np.exp(tilt)[:, None]
        mel = mel + level * rng.exponential(1, mel.shape)
    return mel.astype(np.float32)


def other_microphone(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(128, T) power → the same from elsewhere than a studio: a colour, at times a narrow band, mostly noise.

    Functionals hear colour first of all, and who is sad speaks low, so that the room is heard behind.
    """
    mel = mel * _colour(8, rng)
    if rng.random() < 0.3:
        cut = np.zeros(N_MELS)  # dB
        cut[: rng.integers(16)], cut[N_MELS - rng.integers(40) :] = rng.uniform(-30, -5), rng.uniform(-40, -5)
        mel = mel * 10 ** (cut / 10)[:, None]
    if rng.random() < 0.8:
        below = rng.uniform(15, 45)  # dB under the speech
        fall = np.linspace(0, rng.uniform(-40, 0), N_MELS)[:, None]  # dB: from hiss to rumble
        noise = _colour(6, rng) * 10 ** (fall / 10) * rng.exponential(1, mel.shape)
        mel = mel + noise * (mel.mean() / noise.mean() * 10 ** (-below / 10))
    return mel.astype(np.float32)


def _colour(decibels: float, rng: np.random.Generator) -> np.ndarray:
    """(128, 1) gains in power, smooth over the bands, with that deviation."""
    knots = rng.normal(0, decibels, 6)
    return 10 ** (np.interp(np.linspace(0, 5, N_MELS), np.arange(6), knots) / 10)[:, None]


def _resample(log_mel: np.ndarray, speed: float, shift: float) -> np.ndarray:
    """Linear interpolation along time (columns / speed) and bands (moved by `shift`)."""
    bands, columns = log_mel.shape
    times = np.linspace(0, columns - 1, max(2, round(columns / speed)))
    left = np.clip(times.astype(int), 0, columns - 2)
    part = (times - left)[None]
    stretched = log_mel[:, left] * (1 - part) + log_mel[:, left + 1] * part
    places = np.clip(np.arange(bands) - shift, 0, bands - 1)
    low = np.clip(places.astype(int), 0, bands - 2)
    part = (places - low)[:, None]
    return stretched[low] * (1 - part) + stretched[low + 1] * part


def _echo(mel: np.ndarray, decay_share: float, mix: float) -> np.ndarray:
    """Power that decays exponentially behind every column: late reverberation."""
    decay = decay_share**0.5
    tail = np.zeros(len(mel), np.float32)
    out = mel.copy()
    for column in range(mel.shape[1]):
        out[:, column] += mix * tail
        tail = decay * tail + (1 - decay) * mel[:, column]
    return out


def hide(cut: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """SpecAugment (Park et al. 2019) on (N, 4, 32, 32): one range of bands, one of columns set to the mean, 0."""
    picture = cut.reshape(len(cut), N_MELS, PIECE_COLUMNS).transpose(1, 0, 2).reshape(N_MELS, -1).copy()
    end = int(1 + 16 * strength)  # widths below it
    bands, columns = int(rng.integers(end)), int(rng.integers(end))
    low, left = int(rng.integers(N_MELS - bands)), int(rng.integers(picture.shape[1] - columns))
    picture[low : low + bands] = 0
    picture[:, left : left + columns] = 0
    return picture.reshape(N_MELS, -1, PIECE_COLUMNS).transpose(1, 0, 2).reshape(cut.shape)
