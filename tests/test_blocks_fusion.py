"""Read-out, calibration, and fusion of any subset of the modalities."""

import itertools

import numpy as np
import pytest
import torch

from fv2es.models.blocks.fusion import (
    NONE_LEFT,
    BayesFusion,
    Calibration,
    WeightedFusion,
    against_none,
    doubted,
    one_vs_rest,
    one_vs_rivals,
)

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
def bayes() -> BayesFusion:
    """Not what it is at first: every number another one."""
    layer = BayesFusion(3, 6)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
        layer.slope.abs_().add_(0.1)  # nobody's yes is a no
    return layer


@pytest.mark.parametrize("subset", [one for one in SUBSETS if len(one) > 1])
def test_bayes_is_the_posterior_over_the_emotions_and_none_of_modalities_that_may_be_silent(bayes, subset):
    against = torch.randn(4, 3, 6)
    slope, shift, silence, prior = (one.detach().double().numpy() for one in bayes.parameters())
    silent = 1 / (1 + np.exp(-silence))
    odds = np.exp(prior) * np.ones((4, 6))  # of each emotion to none
    for column in subset:
        ratio = np.exp(slope[column] * against[:, column].double().numpy() + shift[column])
        odds *= silent[column] + (1 - silent[column]) * ratio
    p = odds / (1 + odds.sum(1, keepdims=True))
    fused = bayes(one_vs_rest(against), there(*[subset] * 4)).detach().numpy()
    np.testing.assert_allclose(fused, np.log(p / (1 - p)), rtol=1e-4, atol=1e-4)


def test_one_emotion_alone_adds_up_as_log_odds():
    """Where there is no other emotion, against none is against all else."""
    bayes, logits = BayesFusion(2, 1), torch.tensor([[[1.0], [-2.0]]])
    silent = torch.sigmoid(bayes.silence)[:, None]
    wanted = torch.log(silent + (1 - silent) * logits.exp()).sum(1)
    torch.testing.assert_close(bayes(logits, torch.ones(1, 2, dtype=torch.bool)), wanted)


def test_a_face_that_may_be_either_of_two_leaves_it_to_the_voice():
    """Anger .7, disgust .2: little against disgust, which the voice hears; as log-odds against all else, a lot."""
    p = torch.tensor([[[0.7, 0.2], [0.05, 0.55]]])
    logits, both = torch.logit(p), torch.ones(1, 2, dtype=torch.bool)
    anger, disgust = BayesFusion(2, 2)(logits, both)[0]
    assert disgust > anger
    silent = torch.sigmoid(torch.tensor(-1.0))
    apart = torch.log(silent + (1 - silent) * logits.exp()).sum(1)[0]
    assert apart[0] > apart[1]


def test_who_is_alone_speaks_for_itself_and_nobody_says_nothing(bayes):
    logits = torch.randn(4, 3, 6)
    fused = bayes(logits, there((0,), (1,), (2,), ()))
    for row in range(3):
        assert torch.equal(fused[row], logits[row, row])
    assert torch.equal(fused[3], torch.zeros(6))


def test_a_no_weighs_no_more_than_the_chance_of_silence(fusion):
    """As sure of no as can be, one modality takes log s from the evidence; in a mean of logits it decides alone."""
    bayes, everybody = BayesFusion(3, 1), torch.ones(1, 3, dtype=torch.bool)
    logits = torch.tensor([[[2.0], [-1000.0], [2.0]]])
    without = bayes(logits, there((0, 2)))
    torch.testing.assert_close(bayes(logits, everybody), without + torch.nn.functional.logsigmoid(bayes.silence[1]))
    assert bayes(logits, everybody) > 0 > fusion(logits, everybody)


def test_several_that_are_half_sure_are_surer_together():
    logits = torch.full((1, 3, 1), 1.0)
    heard = [BayesFusion(3, 1)(logits, there(tuple(range(count)))).item() for count in (1, 2, 3)]
    assert heard[0] == 1.0
    assert heard[1] < heard[2]
    assert heard[2] > 1.0


def test_bayes_is_finite_at_the_extremes_and_reads_nothing_that_is_missing(bayes):
    logits = torch.tensor([200.0, -200.0, 0.0]).reshape(1, 3, 1).expand(len(SUBSETS) + 1, 3, 6).clone().requires_grad_()
    mask = there(*SUBSETS, ())
    fused = bayes(logits, mask)
    assert fused.isfinite().all()
    fused.sum().backward()
    assert all(one.isfinite().all() for one in (logits.grad, *(one.grad for one in bayes.parameters())))
    other = torch.full_like(logits, float("inf"))
    other[mask] = logits[mask]
    assert torch.equal(bayes(other, mask), fused)


