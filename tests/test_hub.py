"""Checkpoints: saved and loaded with the same logits; whatever is wrong is said in one sentence."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, shake, tiny_v2em

from fv2es import hub
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.hub import CONFIG, WEIGHTS, CheckpointError, list_checkpoints, load_model, open_checkpoint
from fv2es.models import registry
from fv2es.models.inputs import make_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.reader import load_reader
from fv2es.training.card import write_card

THRESHOLDS = dict(zip(MOSEI, (0.2, 0.15, 0.1, 0.4, 0.3, 0.25), strict=True))


def make(folder: Path, name: str, model: MultimodalModel | None = None, **config) -> MultimodalModel:
    """Save a model (by default a random tiny one) as the checkpoint `name` below `folder`."""
    torch.manual_seed(0)
    model = model or shake(tiny_v2em())
    hub.save(model, folder / name, {"name": name, "architecture": "tiny", "thresholds": THRESHOLDS} | config)
    return model.eval()


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """The miniature model under a name of its own."""
    registry.list_models()
    monkeypatch.setitem(registry._BUILDERS, "tiny", tiny_v2em)


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """An empty folder of checkpoints."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(folder))
    return folder


@pytest.fixture
def no_network(monkeypatch):
    """The Hub cannot be reached, and nothing tries to."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def edit(folder: Path, **values) -> None:
    """Change fields of a checkpoint's config; None takes one out."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8")) | values
    (folder / CONFIG).write_text(json.dumps({k: v for k, v in config.items() if v is not None}), encoding="utf-8")


def complaint(name: str) -> str:
    """What is said where a checkpoint cannot be used: one sentence, no path, no traceback in it."""
    with pytest.raises(CheckpointError) as caught:
        load_model(open_checkpoint(name))
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert os.environ["FV2ES_CHECKPOINTS"] not in said
    return said


def test_saved_and_loaded_gives_the_same_logits(shelf):
    torch.manual_seed(1)
    saved = shake(tiny_v2em())
    saved.calibration.scale.uniform_(0.5, 2)
    saved.calibration.bias.uniform_(-1, 1)
    saved.fusion.weight.data = torch.tensor([[0.6, 0.3, 0.1]])
    saved = make(shelf, "mine", saved)
    loaded = load_model(open_checkpoint("mine"))
    batch = make_batch(mixed_utterances(), saved.inputs, LetterTokenizer())
    with torch.inference_mode():
        torch.testing.assert_close(loaded(batch).logits, saved(batch).logits, atol=1e-5, rtol=0)
    assert loaded.inputs == saved.inputs
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_others_may_read_the_weights_as_they_may_the_config(shelf):
    make(shelf, "mine")
    weights, config = ((shelf / "mine" / name).stat().st_mode for name in (WEIGHTS, CONFIG))
    assert weights == config


def test_a_checkpoint_says_what_it_is(shelf):
    make(shelf, "mine", version="3", licence="CC0", trained_on=["dice"], metrics={"f1": 1})
    checkpoint = open_checkpoint("mine")
    assert (checkpoint.name, checkpoint.architecture, checkpoint.emotions) == ("mine", "tiny", MOSEI)
    np.testing.assert_array_equal(checkpoint.thresholds, list(THRESHOLDS.values()))
    assert checkpoint.sha256 == hub.sha256(shelf / "mine" / WEIGHTS)
    assert checkpoint.identity == {
        "name": "mine", "sha256": checkpoint.sha256, "version": "3", "licence": "CC0", "trained_on": ["dice"],
    }  # fmt: skip
    assert checkpoint.config["parameters"] == tiny_v2em().parameter_counts()


def test_thresholds_follow_the_emotions_not_the_file(shelf):
    make(shelf, "mine", thresholds=dict(reversed(THRESHOLDS.items())))
    np.testing.assert_array_equal(open_checkpoint("mine").thresholds, list(THRESHOLDS.values()))


def test_settings_of_the_input_come_from_the_checkpoint(shelf):
    make(shelf, "mine")
    inputs = json.loads((shelf / "mine" / CONFIG).read_text(encoding="utf-8"))["inputs"]
    inputs["mel"]["log"], inputs["face"]["mean"] = True, [1.0, 2.0, 3.0]
    edit(shelf / "mine", inputs=inputs)
    loaded = load_model(open_checkpoint("mine"))
    assert loaded.inputs.mel.log
    assert loaded.inputs.face.mean == (1.0, 2.0, 3.0)


