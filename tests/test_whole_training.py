"""Whole models on packs: recipes, decoding once, training end to end, the test split once, killed and gone on with."""

import json
import logging
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import Moment, Reaper, ends_by_kill
from made_up_packs import Finder, read_meta, write_learnable
from oracles import TINY_WORDS, tiny_v2em
from PIL import Image
from torch.nn import functional as F

from fv2es import cli
from fv2es.data.manifest import Row
from fv2es.data.packs import open_pack, utterance
from fv2es.emotions import IEMOCAP, MOSEI
from fv2es.evaluation import evaluate
from fv2es.hub import open_checkpoint
from fv2es.models import registry
from fv2es.models.blocks.functionals import functionals_of
from fv2es.models.blocks.sequence import SequenceConfig
from fv2es.models.inputs import InputConfig, MelInput, make_batch
from fv2es.models.late_fusion import LateConfig, PositionedTransformer, late_fusion
from fv2es.models.registry import create_model, list_models
from fv2es.models.voice import Voice
from fv2es.reader import load_reader
from fv2es.threads import one_thread
from fv2es.training import run as run_module
from fv2es.training.configs import shipped
from fv2es.training.decoded import AT_ONCE, Decoded
from fv2es.training.losses import make_loss, positive_weight
from fv2es.training.outcome import save_checkpoint
from fv2es.training.recipes import read_layers, settle
from fv2es.training.run import Options, train
from fv2es.training.whole import choose_thresholds, figures

RECIPE = """
model = "tiny"
loss = "weighted_bce"
lr = 4e-3
rates = { fusion = 0.5 }
epochs = 4
batch = 4
average = 0.9
bfloat16 = false
"""
EMOTIONS = {"mosei": MOSEI, "iemocap": IEMOCAP}


def tiny(emotions=MOSEI):
    """The model in miniature, with a vocabulary that is learnt."""
    sizes = LateConfig(width=16, transformer_depth=1, heads=2, feed_forward=32, dropout=0.0, vocabulary=120)
    sequence = SequenceConfig(sizes.width, sizes.transformer_depth, sizes.heads, sizes.feed_forward, sizes.dropout)
    model = late_fusion(sizes, lambda: PositionedTransformer(sequence), sizes.width, tuple(emotions))
    model.face = tiny_v2em(emotions).face  # which has batch normalisation and a form for inference
    model.inputs = InputConfig(mel=MelInput(log=True, standardise=True), max_tokens=16, tokenizer="tokenizer.json")
    return model


registry.list_models()  # fills the registry, which a name of ours then joins
BUILDERS = registry._BUILDERS | {"tiny": tiny}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_BUILDERS", BUILDERS)


