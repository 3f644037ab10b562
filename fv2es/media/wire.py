"""How a decoding child and its parent talk: lines of JSON through two pipes, pixels and samples through shared memory.

Neither side unpickles anything: what a child says may be a stranger's words, once its decoder has been taken over.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

RING = 32 << 20  # bytes of shared memory: about eleven frames of 1280×720, and the sound between them
AHEAD = 256  # frame times that a child is told ahead of those it has answered
LONGEST_LINE = 1 << 16  # bytes

Message = list[Any]


def shared_file(size: int) -> int:
    """A descriptor of memory without a name: nothing is left of it when nobody holds it any more."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("fv2es-frames")
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, size)
    return handle


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def send(handle: int, message: Message) -> None:
    """Write all of it. Raises OSError when the other side is gone."""
    line = encode(message)
    while line:
        line = line[os.write(handle, line) :]


class Lines:
    """Messages out of a pipe, one at a time."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._held = bytearray()

    def ready(self) -> Message | None:
        """The next message, if all of it is here. Raises ValueError for what is none."""
        line, found, rest = self._held.partition(b"\n")
        if not found:
            if len(line) > LONGEST_LINE:
                raise ValueError("a line without end")
            return None
        self._held = rest
        message = json.loads(line)
        if not (isinstance(message, list) and message and isinstance(message[0], str)):
            raise ValueError("needs a list that begins with a word")
        return message

    def fill(self) -> bool:
        """Read what there is, waiting for some; False at the end."""
        chunk = os.read(self.handle, LONGEST_LINE)
        self._held += chunk
        return bool(chunk)


class Ring:
    """Where in the shared memory the next bytes go: one behind the other, given back in the same order."""

    def __init__(self, size: int, wait: Callable[[], int]) -> None:
        """wait: blocks until bytes are given back, and says how many."""
        self._size = size
        self._wait = wait
        self._head = self._used = 0

    def take(self, count: int) -> tuple[int, int]:
        """Where `count` bytes in one piece begin, and how many have to be given back for them: some are passed over."""
        if 2 * count > self._size:
            raise ValueError(f"needs at most {self._size // 2} bytes at once, got {count}")
        wraps = self._head + count > self._size
        skipped = self._size - self._head if wraps else 0
        while self._used + skipped + count > self._size:
            self._used -= self._wait()
        begin = 0 if wraps else self._head
        self._head = begin + count
        self._used += skipped + count
        return begin, skipped + count
