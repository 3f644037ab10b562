"""The same by Ray Data: on this machine or on a cluster whose machines see the same folders.

What travels are paths, never bytes: a task is one file, in a block of its own, and what comes back is how it went. The
record is written where the file is read, so a run that is begun again has nothing to do twice. An actor keeps a process
that reads (`workers.Careful`); a poison file costs that process and no more, and an actor that dies all the same is
restarted, its file tried once more, a finite number of times (Ray's own numbers are infinite: a poison file would hang
the run for ever).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fv2es.batch.jobs import BatchError, Job
from fv2es.batch.reading import FileReader
from fv2es.batch.record import Outcome, Settings, Shelf, fail
from fv2es.batch.workers import DIED, PATIENCE, Careful, Make

RESTARTS, RETRIES = 3, 1
KNOCK = 10.0  # seconds
AT_ONCE = 10_000  # files of one dataset: a block each is a burden for the head of a cluster
NO_RAY = "Ray is not installed; pip install 'fv2es[ray]' brings it."

Row = dict[str, Any]


def read_all(
    jobs: Sequence[Job],
    settings: Settings,
    folder: Path,
    *,
    workers: int = 1,
    address: str | None = None,
    patience: float = PATIENCE,
    make: Make = FileReader,
) -> Generator[Outcome, None, None]:
    """As `workers.read_all`. workers: actors, a CPU each; address: of a running cluster, None = a Ray on this machine.

    Raises BatchError where Ray is not installed or cannot be reached.
    """
    ray = _begin(address, workers)
    try:
        shelf = Shelf(folder)
        waiting = iter(jobs)
        while some := list(islice(waiting, AT_ONCE)):
            known = set()
            with closing(_rows(ray, some, (settings, folder.absolute(), patience, make), workers)) as rows:
                for row in rows:
                    known.add(row["name"])
                    yield Outcome(**row)
            for job in some:  # actors that died more often than they may
                if job.name not in known:
                    yield shelf.outcome(job.name) or fail(shelf, job, DIED)
    finally:
        ray.shutdown()


def _begin(address: str | None, workers: int) -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BatchError(NO_RAY) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    own: dict[str, Any] = {}
    if address is None:
        path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}  # what is found here is found there
        own = {"num_cpus": max(workers, os.cpu_count() or 1), "include_dashboard": False, "runtime_env": path}
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise BatchError(f"Ray at {address or 'this machine'} cannot be reached.") from error
    return ray


def _knock(address: str | None) -> None:
    """Is anybody there? Ray itself would ask for many minutes. Raises OSError."""
    place = urlsplit(address if address and "//" in address else f"//{address or ''}")
    if place.hostname and place.port:
        socket.create_connection((str(place.hostname), place.port), KNOCK).close()


def _rows(ray: Any, jobs: Sequence[Job], arguments: tuple[Any, ...], workers: int) -> Generator[Row, None, None]:
    """As they come, fetched by who asks: a thread of Ray's that still fetched after the end would begin a new Ray."""
    context = ray.data.DataContext.get_current()  # a dataset takes a copy when it is made
    context.max_errored_blocks = -1  # what is lost is seen by its missing record
    context.enable_progress_bars = False
    given = [
        {"name": job.name, "file": str(job.file), "text": job.text or "", "subtitles": str(job.subtitles or "")}
        for job in jobs
    ]
    rows = ray.data.from_items(given, override_num_blocks=len(given)).map(
        _Actor,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(given))),
        num_cpus=1,
        max_restarts=RESTARTS,
        max_task_retries=RETRIES,  # Ray 2.60 has no other way to say these two, and calls this one deprecated
    )
    for bundle in rows.iter_internal_ref_bundles():
        for block in bundle.block_refs:
            yield from ray.data.block.BlockAccessor.for_block(ray.get(block)).iter_rows(public_row_format=True)


class _Actor:
    def __init__(self, settings: Settings, folder: Path, patience: float, make: Make) -> None:
        self._shelf = Shelf(folder)
        self._read = Careful(settings, folder, patience, make)

    def __call__(self, row: Row) -> Row:
        subtitles = Path(row["subtitles"]) if row["subtitles"] else None
        job = Job(row["name"], Path(row["file"]), row["text"] or None, subtitles)
        return vars(self._shelf.outcome(job.name) or self._read(job))
