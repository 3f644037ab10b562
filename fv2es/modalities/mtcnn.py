"""MTCNN's three networks (Zhang et al. 2016, arXiv 1604.02878, Fig. 2), with the weights that facenet-pytorch brings.

The package itself is not imported: what it imports in turn takes 130 MB. Nor is anything computed that the cascade does
not ask for: a picture's normalisation is part of the first convolution, both heads are one matrix, of the two logits of
“no face” and “face” only the difference counts, and landmarks are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, RANGE = 127.5, 128.0  # of a picture's values, as the networks learnt
LANES = 16  # a first layer of fewer channels, or not of a multiple, takes longer than one with idle channels added

Weights = Mapping[str, Tensor]
Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True)
class _Plan:
    """pools: the windows of the maxima behind the convolutions, 0 = none; then the last layers as the package names
    them: what stands between maps and heads, if anything, and the two heads."""

    pools: tuple[int, ...]
    hidden: str | None
    face: str
    shifts: str


PLANS = {
    "pnet": _Plan((2, 0, 0), None, "conv4_1", "conv4_2"),
    "rnet": _Plan((3, 3, 0), "dense4", "dense5_1", "dense5_2"),
    "onet": _Plan((3, 3, 2, 0), "dense5", "dense6_1", "dense6_2"),
}


class Network(nn.Module):
    """One of `PLANS`: (K, 3, h, w) float32 pictures, 0–255, channels next to one another in memory → the probability
    of a face, (K,), and how far it would move the edges, in sides of the picture, (K, 4). The first looks at every
    window of larger pictures: (K, rows, columns) and (K, rows, columns, 4).
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        plan, weights = PLANS[name], _weights(name)
        self.trunk = nn.Sequential(*_trunk(weights, plan.pools))
        self.hidden = None if plan.hidden is None else nn.Sequential(*_hidden(weights, plan.hidden, len(plan.pools)))
        self.heads = _heads(weights, plan.face, plan.shifts)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.trunk(pictures).permute(0, 2, 3, 1)
        said = self.heads(maps if self.hidden is None else self.hidden(maps.flatten(1)))
        return said[..., 0].sigmoid(), said[..., 1:]


def _weights(name: str) -> Weights:
    package = find_spec("facenet_pytorch")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("facenet-pytorch, which brings MTCNN's weights, is not installed")
    path = Path(package.submodule_search_locations[0]) / "data" / f"{name}.pt"
    found: Weights = torch.load(path, weights_only=True, map_location="cpu")
    return found


def _trunk(weights: Weights, pools: Sequence[int]) -> Iterator[nn.Module]:
    """Convolutions, PReLUs and maxima, with idle channels of zeros where LANES asks for them."""
    for number, pool in enumerate(pools, start=1):
        weight, bias = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
        if number == 1:
            weight, bias = weight / RANGE, bias - weight.sum((1, 2, 3)) * (MEAN / RANGE)
        idle, idle_before = -len(bias) % LANES, 0 if number == 1 else -weight.shape[1] % LANES
        weight = F.pad(weight, (0, 0, 0, 0, 0, idle_before, 0, idle))
        out, into, side, _ = weight.shape
        convolution = _filled(nn.Conv2d(into, out, side), weight=weight, bias=F.pad(bias, (0, idle)))
        yield convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        yield _filled(nn.PReLU(out), weight=F.pad(weights[f"prelu{number}.weight"], (0, idle)))
        if pool:
            yield nn.MaxPool2d(pool, 2, ceil_mode=True)


def _hidden(weights: Weights, name: str, convolutions: int) -> Iterator[nn.Module]:
    """The layer between the maps and the heads. The package flattens maps column by column and channel by channel last;
    as they lie in memory, rows come first."""
    weight, slope = weights[f"{name}.weight"], weights[f"prelu{convolutions + 1}.weight"]
    out, into = weight.shape
    channels = len(weights[f"conv{convolutions}.bias"])
    side = math.isqrt(into // channels)
    weight = weight.view(out, side, side, channels).transpose(1, 2).reshape(out, into)
    yield _filled(nn.Linear(into, out), weight=weight, bias=weights[f"{name}.bias"])
    yield _filled(nn.PReLU(out), weight=slope)


def _heads(weights: Weights, face: str, shifts: str) -> nn.Linear:
    """The log-odds of a face, and four shifts."""

    def joined(kind: str) -> Tensor:
        no, yes = weights[f"{face}.{kind}"].split(1)
        return torch.cat([yes - no, weights[f"{shifts}.{kind}"]])

    weight = joined("weight").flatten(1)  # the first network has them as convolutions of one pixel
    return _filled(nn.Linear(weight.shape[1], len(weight)), weight=weight, bias=joined("bias"))


def _filled(layer: Layer, **values: Tensor) -> Layer:
    layer.load_state_dict(values)
    return layer
