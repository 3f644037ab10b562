"""Nested transformer: against timm's NesT with the same weights; the attention tap sees without touching."""

import pytest
import torch
from oracles import TINY_VOICE, largest_difference, nested_from_timm, scatter
from torch import nn

from fv2es.models.blocks.nested import (
    DropPath,
    NestedConfig,
    NestedTransformer,
    from_blocks,
    to_blocks,
    watch_attention,
)
from fv2es.models.v2em import COMPACT_VOICE


@pytest.fixture
def tiny() -> NestedTransformer:
    torch.manual_seed(0)
    return scatter(NestedTransformer(TINY_VOICE), std=0.1).eval()


def test_against_timm_with_copied_weights():
    nest = pytest.importorskip("timm.models.nest")
    torch.manual_seed(0)
    config = NestedConfig(widths=(16, 24, 32), heads=(2, 3, 4), depths=(2, 1, 3))
    theirs = nest.Nest(
        img_size=32, in_chans=4, patch_size=1, embed_dims=config.widths, num_heads=config.heads,
        depths=config.depths, num_classes=0, drop_path_rate=0.0,
    )  # fmt: skip
    # V2EM's embedding is a 3×3 convolution where NesT has 1×1 patches; all behind it is the same.
    theirs.patch_embed.proj = nn.Conv2d(4, config.widths[0], 3, padding=1)
    ours = NestedTransformer(config).eval()
    ours.load_state_dict(nested_from_timm(scatter(theirs, std=0.1).eval().state_dict(), config.heads))
    pieces = torch.randn(3, 4, 32, 32)
    with torch.inference_mode():
        wanted, got = theirs.forward_features(pieces), ours(pieces)
    assert wanted.std() > 0.1
    assert largest_difference(wanted, got) <= 2e-5


def test_blocks_and_back():
    picture = torch.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3)
    blocks = to_blocks(picture, 8)
    assert blocks.shape == (2, 16, 64, 3)
    assert torch.equal(blocks[:, 5].reshape(2, 8, 8, 3), picture[:, 8:16, 8:16]), "blocks lie row by row"
    assert torch.equal(from_blocks(blocks, 8), picture)


def test_attention_maps_have_a_cell_for_each_token(tiny):
    with torch.inference_mode(), watch_attention(tiny) as maps:
        tiny(torch.randn(3, 4, 32, 32))
    shapes = {level: tuple(one.shape) for level, one in maps.items()}
    assert shapes == {"level1": (3, 2, 1, 32, 32), "level2": (3, 1, 2, 16, 16), "level3": (3, 2, 4, 8, 8)}


def test_each_blocks_cells_sum_to_one(tiny):
    with torch.inference_mode(), watch_attention(tiny) as maps:
        tiny(10 * torch.randn(2, 4, 32, 32))
    for one in maps.values():
        assert one.min() >= 0
        sums = one.unfold(-2, 8, 8).unfold(-2, 8, 8).sum((-1, -2))
        torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-5, rtol=0)
        assert one.std() > 1e-4, "not all alike"


def test_a_map_is_the_mean_over_queries_at_the_tokens_place(tiny):
    """Level 1, first layer, written out for one block from the definition."""
    piece = torch.randn(1, 4, 32, 32)
    with torch.inference_mode(), watch_attention(tiny) as maps:
        tiny(piece)
    level = tiny.levels[0]
    layer = level.layers[0]
    with torch.inference_mode():
        tokens = (to_blocks(tiny.embed(piece).permute(0, 2, 3, 1), 8) + level.position)[0, 6]  # second row, third
        query, key, _ = layer.attention.qkv(layer.norm1(tokens)).split(8, dim=-1)
        received = (query @ key.T / 8**0.5).softmax(-1).mean(0).reshape(8, 8)
    torch.testing.assert_close(maps["level1"][0, 0, 0, 8:16, 16:24], received, atol=1e-6, rtol=0)


@pytest.mark.parametrize("config", [TINY_VOICE, COMPACT_VOICE])
def test_watching_changes_nothing(config):
    torch.manual_seed(0)
    model, pieces = scatter(NestedTransformer(config)).eval(), torch.randn(2, 4, 32, 32)
    with torch.inference_mode():
        plain = model(pieces)
        with watch_attention(model):
            watched = model(pieces)
        assert largest_difference(plain, watched) <= 1e-5
        assert torch.equal(model(pieces), plain), "nothing is left behind"


def test_several_passes_are_joined(tiny):
    pieces = torch.randn(5, 4, 32, 32)
    with torch.inference_mode():
        with watch_attention(tiny) as parts:
            tiny(pieces[:2])
            tiny(pieces[2:])
        with watch_attention(tiny) as whole:
            tiny(pieces)
    for level, one in whole.items():
        torch.testing.assert_close(parts[level], one, atol=1e-6, rtol=1e-5)


def test_an_error_while_watching_leaves_nothing_behind(tiny):
    with pytest.raises(RuntimeError, match="mine"), watch_attention(tiny):  # noqa: PT012
        tiny(torch.randn(1, 4, 32, 32))
        raise RuntimeError("mine")
    assert all(not layer.attention.watchers for level in tiny.levels for layer in level.layers)


def test_drop_path_keeps_the_mean_and_rests_in_eval():
    torch.manual_seed(0)
    dropped = DropPath(0.25)(torch.ones(4000, 1))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean() == pytest.approx(1.0, abs=0.03)
    x = torch.randn(3, 2)
    assert torch.equal(DropPath(0.25).eval()(x), x)


@pytest.mark.parametrize(
    ("sizes", "complaint"), [({"depths": (2, 2)}, "one number for each level"), ({"side": 64}, "exactly one block")]
)
def test_sizes_that_do_not_fit_are_refused(sizes, complaint):
    with pytest.raises(ValueError, match=complaint):
        NestedConfig(**sizes)
