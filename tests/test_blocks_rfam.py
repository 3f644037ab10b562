"""RFAM: the plain form is the residual form for every kind of block; SimAM is its formula; everything learns."""

import pytest
import torch
from oracles import largest_difference, shake
from torch import Tensor, nn

from fv2es.models.blocks.repvgg import fold
from fv2es.models.blocks.rfam import RFAM, RFAMBlock, RFAMConfig, merge, reserve, simam
from fv2es.models.rfam_focal import COMPACT_FACES

TINY = RFAMConfig(stem_width=8, stages=((8, 16), (24,)))


def simam_written_out(x: Tensor) -> Tensor:
    """The paper's formula, one channel after the other, in float64."""
    out = torch.empty_like(x, dtype=torch.float64)
    for image, channels in enumerate(x.double()):
        for channel, v in enumerate(channels):
            n = v.numel() - 1
            squares = sum((float(cell) - float(v.mean())) ** 2 for cell in v.flatten())
            y = (v - v.mean()) ** 2 / (4 * (squares / n + 1e-4)) + 0.5
            out[image, channel] = v / (1 + torch.exp(-y))
    return out


@pytest.mark.parametrize("spread", [0.001, 1.0, 30.0])  # the regularisation counts, or it does not
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 2, 1, 2)])
def test_simam_is_its_formula(spread, shape):
    torch.manual_seed(0)
    x = spread * torch.randn(shape)
    wanted = simam_written_out(x)
    assert largest_difference(simam(x.double()), wanted) <= 1e-12 * spread
    assert largest_difference(simam(x).double(), wanted) <= 1e-6 * spread


def test_simam_lifts_what_stands_out_and_survives_a_single_cell():
    x = torch.ones(1, 1, 4, 4)
    x[0, 0, 1, 2] = 5.0
    gate = simam(x) / x
    assert gate.flatten().argmax() == 6
    assert simam(torch.full((1, 1, 1, 1), 3.0)).item() == pytest.approx(3 * torch.sigmoid(torch.tensor(0.5)).item())


def both_forms(module: nn.Module, x: Tensor, inference_form=merge) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        residual = shake(module.eval())(x)
    with torch.no_grad():
        return residual, inference_form(module)(x)


FORMS = pytest.mark.parametrize("inference_form", [fold, merge])


BLOCKS = pytest.mark.parametrize(
    ("channels", "out", "stride"), [(8, 8, 1), (8, 12, 1), (12, 8, 1), (8, 8, 2), (8, 12, 2)]
)


@FORMS
@BLOCKS
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("side", [12, 7])
def test_both_forms_agree(channels, out, stride, signed, side, inference_form):
    torch.manual_seed(0)
    x = torch.randn(4, channels, side, side)
    before, after = both_forms(RFAMBlock(channels, out, stride, signed), x if signed else x.relu(), inference_form)
    assert before.std() > 0.1, "all cut off by the ReLU: the test would see nothing"
    assert largest_difference(before, after) <= 1e-5


def test_negative_inputs_need_the_prelu():
    """Where the definition asks for slopes, a plain ReLU is wrong: the test above can see the difference."""
    torch.manual_seed(0)
    before, after = both_forms(RFAMBlock(8, 8), torch.randn(4, 8, 12, 12))
    assert largest_difference(before, after) > 0.1


def test_what_is_reserved_comes_through_untouched():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(5, 7, 3, 2, padding=1, bias=False), shake(nn.BatchNorm2d(7)).eval()
    kernel, wide = reserve(conv.weight.detach(), norm)
    x = torch.randn(2, 5, 9, 9)
    with torch.inference_mode():
        convolved, kept = wide.eval()(nn.functional.conv2d(x, kernel, stride=2, padding=1)).split((7, 5), dim=1)
        assert largest_difference(convolved, norm(conv(x))) <= 1e-6
        assert largest_difference(kept, x[..., ::2, ::2]) <= 1e-6
    torch.testing.assert_close(wide.weight[7:], (wide.running_var[7:] + wide.eps).sqrt(), atol=0, rtol=0)
    assert torch.equal(wide.bias[7:], wide.running_mean[7:])


