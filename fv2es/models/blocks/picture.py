"""A piece of the spectrogram as the one picture that it was cut from."""

from __future__ import annotations

from torch import nn


def one_picture(channels: int = 1) -> tuple[nn.Module, nn.Module]:
    """Layers for the front of a trunk: (N, c, H, W) → (N, channels, c·H / channels, W), bands in their order.

    A piece's four channels are neighbouring groups of mel bands: (4, 32, 32) becomes (1, 128, 32), as most see it.
    """
    return nn.Flatten(1, 2), nn.Unflatten(1, (channels, -1))
