"""The words' teacher: a published encoder learns the task, and what it says becomes the student's targets."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import tiny_v2em
from torch import nn

from fv2es.data import texts
from fv2es.training import main, words
from fv2es.training.loop import fit
from fv2es.training.taught import RECIPE, TaughtTask, changed
from fv2es.training.words import SOFT, TEACHER_RECIPE, Diet, Pretrained, PretrainedTokenizer, TeacherTask, WordsTask

WORDS = ("glad", "cry", "the", "day", "##s", "!")


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> str:
    """A sentence encoder of two small layers, laid out as one of the Hub."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("published")
    vocabulary = {word: number for number, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS))}
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences in the corpora's layout: "glad" is happy, "cry" is sad, "the day" is neutral."""
    folder = tmp_path_factory.mktemp("data")
    rows = [("glad days !", "happy", "joy"), ("cry the day", "sad", "grief"), ("the day", "neutral", "neutral")] * 16
    for part in {*texts.TRAIN, *texts.VALID}:
        path = folder / "text" / f"{part}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
            table.writerow(["text", "labels", "raw_label"])
            table.writerows(rows)
    return folder


def test_the_state_is_the_mean_over_the_words(published):
    network = Pretrained(published, 6).eval()
    tokens = torch.tensor([[2, 5, 7, 3], [2, 6, 3, 0]])
    mask = tokens > 0
    state = network.state(tokens, mask)
    torch.testing.assert_close(state[1], network.state(tokens[1:, :3], mask[1:, :3])[0], atol=1e-5, rtol=1e-5)
    every = network.encoder(input_ids=tokens[:1], attention_mask=mask[:1].long()).last_hidden_state
    torch.testing.assert_close(state[0], every[0].mean(0))
    assert network(tokens, mask).shape == (2, 6)


def test_its_own_sub_words(published):
    tokenizer = PretrainedTokenizer(published)
    ids = tokenizer.encode("glad days", 9)
    assert [tokenizer.token(number) for number in ids] == ["[CLS]", "glad", "day", "##s", "[SEP]"]
    assert tokenizer.encode("glad days", 3) == [ids[0], ids[1], ids[-1]]
    assert tokenizer.token(tokenizer.mask) == "[MASK]"


def test_the_teacher_learns_and_says_what_it_knows(published, data, tmp_path):
    recipe = replace(TEACHER_RECIPE, epochs=3, batch=16, average=0.0, rates=(("words.encoder", 1.0),), bfloat16=False)
    torch.manual_seed(0)
    task = TeacherTask(published, data, length=12, recipe=recipe)
    assert task.marks.nonzero()[:, 0].tolist() == [5 + WORDS.index("!")], "punctuation, and no special token"
    task.model.load_state_dict(fit(task, recipe, tmp_path))
    said = task.says()
    happy = np.array(["happy" in one.labels for one in task.train])
    assert said.shape == (len(task.train), 6)
    assert said[happy, 3].min() > said[~happy, 3].max()


class Parrot(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("said", torch.tensor(1.0))


def test_what_is_said_is_free_of_the_weighting():
    task = object.__new__(WordsTask)
    task.model, task.train = Parrot(), [None] * 4
    task.logits = lambda model, sentences, batch: model.said.expand(len(sentences), 6)
    task.positive_weight = torch.full((6,), 4.0)
    said = 1 / (1 + 4 / np.exp(1.0))  # odds e, a quarter of it without the weighting
    np.testing.assert_allclose(task.says(), np.full((4, 6), said), atol=1e-6)


def test_targets_are_mixed_with_what_was_said():
    task = object.__new__(WordsTask)
    task.targets = np.eye(4, 6, dtype=np.float32)
    task.distil(np.full((4, 6), 0.25, np.float32))
    np.testing.assert_allclose(task.targets, (1 - SOFT) * np.eye(4, 6) + SOFT * 0.25, atol=1e-6)
    assert task.targets.dtype == np.float32


def test_changed_sentences_are_of_the_corpus_and_differ(data):
    sentences = [one for part in texts.TRAIN for one in texts.read(data / "text", part)]
    forms = [changed(sentences, seed) for seed in (1, 1, 2)]
    assert forms[0] == forms[1] != forms[2]
    known = {word for one in sentences for word in one.text.split()}
    for before, after in zip(sentences, forms[0], strict=True):
        assert 0 < len(after.text.split()) <= 8
        assert set(after.text.split()) <= known
        assert after.corpus == before.corpus
    assert sum(a.text != b.text for a, b in zip(sentences, forms[0], strict=True)) > len(sentences) / 3


def test_a_diet_says_how_often_a_sentence_is_shown(data):
    task = object.__new__(WordsTask)
    task._read(data, replace(TEACHER_RECIPE, batch=1), Diet({"meld": 3, "isear": 0}, {"dailydialog": 0.0}))
    shown = Counter(task.train[row].corpus for row in task._epoch_rows(np.random.default_rng(0)))
    each = 48
    assert shown == {"goemotions": each, "meld": 3 * each, "emorynlp": 3 * each, "dailydialog": 2 * each}


def test_of_changed_sentences_only_what_was_said_is_learnt(data, tmp_path):
    recipe = replace(RECIPE, epochs=1, batch=16, bfloat16=False)
    model = tiny_v2em()
    model.inputs = replace(model.inputs, max_tokens=12)
    task = TaughtTask(model, data, tmp_path, recipe)
    assert [len(form) for form in task.forms] == [len(task.train)] * 3
    task.teach([np.full((len(task.train), 6), value) for value in (0.1, 0.2, 0.3)])
    for epoch, value in ((0, 0.2), (1, 0.3)):
        rows = [batch[2:] for batch in task.batches(epoch, recipe, np.random.default_rng(0))]
        targets, _, is_fine = (torch.cat(parts) for parts in zip(*rows, strict=True))
        unchanged = torch.isclose(targets, torch.tensor(SOFT * 0.1)) | (targets > 0.31)
        as_said = torch.isclose(targets, torch.tensor(value)).all(1)
        assert (unchanged.all(1) ^ as_said).all()
        assert 0.3 < as_said.float().mean() < 0.7
        assert not is_fine[as_said].any()
        assert is_fine.any()
    assert task.loss(next(task.batches(0, recipe, np.random.default_rng(0)))).isfinite()


def test_the_whole_way_of_the_words(published, data, tmp_path, monkeypatch):
    """Three teachers, the network twice; what teachers said is kept, so that a second call need not ask them."""
    monkeypatch.setattr(main, "_fresh_model", lambda name: tiny_v2em())
    run = tmp_path / "v2em-compact"
    encoder = {f"encoder.{name}": value for name, value in tiny_v2em().words.encoder.state_dict().items()}
    (run / "pretraining").mkdir(parents=True)
    torch.save(encoder, run / "pretraining" / "best.pt")
    places = ["--data", str(data), "--run", str(run), "--teacher", published]
    assert main.main(["words", *places, "--epochs", "1"]) == 0
    said = [np.load(run / f"words-teacher{number}" / "said.npy") for number in ("", "-2", "-3")]
    assert [len(one) for one in said] == [1, 3, 3]
    assert not np.array_equal(said[1], said[2])
    first, second = (torch.load(run / stage / "best.pt", weights_only=True) for stage in ("words-first", "words"))
    assert first.keys() == second.keys()
    assert any(not torch.equal(first[name], second[name]) for name in first if name.startswith("words."))
    monkeypatch.setattr(words, "TeacherTask", None)
    assert main.main(["words", *places, "--epochs", "1"]) == 0
