"""Faces on FER+: soft crowd votes, a softmax with neutral, pictures made as bad as those of real clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data import ferplus
from fv2es.models.family import is_compact
from fv2es.models.inputs import face_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.training.loop import Recipe

RECIPE = Recipe(epochs=52, batch=128, lr=3e-3)
SMALL_SIDE, SMALL_SHARE = 36, 0.4  # the first 40 % of the epochs run on 36×36: nearly half the operations


def with_neutral(logits: Tensor) -> Tensor:
    """(B, 6) logits against neutral → (B, 7), neutral = 0 last, in the order of `ferplus.CLASSES`."""
    return torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1)


class FaceTask:
    """See `training.loop.Task`."""

    def __init__(self, model: MultimodalModel, data: Path, cache: Path | None, recipe: Recipe = RECIPE) -> None:
        # torch's overloads of `to` leave memory_format out.
        self.model: nn.Module = model.face.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.settings = model.inputs.face
        self.small = SMALL_SIDE if is_compact(model) else self.settings.side  # a paper's size takes one side alone
        self.train = ferplus.read(data / "faces", "train", cache)
        self.valid = ferplus.read(data / "faces", "valid", cache)
        share = self.train.targets.sum(0) / len(self.train)
        weight = (self.train.targets * share**-0.35).sum(1)  # between natural and balanced sampling
        self.chance = weight / weight.sum()
        self.steps = len(self.train) // recipe.batch

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        side = self.small if epoch < SMALL_SHARE * recipe.epochs else self.settings.side
        rows = rng.choice(len(self.train), (self.steps, recipe.batch), p=self.chance)
        for chosen in rows:
            pixels = torch.from_numpy(self.train.pixels[chosen])[:, None].float()
            yield self.prepare(augment(pixels, side), side), torch.from_numpy(self.train.targets[chosen])

    def prepare(self, pixels: Tensor, side: int) -> Tensor:
        ready = face_batch(pixels, replace(self.settings, side=side))
        return ready.contiguous(memory_format=torch.channels_last)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        pictures, targets = batch
        logits = self.model(pictures, torch.ones(len(pictures), dtype=torch.long))
        return F.cross_entropy(with_neutral(logits).float(), targets, label_smoothing=0.02)

    def logits(self, model: nn.Module, faces: ferplus.Faces, batch: int = 512) -> Tensor:
        """(N, 6) raw logits of single pictures."""
        rows = []
        for first in range(0, len(faces), batch):
            pixels = torch.from_numpy(faces.pixels[first : first + batch])[:, None]
            ready = self.prepare(pixels, self.settings.side)
            rows.append(model(ready, torch.ones(len(ready), dtype=torch.long)))
        return torch.cat(rows)

    def validate(self, model: nn.Module) -> dict[str, float]:
        clean = self.valid.select(self.valid.majority & (self.valid.label >= 0))
        guess = with_neutral(self.logits(model, clean)).argmax(1).numpy()
        recalls = [float((guess[clean.label == k] == k).mean()) for k in range(len(ferplus.CLASSES))]
        accuracy = float((guess == clean.label).mean())
        recall = float(np.mean(recalls))
        return {"score": accuracy + 0.2 * recall, "accuracy": accuracy, "macro_recall": recall}


def augment(pixels: Tensor, side: int) -> Tensor:
    """(B, 1, 48, 48) 0–255 → (B, 1, side, side): mirrored, turned, moved, then blurred, noisy, partly covered."""
    batch = len(pixels)
    x = _affine(pixels, side)
    small = torch.rand(batch) < 0.15  # a face far from the camera
    if small.any():
        low = F.interpolate(x[small], (side // 2, side // 2), mode="bilinear", antialias=True)
        x[small] = F.interpolate(low, (side, side), mode="bilinear")
    gain = torch.empty(batch, 1, 1, 1).uniform_(0.7, 1.3)
    x = ((x - 128) * gain + 128).clamp(0, 255)
    level = torch.rand(batch, 1, 1, 1) * 10 * (torch.rand(batch, 1, 1, 1) < 0.3)
    x = x + level * torch.randn_like(x)
    return _erase(x, 0.25)


def _affine(pixels: Tensor, side: int) -> Tensor:
    batch = len(pixels)
    angle = torch.empty(batch).uniform_(-0.26, 0.26)
    scale = torch.empty(batch).uniform_(0.86, 1.16)
    aspect = torch.empty(batch).uniform_(0.93, 1.07)
    flip = torch.where(torch.rand(batch) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = torch.stack([cos * flip * aspect, -sin, sin * flip * aspect, cos], dim=1).reshape(batch, 2, 2)
    theta = torch.cat([theta, torch.empty(batch, 2, 1).uniform_(-0.12, 0.12)], dim=2)
    grid = F.affine_grid(theta, [batch, 1, side, side], align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _erase(x: Tensor, chance: float) -> Tensor:
    """Cover a random rectangle with the picture's mean (Zhong et al. 2020)."""
    batch, side = len(x), x.shape[-1]
    size = torch.empty(batch, 2).uniform_(0.15, 0.45) * side
    corner = torch.rand(batch, 2) * (side - size)
    place = torch.arange(side)
    inside = (place >= corner[..., None]) & (place < (corner + size)[..., None])  # (B, 2, side)
    hole = inside[:, 0, :, None] & inside[:, 1, None, :] & (torch.rand(batch) < chance)[:, None, None]
    return torch.where(hole[:, None], x.mean((1, 2, 3), keepdim=True), x)
