"""From the faces or pieces of an utterance to one state: nothing of a neighbour, nothing of the padding."""

import pytest
import torch
from oracles import largest_difference

from fv2es.models.blocks.sequence import SequenceConfig, SequenceEncoder, pad

COUNTS = torch.tensor([3, 1, 7, 2])


@pytest.fixture(params=[0, 2], ids=["mean", "transformer"])
def encoder(request) -> SequenceEncoder:
    torch.manual_seed(0)
    return SequenceEncoder(SequenceConfig(width=8, depth=request.param, heads=2, feed_forward=16)).eval()


def items() -> torch.Tensor:
    return torch.randn(int(COUNTS.sum()), 8, generator=torch.Generator().manual_seed(1))


def test_pad():
    padded, padding = pad(torch.arange(1.0, 7)[:, None], torch.tensor([1, 3, 2]))
    assert padded[..., 0].tolist() == [[1, 0, 0], [2, 3, 4], [5, 6, 0]]
    assert padding.tolist() == [[False, True, True], [False, False, False], [False, False, True]]


def test_a_batch_is_its_utterances_one_by_one(encoder):
    with torch.inference_mode():
        together = encoder(items(), COUNTS)
        alone = [encoder(part, torch.tensor([len(part)])) for part in items().split(COUNTS.tolist())]
    assert together.shape == (4, 8)
    assert largest_difference(torch.cat(alone), together) <= 1e-6


def test_a_neighbour_is_not_seen(encoder):
    changed = items()
    changed[4:11] = 100.0  # the third utterance
    with torch.inference_mode():
        difference = (encoder(items(), COUNTS) - encoder(changed, COUNTS)).abs().amax(1)
    assert difference[2] > 0.1
    assert difference[[0, 1, 3]].max() <= 1e-6


def test_order_is_not_seen(encoder):
    """No positions, as in FE2E."""
    shuffled = torch.cat([part.flip(0) for part in items().split(COUNTS.tolist())])
    with torch.inference_mode():
        assert largest_difference(encoder(items(), COUNTS), encoder(shuffled, COUNTS)) <= 1e-6


def test_depth_zero_is_the_mean():
    encoder = SequenceEncoder(SequenceConfig(width=8, depth=0))
    wanted = torch.stack([part.mean(0) for part in items().split(COUNTS.tolist())])
    assert largest_difference(encoder(items(), COUNTS), wanted) <= 1e-6
    assert not list(encoder.parameters())
