"""A result → one file of the kind that is asked for, under a safe name, whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from fv2es.atomic import atomic_file
from fv2es.schema import Reading
from fv2es.takeaway.arrays import write_attention
from fv2es.takeaway.bundle import encode, name_of, texts, write_bundle
from fv2es.takeaway.result import Result

KINDS = ("json", "csv", "srt", "vtt", "npz", "zip")


def file_name(kind: str, result: Result) -> str:
    """ "holiday-attention.npz"; kinds are KINDS and "video". Raises ValueError for another."""
    return name_of(kind, {"file": result.file})


def write(kind: str, result: Result, folder: str | os.PathLike[str], watched: Iterable[Reading] | None = None) -> Path:
    """The file of one of KINDS in `folder`, which is there; one of the same name is replaced.

    watched: the readings with attention, taken one by one and only for a file that holds it; those of `result`, where
    none are given.
    """
    path = Path(folder) / file_name(kind, result)
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not written here; {', '.join(KINDS)} are.")
    with atomic_file(path) as stream:
        _write(kind, result, result.readings if watched is None else watched, stream)
    return path


def _write(kind: str, result: Result, watched: Iterable[Reading], stream: IO[bytes]) -> None:
    if kind == "npz":
        write_attention(stream, watched, result.emotions)
    elif kind != "zip":
        stream.write(encode(texts(result.document())[kind]))
    else:
        with tempfile.TemporaryFile() as attention:
            found = write_attention(attention, watched, result.emotions)
            attention.seek(0)
            write_bundle(stream, result.document(), attention if found else None)
