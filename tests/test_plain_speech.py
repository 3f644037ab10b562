"""Plain speech: who learnt from actors learns on with people who mean nothing by what they read out."""

import numpy as np
import pytest
import torch

from fv2es.data.ferplus import CLASSES
from fv2es.data.speech import Clip
from fv2es.models.registry import create_model
from fv2es.training import voice
from fv2es.training.calibration import Calibrated
from fv2es.training.checkpoint import PLAIN, _labelled, _pseudo, _voice
from fv2es.training.voice import BLEND, RECIPE, VoiceTask, blend, trained

NEUTRAL = len(CLASSES) - 1
ACTED, READ_OUT = 70, 40


def clips(count: int, speaker: str, rng: np.random.Generator, neutral: bool = False) -> list[Clip]:
    """Tones whose band tells the label."""
    made = []
    for number in range(count):
        label = NEUTRAL if neutral else number % len(CLASSES)
        mel = rng.exponential(1e-4, (128, 80)).astype(np.float32)
        mel[10 + 15 * label : 20 + 15 * label] += 1.0
        made.append(Clip(mel, label, speaker))
    return made


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder of data and one of plain speech, as `speech.read` finds them."""
    rng = np.random.default_rng(0)
    found = {
        (tmp_path / "data" / "speech", "train"): clips(ACTED, "ravdess-01", rng) + clips(7, "emodb-03", rng),
        (tmp_path / "data" / "speech", "valid"): clips(14, "ravdess-02", rng) + clips(7, "emodb-04", rng),
        (tmp_path / "plain", "train"): clips(READ_OUT, "plain-june", rng, neutral=True),
        (tmp_path / "plain", "valid"): clips(10, "plain-carlo", rng, neutral=True),
    }
    monkeypatch.setattr(voice.speech, "read", lambda folder, split: found[folder, split])
    return tmp_path / "data", tmp_path / "plain"


@pytest.fixture
def task(folders) -> VoiceTask:
    torch.manual_seed(0)
    return VoiceTask(create_model("fe2e-compact"), folders[0], None, plain=folders[1])


def watched(monkeypatch) -> list[float]:
    """The strengths with which clips are augmented from now on."""
    strengths, real = [], voice.augment

    def augment(mel, strength, rng):
        strengths.append(strength)
        return real(mel, strength, rng)

    monkeypatch.setattr(voice, "augment", augment)
    return strengths


def test_plain_speech_is_as_frequent_as_one_emotion(task):
    plain = np.array([clip.corpus == "plain" for clip in task.train])
    assert task.chance[plain].sum() == pytest.approx(1 / 8)
    for label in range(len(CLASSES)):
        acted = ~plain & np.array([clip.label == label for clip in task.train])
        assert task.chance[acted].sum() == pytest.approx(1 / 8)
    assert task.steps == (ACTED + 7) // RECIPE.batch, "an epoch is as long as without it"


def test_it_takes_part_augmented_from_the_start_and_is_neutral(task, monkeypatch):
    strengths = []
    real = voice.augment
    monkeypatch.setattr(
        voice, "augment", lambda mel, strength, rng: strengths.append(strength) or real(mel, strength, rng)
    )
    crops, targets = next(task.batches(0, RECIPE, np.random.default_rng(0)))
    assert set(strengths) == {1.0}
    assert crops.shape == (RECIPE.batch, voice.CROP, 4, 32, 32)
    assert torch.allclose(targets.sum(1), torch.ones(RECIPE.batch))


def test_without_it_augmentation_grows(folders, monkeypatch):
    plainless = VoiceTask(create_model("fe2e-compact"), folders[0], None)
    strengths = []
    real = voice.augment
    monkeypatch.setattr(
        voice, "augment", lambda mel, strength, rng: strengths.append(strength) or real(mel, strength, rng)
    )
    next(plainless.batches(0, RECIPE, np.random.default_rng(0)))
    assert strengths[0] == pytest.approx(1 / voice.RISE)
    assert not plainless.plain
    assert "plain" not in plainless.validate(plainless.model.eval())


def test_how_much_of_it_is_heard_as_neutral_is_measured(task):
    with torch.inference_mode():
        figures = task.validate(task.model.eval())
    assert 0 <= figures["plain"] <= 1
    assert figures["score"] == pytest.approx((figures["all"] + figures["ravdess"]) / 2), "it decides on no epoch"


def test_what_actors_taught_is_not_lost(tmp_path):
    before = {"weight": torch.zeros(3), "count": torch.tensor(5)}
    after = {"weight": torch.ones(3), "count": torch.tensor(9)}
    mixed = blend(before, after)
    assert torch.equal(mixed["weight"], torch.full((3,), BLEND))
    assert mixed["count"] == 5
    for stage, weights in (("voice", before), ("plain", after)):
        (tmp_path / stage).mkdir()
        torch.save(weights, tmp_path / stage / "best.pt")
    assert torch.equal(trained(tmp_path, plain=False)["weight"], before["weight"])
    assert torch.equal(trained(tmp_path, plain=True)["weight"], mixed["weight"])


def test_fusion_hears_it_and_calibration_does_not(task):
    with torch.inference_mode():
        parts = {"voice": _voice(task, worn=False)}
    assert list(parts["voice"]) == ["RAVDESS", "EmoDB", PLAIN]
    labelled = _labelled(parts)["voice"]
    assert len(labelled.logits) == 21
    assert not any((labelled.logits == row).all(1).any() for row in parts["voice"][PLAIN].logits)
    same = Calibrated(np.ones((3, 6)), np.zeros((3, 6)), np.zeros(6))
    logits, labels = _pseudo(parts, same, half=0, silent=0.0)
    heard = [(parts["voice"][PLAIN].logits == row).all(1).any() for row in logits[labels == NEUTRAL, 0][:300]]
    assert np.mean(heard) == pytest.approx(0.5, abs=0.12), "it is half of what is neutral"
    assert not any((parts["voice"][PLAIN].logits == row).all(1).any() for row in logits[labels != NEUTRAL, 0][:300])
