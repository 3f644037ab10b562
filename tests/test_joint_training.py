"""Fusion learnt on ready-made states: they are what the networks say, and a pseudo-utterance is what it claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fv2es.data import ferplus, speech
from fv2es.data.texts import Sentence
from fv2es.models.compact_queries import CompactQueries, Perceived
from fv2es.models.emotion_queries import ordered
from fv2es.models.inputs import Batch, face_batch, piece_array
from fv2es.models.registry import create_model
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training import checkpoint, joint
from fv2es.training.calibration import Calibrated, fit_answers, one_lost
from fv2es.training.joint import RECIPE, TOGETHER, JointTask, assemble, present_of
from fv2es.training.states import VIEWS, Corpus, Look, View
from fv2es.training.wear import worn_sentences

WIDTHS = {FACE: 320, VOICE: 128, WORDS: 256}
PER_LABEL = 4


class ByLetter:
    """A token for each letter."""

    def encode(self, text: str, length: int) -> list[int]:
        return [1, *(ord(letter) % 100 + 4 for letter in text)][:length]


@pytest.fixture(scope="module")
def model() -> CompactQueries:
    torch.manual_seed(3)
    made = create_model("emotion-queries-compact")
    assert isinstance(made, CompactQueries)
    return made.eval()


def corpus(name: str, rng: np.random.Generator) -> Corpus:
    """Four items a label; the label's own number of the states is 3 higher, and its answer, if it is an emotion."""
    label = np.repeat(np.arange(7), PER_LABEL)
    lengths = np.ones(len(label), int) if name == FACE else rng.integers(2, 6, len(label))
    values = rng.standard_normal((lengths.sum(), WIDTHS[name])).astype(np.float16)
    values[np.arange(len(values)), np.repeat(label, lengths)] += 3
    targets = np.eye(7, dtype=np.float32)[label, :-1]
    logits = rng.standard_normal((len(label), 6)).astype(np.float32) + 3 * targets - 1
    view = View(values, np.cumsum([0, *lengths]), logits)
    return Corpus((view,), targets, label, np.full(len(label), name), np.ones(len(label)))


@pytest.fixture
def task() -> JointTask:
    rng = np.random.default_rng(1)
    made = object.__new__(JointTask)
    torch.manual_seed(3)
    made.teacher = create_model("v2em-compact")
    made.model, made.steps = CompactQueries.over(made.teacher).fusion, 3
    made.train = {name: corpus(name, rng) for name in MODALITIES}
    made.valid = {name: corpus(name, rng) for name in MODALITIES}
    return made


def test_states_and_answers_are_the_networks_own(model):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (2, 48, 48), dtype=np.uint8)
    faces = ferplus.Faces(pixels, np.eye(7, dtype=np.float32)[[0, 3]], np.array([0, 3]), np.array([True, True]))
    clips = [speech.Clip(rng.gamma(1.0, size=(128, n)).astype(np.float32), 1, "emodb-1") for n in (70, 40)]
    # The longer first, so that what is read in order of length comes back in its own.
    sentences = [Sentence("so glad", ("happy",), (), "meld"), Sentence("what", (), (), "meld")]
    look = Look(model, ByLetter())
    with torch.inference_mode():
        made = {FACE: look.faces(faces, None), VOICE: look.voice(clips, None), WORDS: look.words(sentences)}
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
        perceived = {name: assemble(one.views[0], [[0], [1]]) for name, one in made.items()}
        everybody = present_of(MODALITIES, 2)
        fused = model.fusion(model.fusion.sequence(perceived, everybody))
        alone = model.calibrated({name: one.logits for name, one in perceived.items()}, everybody)
    torch.testing.assert_close(fused, plain.logits, atol=5e-3, rtol=5e-3)  # states are kept in half precision
    torch.testing.assert_close(alone, plain.modalities, atol=1e-5, rtol=1e-5)
    assert made[WORDS].label.tolist() == [3, 6], "happy, neutral"


