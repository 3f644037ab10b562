"""From the modalities' logits to one answer: read-out, calibration, fusion (weighted: FE2E and V2EM, §III-E; Bayes),
and doubt about words."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RIVALRY = 3.0  # the norm in which others weigh: 1 is their sum, ∞ the strongest alone
_LEAST = 1e-6  # steepness of a modality in Bayes' fusion
NONE_LEFT = 0.01  # of the probability stays with none of the emotions, chosen by cross-validation (docs/results.md)


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


def one_vs_rivals(logits: Tensor, norm: float = RIVALRY) -> Tensor:
    """(…, E) softmax logits against neutral = 0 → (…, E): log p − log ‖p of all others‖, in that norm.

    What a network chooses is told by what comes first, not by the sum of the others: .3 for sad is little beside .4 for
    neutral, and much where five others share the rest. So the strongest of the others counts most. It is `one_vs_rest`
    of a softmax `norm` times as steep; the norm was chosen on validation speakers left out (docs/results.md).
    """
    return one_vs_rest(norm * logits) / norm


def against_none(log_odds: Tensor) -> Tensor:
    """(…, E) log-odds of each emotion → (…, E) against none of them: `one_vs_rest` undone.

    With p = sigmoid(log-odds) the result is log(p / (1 − Σp)). Sigmoids that are independent, or calibrated each on its
    own, may sum to more than 1; none keeps `NONE_LEFT`, so that the surest yes is log(1 / NONE_LEFT).
    """
    log_p = F.logsigmoid(log_odds)
    none = 1 - log_p.exp().sum(-1, keepdim=True)
    return log_p - none.clamp_min(NONE_LEFT).log()


def doubted(believed: Tensor, ignored: Tensor, confidence: Tensor) -> Tensor:
    """Log-odds (…, E) if words were said and if they are ignored, and the chance (…) that they were said → log-odds.

    The law of total probability: P = c · P(believed) + (1 − c) · P(ignored), exact where P is near 0 or 1.
    """
    sure = confidence[..., None].log()
    unsure = torch.log1p(-confidence)[..., None]
    yes = torch.logaddexp(sure + F.logsigmoid(believed), unsure + F.logsigmoid(ignored))
    no = torch.logaddexp(sure + F.logsigmoid(-believed), unsure + F.logsigmoid(-ignored))
    return yes - no


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


class BayesFusion(nn.Module):
    """Naive Bayes over modalities that may be silent, for those that never learnt together.

    One of the emotions is expressed, or none. People often show with the face alone, or the voice, or the words, what
    they feel: with the chance s a modality is silent, and then looks as if there were none. So what it says for an
    emotion is evidence against none, not against the other emotions: u = log(p / p of none), ℓ = slope · u + shift, and
    its likelihood ratio is the mixture s + (1 − s) · exp(ℓ). Evidence adds up, and the emotions share what comes of it:

        F = prior + Σ log(s + (1 − s) · exp(ℓ))        over the modalities that are present,
        fused = log(P / (1 − P)),  P = exp(F) / (1 + Σ exp(F))    over the emotions.

    A no takes away at most log s; so one modality that is sure is heard though the others are silent, and several that
    are half sure agree on more than one of them. A face that looks angry, and next to that disgusted, speaks for both,
    and another modality may settle it. A modality that is alone speaks for itself, unchanged. Two emotions at once can
    both pass thresholds below one half, but not both be sure.
    """

    def __init__(self, modalities: int, emotions: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(modalities))
        self.shift = nn.Parameter(torch.zeros(modalities, emotions))
        self.silence = nn.Parameter(torch.full((modalities,), -1.0))  # the log-odds of s
        self.prior = nn.Parameter(torch.zeros(emotions))

    def weights_in_force(self, present: Tensor) -> Tensor:
        """(B, modalities) bool → (B, modalities): how steeply evidence follows each of those that are present where it
        is undecided (ℓ = 0), as shares that sum to 1."""
        steep = self.slope.clamp_min(_LEAST) * (-self.silence).sigmoid() * present.to(self.slope.dtype)
        return steep / steep.sum(1, keepdim=True).clamp_min(_LEAST)

    def forward(self, logits: Tensor, present: Tensor) -> Tensor:
        """(B, modalities, E) logits, (B, modalities) bool → (B, E); 0 where none is present."""
        there = present[..., None]
        logits = logits.masked_fill(~there, 0.0)
        together = one_vs_rest(self.prior + (self.evidence(logits) * there).sum(1))
        return torch.where(present.sum(1, keepdim=True) > 1, together, logits.sum(1))

    def evidence(self, logits: Tensor) -> Tensor:
        """(…, modalities, E) logits → the same, what each modality says for each emotion: log-odds against none."""
        heard = F.logsigmoid(-self.silence)[:, None] + self.slope[:, None] * against_none(logits) + self.shift
        return torch.logaddexp(F.logsigmoid(self.silence)[:, None].expand_as(heard), heard)
