"""`batch`: many clips, one JSON each and tables over all of them; a run that was stopped goes on where it was."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from fv2es.cli.analyse import add_who_and_how
from fv2es.cli.output import CommandError, Progress, printable

if TYPE_CHECKING:
    from fv2es.batch.jobs import Job
    from fv2es.batch.record import Outcome, Settings


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("batch", help="read many clips", description=__doc__)
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="folders, patterns such as 'clips/*.mp4', manifests (.tsv), files"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder of the results")
    add_who_and_how(parser)
    parser.add_argument(
        "--speech",
        default="auto",
        choices=("auto", "none", "whisper", "pocketsphinx"),
        help="where the words come from, but for a manifest's texts (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument(
        "--engine", default="here", choices=("here", "ray"), help="what runs them (default: %(default)s)"
    )
    parser.add_argument("--address", metavar="ADDR", help="of a Ray cluster that runs (default: a Ray on this machine)")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="i/n", help="every n-th file, from the i-th on")
    parser.add_argument("--resume", action="store_true", help="go on: what has a result is not read again")
    parser.add_argument("--retry", action="store_true", help="with --resume: read again what failed")
    parser.add_argument(
        "--patience", type=float, default=3600.0, metavar="S", help="seconds for one file (default: %(default)g)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.workers < 1:
        raise CommandError("--workers needs a number of processes, 1 or more.")
    if not options.patience > 0:
        raise CommandError("--patience needs a number of seconds above 0.")
    from fv2es.batch.jobs import gather, shard
    from fv2es.batch.record import FOLDER, Settings, Shelf
    from fv2es.batch.tables import write_tables
    from fv2es.hub import open_checkpoint

    every = gather(options.inputs)
    checkpoint = open_checkpoint(options.model)
    settings = Settings(options.model, checkpoint.sha256, options.speech, options.language, options.speaker)
    shelf = Shelf(options.out)
    shelf.begin(settings)
    mine = shard(every, *options.shard)
    held = {job.name for job in mine if shelf.has(job)}
    if held and not options.resume:
        raise CommandError(f"{options.out} holds results of these files already; --resume goes on with them.")
    if options.retry:
        held = {name for name in held if not shelf.forget_failure(name)}
    left = [job for job in mine if job.name not in held]
    failed = _read(left, settings, options)
    tables = write_tables(shelf, [job.name for job in every], checkpoint.emotions)
    print(f"Read now: {len(left)} of {len(every)} files, of which {failed} failed.")
    print(f"In {options.out}: {FOLDER}, {', '.join(path.name for path in tables)}.")
    return 0


def _read(jobs: list[Job], settings: Settings, options: argparse.Namespace) -> int:
    """How many failed."""
    progress, failed = Progress("files", rate=True), 0
    outcomes = _engine(options)(jobs, settings, options.out, workers=options.workers, patience=options.patience)
    try:
        progress.update(0, len(jobs))
        for done, outcome in enumerate(outcomes, 1):
            if outcome.error:
                failed += 1
                progress.say(printable(f"{outcome.name}: {outcome.error}"), sys.stderr)
            progress.update(done, len(jobs))
    finally:
        outcomes.close()
        progress.close()
    return failed


def _engine(options: argparse.Namespace) -> Callable[..., Generator[Outcome, None, None]]:
    from functools import partial

    from fv2es.batch import cluster, workers

    return partial(cluster.read_all, address=options.address) if options.engine == "ray" else workers.read_all


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; 2/8 is the second of eight.")
    return int(number), int(count)
