"""What is left of one file: its analysis, or one sentence that says why there is none. Written whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fv2es.atomic import write_json
from fv2es.batch.jobs import BatchError, Job

SETTINGS = "batch.json"
FOLDER = "videos"
DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True)
class Settings:
    """What every record of a batch has in common: they can be compared. sha256: of the weights."""

    model: str
    sha256: str
    speech: str
    language: str
    speaker: str


@dataclass(frozen=True)
class Outcome:
    """How it went with one job. status: done or failed; error: the sentence of a failure; seconds: it took."""

    name: str
    status: str
    error: str = ""
    seconds: float = 0.0


class Shelf:
    """The records of a batch, in a folder of its own. Several processes and machines may write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, settings: Settings) -> None:
        """Make the folder, or go on in it. Raises BatchError where it holds records made with other settings."""
        path, mine = self.folder / SETTINGS, asdict(settings)
        theirs = _read(path) if path.exists() else mine
        if theirs != mine:
            other = sorted(name for name in mine if theirs.get(name) != mine[name])
            raise BatchError(f"{self.folder} holds a batch made with another {' and '.join(other)}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)

    def path(self, name: str) -> Path:
        """Where a job's record lies, or will."""
        return self.folder / FOLDER / f"{name}.json"

    def put(self, name: str, document: dict[str, Any]) -> None:
        """Write a record; it is there whole or not at all."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, document)

    def get(self, name: str) -> dict[str, Any] | None:
        """The record, None where there is none yet."""
        try:
            return _read(self.path(name))
        except FileNotFoundError:
            return None

    def outcome(self, name: str) -> Outcome | None:
        """How it went, where the word of it was lost; None where there is no record yet."""
        if (record := self.get(name)) is None:
            return None
        error = record.get("error", "")
        return Outcome(name, FAILED if error else DONE, error, record["seconds"])

    def has(self, job: Job) -> bool:
        """Is there a record, of success or of failure? What another file, or an earlier form of this one, failed with
        does not count; raises BatchError where there is another's result."""
        if (record := self.get(job.name)) is None:
            return False
        theirs, mine = record.get("fingerprint"), job.fingerprint()
        if "error" in record:
            return theirs == mine
        if not (theirs and mine) or theirs == mine:
            return True
        raise BatchError(
            f"As {job.name}, {self.folder} holds the result of another file than {job.file}, or of what it or its "
            "words were before. Name the inputs in the same order and new ones behind them, or choose another folder."
        )

    def forget_failure(self, name: str) -> bool:
        """So that the file is read again. Was there one?"""
        failed = "error" in (self.get(name) or {})
        if failed:
            self.path(name).unlink(missing_ok=True)
        return failed

    def names(self) -> Iterator[str]:
        """Of all records, sorted."""
        root = self.folder / FOLDER
        paths = sorted(path for path in root.rglob("*.json") if not path.name.startswith("."))
        return (path.relative_to(root).as_posix().removesuffix(".json") for path in paths)


def keep(shelf: Shelf, job: Job, read: Callable[[Job], dict[str, Any]]) -> Outcome:
    """Read one file and put its record on the shelf, whatever happens; the only place where a failure is turned into a
    sentence."""
    start = time.perf_counter()
    try:
        document, error = read(job), ""
    except (ValueError, OSError) as problem:  # MediaError and its like: one sentence for a person
        error = " ".join(str(problem).split()) or type(problem).__name__
    except Exception as problem:  # a poison file costs itself only
        error = f"Something went wrong inside ({type(problem).__name__})."
    if error:
        return fail(shelf, job, error, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    shelf.put(job.name, document | _marks(job, seconds))
    return Outcome(job.name, DONE, seconds=seconds)


def fail(shelf: Shelf, job: Job, error: str, seconds: float = 0.0) -> Outcome:
    """Put a sentence on the shelf in place of an analysis."""
    shelf.put(job.name, {"file": job.file.name, **_marks(job, seconds), "error": error})
    return Outcome(job.name, FAILED, error, seconds)


def _marks(job: Job, seconds: float) -> dict[str, Any]:
    return {"name": job.name, "fingerprint": job.fingerprint(), "seconds": round(seconds, 3)}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
