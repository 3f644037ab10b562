"""RepVGG: three branches while training, one plain 3×3 convolution for inference.

Ding et al. 2021, "RepVGG: Making VGG-style ConvNets Great Again" (arXiv 2101.03697); the visual trunk of V2EM
(Wei et al. 2022, §III-B). Folding is exact: convolution and batch normalisation are both linear in inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Module = TypeVar("Module", bound=nn.Module)


def fold_batch_norm(kernel: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel (out, in, k, k) and bias (out,) of `norm(conv(x))` written as one convolution."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("Folding needs a normalisation that keeps running statistics.")
    gain = norm.weight / (variance + norm.eps).sqrt()
    shift = norm.bias - mean * gain
    if bias is not None:
        shift = shift + bias * gain
    return kernel * gain[:, None, None, None], shift


@runtime_checkable
class Foldable(Protocol):
    """A block that has an inference form and changes to it, in place; once changed, nothing happens."""

    def fold(self) -> None: ...


def plain_conv(kernel: Tensor, bias: Tensor, stride: int = 1) -> nn.Conv2d:
    """The convolution with kernel (out, in, k, k) and bias (out,), with nothing to train."""
    out_channels, in_channels, size = kernel.shape[
        :3
    ]  # odd; the padding keeps the picture's size, apart from the stride
    plain = nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2)
    plain.to(kernel.device, kernel.dtype)
    plain.load_state_dict({"weight": kernel, "bias": bias})
    return plain.requires_grad_(False)


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation, ReLU: the stem."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))

    def fold(self) -> None:
        """Absorb the normalisation into the convolution, in place."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = plain_conv(*fold_batch_norm(self.conv.weight, self.conv.bias, self.norm))
            self.norm = nn.Identity()


class RepVGGBlock(nn.Module):
    """relu(BN(conv3×3(x)) + BN(conv1×1(x)) [+ BN(x) where the shape stays])."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.conv_point = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.norm_point = nn.BatchNorm2d(out_channels)
        keeps_shape = in_channels == out_channels and stride == 1
        self.norm_identity = nn.BatchNorm2d(out_channels) if keeps_shape else None
        self.folded: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.folded is not None:
            return F.relu(self.folded(x))
        y = self.norm(self.conv(x)) + self.norm_point(self.conv_point(x))
        if self.norm_identity is not None:
            y = y + self.norm_identity(x)
        return F.relu(y)

    def fold(self) -> None:
        """Replace the branches by the one convolution that equals their sum, in place."""
        if self.folded is not None:
            return
        kernel, bias = fold_batch_norm(self.conv.weight, None, self.norm)
        point_kernel, point_bias = fold_batch_norm(self.conv_point.weight, None, self.norm_point)
        kernel, bias = kernel + F.pad(point_kernel, (1, 1, 1, 1)), bias + point_bias
        if self.norm_identity is not None:
            dirac = nn.init.dirac_(torch.empty_like(self.conv.weight))
            same_kernel, same_bias = fold_batch_norm(dirac, None, self.norm_identity)
            kernel, bias = kernel + same_kernel, bias + same_bias
        self.folded = plain_conv(kernel, bias, self.conv.stride[0])
        for branch in ("conv", "norm", "conv_point", "norm_point", "norm_identity"):
            setattr(self, branch, None)


@dataclass(frozen=True)
class RepVGGConfig:
    """in_channels → stem → stages. `halve_by`: 2×2 max-pooling behind the stem and each stage ("pool", the paper's)
    or a stride of 2 in each stage's first block ("stride", a quarter of the pooled form's operations)."""

    in_channels: int = 3
    stem_width: int = 64
    stem_kernel: int = 5
    stages: tuple[tuple[int, ...], ...] = ((64, 64, 128), (256,), (512,))
    halve_by: str = "pool"

    def __post_init__(self) -> None:
        if self.halve_by not in ("pool", "stride"):
            raise ValueError(f"halve_by needs pool or stride, got {self.halve_by}")

    @property
    def width(self) -> int:
        return self.stages[-1][-1]


class RepVGG(nn.Sequential):
    """(B, in, H, W) → (B, width, H/2ⁿ, W/2ⁿ)."""

    def __init__(self, config: RepVGGConfig) -> None:
        super().__init__(*staged(config, RepVGGBlock))


def staged(config: RepVGGConfig, block: Callable[[int, int, int], nn.Module]) -> Iterator[nn.Module]:
    """The stem and all stages of `block(in, out, stride)`, halved as the config says."""
    pooled = config.halve_by == "pool"
    yield ConvNormAct(config.in_channels, config.stem_width, config.stem_kernel)
    if pooled:
        yield nn.MaxPool2d(2)
    width = config.stem_width
    for stage in config.stages:
        for position, out in enumerate(stage):
            yield block(width, out, 2 if position == 0 and not pooled else 1)
            width = out
        if pooled:
            yield nn.MaxPool2d(2)


def fold(module: Module) -> Module:
    """Switch every foldable block below `module` to its inference form, in place; returns the module. Convolutions get
    their weights with channels next to one another in memory, and pass maps on so.

    Call it on a finished model in eval mode only: there is no way back, and nothing is left to train.
    """
    if module.training:
        raise ValueError("Folding needs a model in eval mode: batch statistics still move while training.")
    for block in module.modules():
        if isinstance(block, Foldable):
            block.fold()
    for block in module.modules():
        if isinstance(block, nn.Conv2d):
            block.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module
