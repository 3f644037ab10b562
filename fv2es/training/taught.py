"""The words network learns on from three teachers at once, of sentences that nobody wrote, too.

What one fine-tuned encoder says of a sentence is one opinion; the mean of several, and of the network's own, is a
better one (Lakshminarayanan et al. 2017). And as they have something to say of any row of words, the network is shown
more of them than the corpora hold: sentences put together from two, shortened, or with words exchanged (after Jiao et
al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from torch import Tensor

from fv2es.data.texts import Sentence
from fv2es.training.loop import Recipe
from fv2es.training.words import SOFT, TEACHER_RECIPE, Diet, WordsTask, like_length

RECIPE = Recipe(epochs=4, batch=64, lr=1.5e-4, weight_decay=0.1, warm=0.1, average=0.9995, seed=3)
# Two more encoders are fine-tuned, once over the corpora each; one without EmoryNLP and DailyDialog's neutral lines.
TEACHERS = (
    (replace(TEACHER_RECIPE, epochs=1, seed=1), Diet()),
    (
        replace(TEACHER_RECIPE, epochs=1, seed=2, batch=48, lr=8e-4),
        Diet({"meld": 2, "emorynlp": 0}, {"dailydialog": 0.0}),
    ),
)
VERSIONS = 2  # of the changed sentences; epochs take turns
CHANGED = 0.5  # of the sentences of an epoch are shown changed
JOINED, SHORTENED = 0.4, 0.3  # of the changed ones; in the others words are exchanged
KEPT = (0.3, 0.8)  # of a sentence, where it is joined with the rest of another
LOST, SWAPPED, EXCHANGED = 0.15, 0.05, 0.15  # of the words


def changed(sentences: Sequence[Sentence], seed: int) -> list[Sentence]:
    """A changed form of each; its labels are no longer true and are not to be used."""
    rng = np.random.default_rng(seed)
    words = [one.text.split() for one in sentences]
    everything = [word for row in words for word in row]
    alike: dict[str, list[int]] = {}
    for place, one in enumerate(sentences):
        alike.setdefault(one.corpus, []).append(place)
    return [
        replace(one, text=" ".join(_changed(row, words, alike[one.corpus], everything, rng)))
        for one, row in zip(sentences, words, strict=True)
    ]


def _changed(
    row: list[str], words: list[list[str]], alike: list[int], everything: list[str], rng: np.random.Generator
) -> list[str]:
    kind = rng.random()
    if kind < JOINED:
        return _joined(row, words[alike[rng.integers(len(alike))]], rng)
    if kind < JOINED + SHORTENED:
        row = [word for word in row if rng.random() > LOST] or row[:1]
        for place in range(len(row) - 1):
            if rng.random() < SWAPPED:
                row[place], row[place + 1] = row[place + 1], row[place]
        return row
    return [everything[rng.integers(len(everything))] if rng.random() < EXCHANGED else word for word in row]


def _joined(one: list[str], other: list[str], rng: np.random.Generator) -> list[str]:
    """Beginning or end of each, in either order."""
    share = rng.uniform(*KEPT)
    parts = []
    for row, kept in ((one, share), (other, 1 - share)):
        count = max(1, round(kept * len(row)))
        parts.append(row[:count] if rng.random() < 0.5 else row[-count:])
    return parts[0] + parts[1] if rng.random() < 0.5 else parts[1] + parts[0]


class TaughtTask(WordsTask):
    """See `training.loop.Task`; needs `teach` before its first batch."""

    @cached_property
    def forms(self) -> list[Sequence[Sentence]]:
        """The sentences as they are, then in each changed form."""
        return [self.train, *(changed(self.train, seed) for seed in range(1, VERSIONS + 1))]

    def teach(self, said: Sequence[np.ndarray]) -> None:
        """said: of each of the `forms`, (N, E) probabilities in the mean of all teachers (see `says`)."""
        self._ids = [[self.tokenizer.encode(one.text, self.length) for one in form] for form in self.forms]
        as_they_are = (1 - SOFT) * self.targets + SOFT * said[0]
        self._goals = np.stack([as_they_are, *said[1:]]).astype(np.float32)

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        rows = self._epoch_rows(rng)[: self.steps * recipe.batch]
        form = np.where(rng.random(len(self.train)) < CHANGED, 1 + epoch % VERSIONS, 0)
        every = np.arange(len(form))
        ids = [self._ids[one][row] for row, one in enumerate(form)]
        goals, is_fine = self._goals[form, every], self.is_fine & (form == 0)
        for chosen in like_length(rows, np.array([len(one) for one in ids]), recipe.batch, self.steps, rng):
            yield self._batch([ids[row] for row in chosen], goals[chosen], self.fine[chosen], is_fine[chosen])


__all__ = ["CHANGED", "RECIPE", "TEACHERS", "TaughtTask", "changed"]
