"""What trained trunks make of every face, clip and sentence, computed once for a fusion that is learnt on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fv2es.data import ferplus, speech, texts
from fv2es.emotions import MOSEI
from fv2es.models.emotion_queries import EmotionQueries, Pictures, WordStates
from fv2es.models.inputs import face_batch, piece_array
from fv2es.models.tokenizer import SubwordTokenizer
from fv2es.schema import FACE, VOICE, WORDS
from fv2es.training import faces, voice
from fv2es.training.calibration import evenly
from fv2es.training.words import Diet, stack

VIEWS = {FACE: 2, VOICE: 6, WORDS: 1}  # augmented views of each training item


@dataclass(frozen=True, eq=False)
class States:
    """What a trunk makes of N items: values (T, C) of all one behind the other; item n has those from starts[n]
    (N + 1,) to before starts[n + 1]."""

    values: np.ndarray
    starts: np.ndarray

    @classmethod
    def join(cls, parts: Iterable[Tensor]) -> States:
        """Of each item's (L, C), kept in half precision."""
        rows = [part.half().numpy() for part in parts]
        return cls(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.starts[row] : self.starts[row + 1]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """One modality's part: views of its N items; targets (N, E) shares; label (N,), E = neutral; source (N,) name of
    the corpus; chance (N,) weight of each item among those of its label."""

    views: tuple[States, ...]
    targets: np.ndarray
    label: np.ndarray
    source: np.ndarray
    chance: np.ndarray

    def draw(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An item's number for each label (n,)."""
        rows = np.zeros(len(labels), int)
        for one in np.unique(labels):
            pool = np.flatnonzero(self.label == one)
            odds = self.chance[pool] / self.chance[pool].sum()
            rows[labels == one] = rng.choice(pool, int((labels == one).sum()), p=odds)
        return rows


def parts_of(model: EmotionQueries) -> tuple[Pictures, Pictures, WordStates]:
    """Its face, voice and words."""
    assert isinstance(model.face, Pictures)
    assert isinstance(model.voice, Pictures)
    assert isinstance(model.words, WordStates)
    return model.face, model.voice, model.words


class Look:
    """The corpora through a model's trunks."""

    def __init__(self, model: EmotionQueries, tokenizer: SubwordTokenizer) -> None:
        self.face, self.voice, self.words = parts_of(model.eval())
        self.inputs = model.inputs
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def read(
        self, data: Path, cache: Path, split: str, seed: int | None = None, plain: Path | None = None
    ) -> dict[str, Corpus]:
        """Each modality's part of "train" or "valid", in augmented views if there is a seed, else as it is."""
        read_out = speech.read(plain, split) if plain else []
        return {
            FACE: self._faces(ferplus.read(data / "faces", split, cache), seed),
            VOICE: self._voice(speech.read(data / "speech", split) + read_out, seed),
            WORDS: self._words([one for part in _parts(split) for one in texts.read(data / "text", part)]),
        }

    def _faces(self, corpus: ferplus.Faces, seed: int | None) -> Corpus:
        if seed is None:  # of the validation faces those with a majority, as elsewhere
            corpus = corpus.select(corpus.majority & (corpus.label >= 0))
        else:
            torch.manual_seed(seed)
        settings = self.inputs.face

        def states() -> Iterator[Tensor]:
            for some in np.array_split(corpus.pixels, -(-len(corpus) // 256)):
                pixels = torch.from_numpy(some)[:, None]
                ready = face_batch(pixels if seed is None else faces.augment(pixels.float(), settings.side), settings)
                yield from self.face.features(ready)[:, None]

        label = corpus.label if seed is None else corpus.targets.argmax(1)
        views = tuple(States.join(states()) for _ in range(1 if seed is None else VIEWS[FACE]))
        source = np.full(len(corpus), "fer+")
        return Corpus(views, corpus.targets[:, : len(MOSEI)], label, source, np.ones(len(corpus)))

    def _voice(self, clips: list[speech.Clip], seed: int | None) -> Corpus:
        settings, rng = self.inputs.mel, np.random.default_rng(seed)

        def states() -> Iterator[Tensor]:
            for clip in clips:
                if seed is None:
                    cut = piece_array(clip.mel, settings)
                else:
                    cut = voice.hide(piece_array(voice.augment(clip.mel, 1.0, rng), settings), 1.0, rng)
                yield self.voice.features(torch.from_numpy(cut))

        label = np.array([clip.label for clip in clips])
        views = tuple(States.join(states()) for _ in range(1 if seed is None else VIEWS[VOICE]))
        source, targets = np.array([clip.corpus for clip in clips]), np.eye(len(MOSEI) + 1, dtype=np.float32)
        # Plain speech is half of what is neutral.
        kinds = np.where(source == "plain", len(MOSEI) + 1, label)
        return Corpus(views, targets[label, :-1], label, source, evenly(kinds))

    def _words(self, sentences: list[texts.Sentence]) -> Corpus:
        ids = [self.tokenizer.encode(one.text, self.inputs.max_tokens) for one in sentences]
        order = np.argsort([len(one) for one in ids], kind="stable")
        found: list[Tensor] = [torch.empty(0)] * len(ids)
        for rows in np.array_split(order, -(-len(ids) // 256)):
            tokens, mask = stack([ids[row] for row in rows])
            for row, state in zip(rows, self.words.encoder(tokens, mask), strict=True):
                found[row] = state[: len(ids[row])].half()
        said = np.array([[name in one.labels for name in MOSEI] for one in sentences], np.float32)
        label = np.where(said.any(1), said.argmax(1), len(MOSEI))
        source = np.array([one.corpus for one in sentences])
        diet = Diet()
        chance = np.array([diet.often(one) for one in sentences])
        return Corpus((States.join(found),), said, label, source, chance)


def _parts(split: str) -> tuple[str, ...]:
    return texts.TRAIN if split == "train" else texts.VALID