def test_items_are_seen_in_several_views(model):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 48, 48), dtype=np.uint8)
    faces = ferplus.Faces(pixels, np.eye(7, dtype=np.float32)[:3], np.arange(3), np.ones(3, bool))
    clips = [speech.Clip(rng.gamma(1.0, size=(128, 200)).astype(np.float32), 1, "plain-1")]
    sentences = [Sentence(f"Is this what you wanted, number {n}?", (), (), "meld") for n in range(20)]
    look = Look(model, ByLetter())
    with torch.inference_mode():
        seen = {FACE: look.faces(faces, 1), VOICE: look.voice(clips, 1), WORDS: look.words(sentences)}
        again = {FACE: look.faces(faces, 1), VOICE: look.voice(clips, 1), WORDS: look.words(sentences)}
    for name, one in seen.items():
        assert len(one.views) == VIEWS[name]
        first, *others = one.views
        assert all(np.abs(first.logits - other.logits).max() > 1e-4 for other in others), name
        for view, same in zip(one.views, again[name].views, strict=True):
            assert np.array_equal(view.states, same.states), "by the seed"
    assert len(seen[VOICE].views[0][0]) > len(seen[VOICE].views[1][0]), "every other view is of a part"
    assert worn_sentences(sentences)[0].text.islower(), "heard, not written"


def test_what_is_assembled():
    view = View(np.arange(12, dtype=np.float16).reshape(6, 2), np.array([0, 1, 4, 6]), np.arange(6.0).reshape(3, 2))
    made = assemble(view, [[1], [2, 0]])
    assert made.mask.tolist() == [[True] * 3, [True] * 3]
    assert made.states.tolist() == [[[2, 3], [4, 5], [6, 7]], [[8, 9], [10, 11], [0, 1]]]
    assert made.logits.tolist() == [[2, 3], [2, 3]], "of several items the mean: (4 + 0) / 2, (5 + 1) / 2"
    assert assemble(view, [[0], [1]]).mask.tolist() == [[True, False, False], [True] * 3]
    hidden = assemble(view, [[1]] * 500, np.random.default_rng(0)).mask.float().mean(0)
    assert hidden[0] == 1, "the first stays"
    assert hidden[1:].numpy() == pytest.approx(0.9, abs=0.05)


def test_what_is_not_heard_counts_for_nothing(task):
    """Neither its states nor its answer, nor with the teacher."""
    present = np.array([[name in subset for name in MODALITIES] for subset in TOGETHER])
    (perceived, hears), targets = task._mix(present, np.random.default_rng(0))
    assert torch.equal(hears, torch.from_numpy(present))
    assert targets.shape == (len(TOGETHER), 6)
    row = TOGETHER.index((FACE, WORDS))
    strange = Perceived(*(getattr(perceived[VOICE], part) for part in ("states", "mask")), perceived[VOICE].logits + 9)
    fusion = task.model.eval()
    with torch.inference_mode():
        said, other = (joint._said(fusion, perceived | {VOICE: one}, hears) for one in (perceived[VOICE], strange))
        taught, others = (task._taught(perceived | {VOICE: one}, hears) for one in (perceived[VOICE], strange))
    assert torch.equal(said[row], other[row])
    assert torch.equal(taught[row], others[row])
    assert not torch.equal(said[-1], other[-1])
    assert not torch.equal(taught[-1], others[-1])


def label_of(perceived: Perceived) -> np.ndarray:
    share = perceived.mask[..., None] / perceived.mask.sum(1)[:, None, None]
    return (perceived.states * share).sum(1)[:, :7].argmax(1).numpy()


@pytest.fixture
def labelled(monkeypatch) -> None:
    """Targets are the labels alone."""
    monkeypatch.setattr(joint, "SOFT", 0.0)


