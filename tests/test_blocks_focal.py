"""Focal modulation: against timm's FocalNet with the same weights; the modulator's tap sees without touching."""

import re

import pytest
import torch
from oracles import largest_difference, scatter
from torch import Tensor, nn

from fv2es.models.blocks.focal import FocalConfig, FocalModulation, FocalNet, watch_modulation
from fv2es.models.rfam_focal import COMPACT_VOICE

TINY = FocalConfig(patch=4, widths=(8, 16, 24), depths=(2, 1, 2))


@pytest.fixture
def tiny() -> FocalNet:
    torch.manual_seed(0)
    return scatter(FocalNet(TINY), std=0.1).eval()


# Sameness


def from_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of timm's `FocalNet` under our names; its classifier drops out, its 1×1 convolutions are linear here."""
    names = {
        "layers": "levels", "blocks": "layers", "stem": "levels.0.patches", "downsample": "patches",
        r"(?<=patches\.)proj": "conv", "f": "split", "h": "modulator", r"focal_layers\.(\d+)\.0": r"contexts.\1",
        "fc1": "0", "fc2": "3",
    }  # fmt: skip
    renamed = {}
    for name, value in state.items():
        if name.startswith("head."):
            continue
        ours = name
        for theirs, own in names.items():  # in this order: timm's blocks become layers once its layers are levels
            ours = re.sub(rf"\b{theirs}\b", own, ours)
        linear = re.search(r"(split|modulator|modulation\.proj|mlp\.\d)\.weight$", ours)
        renamed[ours] = value.flatten(1) if linear else value
    return renamed


@pytest.mark.parametrize(("levels", "window"), [(2, 3), (3, 5)])
def test_against_timm_with_copied_weights(levels, window):
    focalnet = pytest.importorskip("timm.models.focalnet")
    torch.manual_seed(0)
    theirs = focalnet.FocalNet(
        in_chans=2, num_classes=0, embed_dim=8, depths=(2, 1, 3), focal_levels=(levels,) * 3,
        focal_windows=(window,) * 3, drop_path_rate=0.0,
    )  # fmt: skip
    config = FocalConfig(2, 4, (8, 16, 32), (2, 1, 3), focal_levels=levels, focal_window=window)
    ours = FocalNet(config).eval()
    ours.load_state_dict(from_timm(scatter(theirs, std=0.1).eval().state_dict()))
    pictures = torch.randn(3, 2, 64, 48)
    with torch.inference_mode():
        wanted, got = theirs.forward_features(pictures), ours(pictures)
    assert wanted.std() > 0.1
    assert largest_difference(wanted, got) <= 2e-5


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_reported_size_to_the_digit():
    """49.89 M are FocalNet-S on three channels and a head for a thousand classes, which no emotion needs."""
    with torch.device("meta"):
        three, one = FocalNet(FocalConfig(in_channels=3)), FocalNet(FocalConfig())
        head = nn.Linear(768, 1000)
    assert count(three) == 49_122_216
    assert count(three) + count(head) == 49_891_216
    assert count(one) == 49_122_216 - 2 * 16 * 96 == 49_119_144


def test_timm_counts_the_same():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        assert count(timm.create_model("focalnet_small_srf", pretrained=False)) == 49_891_216


# The definition


