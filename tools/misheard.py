"""What words that PocketSphinx heard are worth: `python -m tools.misheard DATA` (ten minutes of two cores).

1. Is it right as often as it is sure? RAVDESS's clips, whose words are known.
2. RAVDESS's validation voices with what was heard in them, and validation faces of like label.
3. Validation sentences of GoEmotions and MELD, said by espeak-ng and heard, with faces and voices of like label: how
   far should they be believed, by how many of the words are right?

In 2 and 3 one modality, drawn at random, expresses the label and each of the others is neutral half of the time, but
that words in RAVDESS never express anything. No face, voice or sentence here was learnt from.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from scipy.special import log_softmax

from fv2es.comparison.quality import independent, predict_all
from fv2es.comparison.samples import face_utterance, word_utterance
from fv2es.data import ferplus, speech, texts
from fv2es.emotions import MOSEI
from fv2es.evaluation import NOWHERE
from fv2es.hub import list_checkpoints
from fv2es.modalities.spectrogram import mel_spectrogram
from fv2es.modalities.speech.pocketsphinx import LISTENERS, PocketSphinx
from fv2es.models.blocks.fusion import doubted
from fv2es.models.multimodal import without_words
from fv2es.reader import Reader, load_reader
from fv2es.schema import Transcript, Utterance
from fv2es.training.calibration import decide

CLIPS, SENTENCES, PSEUDO = 500, 70, 20_000  # sentences of each label and corpus
VOICES = ("en-us", "en-us+f2", "en-us+m3", "en-us+f4", "en-us+m7")  # espeak-ng's
NEUTRAL = len(MOSEI)
SILENT = 0.5
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.01)  # of the words that are right
BELIEF = np.linspace(0, 1, 11)
UNHEARD = Transcript()


@dataclass(frozen=True, eq=False)
class Said:
    """Something said and heard. label: an emotion's index, NEUTRAL where it is none."""

    sound: np.ndarray
    text: str
    label: int
    heard: Transcript = UNHEARD

    @property
    def right(self) -> float:
        """The share of the words heard that were said, in order."""
        said, heard = ("".join(c if c.isalpha() or c == "'" else " " for c in one.lower()).split() for one in self.pair)
        blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
        return sum(one.size for one in blocks) / max(len(heard), 1)

    @property
    def pair(self) -> tuple[str, str]:
        return self.text.replace("’", "'"), self.heard.text


def hear(some: Sequence[Said]) -> list[Said]:
    """Those in which words were heard."""
    recogniser = PocketSphinx()
    with ThreadPoolExecutor(LISTENERS) as threads:
        heard = list(threads.map(lambda one: recogniser.hear(one.sound), some))
    return [Said(one.sound, one.text, one.label, words) for one, words in zip(some, heard, strict=True) if words]


def ravdess(folder: Path, split: str) -> Iterator[Said]:
    """The clips of a split, at most CLIPS of them."""
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as lines:
        said = {row["file"]: row["transcript"] for row in csv.DictReader(lines, delimiter="\t")}
    english = [one for one in speech.files(folder, split) if one[2].startswith("ravdess")]
    for row in sorted(np.random.default_rng(0).permutation(len(english))[:CLIPS]):
        path, label, _ = english[row]
        yield Said(speech.read_sound(path), said[str(path.relative_to(folder))], label)


def spoken(folder: Path) -> Iterator[Said]:
    """Sentences of one label, all labels as often as there are enough, by a synthetic voice."""
    rng = np.random.default_rng(1)
    for corpus in ("goemotions", "meld"):
        some = [one for one in texts.read(folder, f"{corpus}/valid") if 3 <= len(one.text.split()) <= 14]
        for label, wanted in enumerate([*((name,) for name in MOSEI), ()]):
            own = [one.text for one in some if one.labels == wanted and "[" not in one.text]
            for number, row in enumerate(rng.permutation(len(own))[:SENTENCES]):
                voice, speed = VOICES[number % len(VOICES)], str(125 + 12 * (number % 4))
                with NamedTemporaryFile(suffix=".wav") as file:
                    command = ["espeak-ng", "-v", voice, "-s", speed, "-w", file.name, own[row]]
                    subprocess.run(command, check=True)
                    yield Said(speech.read_sound(Path(file.name)), own[row], label)


def reliability(some: Sequence[Said]) -> None:
    sure, right = np.array([(one.heard.confidence, one.right) for one in some]).T
    together = np.corrcoef(sure, right)[0, 1]
    print(f"\n{len(some)} clips, sure {sure.mean():.3f}, right {right.mean():.3f}, correlation {together:.2f}")
    print("\n| sure | clips | words right |\n|---|---:|---:|")
    for tenth in np.unique(sure):
        print(f"| {tenth:.1f} | {(sure == tenth).sum()} | {right[sure == tenth].mean():.2f} |")