def mixed(task: JointTask, there: np.ndarray) -> tuple[dict[str, Perceived], np.ndarray]:
    """What is perceived, and what is wanted: a label, 6 = neutral."""
    (perceived, _), targets = task._mix(there, np.random.default_rng(0))
    return perceived, torch.where(targets.any(1), targets.argmax(1), 6).numpy()


def test_all_show_one_emotion_unless_misled(task, labelled, monkeypatch):
    everything = np.ones((1200, 3), bool)
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 0.0))
    monkeypatch.setattr(joint, "SILENT", 0.0)
    perceived, wanted = mixed(task, everything)
    for name in MODALITIES:
        assert (label_of(perceived[name]) == wanted).mean() > 0.95, name
    monkeypatch.setattr(joint, "MISLED", {FACE: 0.0, VOICE: 0.7, WORDS: 0.0})
    perceived, wanted = mixed(task, everything)
    assert (label_of(perceived[WORDS]) == wanted).mean() > 0.95
    assert (label_of(perceived[VOICE]) == wanted).mean() == pytest.approx(0.3 + 0.7 / 7, abs=0.06)


def test_some_are_neutral_while_another_speaks(task, labelled, monkeypatch):
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 0.0))
    monkeypatch.setattr(joint, "SILENT", 1.0)
    perceived, wanted = mixed(task, np.ones((700, 3), bool))
    heard = np.array([label_of(perceived[name]) for name in MODALITIES])
    speaking = (heard == wanted)[:, wanted < 6]
    assert (speaking.sum(0) == 1).mean() > 0.9, "one of three"
    assert (heard[:, wanted < 6] == 6)[~speaking].mean() > 0.9, "the others are neutral"
    assert speaking.mean(1).min() > 0.25, "each in its turn"


def test_most_of_the_targets_are_what_the_teacher_says(task, monkeypatch):
    present = np.ones((50, 3), bool)
    targets = {}
    for share in (0.0, 0.7, 1.0):
        monkeypatch.setattr(joint, "SOFT", share)
        (perceived, hears), targets[share] = task._mix(present, np.random.default_rng(0))
    torch.testing.assert_close(targets[0.7], 0.3 * targets[0.0] + 0.7 * targets[1.0])
    with torch.inference_mode():
        raw = {name: one.logits for name, one in perceived.items()}
        said = task.teacher.fusion(task.teacher.calibrated(raw, hears), hears)
    torch.testing.assert_close(targets[1.0], said.sigmoid())


def test_several_faces_of_one_label(task, labelled, monkeypatch):
    monkeypatch.setattr(joint, "MISLED", dict.fromkeys(MODALITIES, 0.0))
    monkeypatch.setattr(joint, "SILENT", 0.0)
    perceived, wanted = mixed(task, np.ones((300, 3), bool))
    counts = perceived[FACE].mask.sum(1)
    assert set(counts.tolist()) == set(range(1, joint.MOST_FACES + 1))
    each = perceived[FACE].states[..., :7].argmax(-1)
    assert (each == torch.from_numpy(wanted)[:, None])[perceived[FACE].mask].float().mean() > 0.85


