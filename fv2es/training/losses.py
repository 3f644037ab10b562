"""The papers' losses over a model's fused logits, one sigmoid an emotion."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

LOSSES = ("bce", "weighted_bce")


def make_loss(name: str, labels: np.ndarray) -> nn.Module:
    """(B, E) logits, (B, E) targets 0 or 1 → a number. labels: (N, E), those of the training part.

    bce: binary cross-entropy (FE2E, V2EM, Jia et al.). weighted_bce: positives count more, see `positive_weight`.
    Raises ValueError for another name.
    """
    if name not in LOSSES:
        raise ValueError(f"Unknown loss {name!r}; known: {', '.join(LOSSES)}.")
    return nn.BCEWithLogitsLoss(pos_weight=positive_weight(labels) if name == "weighted_bce" else None)


def positive_weight(labels: np.ndarray) -> Tensor:
    """(N, E) → (E,) negatives / positives of each emotion (Le et al. 2023); 1 where there is no positive at all."""
    positives = np.asarray(labels, bool).sum(0)
    ratio = np.where(positives > 0, (len(labels) - positives) / np.maximum(positives, 1), 1.0)
    return torch.from_numpy(ratio.astype(np.float32))