def test_slopes_are_one_for_what_is_kept_and_zero_for_what_is_convolved():
    block = merge(RFAMBlock(3, 5, signed=True).eval())
    (activation,) = (one for one in block.modules() if isinstance(one, nn.PReLU))
    assert activation.weight.tolist() == [0.0] * 3 + [1.0] * 3
    assert not any(isinstance(one, nn.PReLU) for one in merge(RFAMBlock(3, 5).eval()).modules())


@FORMS
@pytest.mark.parametrize("config", [TINY, RFAMConfig(), COMPACT_FACES])
def test_a_folded_trunk_equals_its_training_form(config, inference_form):
    torch.manual_seed(1)
    before, after = both_forms(RFAM(config), torch.randn(2, config.in_channels, 48, 48), inference_form)
    assert before.std() > 0.01
    assert largest_difference(before, after) <= 1e-5 * max(1.0, float(before.abs().max()))


@pytest.mark.parametrize(("inference_form", "shortcuts"), [(fold, 2), (merge, 0)])
def test_a_folded_trunk_is_plain_convolutions_without_anything_to_train(inference_form, shortcuts):
    trunk = inference_form(shake(RFAM(TINY)).eval())
    kinds = {type(leaf) for leaf in trunk.modules() if not list(leaf.children())}
    assert kinds <= {nn.Conv2d, nn.MaxPool2d, nn.Identity, nn.ReLU, RFAMBlock}
    assert sum(isinstance(one, nn.Conv2d) for one in trunk.modules()) == 1 + 2 * 3 + shortcuts
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


@FORMS
def test_folding_twice_is_folding_once(inference_form):
    trunk, x = RFAM(TINY), torch.randn(2, 3, 16, 16)
    _, once = both_forms(trunk, x, inference_form)
    assert torch.equal(inference_form(trunk)(x), once)
    assert torch.equal(fold(trunk)(x), once)


def test_there_is_no_merging_while_training():
    trunk = RFAM(TINY).train()
    with pytest.raises(ValueError, match="eval mode"):
        merge(trunk)
    assert all(one.merged is None for one in trunk.modules() if isinstance(one, RFAMBlock))


def test_the_form_for_a_processor_has_no_more_weights_than_it_needs():
    kept, merged = (sum(one.numel() for one in form(RFAM(TINY).eval()).parameters()) for form in (fold, merge))
    assert merged > 1.8 * kept


@BLOCKS
def test_gradients_reach_every_parameter_and_the_input(channels, out, stride):
    torch.manual_seed(0)
    block, x = RFAMBlock(channels, out, stride).train(), torch.randn(4, channels, 8, 8).relu().requires_grad_()
    block(x).square().sum().backward()
    unmoved = [name for name, one in block.named_parameters() if one.grad is None or not one.grad.any()]
    assert unmoved == []
    assert x.grad.isfinite().all()
    assert x.grad.any()


def test_the_papers_size_within_three_in_a_hundred():
    with torch.device("meta"):
        trunk = RFAM(RFAMConfig())
    count = sum(p.numel() for p in trunk.parameters())
    assert count == 739_456
    assert count == pytest.approx(730_000, rel=0.03)


@pytest.mark.parametrize(("halve_by", "side"), [("pool", 6), ("stride", 12)])
def test_sides_halve(halve_by, side):
    config = RFAMConfig(stem_width=4, stages=((4, 6), (8,)), halve_by=halve_by)
    assert RFAM(config)(torch.zeros(2, 3, 48, 48)).shape == (2, config.width, side, side)


def test_an_unknown_way_to_halve_is_named():
    with pytest.raises(ValueError, match="pool or stride, got mean"):
        RFAMConfig(halve_by="mean")
