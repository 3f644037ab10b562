"""The training loop: killed and resumed equals unbroken, the best epoch is kept; what each modality's part does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import Moment, Reaper, ends_by_kill
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.threads import one_thread
from fv2es.training import loop
from fv2es.training.loop import Averaged, Recipe, fit, one_cycle

RECIPE = Recipe(epochs=4, batch=16, lr=0.02, average=0.9, bfloat16=False)


class Stop(BaseException):
    """A kill at any moment: nothing in the loop may catch it."""


class Blobs:
    """Four clouds of points to be told apart by a network with dropout and batch normalisation."""

    steps = 5

    def __init__(self, kill_at: tuple[int, int] | None = None) -> None:
        torch.manual_seed(7)
        self.model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
        self.kill_at = kill_at
        self.validated: list[dict[str, Tensor]] = []

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(self.steps):
            if (epoch, step) == self.kill_at:
                raise Stop
            label = rng.integers(0, 4, recipe.batch)
            points = np.stack([label // 2, label % 2], 1) * 2 - 1 + 0.3 * rng.standard_normal((recipe.batch, 2))
            yield torch.from_numpy(points).float(), torch.from_numpy(label)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        points, label = batch
        return F.cross_entropy(self.model(points), label)

    def validate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training
        self.validated.append({name: value.clone() for name, value in model.state_dict().items()})
        points, label = next(self.batches(-1, replace(RECIPE, batch=400), np.random.default_rng(99)))
        accuracy = float((model(points).argmax(1) == label).float().mean())
        return {"score": accuracy, "accuracy": accuracy}


class Scripted(Blobs):
    """Its scores are given beforehand."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = iter(scores)

    def validate(self, model: nn.Module) -> dict[str, float]:
        return super().validate(model) | {"score": next(self.scores)}


def log_of(folder) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_it_learns(tmp_path):
    fit(task := Blobs(), RECIPE, tmp_path)
    log = log_of(tmp_path)
    assert [line["epoch"] for line in log] == [0, 1, 2, 3]
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["accuracy"] > 0.9 > 0.25
    assert len(task.validated) == 4


@pytest.mark.parametrize("kill_at", [(0, 3), (2, 0), (3, 4)])
def test_killed_and_resumed_equals_unbroken(tmp_path, kill_at):
    unbroken = fit(whole := Blobs(), RECIPE, tmp_path / "unbroken")
    with pytest.raises(Stop):
        fit(Blobs(kill_at), RECIPE, tmp_path / "broken")
    resumed = fit(again := Blobs(), RECIPE, tmp_path / "broken")
    assert_same(unbroken, resumed)
    assert_same(whole.model.state_dict(), again.model.state_dict())
    assert log_of(tmp_path / "unbroken") == log_of(tmp_path / "broken")
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("unbroken", "broken")]
    assert_same(states[0]["averaged"], states[1]["averaged"])
    assert not list(tmp_path.rglob("*.partial"))


def test_no_two_epochs_draw_the_same(tmp_path):
    class Watched(Blobs):
        def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            seen.append((float(batch[0].sum()), float(torch.rand(()))))
            return super().loss(batch)

    seen: list[tuple[float, float]] = []
    fit(Watched(), RECIPE, tmp_path / "one")
    assert all(len(set(column)) == 20 for column in zip(*seen, strict=True))
    before = seen.copy()
    fit(Watched(), RECIPE, tmp_path / "same")
    assert seen[20:] == before
    fit(Watched(), replace(RECIPE, seed=1), tmp_path / "other")
    assert not set(seen[40:]) & set(before)


def test_a_finished_run_gives_its_best_again_without_training(tmp_path):
    best = fit(Blobs(), RECIPE, tmp_path)
    assert_same(fit(Blobs(kill_at=(4, 0)), RECIPE, tmp_path), best)
    assert len(log_of(tmp_path)) == 4


def test_the_best_epoch_is_kept(tmp_path):
    best = fit(task := Scripted([0.2, 0.7, 0.7, 0.5]), RECIPE, tmp_path)
    assert_same(best, task.validated[1])  # of two alike, the first
    assert [line["best"] for line in log_of(tmp_path)] == [0.2, 0.7, 0.7, 0.7]


def test_the_last_epoch_is_kept_if_the_recipe_says_so(tmp_path):
    task = Scripted([0.2, 0.9, 0.5, 0.3])
    kept = fit(task, replace(RECIPE, keep="last"), tmp_path)
    assert_same(kept, task.validated[3])
    with pytest.raises(ValueError, match="Unknown keep 'first'; known: best, last"):
        replace(RECIPE, keep="first")


