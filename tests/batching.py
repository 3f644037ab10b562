"""A reader of files that does what their names say, for batches; may be sent to other processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from fv2es.batch.jobs import Job
from fv2es.batch.record import Settings
from fv2es.emotions import MOSEI
from fv2es.media import MediaError
from fv2es.schema import MODALITIES

SETTINGS = Settings("stub", "0" * 64, "none", "en", "largest")
BOSS = "boss.txt"  # beside them: the process that began the one that read last
LOG = "log.txt"  # beside the files: a line for each time that one is read


class Obedient:
    """broken… cannot be read, bug… is a fault of ours, poison… kills the process, slow… takes long, calm… a while."""

    def __init__(self, settings: Settings) -> None:
        """Needs nothing."""

    def __call__(self, job: Job) -> dict[str, Any]:
        with (job.file.parent / LOG).open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"{job.file.name}\n")
        whole = job.file.parent / f"{os.getpid()}-{BOSS}"  # whoever reads it meanwhile finds it whole
        whole.write_text(str(os.getppid()), encoding="utf-8")
        whole.replace(job.file.parent / BOSS)
        kind = job.file.name.partition("-")[0]
        if kind == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "broken":
            raise MediaError("This file is broken.")
        if kind == "bug":
            raise RuntimeError(f"a secret of {job.file}")
        if kind in ("slow", "calm"):
            time.sleep(120 if kind == "slow" else 0.2)
        return document(job)


class Stillborn:
    """Kills its process before the first file."""

    def __init__(self, settings: Settings) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Unable:
    def __init__(self, settings: Settings) -> None:
        raise ValueError("There are no weights of that name.")


def document(job: Job) -> dict[str, Any]:
    """Two utterances whose figures follow from the name."""
    values = {name: (len(job.name) + place) / 100 for place, name in enumerate(MOSEI)}
    alone = dict.fromkeys(MODALITIES) | {"face": values}
    one = {
        "start": 0.0,
        "end": 1.5,
        "transcript": job.text or "=1+1",
        "transcript_source": "typed",
        "transcript_confidence": 1.0,
        "probabilities": values,
        "active": ["happy"],
        "modalities": alone,
        "faces_found": 3,
        "seconds": {"model": time.perf_counter()},
    }
    summary = {"average": values, "duration_weighted": values, "active": []}
    return {
        "file": job.file.name,
        "duration": 3.0,
        "utterances": [one, one | {"start": 1.5, "end": 3.0, "active": []}],
        "summary": summary,
        "notes": ["No face was found."],
    }


def fill(folder: Path, *names: str) -> Path:
    """Empty files of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def times_read(folder: Path) -> list[str]:
    return sorted((folder / LOG).read_text(encoding="utf-8").split())


def run(folder: str, out: str, workers: int) -> None:
    """A whole batch in a process of its own, so that it can be killed."""
    from fv2es.batch.jobs import gather
    from fv2es.batch.record import Shelf
    from fv2es.batch.workers import read_all

    shelf = Shelf(Path(out))
    left = [job for job in gather([folder]) if not shelf.has(job)]
    for _ in read_all(left, SETTINGS, Path(out), workers=workers, make=Obedient):
        pass
