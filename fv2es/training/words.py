"""Words on GoEmotions, MELD and three more corpora: six sigmoids, GoEmotions' 28 own labels as a second task.

A sentence encoder that was pretrained on far more text than there is here learns the same task first (`Pretrained`);
what it says of every training sentence is most of what the network that ships learns from (`WordsTask.distil`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data import texts
from fv2es.data.texts import Sentence
from fv2es.emotions import MOSEI
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.tokenizer import MASK, SPECIAL, AlbertTokenizer, SubwordTokenizer
from fv2es.models.words import Words
from fv2es.training.loop import Recipe

RECIPE = Recipe(epochs=6, batch=64, lr=7e-4, weight_decay=0.1, warm=0.15, average=0.9995)
MASKED = 0.1  # of the tokens hidden while training
# Of the Hub; MiniLM (Wang et al. 2020) as the sentence encoder of Reimers & Gurevych (2019), Apache-2.0.
TEACHER = "sentence-transformers/all-MiniLM-L6-v2"
TEACHER_RECIPE = Recipe(
    epochs=2, batch=64, lr=1e-3, weight_decay=0.05, warm=0.1, average=0.999, rates=(("words.encoder", 0.1),)
)
SOFT = 0.7  # of the targets is what the teacher says, the rest the labels
UNPUNCTUATED = 0.2  # of the sentences lose their punctuation, as a recogniser's have none


@dataclass(frozen=True)
class Diet:
    """How often an epoch shows a corpus's sentences, and how many of its neutral ones."""

    passes: Mapping[str, int] = field(default_factory=lambda: {"meld": 2})  # once where none is named
    neutral: Mapping[str, float] = field(default_factory=lambda: {"dailydialog": 0.1})  # all where none is named

    def often(self, one: Sentence) -> float:
        """How often an epoch shows this sentence, on average."""
        return self.passes.get(one.corpus, 1) * (1.0 if one.labels else self.neutral.get(one.corpus, 1.0))