def test_those_that_are_here(shelf):
    assert list_checkpoints() == ()
    make(shelf, "b")
    make(shelf, "a")
    (shelf / "empty").mkdir()
    assert list_checkpoints() == ("a", "b")


# What may be wrong


def test_an_unknown_name_is_answered_with_those_that_are_here(shelf):
    assert complaint("mine") == "There are no trained weights for 'mine' here; those that are: none."
    make(shelf, "b")
    make(shelf, "a")
    assert complaint("c") == "There are no trained weights for 'c' here; those that are: a, b."


@pytest.mark.parametrize("name", ["../outside", "./mine", "/etc", "a/../../outside", "mine/../../outside"])
def test_no_name_leads_out_of_the_folder(shelf, tmp_path, no_network, name):
    make(shelf, "mine")
    make(tmp_path, "outside")
    assert complaint(name) == f"The checkpoint {name!r} could not be fetched from the Hub."


def test_a_path_is_answered_with_how_it_is_named(shelf, no_network):
    make(shelf, "mine")
    said = complaint(str(shelf / "mine"))
    assert said.startswith("Checkpoints go by their names, not by paths: 'mine', with FV2ES_CHECKPOINTS set")


@pytest.mark.parametrize("name", ["", ".", "..", "*", "mine\x00", "..\\outside", "~"])
def test_no_odd_name_is_a_checkpoint(shelf, tmp_path, name):
    make(shelf, "mine")
    make(tmp_path, "outside")
    assert complaint(name).startswith("There are no trained weights for ")


def test_weights_that_are_not_those_of_the_config(shelf):
    make(shelf, "mine")
    weights = shelf / "mine" / WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert "SHA-256 differs" in complaint("mine")


def test_missing_weights(shelf):
    make(shelf, "mine")
    (shelf / "mine" / WEIGHTS).unlink()
    assert complaint("mine") == f"The checkpoint 'mine' has no {WEIGHTS}."


def test_an_unknown_architecture_is_answered_with_those_that_are_known(shelf):
    make(shelf, "mine", architecture="resnet")
    assert re.search(r"'mine' cannot be used: Unknown model 'resnet'; known: .*tiny, .*v2em", complaint("mine"))


def test_weights_of_another_architecture(shelf):
    make(shelf, "mine", architecture="v2em-compact")
    edit(shelf / "mine", readout={"face": "one_vs_rivals", "voice": "one_vs_rivals", "words": "independent"})
    assert complaint("mine") == "The weights of 'mine' do not fit v2em-compact."


def test_emotions_of_another_order_are_not_taken_for_these(shelf):
    """Six columns fit six columns: only the names tell that anger would be read as disgust."""
    make(shelf, "mine")
    edit(shelf / "mine", emotions=list(reversed(MOSEI)))
    assert "differ in emotions or read-out" in complaint("mine")


def test_the_same_weights_make_the_same_file(shelf):
    model = shake(tiny_v2em())
    for number in range(8):
        make(shelf, str(number), model)
    assert len({(shelf / str(number) / WEIGHTS).read_bytes() for number in range(8)}) == 1


def test_emotions_of_another_corpus_come_with_the_weights(shelf):
    make(shelf, "mine", tiny_v2em(IEMOCAP), thresholds=dict.fromkeys(IEMOCAP, 0.5))
    assert load_model(open_checkpoint("mine")).emotions == IEMOCAP
    edit(shelf / "mine", emotions=list(MOSEI), thresholds=dict.fromkeys(MOSEI, 0.5))
    assert "differ in emotions or read-out" in complaint("mine")


def test_a_read_out_of_another_kind_is_not_passed_over(shelf):
    make(shelf, "mine")
    edit(shelf / "mine", readout={"face": "one_vs_rivals", "voice": "independent", "words": "independent"})
    assert "differ in emotions or read-out" in complaint("mine")


def test_unknown_settings_of_the_input(shelf):
    make(shelf, "mine")
    edit(shelf / "mine", inputs={"face": {"colour": "sepia"}})
    assert complaint("mine") == "The weights of 'mine' do not fit tiny."


@pytest.mark.parametrize("field", ["emotions", "thresholds", "architecture", "sha256", "format"])
def test_a_config_without_what_is_needed(shelf, field):
    make(shelf, "mine")
    edit(shelf / "mine", **{field: None})
    assert complaint("mine").startswith(f"The checkpoint 'mine' has no usable {CONFIG} (")


def test_a_config_of_another_format(shelf):
    make(shelf, "mine")
    edit(shelf / "mine", format=2)
    assert "needs format 1" in complaint("mine")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"text"', '{"emotions": 3}', '{"emotions": ["joy"]}'])
