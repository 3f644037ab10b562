"""The words' teacher: a published encoder learns the task, and what it says becomes the student's targets."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fv2es.data import texts
from fv2es.training.loop import fit
from fv2es.training.words import SOFT, TEACHER_RECIPE, Pretrained, PretrainedTokenizer, TeacherTask, WordsTask

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