def test_modulation_is_its_definition():
    """One place, written out: query ⊙ h(Σ gate · context), contexts ever wider, the last the mean of the map."""
    torch.manual_seed(0)
    block = scatter(FocalModulation(4, levels=2, window=3), std=0.3).eval()
    assert [context.weight.shape[-1] for context in block.contexts] == [3, 5]
    x = torch.randn(1, 6, 7, 4)
    row, column = 2, 3
    with torch.inference_mode():
        query, context, gates = block.split(x).split((4, 4, 3), dim=-1)
        gathered = torch.zeros(4)
        for level, conv in enumerate(block.contexts):
            context = nn.functional.gelu(conv(context.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
            gathered += gates[0, row, column, level] * context[0, row, column]
        gathered += gates[0, row, column, 2] * nn.functional.gelu(context[0].mean((0, 1)))
        wanted = block.proj(query[0, row, column] * block.modulator(gathered))
        assert largest_difference(block(x)[0, row, column], wanted) <= 1e-5


def test_a_piece_in_four_channels_is_seen_as_one_picture(tiny):
    """Neighbouring bands stay neighbours: (4, 32, 32) gives what (1, 128, 32) gives."""
    pieces = torch.randn(3, 4, 32, 32)
    with torch.inference_mode():
        folded, whole = tiny(pieces), tiny(pieces.reshape(3, 1, 128, 32))
    assert folded.shape == (3, 24, 8, 2)
    assert torch.equal(folded, whole)


@pytest.mark.parametrize("channels", [1, 4])
def test_gradients_reach_every_parameter(channels):
    torch.manual_seed(0)
    model = scatter(FocalNet(FocalConfig(channels, 4, (8, 16), (1, 2), drop_path=0.0))).train()
    model(torch.randn(2, 4, 32, 32)).square().sum().backward()
    unmoved = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert unmoved == []


def test_paths_drop_in_training_only():
    torch.manual_seed(0)
    model, pieces = FocalNet(FocalConfig(1, 4, (8, 16), (1, 2), drop_path=0.5)), torch.randn(8, 4, 32, 32)
    rates = [layer.drop_path.rate for level in model.levels for layer in level.layers]
    assert rates == [0.0, 0.25, 0.5]
    assert not torch.equal(model(pieces), model(pieces))
    assert torch.equal(model.eval()(pieces), model(pieces))


# The tap


@pytest.mark.parametrize("config", [TINY, COMPACT_VOICE])
def test_maps_have_a_cell_for_each_place(config):
    model = FocalNet(config).eval()
    with torch.inference_mode(), watch_modulation(model) as maps:
        model(torch.randn(3, 4, 32, 32))
    for index, depth in enumerate(config.depths):
        one = maps[f"level{index + 1}"]
        side = config.patch * 2**index
        assert one.shape == (3, depth, 128 // side, 32 // side)
        assert one.dtype == torch.float32
    assert len(maps) == len(config.depths)


def test_a_map_is_the_modulators_norm(tiny):
    """The first layer of the second level, from what goes into it and the weights."""
    pieces = torch.randn(2, 4, 32, 32)
    layer = tiny.levels[1].layers[0]
    block = layer.modulation
    with torch.inference_mode():
        with watch_modulation(tiny) as maps:
            tiny(pieces)
        x = layer.norm1(tiny.levels[1].patches(tiny.levels[0](pieces.reshape(2, 1, 128, 32))))
        query = block.split(x)[..., :16]
        # proj is linear: taking its bias off and inverting it leaves query ⊙ modulator.
        product = torch.linalg.solve(block.proj.weight.double(), (block(x) - block.proj.bias).double().mT).mT
        wanted = (product / query).norm(dim=-1)
    torch.testing.assert_close(maps["level2"][:, 0].double(), wanted, atol=1e-3, rtol=1e-3)
    assert maps["level2"].std() > 1e-3, "not all alike"


@pytest.mark.parametrize("config", [TINY, COMPACT_VOICE])
def test_watching_changes_nothing(config):
    torch.manual_seed(0)
    model, pieces = scatter(FocalNet(config)).eval(), torch.randn(2, 4, 32, 32)
    with torch.inference_mode():
        plain = model(pieces)
        with watch_modulation(model):
            assert torch.equal(model(pieces), plain)
        assert torch.equal(model(pieces), plain)
    assert all(not layer.modulation.watchers for level in model.levels for layer in level.layers)


def test_several_passes_are_joined(tiny):
    pieces = torch.randn(5, 4, 32, 32)
    with torch.inference_mode():
        with watch_modulation(tiny) as parts:
            tiny(pieces[:2])
            tiny(pieces[2:])
        with watch_modulation(tiny) as whole:
            tiny(pieces)
    for level, one in whole.items():
        torch.testing.assert_close(parts[level], one, atol=1e-6, rtol=1e-5)


def test_an_error_while_watching_leaves_nothing_behind(tiny):
    with pytest.raises(RuntimeError, match="mine"), watch_modulation(tiny):  # noqa: PT012
        tiny(torch.randn(1, 4, 32, 32))
        raise RuntimeError("mine")
    assert all(not layer.modulation.watchers for level in tiny.levels for layer in level.layers)


@pytest.mark.parametrize(
    ("sizes", "complaint"), [({"depths": (2, 2)}, "one number for each level"), ({"focal_window": 4}, "a middle")]
)
def test_sizes_that_do_not_fit_are_refused(sizes, complaint):
    with pytest.raises(ValueError, match=complaint):
        FocalConfig(**sizes)