@dataclass(frozen=True, eq=False)
class Parts:
    """One model's logits and labels of faces and of voices."""

    reader: Reader
    faces: np.ndarray
    face_labels: np.ndarray
    voices: np.ndarray
    voice_labels: np.ndarray

    def fused(self, logits: np.ndarray, belief: np.ndarray) -> np.ndarray:
        """(N, 3, E), (N,) → (N, E) logits, as `MultimodalModel.forward` has them."""
        given = torch.from_numpy(logits)
        everybody = torch.ones(given.shape[:2], dtype=torch.bool)
        rest = without_words(everybody)
        fusion = self.reader.model.fusion
        with torch.inference_mode():
            return doubted(fusion(given, everybody), fusion(given, rest), torch.from_numpy(belief)).numpy()

    def scores(self, logits: np.ndarray, belief: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) whether the answer is right, and its cross-entropy, measured from the thresholds."""
        thresholds = np.log(self.reader.thresholds / (1 - self.reader.thresholds))
        fused = self.fused(logits, belief)
        margins = np.pad(fused - thresholds, ((0, 0), (0, 1)))
        return decide(fused, thresholds) == labels, -log_softmax(margins, axis=1)[np.arange(len(labels)), labels]


def mixed(parts: Parts, words: np.ndarray, labels: np.ndarray, own_voice: bool) -> tuple[np.ndarray, ...]:
    """Pseudo-utterances: logits (N, 3, E), labels (N,), and of which row the words (N,) are."""
    rng = np.random.default_rng(2)
    logits, label, rows = [], [], []
    for _ in range(PSEUDO):
        wanted = rng.integers(NEUTRAL + 1)
        loud = rng.integers(2 if own_voice else 3)
        face, voice, said = (wanted if place == loud or rng.random() >= SILENT else NEUTRAL for place in range(3))
        row = rng.choice(np.flatnonzero(labels == (voice if own_voice else said)))
        speaker = row if own_voice else rng.choice(np.flatnonzero(parts.voice_labels == voice))
        seen = rng.choice(np.flatnonzero(parts.face_labels == face))
        logits.append([parts.faces[seen], parts.voices[speaker], words[row]])
        label.append(wanted)
        rows.append(row)
    return np.array(logits), np.array(label), np.array(rows)


def main(data: Path) -> None:
    print("## How sure, and how often right: RAVDESS")
    valid, train = (hear(list(ravdess(data / "speech", split))) for split in ("valid", "train"))
    reliability([*valid, *train])
    sentences = hear(list(spoken(data / "text")))
    faces = ferplus.read(data / "faces", "valid")
    faces = faces.select(faces.majority & (faces.label >= 0))
    for name in list_checkpoints():
        reader = load_reader(name)
        if independent(reader.model):
            voices = [Utterance(NOWHERE, waveform=one.sound, mel=mel_spectrogram(one.sound)) for one in valid]
            parts = Parts(
                reader,
                predict_all(reader, [face_utterance(one) for one in faces.pixels]),
                faces.label,
                predict_all(reader, voices),
                np.array([one.label for one in valid]),
            )
            tell(name, parts, valid, sentences)


def tell(name: str, parts: Parts, valid: Sequence[Said], sentences: Sequence[Said]) -> None:
    print(f"\n## {name}\n\n| words | ignored | believed | as sure | cross-entropy |\n|---|---:|---:|---:|---|")
    for title, some, own in (("RAVDESS", valid, True), ("sentences", sentences, False)):
        words = predict_all(parts.reader, [word_utterance(one.heard.text) for one in some])
        labels = np.array([one.label for one in some])
        logits, wanted, rows = mixed(parts, words, labels, own)
        sure = np.array([one.heard.confidence for one in some])[rows]
        ways = [parts.scores(logits, belief, wanted) for belief in (0 * sure, np.ones_like(sure), sure)]
        right = " | ".join(f"{one.mean():.3f}" for one, _ in ways)
        print(f"| {title} | {right} | {', '.join(f'{loss.mean():.3f}' for _, loss in ways)} |")
    print("\n| words right | sentences | mean | best belief |\n|---|---:|---:|---:|")
    right = np.array([one.right for one in sentences])
    losses = np.stack([parts.scores(logits, np.full(len(rows), one), wanted)[1] for one in BELIEF])
    for low, high in pairwise(SHARES):
        inside = (right[rows] >= low) & (right[rows] < high)
        best = BELIEF[losses[:, inside].mean(1).argmin()]
        count = ((right >= low) & (right < high)).sum()
        print(f"| {low:.2f}–{min(high, 1):.2f} | {count} | {right[rows][inside].mean():.2f} | {best:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.misheard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    main(parser.parse_args().data)
