"""The voice network of the compact models: one network over pieces, one over functionals of the whole utterance."""

from __future__ import annotations

from torch import Tensor, nn

from fv2es.models.blocks.functionals import FunctionalsNetwork
from fv2es.models.multimodal import Trunked

SHARE = 0.5  # of the functionals in the logits


class Voice(nn.Module):
    """Both hear the same pieces, and their logits are averaged.

    A network learns what to listen for, and from an hour of acted speech also whose voice it was; functionals are few
    and the same for everybody. They learn apart, so that neither leaves to the other what it could know itself.
    """

    def __init__(self, network: Trunked, emotions: int) -> None:
        super().__init__()
        self.network = network
        self.functionals = FunctionalsNetwork(emotions)

    @property
    def trunk(self) -> nn.Module:
        return self.network.trunk

    def forward(self, pieces: Tensor, counts: Tensor) -> Tensor:
        """(N, 4, 32, 32) pieces of B utterances, (B,) counts ≥ 1 → (B, E) logits against neutral = 0."""
        return self.read(self.network.maps(pieces), pieces, counts)

    def read(self, maps: Tensor, pieces: Tensor, counts: Tensor) -> Tensor:
        """The logits (B, E) that belong to the network's maps of the pieces."""
        return (1 - SHARE) * self.network.read(maps, counts) + SHARE * self.functionals(pieces, counts)
