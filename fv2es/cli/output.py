"""What the commands write: JSON that is whole or not there, and a progress bar for a person who watches."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

STDOUT = "-"


class CommandError(Exception):
    """One clear sentence for the person at the keyboard; the command ends with status 2."""


def check_target(option: str, target: str | None) -> None:
    """Before the work begins: can `target` be written at all? Raises CommandError."""
    if target is None or target == STDOUT:
        return
    path = Path(target)
    if path.is_dir():
        raise CommandError(f"{option} {target} is a folder; a file name is needed.")
    if not path.parent.is_dir():
        raise CommandError(f"{option} {target} cannot be written: there is no folder {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"{option} {target} cannot be written: it is not yours to write.")


def write_json(target: str, document: Mapping[str, Any] | Sequence[Any]) -> None:
    """To a file, atomically, or to standard output for "-"."""
    if target == STDOUT:  # whose encoding may be anything
        sys.stdout.write(json.dumps(document, allow_nan=False, indent=1) + "\n")
        sys.stdout.flush()
        return
    from fv2es import atomic

    atomic.write_json(target, document)


def printable(text: str) -> str:
    """Subtitles and manifests are other people's: nothing in them may steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class Progress:
    """A bar on standard error, drawn only if that is a terminal; `say` prints lines that do not run into it."""

    def __init__(self, unit: str, stream: TextIO | None = None, rate: bool = False) -> None:
        """rate: say as well how many there are in a second, or how many seconds one takes."""
        stream = stream or sys.stderr
        self._bar: tqdm | None = None
        if stream.isatty():
            from tqdm import tqdm

            speed = ", {rate_fmt}" if rate else ""
            layout = f"{{l_bar}}{{bar}}| {{n_fmt}} of {{total_fmt}} {{unit}} [{{elapsed}}, {{remaining}} to go{speed}]"
            self._bar = tqdm(desc="loading", unit=unit, file=stream, leave=False, dynamic_ncols=True, bar_format=layout)

    def update(self, done: float, whole: float | None = None) -> None:
        """`done` of `whole`, both in the bar's unit; a whole that turns out too small grows, None is unknown. The clock
        starts at `done` = 0, when all is loaded."""
        if self._bar is not None:
            self._bar.set_description_str("", refresh=False)
            if not done:
                self._bar.reset()
            self._bar.n = round(done, 1)
            self._bar.total = None if whole is None else round(max(done, whole), 1)
            self._bar.refresh()

    def say(self, line: str, stream: TextIO) -> None:
        """Print a line to `stream` above the bar, at once."""
        with self._bar.external_write_mode(file=stream) if self._bar is not None else nullcontext():
            print(line, file=stream, flush=True)

    def close(self) -> None:
        """Take the bar away; more than once is no error."""
        if self._bar is not None:
            self._bar.close()
