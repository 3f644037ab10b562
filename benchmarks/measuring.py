"""What every measurement needs: the machine's name, time of the clock and of the processors, memory, and tables."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK = 0.05  # seconds between two looks at the memory of child processes
PROC = Path("/proc/self")


@dataclass
class Spent:
    """Seconds of the clock, of the processors in this process and in its children, also those that live on; peak bytes
    in use by this process and its children together, 0 where the system does not say."""

    wall: float = 0.0
    own: float = 0.0
    children: float = 0.0
    peak: int = 0


@contextmanager
def spent() -> Iterator[Spent]:
    """What is done inside the `with`. Peaks are those since its beginning."""
    result = Spent()
    with _Watch() as watch:
        wall, own, children = time.perf_counter(), time.process_time(), _children()
        try:
            yield result
        finally:
            result.wall = time.perf_counter() - wall
            result.own = time.process_time() - own
            result.children = _children() - children
    result.peak = watch.peak


def _children() -> float:
    """Seconds of the processors, in children and theirs, that have ended and that are there."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = [int(one) for child in living() for one in _text(child / "stat").rpartition(")")[2].split()[11:15]]
    return ended.ru_utime + ended.ru_stime + sum(ticks) / os.sysconf("SC_CLK_TCK")


def living(process: Path = PROC) -> list[Path]:
    """Its children and theirs."""
    numbers = [one for task in process.glob("task/*/children") for one in _text(task).split()]
    own = [Path("/proc") / one for one in numbers]
    return own + [one for child in own for one in living(child)]


class _Watch:
    """Peak memory, by Linux's own accounts."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._theirs = 0
        self.peak = 0

    def __enter__(self) -> _Watch:
        with suppress(OSError):
            (PROC / "clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        own = _peak(PROC)
        self.peak = own + self._theirs if own else 0

    def _look(self) -> None:
        own = _text(PROC / "cmdline")
        while not self._over.wait(LOOK):
            begun = [one for one in living() if _text(one / "cmdline") != own]  # else it is still a copy of this
            self._theirs = max(self._theirs, sum(map(_peak, begun)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # it has ended meanwhile, or this is no Linux
        return ""


def held(process: Path, what: str = "VmRSS") -> int:
    """Bytes that a process holds, or with VmHWM has held at most; 0 where there is no such process any more."""
    lines = [line for line in _text(process / "status").splitlines() if line.startswith(f"{what}:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _peak(process: Path) -> int:
    return held(process, "VmHWM")


def machine() -> dict[str, Any]:
    """What measured, and how busy it was when it began."""
    import torch

    lines = _text(Path("/proc/cpuinfo")).splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = [line.split()[1] for line in _text(Path("/proc/meminfo")).splitlines() if line.startswith("MemTotal")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[0]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def middle(values: Iterable[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and in brackets the least and the most where there are several."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{middle(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others numbers."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)]) + "\n"
