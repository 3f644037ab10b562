"""The validation parts of the data folder, as utterances that each have one modality, and mixtures of them.

No corpus here has face, voice and words together. Pseudo-utterances put validation faces, voices and sentences of like
label together; those on the even rows are for fitting, those on the odd rows for measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fv2es.data import ferplus, speech, texts
from fv2es.data.ferplus import CLASSES, one_hot
from fv2es.data.manifest import Row
from fv2es.emotions import MOSEI
from fv2es.evaluation import NOWHERE, row_extractor
from fv2es.modalities.faces import whole_picture
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Frame, Transcript, Utterance
from fv2es.training import wear
from fv2es.training.calibration import Scored, pseudo_utterances
from fv2es.training.checkpoint import PSEUDO

FIT, MEASURE = 0, 1  # which rows, and the seed: those of the checkpoints' own assembling
SPEECH = {"ravdess": "RAVDESS", "emodb": "EmoDB"}
TEXT = {"goemotions": "GoEmotions", "meld": "MELD"}


@dataclass(frozen=True, eq=False)
class Part:
    """One corpus of one modality. truth: (n, E) bool in CMU-MOSEI order, no emotion = neutral."""

    modality: str
    corpus: str
    utterances: tuple[Utterance, ...]
    truth: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.modality}/{self.corpus}"


def read_parts(data: Path, say: Callable[[str], None] = lambda line: None) -> list[Part]:
    """All of them, in the order face, voice, words. Raises OSError where a file of the data folder is missing."""
    parts = []
    for read in (_faces, _voices, _words):
        for part in read(data):
            say(f"{part.name}: {len(part.utterances)} read")
            parts.append(part)
    return parts


def _faces(data: Path) -> Iterator[Part]:
    valid = ferplus.read(data / "faces", "valid")
    clean = valid.select(valid.majority & (valid.label >= 0))
    yield Part(FACE, "FER+", tuple(map(face_utterance, clean.pixels)), one_hot(clean.label))


def _voices(data: Path) -> Iterator[Part]:
    hear = row_extractor((VOICE,))
    clips = list(speech.files(data / "speech", "valid"))
    for key, corpus in SPEECH.items():
        own = [(path, label) for path, label, speaker in clips if speaker.partition("-")[0] == key]
        utterances = tuple(hear(Row(line, path.stem, path)) for line, (path, _) in enumerate(own, 1))
        yield Part(VOICE, corpus, utterances, one_hot(np.array([label for _, label in own])))


def _words(data: Path) -> Iterator[Part]:
    for key, corpus in TEXT.items():
        sentences = texts.read(data / "text", f"{key}/valid")
        truth = np.array([[name in one.labels for name in MOSEI] for one in sentences])
        yield Part(WORDS, corpus, tuple(word_utterance(one.text) for one in sentences), truth)


def face_utterance(grey: np.ndarray) -> Utterance:
    """(side, side) uint8 → what serving makes of a small picture: it is a face as it stands."""
    face = whole_picture(Frame(0.0, np.repeat(grey[..., None], 3, axis=2)))
    return Utterance(NOWHERE, faces=(face,))


def word_utterance(text: str) -> Utterance:
    """A sentence as if it had been typed."""
    return Utterance(NOWHERE, transcript=Transcript(text, "typed"))


def worn(part: Part) -> Part:
    """The same made as bad as real clips are, by what the fusion of a checkpoint is fitted on; without waveforms."""
    return replace(part, utterances=tuple(_WORN[part.modality](part.utterances)))


def _worn_faces(clean: Sequence[Utterance]) -> Iterator[Utterance]:
    pixels = np.stack([one.faces[0].pixels[..., 0] for one in clean])
    blank = np.zeros(len(clean))
    return map(face_utterance, wear.worn_faces(ferplus.Faces(pixels, blank, blank, blank)).pixels)


def _worn_voices(clean: Sequence[Utterance]) -> Iterator[Utterance]:
    clips = wear.worn_clips([speech.Clip(one.mel, 0, "") for one in clean])
    return (Utterance(NOWHERE, mel=one.mel.astype(np.float32)) for one in clips)


def _worn_words(clean: Sequence[Utterance]) -> Iterator[Utterance]:
    """What has no letter stays as it is: it would leave nothing to read."""
    written = [one.transcript.text for one in clean]
    heard = wear.worn_sentences([texts.Sentence(text, (), (), "") for text in written])
    return (word_utterance(one.text.strip() or text) for one, text in zip(heard, written, strict=True))


_WORN = {FACE: _worn_faces, VOICE: _worn_voices, WORDS: _worn_words}


def only(utterance: Utterance, modalities: Sequence[str]) -> Utterance:
    """What is left of an utterance of which no more than these modalities may be seen."""
    left = Utterance(utterance.span)
    if FACE in modalities:
        left = replace(left, faces=utterance.faces)
    if VOICE in modalities:
        left = replace(left, waveform=utterance.waveform, mel=utterance.mel)
    if WORDS in modalities:
        left = replace(left, transcript=utterance.transcript)
    return left


@dataclass(frozen=True, eq=False)
class Pseudo:
    """rows (n, 3): which row of each modality's joined parts; labels (n,): index in `CLASSES`."""

    rows: np.ndarray
    labels: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        return one_hot(self.labels)

    def first(self, count: int) -> Pseudo:
        return Pseudo(self.rows[:count], self.labels[:count])

    def utterances(self, joined: Mapping[str, Sequence[Utterance]], subset: Sequence[str]) -> Iterator[Utterance]:
        """They themselves, with the modalities of `subset`; `joined`: modality → all its utterances."""
        for row in self.rows:
            face, voice, words = (joined[name][number] for name, number in zip(MODALITIES, row, strict=True))
            yield only(Utterance(voice.span, face.faces, voice.waveform, voice.mel, words.transcript), subset)


def draw(
    parts: Sequence[Part], half: int, count: int = PSEUDO, silent: float = 0.0, shares: Sequence[float] | None = None
) -> Pseudo:
    """Pseudo-utterances of like label from every other row; the same for every model.

    silent: the chance of each modality, but for one drawn at random, to be neutral instead. shares: of the labels,
    neutral last; None = all alike.

    Raises ValueError where a label is missing in these rows of a modality.
    """
    numbered = {}
    for name in MODALITIES:
        truth = np.concatenate([part.truth for part in parts if part.modality == name])
        rows = np.arange(len(truth))[half::2]
        numbered[name] = Scored(rows[:, None].astype(float), truth[rows], np.ones(len(rows)))
        missing = set(range(len(CLASSES))) - set(numbered[name].label.tolist())
        if missing:
            names = ", ".join(CLASSES[one] for one in sorted(missing))
            raise ValueError(f"No pseudo-utterances can be drawn: the validation part of the {name} lacks {names}.")
    drawn, labels = pseudo_utterances(numbered, count, seed=half, silent=silent, shares=shares)
    return Pseudo(drawn[..., 0].astype(int), labels)
