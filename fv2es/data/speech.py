"""RAVDESS (Livingstone & Russo 2018) and EmoDB (Burkhardt et al. 2005): acted speech, one emotion a clip."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fv2es.data.ferplus import CLASSES
from fv2es.emotions import canonical
from fv2es.modalities.spectrogram import mel_spectrogram
from fv2es.schema import Sound


@dataclass(frozen=True, eq=False)
class Clip:
    """mel (128, T) power; label: index in `CLASSES`; corpus: ravdess or emodb."""

    mel: np.ndarray
    label: int
    speaker: str

    @property
    def corpus(self) -> str:
        return self.speaker.partition("-")[0]


def read_sound(path: Path) -> np.ndarray:
    """The whole sound track, (n,) float32 at 16 kHz, through the code that serves visitors."""
    from fv2es.media.plain import open_plain

    with open_plain(path) as media:
        blocks = [event.samples for event in media.read() if isinstance(event, Sound)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def read(folder: Path, split: str) -> list[Clip]:
    """All clips of one split that carry one of the seven labels (calm counts as neutral in the corpus's index)."""
    return [Clip(mel_spectrogram(read_sound(path)), label, speaker) for path, label, speaker in files(folder, split)]


def files(folder: Path, split: str) -> Iterator[tuple[Path, int, str]]:
    """The same clips unread: file, label as an index in `CLASSES`, speaker."""
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == split and row["label"] != "unknown":
                yield folder / row["file"], CLASSES.index(canonical(row["label"])), row["speaker"]
