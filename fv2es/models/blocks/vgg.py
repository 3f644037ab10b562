"""VGG trunks: FE2E's for faces and for pieces of the spectrogram (Dai et al. 2021, arXiv 2103.09666, §4)."""

from __future__ import annotations

from torch import nn

from fv2es.models.blocks.picture import one_picture
from fv2es.models.blocks.repvgg import ConvNormAct


def vgg(in_channels: int, stem: int, stages: tuple[tuple[int, ...], ...]) -> nn.Sequential:
    """(N, in, H, W) → (N, stages[-1][-1], H/2ⁿ, W/2ⁿ), n = 1 + len(stages).

    A 5×5 stem, then of each number a block of two 3×3 convolutions with normalisation and ReLU; 2×2 max-pooling behind
    the stem and every stage. `repvgg.fold` absorbs the normalisations.
    """
    layers: list[nn.Module] = [ConvNormAct(in_channels, stem, 5), nn.MaxPool2d(2)]
    width = stem
    for stage in stages:
        for out in stage:
            layers += [ConvNormAct(width, out, 3), ConvNormAct(out, out, 3)]
            width = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


STAGES = ((64, 64, 128), (256,), (512,))


def face_vgg() -> nn.Sequential:
    """(N, 3, 48, 48) → (N, 512, 3, 3); 4,803,456 parameters."""
    return vgg(3, 64, STAGES)


def voice_vgg(stem: int = 64, stages: tuple[tuple[int, ...], ...] = STAGES) -> nn.Sequential:
    """(N, 4, 32, 32) → (N, 512, 8, 2); 4,800,256 parameters. The four channels are put together again to the
    (1, 128, 32) that FE2E takes."""
    return nn.Sequential(*one_picture(), vgg(1, stem, stages))
