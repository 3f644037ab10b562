"""Fusion learnt on ready-made states: they are what the trunks would say, and a pseudo-utterance is what it claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fv2es.data import ferplus, speech
from fv2es.data.texts import Sentence
from fv2es.models.emotion_queries import EmotionQueries
from fv2es.models.inputs import Batch, face_batch, piece_array
from fv2es.models.registry import create_model
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training import joint
from fv2es.training.joint import RECIPE, SUBSETS, Given, JointTask, assemble, present_of, put, take_over, trunks_of
from fv2es.training.states import Corpus, Look, States, parts_of

WIDTHS = {FACE: 320, VOICE: 128, WORDS: 256}
PER_LABEL = 4


class ByLetter:
    """A token for each letter."""

    def encode(self, text: str, length: int) -> list[int]:
        return [1, *(ord(letter) % 100 + 4 for letter in text)][:length]


@pytest.fixture(scope="module")
def model() -> EmotionQueries:
    torch.manual_seed(3)
    made = create_model("emotion-queries-compact")
    assert isinstance(made, EmotionQueries)
    return made.eval()


def corpus(name: str, rng: np.random.Generator) -> Corpus:
    """Four items a label; the label's own number of the states is 3 higher."""
    label = np.repeat(np.arange(7), PER_LABEL)
    lengths = np.ones(len(label), int) if name == FACE else rng.integers(2, 6, len(label))
    values = rng.standard_normal((lengths.sum(), WIDTHS[name])).astype(np.float16)
    values[np.arange(len(values)), np.repeat(label, lengths)] += 3
    view = States(values, np.cumsum([0, *lengths]))
    targets = np.eye(7, dtype=np.float32)[label, :-1]
    return Corpus((view,), targets, label, np.full(len(label), name), np.ones(len(label)))


@pytest.fixture
def task(model) -> JointTask:
    rng = np.random.default_rng(1)
    made = object.__new__(JointTask)
    torch.manual_seed(3)
    fresh = create_model("emotion-queries-compact")
    assert isinstance(fresh, EmotionQueries)
    made.model, made.steps, made.trunks = fresh, 3, trunks_of(fresh)
    made.train = {name: corpus(name, rng) for name in MODALITIES}
    made.valid = {name: corpus(name, rng) for name in MODALITIES}
    put(fresh, (Given(), Given(), Given()))
    return made


def test_states_stand_in_for_the_trunks(model):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (2, 48, 48), dtype=np.uint8)
    faces = ferplus.Faces(pixels, np.eye(7, dtype=np.float32)[[0, 3]], np.array([0, 3]), np.array([True, True]))
    clips = [speech.Clip(rng.gamma(1.0, size=(128, n)).astype(np.float32), 1, "emodb-1") for n in (70, 40)]
    sentences = [Sentence("so glad", ("happy",), (), "meld"), Sentence("what", (), (), "meld")]
    look = Look(model, ByLetter())
    with torch.inference_mode():
        made = {FACE: look._faces(faces, None), VOICE: look._voice(clips, None), WORDS: look._words(sentences)}
        tokens = torch.tensor([ByLetter().encode("so glad", 99), ByLetter().encode("what", 99) + [0] * 3])
        cut = [torch.from_numpy(piece_array(clip.mel, model.inputs.mel)) for clip in clips]
        batch = Batch(
            faces=face_batch(torch.from_numpy(pixels)[:, None], model.inputs.face),
            face_counts=torch.tensor([1, 1]),
            pieces=torch.cat(cut),
            piece_counts=torch.tensor([len(one) for one in cut]),
            tokens=tokens,
            token_mask=tokens > 0,
        )
        plain = model(batch)
        trunks = trunks_of(model)
        put(model, (Given(), Given(), Given()))
        try:
            ready = model(assemble({name: [one.views[0][0], one.views[0][1]] for name, one in made.items()}))
        finally:
            put(model, trunks)
    torch.testing.assert_close(ready.logits, plain.logits, atol=5e-3, rtol=5e-3)  # kept in half precision
    torch.testing.assert_close(ready.modalities, plain.modalities, atol=5e-3, rtol=5e-3)
    assert made[WORDS].label.tolist() == [3, 6], "happy, neutral"


