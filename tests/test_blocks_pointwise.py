"""A pointwise layer is a linear layer, whichever library it is had from."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fv2es.models.blocks import pointwise
from fv2es.models.blocks.nested import NestedConfig, NestedTransformer
from fv2es.models.blocks.pointwise import MANY, PICTURES, WORTH, Pointwise

CONVOLVED = (3, 16, 64, 64)  # cells and channels of a piece's second level


def convolutions(monkeypatch):
    """The shapes that are convolved."""
    seen = []
    convolve = F.conv2d
    monkeypatch.setattr(pointwise.F, "conv2d", lambda x, *rest: seen.append(tuple(x.shape)) or convolve(x, *rest))
    return seen


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [CONVOLVED, (2048, 64), (1, 1, MANY, 256)])
def test_many_cells_are_convolved_to_the_same(shape, bias, monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(shape)
    layer = Pointwise(shape[-1], 192, bias)
    seen = convolutions(monkeypatch)
    found = layer(x)
    assert seen == [(PICTURES, shape[-1], 1, x[..., 0].numel() // PICTURES)]
    assert found.is_contiguous()
    torch.testing.assert_close(found, F.linear(x, layer.weight, layer.bias), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(MANY - PICTURES, 512),  # few cells
        torch.randn(2, MANY + 1, 512),  # not to be divided
        torch.randn(MANY, WORTH // MANY // 192 - 1),  # little to do
        torch.randn(MANY * 4, 512, dtype=torch.float64),
        torch.randn(0, 512),
    ],
    ids=["few", "odd", "small", "double", "none"],
)
def test_others_are_multiplied(x, monkeypatch):
    layer = Pointwise(x.shape[-1], 192).to(x.dtype)
    seen = convolutions(monkeypatch)
    assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    assert not seen


def test_nothing_is_convolved_under_autocast(monkeypatch):
    layer, x = Pointwise(64, 192), torch.randn(CONVOLVED)
    seen = convolutions(monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert not seen


def test_without_onednn_nothing_is_convolved(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    seen = convolutions(monkeypatch)
    Pointwise(64, 192)(torch.randn(CONVOLVED))
    assert not seen


def test_it_learns_as_a_linear_layer_does():
    torch.manual_seed(0)
    layer, plain = Pointwise(64, 192), nn.Linear(64, 192)
    plain.load_state_dict(layer.state_dict())
    x, back = torch.randn(CONVOLVED), torch.randn(*CONVOLVED[:-1], 192)
    gradients = []
    for one in (layer, plain):
        given = x.clone().requires_grad_()
        one(given).backward(back)
        gradients.append((given.grad, one.weight.grad, one.bias.grad))
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)


def test_the_nested_transformer_is_the_same_without_it(monkeypatch):
    torch.manual_seed(0)
    model = NestedTransformer(NestedConfig(widths=(32, 64, 128), heads=(2, 4, 8), depths=(1, 1, 2))).eval()
    pieces = torch.randn(4, 4, 32, 32)
    seen = convolutions(monkeypatch)
    with torch.inference_mode():
        convolved = model(pieces)
        assert len(seen) > 8
        monkeypatch.setattr(Pointwise, "_is_worth_it", lambda *_: False)
        torch.testing.assert_close(convolved, model(pieces), atol=1e-5, rtol=1e-5)
