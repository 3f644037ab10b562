"""What trained networks make of every face, clip and sentence, computed once for a fusion that is learnt on top."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fv2es.data import ferplus, speech, texts
from fv2es.emotions import MOSEI
from fv2es.models.compact_queries import CompactQueries, Perceived
from fv2es.models.inputs import Batch, face_batch, make_batch, piece_array
from fv2es.models.tokenizer import SubwordTokenizer
from fv2es.schema import FACE, VOICE, WORDS
from fv2es.training import faces
from fv2es.training.calibration import evenly
from fv2es.training.functionals import changed
from fv2es.training.wear import worn_clips, worn_faces, worn_sentences
from fv2es.training.words import Diet, stack

log = logging.getLogger(__name__)

VIEWS = {FACE: 3, VOICE: 7, WORDS: 2}  # of each training item: as it is, and changed
AT_ONCE = 256  # faces or sentences


@dataclass(frozen=True, eq=False)
class View:
    """What a network makes of N items. states (ΣT, C): of all one behind the other; item n has those from starts[n]
    (N + 1,) to before starts[n + 1]. logits (N, E): its answers."""

    states: np.ndarray
    starts: np.ndarray
    logits: np.ndarray

    @classmethod
    def join(cls, parts: Iterable[Perceived]) -> View:
        """The states are kept in half precision."""
        rows, logits = [], []
        for part in parts:
            rows += [own[there].half().numpy() for own, there in zip(part.states, part.mask, strict=True)]
            logits.append(part.logits.numpy())
        return cls(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), np.concatenate(logits))

    def __getitem__(self, item: int) -> np.ndarray:
        """(T, C) states."""
        return self.states[self.starts[item] : self.starts[item + 1]]

    def in_order(self, order: np.ndarray) -> View:
        """Item `n` of this is item order[n] of the result."""
        back = np.argsort(order)
        rows = [self[item] for item in back]
        return View(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), self.logits[back])


@dataclass(frozen=True, eq=False)
class Corpus:
    """One modality's part: views of its N items; targets (N, E) shares; label (N,), E = neutral; source (N,) name of
    the corpus; chance (N,) weight of each item among those of its label."""

    views: tuple[View, ...]
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


class Look:
    """The corpora through a model's networks."""

    def __init__(self, model: CompactQueries, tokenizer: SubwordTokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def read(
        self, data: Path, cache: Path, split: str, seed: int | None = None, plain: Path | None = None
    ) -> dict[str, Corpus]:
        """Each modality's part of "train" or "valid": if there is a seed in several views, else as it is and worn."""
        parts = texts.TRAIN if split == "train" else texts.VALID
        found = {FACE: self.faces(ferplus.read(data / "faces", split, cache), seed)}
        log.info("%s faces: perceived", split)
        read_out = speech.read(plain, split) if plain else []
        found[VOICE] = self.voice(speech.read(data / "speech", split) + read_out, seed)
        log.info("%s voices: perceived", split)
        found[WORDS] = self.words([one for part in parts for one in texts.read(data / "text", part)])
        log.info("%s words: perceived", split)
        return found

    def faces(self, corpus: ferplus.Faces, seed: int | None) -> Corpus:
        """Training faces have crowd votes, of validation faces those with a majority are taken."""
        if seed is None:
            corpus = corpus.select(corpus.majority & (corpus.label >= 0))
            views = [self._face_view(corpus, False), self._face_view(worn_faces(corpus), False)]
        else:
            torch.manual_seed(seed)
            views = [self._face_view(corpus, number > 0) for number in range(VIEWS[FACE])]
        label = corpus.label if seed is None else corpus.targets.argmax(1)
        source = np.full(len(corpus), "fer+")
        return Corpus(tuple(views), corpus.targets[:, : len(MOSEI)], label, source, np.ones(len(corpus)))

    def voice(self, clips: list[speech.Clip], seed: int | None) -> Corpus:
        """Plain speech is half of what is neutral."""
        if seed is None:
            views = [self._voice_view(some) for some in (clips, worn_clips(clips))]
        else:
            rng, count = np.random.default_rng(seed), VIEWS[VOICE]
            seen = ([replace(one, mel=changed(one.mel, n, count, rng)) for one in clips] for n in range(count))
            views = [self._voice_view(some) for some in seen]
        label = np.array([clip.label for clip in clips])
        source, targets = np.array([clip.corpus for clip in clips]), np.eye(len(MOSEI) + 1, dtype=np.float32)
        kinds = np.where(source == "plain", len(MOSEI) + 1, label)
        return Corpus(tuple(views), targets[label, :-1], label, source, evenly(kinds))

    def words(self, sentences: list[texts.Sentence]) -> Corpus:
        """As they were written, and as a recogniser might hear them."""
        views = [self._words_view([one.text for one in some]) for some in (sentences, worn_sentences(sentences))]
        said = np.array([[name in one.labels for name in MOSEI] for one in sentences], np.float32)
        label = np.where(said.any(1), said.argmax(1), len(MOSEI))
        source, diet = np.array([one.corpus for one in sentences]), Diet()
        return Corpus(tuple(views), said, label, source, np.array([diet.often(one) for one in sentences]))

    def _face_view(self, corpus: ferplus.Faces, augmented: bool) -> View:
        settings = self.model.inputs.face

        def perceived() -> Iterator[Perceived]:
            for some in np.array_split(corpus.pixels, -(-len(corpus) // AT_ONCE)):
                pixels = torch.from_numpy(some)[:, None]
                pixels = faces.augment(pixels.float(), settings.side) if augmented else pixels
                ones = torch.ones(len(some), dtype=torch.long)
                yield self._perceive(FACE, len(some), faces=face_batch(pixels, settings), face_counts=ones)

        return View.join(perceived())

    def _voice_view(self, clips: Sequence[speech.Clip]) -> View:
        cut = (torch.from_numpy(piece_array(clip.mel, self.model.inputs.mel)) for clip in clips)
        return View.join(
            self._perceive(VOICE, 1, pieces=pieces, piece_counts=torch.tensor([len(pieces)])) for pieces in cut
        )

    def _words_view(self, sentences: Sequence[str]) -> View:
        ids = [self.tokenizer.encode(one, self.model.inputs.max_tokens) for one in sentences]
        order = np.argsort([len(one) for one in ids], kind="stable")  # those of like length together

        def perceived() -> Iterator[Perceived]:
            for rows in np.array_split(order, -(-len(ids) // AT_ONCE)):
                tokens, mask = stack([ids[row] for row in rows])
                yield self._perceive(WORDS, len(rows), tokens=tokens, token_mask=mask)

        return View.join(perceived()).in_order(order)

    def _perceive(self, name: str, count: int, **own: Tensor) -> Perceived:
        """`count` utterances that have this modality alone."""
        none, nothing = torch.zeros(count, dtype=torch.long), make_batch([], self.model.inputs, None)
        token_mask = torch.zeros(count, 1, dtype=torch.bool)
        empty = Batch(nothing.faces, none, nothing.pieces, none, none[:, None], token_mask)
        return self.model.perceive(name, replace(empty, **own))
