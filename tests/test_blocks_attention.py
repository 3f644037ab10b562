"""The fused kernel and the formula say the same, whatever the shape."""

import pytest
import torch

from fv2es.models.blocks.attention import attend, attention_weights


@pytest.mark.parametrize("shape", [(2, 3, 7, 8), (2, 5, 3, 7, 8), (1, 2, 2, 3, 5, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_of_any_number_of_dimensions(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, *shape).to(dtype)
    wanted = attention_weights(query.double(), key.double()) @ value.double()
    mixed = attend(query, key, value)
    assert mixed.shape == shape
    assert mixed.dtype == dtype
    torch.testing.assert_close(mixed.double(), wanted, atol=1e-6 if dtype == torch.float32 else 0.03, rtol=0)


def test_a_mask_is_kept_to() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, 7, 8)
    mask = torch.rand(2, 1, 1, 7) < 0.6
    mask[..., 0] = True
    torch.testing.assert_close(attend(query, key, value, mask), attention_weights(query, key, mask) @ value)
