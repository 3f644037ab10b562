"""Processes that kill themselves, as the kernel would, at a moment that is sure."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

Moment = tuple[str, int]

ROOT = Path(__file__).resolve().parents[1]
SLOW_TO_IMPORT = ["torch._dynamo", "pytest", "fv2es.training.run"]  # done once, for all processes


def ends_by_kill(target: Callable[..., None], *arguments: Any) -> bool:
    """Run `target` in a process of its own: did it end by SIGKILL?"""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(SLOW_TO_IMPORT)
    child = context.Process(target=target, args=arguments)
    with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"):
        child.start()
    child.join()
    return child.exitcode == -signal.SIGKILL


class Reaper:
    """Kills this process the n-th time that `moment`'s name is reached."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.seen: dict[str, int] = {}

    def reach(self, name: str) -> None:
        self.seen[name] = self.seen.get(name, 0) + 1
        if (name, self.seen[name]) == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self) -> None:
        """Reach "before NAME" and "after NAME" wherever a file of that name is put in its place."""

        def put(partial: Path, path: Path) -> Path:
            self.reach(f"before {Path(path).name}")
            os.replace(partial, path)
            self.reach(f"after {Path(path).name}")
            return Path(path)

        Path.replace = put  # type: ignore[method-assign,assignment]
