"""Your own clips as a pack to train on: python -m tools.pack TRAIN.tsv VALID.tsv TEST.tsv FOLDER (docs/data.md).

Each manifest is one split; a row becomes a folder of two pictures a second and its sound, in the layout of CMU-MOSEI.
"""

from __future__ import annotations

import itertools
import math
import pickle
import sys
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from fv2es.data.manifest import Row, read_manifest
from fv2es.data.packs import SOURCE, SPLITS
from fv2es.emotions import MOSEI
from fv2es.evaluation import words_of
from fv2es.limits import Limits
from fv2es.media import open_media
from fv2es.schema import SAMPLE_RATE, Frame

STEP = 0.5  # seconds between pictures


def main(manifests: list[Path], folder: Path) -> None:
    """Raises ManifestError and MediaError, with one sentence."""
    raw, splits = folder / "MOSEI_RAW_PROCESSED", folder / "MOSEI_SPLIT"
    splits.mkdir(parents=True)
    meta: dict[str, dict[str, object]] = {}
    for split, manifest in zip(SPLITS, manifests, strict=True):
        names = []
        for row in read_manifest(manifest, labelled=True):
            name = f"{split}_{row.line}"
            (raw / name).mkdir(parents=True)
            write(row, raw / name)
            meta[name] = {
                "text": words_of(row).text,
                "label": [int(emotion in row.labels) for emotion in MOSEI],
                "id": row.id,
            }
            names.append(name)
        (splits / f"{split}_split.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (raw / "meta.pkl").write_bytes(pickle.dumps(meta))
    (folder / SOURCE).write_text("own clips\n", encoding="utf-8")


def write(row: Row, folder: Path) -> None:
    """Pictures and sound of a row's stretch, as far as its file has them; words alone leave an empty folder."""
    if row.file is None:
        return
    start, end = row.start or 0.0, math.inf if row.end is None else row.end
    heard: list[np.ndarray] = []
    with open_media(row.file, Limits.unlimited()) as media:
        numbers = itertools.count()
        for event in media.read(itertools.count(start + STEP / 2, STEP), start, end):
            if isinstance(event, Frame):
                Image.fromarray(event.pixels).save(folder / f"image_{next(numbers)}.jpg", quality=95)
            elif media.has_audio:
                heard.append(event.samples)
    if heard:
        with wave.open(str(folder / "audio.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((np.concatenate(heard) * 32767).round().astype("<i2").tobytes())


if __name__ == "__main__":
    *given, target = map(Path, sys.argv[1:])
    main(given, target)
