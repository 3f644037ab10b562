"""Emotion queries over networks that learnt alone: the fusion learns from pseudo-utterances.

There is no corpus with face, voice and words labelled together. A pseudo-utterance is made of training faces of one
emotion, a clip and a sentence, each from its own corpus; some of them lack one of the three, so that every pair is
learnt. The networks know what they were trained on better than they will know anything else, and a fusion that saw
them there would trust them too much; therefore each belongs to any emotion at random about as often as its network is
wrong on people it has not seen (`MISLED`), and is now and then neutral while another expresses something (`SILENT`).

What is true of a pseudo-utterance is one thing to learn, and what can be known of it is another: what Bayes' fusion
makes of the same answers, its thirty numbers fitted where the networks had not learnt (`fit_fusion`). Most of the
targets are what it says (`SOFT`).

The networks stay as they are, so what they make of every face, clip and sentence (states and answers, of several
views) is computed once and stands in for them while the fusion is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data.ferplus import one_hot
from fv2es.emotions import MOSEI
from fv2es.models.compact_queries import AnswersFusion, CompactQueries, Perceived
from fv2es.models.emotion_queries import ordered
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.tokenizer import SubwordTokenizer
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training.calibration import Scored, best_f1, pseudo_utterances
from fv2es.training.loop import Recipe
from fv2es.training.states import Corpus, Look, View
from fv2es.training.words import MASKED, f1

RECIPE = Recipe(epochs=15, batch=64, lr=5e-4, weight_decay=0.05, warm=0.1, average=0.998)
STEPS = 200  # an epoch
NETWORKS = "v2em-compact"  # the model whose trained networks are taken
MISLED = {FACE: 0.15, VOICE: 0.35, WORDS: 0.35}
SILENT = 0.3
SOFT = 0.7  # of the targets is what Bayes' fusion says, the rest the labels
MOST_FACES = 5  # of an utterance
VALIDATION = 1400  # pseudo-utterances of validation items an epoch
SUBSETS = tuple(s for size in (1, 2, 3) for s in itertools.combinations(MODALITIES, size))
TOGETHER = tuple(subset for subset in SUBSETS if len(subset) > 1)
ODDS = {2: 0.2, 3: 0.4}  # of each subset, by its size

Heard = tuple[dict[str, Perceived], Tensor]  # modality → what is made of all B utterances; (B, 3) which count


class JointTask:
    """See `training.loop.Task`. model: with trained networks. teacher: the model whose networks they are, calibrated
    and with Bayes' fusion; None = nothing is to be learnt, the validation parts alone are read."""

    def __init__(
        self,
        model: CompactQueries,
        data: Path,
        cache: Path,
        recipe: Recipe = RECIPE,
        teacher: MultimodalModel | None = None,
        plain: Path | None = None,
    ) -> None:
        self.steps = STEPS
        self.model = model.fusion
        self.teacher = teacher
        look = Look(model, SubwordTokenizer(cache / model.inputs.tokenizer))
        self.train = look.read(data, cache, "train", recipe.seed, plain) if teacher else {}
        self.valid = look.read(data, cache, "valid", plain=plain)

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Heard, Tensor]]:
        odds = np.array([ODDS[len(subset)] for subset in TOGETHER])
        present = np.array([[name in subset for name in MODALITIES] for subset in TOGETHER])
        for _ in range(self.steps):
            yield self._mix(present[rng.choice(len(TOGETHER), recipe.batch, p=odds)], rng)

    def _mix(self, there: np.ndarray, rng: np.random.Generator) -> tuple[Heard, Tensor]:
        """Modalities (B, 3) bool → pseudo-utterances, and what is to be said of them (B, E)."""
        count = len(there)
        label = rng.integers(len(MOSEI) + 1, size=count)
        quiet = (rng.random(there.shape) < SILENT) & there
        speaker = np.where(there, rng.random(there.shape), -1).argmax(1)
        quiet[np.arange(count), speaker] = False
        perceived = {}
        total, voters = np.zeros((count, len(MOSEI)), np.float32), np.zeros((count, 1), np.float32)
        for name, column, hushed in zip(MODALITIES, there.T, quiet.T, strict=True):
            corpus = self.train[name]
            misled = rng.random(count) < MISLED[name]
            own = np.where(misled, rng.integers(len(MOSEI) + 1, size=count), label)
            own = np.where(hushed, len(MOSEI), own)
            rows = corpus.draw(own, rng)
            votes = column & ~misled & ~hushed
            total[votes] += corpus.targets[rows[votes]]
            voters[votes] += 1
            view = corpus.views[rng.integers(len(corpus.views))]
            items = [[row] for row in rows]
            if name == FACE:
                items = _more(corpus, own, items, rng)
            perceived[name] = assemble(view, items, rng if name == WORDS else None)
        plain = np.eye(len(MOSEI) + 1, dtype=np.float32)[label, :-1]
        labels = torch.from_numpy(np.where(voters > 0, total / np.maximum(voters, 1), plain))
        hears = torch.from_numpy(there)
        return (perceived, hears), (1 - SOFT) * labels + SOFT * self._taught(perceived, hears)

    @torch.no_grad()
    def _taught(self, perceived: Mapping[str, Perceived], hears: Tensor) -> Tensor:
        """(B, E) probabilities that the teacher makes of the same answers."""
        assert self.teacher is not None
        raw = {name: one.logits[hears[:, MODALITIES.index(name)]] for name, one in perceived.items()}
        said: Tensor = self.teacher.fusion(self.teacher.calibrated(raw, hears), hears)
        return said.sigmoid()

    def loss(self, batch: tuple[Heard, Tensor]) -> Tensor:
        """BCE with the positives weighted by negatives / positives, of which there are six to one (Le et al., §III)."""
        (perceived, there), targets = batch
        logits = _said(self.model, perceived, there)
        weight = torch.full((len(MOSEI),), float(len(MOSEI)))
        return F.binary_cross_entropy_with_logits(logits.float(), targets, pos_weight=weight)

    def together(
        self, fusion: AnswersFusion, rows: np.ndarray, hears: Tensor, view: int = 0, batch: int = 256
    ) -> Tensor:
        """Raw logits (N, E) of pseudo-utterances of validation items `rows` (N, 3), seen in a view, of which the
        modalities `hears` (N, 3) bool are heard, two or three."""
        said = []
        for some in np.array_split(np.arange(len(rows)), -(-len(rows) // batch)):
            perceived = {
                name: assemble(self.valid[name].views[view], [[row] for row in column])
                for name, column in zip(MODALITIES, rows[some].T, strict=True)
            }
            said.append(_said(fusion, perceived, hears[torch.from_numpy(some)]))
        return torch.cat(said)

    def numbered(self) -> dict[str, Scored]:
        """Each modality's validation items, their numbers (N, 1) in place of logits."""
        found = {}
        for name, corpus in self.valid.items():
            numbers = np.arange(len(corpus.label))[:, None].astype(float)
            truth = corpus.targets > 0 if name == WORDS else one_hot(corpus.label)
            found[name] = Scored(numbers, truth, corpus.chance if name == VOICE else np.ones(len(truth)))
        return found

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Macro-F1 at each emotion's best threshold, of two modalities and of three, silent ones among them."""
        assert isinstance(model, AnswersFusion)
        rows, label = pseudo_utterances(self.numbered(), VALIDATION, silent=SILENT)
        truth, numbers = one_hot(label), rows[..., 0].astype(int)
        figures = {}
        for subset in TOGETHER:
            logits = self.together(model, numbers, present_of(subset, len(label)))
            scored = Scored(logits.double().numpy(), truth, np.full(len(truth), 1 / len(truth)))
            figures["+".join(subset)] = float(f1(scored.logits >= best_f1(scored), truth).mean())
        return {"score": float(np.mean(list(figures.values()))), **figures}


def _said(fusion: AnswersFusion, perceived: Mapping[str, Perceived], hears: Tensor) -> Tensor:
    """(B, E) logits of B utterances that have all three, of which (B, 3) are heard."""
    sequence = fusion.sequence(perceived, torch.ones_like(hears))
    return fusion(sequence.heard(torch.arange(len(hears)), ordered(hears)))


def _more(corpus: Corpus, label: np.ndarray, items: list[list[int]], rng: np.random.Generator) -> list[list[int]]:
    """Each with as many more of its label that there are at most `MOST_FACES`."""
    more = rng.integers(MOST_FACES, size=len(items))
    others = np.split(corpus.draw(np.repeat(label, more), rng), np.cumsum(more)[:-1])
    return [[*own, *rest.tolist()] for own, rest in zip(items, others, strict=True)]


def assemble(view: View, items: Sequence[Sequence[int]], rng: np.random.Generator | None = None) -> Perceived:
    """Of each utterance the items, one or more, whose states stand together and whose answers are averaged.

    rng: hides some of the states behind the first, as tokens are hidden where words are learnt.
    """
    rows = [np.concatenate([view[item] for item in own]) for own in items]
    mask = np.arange(max(map(len, rows))) < np.array([len(row) for row in rows])[:, None]
    states = np.zeros((*mask.shape, rows[0].shape[1]), np.float32)
    states[mask] = np.concatenate(rows)
    if rng is not None:
        hidden = rng.random(mask.shape) < MASKED
        hidden[:, 0] = False
        mask &= ~hidden
    logits = np.stack([view.logits[list(own)].mean(0) for own in items])
    return Perceived(torch.from_numpy(states), torch.from_numpy(mask), torch.from_numpy(logits))


def present_of(subset: Sequence[str], count: int) -> Tensor:
    """(count, 3) bool, alike in all rows."""
    return torch.tensor([name in subset for name in MODALITIES]).expand(count, -1)
