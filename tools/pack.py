"""Your own clips as a pack to train on: python -m tools.pack TRAIN.tsv VALID.tsv TEST.tsv FOLDER (docs/data.md).

Each manifest is one split; a row becomes a folder of two pictures a second and its sound, in the layout of CMU-MOSEI.
"""

from __future__ import annotations

import argparse
import itertools
import math
import pickle
import shutil
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fv2es.data.manifest import Row, read_manifest
from fv2es.data.packs import SOURCE, SPLITS
from fv2es.emotions import MOSEI
from fv2es.evaluation import words_of
from fv2es.limits import Limits
from fv2es.media import MediaError, open_media
from fv2es.modalities.speech import SpeechError
from fv2es.schema import SAMPLE_RATE, Frame

STEP = 0.5  # seconds between pictures


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tools.pack", description=__doc__)
    for split in SPLITS:
        options.add_argument(split, type=Path, metavar=f"{split.upper()}.tsv")
    options.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    return options


def main(manifests: Sequence[Path], folder: Path) -> list[str]:
    """A sentence about each row whose file cannot be read, which is left out. Raises ManifestError before anything is
    written, FileExistsError where there is a pack already."""
    every = [read_manifest(manifest, labelled=True) for manifest in manifests]
    raw, splits = folder / "MOSEI_RAW_PROCESSED", folder / "MOSEI_SPLIT"
    if raw.exists() or splits.exists():
        raise FileExistsError(f"There is a pack in {folder} already; choose another folder.")
    splits.mkdir(parents=True)
    meta: dict[str, dict[str, object]] = {}
    left_out = []
    for split, manifest, rows in zip(SPLITS, manifests, every, strict=True):
        names = []
        for row in rows:
            name = f"{split}_{row.line}"
            try:
                (raw / name).mkdir(parents=True)
                write(row, raw / name)
                text = words_of(row).text
            except (MediaError, SpeechError) as error:
                left_out.append(f"{row.id} (line {row.line} of {manifest.name}): {error}")
                shutil.rmtree(raw / name)
                continue
            meta[name] = {"text": text, "label": [int(emotion in row.labels) for emotion in MOSEI], "id": row.id}
            names.append(name)
        (splits / f"{split}_split.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (raw / "meta.pkl").write_bytes(pickle.dumps(meta))
    (folder / SOURCE).write_text("own clips\n", encoding="utf-8")
    return left_out


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
    asked = parser().parse_args()
    try:
        for sentence in main([getattr(asked, split) for split in SPLITS], asked.folder):
            print(f"Left out: {sentence}", file=sys.stderr)
    except (ValueError, OSError) as problem:
        sys.exit(str(problem))
