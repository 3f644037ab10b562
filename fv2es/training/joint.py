"""Emotion queries on trunks that learnt alone: fusion and decoder learn from pseudo-utterances.

There is no corpus with face, voice and words labelled together. A pseudo-utterance is made of training faces of one
emotion, a clip and a sentence, each from its own corpus; some of the three are left out at random, so that every subset
is learnt. The trunks know what they were trained on better than they will know anything else, and a fusion that saw
them there would trust them too much; therefore, where several modalities are present, each belongs to any emotion
at random about as often as its trunk is wrong on people it has not seen (`MISLED`), and is now and then neutral while
another expresses something (`SILENT`).

The trunks stay as they are, so what they make of every face, clip and sentence (their states, of several augmented
views) is computed once and stands in for them while the rest is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data.ferplus import one_hot
from fv2es.emotions import MOSEI
from fv2es.models.emotion_queries import EmotionQueries
from fv2es.models.inputs import Batch
from fv2es.models.tokenizer import SubwordTokenizer
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training.calibration import Scored, best_f1, pseudo_utterances
from fv2es.training.loop import Recipe
from fv2es.training.states import Look, parts_of
from fv2es.training.voice import trained
from fv2es.training.words import MASKED, f1

RECIPE = Recipe(epochs=15, batch=64, lr=5e-4, weight_decay=0.05, warm=0.1, average=0.998)
STEPS = 300  # an epoch
TRUNKS = "v2em-compact"  # the model whose trained trunks are taken
MISLED = {FACE: 0.15, VOICE: 0.35, WORDS: 0.35}
SILENT = 0.3
MOST_FACES, FEWEST_PIECES = 5, 2  # of an utterance
VALIDATION = 1400  # pseudo-utterances of validation rows an epoch
SUBSETS = tuple(s for size in (1, 2, 3) for s in itertools.combinations(MODALITIES, size))
ODDS = {1: 0.1, 2: 0.1, 3: 0.4}  # of each subset, by its size

Trunks = tuple[nn.Module, nn.Module, nn.Module]


class Given(nn.Module):
    """Stands where a trunk was: the states come ready made."""

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        return states


class JointTask:
    """See `training.loop.Task`. trunks: the folder of the runs that trained the trunks; train: False = the validation
    parts alone are read."""

    def __init__(
        self,
        model: EmotionQueries,
        data: Path,
        cache: Path,
        trunks: Path,
        recipe: Recipe = RECIPE,
        train: bool = True,
        plain: Path | None = None,
    ) -> None:
        self.trunks = take_over(model, trunks, plain is not None)
        self.steps = STEPS
        self.model = model
        look = Look(model, SubwordTokenizer(cache / model.inputs.tokenizer))
        self.train = look.read(data, cache, "train", recipe.seed, plain) if train else {}
        self.valid = look.read(data, cache, "valid", plain=plain)
        put(model, (Given(), Given(), Given()))

    def whole(self) -> EmotionQueries:
        """The model with its trunks put back."""
        put(self.model, self.trunks)
        return self.model

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Batch, Tensor]]:
        odds = np.array([ODDS[len(subset)] for subset in SUBSETS])
        present = np.array([[name in subset for name in MODALITIES] for subset in SUBSETS])
        for _ in range(self.steps):
            states, targets = self._mix(present[rng.choice(len(SUBSETS), recipe.batch, p=odds)], rng)
            batch = assemble(states)
            dropped = torch.from_numpy(rng.random(batch.token_mask.shape) < MASKED)
            dropped[:, 0] = False
            yield replace(batch, token_mask=batch.token_mask & ~dropped), torch.from_numpy(targets)

    def _mix(self, there: np.ndarray, rng: np.random.Generator) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
        """Modalities (B, 3) bool → the states of pseudo-utterances, and what is to be said of them (B, E)."""
        count = len(there)
        label = rng.integers(len(MOSEI) + 1, size=count)
        states: dict[str, list[np.ndarray]] = {}
        quiet = (rng.random(there.shape) < SILENT) & there
        speaker = np.where(there, rng.random(there.shape), -1).argmax(1)
        quiet[np.arange(count), speaker] = False
        total, voters = np.zeros((count, len(MOSEI)), np.float32), np.zeros((count, 1), np.float32)
        for name, column, hushed in zip(MODALITIES, there.T, quiet.T, strict=True):
            corpus = self.train[name]
            misled = (rng.random(count) < MISLED[name]) & (there.sum(1) > 1)
            own = np.where(misled, rng.integers(len(MOSEI) + 1, size=count), label)
            own = np.where(hushed, len(MOSEI), own)
            rows = corpus.draw(own, rng)
            votes = column & ~misled & ~hushed
            total[votes] += corpus.targets[rows[votes]]
            voters[votes] += 1
            seen = [corpus.views[rng.integers(len(corpus.views))][row] for row in rows]
            if name == FACE:
                seen = self._more_faces(seen, own, rng)
            if name == VOICE:
                seen = [_some(one, rng) for one in seen]
            states[name] = [one if on else one[:0] for one, on in zip(seen, column, strict=True)]
        plain = np.eye(len(MOSEI) + 1, dtype=np.float32)[label, :-1]
        return states, np.where(voters > 0, total / np.maximum(voters, 1), plain)

    def _more_faces(self, seen: list[np.ndarray], label: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        corpus, more = self.train[FACE], rng.integers(MOST_FACES, size=len(seen))
        others = np.split(corpus.draw(np.repeat(label, more), rng), np.cumsum(more)[:-1])
        view = corpus.views[rng.integers(len(corpus.views))]
        return [np.concatenate([one, *(view[row] for row in rows)]) for one, rows in zip(seen, others, strict=True)]

    def loss(self, batch: tuple[Batch, Tensor]) -> Tensor:
        """BCE with the positives weighted by negatives / positives, of which there are six to one (Le et al., §III)."""
        inputs, targets = batch
        heard = self.model.sequence(inputs)
        logits = self.model.answer(heard, torch.arange(len(inputs)), inputs.present)
        weight = torch.full((len(MOSEI),), float(len(MOSEI)))
        return F.binary_cross_entropy_with_logits(logits.float(), targets, pos_weight=weight)

    def alone(self, model: EmotionQueries, name: str, batch: int = 256) -> Tensor:
        """(N, E) raw logits of all validation items of a modality, each with nothing else."""
        view = self.valid[name].views[0]
        out = []
        count = len(self.valid[name].label)
        for some in np.array_split(np.arange(count), -(-count // batch)):
            seen = {other: [view[row] if other == name else view[row][:0] for row in some] for other in MODALITIES}
            out.append(model.raw(name, assemble(seen)))
        return torch.cat(out)

    def together(self, model: EmotionQueries, rows: np.ndarray, batch: int = 256) -> dict[tuple[str, ...], Tensor]:
        """Subset of the modalities → raw logits (N, E) of pseudo-utterances of validation items (N, 3)."""
        out: dict[tuple[str, ...], list[Tensor]] = {subset: [] for subset in SUBSETS}
        for some in np.array_split(rows, -(-len(rows) // batch)):
            views = {name: self.valid[name].views[0] for name in MODALITIES}
            columns = zip(MODALITIES, some.T, strict=True)
            heard = model.sequence(assemble({name: [views[name][row] for row in column] for name, column in columns}))
            for subset, parts in out.items():
                parts.append(model.answer(heard, torch.arange(len(some)), present_of(subset, len(some))))
        return {subset: torch.cat(parts) for subset, parts in out.items()}

    def pairs(self, count: int, seed: int, silent: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(count, 3) validation items of like label, and (count,) the label; as `calibration.pseudo_utterances`."""
        items = {
            name: Scored(np.arange(len(one.label))[:, None].astype(float), one_hot(one.label), one.chance)
            for name, one in self.valid.items()
        }
        rows, label = pseudo_utterances(items, count, seed, silent)
        return rows[..., 0].astype(int), label

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Macro-F1 at each emotion's best threshold: of the three together, and of each alone on the same items."""
        assert isinstance(model, EmotionQueries)
        rows, label = self.pairs(VALIDATION, seed=0)
        truth = label[:, None] == np.arange(len(MOSEI))
        said = self.together(model, rows)
        figures = {}
        for subset in (*((name,) for name in MODALITIES), MODALITIES):
            scored = Scored(said[subset].double().numpy(), truth, np.full(len(truth), 1 / len(truth)))
            figures["+".join(subset)] = float(f1(scored.logits >= best_f1(scored), truth).mean())
        return {"score": float(np.mean(list(figures.values()))), **figures}


