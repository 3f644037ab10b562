"""From the modalities' logits to one answer: read-out, calibration, weighted fusion (FE2E and V2EM, §III-E) or pool."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST = 1e-6  # weight of a modality in a pool


def one_vs_rest(logits: Tensor) -> Tensor:
    """(…, E) softmax logits against neutral = 0 → (…, E) log-odds of each emotion against all else.

    With p = softmax over the emotions and neutral, the result is log(p / (1 − p)): sigmoid gives p back.
    """
    whole = torch.cat([torch.zeros_like(logits[..., :1]), logits], dim=-1)
    log_p = whole.log_softmax(-1)[..., 1:]
    # log(1 − p) as the log-sum-exp of the others stays exact where p rounds to 1.
    others = torch.eye(whole.shape[-1], dtype=torch.bool, device=logits.device)[1:]
    rest = whole.log_softmax(-1)[..., None, :].masked_fill(others, float("-inf")).logsumexp(-1)
    return log_p - rest


class Calibration(nn.Module):
    """Per modality and emotion: logit ← scale · logit + bias. Fitted on validation, never by gradient: buffers."""

    scale: Tensor
    bias: Tensor

    def __init__(self, modalities: int, emotions: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(modalities, emotions))
        self.register_buffer("bias", torch.zeros(modalities, emotions))

    def forward(self, logits: Tensor) -> Tensor:
        """(B, modalities, E) → the same."""
        return logits * self.scale + self.bias

    def joint(self, logits: Tensor, present: Tensor) -> Tensor:
        """(B, E) logits of several modalities together, (B, modalities) bool → (B, E); 0 where none is present.

        Calibration belongs to modalities; what several say takes the mean of theirs.
        """
        there = present.to(self.scale.dtype)
        share = there / there.sum(1, keepdim=True).clamp_min(1)
        return (logits * (share @ self.scale) + share @ self.bias) * present.any(1, keepdim=True)


class WeightedFusion(nn.Module):
    """Linear(modalities, 1, bias=False) over the stacked logits of the modalities that are present.

    With all present it is the papers' layer. A modality that is alone speaks for itself, unweighted (so in the
    reference code). Between the two, those present share the weight of the missing in proportion: nothing is filled
    in for what is not there, and a threshold means the same for any subset.
    """

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, modalities), 1 / modalities))

    def weights_in_force(self, present: Tensor) -> Tensor:
        """(B, modalities) bool → (B, modalities): how much each modality counts, 0 where it is missing."""
        there = present.to(self.weight.dtype)
        weights = self.weight * there
        carried = weights.sum(1, keepdim=True)
        # Weights that cancel out (possible in training) carry nothing that could be scaled up.
        usable = carried.abs() > 1e-3
        weights = weights * torch.where(usable, self.weight.sum() / torch.where(usable, carried, 1.0), 1.0)
        alone = there.sum(1, keepdim=True) == 1
        return torch.where(alone, there, weights)

    def forward(self, logits: Tensor, present: Tensor) -> Tensor:
        """(B, modalities, E) logits, (B, modalities) bool → (B, E)."""
        return torch.einsum("bm,bme->be", self.weights_in_force(present).to(logits.dtype), logits)


class PowerPool(WeightedFusion):
    """The weighted power mean of the probabilities of the modalities that are present.

    For modalities that never learnt together. In a mean of logits one of them outvotes the others when it is very sure,
    and on inputs unlike those it learnt on it is sure and wrong; here its vote is bounded by its weight. With power 1
    this is the linear opinion pool (Stone 1961), in which one that is sure sinks below any threshold where the others
    are silent; the greater the power, the more is heard of the one (in the limit, the maximum). What all agree on stays
    as it is with any power, so that a threshold means the same for any subset.
    """

    power: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__(modalities)
        self.register_buffer("power", torch.ones(()))

    def weights_in_force(self, present: Tensor) -> Tensor:
        """(B, modalities) bool → (B, modalities): the shares of those that are present, which sum to 1."""
        there = self.weight.clamp_min(_LEAST) * present.to(self.weight.dtype)
        return there / there.sum(1, keepdim=True).clamp_min(_LEAST)

    def forward(self, logits: Tensor, present: Tensor) -> Tensor:
        """(B, modalities, E) logits, (B, modalities) bool → (B, E) logits of the means; 0 where none is present."""
        somebody = present.any(1, keepdim=True)
        share = self.weight.clamp_min(_LEAST).log().masked_fill(~present & somebody, float("-inf")).log_softmax(1)
        log_p = F.logsigmoid(logits)
        pooled = (share[..., None] + self.power * log_p).logsumexp(1)  # log Σ w p^r; the mean is its r-th root
        yes = pooled / self.power
        # 1 − p^r by way of 1 − p, so that nothing is lost where p rounds to 1.
        rest = (share[..., None] + F.logsigmoid(-logits) + _log_quotient(log_p, self.power)).logsumexp(1)
        no = rest + _log_quotient(pooled, 1 / self.power)
        return torch.where(somebody, yes - no, 0.0)


def _log_quotient(log_p: Tensor, power: Tensor) -> Tensor:
    """log((1 − p^power) / (1 − p)), in the limit log(power) where p rounds to 1."""
    one = log_p > -torch.finfo(log_p.dtype).tiny
    safe = log_p.masked_fill(one, -1.0)
    return torch.where(one, power.log(), (torch.expm1(power * safe) / torch.expm1(safe)).log())
