"""RepVGG: the folded form is the training form, for every kind of block and the whole trunk."""

import pytest
import torch
from oracles import largest_difference, shake
from torch import nn

from fv2es import hub
from fv2es.models.blocks.repvgg import ConvNormAct, RepVGG, RepVGGBlock, RepVGGConfig, fold
from fv2es.models.registry import create_model
from fv2es.models.v2em import COMPACT_FACES


def both_forms(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        training_form = shake(module.eval())(x)
    with torch.no_grad():
        return training_form, fold(module)(x)


@pytest.mark.parametrize(
    ("block", "channels"),
    [
        (lambda: ConvNormAct(3, 8, 5), 3),
        (lambda: ConvNormAct(1, 8, 3), 1),
        (lambda: RepVGGBlock(8, 8), 8),  # with the identity branch
        (lambda: RepVGGBlock(8, 12), 8),
        (lambda: RepVGGBlock(8, 8, stride=2), 8),
        (lambda: RepVGGBlock(8, 12, stride=2), 8),
    ],
)
def test_a_folded_block_equals_its_training_form(block, channels):
    torch.manual_seed(0)
    before, after = both_forms(block(), torch.randn(4, channels, 12, 12))
    assert before.any(), "all cut off by the ReLU: the test would see nothing"
    assert largest_difference(before, after) <= 1e-5


@pytest.mark.parametrize("config", [RepVGGConfig(stem_width=8, stages=((8, 8, 16), (24,), (32,))), COMPACT_FACES])
def test_a_folded_trunk_equals_its_training_form(config):
    torch.manual_seed(1)
    before, after = both_forms(RepVGG(config), torch.randn(3, config.in_channels, 48, 48))
    assert before.std() > 0.01
    assert largest_difference(before, after) <= 1e-5 * max(1.0, float(before.abs().max()))


def test_folding_the_shipped_checkpoint_changes_nothing():
    if "v2em-compact" not in hub.list_checkpoints():
        pytest.skip("checkpoints/v2em-compact is not here")
    from safetensors.torch import load_file

    checkpoint = hub.open_checkpoint("v2em-compact")
    model = create_model(checkpoint.architecture).eval()
    model.load_state_dict(load_file(str(checkpoint.folder / hub.WEIGHTS)))
    crops, counts = torch.randn(6, 1, 48, 48), torch.tensor([2, 4])
    with torch.no_grad():
        before = model.face(crops, counts)
        after = hub.load_model(checkpoint).face(crops, counts)
    assert largest_difference(before, after) <= 1e-5


def test_a_folded_trunk_is_plain_convolutions_without_anything_to_train():
    trunk = fold(shake(RepVGG(RepVGGConfig(stem_width=4, stages=((4, 8), (8,))))).eval())
    kinds = {type(leaf) for leaf in trunk.modules() if not list(leaf.children())}
    assert kinds <= {nn.Conv2d, nn.MaxPool2d, nn.Identity}
    assert sum(isinstance(one, nn.Conv2d) for one in trunk.modules()) == 4
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert trunk(torch.randn(2, 3, 16, 16)).is_contiguous(memory_format=torch.channels_last)


def test_folding_twice_is_folding_once():
    trunk, x = RepVGG(RepVGGConfig(stem_width=4, stages=((4,),))), torch.randn(2, 3, 8, 8)
    _, once = both_forms(trunk, x)
    assert torch.equal(fold(trunk)(x), once)


def test_folding_needs_eval_mode():
    with pytest.raises(ValueError, match="eval mode"):
        fold(RepVGG(RepVGGConfig(stem_width=4, stages=((4,),))))


def test_branches_are_those_of_the_paper():
    assert RepVGGBlock(8, 8).norm_identity is not None
    assert RepVGGBlock(8, 12).norm_identity is None
    assert RepVGGBlock(8, 8, stride=2).norm_identity is None


@pytest.mark.parametrize(("halve_by", "side"), [("pool", 6), ("stride", 12)])
def test_sides_halve(halve_by, side):
    """Pooling halves behind the stem and each of the two stages, strides in the two stages only."""
    config = RepVGGConfig(stem_width=4, stages=((4, 6), (8,)), halve_by=halve_by)
    assert RepVGG(config)(torch.zeros(2, 3, 48, 48)).shape == (2, config.width, side, side)


def test_an_unknown_way_to_halve_is_named():
    with pytest.raises(ValueError, match="pool or stride, got mean"):
        RepVGGConfig(halve_by="mean")
