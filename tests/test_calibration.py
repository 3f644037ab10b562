"""Calibration on synthetic logits whose true scale, thresholds and worth are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fv2es.models.blocks.fusion import BayesFusion, one_vs_rest
from fv2es.results import probabilities
from fv2es.schema import MODALITIES
from fv2es.training import checkpoint
from fv2es.training.calibration import (
    ACCURACY,
    F1,
    SHARED_F1,
    Calibrated,
    Scored,
    best_f1,
    calibrate,
    decide,
    fit_fusion,
    most_accurate,
    platt,
    pseudo_utterances,
)

E = 6


def even(logits: np.ndarray, truth: np.ndarray) -> Scored:
    return Scored(logits, truth, np.full(len(logits), 1 / len(logits)))


def single(seed: int, n: int = 2000, noise: float = 1.0, shares=None) -> Scored:
    """One label or neutral for each row; the logit of the right emotion is 3 higher, all with noise."""
    rng = np.random.default_rng(seed)
    label = rng.choice(E + 1, n, p=shares)
    truth = label[:, None] == np.arange(E)
    return even(3.0 * truth - 2 + noise * rng.standard_normal((n, E)), truth)


def chosen(seed: int, n: int = 2000, noise: float = 1.0) -> Scored:
    """The same of a network that chooses one of the emotions or none: log-odds of each against all else."""
    part = single(seed, n, noise)
    return even(one_vs_rest(torch.from_numpy(part.logits)).numpy(), part.truth)


def log_loss(part: Scored, logits: np.ndarray) -> float:
    signs = np.where(part.truth, 1, -1)
    return float((part.weight[:, None] * np.logaddexp(0, -signs * logits)).sum())


def weighted_f1(part: Scored, thresholds: np.ndarray) -> np.ndarray:
    guess, weight = part.logits >= thresholds, part.weight[:, None]
    return 2 * (weight * (guess & part.truth)).sum(0) / (weight * guess + weight * part.truth).sum(0)


def accuracy(part: Scored, shifts: np.ndarray, thresholds: np.ndarray) -> float:
    return float((decide(part.logits + shifts, thresholds) == part.label).mean())


def test_labels():
    truth = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 0], [1, 0, 0]], bool)
    assert even(np.zeros((4, 3)), truth).label.tolist() == [1, 3, -1, 0]


def test_platt_finds_the_scale_the_labels_were_drawn_with():
    rng = np.random.default_rng(0)
    true_slope, true_bias = 0.4, np.array([-1.0, -0.5, 0.0, 0.3, 0.6, 1.0])
    logits = 3 * rng.standard_normal((20_000, E))
    part = even(logits, rng.random((20_000, E)) < probabilities(true_slope * logits + true_bias))
    slope, bias = platt(part)
    assert slope == pytest.approx(true_slope, abs=0.02)
    np.testing.assert_allclose(bias, true_bias, atol=0.06)
    assert log_loss(part, slope * logits + bias) < log_loss(part, logits) - 0.1


def test_platt_listens_to_the_weights():
    """Two groups with different bases rates: the one that carries the weight decides."""
    rng = np.random.default_rng(1)
    truth = np.concatenate([rng.random((500, E)) < 0.1, rng.random((500, E)) < 0.9])
    logits = rng.standard_normal((1000, E))
    first = np.where(np.arange(1000) < 500, 1 / 500, 0)
    _, rare = platt(Scored(logits, truth, first))
    _, common = platt(Scored(logits, truth, first[::-1]))
    np.testing.assert_allclose(probabilities(rare), 0.1, atol=0.04)
    np.testing.assert_allclose(probabilities(common), 0.9, atol=0.04)


@pytest.mark.parametrize("seed", [0, 1])
def test_best_f1_is_near_the_best_of_all_thresholds(seed):
    part = single(seed)
    best = np.max([weighted_f1(part, np.full(E, t)) for t in np.linspace(-5, 4, 400)], axis=0)
    found = weighted_f1(part, best_f1(part))
    assert (found >= best - 0.02).all()
    assert (found > weighted_f1(part, np.full(E, -2.0)) + 0.1).all()


def test_best_f1_follows_the_logits():
    part = single(2)
    moved = even(part.logits + 0.5, part.truth)
    np.testing.assert_allclose(best_f1(moved), best_f1(part) + 0.5, atol=1e-9)


def test_shifts_that_name_the_label_most_often(monkeypatch):
    monkeypatch.setattr("fv2es.training.calibration.PULL", 0.0)
    part = single(3, shares=[0.05, 0.05, 0.1, 0.2, 0.1, 0.1, 0.4])
    skewed = even(part.logits + np.array([1.5, -1, 0.8, 0, -0.5, 2]), part.truth)
    thresholds = np.full(E, -1.0)
    found = accuracy(skewed, most_accurate(skewed, thresholds), thresholds)
    assert found > accuracy(skewed, np.zeros(E), thresholds) + 0.05
    assert found >= accuracy(skewed, thresholds - best_f1(skewed), thresholds) - 0.01


def test_shifts_that_gain_nothing_stay_near_none(monkeypatch):
    part, thresholds = single(5, noise=2.0), np.full(E, -0.5)
    free = most_accurate(part, thresholds)
    monkeypatch.setattr("fv2es.training.calibration.PULL", 10.0)
    assert np.abs(most_accurate(part, thresholds)).max() < 0.1 < np.abs(free).max()


def test_decide_takes_the_emotion_furthest_above_its_threshold():
    thresholds = np.array([0.0, -2.0, 0.0])
    logits = np.array([[0.5, 0.4, -3], [-1, -3, -1], [-1, -1.9, -1], [0.0, -5, -5], [3, -5, 3.1]])
    # 1: .622 − .5 = .122 against .599 − .119 = .479; 4: exactly at the threshold counts
    assert decide(logits, thresholds).tolist() == [1, 3, 1, 0, 2]


def test_calibrated_modalities_share_one_threshold():
    parts = {"one": single(6), "other": single(7)}
    parts["other"] = even(5 * parts["other"].logits + 4, parts["other"].truth)  # another scale, another zero
    found = calibrate(parts, {"one": F1, "other": F1})
    assert found.scale.shape == found.bias.shape == (2, E)
    assert found.thresholds.shape == (E,)
    assert found.scale[0, 0] / found.scale[1, 0] == pytest.approx(5, rel=0.15)
    ready = [
        even(scale * part.logits + bias, part.truth)
        for scale, bias, part in zip(found.scale, found.bias, parts.values(), strict=True)
    ]
    for part in ready:
        assert (weighted_f1(part, found.thresholds) >= weighted_f1(part, best_f1(part)) - 0.01).all()
    skewed = weighted_f1(parts["other"], np.zeros(E)).mean()
    assert weighted_f1(ready[1], found.thresholds).mean() > skewed + 0.05


def test_few_people_settle_one_bias_and_one_operating_point():
    """All emotions are measured alike; where all of them lie is for the few to say."""
    many = single(6)
    few = single(7, n=60)
    few = even(few.logits + np.array([2.0, -1, 0, 0, 0, 1]), few.truth)
    found = calibrate({"many": many, "few": few}, {"many": F1, "few": SHARED_F1})
    assert np.ptp(found.bias[1] - found.thresholds) == pytest.approx(0, abs=1e-9)
    assert np.ptp(found.bias[0] - found.thresholds) > 0.05
    moved = calibrate({"many": many, "few": even(few.logits + 5, few.truth)}, {"many": F1, "few": SHARED_F1})
    np.testing.assert_allclose(moved.bias[1], found.bias[1] - 5 * found.scale[1], atol=0.02)


def test_what_few_people_teach_serves_others():
    """Sixty rows of one person, then two thousand of others: shared, less is lost than with a bias of each emotion."""
    lost = {F1: 0.0, SHARED_F1: 0.0}
    for seed in range(6):
        few, others = single(20 + seed, n=60, noise=1.5), single(40 + seed, noise=1.5)
        for goal in lost:
            found = calibrate({"many": single(6), "few": few}, {"many": ACCURACY, "few": goal})
            lost[goal] -= accuracy(even(found.scale[1] * others.logits, others.truth), found.bias[1], found.thresholds)
    assert lost[SHARED_F1] < lost[F1] - 0.05


def test_pseudo_utterances_are_of_like_label():
    parts = {"one": single(8, n=300), "other": single(9, n=200)}
    logits, labels = pseudo_utterances(parts, 700, seed=1)
    assert logits.shape == (700, 2, E)
    assert np.bincount(labels).tolist() == [100] * (E + 1)
    for column, part in enumerate(parts.values()):
        for row in range(0, 700, 50):
            source = np.flatnonzero((part.logits == logits[row, column]).all(1))
            assert part.label[source[0]] == labels[row]
    again, same = pseudo_utterances(parts, 700, seed=1)
    np.testing.assert_array_equal(again, logits)
    np.testing.assert_array_equal(same, labels)
    assert (pseudo_utterances(parts, 700, seed=2)[1] != labels).any()


def test_silent_modalities_are_neutral_and_never_all_of_them():
    parts = {"one": single(8, n=300), "other": single(9, n=200)}
    logits, labels = pseudo_utterances(parts, 1400, seed=1, silent=0.5)
    heard = np.array(
        [
            [part.label[(part.logits == row).all(1)][0] for row in column]
            for part, column in zip(parts.values(), logits.swapaxes(0, 1), strict=True)
        ]
    )
    assert ((heard == labels) | (heard == E)).all()
    assert (heard == labels).any(0).all()
    silent = ((heard == E) & (labels < E)).mean(1) * (E + 1) / E
    np.testing.assert_allclose(silent, 0.25, atol=0.04)  # half of the half that is not the one that must speak


def test_rows_of_greater_weight_are_drawn_more_often():
    part = single(8, n=300)
    heavy = np.where(np.arange(len(part.label)) % 2, 1.0, 0.0)
    logits, _ = pseudo_utterances({"one": Scored(part.logits, part.truth, heavy / heavy.sum())}, 350)
    rows = [np.flatnonzero((part.logits == row).all(1))[0] for row in logits[:, 0]]
    assert all(row % 2 for row in rows)


def test_labels_are_drawn_by_their_shares():
    labels = pseudo_utterances({"one": single(8, n=300)}, 1000, shares=(1, 1, 1, 1, 1, 1, 4))[1]
    assert np.bincount(labels).tolist() == [100] * E + [400]
    assert (np.diff(labels) < 0).any()


# Fusion


def fitted(logits: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> BayesFusion:
    fusion = BayesFusion(logits.shape[1], E).double()
    fit_fusion(fusion, logits, labels, thresholds)
    return fusion


def everybody(fusion: BayesFusion, logits: np.ndarray) -> torch.Tensor:
    return fusion(torch.from_numpy(logits), torch.ones(logits.shape[:2], dtype=torch.bool))


def shares(fusion: BayesFusion) -> list[float]:
    return fusion.weights_in_force(torch.ones(1, len(fusion.slope), dtype=torch.bool))[0].tolist()


def right(fusion: BayesFusion, logits: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> float:
    with torch.inference_mode():
        return float((decide(everybody(fusion, logits).numpy(), thresholds) == labels).mean())


def lone(fusion: BayesFusion, logits: np.ndarray, thresholds: np.ndarray) -> float:
    """The share of utterances with an emotion above its threshold that have no second one."""
    with torch.inference_mode():
        active = (everybody(fusion, logits).numpy() >= thresholds).sum(1)
    return float((active == 1).sum() / (active > 0).sum())


PARTS = {"good": chosen(10, noise=0.7), "fair": chosen(11, noise=1.5), "third": chosen(12, noise=1.5)}


def test_a_sure_emotion_stands_alone():
    logits, labels = pseudo_utterances(PARTS, 2100, seed=1, silent=0.5)
    thresholds = np.full(E, -0.5)
    assert lone(fitted(logits, labels, thresholds), logits, thresholds) > 0.98


def test_fusion_is_fitted_alike_again():
    drawn, thresholds = pseudo_utterances(PARTS, 700, silent=0.5), np.full(E, -0.5)
    once, again = (fitted(*drawn, thresholds).state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in once.items())


def test_modalities_that_confuse_different_emotions_settle_it_together():
    """The face takes two emotions for one another, the voice another two: each knows what the other does not."""
    rng = np.random.default_rng(17)
    labels = rng.integers(0, E + 1, 3000)
    parts = []
    for first, second in ((0, 1), (2, 3)):
        seen = labels.copy()
        for one, other in ((first, second), (second, first)):
            seen[(labels == one) & (rng.random(len(labels)) < 0.5)] = other
        pair = np.isin(seen, (first, second))[:, None] & np.isin(np.arange(E), (first, second))
        softmax = 5.0 * (pair | (seen[:, None] == np.arange(E))) - 2.5 + 0.5 * rng.standard_normal((len(labels), E))
        parts.append(one_vs_rest(torch.from_numpy(softmax)).numpy())
    logits, thresholds = np.stack(parts, axis=1), np.full(E, -0.5)
    assert right(fitted(logits, labels, thresholds), logits, labels, thresholds) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_no_other_fusion_nearby_is_better(seed):
    logits, labels = pseudo_utterances(PARTS, 2100, seed=seed, silent=0.5)
    thresholds = np.full(E, -0.5)
    fusion = fitted(logits, labels, thresholds)

    def loss() -> float:
        margins = everybody(fusion, logits) + 0.5
        whole = torch.cat([margins, torch.zeros(len(margins), 1)], 1)
        return float(torch.nn.functional.cross_entropy(whole, torch.from_numpy(labels)))

    with torch.no_grad():
        found, generator = loss(), torch.Generator().manual_seed(seed)
        before = {name: one.clone() for name, one in fusion.named_parameters()}
        for _ in range(20):
            for name, one in fusion.named_parameters():
                one.copy_(before[name] + 0.4 * torch.randn(one.shape, generator=generator, dtype=one.dtype))
            assert loss() > found


def test_where_modalities_are_silent_their_no_comes_to_weigh_less():
    thresholds = np.full(E, -0.5)
    silences = [
        float(fitted(*pseudo_utterances(PARTS, 7000, silent=silent), thresholds).silence.detach().sigmoid()[1:].mean())
        for silent in (0.0, 0.3, 0.6)  # the first modality is so good that it is heard out in any case
    ]
    assert silences == sorted(silences)
    assert silences[2] > silences[0] + 0.2


def test_fusion_gets_more_right_than_the_best_alone_and_than_the_mean():
    thresholds = np.full(E, -0.5)
    fusion = fitted(*pseudo_utterances(PARTS, 2100, silent=0.5, shares=(7, 7, 7, 7, 7, 7, 18)), thresholds)
    logits, labels = pseudo_utterances(PARTS, 2100, seed=9, silent=0.5)
    found = right(fusion, logits, labels, thresholds)
    alone = [float((decide(logits[:, column], thresholds) == labels).mean()) for column in range(3)]
    assert found > max(alone) + 0.05
    assert found > float((decide(logits.mean(1), thresholds) == labels).mean()) + 0.05


def test_shares_sum_to_one_and_follow_what_is_worth_more():
    parts = PARTS | {"third": chosen(12, noise=8.0)}
    found = shares(fitted(*pseudo_utterances(parts, 2100), np.full(E, -0.5)))
    assert sum(found) == pytest.approx(1)
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.1


def test_fusion_of_equals_is_even():
    rng = np.random.default_rng(13)
    labels = rng.integers(0, E + 1, 3000)
    truth = labels[:, None, None] == np.arange(E)
    logits = one_vs_rest(torch.from_numpy(3.0 * truth - 2 + rng.standard_normal((3000, 3, E)))).numpy()
    np.testing.assert_allclose(shares(fitted(logits, labels, np.zeros(E))), 1 / 3, atol=0.04)


def test_fusion_gives_no_weight_to_what_misleads():
    parts = {"good": chosen(14, n=500, noise=0.7), "fair": chosen(15, n=500, noise=1.5)}
    logits, labels = pseudo_utterances(parts, 700)
    logits[:, 1] = 2 * -0.5 - logits[:, 1]  # mirrored at the threshold: below it where it should be above
    assert shares(fitted(logits, labels, np.full(E, -0.5)))[1] < 0.02


def test_a_checkpoints_figures_are_of_rows_that_fusion_was_not_fitted_on(monkeypatch):
    fitted_on, measured_on = [], []

    def draw(rows, count, shares=None, **more):
        seen = {(name, *row) for name, part in rows.items() for row in part.logits.tolist()}
        (measured_on if shares is None else fitted_on).append(seen)
        return pseudo_utterances(rows, 300, shares=shares, **more)

    monkeypatch.setattr(checkpoint, "pseudo_utterances", draw)
    scores = object.__new__(checkpoint._Apart)
    scores.model = SimpleNamespace(fusion=BayesFusion(3, E))
    scores.worn, scores.parts = (
        {name: {"a corpus": single(seed + column, n=200)} for column, name in enumerate(MODALITIES)}
        for seed in (60, 70)
    )
    calibrated = Calibrated(np.ones((3, E)), np.zeros((3, E)), np.full(E, -0.5))
    figures = scores.figures(calibrated)
    scores.fuse(calibrated)
    assert set(figures) == set(checkpoint.KINDS)
    first, second, everything = fitted_on[1::2]  # each after the worn ones
    assert first | second == everything
    assert [first.isdisjoint(seen) for seen in measured_on] == [True, False] * 2
    assert [second.isdisjoint(seen) for seen in measured_on] == [False, True] * 2