def test_it_learns_and_the_networks_stay(task):
    recipe = replace(RECIPE, batch=32)
    optimiser = torch.optim.Adam(task.model.parameters(), 1e-3)
    networks = {name: value.clone() for name, value in task.teacher.state_dict().items()}
    losses = []
    for epoch in range(4):
        for batch in task.batches(epoch, recipe, np.random.default_rng(epoch)):
            loss = task.loss(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert all(torch.equal(networks[name], value) for name, value in task.teacher.state_dict().items())
    task.model.eval()
    with torch.inference_mode():
        figures = task.validate(task.model)
        rows = np.arange(14)[:, None].repeat(3, 1)
        hears = torch.from_numpy(one_lost(14, 3))
        at_once, in_parts = (task.together(task.model, rows, hears, batch=size) for size in (14, 5))
    assert set(figures) == {"score", "face+voice", "face+words", "voice+words", "face+voice+words"}
    assert torch.allclose(at_once, in_parts, atol=1e-5)


def test_items_are_numbered(task):
    numbered = task.numbered()
    assert list(numbered) == list(MODALITIES)
    for one in numbered.values():
        assert one.logits[:, 0].tolist() == list(range(7 * PER_LABEL))
        assert one.label.tolist() == np.repeat(np.arange(7), PER_LABEL).tolist()


# What a learnt fusion says is brought to the thresholds of the modalities


def test_slope_and_biases_are_found_again():
    rng = np.random.default_rng(0)
    labels = rng.integers(7, size=6000)
    thresholds = np.linspace(-1, 0.5, 6)
    # The best there is: the log-odds, of which the margins are to be log p / p of neutral.
    honest = rng.standard_normal((6000, 6)) + 1.5 * np.eye(7)[labels, :6]
    best = 1.5 * honest - 1.5**2 / 2
    slope, biases = fit_answers((best + thresholds - 0.7) / 2.5, labels, thresholds)
    assert slope == pytest.approx(2.5, rel=0.06)
    assert biases == pytest.approx(np.full(6, 0.7), abs=0.12)


def test_in_half_of_the_rows_one_is_lost():
    there = one_lost(2000, 3)
    assert there.sum(1).min() == 2
    assert (there.sum(1) == 3).mean() == pytest.approx(0.5, abs=0.04)
    assert there.mean(0) == pytest.approx(np.full(3, 5 / 6), abs=0.04)


def test_what_is_fitted_is_what_ships(task, monkeypatch):
    """Slope and biases of all rows go into the weights; figures are of those fitted on the other half."""
    monkeypatch.setattr(checkpoint, "PSEUDO", 140)
    model = CompactQueries.over(task.teacher).eval()
    task.valid = {name: replace(one, views=one.views * 2) for name, one in task.valid.items()}  # not worn
    scored = object.__new__(checkpoint._Joint)
    scored.model, scored.fusion, scored.task = model, model.fusion, task
    calibrated = Calibrated(np.ones((3, 6)), np.zeros((3, 6)), np.zeros(6))
    rows, hears = np.arange(12)[:, None].repeat(3, 1), torch.from_numpy(one_lost(12, 3))
    lines = [scored._fitted(calibrated, half) for half in (0, 1, None)]
    with torch.inference_mode():
        before = task.together(model.fusion, rows, hears)
    figures = scored.figures(calibrated)
    scored.fuse(calibrated)
    with torch.inference_mode():
        after = task.together(model.fusion, rows, hears)
    slope, biases = lines[2]
    torch.testing.assert_close(after, before * slope + torch.from_numpy(biases).float(), atol=1e-4, rtol=1e-4)
    assert lines[0][1].tolist() != lines[1][1].tolist()
    assert set(figures) == {"fusion/pseudo-utterances", "fusion/half-silent"}
    for one in figures.values():
        assert set(one) == {"+".join(subset) for subset in joint.SUBSETS}
        assert one["face"] > 0.4, "its answers are mostly right"


def test_a_rescaled_fusion_says_the_same_at_another_scale(model):
    rng = np.random.default_rng(2)
    perceived = {name: assemble(corpus(name, rng).views[0], [[0], [9]]) for name in MODALITIES}
    hears = present_of((FACE, VOICE), 2)
    fusion = CompactQueries.over(model).fusion.eval()
    with torch.inference_mode():
        before = joint._said(fusion, perceived, hears)
        fusion.rescale(torch.as_tensor(2.0), torch.arange(6.0))
        after = joint._said(fusion, perceived, hears)
    torch.testing.assert_close(after, 2 * before + torch.arange(6.0))
    assert torch.equal(ordered(hears), torch.tensor([[False, True, True]] * 2)), "words, face, voice"
