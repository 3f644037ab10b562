"""Metrics against scikit-learn, and where nothing can be measured."""

import json

import numpy as np
import pytest
import sklearn.metrics as oracle

from fv2es import metrics
from fv2es.emotions import MOSEI

THRESHOLDS = np.array([0.5, 0.4, 0.3, 0.6, 0.5, 0.2])


def sample(seed: int, n: int = 200, digits: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 6)) < [0.3, 0.05, 0.1, 0.5, 0.2, 0.1]
    scores = np.clip(rng.normal(0.4, 0.2, (n, 6)) + 0.2 * truth, 0, 1)
    return truth, scores.round(digits)


@pytest.mark.parametrize(("seed", "digits"), [(0, 6), (1, 6), (2, 1)])  # one digit: many ties
def test_per_emotion_against_scikit_learn(seed, digits):
    truth, scores = sample(seed, digits=digits)
    report = metrics.report(truth, scores, THRESHOLDS, MOSEI, ["face"])
    for e, name in enumerate(MOSEI):
        true, guess, ours = truth[:, e], scores[:, e] >= THRESHOLDS[e], report["per_emotion"][name]
        assert ours["wacc"] == pytest.approx(oracle.balanced_accuracy_score(true, guess), abs=1e-6)
        assert ours["accuracy"] == pytest.approx(oracle.accuracy_score(true, guess), abs=1e-6)
        assert ours["f1"] == pytest.approx(oracle.f1_score(true, guess), abs=1e-6)
        assert ours["f1_weighted"] == pytest.approx(oracle.f1_score(true, guess, average="weighted"), abs=1e-6)
        assert ours["auc"] == pytest.approx(oracle.roc_auc_score(true, scores[:, e]), abs=1e-6)
        assert ours["positives"] == true.sum()
    for figure in metrics.NAMES:
        mean = np.mean([report["per_emotion"][name][figure] for name in MOSEI])
        assert report["average"][figure] == pytest.approx(mean, abs=1e-5)


def test_wacc_is_the_papers_formula():
    truth = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
    guess = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], bool)
    tp, tn, positives, negatives = 3, 5, 4, 6
    expected = (tp * negatives / positives + tn) / (2 * negatives)
    assert metrics.binary(truth, guess, guess)["wacc"] == pytest.approx(expected)


def test_single_label_against_scikit_learn():
    truth, scores = sample(3, n=400)
    ours = metrics.report(truth, scores, THRESHOLDS, MOSEI, ["voice"])["single_label"]
    labels = [*MOSEI, "neutral"]
    keep = truth.sum(1) <= 1
    true = [labels[row.argmax()] if row.any() else "neutral" for row in truth[keep]]
    margins = scores[keep] - THRESHOLDS
    guess = [labels[row.argmax()] if row.max() >= 0 else "neutral" for row in margins]
    assert ours["n"] == keep.sum() < len(truth)
    assert ours["labels"] == labels
    assert ours["confusion"] == oracle.confusion_matrix(true, guess, labels=labels).tolist()
    assert ours["accuracy"] == pytest.approx(oracle.accuracy_score(true, guess), abs=1e-6)
    assert ours["macro_recall"] == pytest.approx(oracle.recall_score(true, guess, average="macro"), abs=1e-6)
    assert ours["macro_f1"] == pytest.approx(oracle.f1_score(true, guess, average="macro"), abs=1e-6)


def test_an_emotion_without_positives_is_left_out_of_the_averages():
    truth, scores = sample(4)
    truth[:, 1] = False
    report = metrics.report(truth, scores, THRESHOLDS, MOSEI, [])
    disgust = report["per_emotion"]["disgust"]
    assert (disgust["wacc"], disgust["f1"], disgust["auc"], disgust["positives"]) == (None, None, None, 0)
    assert disgust["accuracy"] is not None
    others = [report["per_emotion"][name]["f1"] for name in MOSEI if name != "disgust"]
    assert report["average"]["f1"] == pytest.approx(np.mean(others), abs=1e-5)
    json.dumps(report, allow_nan=False)


def test_an_emotion_without_negatives():
    figures = metrics.binary(np.ones(4, bool), np.array([1, 1, 1, 0], bool), np.arange(4))
    assert np.isnan(figures["wacc"])
    assert np.isnan(figures["auc"])
    assert figures["f1"] == pytest.approx(6 / 7)
    assert figures["accuracy"] == 0.75


def test_no_row_at_all():
    report = metrics.report(np.zeros((0, 6), bool), np.zeros((0, 6)), THRESHOLDS, MOSEI, ["words"])
    assert report["n"] == 0
    assert report["average"] == {**dict.fromkeys(metrics.NAMES), "positives": 0}
    assert report["single_label"]["accuracy"] is None
    json.dumps(report, allow_nan=False)


def test_labels_that_do_not_occur_are_left_out_of_the_macro_figures():
    table = metrics.confusion(["sad", "sad", "anger"], ["sad", "happy", "anger"], [*MOSEI, "neutral"])
    figures = metrics.single_figures(table)
    assert figures["macro_recall"] == pytest.approx((0.5 + 1) / 2)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_at_the_threshold_counts_as_predicted():
    truth = np.eye(6, dtype=bool)
    report = metrics.report(truth, np.where(truth, THRESHOLDS, 0), THRESHOLDS, MOSEI, [])
    assert report["average"]["f1"] == 1.0
    assert report["single_label"]["accuracy"] == 1.0


def test_a_label_set_that_has_neutral_keeps_it_where_it_is():
    emotions = ("anger", "neutral", "sad")
    truth = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    scores = np.array([[0.1, 0.9, 0.1], [0.9, 0.1, 0.1], [0.1, 0.1, 0.1]])
    single = metrics.report(truth, scores, np.full(3, 0.5), emotions, [])["single_label"]
    assert single["labels"] == list(emotions)
    assert single["accuracy"] == 1.0


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\(n, 6\)"):
        metrics.report(np.zeros((3, 6), bool), np.zeros((3, 5)), THRESHOLDS, MOSEI, [])
