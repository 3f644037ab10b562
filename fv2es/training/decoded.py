"""A pack's utterances decoded once: faces found, sound read, spectrogram made, kept in files of a few each.

The files are safetensors: arrays, and a line of JSON that says what could not be read. Each is written whole or not at
all, so that a run that was stopped goes on with the first that is missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from math import ceil, nan
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm import tqdm

from fv2es.data.packs import Item, PackError, utterance
from fv2es.fingerprints import fingerprint
from fv2es.modalities.faces import CROP, Finder
from fv2es.schema import FaceCrop, Span, Transcript, Utterance

log = logging.getLogger(__name__)

VERSION = "2"  # of what is kept and how it is made: another one is decoded again
GLANCE = 1 << 12  # bytes at either end of a picture or sound: packs have some ten thousand
AT_ONCE = 32  # utterances a file, some 30 MB


class Decoded:
    """`decoded[row]` is `packs.utterance` of the row-th item; `fill` decodes what was not decoded before.

    digest: of what the items' pictures and sounds hold. unreadable: row → why its files cannot be read. empty: rows of
    which nothing is left to be seen, heard or read.
    """

    def __init__(self, items: Sequence[Item], folder: Path, name: str, finder: Callable[[], Finder]) -> None:
        """Files lie in a folder of `folder` that is named by `name` and by what the items' own files hold."""
        self.items = items
        self.name = name
        self.digest = _digest(items)
        self.folder = folder / f"{name}-{self.digest}"
        self.unreadable: dict[int, str] = {}
        self.empty: set[int] = set()
        self._make_finder = finder
        self._finder: Finder | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Utterance:
        with safe_open(self._file(row // AT_ONCE), framework="np") as file:
            return _unpack(file, row % AT_ONCE, self.items[row].text)

    def fill(self) -> None:
        """Decode what is missing, file by file, and learn what could not be read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tqdm(total=len(self), desc=f"decoding {self.name}", unit="utterance", disable=None) as bar:
            for number in range(ceil(len(self) / AT_ONCE)):
                try:
                    seen = self._look(number)
                except (SafetensorError, FileNotFoundError):  # missing, or damaged since
                    self._decode(number, bar)
                    seen = self._look(number)
                self._note(number, seen)
                bar.n = min(len(self), (number + 1) * AT_ONCE)
                bar.refresh()
        self._finder = None
        if self.unreadable:
            one = next(iter(self.unreadable.values()))
            log.warning("%s: %d of %d cannot be read (%s)", self.name, len(self.unreadable), len(self), one)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05}.safetensors"

    def _look(self, number: int) -> list[dict]:
        with safe_open(self._file(number), framework="np") as file:
            return json.loads(file.metadata()["seen"])

    def _note(self, number: int, seen: list[dict]) -> None:
        for row, one in enumerate(seen, number * AT_ONCE):
            if one["why"]:
                self.unreadable[row] = one["why"]
            elif not (one["faces"] or one["columns"] or self.items[row].text):
                self.empty.add(row)

    def _decode(self, number: int, bar: tqdm) -> None:
        self._finder = self._finder or self._make_finder()
        arrays: dict[str, np.ndarray] = {}
        seen = []
        for place, item in enumerate(self.items[number * AT_ONCE : (number + 1) * AT_ONCE]):
            try:
                one, why = utterance(item, self._finder), ""
            except PackError as error:
                one, why = Utterance(Span(0.0, 1.0)), str(error)
            arrays |= {f"{place}.{name}": array for name, array in _pack(one).items()}
            seen.append({"why": why, "faces": len(one.faces), "columns": one.mel.shape[1]})
            bar.update()
        path = self._file(number)
        partial = path.with_suffix(".partial")
        partial.write_bytes(save(arrays, metadata={"seen": json.dumps(seen)}))
        partial.replace(path)


def _digest(items: Sequence[Item]) -> str:
    """12 hex digits of what pictures and sounds hold, as far as a glance at the first and last of each item tells.
    Words and labels do not count."""
    found = hashlib.sha256(VERSION.encode())
    for one in items:
        looked_at = [*dict.fromkeys((*one.frames[:1], *one.frames[-1:])), *([one.sound] if one.sound else [])]
        try:
            seen = fingerprint(looked_at, ends=GLANCE)
        except OSError:  # said when it is decoded
            seen = "unreadable"
        found.update(f"{one.id} {len(one.frames)} {seen}\n".encode())
    return found.hexdigest()[:12]


def _pack(one: Utterance) -> dict[str, np.ndarray]:
    nowhere = (nan,) * 4  # the box of a crop that was taken as the face
    return {
        "span": np.array([one.span.start, one.span.end]),
        "pixels": np.array([face.pixels for face in one.faces], np.uint8).reshape(-1, CROP, CROP, 3),
        "faces": np.array(
            [(face.time, face.confidence, *(face.box or nowhere)) for face in one.faces], np.float64
        ).reshape(-1, 6),
        "waveform": np.ascontiguousarray(one.waveform, np.float32),
        "mel": np.ascontiguousarray(one.mel, np.float32),
    }


def _unpack(file: safe_open, place: int, text: str) -> Utterance:
    span, pixels, faces, waveform, mel = (
        file.get_tensor(f"{place}.{name}") for name in ("span", "pixels", "faces", "waveform", "mel")
    )
    crops = tuple(
        FaceCrop(time, crop, None if np.isnan(box[0]) else tuple(box), confidence)
        for crop, (time, confidence, *box) in zip(pixels, faces.tolist(), strict=True)
    )
    words = Transcript(text, "typed") if text else Transcript()
    return Utterance(Span(*span.tolist()), faces=crops, waveform=waveform, mel=mel, transcript=words)
