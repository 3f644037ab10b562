"""Faces and voices in the papers' sizes learn from the corpora of the compact ones, by the same stages."""

import json

import numpy as np
import pytest
import torch

from fv2es.data import ferplus, speech
from fv2es.data.ferplus import CLASSES
from fv2es.data.speech import Clip
from fv2es.models.family import COMPACT_INPUTS, is_compact
from fv2es.models.registry import create_model
from fv2es.training import faces, voice
from fv2es.training.main import WIDER, main


@pytest.fixture
def corpora(monkeypatch):
    """One batch of faces and one of clips, whose labels can be seen and heard."""
    rng = np.random.default_rng(0)
    label = np.arange(faces.RECIPE.batch) % len(CLASSES)
    pixels = rng.integers(0, 60, (len(label), 48, 48)).astype(np.uint8) + (20 * label).astype(np.uint8)[:, None, None]
    seen = ferplus.Faces(pixels, np.eye(len(CLASSES), dtype=np.float32)[label], label, np.ones(len(label), bool))
    heard = [
        Clip(rng.exponential(1.0 + one, (128, 80)).astype(np.float32), int(one), f"ravdess-{one:02d}")
        for one in label[: voice.RECIPE.batch]
    ]
    monkeypatch.setattr(ferplus, "read", lambda *_: seen)
    monkeypatch.setattr(speech, "read", lambda *_: heard)


def recipe_of(folder):
    return torch.load(folder / "state.pt", weights_only=True)["recipe"]


def trained(stage, model, tmp_path):
    main([stage, "--model", model, "--epochs", "1", "--data", str(tmp_path), "--run", str(tmp_path / "run")])
    folder = tmp_path / "run" / stage
    assert json.loads((folder / "log.jsonl").read_text())["loss"] > 0
    return folder, torch.load(folder / "best.pt", weights_only=True)


def test_a_face_network_learns_in_the_papers_size(corpora, tmp_path):
    folder, weights = trained("faces", "v2em", tmp_path)
    create_model("v2em").face.load_state_dict(weights)
    assert sum(value.numel() for value in create_model("v2em").face.parameters()) == 7_721_862
    assert recipe_of(folder)["lr"] == pytest.approx(faces.RECIPE.lr / WIDER)


def test_a_voice_network_does_too_taught_by_the_same_teacher(corpora, tmp_path):
    folder, weights = trained("voice", "fe2e", tmp_path)
    create_model("fe2e").voice.load_state_dict(weights)
    assert sum(value.numel() for value in create_model("fe2e").voice.parameters()) == 14_380_550
    assert recipe_of(folder)["lr"] == pytest.approx(voice.RECIPE.lr / WIDER)
    assert recipe_of(folder.parent / "voice-teacher")["lr"] == pytest.approx(voice.RECIPE.lr), "which is compact"


def test_pictures_come_in_the_one_size_and_the_colours_that_it_takes(corpora, tmp_path):
    task = faces.FaceTask(create_model("fe2e"), tmp_path, None)
    pictures, _ = next(task.batches(0, faces.RECIPE, np.random.default_rng(0)))
    assert pictures.shape == (faces.RECIPE.batch, 3, 48, 48)
    small, _ = next(
        faces.FaceTask(create_model("fe2e-compact"), tmp_path, None).batches(0, faces.RECIPE, np.random.default_rng(0))
    )
    assert small.shape == (faces.RECIPE.batch, 1, faces.SMALL_SIDE, faces.SMALL_SIDE)


def test_pieces_are_those_that_the_compact_voices_hear(corpora, tmp_path):
    assert voice.VoiceTask(create_model("fe2e"), tmp_path, None).settings == COMPACT_INPUTS.mel
    assert create_model("fe2e-compact").inputs.mel == COMPACT_INPUTS.mel


@pytest.mark.parametrize("stage", ["all", "functionals", "pretraining", "words", "checkpoint"])
def test_the_other_stages_say_that_they_are_not_for_it(stage, tmp_path):
    with pytest.raises(ValueError, match="Of fe2e, which is of a paper's size, the stages train faces and voice alone"):
        main([stage, "--model", "fe2e", "--data", str(tmp_path), "--run", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--epochs", "0", "at least 1"),
        ("--plain", "nowhere", "no plain speech"),
        ("--corpus", "mosei", "--corpus is an option of a recipe; voice has no use for it"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_first_stage(option, value, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        main(["voice", option, value, "--data", str(tmp_path), "--run", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_a_recipe_has_no_use_for_what_stages_learn_from(tmp_path):
    with pytest.raises(ValueError, match="--plain is an option of a stage; wei2022 has no use for it"):
        main(["wei2022", "--plain", str(tmp_path), "--run", str(tmp_path / "run")])


def test_sizes_are_told_apart():
    assert [is_compact(create_model(name)) for name in ("fe2e", "fe2e-compact")] == [False, True]
