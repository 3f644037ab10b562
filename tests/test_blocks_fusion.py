"""Read-out, calibration, and fusion of any subset of the modalities."""

import itertools

import numpy as np
import pytest
import torch

from fv2es.models.blocks.fusion import Calibration, PowerPool, WeightedFusion, one_vs_rest

WEIGHTS = (0.5, 0.3, 0.2)
SUBSETS = [rows for size in (1, 2, 3) for rows in itertools.combinations(range(3), size)]


@pytest.fixture
def fusion() -> WeightedFusion:
    layer = WeightedFusion(3)
    layer.weight.data = torch.tensor([WEIGHTS])
    return layer


def there(*subsets: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor([[column in one for column in range(3)] for one in subsets])


def test_all_present_is_the_papers_linear_layer(fusion):
    logits = torch.randn(5, 3, 6)
    linear = torch.nn.Linear(3, 1, bias=False)
    linear.weight.data = fusion.weight.data
    wanted = linear(logits.transpose(1, 2))[..., 0]
    torch.testing.assert_close(fusion(logits, torch.ones(5, 3, dtype=torch.bool)), wanted)


@pytest.mark.parametrize("column", range(3))
def test_one_alone_speaks_for_itself(fusion, column):
    logits = torch.randn(2, 3, 6)
    assert torch.equal(fusion(logits, there((column,), (column,))), logits[:, column])


@pytest.mark.parametrize("subset", [one for one in SUBSETS if len(one) > 1])
def test_those_present_share_the_weight_of_the_missing(fusion, subset):
    logits = torch.randn(1, 3, 6)
    weights = np.array([WEIGHTS[column] for column in subset])
    weights = weights / weights.sum() * sum(WEIGHTS)
    wanted = sum(float(w) * logits[:, column] for w, column in zip(weights, subset, strict=True))
    torch.testing.assert_close(fusion(logits, there(subset)), wanted)


@pytest.mark.parametrize("subset", SUBSETS)
def test_what_is_missing_is_not_read(fusion, subset):
    logits, other = torch.randn(1, 3, 6), torch.full((1, 3, 6), 1e6)
    other[:, list(subset)] = logits[:, list(subset)]
    assert torch.equal(fusion(logits, there(subset)), fusion(other, there(subset)))


def test_modalities_that_agree_need_no_company(fusion):
    """Weights that sum to 1: whichever are there, like logits stay what they are, so a threshold means the same."""
    logits = torch.randn(6).expand(len(SUBSETS), 3, 6)
    torch.testing.assert_close(fusion(logits, there(*SUBSETS)), logits[:, 0])


def test_rows_do_not_see_one_another(fusion):
    logits = torch.randn(len(SUBSETS), 3, 6)
    together = fusion(logits, there(*SUBSETS))
    for row, subset in enumerate(SUBSETS):
        torch.testing.assert_close(fusion(logits[row : row + 1], there(subset))[0], together[row])


def test_nothing_present_gives_zeros_and_a_zero_gradient(fusion):
    fused = fusion(torch.randn(1, 3, 6), there(()))
    assert torch.equal(fused, torch.zeros(1, 6))
    fused.sum().backward()
    assert torch.equal(fusion.weight.grad, torch.zeros(1, 3))


@pytest.mark.parametrize("subset", [one for one in SUBSETS if len(one) > 1])
def test_gradient_reaches_the_weights(fusion, subset):
    fusion(torch.randn(4, 3, 6), there(*[subset] * 4)).square().sum().backward()
    assert fusion.weight.grad.isfinite().all()
    assert (fusion.weight.grad != 0).all()


def test_weights_that_cancel_out_stay_finite(fusion):
    fusion.weight.data = torch.tensor([[0.4, -0.4, 0.2]])
    fused = fusion(torch.randn(1, 3, 6), there((0, 1)))
    fused.sum().backward()
    assert fused.isfinite().all()
    assert fusion.weight.grad.isfinite().all()


@pytest.fixture
def pool() -> PowerPool:
    layer = PowerPool(3)
    layer.weight.data = torch.tensor([WEIGHTS])
    return layer


@pytest.mark.parametrize("subset", SUBSETS)
def test_pooled_is_the_weighted_mean_of_probabilities(pool, subset):
    logits = 3 * torch.randn(4, 3, 6)
    weights = np.array([WEIGHTS[column] for column in subset])
    mean = np.tensordot(weights / weights.sum(), logits[:, list(subset)].sigmoid().numpy(), (0, 1))
    np.testing.assert_allclose(pool(logits, there(*[subset] * 4)).sigmoid().detach().numpy(), mean, atol=1e-6)


@pytest.mark.parametrize("power", [1.0, 1.6, 4.0])
@pytest.mark.parametrize("subset", SUBSETS)
def test_a_pool_is_the_power_mean_of_probabilities(pool, subset, power):
    pool.power.fill_(power)
    logits = 3 * torch.randn(4, 3, 6)
    weights = np.array([WEIGHTS[column] for column in subset])
    raised = logits[:, list(subset)].sigmoid().double().numpy() ** power
    mean = np.tensordot(weights / weights.sum(), raised, (0, 1)) ** (1 / power)
    np.testing.assert_allclose(pool(logits, there(*[subset] * 4)).sigmoid().detach().numpy(), mean, atol=1e-6)


def test_with_a_greater_power_one_that_is_sure_is_heard(pool):
    logits = torch.tensor([[[-3.0], [-3.0], [4.0]]])
    heard = []
    for power in (1.0, 1.5, 3.0, 100.0):
        pool.power.fill_(power)
        heard.append(pool(logits, there((0, 1, 2))).sigmoid().item())
    assert heard == sorted(heard)
    assert heard[0] < 0.5 < heard[2] < torch.tensor(4.0).sigmoid()
    assert heard[3] == pytest.approx(torch.tensor(4.0).sigmoid().item(), abs=0.02)


def test_nobody_in_a_pool_is_outvoted_by_certainty_alone(pool, fusion):
    """Two thirds of the weight say yes, one is as sure of no as can be."""
    logits = torch.tensor([[[1.0], [-1000.0], [1.0]]])
    everybody = torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(pool(logits, everybody).sigmoid(), 0.7 * torch.tensor([[1.0]]).sigmoid())
    assert fusion(logits, everybody).sigmoid() < 1e-6


@pytest.mark.parametrize("power", [1.0, 1.6])
def test_a_pool_is_exact_at_the_extremes_and_its_gradient_finite(pool, power):
    pool.power.fill_(power)
    logits = torch.tensor([[[200.0], [180.0], [-5.0]], [[-200.0], [3.0], [0.0]]], requires_grad=True)
    pooled = pool(logits, there((0, 1), (0,)))
    torch.testing.assert_close(pooled[1], torch.tensor([-200.0]))
    assert pooled[0] > 170
    pool(logits, there((0, 1, 2), ())).sum().backward()
    assert logits.grad.isfinite().all()
    assert pool.weight.grad.isfinite().all()
    assert (pool.weight.grad != 0).all()
    assert torch.equal(pool(logits, there((), ())), torch.zeros(2, 1))


@pytest.mark.parametrize("power", [1.0, 1.6])
def test_a_pool_keeps_what_all_agree_on_and_reads_nothing_that_is_missing(pool, power):
    pool.power.fill_(power)
    logits = torch.randn(6).expand(len(SUBSETS), 3, 6)
    torch.testing.assert_close(pool(logits, there(*SUBSETS)), logits[:, 0])
    other = torch.full((len(SUBSETS), 3, 6), 1e6)
    mask = there(*SUBSETS)
    other[mask] = logits[mask]
    assert torch.equal(pool(other, mask), pool(logits, mask))


def test_one_vs_rest_is_the_log_odds_of_a_softmax_with_neutral():
    logits = torch.randn(50, 6, dtype=torch.float64) * 3
    whole = np.concatenate([np.zeros((50, 1)), logits.numpy()], axis=1)
    p = (np.exp(whole) / np.exp(whole).sum(1, keepdims=True))[:, 1:]
    np.testing.assert_allclose(one_vs_rest(logits).numpy(), np.log(p / (1 - p)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one_vs_rest(logits).sigmoid().numpy(), p, rtol=1e-9, atol=1e-12)


def test_one_vs_rest_stays_exact_where_p_rounds_to_one():
    logits = torch.tensor([60.0, -60.0, 0.0])
    # against neutral and the third, both 0; the second is 120 below the first
    torch.testing.assert_close(one_vs_rest(logits), torch.tensor([60 - np.log(2), -120.0, -60.0]).float())


def test_one_vs_rest_of_single_precision():
    logits = torch.randn(20, 6) * 5
    torch.testing.assert_close(one_vs_rest(logits), one_vs_rest(logits.double()).float(), atol=1e-5, rtol=1e-5)


def test_calibration_is_a_line_for_each_modality_and_emotion():
    calibration = Calibration(3, 6)
    logits = torch.randn(4, 3, 6)
    assert torch.equal(calibration(logits), logits)
    calibration.scale.copy_(torch.rand(3, 6) + 0.5)
    calibration.bias.copy_(torch.randn(3, 6))
    got = calibration(logits)
    assert got[2, 1, 4] == logits[2, 1, 4] * calibration.scale[1, 4] + calibration.bias[1, 4]
    assert not list(calibration.parameters()), "fitted on validation, never trained"
    assert set(calibration.state_dict()) == {"scale", "bias"}, "but kept with the weights"
