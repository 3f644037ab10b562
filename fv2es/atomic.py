"""Files that are whole or not there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


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


def write_json(target: str | os.PathLike[str], document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Letters that are none in UTF-8, as a file's name may have them, are replaced."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    with atomic_file(target) as stream:
        stream.write(text.encode(errors="replace"))


def part_of(path: Path) -> Path:
    """A name beside `path` that nothing else has."""
    return path.with_name(f".{secrets.token_hex(8)}.part")