@pytest.fixture(scope="module", params=["mosei", "iemocap"])
def trained(request, tmp_path_factory):
    """(corpus, folder): a pack, its recipe, and what one training left: `runs/it` and `checkpoints/mine`."""
    folder = tmp_path_factory.mktemp(request.param)
    write_learnable(folder / "pack", request.param)
    (folder / "mine.toml").write_text(RECIPE + 'data = "pack"\n', encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_BUILDERS", BUILDERS)
        train(folder / "mine.toml", options(folder), Finder)
    return request.param, folder


def options(folder: Path, **more) -> Options:
    return Options(run=folder / "runs" / "it", out=folder / "checkpoints" / "mine", device="cpu", **more)


def log_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# From a pack to a checkpoint


def test_it_learns_what_can_be_learnt(trained):
    corpus, folder = trained
    log = log_of(folder / "runs" / "it")
    share = {"mosei": 1.2 / 7, "iemocap": 1 / 6}[corpus]
    chance = 2 * share / (1 + share)  # F1 of saying yes always, which is the best that can be guessed
    assert max(line["valid_f1"] for line in log) > 0.75 > chance + 0.4
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert log[-1]["valid_loss"] < log[0]["valid_loss"]
    assert log[-1]["train_f1"] > log[0]["train_f1"]
    assert all(line["score"] == line["valid_f1"] for line in log)


def test_the_checkpoint_is_one_that_can_be_used(trained, monkeypatch):
    """`analyse --model mine` would find it; what it says of the test split is what the run said of it."""
    corpus, folder = trained
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(folder / "checkpoints"))
    reader = load_reader("mine")
    assert reader.emotions == EMOTIONS[corpus]
    items = list(open_pack(folder / "pack").items("test"))
    rows = [Row(number, one.id, text=one.text, labels=one.labels) for number, one in enumerate(items)]
    result = evaluate(rows, reader, extract=lambda row: utterance(items[row.line], Finder()))
    test = json.loads((folder / "runs" / "it" / "test.json").read_text(encoding="utf-8"))
    assert test.pop("times_scored") == 1
    assert result.report["n"] == 14
    for emotion, one in result.report["per_emotion"].items():
        assert test["per_emotion"][emotion] == pytest.approx(one, abs=1e-6)
    assert {key: value for key, value in test.items() if key != "per_emotion"}.keys() == result.report.keys() - {
        "per_emotion"
    }
    assert test["single_label"] == result.report["single_label"]
    assert test["average"]["f1"] > 0.6


def test_what_the_checkpoint_says_of_itself(trained, monkeypatch):
    corpus, folder = trained
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(folder / "checkpoints"))
    checkpoint = open_checkpoint("mine")
    named = {"mosei": "CMU-MOSEI", "iemocap": "IEMOCAP"}[corpus]
    assert checkpoint.identity["trained_on"] == [named]
    assert named in checkpoint.identity["licence"]
    assert checkpoint.config["training"]["utterances"] == {"train": 56, "valid": 28, "test": 14}
    assert checkpoint.config["training"]["recipe"]["lr"] == 4e-3
    card = (folder / "checkpoints" / "mine" / "README.md").read_text(encoding="utf-8")
    assert checkpoint.sha256 in card
    assert "The test split was scored once, with these thresholds." in card
    for split in ("valid", "test"):
        f1 = checkpoint.config["metrics"][split]["average"]["f1"]
        assert f"| {f1:.3f} |" in card


