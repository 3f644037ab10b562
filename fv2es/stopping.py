"""Stop, in the midst of whatever is being done: whoever works for long asks here whether anybody still waits for it.

    with stoppable(event.is_set):
        ...  # anything below may `check`, and ends with Cancelled once the event is set

What is wanted belongs to the context (`contextvars`), so that nothing has to be handed down, and whoever works for
nobody in particular is never stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOOK = 0.05  # seconds from one look to the next while there is something to wait for


class Cancelled(Exception):
    """Nobody wants what is worked or waited for."""


def _never() -> bool:
    return False


_cancel: ContextVar[Callable[[], bool]] = ContextVar("cancel", default=_never)


@contextmanager
def stoppable(cancel: Callable[[], bool]) -> Iterator[None]:
    """What is done inside ends once `cancel` says so. Not to be held over a generator's `yield`."""
    token = _cancel.set(cancel)
    try:
        yield
    finally:
        _cancel.reset(token)


@contextmanager
def also(cancel: Callable[[], bool]) -> Iterator[None]:
    """As `stoppable`, and whatever ends the work outside ends it, too."""
    before = _cancel.get()
    with stoppable(lambda: cancel() or before()):
        yield


def stopped() -> bool:
    """Has whoever waits for this work gone?"""
    return _cancel.get()()


def check() -> None:
    """Raises Cancelled where the work is no longer wanted."""
    if stopped():
        raise Cancelled


@contextmanager
def turn(lock: threading.Lock) -> Iterator[None]:
    """Hold the lock, once it is there. Raises Cancelled where it is no longer wanted meanwhile."""
    while not lock.acquire(timeout=LOOK):
        check()
    try:
        yield
    finally:
        lock.release()
