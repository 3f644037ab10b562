"""The ALBERT-style encoder against transformers' with the same weights, and what padding may not do."""

import pytest
import torch
from oracles import TINY_WORDS, largest_difference, scatter

from fv2es.models.blocks.albert import Albert, AlbertConfig, from_transformers

IDS = torch.tensor([[2, 9, 14, 7, 3], [2, 21, 3, 0, 0], [2, 0, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)


@pytest.fixture
def tiny() -> Albert:
    torch.manual_seed(0)
    return scatter(Albert(TINY_WORDS), std=0.1).eval()


def test_against_transformers_with_copied_weights():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = AlbertConfig(vocabulary=50, positions=12, embedding=8, width=24, heads=3, feed_forward=40, passes=4)
    theirs = transformers.AlbertModel(
        transformers.AlbertConfig(
            vocab_size=sizes.vocabulary, max_position_embeddings=sizes.positions, embedding_size=sizes.embedding,
            hidden_size=sizes.width, num_attention_heads=sizes.heads, intermediate_size=sizes.feed_forward,
            num_hidden_layers=sizes.passes,
        )
    )  # fmt: skip
    ours = Albert(sizes).eval()
    ours.load_state_dict(from_transformers(scatter(theirs, std=0.1).eval().state_dict()))
    with torch.inference_mode():
        wanted = theirs(input_ids=IDS, attention_mask=MASK.long()).last_hidden_state
        got = ours(IDS, MASK)
    assert wanted.std() > 0.1
    assert largest_difference(wanted[MASK], got[MASK]) <= 1e-5


def test_what_stands_under_the_padding_does_not_matter(tiny):
    others = torch.where(MASK, IDS, 33)
    with torch.inference_mode():
        torch.testing.assert_close(tiny(IDS, MASK)[MASK], tiny(others, MASK)[MASK], atol=0, rtol=0)


def test_a_padded_sentence_reads_as_it_does_alone(tiny):
    with torch.inference_mode():
        padded = tiny(IDS, MASK)
        for row, count in enumerate(MASK.sum(1).tolist()):
            alone = tiny(IDS[row : row + 1, :count], MASK[row : row + 1, :count])
            assert largest_difference(alone[0], padded[row, :count]) <= 1e-6


def test_order_matters(tiny):
    swapped = IDS[:1, [0, 2, 1, 3, 4]]
    with torch.inference_mode():
        assert largest_difference(tiny(IDS[:1], MASK[:1])[:, 0], tiny(swapped, MASK[:1])[:, 0]) > 1e-4


def test_one_layer_is_shared_by_all_passes():
    count = [sum(p.numel() for p in Albert(AlbertConfig(60, 16, 8, 16, 2, 32, n)).parameters()) for n in (1, 6)]
    assert count[0] == count[1]


def test_names_that_are_not_albert_s_drop_out():
    state = {"albert.pooler.weight": torch.ones(1), "albert.embeddings.position_ids": torch.ones(1), "x": torch.ones(1)}
    assert list(from_transformers(state)) == ["pooler.weight"]
