"""FER+ (Barsoum et al. 2016): FER2013's 48×48 grey faces with ten crowd votes each."""

from __future__ import annotations

import csv
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fv2es.atomic import atomic_file
from fv2es.emotions import MOSEI, NEUTRAL

CLASSES = (*MOSEI, NEUTRAL)
_VOTES = {"anger": "v_angry", "disgust": "v_disgust", "fear": "v_fear", "happy": "v_happy", "sad": "v_sad",
          "surprise": "v_surprise", NEUTRAL: "v_neutral"}  # fmt: skip
ALIKE = 0.94  # correlation
_OTHER = ("v_contempt", "v_unknown", "v_notface")


@dataclass(frozen=True, eq=False)
class Faces:
    """pixels (N, 48, 48) uint8; targets (N, 7) vote shares over `CLASSES`; majority (N,) True where most agreed;
    label (N,) index of the majority label in `CLASSES`, −1 for anything else."""

    pixels: np.ndarray
    targets: np.ndarray
    label: np.ndarray
    majority: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def select(self, rows: np.ndarray) -> Faces:
        return Faces(self.pixels[rows], self.targets[rows], self.label[rows], self.majority[rows])


def one_hot(label: np.ndarray) -> np.ndarray:
    """(N,) index in `CLASSES`, neutral last → (N, E) bool, all False where neutral."""
    return label[:, None] == np.arange(len(MOSEI))


def read(folder: Path, split: str, cache: Path | None = None) -> Faces:
    """Pictures of one split whose votes are mostly for the seven classes. `cache`: a folder for the unpacked pixels.

    Single votes are taken for slips and dropped. FER2013 has many photographs more than once, cropped or marked
    otherwise, and in both splits: those that are learnt from are left out of what is validated on (`near_copies`).
    """
    with (folder / "fer2013plus.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    pictures = _pictures(folder / "fer2013plus.tar.gz", cache)
    found = _chosen(rows, split, pictures)
    if split == "train":
        return found
    return found.select(~near_copies(found.pixels, _chosen(rows, "train", pictures).pixels))


def _chosen(rows: list[dict[str, str]], split: str, pictures: dict[str, np.ndarray]) -> Faces:
    rows = [row for row in rows if row["split"] == split]
    votes = np.array([[float(row[_VOTES[name]]) for name in CLASSES] for row in rows], np.float32)
    other = np.array([[float(row[name]) for name in _OTHER] for row in rows], np.float32).sum(1)
    votes[votes <= 1] = 0
    kept = (votes.sum(1) > other) & (votes.sum(1) > 0)
    if split == "train":
        kept &= np.array([row["dup_crosses_split"] != "1" for row in rows])
    names = {"angry": "anger"}
    labels = [names.get(row["label"], row["label"]) for row in rows]
    chosen = np.flatnonzero(kept)
    return Faces(
        pixels=np.stack([pictures[rows[i]["file"]] for i in chosen]),
        targets=votes[chosen] / votes[chosen].sum(1, keepdims=True),
        label=np.array([CLASSES.index(labels[i]) if labels[i] in CLASSES else -1 for i in chosen]),
        majority=np.array([rows[i]["majority"] == "1" for i in chosen]),
    )


def near_copies(pixels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, 48, 48), (M, 48, 48) → (N,) bool: which are one of the others again, or its mirror image.

    Their thumbnails correlate by more than ALIKE: of those pairs that were looked at nearly all were one photograph,
    of those with a hundredth less half.
    """
    known = _thumbnails(others).T
    found = np.zeros(len(pixels), bool)
    for first in range(0, len(pixels), 256):
        some = pixels[first : first + 256]
        for view in (some, some[..., ::-1]):
            found[first : first + 256] |= (_thumbnails(view) @ known).max(1, initial=0) > ALIKE
    return found


def _thumbnails(pixels: np.ndarray) -> np.ndarray:
    """(N, 48, 48) → (N, 256): means of 3×3 pixels, of mean 0 and length 1."""
    small = pixels.reshape(len(pixels), 16, 3, 16, 3).mean((2, 4), dtype=np.float32).reshape(len(pixels), 256)
    small -= small.mean(1, keepdims=True)
    return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-3)


def _pictures(archive: Path, cache: Path | None) -> dict[str, np.ndarray]:
    packed = cache / "ferplus.npz" if cache else None
    if packed and packed.exists():
        with np.load(packed) as arrays:
            return dict(zip(arrays["names"].tolist(), arrays["pixels"], strict=True))
    pictures = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)):
                picture = Image.open(io.BytesIO(content.read())).convert("L")
                pictures[Path(member.name).name] = np.asarray(picture)
    if packed:
        packed.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(packed) as stream:
            np.savez(stream, names=np.array(list(pictures)), pixels=np.stack(list(pictures.values())))
    return pictures