def test_what_is_missing_has_no_states(task):
    present = np.array([[name in subset for name in MODALITIES] for subset in SUBSETS])
    states, targets = task._mix(present, np.random.default_rng(0))
    batch = assemble(states)
    assert torch.equal(batch.present, torch.from_numpy(present))
    assert targets.shape == (len(SUBSETS), 6)
    assert set(batch.face_counts[present[:, 0]].tolist()) <= set(range(1, joint.MOST_FACES + 1))


def label_of(states: list[np.ndarray]) -> np.ndarray:
    return np.array([one.astype(np.float32).mean(0)[:7].argmax() for one in states])


def test_all_show_one_emotion_unless_misled(task, monkeypatch):
    everything = np.ones((1200, 3), bool)
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 0.0))
    monkeypatch.setattr(joint, "SILENT", 0.0)
    states, targets = task._mix(everything, np.random.default_rng(0))
    wanted = np.where(targets.any(1), targets.argmax(1), 6)
    for name in MODALITIES:
        assert (label_of(states[name]) == wanted).mean() > 0.95, name
    monkeypatch.setattr(joint, "MISLED", {FACE: 0.0, VOICE: 0.7, WORDS: 0.0})
    states, targets = task._mix(everything, np.random.default_rng(0))
    wanted = np.where(targets.any(1), targets.argmax(1), 6)
    assert (label_of(states[WORDS]) == wanted).mean() > 0.95
    assert (label_of(states[VOICE]) == wanted).mean() == pytest.approx(0.3 + 0.7 / 7, abs=0.06)


def test_some_are_neutral_while_another_speaks(task, monkeypatch):
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 0.0))
    monkeypatch.setattr(joint, "SILENT", 1.0)
    states, targets = task._mix(np.ones((700, 3), bool), np.random.default_rng(0))
    wanted = np.where(targets.any(1), targets.argmax(1), 6)
    heard = np.array([label_of(states[name]) for name in MODALITIES])
    speaking = (heard == wanted)[:, wanted < 6]
    assert (speaking.sum(0) == 1).mean() > 0.9, "one of three"
    assert (heard[:, wanted < 6] == 6)[~speaking].mean() > 0.9, "the others are neutral"
    assert speaking.mean(1).min() > 0.25, "each in its turn"


def test_whoever_is_alone_is_not_misled(task, monkeypatch):
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 1.0))
    states, targets = task._mix(np.tile([[True, False, False]], (400, 1)), np.random.default_rng(0))
    wanted = np.where(targets.any(1), targets.argmax(1), 6)
    assert (label_of(states[FACE]) == wanted).mean() > 0.95


def test_it_learns_and_the_trunks_come_back(task):
    recipe = replace(RECIPE, batch=32)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    optimiser = torch.optim.Adam(task.model.parameters(), 1e-3)
    losses = []
    for epoch in range(3):
        for batch in task.batches(epoch, recipe, np.random.default_rng(epoch)):
            loss = task.loss(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert not any(".trunk." in name for name in before)
    task.model.eval()
    with torch.inference_mode():
        figures = task.validate(task.model)
        rows, label = task.pairs(14, seed=2)
        said = task.together(task.model, rows, batch=5)
        alone = task.alone(task.model, VOICE, batch=5)
    assert set(figures) == {"score", FACE, VOICE, WORDS, "face+voice+words"}
    assert sorted(np.bincount(label)) == [2] * 7
    assert torch.allclose(said[VOICE,], alone[rows[:, 1]], atol=1e-5)
    assert present_of((VOICE,), 2).tolist() == [[False, True, False]] * 2
    assert any(".trunk." in name for name in task.whole().state_dict())


def test_trunks_are_taken_over(tmp_path, model):
    donor = create_model("v2em-compact")
    for stage, part, prefix in (
        ("faces", donor.face, ""),
        ("voice", donor.voice.network, ""),
        ("words", donor.words, "words."),
    ):
        (tmp_path / stage).mkdir()
        state: dict[str, Tensor] = {prefix + name: value for name, value in part.state_dict().items()}
        torch.save(state | {"fine.weight": torch.zeros(1)}, tmp_path / stage / "best.pt")
    fresh = create_model("emotion-queries-compact")
    assert isinstance(fresh, EmotionQueries)
    take_over(fresh, tmp_path)
    face, voice, words = parts_of(fresh)
    theirs = donor.face.trunk, donor.voice.network.trunk, donor.words.encoder
    pairs = zip((face.trunk, voice.trunk, words.encoder), theirs, strict=True)
    for mine, given in pairs:
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), given.parameters(), strict=True))
