"""The emotions' queries: torch's decoder with the same weights, nothing of the padding, attention that can be seen."""

import pytest
import torch
from oracles import largest_difference, scatter
from torch import Tensor, nn

from fv2es.models.blocks.queries import (
    Attention,
    DecoderLayer,
    EarlyFusion,
    EmotionDecoder,
    QueryConfig,
    QueryFusion,
    StateSequence,
    TransformerFusion,
)

SMALL = QueryConfig(width=16, heads=4, feed_forward=32, fusion_depth=2, decoder_depth=2)
PARTS = {"words": slice(0, 4), "face": slice(4, 6), "voice": slice(6, 9)}


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sequence() -> StateSequence:
    """Three utterances of different lengths; the last has no face."""
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 1, 1, 0]]).bool()
    return StateSequence(noise(1, 3, 9, 16), mask, PARTS)


def from_torch(layer: nn.TransformerDecoderLayer) -> dict[str, Tensor]:
    """Weights of torch's decoder layer under the names of `DecoderLayer`."""
    renamed = {}
    for theirs, ours in (("self_attn", "among"), ("multihead_attn", "across")):
        attention = getattr(layer, theirs)
        for kind, joint in (("weight", attention.in_proj_weight), ("bias", attention.in_proj_bias)):
            parts = zip(("query", "key", "value"), joint.chunk(3), strict=True)
            renamed |= {f"{ours}.{name}.{kind}": value for name, value in parts}
            renamed[f"{ours}.proj.{kind}"] = getattr(attention.out_proj, kind)
    names = {"linear1": "expand", "linear2": "contract", "norm1": "norm1", "norm2": "norm2", "norm3": "norm3"}
    for theirs, ours in names.items():
        renamed |= {f"{ours}.{kind}": getattr(getattr(layer, theirs), kind) for kind in ("weight", "bias")}
    return renamed


@pytest.fixture(params=[TransformerFusion, QueryFusion, EarlyFusion])
def fusion(request) -> nn.Module:
    torch.manual_seed(0)
    return scatter(request.param(SMALL, 3, 6)).eval()


# Against torch


@pytest.mark.parametrize("config", [SMALL, QueryConfig()], ids=["small", "paper"])
def test_a_decoder_layer_is_torchs_with_the_same_weights(config):
    torch.manual_seed(0)
    theirs = nn.TransformerDecoderLayer(config.width, config.heads, config.feed_forward, 0.1, batch_first=True)
    scatter(theirs).eval()
    ours = DecoderLayer(config).eval()
    ours.load_state_dict(from_torch(theirs))
    queries, states, mask = noise(2, 3, 6, config.width), noise(3, 3, 9, config.width), sequence().mask
    with torch.inference_mode():
        wanted = theirs(queries, states, memory_key_padding_mask=~mask)
        assert wanted.std() > 0.1
        assert largest_difference(ours(queries, states, mask), wanted) <= 1e-5


def test_the_decoder_is_torchs_and_one_linear_layer_for_each_emotion():
    torch.manual_seed(0)
    layer = nn.TransformerDecoderLayer(16, 4, 32, 0.1, batch_first=True)
    theirs = scatter(nn.TransformerDecoder(layer, 2)).eval()
    ours = scatter(EmotionDecoder(SMALL, 6)).eval()
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        one.load_state_dict(from_torch(other))
    states, mask = sequence().states, sequence().mask
    with torch.inference_mode():
        decoded = theirs(ours.queries.expand(3, -1, -1), states, memory_key_padding_mask=~mask)
        wanted = [decoded[:, each] @ ours.weight[each] + ours.bias[each] for each in range(6)]
        assert largest_difference(ours(states, mask), torch.stack(wanted, dim=1)) <= 1e-5


