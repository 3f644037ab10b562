"""The nursery from the outside, and the children it bears, held as `subprocess.Popen` holds those it starts."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
import weakref
from contextlib import suppress
from io import FileIO

from fv2es.media.starting import started

BIRTH = 20.0  # seconds until a nursery that does not answer is given up; on a busy machine it needs a few to begin
UNKNOWN = 255  # the code of a process of which nobody can tell how it ended
PATIENCE = 2.0  # seconds for its last children to end, once no more are wanted; then nobody tells how they end
LOOK = 0.02  # seconds, at most, from one look at whether it has ended to the next
# For glibc: memory for frames comes in huge pages, where there are any, and what is free is kept for the next frame. A
# child lives as long as its clip.
TUNABLES = ("hugetlb=1", f"mmap_threshold={32 << 20}", f"trim_threshold={256 << 20}")
MALLOC = {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{one}" for one in TUNABLES)}


class Barren(Exception):
    """The nursery is no more, or cannot fork."""


class Nursery:
    """One process that has loaded all that decodes, and forks. For one thread at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(BIRTH)
        with theirs:
            self._process = started("fv2es.media.nursery", settings=MALLOC, stdin=theirs, stdout=subprocess.DEVNULL)
        self._finalizer = weakref.finalize(self, _leave, self._socket, self._process)

    @staticmethod
    def possible() -> bool:
        """Has this system what it takes? Linux from 5.4 on, unless a container forbids it."""
        if not (hasattr(os, "fork") and hasattr(os, "pidfd_open") and hasattr(socket, "send_fds")):
            return False
        try:
            held = os.pidfd_open(os.getpid())
        except OSError:
            return False
        try:
            signal.pidfd_send_signal(held, 0)
        except OSError:
            return False
        finally:
            os.close(held)
        return True

    @property
    def pid(self) -> int:
        return self._process.pid

    def bear(self, memory: int, size: int) -> Forked:
        """A child that decodes, into the shared memory behind this descriptor. Raises Barren."""
        (hear, to), (of, say), (end, told) = (os.pipe() for _ in range(3))
        held: list[int] = []
        try:
            socket.send_fds(self._socket, [str(size).encode()], [hear, say, memory, told])
            pid, held, _, _ = socket.recv_fds(self._socket, 64, 1)
            return Forked(int(pid), held[0], FileIO(to, "w"), FileIO(of), end)
        except (OSError, ValueError) as error:
            for handle in (to, of, end, *held):
                os.close(handle)
            raise Barren from error
        finally:
            for handle in (hear, say, told):
                os.close(handle)

    def close(self) -> None:
        """It bears no more, and ends with the last of those that are there; more than once is no error."""
        self._finalizer()


def _leave(parent: socket.socket, process: subprocess.Popen[bytes]) -> None:
    parent.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Forked:
    """What is needed here of `subprocess.Popen`, for a process that another one has borne."""

    def __init__(self, pid: int, held: int, stdin: FileIO, stdout: FileIO, end: int) -> None:
        """held: a descriptor of the process itself, whatever becomes of its number; end: where its code is told."""
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.returncode: int | None = None
        self._held, self._end = held, end
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its code, as Popen's; None while it is there."""
        with self._lock:
            if self.returncode is None and select.select([self._end], [], [], 0)[0]:
                code = os.read(self._end, 16)
                if not code:  # who would have told has gone
                    self._kill()
                self.returncode = int(code or UNKNOWN)
                os.close(self._end)
                os.close(self._held)
            return self.returncode

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        until, pause = time.monotonic() + timeout, 0.0005
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a decoding child", timeout)
            time.sleep(pause)
            pause = min(2 * pause, LOOK)
        return code

    def kill(self) -> None:
        with self._lock:
            if self.returncode is None:
                self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._held, signal.SIGKILL)