def test_what_a_person_watches(trained):
    _, folder = trained
    run = folder / "runs" / "it"
    assert (run / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"</svg>" in (run / "curves.svg").read_bytes()
    events = list(scalars(run / "tensorboard"))
    log = log_of(run)
    for tag, key in (("loss/train", "loss"), ("loss/valid", "valid_loss"), ("f1/valid", "valid_f1")):
        assert [(step, value) for name, step, value in events if name == tag] == [
            (line["epoch"] + 1, pytest.approx(line[key])) for line in log
        ]


def scalars(folder: Path):
    """(tag, step, value) of every event: TensorBoard's records read by their published layout."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("events.*")
    content, place = path.read_bytes(), 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        event = Event.FromString(content[place + 12 : place + 12 + length])
        place += 12 + length + 4
        yield from ((one.tag, event.step, one.simple_value) for one in event.summary.value)


def test_the_test_split_is_scored_once(trained, monkeypatch, caplog):
    """The finished run is gone into again: nothing is decoded, nothing scored, unless it is asked for."""
    _, folder = trained
    run, card = folder / "runs" / "it", folder / "checkpoints" / "mine" / "README.md"
    before = (run / "test.json").read_text(encoding="utf-8")
    (folder / "checkpoints" / "mine" / "model.safetensors").unlink()
    scored = []
    score = run_module.WholeTask.score
    monkeypatch.setattr(
        run_module.WholeTask,
        "score",
        lambda self, model, part: scored.append(part.decoded.name) or score(self, model, part),
    )
    with caplog.at_level(logging.INFO):
        train(folder / "mine.toml", options(folder), Decoder)
    assert [name.split("-")[1] for name in scored] == ["valid"]
    assert "was scored before and is not scored again" in caplog.text
    assert (run / "test.json").read_text(encoding="utf-8") == before
    assert "scored once" in card.read_text(encoding="utf-8")
    train(folder / "mine.toml", options(folder, again=True), Decoder)
    again = json.loads((run / "test.json").read_text(encoding="utf-8"))
    assert again == json.loads(before) | {"times_scored": 2}
    assert "scored 2 times: its figures are no longer blind" in card.read_text(encoding="utf-8")
    (run / "test.json").write_text(before, encoding="utf-8")


def Decoder():
    raise AssertionError("everything was decoded before")


def test_a_run_is_gone_on_with_only_as_what_it_is(trained):
    _, folder = trained
    with pytest.raises(ValueError, match=r"it holds a run that differs in epochs, lr; choose another folder"):
        train(folder / "mine.toml", options(folder, changes={"epochs": 9, "lr": 1.0}), Decoder)
    with pytest.raises(ValueError, match="differs in loss"):
        train(folder / "mine.toml", options(folder, changes={"loss": "bce"}), Decoder)


# Decoded once


def same(one, other) -> bool:
    assert (one.span, one.transcript, one.modalities) == (other.span, other.transcript, other.modalities)
    np.testing.assert_array_equal(one.mel, other.mel)
    np.testing.assert_array_equal(one.waveform, other.waveform)
    for ours, theirs in zip(one.faces, other.faces, strict=True):
        assert (ours.time, ours.box, ours.confidence) == (theirs.time, theirs.box, theirs.confidence)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
    return True


def test_what_is_kept_is_what_serving_would_see(tmp_path):
    items = list(open_pack(write_learnable(tmp_path, "mosei", train=AT_ONCE + 3)).items("train"))
    decoded = Decoded(items, tmp_path / "cache", "train", Finder)
    decoded.fill()
    assert all(same(decoded[row], utterance(items[row], Finder())) for row in (0, 6, AT_ONCE - 1, AT_ONCE, AT_ONCE + 2))
    again = Decoded(items, tmp_path / "cache", "train", Decoder)
    again.fill()
    assert same(again[AT_ONCE + 1], decoded[AT_ONCE + 1])


def test_another_packs_media_under_the_same_names_are_its_own(tmp_path):
    first, second = (write_learnable(tmp_path / name, "mosei", train=7) for name in ("a", "b"))
    for path in (second / "MOSEI_RAW_PROCESSED").rglob("image_0.jpg"):
        Image.new("L", (120, 96), 250).save(path)
    for path in (second / "MOSEI_RAW_PROCESSED").rglob("image_1.jpg"):
        path.unlink()
    for path in (first / "MOSEI_RAW_PROCESSED").rglob("image_1.jpg"):
        path.unlink()
    packs = [open_pack(root) for root in (first, second)]
    decoded = [Decoded(list(one.items("train")), tmp_path / "cache", "train", Finder) for one in packs]
    for one in decoded:
        one.fill()
    assert [one[0].faces[0].pixels.mean() for one in decoded] == [pytest.approx(30, abs=3), pytest.approx(250, abs=3)]
    digests = [run_module._digest({"train": one}) for one in decoded]
    assert digests[0] != digests[1]


def test_what_was_learnt_from_is_named(tmp_path):
    described = {"corpus": "mosei", "source": "own clips", "model": "tiny", "published_weights": ()}
    thresholds = np.full(6, 0.5)
    save_checkpoint(tiny(), tmp_path / "mine", thresholds, described, {}, None)
    config = json.loads((tmp_path / "mine" / "config.json").read_text(encoding="utf-8"))
    assert config["trained_on"] == ["own clips"]
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert "CMU-MOSEI" not in config["licence"] + card.partition("Emotions:")[0]
    assert "trained as a whole on own clips: face" in card


def test_what_is_missing_or_damaged_is_decoded_again_and_no_more(tmp_path):
    items = list(open_pack(write_learnable(tmp_path, "mosei", train=2 * AT_ONCE + 1)).items("train"))
    decoded = Decoded(items, tmp_path / "cache", "train", Finder)
    decoded.fill()
    files = sorted(decoded.folder.iterdir())
    assert len(files) == 3
    whole = [path.read_bytes() for path in files]
    files[1].write_bytes(whole[1][:100])
    files[2].unlink()
    finder = Finder()
    Decoded(items, tmp_path / "cache", "train", lambda: finder).fill()
    assert [path.read_bytes() for path in files] == whole
    assert len(finder.frames) == 2 * (AT_ONCE + 1)


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path, caplog):
    write_learnable(tmp_path, "mosei")
    raw = tmp_path / "MOSEI_RAW_PROCESSED"
    (raw / "testvideo_1" / "audio.wav").write_bytes(b"no sound")
    for path in (raw / "testvideo_2").iterdir():
        path.unlink()
    items = list(open_pack(tmp_path).items("test"))
    assert items[2].text == read_meta(tmp_path, "MOSEI")["testvideo_2"]["text"]
    decoded = Decoded([*items[:2], replace(items[2], text="")], tmp_path / "cache", "test", Finder)
    decoded.fill()
    assert list(decoded.unreadable) == [1]
    assert decoded.unreadable[1].startswith("testvideo_1, audio.wav: ")
    assert decoded.empty == {2}
    assert "1 of 3 cannot be read (testvideo_1" in caplog.text
    train_part = run_module.Part(decoded, MOSEI)
    assert (train_part.rows, run_module.Part(decoded, MOSEI, keep_empty=True).rows) == ([0], [0, 2])


def test_functionals_are_standardised_by_the_training_part(tmp_path):
    write_learnable(tmp_path, "mosei")
    decoded = Decoded(list(open_pack(tmp_path).items("test")), tmp_path / "cache", "test", Finder)
    decoded.fill()
    part = run_module.Part(decoded, MOSEI)
    model = create_model("fe2e-compact")
    run_module.WholeTask(model, Letters(), part, part, settle(read_layers("compact"), "mosei").recipe)
    assert isinstance(model.voice, Voice)
    batch = make_batch([one for one, _ in (part[row] for row in range(len(part)))], model.inputs, Letters())
    rows = functionals_of(batch.pieces, batch.piece_counts[batch.piece_counts > 0])
    assert len(rows) == len(part)
    torch.testing.assert_close(model.voice.functionals.mean, rows.mean(0))
    torch.testing.assert_close(model.voice.functionals.deviation, rows.std(0, correction=0).clamp_min(1e-4))


def test_an_utterance_with_nothing_in_it_counts_as_neutral(tmp_path):
    from fv2es.training.outcome import measure

    write_learnable(tmp_path, "mosei")
    items = [replace(one, frames=(), sound=None, text="") for one in open_pack(tmp_path).items("test")][:3]
    items[0] = replace(items[0], text="lovely")
    decoded = Decoded(items, tmp_path / "cache", "test", Finder)
    decoded.fill()
    part = run_module.Part(decoded, MOSEI, keep_empty=True)
    task = run_module.WholeTask(tiny(), Letters(), part, part, settle(read_layers("wei2022"), "mosei").recipe)
    logits = task.score(task.model.eval(), part)
    assert np.isfinite(logits[0]).all()
    assert np.isneginf(logits[1:]).all()
    report = measure(logits, part, np.full(6, 0.5), MOSEI)
    assert (report["n"], report["empty"], report["skipped"]) == (3, 2, 0)


class Letters:
    def encode(self, text: str, length: int) -> list[int]:
        return [1, *(4 + ord(letter) % 100 for letter in text)][:length]


# Recipes


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("corpus", ["iemocap", "mosei"])
def test_recipes_that_ship_fit_their_models(name, corpus):
    config = settle(read_layers(name), corpus)
    with torch.device("meta"):
        model = create_model(config.model, EMOTIONS[corpus])
    names = [one for one, _ in model.named_parameters()]
    assert all(any(one.startswith(prefix) for one in names) for prefix, _ in config.recipe.rates)
    from fv2es.training.pretrained import published

    assert bool(published(model)) == config.pretrained


def test_the_papers_settings():
    wei, jia = (settle(read_layers(name), "mosei") for name in ("wei2022", "jia2024"))
    assert (wei.loss, wei.recipe.optimiser, wei.recipe.schedule) == ("bce", "adam", "constant")
    assert (wei.recipe.lr, wei.recipe.epochs, wei.recipe.batch) == (4.5e-6, 30, 8)
    assert wei.recipe.rates == (("words", 10.0),)
    assert (jia.recipe, jia.loss, jia.model) == (wei.recipe, wei.loss, "rfam-focal")
    le = {corpus: settle(read_layers("le2023"), corpus) for corpus in EMOTIONS}
    assert {corpus: (one.model, one.recipe.epochs) for corpus, one in le.items()} == {
        "iemocap": ("emotion-queries-2", 25), "mosei": ("emotion-queries", 10),
    }  # fmt: skip
    recipe = le["mosei"].recipe
    assert (le["mosei"].loss, recipe.optimiser, recipe.schedule, recipe.batch) == ("weighted_bce", "adam", "cosine", 32)
    assert (recipe.lr, recipe.lr * dict(recipe.rates)["words.encoder"]) == (5e-4, pytest.approx(5e-5))
    assert {share for _, share in settle(read_layers("lee2023"), "mosei").recipe.rates} == {0.1}


def test_a_recipe_upon_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('recipe = "le2023"\nepochs = 3\ndata = "packs"\n[iemocap]\nbatch = 4\n', encoding="utf-8")
    layers = read_layers(path)
    assert layers[-1]["data"] == tmp_path / "packs"
    assert settle(layers, "mosei").recipe.epochs == 3, "what a person says wins over the other's table"
    assert settle(layers, "iemocap").recipe.batch == 4
    assert settle((*layers, {"model": "fe2e"}), "iemocap").model == "fe2e"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs = ", "is not a TOML file"),
        ('recipe = "mine"', "there is no recipe 'mine'; those that ship: compact,"),
        ('recipe = "wei2022"\nepoch = 3', "Unknown in a recipe: epoch; known: "),
        ('recipe = "wei2022"\nepochs = 2.5', "epochs needs a whole number of at least 1, got 2.5"),
        ('recipe = "wei2022"\nepochs = 0', "epochs needs a whole number of at least 1, got 0"),
        ('recipe = "wei2022"\nlr = 0', "lr needs a number above 0, got 0"),
        ('recipe = "wei2022"\nlr = "high"', "lr needs a number above 0, got 'high'"),
        ('recipe = "wei2022"\nbfloat16 = 1', "bfloat16 needs true or false, got 1"),
        ('recipe = "wei2022"\nrates = 10', "rates needs a table"),
        ('recipe = "wei2022"\nloss = "mse"', "Unknown loss 'mse'; known: bce, weighted_bce"),
        ('recipe = "wei2022"\nscore = "luck"', "Unknown score 'luck'; known: f1,"),
        ('recipe = "wei2022"\nmosei = 3', "mosei needs to be a table"),
        ('model = "v2em"\nlr = 1', "The recipe says nothing of batch, epochs"),
        ('recipe = "wei2022"\ndata = 3', "data needs a text, got 3"),
    ],
)
def test_recipes_that_make_no_sense(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(said)):
        settle(read_layers(path), "mosei")


@pytest.mark.parametrize("name", list_models())
def test_every_model_can_be_made_for_iemocap(name):
    with torch.device("meta"):
        model = create_model(name, IEMOCAP)
        mosei = create_model(name)
    assert (model.emotions, mosei.emotions) == (IEMOCAP, MOSEI)
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in mosei.state_dict().items()}


# Losses and thresholds


def test_losses():
    torch.manual_seed(0)
    logits, truth = torch.randn(5, 3), torch.tensor([[1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 0], [1, 0, 0.0]])
    plain = make_loss("bce", truth.numpy())(logits, truth)
    assert plain == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, truth)))
    assert positive_weight(truth.numpy()).tolist() == [0.25, 1.0, 4.0]
    weights = torch.where(truth > 0, torch.tensor([0.25, 1.0, 4.0]), 1.0)
    by_hand = -(weights * torch.where(truth > 0, logits.sigmoid(), 1 - logits.sigmoid()).log()).mean()
    assert make_loss("weighted_bce", truth.numpy())(logits, truth) == pytest.approx(float(by_hand), rel=1e-5)
    with pytest.raises(ValueError, match="Unknown loss 'focal'; known: bce, weighted_bce"):
        make_loss("focal", truth.numpy())


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_thresholds_fit_logits_of_any_scale(scale):
    random = np.random.default_rng(0)
    truth = random.random((3000, 3)) < [0.5, 0.1, 0.0]
    logits = scale * (random.normal(np.where(truth, 1.5, -1.5), 1.0) - 9)
    chosen = choose_thresholds(logits, truth)
    best = [max(figures(logits[:, [e]], truth[:, [e]], np.array([t]))["f1"] for t in np.unique(logits[::10, e]))
            for e in (0, 1)]  # fmt: skip
    got = [figures(logits[:, [e]], truth[:, [e]], chosen[[e]])["f1"] for e in (0, 1)]
    np.testing.assert_allclose(got, best, atol=0.03)
    assert not (logits[:, 2] >= chosen[2]).any(), "what validation never showed is not guessed at"


# Curves


def test_curves_show_what_was_measured_and_which_epoch_is_kept():
    from fv2es.views.curves import curves_figure

    history = [
        {"epoch": n, "loss": 1 - n / 10, "score": score, "valid_loss": 0.9, "train_f1": n / 5, "valid_f1": score}
        for n, score in enumerate([0.1, 0.6, 0.4, 0.6])
    ]
    loss, f1 = curves_figure(history).axes
    assert (loss.get_title(), f1.get_title()) == ("Loss", "F1")
    lines = {line.get_label(): line.get_xydata().tolist() for line in f1.lines}
    assert lines["validation"] == [[1, 0.1], [2, 0.6], [3, 0.4], [4, 0.6]]
    assert lines["training"][3] == [4, 0.6]
    assert [x for x, _ in lines["kept"]] == [2, 2]
    (only,) = curves_figure([{"epoch": 0, "loss": 1.0, "score": 0.5}]).axes
    assert only.get_title() == "Loss"


# Published weights


def test_published_weights(monkeypatch, tmp_path):
    """From a folder in the place of the Hub: transformers' ALBERT, as small as ours."""
    from transformers import AlbertConfig, AlbertModel

    from fv2es.models.blocks import albert
    from fv2es.training import pretrained

    sizes = AlbertConfig(vocab_size=64, embedding_size=8, hidden_size=16, num_attention_heads=2, intermediate_size=32,
                         num_hidden_layers=2, max_position_embeddings=32)  # fmt: skip
    theirs = AlbertModel(sizes)
    theirs.save_pretrained(tmp_path)
    monkeypatch.setattr(pretrained, "ALBERT", str(tmp_path))
    monkeypatch.setattr(pretrained, "AlbertConfig", lambda: TINY_WORDS)
    model = tiny_v2em()
    assert pretrained.load_pretrained(model) == (str(tmp_path),)
    wanted = albert.from_transformers(theirs.state_dict())
    for name, value in model.words.encoder.state_dict().items():
        assert torch.equal(value, wanted[name]), name


def test_published_weights_that_cannot_be_had(monkeypatch):
    from fv2es.training import pretrained

    monkeypatch.setattr(pretrained, "AlbertConfig", lambda: TINY_WORDS)
    monkeypatch.setattr(pretrained, "_albert", lambda: (_ for _ in ()).throw(OSError("offline\nat length")))
    with pytest.raises(ValueError, match=r"^The published weights albert/albert-base-v2 cannot be had here \(OSE"):
        pretrained.load_pretrained(tiny_v2em())
    monkeypatch.undo()
    with pytest.raises(ValueError, match="no part of which there are published weights: it needs pretrained = false"):
        pretrained.load_pretrained(create_model("lf-lstm"))


# The command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wei2023"], "There is no recipe 'wei2023'; those that ship: compact, jia2024, le2023, lee2023, wei2022."),
        (["wei2022"], 'Where is the pack? Say --data FOLDER, or data = "FOLDER" in the recipe.'),
        (["nowhere.toml"], "nowhere.toml: No such file or directory."),
        (["wei2022", "--data", "."], "A folder IEMOCAP_RAW_PROCESSED or MOSEI_RAW_PROCESSED was expected"),
        (["wei2022", "--data", ".", "--device", "abacus"], "There is no device 'abacus' here."),
        (["compact", "--data", "pack", "--model", "v3em"], "Unknown model 'v3em'; known: "),
        (["compact", "--data", "pack", "--epochs", "0"], "epochs needs a whole number of at least 1, got 0."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if "pack" in arguments:
        write_learnable(tmp_path / "pack", "mosei", 7, 7, 7)
    assert cli.main(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


# Killed


def run_until_killed(folder: Path, moment: Moment) -> None:
    Reaper(moment).watch_files()
    registry._BUILDERS.update(BUILDERS)
    train(folder / "mine.toml", options(folder), Finder)


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_to_the_same_end(tmp_path):
    """Killed while decoding, training, drawing, with the test split scored, and in the checkpoint."""
    write_learnable(tmp_path / "pack", "mosei", train=21, valid=14, test=7)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for folder in (unbroken, broken):
        folder.mkdir()
        recipe = RECIPE.replace("epochs = 4", "epochs = 2")
        (folder / "mine.toml").write_text(recipe + 'data = "../pack"\n', encoding="utf-8")
    with one_thread():  # as the killed processes have: sums of two threads differ in their last bits
        train(unbroken / "mine.toml", options(unbroken), Finder)
    # The library that learns the vocabulary settles ties by chance: both get the same.
    vocabulary = broken / "runs" / "it" / "tokenizer.json"
    vocabulary.parent.mkdir(parents=True)
    vocabulary.write_bytes((unbroken / "runs" / "it" / "tokenizer.json").read_bytes())
    moments = [("before 00000.safetensors", 2), ("after state.pt", 1), ("before curves.svg", 1),
               ("before test.json", 1), ("after test.json", 1), ("before README.md", 1)]  # fmt: skip
    for moment in moments:
        assert ends_by_kill(run_until_killed, broken, moment), moment
    with one_thread():
        train(broken / "mine.toml", options(broken), Finder)
    for name in ("runs/it/run.json", "runs/it/test.json", "checkpoints/mine/model.safetensors",
                 "checkpoints/mine/config.json", "checkpoints/mine/README.md"):  # fmt: skip
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes(), name
    logs = [[{k: v for k, v in line.items() if k != "seconds"} for line in log_of(folder / "runs" / "it")]
            for folder in (unbroken, broken)]  # fmt: skip
    assert logs[0] == logs[1]
    assert json.loads((broken / "runs/it/test.json").read_text(encoding="utf-8"))["times_scored"] == 1
    assert [step for tag, step, _ in scalars(broken / "runs/it/tensorboard") if tag == "loss/valid"] == [1, 2]
    assert not list((broken / "runs").rglob("*.partial"))
