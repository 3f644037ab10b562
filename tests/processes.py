"""What a process holds, and waiting for what will surely come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 120.0  # seconds: an upper bound and never the thing that is tested


def until(condition: Callable[[], bool]) -> None:
    """Wait for it; a machine that is busy has ample time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "this did not come"
        time.sleep(0.01)


def waits(pid: int) -> bool:
    """Is this process there, and more than the memory of one that has ended?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def open_files() -> int:
    """How many descriptors this process holds. Something of an earlier test may still be closed at any moment, so
    compare with `until(lambda: open_files() <= before)`."""
    return len(os.listdir("/dev/fd"))


def children() -> list[int]:
    """Processes that this one has started, or those in turn, and that are still there (Linux)."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, more = set[int](), {os.getpid()}
    while more := {one for one, parent in parents.items() if parent in more} - found:
        found |= more
    return sorted(found)


def forget_peak() -> float:
    """Let `peak` begin again from what is held now; → that, in megabytes. 0.0 where the system has no such thing."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """The most memory that this process has held, in megabytes (Linux)."""
    return _status("VmHWM")


def resident() -> float:
    """The memory that this process holds now, in megabytes (Linux)."""
    return _status("VmRSS")


def _status(name: str) -> float:
    """0.0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024
