"""Folders, patterns, manifests and files → what is to be done, in an order and under names that do not change."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fv2es.data.manifest import read_manifest
from fv2es.fingerprints import fingerprint

# By their names alone; what is in a file is found out when it is its turn. Named one by one, any file will do.
VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".3gp", ".ogv")
SOUND = (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus")
SUFFIXES = frozenset((*VIDEO, *SOUND))
MANIFESTS = (".tsv",)
LONGEST = 220  # bytes of a file's name that its record takes over: file systems hold 255, with what comes behind


class BatchError(ValueError):
    """One clear sentence about the batch as a whole."""


@dataclass(frozen=True)
class Job:
    """One file. `name`: where its record lies below the others' folder, less its suffix; `text`: the words as typed;
    `subtitles`: a file of them, where nothing is typed."""

    name: str
    file: Path
    text: str | None = None
    subtitles: Path | None = None

    @property
    def has_words(self) -> bool:
        """Is it said what is said?"""
        return self.text is not None or self.subtitles is not None

    def fingerprint(self) -> str:
        """Of what is in the file, and in its subtitles, by size and both ends, and of typed words; empty where one
        cannot be read."""
        try:
            return fingerprint(filter(None, (self.file, self.subtitles)), self.text or "")
        except OSError:
            return ""


def gather(inputs: Iterable[str | os.PathLike[str]]) -> list[Job]:
    """All files, sorted within each input; a file that is named twice is done once.

    A folder gives what lies below it and is named like a video or a sound; a manifest (.tsv) the files of its rows with
    their texts or subtitles; a pattern (*, ?, **) what it fits; anything else is a file. Raises BatchError where an
    input is not there or gives nothing, ManifestError for a manifest that cannot be read.
    """
    found: dict[Path, Job] = {}
    taken: set[str] = set()
    for one in inputs:
        jobs = list(_of(os.fspath(one)))
        if not jobs:
            raise BatchError(f"{one}: no video or sound file was found there.")
        for job in jobs:
            place = Path(os.path.abspath(job.file))
            if place not in found:
                found[place] = replace(job, name=_free(job.name, taken), file=place)
            elif not found[place].has_words:
                found[place] = replace(found[place], text=job.text, subtitles=job.subtitles)
            elif job.has_words and (job.text, job.subtitles) != (found[place].text, found[place].subtitles):
                raise BatchError(
                    f"{job.file} is named twice with different words; batch reads each file once, as a whole."
                )
    return list(found.values())


def shard(jobs: Sequence[Job], number: int, count: int) -> list[Job]:
    """Every `count`-th job from the `number`-th on, counted from 1. Raises BatchError where there is no such shard."""
    if not 1 <= number <= count:
        raise BatchError(f"The shard {number}/{count} does not exist; shards are 1/{count} to {count}/{count}.")
    return list(jobs[number - 1 :: count])


def _of(one: str) -> Iterator[Job]:
    path = Path(one)
    if path.is_dir():
        yield from (Job(_name(file, path), file) for file in _below(path))
    elif path.suffix.lower() in MANIFESTS and path.is_file():
        yield from _listed(path)
    elif path.exists():
        yield Job(_writable(path.name), path)
    elif not glob.has_magic(one):
        raise BatchError(f"{one}: there is no such file or folder.")
    else:
        plain = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
        files = sorted(Path(name) for name in glob.glob(one, recursive=True))
        root = Path(*plain)
        yield from (Job(_name(file, root), file) for file in files if _is_media(file))


def _below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if _is_media(file))


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _listed(manifest: Path) -> Iterator[Job]:
    for row in read_manifest(manifest, None):
        if row.file is None:
            continue
        if row.start is not None or row.end is not None:
            raise BatchError(
                f"Line {row.line} of {manifest.name} names a stretch of a file; batch reads whole files. "
                "Leave the columns start and end empty, or use evaluate."
            )
        subtitles = None if row.text or row.subtitles is None else row.subtitles.absolute()
        yield Job(_name(row.file, manifest.parent), row.file, row.text or None, subtitles)


def _name(file: Path, root: Path) -> str:
    """Relative to `root` where it lies below it, else the file's own name; never a way out of the batch's folder."""
    try:
        below = Path(os.path.abspath(file)).relative_to(os.path.abspath(root))
    except ValueError:
        below = Path(file.name)
    return "/".join(map(_writable, below.parts))


def _writable(part: str) -> str:
    """Part of a path as any file system and encoding takes it; cut in the middle where it is too long."""
    plain = os.fsencode(part).decode(errors="replace")
    if len(plain.encode()) <= LONGEST:
        return plain
    behind = f"~{hashlib.sha256(os.fsencode(part)).hexdigest()[:8]}{Path(plain).suffix[:16]}"
    return plain.encode()[: LONGEST - len(behind.encode())].decode(errors="ignore") + behind


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it where another input has a file of that name."""
    free, number = name, 2
    while free.casefold() in taken:
        free, number = f"{name}~{number}", number + 1
    taken.add(free.casefold())
    return free
