"""What is in files, told by a glance at each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

ENDS = 1 << 16  # bytes at either end of a file that tell it from others


def fingerprint(files: Iterable[Path], *words: str, ends: int = ENDS) -> str:
    """16 hex digits of the sizes of files and both their ends, so many bytes each, and of words. Raises OSError."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            found.update(size.to_bytes(8, "big"))
            for begin in (0, max(0, size - ends)):
                file.seek(begin)
                found.update(file.read(ends))
    for one in words:
        found.update(b"\0" + one.encode())
    return found.hexdigest()[:16]
