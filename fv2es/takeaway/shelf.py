"""Results that a link opens again, for a while: one file each in a folder that nothing else serves.

Whoever has the token has the result, so a token cannot be guessed. What is too old goes, and where the shelf gets too
full, the oldest go first.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from fv2es.atomic import atomic_file
from fv2es.takeaway.packing import pack, unpack
from fv2es.takeaway.result import Result

KEEP_SECONDS = 3600.0  # as uploads
MAX_BYTES = 1e9  # of all results together
TOKEN_BYTES = 16  # 128 random bits
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")  # 16 bytes in base64
_SUFFIX, _PART = ".result", ".part"

GONE = "This result is no longer here: it was kept for {} and then deleted. Please read the clip again."
DAMAGED = "This result cannot be opened again: its file is damaged. Please read the clip again."
TOO_LARGE = "This result is too large to be kept for a link. Its files can still be downloaded."

logger = logging.getLogger(__name__)


class ShelfError(ValueError):
    """A result cannot be kept or opened; the message is one sentence or two for a person."""


class Shelf:
    """Threads, and several processes, may share one folder.

    keep_seconds: how long a result stays; max_bytes: how large all of them together may be; clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep_seconds: float = KEEP_SECONDS,
        max_bytes: float = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not (keep_seconds > 0 and max_bytes > 0):
            raise ValueError(f"needs keep_seconds and max_bytes above 0, got {keep_seconds} and {max_bytes}")
        self.folder = Path(folder)
        self.keep_seconds = keep_seconds
        self.max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()

    def put(self, result: Result) -> str:
        """Keep a result and say the token that opens it. Raises ShelfError for one that is larger than the shelf."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        path = self._path(token)
        with atomic_file(path) as stream:
            pack(result, stream)
            if stream.tell() > self.max_bytes:
                raise ShelfError(TOO_LARGE)
            now = self._clock()
            stream.flush()
            os.utime(stream.fileno(), (now, now))
            os.fchmod(stream.fileno(), 0o600)
        self.sweep()
        return token

    def get(self, token: str) -> Result:
        """What the token opens. Raises ShelfError where it opens nothing (any more)."""
        path = self._path(token)
        try:
            with path.open("rb") as stream:
                if self._clock() - os.fstat(stream.fileno()).st_mtime >= self.keep_seconds:
                    raise FileNotFoundError
                return unpack(stream)
        except FileNotFoundError as error:
            self.drop(token)
            raise ShelfError(GONE.format(spoken(self.keep_seconds))) from error
        except (ValueError, OSError) as error:
            logger.warning("a kept result is damaged", exc_info=True)
            raise ShelfError(DAMAGED) from error

    def drop(self, token: str) -> None:
        """Delete a result; one that is not there is no error."""
        if _is_token(token):
            self._path(token).unlink(missing_ok=True)

    def sweep(self, now: float | None = None) -> int:
        """Delete what is too old, then the oldest while the shelf is too full. How many files were deleted."""
        now = self._clock() if now is None else now
        with self._lock:
            files = sorted(self._files(), key=lambda file: file[1])
            old = [path for path, changed, _ in files if now - changed >= self.keep_seconds]
            results = [file for file in files if file[0].suffix == _SUFFIX and file[0] not in old]
            room = self.max_bytes
            for path, _, size in reversed(results):  # the newest have the first claim
                room = room - size if size <= room else -inf
                if room < 0:
                    old.append(path)
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> list[tuple[Path, float, int]]:
        """Path, time of the last change and size of all that is ours; what another thread deletes is passed over."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith((_SUFFIX, _PART)):
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        found.append((Path(entry.path), status.st_mtime, status.st_size))
        except FileNotFoundError:  # nothing was kept yet
            return []
        return found

    def _path(self, token: str) -> Path:
        if not _is_token(token):
            raise ShelfError(GONE.format(spoken(self.keep_seconds)))
        return self.folder / f"{token}{_SUFFIX}"


def spoken(seconds: float) -> str:
    """ "1 hour", "90 seconds"."""
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} seconds"


def _is_token(token: object) -> bool:
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None