def test_a_config_that_is_none(shelf, text):
    make(shelf, "mine")
    (shelf / "mine" / CONFIG).write_text(text, encoding="utf-8")
    assert complaint("mine").startswith(f"The checkpoint 'mine' has no usable {CONFIG} (")


class Trap:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_no_pickle_is_ever_opened(shelf, tmp_path):
    """Neither where it stands in place of the weights, with the right checksum, nor beside them."""
    mark = tmp_path / "mark"
    make(shelf, "mine")
    for name in (WEIGHTS, "pytorch_model.bin", "model.pt", "model.pkl"):
        (shelf / "mine" / name).write_bytes(pickle.dumps(Trap(mark)))
    edit(shelf / "mine", sha256=hub.sha256(shelf / "mine" / WEIGHTS))
    assert complaint("mine") == "The weights of 'mine' do not fit tiny."
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists(), "the trap works"


@pytest.mark.parametrize("source", ["absent.json", "../other/tokenizer.json", "damaged.json", "nobody/has-this"])
def test_a_vocabulary_that_cannot_be_read(shelf, no_network, source):
    make(shelf, "mine")
    for name in ("damaged.json", "../other/tokenizer.json"):
        (shelf / "mine" / name).parent.mkdir(exist_ok=True)
        (shelf / "mine" / name).write_text("{}", encoding="utf-8")
    config = json.loads((shelf / "mine" / CONFIG).read_text(encoding="utf-8"))
    edit(shelf / "mine", inputs=config["inputs"] | {"tokenizer": source})
    with pytest.raises(CheckpointError, match=re.escape(f"The vocabulary {source!r} of 'mine' cannot be read.")):
        load_reader("mine")


# The Hub


def test_what_comes_from_the_hub_keeps_its_whole_name(shelf, tmp_path, monkeypatch):
    make(tmp_path, "fetched")
    monkeypatch.setattr("fv2es.remote.fetch", lambda _: tmp_path / "fetched")
    checkpoint = open_checkpoint("someone/fetched@v1")
    assert load_model(checkpoint).emotions == MOSEI
    assert checkpoint.name == "someone/fetched@v1"


def test_what_comes_from_the_hub_is_checked_as_well(shelf, tmp_path, monkeypatch):
    make(tmp_path, "fetched", sha256="0" * 64)
    monkeypatch.setattr("fv2es.remote.fetch", lambda _: tmp_path / "fetched")
    assert "SHA-256 differs" in complaint("someone/fetched")
    (tmp_path / "fetched" / CONFIG).unlink()
    assert complaint("someone/fetched") == f"The checkpoint 'someone/fetched' has no {CONFIG} that can be read."


def test_the_hub_out_of_reach(shelf, no_network):
    said = complaint("someone/not-in-any-cache")
    assert said == "The checkpoint 'someone/not-in-any-cache' could not be fetched from the Hub."


# The checkpoint that ships


@pytest.fixture
def shipped(monkeypatch) -> hub.Checkpoint:
    monkeypatch.delenv("FV2ES_CHECKPOINTS", raising=False)
    if "v2em-compact" not in list_checkpoints():
        pytest.skip("checkpoints/v2em-compact is not here")
    return open_checkpoint("v2em-compact")


def test_the_shipped_weights_fit_and_are_small(shipped):
    model = load_model(shipped)
    assert shipped.config["parameters"] == registry.create_model("v2em-compact").parameter_counts()
    assert (shipped.folder / WEIGHTS).stat().st_size <= 25e6
    assert {path.suffix for path in shipped.folder.iterdir()} <= {".json", ".md", ".safetensors"}
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert float(model.fusion_weights().sum()) == pytest.approx(1, abs=1e-5)


def test_the_shipped_thresholds_are_probabilities(shipped):
    assert shipped.thresholds.shape == (6,)
    assert ((shipped.thresholds > 0.02) & (shipped.thresholds < 0.98)).all()
    assert {"version", "licence", "trained_on"} <= set(shipped.identity)


def test_the_shipped_cards_say_what_the_configs_say(shipped, tmp_path):
    """Whichever version each is of: a card made anew is the one that is here."""
    for name in list_checkpoints():
        here = open_checkpoint(name).folder
        copy = shutil.copytree(here, tmp_path / name)
        write_card(copy)
        assert (copy / hub.CARD).read_text(encoding="utf-8") == (here / hub.CARD).read_text(encoding="utf-8")
