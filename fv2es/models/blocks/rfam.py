"""RFAM: blocks that are residual while they learn and plain convolutions afterwards, each followed by SimAM.

Jia, Tan, Qi, Lin 2024, "A More Efficient Inference Model for Multimodal Emotion Recognition"; the reserving and
merging that takes the shortcut away is that of Meng et al. 2022 (RMNet, arXiv 2111.00687), the parameter-free
attention that of Yang et al. 2021 (SimAM, ICML).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.repvgg import Module, RepVGGConfig, fold, fold_batch_norm, plain_conv, staged


def simam(x: Tensor, regularisation: float = 1e-4) -> Tensor:
    """(B, C, H, W) → the same: v · sigmoid((v − μ)² / (4 (σ²/N + λ)) + 0.5), channel by channel.

    σ² is the sum of the squared deviations and N = H·W − 1; a place counts the more, the less it is like its channel.
    """
    squares = (x - x.mean((-2, -1), keepdim=True)).square()
    others = max(1, x.shape[-2] * x.shape[-1] - 1)  # a map of one cell has no deviation and nothing to divide
    variance = squares.sum((-2, -1), keepdim=True) / others
    return x * torch.sigmoid(squares / (4 * (variance + regularisation)) + 0.5)


def reserve(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, nn.BatchNorm2d]:
    """Kernel (out, in, k, k) and norm → (out + in, in, k, k) and its norm: behind them lies the input, untouched.

    The added slice of the kernel is a Dirac; its normalisation is the identity: weight √(σ² + ε), bias μ.
    """
    kept = kernel.shape[1]
    dirac = nn.init.dirac_(kernel.new_empty(kept, kept, *kernel.shape[2:]))
    wide = nn.BatchNorm2d(len(kernel) + kept, eps=norm.eps).to(kernel.device, kernel.dtype)
    mean, variance = kernel.new_zeros(kept), kernel.new_ones(kept)
    same = {"running_mean": mean, "running_var": variance, "weight": (variance + norm.eps).sqrt(), "bias": mean}
    own = norm.state_dict()
    wide.load_state_dict(own | {name: torch.cat([own[name], value]) for name, value in same.items()})
    return torch.cat([kernel, dirac]), wide


class RFAMBlock(nn.Module):
    """SimAM(relu(BN(conv3×3(relu(BN(conv3×3(x))))) + shortcut)), (B, in, H, W) → (B, out, H/stride, W/stride).

    The shortcut is x itself, or BN(conv1×1(x)) where the shape changes. Two inference forms equal it. `merge` is the
    papers': two plain convolutions, the first carrying the input along (`reserve`), the second adding it up. `signed`:
    the input may be negative, so that what is kept has to pass the activation between the two by a PReLU (slope 1, and
    0 for what is convolved). `fold`, with which models are loaded, absorbs the normalisations and keeps the shortcut:
    the merged convolutions have two to four times the weights of these, most of them zeros and ones, which a graphics
    card may have to spare; on a processor they take twice as long as the addition that they do away with.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, signed: bool = False) -> None:
        super().__init__()
        self.signed = signed
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        keeps_shape = in_channels == out_channels and stride == 1
        self.conv_shortcut = None if keeps_shape else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.norm_shortcut = None if keeps_shape else nn.BatchNorm2d(out_channels)
        self.merged: nn.Sequential | None = None

    def forward(self, x: Tensor) -> Tensor:
        return simam(self.summed(x))

    def summed(self, x: Tensor) -> Tensor:
        """What SimAM is given."""
        if self.merged is not None:
            return F.relu(self.merged(x))
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.conv_shortcut is not None and self.norm_shortcut is not None:
            x = self.norm_shortcut(self.conv_shortcut(x))
        return F.relu(y + x)

    def fold(self) -> None:
        """Absorb the normalisations into the convolutions, in place."""
        for part in ("1", "2", "_shortcut"):
            conv, norm = getattr(self, f"conv{part}"), getattr(self, f"norm{part}")
            if isinstance(norm, nn.BatchNorm2d):
                setattr(self, f"conv{part}", plain_conv(*fold_batch_norm(conv.weight, None, norm), conv.stride[0]))
                setattr(self, f"norm{part}", nn.Identity())

    def merge(self) -> None:
        """Replace the residual training form by the plain form without a shortcut, in place."""
        if self.merged is not None:
            return
        wide_kernel, wide_norm = reserve(self.conv1.weight, self.norm1)
        first = plain_conv(*fold_batch_norm(wide_kernel, None, wide_norm), self.conv1.stride[0])
        kernel, bias = fold_batch_norm(self.conv2.weight, None, self.norm2)
        kept, kept_bias = self._merged_shortcut()
        second = plain_conv(torch.cat([kernel, kept], dim=1), bias + kept_bias)
        self.merged = nn.Sequential(first, self._between(), second)
        for part in ("conv1", "norm1", "conv2", "norm2", "conv_shortcut", "norm_shortcut"):
            setattr(self, part, None)

    def _merged_shortcut(self) -> tuple[Tensor, Tensor]:
        """Kernel (out, in, 3, 3) and bias (out,) of the shortcut, where the stride lies behind it already."""
        if self.conv_shortcut is None or self.norm_shortcut is None:
            dirac = nn.init.dirac_(torch.empty_like(self.conv2.weight))
            return dirac, dirac.new_zeros(len(dirac))
        kernel, bias = fold_batch_norm(self.conv_shortcut.weight, None, self.norm_shortcut)
        return F.pad(kernel, (1, 1, 1, 1)), bias

    def _between(self) -> nn.Module:
        if not self.signed:
            return nn.ReLU()
        convolved, kept = self.conv1.weight.shape[:2]
        activation = nn.PReLU(convolved + kept).to(self.conv1.weight.device, self.conv1.weight.dtype)
        activation.load_state_dict({"weight": torch.arange(convolved + kept).ge(convolved).to(self.conv1.weight)})
        return activation.requires_grad_(False)


@dataclass(frozen=True)
class RFAMConfig(RepVGGConfig):
    """The defaults come within 3 % of the .73 M that the paper reports; it does not tell the widths."""

    stem_width: int = 32
    stages: tuple[tuple[int, ...], ...] = ((32, 32, 64), (64, 128), (256,))


class RFAM(nn.Sequential):
    """(B, in, H, W) → (B, width, H/2ⁿ, W/2ⁿ); 739,456 parameters by default.

    No block's input is negative: each lies behind a ReLU, which neither pooling nor SimAM's gate takes back.
    """

    def __init__(self, config: RFAMConfig) -> None:
        super().__init__(*staged(config, RFAMBlock))


def merge(module: Module) -> Module:
    """As `repvgg.fold`, with the papers' plain form for RFAM's blocks; returns the module."""
    for block in module.modules():
        if isinstance(block, RFAMBlock) and not module.training:
            block.merge()
    return fold(module)
