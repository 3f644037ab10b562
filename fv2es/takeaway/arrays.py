"""Attention as `.npz`, written array by array, so that a long clip's is never held together."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import IO

import numpy as np

from fv2es.schema import Reading


class NpzWriter:
    """An .npz without pickles and without dates: the same arrays give the same bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(stream, "w")

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()  # writes the directory; the stream stays open

    def add(self, name: str, array: np.ndarray) -> None:
        member = zipfile.ZipInfo(f"{name}.npy")
        member.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(member, "w", force_zip64=True) as stream:
            np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


class AttentionFile:
    """`utterance_0003_level1` … of each reading as it comes, then `spans` and `emotions` (see `docs/json.md`).

    found: has any reading had attention?
    """

    def __init__(self, writer: NpzWriter) -> None:
        self.found = False
        self._writer = writer
        self._spans: list[tuple[float, float]] = []

    def add(self, reading: Reading) -> None:
        for level, maps in (reading.attention or {}).items():
            self._writer.add(f"utterance_{reading.index:04d}_{level}", maps)
            self.found = True
        self._spans.append((reading.span.start, reading.span.end))

    def finish(self, emotions: tuple[str, ...]) -> None:
        self._writer.add("spans", np.array(self._spans, np.float64).reshape(-1, 2))
        self._writer.add("emotions", np.array(emotions))


def write_attention(stream: IO[bytes], readings: Iterable[Reading], emotions: tuple[str, ...]) -> bool:
    """All of it at once. Is there any?"""
    with NpzWriter(stream) as writer:
        file = AttentionFile(writer)
        for reading in readings:
            file.add(reading)
        file.finish(emotions)
    return file.found
