"""Packs in the layout of Dai et al., made here: a grey face, a steady sound and a line of text for each utterance."""

from __future__ import annotations

import pickle
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from fv2es.modalities.faces import Detection
from fv2es.schema import SAMPLE_RATE

SIDES = {"L": 60, "R": 200}  # greys


class Finder:
    """A face in the middle of every frame; remembers the frames."""

    def __init__(self):
        self.frames = []

    def find(self, frames, near=None):
        self.frames += frames
        return [[Detection((10.0, 6.0, 30.0, 26.0), 0.99)] for _ in frames]


def write_wav(path: Path, seconds: float, level: int | np.ndarray) -> None:
    """level: of every sample, or the samples themselves."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.full(round(seconds * SAMPLE_RATE), level).astype("<i2").tobytes())


def write_utterance(folder: Path, marks: dict[str, int], pictures: int = 12, seconds: float = 1.0) -> None:
    folder.mkdir(parents=True)
    for mark, grey in marks.items():
        for number in range(pictures):
            Image.new("L", (120, 96), grey + number).save(folder / f"image{mark}_{number}.jpg", quality=95)
        write_wav(folder / f"audio{mark}.wav", seconds, 100 * grey)


def write_pack(root: Path, prefix: str, names: dict, meta: dict | None = None) -> Path:
    raw = root / f"{prefix}_RAW_PROCESSED"
    raw.mkdir()
    for split, labels in names.items():
        for name in labels:
            if prefix == "IEMOCAP":
                dialogue = "_".join(name.split("_")[:2])
                write_utterance(raw / dialogue / name, {f"_{side}": grey for side, grey in SIDES.items()})
                write_wav(raw / dialogue / name / "audio.wav", 1.0, 1)
            else:
                write_utterance(raw / name, {"": 100}, pictures=4)
        write_split(root, prefix, split, list(labels))
    every = {
        name: {"text": f" Said  by {name}. ", "label": one} for part in names.values() for name, one in part.items()
    }
    (raw / "meta.pkl").write_bytes(pickle.dumps(every if meta is None else meta))
    return root


def write_split(root: Path, prefix: str, split: str, names: list[str], called: str = "{}_split.txt") -> None:
    folder = root / f"{prefix}_SPLIT"
    folder.mkdir(exist_ok=True)
    (folder / called.format(split)).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def read_meta(root: Path, prefix: str) -> dict:
    return pickle.loads((root / f"{prefix}_RAW_PROCESSED" / "meta.pkl").read_bytes())


def write_meta(root: Path, prefix: str, meta: object) -> None:
    (root / f"{prefix}_RAW_PROCESSED" / "meta.pkl").write_bytes(pickle.dumps(meta))


CUES = ("furious", "yucky", "scary", "lovely", "gloomy", "whoa")  # a word for each emotion
FILLERS = ("the", "chair", "stood", "by", "a", "green", "door", "today")
LABELS = ("ang", "exc", "fru", "hap", "neu", "sad")  # IEMOCAP's, in the order of its emotions


def write_learnable(root: Path, corpus: str, train: int = 56, valid: int = 28, test: int = 14) -> Path:
    """A pack whose emotions can be told from any of face (its grey), voice (its pitch) and words (`CUES`).

    corpus: mosei (one emotion, none, or now and then two) or iemocap (always one).
    """
    prefix = corpus.upper()
    random = np.random.default_rng(0)
    meta: dict[str, dict] = {}
    for split, count in {"train": train, "valid": valid, "test": test}.items():
        names = []
        for number in range(count):
            first = number % (7 if corpus == "mosei" else 6)  # 6 in CMU-MOSEI: none
            chosen = {first} | ({(first + 2) % 6} if corpus == "mosei" and number % 5 == 4 else set())
            chosen -= {6}
            if corpus == "mosei":
                name, side = f"{split}video_{number}", ""
                folder = root / "MOSEI_RAW_PROCESSED" / name
                label: object = [int(emotion in chosen) for emotion in range(6)]
            else:
                name, side = f"Ses0{len(split) - 3}F_{split}01_F{number:03}", "_L"
                folder = root / "IEMOCAP_RAW_PROCESSED" / f"Ses0{len(split) - 3}F_{split}01" / name
                label = LABELS[first]
            folder.mkdir(parents=True)
            for picture in range(2):
                Image.new("L", (120, 96), 30 + 30 * first + 2 * picture).save(folder / f"image{side}_{picture}.jpg")
            hertz = 200 * 1.6**first
            tone = 8000 * np.sin(2 * np.pi * hertz * np.arange(0.45 * SAMPLE_RATE) / SAMPLE_RATE)
            write_wav(folder / f"audio{side}.wav", 0.45, tone)
            words = [*random.choice(FILLERS, 4), *(CUES[emotion] for emotion in chosen)]
            meta[name] = {"text": " ".join(random.permutation(words)), "label": label}
            names.append(name)
        write_split(root, prefix, split, names)
    write_meta(root, prefix, meta)
    return root