def test_shares_in_force_are_of_those_that_are_present(bayes):
    shares = bayes.weights_in_force(there(*SUBSETS, ()))
    assert torch.equal(shares > 0, there(*SUBSETS, ()))
    torch.testing.assert_close(shares.sum(1), torch.tensor([1.0] * len(SUBSETS) + [0.0]))
    with torch.no_grad():
        bayes.shift.zero_()
    point = one_vs_rest(torch.zeros(1, 3, 6)).requires_grad_()  # where nobody says yes or no
    bayes.evidence(point).sum().backward()
    steep = point.grad[0, :, 0]
    torch.testing.assert_close(shares[SUBSETS.index((0, 1, 2))], steep / steep.sum())


def test_doubt_is_the_law_of_total_probability():
    believed, ignored = 3 * torch.randn(2, 50, 6, dtype=torch.float64)
    chance = torch.rand(50, dtype=torch.float64)
    fused = doubted(believed, ignored, chance)
    c = chance[:, None].numpy()
    p = c / (1 + np.exp(-believed.numpy())) + (1 - c) / (1 + np.exp(-ignored.numpy()))
    np.testing.assert_allclose(fused.sigmoid().numpy(), p, rtol=1e-12)
    torch.testing.assert_close(doubted(believed, ignored, torch.ones(50)), believed)
    torch.testing.assert_close(doubted(believed, ignored, torch.zeros(50)), ignored)


def test_doubt_is_finite_at_the_extremes():
    believed, ignored = torch.tensor([[200.0, -200.0, 200.0, 0.0]]), torch.tensor([[-200.0, -200.0, 200.0, 1000.0]])
    for chance in (0.0, 1e-9, 0.5, 1.0):
        fused = doubted(believed, ignored, torch.tensor([chance]))
        assert fused.isfinite().all()
        assert (fused >= torch.minimum(believed, ignored) - 1e-4).all()
        assert (fused <= torch.maximum(believed, ignored) + 1e-4).all()


def test_one_vs_rest_is_the_log_odds_of_a_softmax_with_neutral():
    logits = torch.randn(50, 6, dtype=torch.float64) * 3
    whole = np.concatenate([np.zeros((50, 1)), logits.numpy()], axis=1)
    p = (np.exp(whole) / np.exp(whole).sum(1, keepdims=True))[:, 1:]
    np.testing.assert_allclose(one_vs_rest(logits).numpy(), np.log(p / (1 - p)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one_vs_rest(logits).sigmoid().numpy(), p, rtol=1e-9, atol=1e-12)


def test_rivals_weigh_by_their_norm():
    """sad .3 is little beside neutral .4, and much where the same .7 is shared out."""
    logits = torch.randn(50, 6, dtype=torch.float64) * 3
    whole = np.concatenate([np.zeros((50, 1)), logits.numpy()], axis=1)
    p = np.exp(whole) / np.exp(whole).sum(1, keepdims=True)
    others = (p[:, None] ** 3 * (1 - np.eye(7))).sum(2) ** (1 / 3)  # beside a p near 1, a difference would lose them
    np.testing.assert_allclose(one_vs_rivals(logits).numpy(), (np.log(p) - np.log(others))[:, 1:], atol=1e-7)
    neutral_first, shared = torch.tensor([[0.3, 0.06, 0.06, 0.06, 0.06, 0.06], [0.3, 0.12, 0.12, 0.12, 0.12, 0.12]])
    said = [one_vs_rivals(torch.log(one / (1 - one.sum())))[0] for one in (neutral_first, shared)]
    assert said[0] < 0 < said[1]


def test_against_none_undoes_one_vs_rest():
    logits = 2 * torch.randn(50, 6, dtype=torch.float64) - 1
    none = 1 / (1 + logits.exp().sum(1))
    usual = none > NONE_LEFT
    assert usual.sum() > 20
    torch.testing.assert_close(against_none(one_vs_rest(logits))[usual], logits[usual])


def test_against_none_ends_at_the_surest_yes():
    logits = torch.tensor([[100.0, -100.0], [3.0, 3.0]])  # the second pair's probabilities sum to more than 1
    found = against_none(logits)
    torch.testing.assert_close(found[0], torch.tensor([0.0, -100.0]) - np.log(NONE_LEFT))
    torch.testing.assert_close(found[1], torch.nn.functional.logsigmoid(logits[1]) - np.log(NONE_LEFT))


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