def _some(pieces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A run of them, at least `FEWEST_PIECES` if there are."""
    kept = int(rng.integers(min(FEWEST_PIECES, len(pieces)), len(pieces) + 1))
    first = int(rng.integers(len(pieces) - kept + 1))
    return pieces[first : first + kept]


def present_of(subset: Sequence[str], count: int) -> Tensor:
    """(count, 3) bool, alike in all rows."""
    return torch.tensor([name in subset for name in MODALITIES]).expand(count, -1)


def assemble(states: Mapping[str, Sequence[np.ndarray]]) -> Batch:
    """Each utterance's states (L, C) by modality, none = missing → the batch, as trunks would have to hand them on."""

    def maps(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate(states[name])).float()[..., None, None]

    lengths = torch.tensor([len(one) for one in states[WORDS]])
    mask = torch.arange(max(1, int(lengths.max()))) < lengths[:, None]
    tokens = torch.zeros(*mask.shape, states[WORDS][0].shape[1])
    tokens[mask] = torch.from_numpy(np.concatenate(states[WORDS])).float()
    return Batch(
        faces=maps(FACE),
        face_counts=torch.tensor([len(one) for one in states[FACE]]),
        pieces=maps(VOICE),
        piece_counts=torch.tensor([len(one) for one in states[VOICE]]),
        tokens=tokens,
        token_mask=mask,
    )


def trunks_of(model: EmotionQueries) -> Trunks:
    """The two trunks and the text encoder."""
    face, voice, words = parts_of(model)
    return face.trunk, voice.trunk, words.encoder


def put(model: EmotionQueries, trunks: Trunks) -> None:
    """Put others in their places."""
    for part, name, trunk in zip(parts_of(model), ("trunk", "trunk", "encoder"), trunks, strict=True):
        setattr(part, name, trunk)


def take_over(model: EmotionQueries, runs: Path, plain: bool = False) -> Trunks:
    """Give the model's trunks and text encoder the best weights of the runs in a folder; returns them.

    plain: of the voice those that learnt on with plain speech.
    """
    trunks = trunks_of(model)
    places = (("faces", "trunk."), ("voice", "trunk."), ("words", "words.encoder."))
    for trunk, (stage, prefix) in zip(trunks, places, strict=True):
        best = trained(runs, plain) if stage == "voice" else torch.load(runs / stage / "best.pt", weights_only=True)
        trunk.load_state_dict({k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)})
    return trunks
