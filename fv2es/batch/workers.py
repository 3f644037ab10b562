"""Processes of this machine that read files, one each at a time. One that dies costs its file and is replaced."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fv2es.batch.jobs import BatchError, Job
from fv2es.batch.reading import FileReader
from fv2es.batch.record import Outcome, Settings, Shelf, fail, keep

DIED = "The process that read this file died: the file may be damaged, or the memory was too small."
TOO_LONG = "Reading this file took more than {seconds:.0f} seconds, so it was given up."
NO_START = "The processes that read files die before they begin; is there memory enough?"
PATIENCE = 3600.0  # seconds for one file
STARTS = 3  # deaths in a row before the first file of a process: then it is not the files' fault

Make = Callable[[Settings], Callable[[Job], dict]]


def read_all(
    jobs: Sequence[Job],
    settings: Settings,
    folder: Path,
    *,
    workers: int = 1,
    patience: float = PATIENCE,
    make: Make = FileReader,
) -> Generator[Outcome, None, None]:
    """An outcome for each job as soon as its record is on the shelf, in the order in which they end.

    patience: seconds for one file. make: what a process makes of the settings, once, to read files with. Raises
    BatchError where processes cannot even begin. Closing the generator ends all of them at once.
    """
    waiting = deque(jobs)
    crew: list[_Worker] = []
    shelf = Shelf(folder)
    deaths = 0
    try:
        while waiting or any(worker.job for worker in crew):
            while waiting and len(crew) < min(max(1, workers), len(waiting) + sum(bool(one.job) for one in crew)):
                crew.append(_Worker(settings, folder, make, max(1, workers)))
            for worker in crew:
                if worker.ready and not worker.job and waiting:
                    worker.give(waiting.popleft())
            for worker in _stirred(crew, patience):
                outcome = worker.hear(shelf, patience)
                if not worker.alive:
                    crew.remove(worker)
                    deaths = deaths + 1 if outcome is None else 0
                    if deaths >= STARTS:
                        raise BatchError(NO_START)
                if outcome is not None:
                    yield outcome
    finally:
        for worker in crew:
            worker.end()


class Careful:
    """Reads one file after the other in a process of its own, which is replaced when it dies."""

    def __init__(self, settings: Settings, folder: Path, patience: float = PATIENCE, make: Make = FileReader) -> None:
        self._start = lambda: _Worker(settings, folder, make, os.cpu_count() or 1)
        self._shelf, self._patience = Shelf(folder), patience
        self._worker: _Worker | None = None

    def __call__(self, job: Job) -> Outcome:
        """Raises BatchError where the process cannot begin."""
        deaths = 0
        while deaths < STARTS:
            worker = self._worker = self._worker or self._start()
            if worker.ready and not worker.job:
                worker.give(job)
            _stirred([worker], self._patience)
            outcome = worker.hear(self._shelf, self._patience)
            if not worker.alive:
                self._worker, deaths = None, deaths + 1
            if outcome is not None:
                return outcome
        raise BatchError(NO_START)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, settings: Settings, folder: Path, make: Make, crew: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of what torch's threads hold would hang
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, settings, folder, make, crew), daemon=True)
        self._process.start()
        theirs.close()
        self.job: Job | None = None
        self.ready = False
        self._began = time.monotonic()

    @property
    def handles(self) -> tuple[Connection, int]:
        return self._pipe, self._process.sentinel

    @property
    def alive(self) -> bool:
        return not self._pipe.closed

    def left(self, patience: float) -> float:
        """Seconds that it may still take."""
        return self._began + patience - time.monotonic() if self.job else patience

    def give(self, job: Job) -> None:
        self.job, self._began = job, time.monotonic()
        with suppress(OSError):  # it has died: heard of next
            self._pipe.send(job)

    def hear(self, shelf: Shelf, patience: float) -> Outcome | None:
        """What it has to say, or that it can say nothing more. None: it is ready, or died before its first file.

        Raises what it could not begin for."""
        with suppress(EOFError, OSError):
            if self._pipe.poll():
                said = self._pipe.recv()
                if isinstance(said, BaseException):
                    raise said
                self.ready, self.job = True, None
                return said if isinstance(said, Outcome) else None
        if self._process.is_alive() and self.left(patience) > 0:
            return None
        sentence = TOO_LONG.format(seconds=patience) if self._process.is_alive() else DIED
        job, seconds = self.job, time.monotonic() - self._began
        self.end()
        if job is None:
            return None
        return shelf.outcome(job.name) or fail(shelf, job, sentence, seconds)  # between the record and the word?

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _stirred(crew: Sequence[_Worker], patience: float) -> list[_Worker]:
    """Those that have something to say, have died, or take too long; waits for the first."""
    owners = {handle: worker for worker in crew for handle in worker.handles}
    soonest = min(worker.left(patience) for worker in crew)
    found = {owners[handle] for handle in wait(list(owners), max(0.0, soonest))}  # type: ignore[index,arg-type]
    return [worker for worker in crew if worker in found or worker.left(patience) <= 0]


def _work(pipe: Connection, settings: Settings, folder: Path, make: Make, crew: int) -> None:
    """The process: says that it is ready, then reads what it is given until nobody is there any more."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // crew)))  # before torch is imported
    try:
        read, shelf = make(settings), Shelf(folder)
    except Exception as error:
        with suppress(OSError):
            pipe.send(BatchError(" ".join(str(error).split()) or type(error).__name__))
        return
    with suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(None)
        while True:
            pipe.send(keep(shelf, pipe.recv(), read))