def test_emotions_have_no_order():
    """Queries that change places, with their read-outs, take their logits along."""
    torch.manual_seed(0)
    decoder = scatter(EmotionDecoder(SMALL, 6)).eval()
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    with torch.inference_mode():
        before = decoder(sequence().states, sequence().mask)
        for each in (decoder.queries, decoder.weight, decoder.bias):
            each.copy_(each[order].clone())
        after = decoder(sequence().states, sequence().mask)
    assert before.std(1).min() > 0.1
    assert largest_difference(after, before[:, order]) <= 1e-5


# What is attended to


@torch.inference_mode()
def test_watched_attention_is_what_mixes_the_values():
    torch.manual_seed(0)
    attention = scatter(Attention(16, 4)).eval()
    x, (states, mask) = noise(4, 3, 6, 16), (sequence().states, sequence().mask)
    plain = attention(x, states, mask)
    seen: list[Tensor] = []
    attention.watchers.append(seen)
    watched = attention(x, states, mask)
    (weights,) = seen
    values = attention.value(states).unflatten(-1, (4, 4)).transpose(1, 2)
    by_hand = attention.proj((weights @ values).transpose(1, 2).flatten(2))
    assert weights.shape == (3, 4, 6, 9)
    assert not weights[~mask[:, None, None, :].expand_as(weights)].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, 6))
    assert largest_difference(watched, plain) <= 1e-6
    assert largest_difference(by_hand, plain) <= 1e-6


def test_padding_is_not_seen(fusion):
    other = sequence()
    other.states[~other.mask] = 100.0
    with torch.inference_mode():
        assert largest_difference(fusion(other), fusion(sequence())) <= 1e-6


def test_every_state_is_seen(fusion):
    with torch.inference_mode():
        before = fusion(sequence())
        for place in range(9):
            other = sequence()
            other.states[0, place] += 1.0
            changed = (fusion(other) - before).abs().amax(1)
            assert changed[0] > 1e-4
            assert changed[1:].max() <= 1e-6


def test_order_within_a_modality_is_not_seen(fusion):
    """No positions: those of words are the text encoder's."""
    other = sequence()
    shuffled = StateSequence(
        torch.cat([other.states[:, part].flip(1) for part in PARTS.values()], dim=1),
        torch.cat([other.mask[:, part].flip(1) for part in PARTS.values()], dim=1),
        PARTS,
    )
    with torch.inference_mode():
        assert largest_difference(fusion(shuffled), fusion(other)) <= 1e-6


def test_what_is_not_heard_is_not_seen(fusion):
    """The second utterance by its words and voice alone: as if there were no face."""
    heard = sequence().heard(torch.tensor([1, 1]), torch.tensor([[True, False, True], [True, True, True]]))
    assert heard.mask.tolist() == [[True, True, *[False] * 4, True, False, False], sequence().mask[1].tolist()]
    keep = [0, 1, 6]
    parts = {"words": slice(0, 2), "face": slice(2, 2), "voice": slice(2, 3)}
    without = StateSequence(sequence().states[1:2, keep], torch.ones(1, 3, dtype=torch.bool), parts)
    with torch.inference_mode():
        logits = fusion(heard)
        assert largest_difference(logits[:1], fusion(without)) <= 1e-5
        assert largest_difference(logits[1:], fusion(sequence())[1:2]) <= 1e-5
    assert largest_difference(logits[:1], logits[1:]) > 1e-3


@torch.inference_mode()
def test_early_fusion_by_hand():
    fusion = scatter(EarlyFusion(SMALL, 3, 6)).eval()
    states, mask = sequence().states, sequence().mask
    for row, logits in enumerate(fusion(sequence())):
        wanted = fusion.out.bias
        for place, part in enumerate(PARTS.values()):
            if mask[row, part].any():
                mean = states[row, part][mask[row, part]].mean(0)
                wanted = wanted + fusion.out.weight[:, 16 * place : 16 * place + 16] @ mean
        assert largest_difference(logits, wanted) <= 1e-6


def test_an_unknown_component_is_answered_with_those_that_are_known():
    with pytest.raises(ValueError, match="needs one of early, fusion, queries, got late"):
        QueryConfig(component="late")