class Pretrained(nn.Module):
    """A published sentence encoder with a new head: the mean of its states over the words → emotions (see `Words`)."""

    def __init__(self, source: str, emotions: int, dropout: float = 0.1) -> None:
        super().__init__()
        from transformers import AutoModel

        self.encoder = AutoModel.from_pretrained(source, add_pooling_layer=False)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(self.encoder.config.hidden_size, emotions)

    def state(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.read(self.dropout(self.state(tokens, mask)), tokens, mask)

    def read(self, state: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.out(state)


class PretrainedTokenizer(AlbertTokenizer):
    """The encoder's own sub-words, read as ALBERT's are."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.mask = int(self._tokenizer.mask_token_id)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def token(self, number: int) -> str:
        """The sub-word behind an id."""
        return str(self._tokenizer.convert_ids_to_tokens(number))


class FineLabels(nn.Module):
    """A words network with a second head for GoEmotions' own labels, used in training alone."""

    def __init__(self, words: Words | Pretrained, width: int, fine: int) -> None:
        super().__init__()
        self.words = words
        self.fine = nn.Linear(width, fine)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        state = self.words.dropout(self.words.state(tokens, mask))
        return self.words.read(state, tokens, mask), self.fine(state)


class WordsTask:
    """See `training.loop.Task`."""

    def __init__(self, model: MultimodalModel, data: Path, cache: Path, recipe: Recipe = RECIPE) -> None:
        self._read(data, recipe, Diet())
        path = cache / model.inputs.tokenizer
        words = model.words
        assert isinstance(words, Words)
        size, learnt = words.encoder.config.vocabulary, path.exists()
        lines = [one.text for one in self.train]
        tokenizer = SubwordTokenizer(path) if learnt else SubwordTokenizer.learn(lines, size, path)
        self._encode(words, words.encoder.config.width, tokenizer, model.inputs.max_tokens, MASK)

    def _read(self, data: Path, recipe: Recipe, diet: Diet) -> None:
        folder = data / "text"
        self.diet = diet
        self.train = [one for part in texts.TRAIN for one in texts.read(folder, part)]
        self.valid = {part.partition("/")[0]: texts.read(folder, part) for part in texts.VALID}
        self.fine_names = sorted({name for one in self.train if one.corpus == "goemotions" for name in one.fine})
        self.targets = np.array([[name in one.labels for name in MOSEI] for one in self.train], np.float32)
        self.fine = np.array([[name in one.fine for name in self.fine_names] for one in self.train], np.float32)
        self.is_fine = np.array([one.corpus == "goemotions" for one in self.train])
        self.steps = len(self._epoch_rows(np.random.default_rng(0))) // recipe.batch
        share = self.targets.mean(0).clip(1e-3)
        self.positive_weight = torch.from_numpy(((1 - share) / share) ** 0.5).clamp(max=6)

    def _encode(
        self,
        words: Words | Pretrained,
        width: int,
        tokenizer: SubwordTokenizer | PretrainedTokenizer,
        length: int,
        mask: int,
    ) -> None:
        self.model = FineLabels(words, width, len(self.fine_names))
        self.tokenizer, self.length, self.mask = tokenizer, length, mask
        self.ids = [tokenizer.encode(one.text, length) for one in self.train]
        self.marks = torch.tensor([not any(c.isalnum() for c in word) for word in self._vocabulary()])

    def says(self, sentences: Sequence[Sentence] | None = None, batch: int = 256) -> np.ndarray:
        """(N, E) probabilities of sentences, by default those of training, as the model would give them had its loss
        not been weighted.

        The weighted loss has moved log-odds up by log(positive_weight), which a student's loss does again; so it is
        taken off here.
        """
        self.model.eval()
        with torch.inference_mode():
            logits = self.logits(self.model, self.train if sentences is None else sentences, batch)
        return torch.sigmoid(logits - self.positive_weight.log()).numpy()

    def distil(self, soft: np.ndarray) -> None:
        """Mix into the targets what a teacher `says` of every training sentence (Hinton et al. 2015)."""
        self.targets = ((1 - SOFT) * self.targets + SOFT * soft).astype(np.float32)

    def _vocabulary(self) -> list[str]:
        """Tokens by id, specials written as words so that they never count as punctuation."""
        names = [self.tokenizer.token(number) for number in range(len(self.tokenizer))]
        return ["special" if name in (*SPECIAL, "[SEP]") else name.removeprefix("##") or "#" for name in names]

    def _epoch_rows(self, rng: np.random.Generator) -> np.ndarray:
        rows: list[int] = []
        for row, one in enumerate(self.train):
            if one.labels or rng.random() < self.diet.neutral.get(one.corpus, 1.0):
                rows += [row] * self.diet.passes.get(one.corpus, 1)
        return rng.permutation(rows)

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        rows = self._epoch_rows(rng)[: self.steps * recipe.batch]
        lengths = np.array([len(one) for one in self.ids])
        for chosen in like_length(rows, lengths, recipe.batch, self.steps, rng):
            ids = [self.ids[row] for row in chosen]
            yield self._batch(ids, self.targets[chosen], self.fine[chosen], self.is_fine[chosen])

    def _batch(self, ids: Sequence[Sequence[int]], *arrays: np.ndarray) -> tuple[Tensor, ...]:
        """Token lists, and what there is to learn of them."""
        tokens, mask = self._hide(*stack(ids))
        return tokens, mask, *(torch.from_numpy(one) for one in arrays)

    def _hide(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        bare = torch.rand(len(tokens), 1) < UNPUNCTUATED
        mask = mask & ~(bare & self.marks[tokens])
        hidden = (torch.rand(tokens.shape) < MASKED) & mask
        hidden[:, 0] = False
        return torch.where(hidden, self.mask, tokens), mask

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        tokens, mask, targets, fine, is_fine = batch
        logits, fine_logits = self.model(tokens, mask)
        loss = F.binary_cross_entropy_with_logits(logits.float(), targets, pos_weight=self.positive_weight)
        if is_fine.any():
            loss = loss + F.binary_cross_entropy_with_logits(fine_logits[is_fine].float(), fine[is_fine])
        return loss

    def logits(self, model: nn.Module, sentences: Sequence[Sentence], batch: int = 256) -> Tensor:
        """(N, 6) raw logits, in the order of the sentences."""
        ids = [self.tokenizer.encode(one.text, self.length) for one in sentences]
        order = np.argsort([len(one) for one in ids], kind="stable")
        out = torch.zeros(len(ids), len(MOSEI))
        for first in range(0, len(ids), batch):
            rows = order[first : first + batch]
            out[rows] = model.get_submodule("words")(*stack([ids[row] for row in rows]))
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Macro-F1 on both validation parts with one threshold per emotion, the best for their mean."""
        scored = {
            corpus: (self.logits(model, part).numpy(), np.array([[n in one.labels for n in MOSEI] for one in part]))
            for corpus, part in self.valid.items()
        }
        chosen = shared_thresholds(list(scored.values()))
        figures = {corpus: float(f1(z >= chosen, y).mean()) for corpus, (z, y) in scored.items()}
        return {"score": float(np.mean(list(figures.values()))), **figures}


class TeacherTask(WordsTask):
    """The same with a published encoder. `source`: its name on the Hub, or a folder."""

    def __init__(
        self, source: str, data: Path, length: int, recipe: Recipe = TEACHER_RECIPE, diet: Diet | None = None
    ) -> None:
        self._read(data, recipe, diet or Diet())
        words, tokenizer = Pretrained(source, len(MOSEI)), PretrainedTokenizer(source)
        self._encode(words, words.encoder.config.hidden_size, tokenizer, length, tokenizer.mask)


def like_length(
    rows: np.ndarray, lengths: np.ndarray, batch: int, steps: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """At most `steps` groups of `batch` rows of like length, in random order."""
    groups: list[np.ndarray] = []
    for pool in np.array_split(rows, max(1, len(rows) // (100 * batch))):
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        groups += np.array_split(ordered, max(1, len(ordered) // batch))
    for number in rng.permutation(len(groups))[:steps]:
        yield groups[number]


def stack(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token lists → (B, L) ids, zero-padded, and (B, L) True at tokens."""
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.zeros(mask.shape, dtype=torch.long)
    ids[mask] = torch.tensor([one for row in rows for one in row])
    return ids, mask


def f1(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, E) bool each → (E,) F1, 0 where there is nothing to find and nothing found."""
    hits = (guess & truth).sum(0)
    return 2 * hits / np.maximum(guess.sum(0) + truth.sum(0), 1)


def shared_thresholds(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(E,) logit thresholds that maximise the F1 averaged over the parts' (logits, truth), by emotion."""
    grid = np.linspace(-4, 3, 71)
    scores = np.stack([np.mean([f1(z >= t, y) for z, y in parts], axis=0) for t in grid])
    # A moving mean over ±0.3: a peak that only few sentences make is not followed.
    kernel = np.ones(7) / 7
    smooth = np.stack([np.convolve(column, kernel, "same") for column in scores.T], axis=1)
    return grid[smooth.argmax(0)]
