"""Children from the outside, those that decode and others: started, listened to with a deadline, ended at once."""

from __future__ import annotations

import logging
import mmap
import os
import select
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

from fv2es.media import rules
from fv2es.media.forked import Barren, Forked, Nursery
from fv2es.media.starting import started
from fv2es.media.wire import RING, Lines, Message, send, shared_file
from fv2es.stopping import Cancelled

LOOK = 0.1  # seconds from one look at `cancel` to the next
START = 60.0  # seconds that a new process may take to begin; a busy machine needs a few

logger = logging.getLogger(__name__)


class Ended(Exception):
    """The child is no more. `sentence` says why to a person, `tail` says it where a part had been read by then."""

    def __init__(self, sentence: str, tail: str) -> None:
        super().__init__(sentence)
        self.sentence, self.tail = sentence, tail


class Child:
    """One process, which decodes one file if it is given no other `module` to run; `size`: bytes of the memory that it
    shares. For one thread at a time, but `end` may come from any."""

    def __init__(self, module: str = "fv2es.media.child", size: int = RING, *, nursery: Nursery | None = None) -> None:
        """nursery: bears it, whose `module` is then that which decodes; raises Barren."""
        handle, pipe = shared_file(size), subprocess.PIPE
        self._process: subprocess.Popen[bytes] | Forked
        try:
            self.memory = mmap.mmap(handle, size)
            if nursery is None:
                self._process = started(module, handle, size, stdin=pipe, stdout=pipe, pass_fds=(handle,))
            else:
                self._process = nursery.bear(handle, size)
        finally:
            os.close(handle)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._say = self._process.stdin.fileno()
        self._lines = Lines(self._process.stdout.fileno())
        self._began = time.monotonic()
        self.ready = False
        self._busy = threading.Lock()  # while pipes and memory are in use
        self._finalizer = weakref.finalize(self, _end, self._process, self.memory, self._busy)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._finalizer.alive and self._process.poll() is None

    def end(self) -> None:
        """Kill it, and free all that belongs to it; more than once is no error."""
        self._finalizer()

    def say(self, *message: object) -> None:
        """Raises Ended."""
        with self._busy:
            self._check()
            try:
                send(self._say, list(message))
            except OSError as error:
                raise self._why() from error

    def hear(self, patience: float, cancel: Callable[[], bool], take: Callable[[Message], None]) -> None:
        """Wait for its next message and hand it to `take`, while the memory is sure to be there.

        patience: seconds; a child that is silent for longer is killed. Raises Ended, Cancelled.
        """
        until = time.monotonic() + patience
        if not self.ready:
            until += max(0.0, self._began + START - time.monotonic())
        with self._busy:
            self._check()
            try:
                while (message := self._lines.ready()) is None:
                    self._wait(until, cancel)
                if message[0] == "ready":
                    self.ready = True
                take(message)
            except (ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
                logger.warning("A child talked nonsense: %s", error)
                self._kill()
                raise Ended(rules.CRASHED, rules.CRASHED_TAIL) from error

    def _wait(self, until: float, cancel: Callable[[], bool]) -> None:
        if cancel():
            raise Cancelled
        left = until - time.monotonic()
        if left <= 0:
            self._kill()
            raise Ended(rules.TOO_SLOW, rules.TOO_SLOW_TAIL)
        readable, _, _ = select.select([self._lines.handle], [], [], min(LOOK, left))
        if readable and not self._lines.fill():
            raise self._why()

    def _kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)

    def _check(self) -> None:
        if not self._finalizer.alive:
            raise Cancelled

    def _why(self) -> Exception:
        """Its pipes are closed: how did it end?"""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        if not self._finalizer.alive:
            return Cancelled()
        logger.warning("A child ended with %s.", code)
        if code == -signal.SIGXCPU:
            return Ended(rules.TOO_SLOW, rules.TOO_SLOW_TAIL)
        if code == -signal.SIGKILL:  # by the system, as nobody else would
            return Ended(rules.TOO_BIG, rules.TOO_BIG_TAIL)
        return Ended(rules.CRASHED, rules.CRASHED_TAIL)


class Decoders:
    """Children that begin at once, for whoever serves: one process has loaded what decodes, and forks. Where that
    cannot be done, each is started anew.

    May be shared by threads. `close` ends that process, and so does the end of ours; who decodes goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery = Nursery() if Nursery.possible() else None

    def take(self) -> Child:
        """One that is alive, ready or not."""
        with self._lock:
            if self._nursery is not None:
                try:
                    return Child(nursery=self._nursery)
                except Barren:
                    logger.warning("The nursery bears no more; another begins.")
                    self._nursery.close()
                    self._nursery = Nursery()
        return Child()

    def close(self) -> None:
        with self._lock:
            if self._nursery is not None:
                self._nursery.close()
                self._nursery = None


def _end(process: subprocess.Popen[bytes] | Forked, memory: mmap.mmap, busy: threading.Lock) -> None:
    process.kill()
    with busy:  # whoever listens is woken by that
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        memory.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5.0)


__all__ = ["Cancelled", "Child", "Decoders", "Ended"]
