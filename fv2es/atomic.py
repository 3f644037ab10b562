"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open for writing beside the target and rename at the end; on any error the target stays as it was.

    What is no regular file (a pipe, /dev/null) is written to directly.
    """
    path = Path(target)
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    path = path.resolve()  # a link stays a link: what it points to is replaced
    part = part_of(path)
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A name beside `path` that nothing else has."""
    return path.with_name(f".{secrets.token_hex(8)}.part")
