"""A linear layer of many cells, asked of the library that uses the whole of a processor.

PyTorch multiplies matrices with MKL, which on AMD's processors fills half of a 512-bit register, and convolves with
oneDNN, which fills all of it. A linear layer of many cells is a convolution of one pixel (Lin et al. 2014, "Network in
Network", arXiv 1312.4400), so that it can be had from either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PICTURES = 16  # as which the cells are shown: of fewer, PyTorch makes a product of matrices again
MANY, WORTH = 128, 1 << 22  # cells and multiplications from which on the convolution is the faster


class Pointwise(nn.Linear):
    """`nn.Linear`, its weights and its results, (…, in) → (…, out), in float32 on a processor by a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        if not self._is_worth_it(x):
            return super().forward(x)
        pictures = x.reshape(PICTURES, 1, -1, self.in_features).permute(0, 3, 1, 2)  # channels last, as they lie
        mixed = F.conv2d(pictures, self.weight[:, :, None, None], self.bias)
        return mixed.permute(0, 2, 3, 1).reshape(*x.shape[:-1], self.out_features)

    def _is_worth_it(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return False
        if not torch.backends.mkldnn.is_available():  # oneDNN, which not every build of PyTorch has
            return False
        cells = x.numel() // self.in_features
        return cells >= MANY and cells % PICTURES == 0 and cells * self.weight.numel() >= WORTH
