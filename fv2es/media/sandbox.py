"""What a decoding child may not do: the system's own limits, each where the system has it."""

from __future__ import annotations

import ctypes
import math
import os
from contextlib import suppress

from fv2es.limits import Limits
from fv2es.media.plain import THREADS
from fv2es.media.seccomp import forbid

OPEN_FILES = 64
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000  # linux/sched.h


def confine(limits: Limits) -> None:
    """From now on: little memory and processor time, no core dump, no file written, no network where that is cheap;
    with the filter (`seccomp`), where there is one, no other program or process, no connection, no file changed."""
    import resource

    seconds = limits.decode_seconds * min(THREADS, os.cpu_count() or 1) + sum(os.times()[:2]) + 2
    bounds = {
        "RLIMIT_AS": limits.decode_bytes,
        "RLIMIT_CPU": math.ceil(seconds) if math.isfinite(seconds) else math.inf,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
    }
    for name, bound in bounds.items():
        _bound(resource, name, bound)
    _leave_the_network()
    forbid()


def _bound(resource, name: str, bound: float) -> None:  # type: ignore[no-untyped-def]
    """Never above what the host has set already."""
    kind = getattr(resource, name, None)
    if kind is None or not math.isfinite(bound):
        return
    _, hard = resource.getrlimit(kind)
    value = int(bound) if hard == resource.RLIM_INFINITY else min(int(bound), hard)
    with suppress(ValueError, OSError):  # macOS knows some of them by name only
        resource.setrlimit(kind, (value, value))


def _leave_the_network() -> None:
    """Into a network of one's own with nobody in it (Linux, where users may)."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(CLONE_NEWNET) != 0:
            library.unshare(CLONE_NEWUSER | CLONE_NEWNET)
