"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """What malloc keeps of what was freed, in every thread's own pool, goes back (glibc; elsewhere nothing happens).

    Several visitors at once leave some hundreds of megabytes of it behind, which none of them needs any more.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """malloc_trim(3), None where there is none."""
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):
        return None