def test_the_best_before_a_kill_stays_the_best(tmp_path):
    first = Scripted([0.9, 0.1])
    first.kill_at = (2, 1)
    with pytest.raises(Stop):
        fit(first, RECIPE, tmp_path)
    assert_same(fit(Scripted([0.8, 0.85]), RECIPE, tmp_path), first.validated[0])


def test_the_averaged_weights_are_validated_and_the_own_come_back(tmp_path):
    fit(task := Blobs(), RECIPE, tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert_same(task.validated[-1], state["averaged"])
    assert_same(task.model.state_dict(), state["model"])
    assert not torch.equal(state["model"]["0.weight"], state["averaged"]["0.weight"])


def test_a_run_of_another_recipe_is_not_gone_on_with(tmp_path):
    fit(Blobs(), replace(RECIPE, epochs=1), tmp_path)
    with pytest.raises(ValueError, match="holds a run of another recipe"):
        fit(Blobs(), replace(RECIPE, epochs=1, lr=0.5), tmp_path)


def test_only_matrices_decay(tmp_path, monkeypatch):
    made = []
    adamw = torch.optim.AdamW
    monkeypatch.setattr(loop.torch.optim, "AdamW", lambda groups, **more: made.append(groups) or adamw(groups, **more))
    fit(Blobs(), replace(RECIPE, epochs=1), tmp_path)
    decayed, plain = made[0]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (RECIPE.weight_decay, 0.0)
    assert [p.dim() for p in decayed["params"]] == [2, 2]
    assert [p.dim() for p in plain["params"]] == [1, 1, 1, 1]


def test_each_part_learns_at_its_own_rate(tmp_path):
    """The longest beginning of a name that fits decides."""
    recipe = replace(RECIPE, epochs=1, optimiser="adam", schedule="constant", rates=(("0.", 10.0), ("0.b", 0.5)))
    optimiser, rates = loop._optimiser(model := Blobs().model, recipe)
    rate = {id(p): one for group, one in zip(optimiser.param_groups, rates, strict=True) for p in group["params"]}
    assert {name: rate[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 10.0, "0.bias": 0.5, "1.weight": 1.0, "1.bias": 1.0, "4.weight": 1.0, "4.bias": 1.0,
    }  # fmt: skip
    assert type(optimiser) is torch.optim.Adam
    fit(Blobs(), recipe, tmp_path)
    groups = torch.load(tmp_path / "state.pt", weights_only=True)["optimiser"]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([RECIPE.lr * one for one in rates])
    with pytest.raises(ValueError, match="learning rate for 'words', and no parameter's name begins so"):
        fit(Blobs(), replace(recipe, rates=(("words", 2.0),)), tmp_path / "other")


def test_training_ends_when_nothing_gets_better(tmp_path):
    patient = replace(RECIPE, epochs=9, patience=2)
    best = fit(task := Scripted([0.2, 0.7, 0.1, 0.7, 0.9]), patient, tmp_path)
    assert_same(best, task.validated[1])
    assert [line["score"] for line in log_of(tmp_path)] == [0.2, 0.7, 0.1, 0.7]
    assert_same(fit(Scripted([]), patient, tmp_path), best)  # and it stays ended


def test_the_log_is_that_of_the_state(tmp_path):
    """A kill between the state and the log loses no line, and a log that ran ahead or was damaged is put right."""
    reported: list[list[dict]] = []
    fit(Blobs(), RECIPE, tmp_path, lambda history: reported.append(list(history)))
    whole = (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    assert [len(one) for one in reported] == [1, 2, 3, 4]
    (tmp_path / "log.jsonl").write_text("".join(whole.splitlines(keepends=True)[:3]), encoding="utf-8")
    fit(Blobs(), RECIPE, tmp_path, lambda history: reported.append(list(history)))
    assert (tmp_path / "log.jsonl").read_text(encoding="utf-8") == whole
    assert reported[4:] == [reported[3]]


def test_a_state_of_an_earlier_version_is_gone_on_with(tmp_path):
    """It knows fewer fields of the recipe and no history."""
    unbroken = fit(Blobs(), RECIPE, tmp_path / "unbroken")
    with pytest.raises(Stop):
        fit(Blobs((2, 1)), RECIPE, tmp_path / "broken")
    path = tmp_path / "broken" / "state.pt"
    state = torch.load(path, weights_only=True)
    del state["history"]
    known = ("epochs", "batch", "lr", "weight_decay", "warm", "average", "clip", "bfloat16", "seed")
    state["recipe"] = {name: state["recipe"][name] for name in known}
    torch.save(state, path)
    with pytest.raises(ValueError, match="another recipe"):
        fit(Blobs(), replace(RECIPE, patience=3), tmp_path / "broken")
    assert_same(fit(Blobs(), RECIPE, tmp_path / "broken"), unbroken)
    assert log_of(tmp_path / "broken") == log_of(tmp_path / "unbroken")


def test_unknown_names_in_a_recipe():
    with pytest.raises(ValueError, match="Unknown optimiser 'lion'; known: adamw, adam"):
        replace(RECIPE, optimiser="lion")
    with pytest.raises(ValueError, match="Unknown schedule 'staircase'; known: one_cycle, cosine, constant"):
        replace(RECIPE, schedule="staircase")


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"no number in epoch 0 \(nan\): a lower lr may help"):
        fit(Blobs(), replace(RECIPE, lr=1e30), tmp_path)


def test_schedules():
    def shares(schedule: str) -> list[float]:
        return [loop.share_of_rate(step, 100, replace(RECIPE, schedule=schedule)) for step in range(101)]

    assert set(shares("constant")) == {1.0}
    cosine = shares("cosine")
    assert cosine == sorted(cosine, reverse=True)
    assert (cosine[0], cosine[50]) == (1.0, pytest.approx(0.5))
    assert cosine[100] == pytest.approx(0, abs=1e-9)
    assert shares("one_cycle") == [one_cycle(step, 100, RECIPE.warm) for step in range(101)]


# Killed


def train_until_killed(folder: Path, moment: Moment) -> None:
    reaper = Reaper(moment)
    reaper.watch_files()

    class Watched(Blobs):
        def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            reaper.reach("batch")
            return super().loss(batch)

    fit(Watched(), RECIPE, folder)


MOMENTS = [
    ("batch", 3), ("batch", 11), ("before best.pt", 1), ("after best.pt", 2),
    ("before state.pt", 3), ("after state.pt", 1), ("after state.pt", 4), ("before log.jsonl", 2),
]  # fmt: skip


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_nothing(tmp_path):
    with one_thread():  # as the killed processes have: sums of two threads differ in their last bits
        wanted = fit(Blobs(), RECIPE, tmp_path / "unbroken")
    for number, moment in enumerate(MOMENTS):
        folder = tmp_path / str(number)
        assert ends_by_kill(train_until_killed, folder, moment), moment
        with one_thread():
            assert_same(fit(Blobs(), RECIPE, folder), wanted)
        assert log_of(folder) == log_of(tmp_path / "unbroken"), moment
        assert not list(folder.glob("*.partial"))


def test_one_cycle_rises_then_falls_to_nothing():
    shares = [one_cycle(step, 100, 0.1) for step in range(101)]
    assert shares[9] == 1.0 == max(shares)
    assert shares[0] == pytest.approx(0.1)
    assert all(a < b for a, b in pairwise(shares[:10]))
    assert all(a >= b for a, b in pairwise(shares[9:]))
    assert shares[55] == pytest.approx(0.5)
    assert shares[100] == pytest.approx(0, abs=1e-9)
    assert 0 < one_cycle(0, 1, 0.0) <= 1


def test_averaging():
    """The first steps count more, then the decay holds; integers are copied; the model is not touched."""
    model = nn.BatchNorm1d(1)
    averaged = Averaged(model, 0.5)
    model.weight.data.fill_(3.0)
    model.num_batches_tracked += 7
    averaged.update(model, step=0)  # decay 1 / 10
    assert averaged.state["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 3)
    assert averaged.state["num_batches_tracked"].item() == 7
    averaged.update(model, step=1000)  # decay 0.5
    assert averaged.state["weight"].item() == pytest.approx(0.5 * 2.8 + 0.5 * 3)
    assert model.weight.item() == 3.0


# Faces


def test_face_augmentation_keeps_shape_and_stays_near_the_range():
    from fv2es.training.faces import augment

    pixels = torch.rand(64, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 255
    torch.manual_seed(0)
    kept = pixels.clone()
    got = augment(pixels, 36)
    assert got.shape == (64, 1, 36, 36)
    assert torch.equal(pixels, kept), "the data set is not written to"
    assert got.min() > -60
    assert got.max() < 255 + 60, "noise of at most ten levels is all that goes beyond"
    assert got.mean() == pytest.approx(128, abs=12)
    torch.manual_seed(0)
    assert torch.equal(augment(pixels, 36), got)
    assert not torch.equal(augment(pixels, 36), got)


def test_faces_are_mirrored_about_half_the_time():
    from fv2es.training.faces import augment

    torch.manual_seed(0)
    pixels = torch.zeros(400, 1, 48, 48)
    pixels[..., :24] = 200.0  # the left half is bright
    got = augment(pixels, 48)
    left = (got[..., :18].mean((1, 2, 3)) > got[..., 30:].mean((1, 2, 3))).float().mean()
    assert 0.4 < left < 0.6


def test_neutral_is_the_last_and_zero():
    from fv2es.training.faces import with_neutral

    logits = torch.randn(3, 6)
    assert torch.equal(with_neutral(logits), torch.cat([logits, torch.zeros(3, 1)], 1))


# Voice


def test_voice_augmentation_grows_with_its_strength():
    from fv2es.training.voice import augment

    mel = np.random.default_rng(0).exponential(1, (128, 120)).astype(np.float32)
    lengths = {strength: [augment(mel, strength, np.random.default_rng(n)).shape[1] for n in range(30)]
               for strength in (0.0, 0.2, 1.0)}  # fmt: skip
    assert set(lengths[0.0]) == {120}, "no strength, no change of speed"
    assert np.ptp(lengths[1.0]) > np.ptp(lengths[0.2]) > 0
    for seed in range(10):
        got = augment(mel, 1.0, np.random.default_rng(seed))
        assert got.shape[0] == 128
        assert got.dtype == np.float32
        assert np.isfinite(got).all()
        assert (got >= 0).all(), "power stays power"


def test_hidden_bands_and_columns_go_through_all_pieces():
    from fv2es.training.voice import hide

    cut = np.ones((3, 4, 32, 32), np.float32)
    for seed in range(20):
        got = hide(cut, 1.0, np.random.default_rng(seed))
        picture = got.reshape(3, 128, 32).transpose(1, 0, 2).reshape(128, 96)
        bands, columns = (picture == 0).all(1), (picture == 0).all(0)
        assert bands.sum() <= 16
        assert columns.sum() <= 16
        np.testing.assert_array_equal(picture == 0, bands[:, None] | columns)
    assert cut.all(), "the original is not written to"
    np.testing.assert_array_equal(hide(cut, 0.0, np.random.default_rng(0)), cut)


def test_an_echo_only_adds_and_dies_away():
    from fv2es.training.voice import _echo

    mel = np.zeros((128, 60), np.float32)
    mel[:, 5] = 1.0
    got = _echo(mel, 0.5, 0.3)
    assert not got[:, :5].any()
    np.testing.assert_array_equal(got[:, 5], mel[:, 5])
    assert (np.diff(got[0, 6:]) < 0).all()


def test_macro_recall_counts_every_label_alike():
    from fv2es.training.voice import macro_recall

    labels, guess = np.array([0, 0, 0, 0, 3]), np.array([0, 0, 0, 1, 5])
    assert macro_recall(guess, labels) == pytest.approx((0.75 + 0.0) / 2)


# The command


def test_only_models_of_separate_modalities_are_trained_so(tmp_path):
    from fv2es.training.main import main

    with pytest.raises(ValueError, match="lf-lstm cannot be trained modality by modality"):
        main(["faces", "--model", "lf-lstm", "--run", str(tmp_path / "run"), "--data", str(tmp_path)])


# Words


def test_stack_pads_with_zeros():
    from fv2es.training.words import stack

    ids, mask = stack([[1, 5], [1, 6, 7], [1]])
    assert ids.tolist() == [[1, 5, 0], [1, 6, 7], [1, 0, 0]]
    assert mask.tolist() == [[True, True, False], [True, True, True], [True, False, False]]


def test_batches_of_like_length_lose_no_sentence():
    from fv2es.training.words import like_length

    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 100, 1000)
    rows = rng.permutation(1000)[:640]
    groups = list(like_length(rows, lengths, 16, 40, rng))
    assert sorted(np.concatenate(groups)) == sorted(rows)
    assert all(len(group) == 16 for group in groups)
    spread = np.mean([np.ptp(lengths[group]) for group in groups])
    assert spread < 10 < np.ptp(lengths[rows[:16]])
    firsts = [lengths[group].mean() for group in groups]
    assert firsts != sorted(firsts), "short ones do not come first"
    assert len(list(like_length(rows, lengths, 16, 7, rng))) == 7


def test_thresholds_shared_by_two_corpora():
    from fv2es.training.words import f1, shared_thresholds

    rng = np.random.default_rng(0)
    parts = []
    for size in (2000, 300):
        truth = rng.random((size, 6)) < 0.2
        parts.append((rng.normal(np.where(truth, 1.5, -1.5), 1.0), truth))
    chosen = shared_thresholds(parts)
    mean = np.mean([f1(z >= chosen, y) for z, y in parts], axis=0)
    best = np.max([np.mean([f1(z >= t, y) for z, y in parts], axis=0) for t in np.linspace(-4, 3, 141)], axis=0)
    assert (mean >= best - 0.03).all()
    assert (np.abs(chosen) < 1.5).all()


def test_f1_of_nothing_is_zero():
    from fv2es.training.words import f1

    truth = np.array([[1, 0, 0], [1, 0, 1]], bool)
    guess = np.array([[1, 0, 1], [0, 0, 1]], bool)
    np.testing.assert_allclose(f1(guess, truth), [2 / 3, 0, 2 / 3])


# Pretraining of the text encoder


def test_hidden_words_are_those_to_be_guessed():
    from fv2es.models.tokenizer import MASK, SPECIAL
    from fv2es.training.pretraining import hide

    torch.manual_seed(0)
    tokens = torch.randint(len(SPECIAL), 500, (200, 50))
    tokens[:, 0] = 1
    mask = torch.arange(50) < torch.randint(2, 51, (200, 1))
    shown, chosen = hide(tokens, mask, 500)
    assert torch.equal(shown[~chosen], tokens[~chosen])
    assert not (chosen & ~mask).any()
    assert not chosen[:, 0].any()
    assert chosen.sum() / (mask.sum() - 200) == pytest.approx(0.15, abs=0.02)
    hidden, changed = shown[chosen] == MASK, shown[chosen] != tokens[chosen]
    assert hidden.float().mean() == pytest.approx(0.8, abs=0.04)
    assert (changed & ~hidden).float().mean() == pytest.approx(0.1, abs=0.03)
    shown, chosen = hide(torch.tensor([[1, 9]]), torch.ones(1, 2, dtype=torch.bool), 500)
    assert chosen.tolist() == [[False, True]], "there is always something to guess"


def test_pretraining_learns_and_hands_its_encoder_on(tmp_path):
    from fv2es.models.blocks.albert import Albert, AlbertConfig
    from fv2es.training.pretraining import MaskedWords, hide, load_encoder

    config = AlbertConfig(
        vocabulary=20, positions=8, embedding=16, width=16, heads=2, feed_forward=32, passes=1, pooler=False
    )

    class Counting(Blobs):
        """Sentences that count: each number tells its neighbours."""

        def __init__(self) -> None:
            super().__init__()
            self.model = MaskedWords(Albert(config))

        def batches(self, epoch, recipe, rng):
            for _ in range(100):
                tokens = torch.from_numpy(rng.integers(4, 14, (recipe.batch, 1)) + np.arange(6))
                tokens[:, 0] = 1
                mask = torch.ones_like(tokens, dtype=torch.bool)
                shown, chosen = hide(tokens, mask, 20)
                yield shown, mask, chosen, tokens[chosen]

        def loss(self, batch):
            shown, mask, chosen, wanted = batch
            return F.cross_entropy(self.model(shown, mask, chosen), wanted)

        def validate(self, model):
            torch.manual_seed(0)
            shown, mask, chosen, wanted = next(self.batches(0, replace(RECIPE, batch=300), np.random.default_rng(5)))
            accuracy = float((model(shown, mask, chosen).argmax(1) == wanted).float().mean())
            return {"score": accuracy}

    best = fit(Counting(), replace(RECIPE, lr=0.01, batch=32), tmp_path)
    assert log_of(tmp_path)[-1]["score"] > 0.5 > 1 / 16
    load_encoder(encoder := Albert(config), tmp_path)
    assert_same(encoder.state_dict(), {k.removeprefix("encoder."): v for k, v in best.items() if "encoder." in k})
